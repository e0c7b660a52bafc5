"""What the contract promises: its refusals word for word, and one valid call of each operation."""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import httpx
from sqlalchemy import select, update

from models.audit import record
from models.base import now
from models.partenaire import objet_partenaire, partenaires
from models.retrait import give_code
from models.secret import NouveauPartenaire, add_secret, new_secret, secrets
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import (
    BASE_CORE_PREFIX,
    OPERATIONS,
    PARTENAIRE,
    ContractClient,
    Json,
    Reading,
    base_core,
    envelope_of,
    reading_of,
    resolve,
)
from tests.support.registry import entry_of, missing
from tests.support.world import PEPPER, Carte, World, new_number

CONTRACT = {operation["operationId"]: operation for operation in OPERATIONS.values()}
PLACES = {operation["operationId"]: place for place, operation in OPERATIONS.items()}
NEEDED: dict[str, list[str] | None] = {
    name: next((need["oauth2"] for need in operation["security"] if "oauth2" in need), None)
    for name, operation in CONTRACT.items()
}
"""The scopes that an operation needs, all of them; None when it needs no partner."""
SCOPES = {
    name: needed[0] if needed is not None and len(needed) == 1 else None
    for name, needed in NEEDED.items()
}
"""The scope of an operation that needs just one."""

ALL = list(CONTRACT)
SECURED = [name for name in ALL if SCOPES[name] is not None]
AUTHENTICATED = [name for name in ALL if NEEDED[name] is not None]
WITH_BODY = [name for name in ALL if "requestBody" in CONTRACT[name]]
WITH_JSON = [
    name
    for name in WITH_BODY
    if "application/json" in resolve(CONTRACT[name]["requestBody"])["content"]
]
WITH_FORM = [name for name in WITH_BODY if name not in WITH_JSON]
BY_PAIR = [name for name in WITH_FORM if {} in CONTRACT[name]["security"]]
"""What is called with the pair itself, in its form."""
WITHOUT_BODY = [name for name in ALL if "requestBody" not in CONTRACT[name]]
MONEY = ["creditCarte", "debitCarte"]
ON_A_CARD = ["getSoldeCarte", "checkCardValidity", "checkCardValidityByMember", *MONEY]


def answering(code: str) -> list[str]:
    """The operations that list this code."""
    return [name for name, operation in CONTRACT.items() if code in operation["x-codes-erreur"]]


def body_schema(operation_id: str) -> Json:
    """The schema of the operation's request body."""
    (content,) = resolve(CONTRACT[operation_id]["requestBody"])["content"].values()
    schema: Json = resolve(content["schema"])
    return schema


_OF_OAUTH = frozenset(PLACES[name][1] for name in WITH_FORM)
"""The paths whose refusals have the `error` of RFC 6749."""


def entry_in_catalogue(code: str, of: Reading = PARTENAIRE) -> Json:
    """What a contract says of a code."""
    write = "it into x-catalogue-erreurs, or another code in the test,"
    entry: Json = entry_of(of.catalogue, code, write=write, file=of.file)
    return entry


class _Fields(dict[str, str]):
    """What a test gives for the places of a code's text."""

    def __init__(self, code: str, fields: dict[str, str]) -> None:
        super().__init__(fields)
        self._code = code

    def __missing__(self, name: str) -> str:
        missing(
            f"what stands for {{{name}}} in the text of the code {self._code}",
            write=f"`{name}=…` as an argument of assert_refused or refusal",
            file="the test",
        )


def refusal(
    code: str,
    *,
    language: str = "fr",
    oauth: bool = False,
    of: Reading = PARTENAIRE,
    more_info: str | None = None,
    **fields: str,
) -> Json:
    """The envelope of a refusal of a contract."""
    entry = entry_in_catalogue(code, of)
    message = entry["message"][language].format_map(_Fields(code, fields))
    body: Json = {
        "success": False,
        "code": code,
        "message": message,
        "debugMessage": None if "debugMessage" in entry else message,
        "moreInfo": more_info,
    }
    return {"error": entry["oauth"], **body} if oauth and "oauth" in entry else body


