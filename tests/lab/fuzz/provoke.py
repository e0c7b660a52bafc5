"""Every declared code of every operation, asked for by name: what chance alone would not be sure to meet.

They are sent as partners that the generated calls do not use, so their cards are as they were made.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
from psycopg import sql
from sqlalchemy import make_url

from tests.lab.fuzz import land as lands
from tests.lab.fuzz import report, rules
from tests.lab.fuzz.land import SOLDE_MAXIMAL, Carte, Land, Partenaire
from tests.lab.fuzz.ledger import Ledger
from tests.lab.fuzz.report import Part, Veil
from tests.lab.fuzz.stage import PATIENT, POSTGRESQL, Stage
from tests.support.contract_client import (
    CATALOGUE,
    OPERATIONS,
    ContractViolation,
    Json,
    check_exchange,
)
from tests.support.process import ServerProcess

PLACES = {operation["operationId"]: place for place, operation in OPERATIONS.items()}
CONTRACT = {operation["operationId"]: operation for operation in OPERATIONS.values()}
FORM = "application/x-www-form-urlencoded"
FORMS = tuple(
    name for name, one in CONTRACT.items() if FORM in one.get("requestBody", {}).get("content", {})
)
"""Operations of OAuth, whose bodies are forms."""

ALIVE = ("ACTIF", "EN_FIN")
"""The statuts of secrets that open something."""

MOTIF = "BLOCAGE_TEMPORAIRE"
"""The reason of a block that its partner may lift."""

SICK = {
    "3001": lands.EXPIRED,
    "3002": lands.OPPOSITION,
    "3003": lands.ANNULEE,
    "3004": lands.EMISE,
}


class Call(NamedTuple):
    """A request, whose parts can be replaced."""

    operation: str
    options: dict[str, Any]

    def but(self, **values: Any) -> Call:
        """The same with some parameters or fields replaced."""
        ((where, old),) = self.options.items()
        return self._replace(options={where: {**old, **values}})

    def with_options(self, **options: Any) -> Call:
        """The same with other options of httpx, in place of its body when there is one."""
        kept = {} if "content" in options else self.options
        return self._replace(options={**kept, **options})


@dataclass
class Scene:
    """Who calls what: the servers, the tokens, the cards, and a count for new references."""

    land: Land
    main: httpx.Client
    obedient: httpx.Client
    limited: httpx.Client
    partial: httpx.Client
    stage: Stage
    ledger: Ledger
    manager: Partenaire
    """Who calls what turns secrets over and blocks cards, with the secret that is its own now."""
    count: int = 0
    bearers: dict[tuple[str, str], str] = field(default_factory=dict)

    def caller(self, operation: str) -> Partenaire:
        """Who calls this operation."""
        return self.manager if operation in rules.MANAGED else self.land.partenaires[-1]

    @property
    def cartes(self) -> list[Carte]:
        """The cards of who moves money."""
        return self.land.partenaires[-1].cartes

    def carte(
        self, kind: str, *, client: int = 0, nth: int = 0, whose: Partenaire | None = None
    ) -> Carte:
        """A card of this kind, of who moves money or of another."""
        cartes = whose.cartes if whose else self.cartes
        clients = sorted({carte.client for carte in cartes})
        found = [c for c in cartes if c.kind == kind and c.client == clients[client]]
        return found[nth]

    def reference(self) -> str:
        """A reference never used."""
        self.count += 1
        return f"PROVOKED-{self.land.seed}-{self.count}"

    def bearer(
        self, operation: str, kind: str = "main", client: httpx.Client | None = None, **form: str
    ) -> str:
        """The header of a token of who calls the operation; one of each kind is asked for, once."""
        caller = self.caller(operation)
        if (caller.name, kind) not in self.bearers:
            pair = {"client_id": caller.key, "client_secret": caller.secret}
            data = {"grant_type": "client_credentials", **pair, **form}
            answer = (client or self.main).post("/access-token", data=data)
            self.bearers[caller.name, kind] = answer.raise_for_status().json()["access_token"]
        return f"Bearer {self.bearers[caller.name, kind]}"

    def authorization(self, call: Call) -> dict[str, str]:
        """The header of a good call."""
        if call.operation in rules.BY_PAIR:
            return {}
        return {"Authorization": self.bearer(call.operation)}

    def send(self, call: Call, client: httpx.Client | None = None) -> httpx.Response:
        """Send a call as the partner, unless it brings headers of its own."""
        method, path = PLACES[call.operation]
        given = dict(call.options.get("headers", {}))
        headers = {**self.authorization(call), **given}
        options = {**call.options, "headers": {k: v for k, v in headers.items() if v is not None}}
        answer = (client or self.main).request(method, path, **options)
        if call.operation in rules.WRITES:
            name, body = self.land.partenaires[-1].name, call.options.get("json")
            status, told = answer.status_code, answer.json()
            self.ledger.judge(name, call.operation, body, status, told, strict=False)
        if call.operation == "renouvelerSecret" and answer.status_code == 200:
            self._note(answer.json()["data"][0]["consumerSecret"])
        return answer

    def _note(self, secret: str | None) -> None:
        if secret:
            self.manager = replace(self.manager, secret=secret)
            self.land.secrets.append(secret)

    def done(self, call: Call) -> Json:
        """Send a call that must succeed; its item."""
        answer = self.send(call)
        assert answer.status_code == 200, f"{call.operation}: {answer.text}"
        item: Json = answer.json()["data"][0]
        return item

    # ── calls that succeed ───────────────────────────────────────────────────────────────────────
    def move(self, operation: str, carte: Carte, montant: int = 10, **more: Any) -> Call:
        """A credit or a debit."""
        body = {**carte.query, "montant": montant, "reference": self.reference(), **more}
        return Call(operation, {"json": body})

    def transfer(self, source: Carte, target: Carte, montant: int = 10) -> Call:
        """A transfer."""
        body = {f"{name}Destination": value for name, value in target.query.items()}
        return self.move("transfererSolde", source, montant, **body)

    def reversal(self, origine: str) -> Call:
        """A reversal."""
        body = {"referenceOrigine": origine, "reference": self.reference()}
        return Call("annulerOperation", {"json": body})

    def closed(self) -> str:
        """A reference that was closed."""
        reference = self.reference()
        self.done(Call("cloturerReference", {"json": {"reference": reference}}))
        return reference

    def credited(self, carte: Carte | None = None, montant: int = 10) -> str:
        """The reference of a new credit."""
        call = self.move("creditCarte", carte or self.carte(lands.RICH), montant)
        reference: str = self.done(call)["reference"]
        return reference

    # ── secrets and blocks ───────────────────────────────────────────────────────────────────────
    def alone(self) -> str:
        """Leave the manager no secret but the newest: its secretId."""
        answer = self.send(Call("getMesSecrets", {"params": {}}))
        alive = [one["secretId"] for one in answer.json()["data"] if one["statut"] in ALIVE]
        for secret_id in alive[1:]:
            self.done(self.revocation(secret_id))
        newest: str = alive[0]
        return newest

    def rotation(self, hours: int) -> Call:
        """A new secret, beside an old one that lives for so long."""
        body = {"delaiHeures": hours, "reference": self.reference()}
        return Call("renouvelerSecret", {"json": body})

    def succession(self) -> Call:
        """A new secret in place of the old one."""
        self.alone()
        return self.rotation(0)

    def revocation(self, secret_id: str) -> Call:
        """The end of a secret."""
        return Call(
            "revoquerSecret", {"json": {"secretId": secret_id, "reference": self.reference()}}
        )

    def spare(self) -> Call:
        """The end of a secret that another has followed."""
        old = self.alone()
        self.done(self.rotation(24))
        return self.revocation(old)

    def block(self, *, first: bool) -> Call:
        """The block of a card that has none, or what lifts the one that it has."""
        body = self.carte(lands.RICH, whose=self.manager).query
        block = Call(
            "opposerMaCarte",
            {"json": {**body, "motifOpposition": MOTIF, "reference": self.reference()}},
        )
        lift = Call("leverMonOpposition", {"json": {**body, "reference": self.reference()}})
        before, call = (lift, block) if first else (block, lift)
        self.send(before)
        return call

    def valid(self, operation: str) -> Call:
        """A call that succeeds."""
        carte = self.carte(lands.RICH)
        by_member = {k: v for k, v in carte.query.items() if k != "walletId"}
        caller = self.land.partenaires[-1]
        made: dict[str, Callable[[], Call]] = {
            "checkCardValidityByMember": lambda: Call(
                operation, {"params": {**by_member, "membreId": carte.membre}}
            ),
            "getListeCartes": lambda: Call(operation, {"params": {"clientId": carte.client}}),
            "creditCarte": lambda: self.move(operation, carte),
            "debitCarte": lambda: self.move(operation, carte),
            "transfererSolde": lambda: self.transfer(carte, self.carte(lands.RICH, nth=1)),
            "getOperation": lambda: Call(operation, {"params": {"reference": self.credited()}}),
            "cloturerReference": lambda: Call(operation, {"json": {"reference": self.reference()}}),
            "annulerOperation": lambda: self.reversal(self.credited()),
            "revoquerJeton": lambda: Call(
                operation,
                {
                    "data": {
                        "token": "nobodys-token",
                        "client_id": caller.key,
                        "client_secret": caller.secret,
                    }
                },
            ),
            "renouvelerSecret": self.succession,
            "revoquerSecret": self.spare,
            "opposerMaCarte": lambda: self.block(first=True),
            "leverMonOpposition": lambda: self.block(first=False),
            "retirerSecretInitial": lambda: Call(
                operation, {"json": {"codeRetrait": self.stage.new_code()}}
            ),
            "introspecterJeton": lambda: Call(operation, {"data": {"token": "nobodys-token"}}),
            "verifierReferences": lambda: Call(operation, {"json": {"lignes": []}}),
            "accessToken": lambda: Call(
                operation,
                {
                    "data": {
                        "grant_type": "client_credentials",
                        "client_id": caller.key,
                        "client_secret": caller.secret,
                    }
                },
            ),
        }
        if operation in made:
            return made[operation]()
        wants_card = "/ParamNumeroCarte" in json.dumps(CONTRACT[operation].get("parameters", []))
        return Call(operation, {"params": carte.query if wants_card else {}})


# ── one way to each code ─────────────────────────────────────────────────────────────────────────
def _headers(**headers: str | None) -> dict[str, Any]:
    return {"headers": {name.replace("_", "-"): value for name, value in headers.items()}}


def _surplus(scene: Scene, operation: str) -> httpx.Response:
    call = scene.valid(operation)
    params = {**call.options.get("params", {}), "surplus": "1"}
    return scene.send(call.with_options(params=params))


def _stranger(scene: Scene, operation: str) -> httpx.Response:
    call = scene.valid(operation)
    name = "clientId" if operation == "getListeCartes" else "numeroCarte"
    return scene.send(call.but(**{name: "999999999999"}))


def _body(content: bytes, content_type: str | None) -> Callable[[Scene, str], httpx.Response]:
    def send(scene: Scene, operation: str) -> httpx.Response:
        own = FORM if operation in FORMS else "application/json"
        headers = {"Content-Type": content_type or own}
        maximum = CONTRACT[operation].get("x-corps-maximal", 65_536)
        sent = content * (maximum + 1) if content == b" " else content
        if content == b"{" and operation in FORMS:
            sent = b"token%ff=1"
        return scene.send(Call(operation, {"content": sent, "headers": headers}))

    return send


def _with(**headers: str | None) -> Callable[[Scene, str], httpx.Response]:
    def send(scene: Scene, operation: str) -> httpx.Response:
        return scene.send(scene.valid(operation).with_options(**_headers(**headers)))

    return send


def _too_often(scene: Scene, operation: str) -> httpx.Response:
    call = scene.valid(operation)
    answer = scene.send(call, scene.limited)
    for _ in range(3):
        if answer.status_code == 200:
            answer = scene.send(call, scene.limited)
    return answer


def _switched_off(scene: Scene, operation: str) -> httpx.Response:
    return scene.send(scene.valid(operation), scene.partial)


def _expired(scene: Scene, operation: str) -> httpx.Response:
    first = (scene.caller(operation).name, "expired") not in scene.bearers
    bearer = scene.bearer(operation, "expired", scene.obedient)
    if first:
        time.sleep(2.1)
    return _with(Authorization=bearer)(scene, operation)


def _narrow(scene: Scene, operation: str) -> httpx.Response:
    needed = [scope for need in CONTRACT[operation]["security"] for scope in need.get("oauth2", [])]
    scope = "cartes:lire" if "cartes:lire" not in needed else "soldes:lire"
    return _with(Authorization=scene.bearer(operation, scope, scope=scope))(scene, operation)


def _from_elsewhere(scene: Scene, operation: str) -> httpx.Response:
    away = scene.stage.partenaires["C"]
    call = scene.valid(operation)
    if operation in rules.BY_PAIR:
        return scene.send(call.but(client_id=away.key, client_secret=away.secret))
    return _with(Authorization=rules.basic(away.key, away.secret))(scene, operation)


def _suspended_partner(scene: Scene, operation: str) -> httpx.Response:
    out = scene.stage.partenaires["S"]
    call = scene.valid(operation)
    if operation in rules.BY_PAIR:
        return scene.send(call.but(client_id=out.key, client_secret=out.secret))
    return _with(Authorization=rules.basic(out.key, out.secret))(scene, operation)


def _by_pair(scene: Scene, operation: str) -> httpx.Response:
    only_tokens = scene.stage.partenaires["N"]
    basic = rules.basic(only_tokens.key, only_tokens.secret)
    return _with(Authorization=basic)(scene, operation)


def _but(**values: str) -> Callable[[Scene, str], httpx.Response]:
    return lambda scene, operation: scene.send(scene.valid(operation).but(**values))


def _sick(kind: str) -> Callable[[Scene, str], httpx.Response]:
    def send(scene: Scene, operation: str) -> httpx.Response:
        carte = scene.carte(kind, whose=scene.caller(operation))
        call = scene.valid(operation)
        names = {**carte.query, "membreId": carte.membre}
        ((_, values),) = call.options.items()
        return scene.send(call.but(**{k: v for k, v in names.items() if k in values}))

    return send


def _suspended(scene: Scene, operation: str) -> httpx.Response:
    carte, other = (scene.carte(lands.RICH, client=1, nth=nth) for nth in (0, 1))
    call = scene.valid(operation)
    if operation == "transfererSolde":
        call = scene.transfer(carte, other)
    else:
        ((_, values),) = call.options.items()
        names = {**carte.query, "membreId": carte.membre}
        call = call.but(**{k: v for k, v in names.items() if k in values})
    method, path = PLACES[operation]
    # The ledger knows of no suspension: it is not asked.
    with scene.stage.suspended(carte.client):
        return scene.main.request(method, path, headers=scene.authorization(call), **call.options)


def _overdrawn(scene: Scene, operation: str) -> httpx.Response:
    poor, rich = scene.carte(lands.POOR), scene.carte(lands.RICH)
    if operation == "debitCarte":
        return scene.send(scene.move(operation, poor, 1_000_000))
    if operation == "transfererSolde":
        return scene.send(scene.transfer(poor, rich, 1_000_000))
    origine = scene.credited(poor, 1_000_000)
    solde = int(scene.done(Call("getSoldeCarte", {"params": poor.query}))["soldeOnline"])
    scene.done(scene.move("debitCarte", poor, solde))
    return scene.send(scene.reversal(origine))


def _repeated(scene: Scene, operation: str) -> httpx.Response:
    call = scene.valid(operation)
    scene.done(call)
    other: dict[str, dict[str, Any]] = {
        "renouvelerSecret": {"delaiHeures": 1},
        "revoquerSecret": {"avecJetons": True},
        "opposerMaCarte": {"motifOpposition": "PERDUE"},
        "leverMonOpposition": scene.carte(lands.RICH, nth=1, whose=scene.manager).query,
    }
    return scene.send(call.but(**other.get(operation, {"motif": "autre"})))


def _rotating(scene: Scene, _operation: str) -> httpx.Response:
    scene.alone()
    scene.done(scene.rotation(24))
    return scene.send(scene.rotation(24))


def _last(scene: Scene, _operation: str) -> httpx.Response:
    return scene.send(scene.revocation(scene.alone()))


def _filled(scene: Scene, operation: str) -> httpx.Response:
    full, rich = scene.carte(lands.FULL), scene.carte(lands.RICH)
    if operation == "creditCarte":
        return scene.send(scene.move(operation, full, 1_000_000_000))
    if operation == "transfererSolde":
        return scene.send(scene.transfer(rich, full, 1_000_000_000))
    solde = int(scene.done(Call("getSoldeCarte", {"params": full.query}))["soldeOnline"])
    origine: str = scene.done(scene.move("debitCarte", full, 5_000))["reference"]
    scene.credited(full, SOLDE_MAXIMAL - solde + 5_000)
    return scene.send(scene.reversal(origine))


def _far(scene: Scene, _operation: str) -> httpx.Response:
    return scene.send(scene.transfer(scene.carte(lands.RICH), scene.carte(lands.RICH, client=1)))


def _shut(scene: Scene, operation: str) -> httpx.Response:
    closed = scene.closed()
    if operation == "annulerOperation":
        return scene.send(scene.reversal(closed))
    return scene.send(scene.valid(operation).but(reference=closed))


def _unknown(scene: Scene, operation: str) -> httpx.Response:
    if operation == "annulerOperation":
        return scene.send(scene.reversal(scene.reference()))
    return scene.send(scene.valid(operation).but(reference=scene.reference()))


def _running(scene: Scene, operation: str) -> httpx.Response:
    slow = scene.move("creditCarte", scene.carte(lands.RICH))
    slow = slow.with_options(**_headers(X_Cynod_Fuzz="dawdle"))
    reference = slow.options["json"]["reference"]
    question = Call(operation, {"params": {"reference": reference}})
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(scene.send, slow, scene.obedient)
        # On SQLite a process knows of its own calls only.
        answer = scene.send(question, scene.obedient)
        while not running.done() and answer.json()["code"] != "4007":
            answer = scene.send(question, scene.obedient)
        assert running.result(30).status_code == 200, running.result().text
    return answer


def _twice(scene: Scene, _operation: str) -> httpx.Response:
    origine = scene.credited()
    scene.done(scene.reversal(origine))
    return scene.send(scene.reversal(origine))


def _late(scene: Scene, _operation: str) -> httpx.Response:
    origine = scene.credited()
    time.sleep(2.1)
    return scene.send(scene.reversal(origine), scene.obedient)


def _irreversible(scene: Scene, _operation: str) -> httpx.Response:
    moved = scene.done(scene.valid("transfererSolde"))
    return scene.send(scene.reversal(moved["reference"]))


def _beyond(scene: Scene, operation: str) -> httpx.Response:
    carte, rich = scene.carte(lands.LIMITED), scene.carte(lands.RICH)

    def ask() -> httpx.Response:
        if operation == "transfererSolde":
            return scene.send(scene.transfer(carte, rich))
        return scene.send(scene.move(operation, carte))

    return [ask() for _ in range(4)][-1]


def _accident(scene: Scene, operation: str) -> httpx.Response:
    call = scene.valid(operation).with_options(**_headers(X_Cynod_Fuzz="fail"))
    return scene.send(call, scene.obedient)


def _outage(scene: Scene, operation: str) -> httpx.Response:
    call = scene.valid(operation)
    if scene.stage.kind == POSTGRESQL:
        scene.authorization(call)
        with _away(scene.stage.database_url):
            return scene.send(call)
    # A file cannot be taken from a process that has it open: there, the driver's error is made.
    call = call.with_options(**_headers(X_Cynod_Fuzz="outage"))
    return scene.send(call, scene.obedient)


@contextlib.contextmanager
def _away(database_url: str) -> Iterator[None]:
    url = make_url(database_url)
    server = url.set(drivername="postgresql", database="postgres")
    with psycopg.connect(
        server.render_as_string(hide_password=False), autocommit=True
    ) as connection:

        def allow(*, connections: bool) -> None:
            connection.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
                    sql.Identifier(str(url.database)), sql.Literal(connections)
                )
            )

        allow(connections=False)
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (url.database,),
            )
            yield
        finally:
            allow(connections=True)


def _success(scene: Scene, operation: str) -> httpx.Response:
    return scene.send(scene.valid(operation))


WAYS: Mapping[str, Callable[[Scene, str], httpx.Response]] = {
    "200": _success,
    "405": _surplus,
    "412": _stranger,
    "1001": _body(b"{", None),
    "1002": _with(X_Header="x" * 40_000),
    "1005": _with(Accept="text/html"),
    "1006": _body(b" ", None),
    "1007": _body(b"{}", "text/plain"),
    "1008": _too_often,
    "1009": _switched_off,
    "2001": _with(Authorization="Bearer nobody-has-this-token"),
    "2002": _expired,
    "2003": _narrow,
    "2004": _from_elsewhere,
    "2005": _suspended_partner,
    "2010": _by_pair,
    "2101": _but(client_secret="wrong"),
    "2102": _but(grant_type="password"),
    "2103": _but(scope="rien:faire"),
    "2104": _but(secretId="00000000000000000000000000"),
    "2105": _rotating,
    "2106": _last,
    "2108": _but(codeRetrait="0" * 32),
    **{code: _sick(kind) for code, kind in SICK.items()},
    "3005": _suspended,
    **dict.fromkeys(("3006", "3007"), _sick(lands.OPPOSITION)),
    "4001": _overdrawn,
    "4002": _repeated,
    "4003": _filled,
    "4004": _far,
    "4005": _shut,
    "4006": _unknown,
    "4007": _running,
    "4008": _twice,
    "4009": _late,
    "4010": _irreversible,
    "4011": _beyond,
    "9999": _accident,
    "5001": _outage,
}
"""How to get each code from any operation that lists it; the last ones break something."""

OPTIONAL = [name for name, operation in CONTRACT.items() if operation.get("x-optionnelle")]
LIMITS = f"lecture=1/hour,ecriture=1/hour,jeton=2/hour,{PATIENT},retrait=1/hour"


def provoke_all(
    part: Part,
    made: Stage,
    server: ServerProcess,
    land: Land,
    veil: Veil,
    failures: Path,
    only: str | None = None,
) -> list[str]:
    """Ask every operation for every code that it lists; the logs of the servers that were prepared."""
    with contextlib.ExitStack() as stack:
        obedient = stack.enter_context(
            made.serve(fault="obedient", CYNOD_JETON_DUREE_S="1", CYNOD_ANNULATION_FENETRE_S="1")
        )
        limited = stack.enter_context(made.serve(workers=1, CYNOD_LIMITES=LIMITS))
        partial = stack.enter_context(
            made.serve(workers=1, CYNOD_OPERATIONS_DESACTIVEES=",".join(OPTIONAL))
        )
        main, fallible, slow, part_of_it = (
            stack.enter_context(httpx.Client(base_url=url, trust_env=False, timeout=30))
            for url in (server.url, obedient.url, limited.url, partial.url)
        )
        scene = Scene(
            land, main, fallible, slow, part_of_it, made, Ledger.of(land), land.managers[1]
        )
        for code, way in WAYS.items():
            for number, operation in enumerate(part.declared):
                name = f"{operation} {code}"
                if code not in part.declared[operation] or only not in (None, name):
                    continue
                _provoke(part, scene, name, way, number, veil, failures)
        return [obedient.log, limited.log, partial.log]


def _provoke(
    part: Part,
    scene: Scene,
    name: str,
    way: Callable[[Scene, str], httpx.Response],
    number: int,
    veil: Veil,
    failures: Path,
) -> None:
    operation, _, code = name.partition(" ")
    language = ("fr", "en")[number % 2]
    for client in (scene.main, scene.obedient, scene.limited, scene.partial):
        client.headers["Accept-Language"] = language
    answer: httpx.Response | None = None
    try:
        answer = way(scene, operation)
        judge(answer, operation, code, language, scene.land)
    except (AssertionError, ContractViolation, httpx.HTTPError, KeyError, ValueError) as error:
        said = f"{type(error).__name__}: {error}" + (f"\n{answer.text[:500]}" if answer else "")
        report.store_provocation(part, name, said, answer, veil, failures)
    else:
        part.provoked.setdefault(operation, set()).add(code)


def judge(answer: httpx.Response, operation: str, code: str, language: str, land: Land) -> None:
    """Raise unless the answer is the one asked for, as the contract has it."""
    request = answer.request
    check_exchange(
        request.method, request.url.path, answer.status_code, answer.headers, answer.content
    )
    rules.check_headers(operation, answer.status_code, answer.headers)
    body = answer.json()
    callers = (land.managers[1] if operation in rules.MANAGED else land.partenaires[-1],)
    own, others = (
        frozenset(carte.numero for one in some for carte in one.cartes)
        for some in (callers, land.partenaires[:1])
    )
    rules.check_cards(
        answer.status_code,
        answer.text,
        answer.headers,
        own=own,
        others=others,
        asked=str(request.url),
    )
    if code == "200":
        assert answer.status_code == 200, f"it answers {answer.status_code}"
        rules.check_success_text(operation, body, language)
        rules.check_forms(answer.text)
        return
    assert body.get("code") == code, f"it answers {body.get('code')}, not {code}"
    assert answer.status_code == CATALOGUE[code]["statut"]
    rules.check_code(operation, answer.status_code, body, language)
