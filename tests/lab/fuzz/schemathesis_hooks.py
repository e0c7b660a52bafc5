"""Real values for generated calls, and checks of our own beside all of Schemathesis's.

`make fuzz` loads it (docs/qa.md). What it remembers is in tests/lab/fuzz/witness.py, what it judges by in
tests/lab/fuzz/rules.py.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import requests
import schemathesis
from schemathesis.core.failures import Failure
from schemathesis.generation.meta import TestPhase

# `schemathesis run` by hand knows the folder of its command only, and others than we
# have installed a package of this name.
sys.path.insert(
    0,
    next(str(one) for one in Path(__file__).resolve().parents if (one / "openapi.yaml").exists()),
)

from tests.lab.fuzz import by_hand, cases, rules
from tests.lab.fuzz.cases import Case
from tests.lab.fuzz.witness import from_environment
from tests.support import exchanges
from tests.support.contract_client import PARTENAIRE, Json

FORM_CODES = ("405", "1001", "1002")
REPLAYED = "Idempotent-Replayed"

_CURSOR = "any text that it could be fits the contract; those that the server gave are accepted"
_DAY = "a text of the pattern may be no day, such as 31-02-2026"

RIGHTLY_REFUSED = {
    ("getListeCartes", "curseur"): _CURSOR,
    ("getHistoriqueCarte", "curseur"): _CURSOR,
    ("getHistoriqueCarte", "dateDebut"): _DAY,
    ("getHistoriqueCarte", "dateFin"): _DAY,
    ("verifierReferences", "jour"): _DAY,
    ("getOperation", "reference"): "one of two parameters is needed, which OpenAPI 3.0 cannot say",
    ("getOperation", "numeroOperation"): "only one of two may be given, as above",
    ("transfererSolde", "numeroCarteDestination"): "a card is not its own destination",
}
"""Parameters of fitting requests that are refused as malformed, each with its reason."""

WITNESS = from_environment()

if WITNESS.land.is_nowhere:
    # Run by hand: docs/qa.md says how, and which server is then tried.
    schemathesis.auth()(by_hand.auth_of(WITNESS))

    @schemathesis.hook
    def filter_failure(
        _context: schemathesis.HookContext,
        failure: Failure,
        _case: schemathesis.Case[Any],
        response: schemathesis.Response,
    ) -> bool:
        """Keep every failure but of calls that were refused for their number."""
        return not by_hand.is_throttled(failure, response)


# ── before and after a call ──────────────────────────────────────────────────────────────────────
@schemathesis.hook
def before_load_schema(_context: schemathesis.HookContext, raw_schema: Json) -> None:
    """Say in OpenAPI's word what a link puts into a body: see x-corps at the head of the contract.

    Where no partner is there to lose its secrets and cards, what would take them is left out.
    """
    if not WITNESS.land.managers:
        for path, item in list(raw_schema["paths"].items()):
            if any(one.get("operationId") in rules.MANAGED for one in item.values()):
                del raw_schema["paths"][path]
    cases.say_in_openapi(raw_schema)


cases.tell_missing_only()


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: Case, _kwargs: dict[str, Any]) -> None:
    """Give fitting requests values that exist, vary the language, and look at the soldes."""
    if WITNESS.land.is_nowhere:
        by_hand.enter(WITNESS, case)
    authorization = case.headers.get("Authorization", "")
    if authorization.startswith("Bearer ") and case.auth_identity is not None:
        WITNESS.tokens.add(authorization.removeprefix("Bearer "))
    if not WITNESS.land.replay:
        _make_real(case)
    elif cases.name_of(case) in rules.BY_PAIR:
        _restore_pair(case)
    if cases.name_of(case) in rules.MANAGED:
        _let_manager_call(case)
    if _may_write(case):
        _look_before(case)
    elif len(WITNESS.since) < 20:
        WITNESS.since.append(cases.name_of(case))


def _make_real(case: Case) -> None:
    name = cases.name_of(case)
    chance = WITNESS.chance(name, case.query, case.body)
    if "Accept-Language" not in case.headers and chance.random() < 0.5:
        case.headers["Accept-Language"] = "en"
    if name in rules.BY_PAIR:
        _settle_pair(case, chance)
    elif cases.is_positive(case):
        if isinstance(case.query, dict):
            _settle_query(name, case.query, chance)
        if isinstance(case.body, dict):
            _settle_body(case.path, name, case.body, chance)


def _settle_pair(case: Case, chance: Any) -> None:
    """Operations of tokens take a pair in the form or by Basic, never both, and no token."""
    case.headers.pop("Authorization", None)
    body, acting = case.body, WITNESS.land.acting
    if not isinstance(body, dict) or not cases.is_positive(case) or chance.random() < 0.06:
        return
    body.pop("client_id", None)
    body.pop("client_secret", None)
    if chance.random() < 0.3:
        case.headers["Authorization"] = rules.basic(acting.key, acting.secret)
    else:
        body |= {"client_id": acting.key, "client_secret": acting.secret}
    if "scope" in body and chance.random() < 0.9:
        body["scope"] = chance.choice(["soldes:lire", "cartes:lire cartes:debiter"])


def _restore_pair(case: Case) -> None:
    """A replay sends every stored call with the partner's token, which this operation does not take."""
    case.headers.pop("Authorization", None)
    if isinstance(case.body, dict) and "client_id" not in case.body and cases.is_positive(case):
        acting = WITNESS.land.acting
        case.headers["Authorization"] = rules.basic(acting.key, acting.secret)


