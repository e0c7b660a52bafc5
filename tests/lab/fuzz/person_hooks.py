"""Real values for generated calls of persons, and checks of our own beside all of Schemathesis's."""

from __future__ import annotations

import json
import os
import random
import re
import sys
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from schemathesis.generation.meta import TestPhase

# `schemathesis run` knows the folder of its command only, and others than we
# have installed a package of this name.
sys.path.insert(
    0,
    next(str(one) for one in Path(__file__).resolve().parents if (one / "base-core.yaml").exists()),
)

from tests.lab.fuzz import cases
from tests.lab.fuzz.cases import Case
from tests.lab.fuzz.persons import CIBLE, SAISIE, VALIDATION, from_environment
from tests.support import exchanges
from tests.support.contract_client import BASE_CORE_PREFIX, Json, base_core

OFFICE = from_environment()
CONTRACT = base_core()
MACHINES_NEVER = frozenset({"validerDemande", "rejeterDemande"})
"""What the person does who validates; the other one does all the rest."""

FORM_CODES = ("405", "1001", "1002")


def days_of(node: Any) -> Iterator[str]:
    """The names of parameters and fields whose pattern is that of a day, be it one that no calendar has."""
    if isinstance(node, list):
        for one in node:
            yield from days_of(one)
    if not isinstance(node, dict):
        return
    named = [*dict(node.get("properties", {})).items(), (node.get("name"), node.get("schema"))]
    for name, schema in named:
        pattern = CONTRACT.resolve(schema).get("pattern", "") if isinstance(schema, dict) else ""
        takes = re.compile(pattern).fullmatch
        if any(takes(day) for day in ("31/02/2026", "31-02-2026")) and not takes("no-day-it-is"):
            yield str(name)
    for one in node.values():
        yield from days_of(one)


RIGHTLY_REFUSED = {
    **dict.fromkeys(days_of(CONTRACT.document), "a text of the pattern may be no day"),
    "curseur": "any text that it could be fits the contract; those that the server gave are accepted",
    "dateDebut": "a text of the pattern may be no day, such as 31-02-2026",
    "dateFin": "as above",
    "jusqua": "it must not be before `depuis`, which OpenAPI cannot say",
    "demandeId": "one of two parameters is needed, which OpenAPI 3.0 cannot say",
    "reference": "only one of two may be given, as above",
}
"""Parameters of fitting requests that are refused as malformed, each with its reason."""

_LIMITS = ("montantMaximal", "nombreMaximal")
RIGHTLY_REFUSED_OF = {
    # One of these is needed, and no two of them go together.
    "getHistoriqueOperations": ("carteId", "clientId", "consumerKey"),
    "rechercherCartes": (
        "numeroCarte",
        "carteId",
        "walletId",
        "clientId",
        "dernierQuatre",
        "membreId",
    ),
    # One of two is needed; one operation is one.
    "saisirPlafondCarte": _LIMITS,
    "saisirPlafondPartenaire": _LIMITS,
    # The same of each of them, and none twice.
    "saisirProfilCarte": ("plafonds",),
    "modifierProfilCarte": ("plafonds",),
    # It is needed with AUTRE alone.
    "opposerCarte": ("commentaire",),
    "annulerCarte": ("commentaire",),
    # They are those of the card, or it is good for longer already, or it has no profile.
    "activerCarte": ("dernierQuatre",),
    "renouvelerCarte": ("validiteMois",),
    "remplacerCarte": ("profilId",),
    # No number twice; no card to itself.
    "emettreCartes": ("porteurs",),
    "transfererSoldeSpecial": ("carteIdDestination",),
    # Scopes grow without a version of the contract; a partner of others has clients, one of ours none.
    "saisirPartenaire": ("scopes", "clients", "adresses"),
    "modifierPartenaire": ("scopes", "clients"),
    # A text of the pattern may be no network.
    "saisirAdressesPartenaire": ("adresses",),
}
"""The same of these operations alone: what OpenAPI 3.0 cannot say of them."""

CHANGES = frozenset(
    {
        *("modifierAgent", "modifierClient", "modifierMembre"),
        *("modifierProfilCarte", "modifierPartenaire"),
    }
)
NO_CHANGE = frozenset(
    {
        *("agentId", "clientId", "membreId", "profilId", "consumerKey"),
        *("reference", "versionAttendue", "motif", "pourLeCompteDe"),
    }
)
"""Fields that change nothing: a change has another one, which OpenAPI 3.0 cannot say."""