def assert_refused(
    answer: httpx.Response,
    code: str,
    *,
    language: str = "fr",
    more_info: str | None = None,
    **fields: str,
) -> None:
    """Assert status, headers and envelope of a refusal, by the contract that its path is of."""
    path = answer.request.url.path
    oauth, of = path in _OF_OAUTH, reading_of(path)
    expected = refusal(code, language=language, oauth=oauth, of=of, more_info=more_info, **fields)
    assert envelope_of(answer) == expected, answer.text
    assert answer.status_code == entry_in_catalogue(code, of)["statut"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


CHANGING_A_CARD = [
    name
    for name in WITH_JSON
    if "numeroCarte" in body_schema(name)["properties"]
    and not {"x-idempotence", "x-lecture-seule"} & CONTRACT[name].keys()
]
"""What does something to a card without a reference: done again on the same card, it is another matter."""


OPPOSITION = ("opposerMaCarte", "leverMonOpposition")
"""What blocks a card, and what needs one that its partner has blocked."""

ROTATION = ("renouvelerSecret", "revoquerSecret")
"""What changes the secrets of whoever calls it."""


class Rotation:
    """A partner whose secrets may be turned over as often as there are calls."""

    def __init__(self, world: World, pair: NouveauPartenaire) -> None:
        """Give the partner its client."""
        self.world, self.pair = world, pair
        self.api = world.api_of(pair)

    def prepare(self, operation_id: str) -> dict[str, str]:
        """Bring its secrets into the state in which the operation succeeds; what it must name."""
        with self.world.writing() as connection:
            own = connection.execute(
                select(secrets.c.id, secrets.c.partenaire_id)
                .join(partenaires, partenaires.c.id == secrets.c.partenaire_id)
                .where(partenaires.c.consumer_key == self.pair.consumer_key)
                .order_by(secrets.c.id)
            ).all()
            first, partenaire_id = own[0]
            mine = secrets.c.partenaire_id == partenaire_id
            connection.execute(update(secrets).where(mine).values(revoque_le=now()))
            good = {"revoque_le": None, "expire_le": None}
            connection.execute(update(secrets).where(secrets.c.id == first).values(**good))
            named = {}
            if operation_id == "revoquerSecret":
                second = add_secret(connection, partenaire_id, new_secret(), PEPPER)
                named = {"secretId": second.secret_id}
            objet = objet_partenaire(self.pair.consumer_key)
            record(connection, TESTEUR, "preparer", objet, None, {})
            return named


class Call(NamedTuple):
    """A request that can be sent as it is, or with some of its parts replaced."""

    method: str
    path: str
    options: dict[str, Any]

    def send(self, client: httpx.Client, **more: Any) -> httpx.Response:
        """Send it; `more` are httpx's own options."""
        return client.request(self.method, self.path, **{**self.options, **more})

    @property
    def values(self) -> dict[str, Any]:
        """The parameters and the fields of the body."""
        return {name: value for part in self.options.values() for name, value in part.items()}

    def with_values(self, **values: Any) -> Call:
        """The same call with some parameters or fields replaced; None removes one."""
        options = {where: dict(part) for where, part in self.options.items()}
        for name, value in values.items():
            options[self._place_of(name)][name] = value
        kept = {
            where: {name: value for name, value in part.items() if value is not None}
            for where, part in options.items()
        }
        return self._replace(options=kept)

    def _place_of(self, name: str) -> str:
        *others, last = self.options
        in_query = others and name in _parameters_of(self.method, self.path)
        return "params" if in_query else last


def _parameters_of(method: str, path: str) -> set[str]:
    """What an operation takes beside its body; a path of the back office is written without its prefix."""
    of, place = PARTENAIRE, (method, path)
    if place not in OPERATIONS:
        of, place = base_core(), (method, f"{BASE_CORE_PREFIX}{path}")
    return {of.resolve(one)["name"] for one in of.operations[place].get("parameters", [])}


STOCK = 25
"""Cards of a scene that are made at once, for those that are set on it."""

ORIGINE = "ORIGINE"
"""Reference of the credit that every scene has, on its other card."""


def call_of(
    operation_id: str, carte: Carte, pair: NouveauPartenaire, autre: Carte | None = None
) -> Call:
    """A valid call of the operation; a transfer goes to the `autre` card."""
    write = "it into the contract, or another operationId in the test,"
    method, path = entry_of(PLACES, operation_id, write=write, file="openapi.yaml")
    calls: dict[str, dict[str, Any]] = {
        "getOperation": {"params": {"reference": ORIGINE}},
        # The same each time: the first call reverses, the later ones are its repeats.
        "annulerOperation": {"json": {"referenceOrigine": ORIGINE, "reference": "ANNULATION"}},
        "verifierReferences": {
            "json": {"lignes": [{"reference": ORIGINE, "montant": 1000, "type": "CREDIT"}]}
        },
        "accessToken": {
            "data": {
                "grant_type": "client_credentials",
                "client_id": pair.consumer_key,
                "client_secret": pair.consumer_secret,
            }
        },
        # Of a token that nobody has: those of the scene stay good.
        "revoquerJeton": {
            "data": {
                "token": "nobodys-token",
                "client_id": pair.consumer_key,
                "client_secret": pair.consumer_secret,
            }
        },
        "introspecterJeton": {
            "data": {"token": "nobodys-token", "token_type_hint": "access_token"}
        },
    }
    options = calls.get(operation_id) or _as_the_contract_says(operation_id, carte, autre or carte)
    return Call(method, path, options)


def _as_the_contract_says(operation_id: str, carte: Carte, autre: Carte) -> dict[str, Any]:
    """What the operation requires: of the scene what is a card's or a reference, else its examples."""
    own = {
        **carte.transfert(autre, 1000, f"R-{new_number()}"),
        "membreId": carte.membre.membre_id,
    }
    operation = CONTRACT[operation_id]
    required = {
        parameter["name"]: parameter.get("example", resolve(parameter["schema"]).get("example"))
        for parameter in map(resolve, operation.get("parameters", []))
        if parameter.get("required")
    }
    parameters = {name: own.get(name, value) for name, value in required.items()}
    if "requestBody" not in operation:
        return {"params": parameters}
    (content,) = resolve(operation["requestBody"])["content"].values()
    example = resolve(next(iter(content["examples"].values())))["value"]
    body = {
        name: own.get(name, example.get(name)) for name in body_schema(operation_id)["required"]
    }
    return {"params": parameters, "json": body} if parameters else {"json": body}


class Scene:
    """A new card, a partner of its client with every right, and two clients: the partner's and nobody's.

    The other card is of the same client; the partner credited it once, under ORIGINE. A scene set `on`
    another shares its member, its partner and its other card, which saves time.
    """

    def __init__(self, world: World, solde: int = 10_000, *, on: Scene | None = None) -> None:
        """Make what the scene shows."""
        self.world = world
        self.carte: Carte
        self.autre: Carte
        self.pair: NouveauPartenaire
        self._stock: dict[int, list[Carte]] = {}
        self.root: Scene = on.root if on else self
        if on:
            self.carte = on.new_carte(solde)
            self.autre, self.pair = on.autre, on.pair
            self.api = world.anonymous()
            self.api.headers["Authorization"] = on.api.headers["Authorization"]
        else:
            with world.writing():
                self.carte = world.carte(solde)
                client_id = self.carte.membre.client_id
                self.pair = world.partenaire([client_id])
                self.autre = world.carte(membre=world.membre(client_id))
            self.api = world.api_of(self.pair)
            answer = self.api.post("/credit-carte", json=self.autre.mouvement(1000, ORIGINE))
            assert answer.status_code == 200, answer.text

    def new_carte(self, solde: int) -> Carte:
        """A card of the scene's member that nobody has used. Alone, each takes nine statements and a
        transaction."""
        stock = self._stock.setdefault(solde, [])
        if not stock:
            stock += self.world.cartes(STOCK, solde, self.carte.membre)
        return stock.pop(0)

    @cached_property
    def nobody(self) -> ContractClient:
        """A client without credentials."""
        return self.world.anonymous()

    def call(self, operation_id: str) -> Call:
        """A valid call of the operation on the scene's card, or on a new one that it may change."""
        carte = self.carte
        if operation_id in (*CHANGING_A_CARD, *OPPOSITION):
            carte = self.new_carte(0)
        if operation_id == "leverMonOpposition":
            self._block(carte)
        call = call_of(operation_id, carte, self.pair_of(operation_id), self.autre)
        if operation_id in ROTATION:
            return call.with_values(**self.root.rotation.prepare(operation_id))
        if operation_id == "retirerSecretInitial":
            return call.with_values(codeRetrait=self._new_code())
        return call

    def _new_code(self) -> str:
        """A code of withdrawal, of a partner of its own: a code is good once, and ends those before it."""
        pair = self.world.partenaire([self.carte.membre.client_id])
        with self.world.writing() as connection:
            is_it = partenaires.c.consumer_key == pair.consumer_key
            partenaire_id = connection.scalars(select(partenaires.c.id).where(is_it)).one()
            code = give_code(connection, partenaire_id, pepper=PEPPER)
            objet = objet_partenaire(pair.consumer_key)
            record(connection, TESTEUR, "preparer", objet, None, {})
        return code

    def _block(self, carte: Carte) -> None:
        """Block a card as the scene's partner would, whatever it may do now."""
        with self.world.database.reading() as connection:
            partenaire_id = connection.scalar(
                select(partenaires.c.id).where(partenaires.c.consumer_key == self.pair.consumer_key)
            )
        self.world.change_carte(
            carte,
            statut="OPPOSITION",
            motif_statut="BLOCAGE_TEMPORAIRE",
            statut_avant_opposition="ACTIVE",
            oppose_par=partenaire_id,
        )

    @cached_property
    def rotation(self) -> Rotation:
        """The partner whose secrets are turned over, so that the scene's own pair stays good."""
        return Rotation(self.world, self.world.partenaire([self.carte.membre.client_id]))

    def pair_of(self, operation_id: str) -> NouveauPartenaire:
        """The partner who calls the operation."""
        return self.root.rotation.pair if operation_id in ROTATION else self.pair

    def caller(self, operation_id: str) -> ContractClient:
        """Who calls the operation as the contract says: nobody yet where its form has the pair."""
        if operation_id in ROTATION:
            return self.root.rotation.api
        return self.nobody if operation_id in BY_PAIR else self.api