def _let_manager_call(case: Case) -> None:
    """Put the pair of who may lose it into a call that the acting partner would make; nobody else's, and
    no call that a check made without credentials."""
    manager = WITNESS.manager
    given = str(case.headers.get("Authorization", "")).removeprefix("Bearer ")
    if manager is not None and case.auth_identity != "other" and given in WITNESS.tokens:
        case.headers["Authorization"] = rules.basic(manager.key, manager.secret)


def _settle_query(name: str, query: Json, chance: Any) -> None:
    if "numeroCarte" in query:
        WITNESS.place(query, chance)
    elif name == "getListeCartes":
        carte = WITNESS.pick(chance)
        if carte is not None:
            known = {"clientId": carte.client, "walletId": carte.wallet, "membreId": carte.membre}
            query |= {key: value for key, value in known.items() if key in query}
    elif name == "getOperation" and chance.random() < 0.96:
        _settle_question(query, chance)
    if "curseur" in query:
        given = WITNESS.cursors.get(_cursor_key(name, query), [])
        if query["curseur"] not in given and chance.random() < 0.95:
            if given:
                query["curseur"] = chance.choice(given)
            else:
                del query["curseur"]
    for day in ("dateDebut", "dateFin"):
        if day in query and chance.random() < 0.95:
            query[day] = chance.choice(["01/01/2020", "23/11/2026", "31/12/2039"])


def _cursor_key(name: str, query: Json) -> str:
    kept = {key: value for key, value in query.items() if key not in ("curseur", "limite")}
    return json.dumps([name, kept], sort_keys=True)


def _settle_question(query: Json, chance: Any) -> None:
    executed = WITNESS.known.executed
    numbers = {item["numeroOperation"] for item in executed.values()}
    if query.get("numeroOperation") in numbers:
        query.pop("reference", None)
        return
    if query.get("reference") in WITNESS.first and chance.random() < 0.95:
        query.pop("numeroOperation", None)
        return
    reference = WITNESS.known_reference(chance)
    if reference is None:
        query.pop("numeroOperation", None)
        query.setdefault("reference", "FUZZ-UNKNOWN")
    elif "numeroOperation" in query and reference in executed:
        query.pop("reference", None)
        query["numeroOperation"] = executed[reference]["numeroOperation"]
    else:
        query.pop("numeroOperation", None)
        query["reference"] = reference