READS = {
    "clientId": ("/get-client", ("clientId",)),
    "membreId": ("/get-membre", ("clientId", "membreId")),
    "consumerKey": ("/get-partenaire", ("consumerKey",)),
}
"""Where the version of an object is read, and by what."""


IN_STATE = {
    "activerCarte": ("EMISE",),
    "leverOpposition": ("OPPOSITION",),
    "transfererSoldeSpecial": ("OPPOSITION", "ANNULEE"),
    "opposerCarte": ("ACTIVE", "EMISE"),
}
"""In which states a card is most often that these are asked of."""

SCOPES = ("soldes:lire", "cartes:lire", "cartes:crediter", "cartes:debiter", "cartes:opposer")
"""Rights that a partner may have."""

FRESH = 30
"""Calls after which the cards are looked at again: they have changed."""


class Memory:
    """What a run of persons remembers."""

    def __init__(self) -> None:
        self.client = httpx.Client(
            base_url=f"{OFFICE.url}{BASE_CORE_PREFIX}", trust_env=False, timeout=30
        )
        self.client.headers["Authorization"] = bearer(SAISIE)
        self.waiting: list[Json] = []
        """Demandes that nobody has validated yet."""
        self.reseaux: list[str] = []
        self.cards: list[Json] = []
        self.seen = 0
        self.answers: dict[str, dict[str, set[str]]] = {}
        self.chains: Counter[int] = Counter()
        self.longest: list[str] = []

    def version(self, path: str, **names: str) -> int | None:
        """The version of an object, None when there is none."""
        answer = self.client.get(path, params=names)
        if answer.status_code != 200:
            return None
        version: int | None = answer.json()["data"][0].get("version")
        return version

    def card(self, chance: random.Random, *statuts: str) -> Json | None:
        """A card in one of these states where there is one, else any."""
        if self.seen % FRESH == 0:
            # The last client may be suspended.
            clients = [*OFFICE.clients][:-1]
            self.cards = [one for client_id in clients for one in self._cards_of(client_id)]
        self.seen += 1
        fitting = [one for one in self.cards if one["statut"] in statuts]
        return chance.choice(fitting or self.cards) if self.cards else None

    def _cards_of(self, client_id: str) -> list[Json]:
        body = {"clientId": client_id}
        answer = self.client.post("/rechercher-cartes", params={"limite": "100"}, json=body)
        found: list[Json] = answer.json()["data"] if answer.status_code == 200 else []
        return found

    def secret(self) -> str | None:
        """A secret of the partner whom persons change."""
        params = {"consumerKey": OFFICE.consumer_key}
        answer = self.client.get("/get-partenaire", params=params)
        secrets = answer.json()["data"][0]["secrets"] if answer.status_code == 200 else []
        return str(secrets[0]["secretId"]) if secrets else None


def bearer(agent: str) -> str:
    """The header of an agent of the run."""
    return f"Bearer {OFFICE.tokens[agent]}"


MEMORY = Memory()


@schemathesis.auth()
class Auth:
    """The token of who enters."""

    def get(self, _case: Case, _ctx: schemathesis.AuthContext) -> str:
        """It is known."""
        return bearer(SAISIE)

    def set(self, case: Case, data: str, _ctx: schemathesis.AuthContext) -> None:
        """Put it into the call."""
        case.headers["Authorization"] = data


@schemathesis.hook
def before_load_schema(_context: schemathesis.HookContext, raw_schema: Json) -> None:
    """Say links as OpenAPI does."""
    cases.say_in_openapi(raw_schema)


cases.tell_missing_only()


# ── before and after a call ──────────────────────────────────────────────────────────────────────
@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: Case, _kwargs: dict[str, Any]) -> None:
    """Let the right person call, and give fitting requests values that exist."""
    name = cases.name_of(case)
    if name in MACHINES_NEVER and case.headers.get("Authorization") == bearer(SAISIE):
        case.headers["Authorization"] = bearer(VALIDATION)
    text = json.dumps([OFFICE.seed, name, case.query, case.body], sort_keys=True, default=str)
    chance = random.Random(zlib.crc32(text.encode("utf-8", "surrogatepass")))
    if "Accept-Language" not in case.headers and chance.random() < 0.5:
        case.headers["Accept-Language"] = "en"
    # What was stored is sent again as it was.
    if cases.is_positive(case) and not OFFICE.replay:
        if isinstance(case.query, dict):
            _settle(name, case.query, chance)
        if isinstance(case.body, dict):
            _settle(name, case.body, chance)
            _settle_write(name, case.body, chance)