def _settle_body(path: str, name: str, body: Json, chance: Any) -> None:
    if name in rules.MANAGED:
        _settle_management(name, body, chance)
    elif "numeroCarte" in body:
        WITNESS.place(body, chance)
    if "numeroCarteDestination" in body:
        WITNESS.place(body, chance, "Destination")
        if body["numeroCarteDestination"] == body["numeroCarte"] and chance.random() < 0.95:
            _settle_destination(body, chance)
    if "montant" in body:
        edge = WITNESS.edge(name, body, chance)
        body["montant"] = edge or min(body["montant"], WITNESS.land.montant_maximal)
    if name == "annulerOperation":
        WITNESS.settle_origine(body, chance)
    elif name == "verifierReferences":
        _settle_lines(body, chance)
    known = name == "cloturerReference" and body["reference"] in WITNESS.known.executed
    if "reference" in body and not known:
        WITNESS.settle_reference(path, body, chance)


def _settle_management(name: str, body: Json, chance: Any) -> None:
    """A block is lifted again, a secret follows another, most often: else all but the first are refused."""
    if "numeroCarte" in body and chance.random() < 0.95:
        WITNESS.block(body, chance)
    if name == "opposerMaCarte" and chance.random() < 0.9:
        body["motifOpposition"] = "BLOCAGE_TEMPORAIRE"
    elif name == "renouvelerSecret" and chance.random() < 0.7:
        body["delaiHeures"] = 0
    elif name == "revoquerSecret" and chance.random() < 0.7:
        known = [secret_id for secret_id, _ in WITNESS.secrets if secret_id]
        if known and body["secretId"] not in known:
            body["secretId"] = chance.choice(known)


def _settle_lines(body: Json, chance: Any) -> None:
    for line in body["lignes"]:
        known = WITNESS.known_reference(chance)
        if known is not None and chance.random() < 0.7:
            line["reference"] = known
    if "jour" in body and chance.random() < 0.95:
        body["jour"] = chance.choice(["01/01/2020", "23/11/2026", "29/02/2028"])


def _settle_destination(body: Json, chance: Any) -> None:
    """Another card of the same client, most often: else nearly all would be refused (4004)."""
    here = WITNESS.cartes.get(body["numeroCarte"])
    near = [
        carte
        for carte in WITNESS.own
        if here and carte.client == here.client and carte.numero != here.numero
    ]
    if near:
        carte = chance.choice(near)
        body |= {f"{key}Destination": value for key, value in carte.query.items()}


def _may_write(case: Case) -> bool:
    return cases.name_of(case) in rules.WRITES


def _look_before(case: Case) -> None:
    if WITNESS.last is None:
        WITNESS.last = WITNESS.soldes()
        WITNESS.open_ledger(WITNESS.last)
    elif WITNESS.since:
        # What only reads, or was sent by another check, must have left everything as it was. The
        # difference is told by the check below, which can name a case.
        WITNESS.pending[case.id] = WITNESS.last
        WITNESS.last = WITNESS.soldes()
        if WITNESS.last == WITNESS.pending[case.id]:
            del WITNESS.pending[case.id]


@schemathesis.hook
def after_call(
    _context: schemathesis.HookContext, case: Case, response: schemathesis.Response
) -> None:
    """Look at the soldes again, and remember what a success made."""
    if response.status_code == 200 and response.headers.get("content-type") == ["application/json"]:
        _remember(case, response)
    if _may_write(case):
        if response.status_code >= 500:
            _doubt(case)
        WITNESS.after[case.id] = WITNESS.soldes()
        _enter(case, response)


@schemathesis.hook
def after_network_error(
    _context: schemathesis.HookContext, case: Case, _request: requests.PreparedRequest
) -> None:
    """Remember a reference whose fate nobody told."""
    if _may_write(case):
        _doubt(case)
        if WITNESS.ledger is not None:
            WITNESS.ledger.doubtful = True