def _settle(name: str, values: Json, chance: random.Random) -> None:
    """Name what there is. Nobody's rights are changed but those of the agent that is there for it."""
    creates = {"saisirClient": "clientId", "saisirMembre": "membreId", "saisirReseau": "reseauId"}
    client = str(values.get("clientId", ""))
    if client and creates.get(name) != "clientId" and chance.random() < 0.9:
        client = values["clientId"] = chance.choice([*OFFICE.clients])
    membres = OFFICE.clients.get(client)
    if "membreId" in values and creates.get(name) != "membreId" and membres:
        values["membreId"] = chance.choice(membres)
    if isinstance(values.get("reseauId"), str) and creates.get(name) != "reseauId":
        values["reseauId"] = chance.choice([*MEMORY.reseaux, values["reseauId"]])
    if "agentId" in values and name != "saisirAgent":
        values["agentId"] = CIBLE
    if "demandeId" in values and MEMORY.waiting and chance.random() < 0.9:
        demande = chance.choice(MEMORY.waiting[-5:])
        values["demandeId"] = demande["demandeId"]
        if "empreinte" in values and chance.random() < 0.95:
            values["empreinte"] = demande["empreinte"]
        if name == "getDemande":
            values.pop("reference", None)
    if "curseur" in values:
        del values["curseur"]
    _settle_cards(name, values, chance)
    _settle_partner(name, values, chance)


def _settle_partner(name: str, values: Json, chance: random.Random) -> None:
    if name == "getHistoriqueOperations" and chance.random() < 0.9:
        named = [one for one in RIGHTLY_REFUSED_OF[name] if one in values] or ["clientId"]
        kept = chance.choice(named)
        for one in named:
            if one != kept:
                del values[one]
    if "scopes" in values and chance.random() < 0.8:
        values["scopes"] = chance.sample(SCOPES, chance.randrange(1, 4))
    if isinstance(values.get("clients"), list) and chance.random() < 0.8:
        values["clients"] = [chance.choice([*OFFICE.clients])]
    if "consumerKey" in values and chance.random() < 0.95:
        values["consumerKey"] = OFFICE.consumer_key
        if "secretId" in values and chance.random() < 0.9:
            values["secretId"] = MEMORY.secret() or values["secretId"]


def _settle_cards(name: str, values: Json, chance: random.Random) -> None:
    """Name cards that there are, most often in a state of which the operation makes another one."""
    if "profilId" in values and name != "saisirProfilCarte" and chance.random() < 0.9:
        values["profilId"] = OFFICE.profil_id
    for porteur in values.get("porteurs") or []:
        membres = OFFICE.clients.get(str(values.get("clientId")))
        if isinstance(porteur, dict) and membres:
            porteur["membreId"] = chance.choice(membres)
            if chance.random() < 0.7:
                porteur.pop("numeroCarte", None)
    if name == "rechercherCartes" or "carteId" not in values or chance.random() < 0.08:
        return
    card = MEMORY.card(chance, *IN_STATE.get(name, ("ACTIVE",)))
    if card is None:
        return
    values["carteId"] = card["carteId"]
    if "dernierQuatre" in values and chance.random() < 0.9:
        values["dernierQuatre"] = card["numeroCarte"][-4:]
    other = MEMORY.card(chance, "ACTIVE")
    if "carteIdDestination" in values and other is not None:
        values["carteIdDestination"] = other["carteId"]
    if name == "remplacerCarte" and chance.random() < 0.8:
        values["profilId"] = OFFICE.profil_id
        values.pop("numeroCarte", None)


def _settle_write(name: str, body: Json, chance: random.Random) -> None:
    if "reference" in body and chance.random() < 0.9:
        body["reference"] = f"FUZZ-{OFFICE.seed}-{chance.getrandbits(48):x}"
    if "versionAttendue" in body and chance.random() < 0.85:
        for field, (path, names) in READS.items():
            if field in body and all(one in body for one in names):
                version = MEMORY.version(path, **{one: str(body[one]) for one in names})
                body["versionAttendue"] = version or body["versionAttendue"]
    if name == "changerStatutClient" and chance.random() < 0.9:
        # The cards of the others stay in service.
        body["clientId"] = [*OFFICE.clients][-1]