def _enter(case: Case, response: schemathesis.Response) -> None:
    """Let the ledger judge a call, in the order in which they were answered; a check tells it."""
    caller = WITNESS.land.partenaires[-1 if case.auth_identity == "other" else 0]
    is_json = response.headers.get("content-type") == ["application/json"]
    if WITNESS.ledger is None or not is_json:
        return
    try:
        WITNESS.ledger.judge(
            caller.name,
            cases.name_of(case),
            cases.sent_of(response),
            response.status_code,
            response.json(),
            strict=False,
        )
    except AssertionError as error:
        WITNESS.verdicts[case.id] = str(error)


def _doubt(case: Case) -> None:
    reference = case.body.get("reference") if isinstance(case.body, dict) else None
    if isinstance(reference, str):
        WITNESS.known.unknown.append(reference)


def _remember(case: Case, response: schemathesis.Response) -> None:
    name, body = cases.name_of(case), response.json()
    if name in ("getListeCartes", "getHistoriqueCarte") and body["curseurSuivant"]:
        cursors = WITNESS.cursors.setdefault(_cursor_key(name, case.query), [])
        if body["curseurSuivant"] not in cursors and len(cursors) < 20:
            cursors.append(body["curseurSuivant"])
    elif name == "accessToken":
        WITNESS.tokens.add(body["access_token"])
    elif name == "revoquerJeton":
        WITNESS.revoked |= {str(case.body["token"])} if isinstance(case.body, dict) else set()
    elif name in rules.MANAGED:
        sent = cases.sent_of(response)
        if sent is not None:
            WITNESS.note_managed(name, sent, body["data"][0])
    elif name in rules.WRITES:
        sent = cases.sent_of(response)
        if sent is not None:
            WITNESS.known.note(name, sent, body["data"][0])


# ── the checks ───────────────────────────────────────────────────────────────────────────────────
@schemathesis.check
def fitting_requests_are_not_called_malformed(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """A request that fits the contract may be refused for what it asks, never for its form."""
    if not cases.is_positive(case) or response.status_code != 400:
        return
    body = response.json()
    for operation, parameter in RIGHTLY_REFUSED:
        messages = [f"Paramètre {parameter} manquant ou invalide"]
        messages.append(f"Parameter {parameter} missing or invalid")
        if operation == cases.name_of(case) and body["message"] in messages:
            return
    assert body["code"] not in FORM_CODES, f"a fitting request is refused: {body['message']}"


@schemathesis.check
def good_credentials_are_accepted(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """A token of the partner is never refused, but for the rights of who manages; nor is who has those."""
    if response.status_code not in (401, 403):
        return
    given, name = str(response.request.headers.get("Authorization", "")), cases.name_of(case)
    manager = WITNESS.manager
    if manager is not None and name in rules.MANAGED:
        assert given != rules.basic(manager.key, manager.secret), "a good pair is refused"
        if response.status_code == 403:
            return
    good = WITNESS.tokens - WITNESS.revoked
    asked = name not in rules.BY_PAIR
    assert not asked or given.removeprefix("Bearer ") not in good, "a good token is refused"


@schemathesis.check
def code_and_text_are_the_contract_s(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """A code that the operation lists, with the text of the language asked for."""
    cases.check_code_and_text(response, case, PARTENAIRE)


@schemathesis.check
def headers_are_declared(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """No header but those of HTTP and of the contract."""
    cases.check_headers(response, case, PARTENAIRE)


@schemathesis.check
def dates_and_amounts_have_their_form(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, _case: Case
) -> None:
    """Dates exist, amounts are whole."""
    if response.status_code == 200 and response.headers["content-type"] == ["application/json"]:
        rules.check_forms(cases.text_of(response))


@schemathesis.check
def no_card_but_the_partner_s_own(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """No card of another partner, no full number where none belongs."""
    own, others = WITNESS.own_numbers, WITNESS.other_numbers
    if cases.name_of(case) in rules.MANAGED:
        own, others = WITNESS.managed_numbers, (own | others) - WITNESS.managed_numbers
    rules.check_cards(
        response.status_code,
        cases.text_of(response),
        cases.headers_of(response),
        own=own,
        others=others,
        asked=str(response.request.url),
    )
    if response.status_code == 200 and cases.name_of(case) not in (
        "verifierReferences",
        "getOperation",
    ):
        asked = json.dumps([case.query, case.body], default=str)
        seen = [numero for numero in others if numero in asked]
        assert not seen, "a card of another partner is acted upon"


@schemathesis.check
def money_moves_only_as_answered(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """A refusal, a repeat and a GET change no solde; a success changes those that it says."""
    name = cases.name_of(case)
    after = WITNESS.after.pop(case.id, None)
    if after is None:
        return
    before, WITNESS.last = WITNESS.last, after
    suspects, WITNESS.since = WITNESS.since, []
    stale = WITNESS.pending.pop(case.id, None)
    assert stale is None, f"soldes changed by calls that only read: one of {suspects}"
    assert before is not None
    body = response.json() if response.headers["content-type"] == ["application/json"] else {}
    rules.check_moves(
        name,
        cases.sent_of(response),
        response.status_code,
        body,
        before,
        after,
        replayed=REPLAYED.lower() in response.headers,
    )


@schemathesis.check
def answers_are_the_ledger_s(
    _ctx: schemathesis.CheckContext, _response: schemathesis.Response, case: Case
) -> None:
    """What the rules of money say, by a book of our own: limits, soldes, references."""
    verdict = WITNESS.verdicts.pop(case.id, None)
    assert verdict is None, verdict


@schemathesis.check
def repeated_reference_answers_the_same(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """The same request again gets the same bytes and moves nothing; another content is refused."""
    name = cases.name_of(case)
    if response.status_code != 200 or name not in rules.WRITES:
        return
    sent = cases.sent_of(response)
    if sent is None or WITNESS.chance(name, sent).random() > 0.4:
        return
    again = _send_again(response, sent)
    rules.check_repeat(name, response.content, again.status_code, again.content)
    executed = name != "cloturerReference" or '"EXECUTEE"' not in again.text
    assert not executed or again.headers.get(REPLAYED) == "true", f"a repeat lacks {REPLAYED}"
    if name == "cloturerReference":
        _check_soldes(name)
        return
    other = {**sent, "motif": f"{sent.get('motif', '')[:100]} bis"}
    refused = _send_again(response, other)
    assert refused.status_code == 400, f"another {name} with the same reference is accepted"
    rules.check_code(name, 400, refused.json(), cases.language_of(response))
    code = refused.json()["code"]
    assert code == "4002", f"another {name} with the same reference is refused with {code}"
    _check_soldes(name)


def _send_again(response: schemathesis.Response, body: Json) -> httpx.Response:
    request = response.request
    kept = ("Authorization", "Accept-Language", "Content-Type")
    headers = {name: str(request.headers[name]) for name in kept if name in request.headers}
    raw = cases.raw_of(response) if body == cases.sent_of(response) else json.dumps(body).encode()
    return WITNESS.client.request(
        str(request.method), str(request.url), content=raw, headers=headers
    )


def _check_soldes(name: str) -> None:
    now = WITNESS.soldes()
    before, WITNESS.last = WITNESS.last, now
    assert now == before, f"a repeated {name} changed a solde"


@schemathesis.check
class ReportsWhatWasAnswered:
    """Writes how many cases got which status and code, and the chains that were walked."""

    def after_response(
        self, ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
    ) -> None:
        """Note one answer. Sets of cases, because a case may be sent more than once."""
        exchanges.record_schemathesis(response)
        status, code = cases.answer_of(response)
        WITNESS.note(cases.name_of(case), status, code, case.id)
        meta = case.meta
        if status < 300 and meta is not None and meta.phase.name is TestPhase.STATEFUL:
            WITNESS.note_chain(cases.steps_to(ctx, case))

    def after_run(self, _ctx: schemathesis.CheckContext) -> None:
        """Write the record to the file that CYNOD_FUZZ_RECORD names."""
        target = os.environ.get("CYNOD_FUZZ_RECORD")
        if target:
            WITNESS.write(Path(target))