@schemathesis.hook
def after_call(
    _context: schemathesis.HookContext, case: Case, response: schemathesis.Response
) -> None:
    """Remember what waits for a validation."""
    _, code = cases.answer_of(response)
    if code in ("6002", "6004"):
        over = (cases.sent_of(response) or {}).get("demandeId")
        MEMORY.waiting = [one for one in MEMORY.waiting if one["demandeId"] != over]
    if response.status_code != 200 or not cases.is_json(response):
        return
    data = response.json().get("data", [])
    if cases.name_of(case) == "getListeReseaux":
        MEMORY.reseaux = [one["reseauId"] for one in data]
    for one in data:
        if (
            isinstance(one, dict)
            and {"demandeId", "empreinte", "validationsRequises"} <= one.keys()
        ):
            MEMORY.waiting = [
                other for other in MEMORY.waiting if other["demandeId"] != one["demandeId"]
            ]
            if one["statut"] == "SAISIE":
                MEMORY.waiting.append(one)


# ── the checks ───────────────────────────────────────────────────────────────────────────────────
@schemathesis.check
def fitting_requests_are_not_called_malformed(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """A request that fits the contract may be refused for what it asks, never for its form."""
    if not cases.is_positive(case) or response.status_code != 400:
        return
    body, sent = response.json(), cases.sent_of(response) or {}
    if cases.name_of(case) in CHANGES and sent.keys() <= NO_CHANGE:
        return
    places = {one["emplacement"] for one in body["erreurs"]}
    mine = RIGHTLY_REFUSED_OF.get(cases.name_of(case), ())
    if not places or not places <= RIGHTLY_REFUSED.keys() | {*mine}:
        assert body["code"] not in FORM_CODES, f"a fitting request is refused: {body['message']}"


@schemathesis.check
def good_persons_are_accepted(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """A person of the run is refused for what it asks, never for who it is. Nobody else is let in."""
    given = str(response.request.headers.get("Authorization", ""))
    if given in map(bearer, OFFICE.tokens):
        refused = response.json()["code"] if response.status_code in (401, 403) else None
        # Who did not enter a demande does not withdraw it.
        assert refused is None or (refused, cases.name_of(case)) == ("2003", "retirerDemande"), (
            f"a person of the run is refused: {refused}"
        )
    else:
        assert response.status_code != 200, "somebody without a token is let in"


@schemathesis.check
def code_and_text_are_the_contract_s(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """Refusals and texts are those that the operation lists."""
    cases.check_code_and_text(response, case, CONTRACT)


@schemathesis.check
def headers_are_declared(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """No header but those of HTTP and of the contract."""
    cases.check_headers(response, case, CONTRACT)


@schemathesis.check
def four_eyes(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, _case: Case
) -> None:
    """What took effect was agreed to by as many others as it asked for."""
    if response.status_code != 200 or not cases.is_json(response):
        return
    for one in response.json().get("data", []):
        if not isinstance(one, dict) or "validationsRequises" not in one:
            continue
        others = {each["agentId"] for each in one["validations"]} - {one["saisiePar"]["id"]}
        if one["statut"] == "EXECUTEE" and one["saisiePar"]["type"] != "CLI":
            assert len(others) >= one["validationsRequises"], f"executed by too few: {one}"


@schemathesis.check
class ReportsWhatWasAnswered:
    """Writes how many cases got which status and code, and the chains that were walked."""

    def after_response(
        self, ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
    ) -> None:
        """Note one answer."""
        exchanges.record_schemathesis(response)
        status, code = cases.answer_of(response)
        by_answer = MEMORY.answers.setdefault(cases.name_of(case), {})
        by_answer.setdefault(f"{status} {code}", set()).add(case.id)
        meta = case.meta
        if status < 300 and meta is not None and meta.phase.name is TestPhase.STATEFUL:
            steps = cases.steps_to(ctx, case)
            MEMORY.chains[len(steps)] += 1
            MEMORY.longest = max(MEMORY.longest, steps, key=len)

    def after_run(self, _ctx: schemathesis.CheckContext) -> None:
        """Write the record to the file that CYNOD_FUZZ_RECORD names."""
        target = Path(os.environ["CYNOD_FUZZ_RECORD"])
        record = {
            "answers": {
                name: {answer: len(found) for answer, found in sorted(answers.items())}
                for name, answers in sorted(MEMORY.answers.items())
            },
            "chains": {str(steps): number for steps, number in sorted(MEMORY.chains.items())},
            "longest": MEMORY.longest,
            "operations": {},
            "tokens": sorted(OFFICE.tokens.values()),
        }
        target.touch(mode=0o600)
        target.write_text(json.dumps(record), encoding="utf-8")
