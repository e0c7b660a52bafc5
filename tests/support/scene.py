"""What the contract promises: its refusals word for word, and one valid call of each operation."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx

from models.secret import NouveauPartenaire
from tests.support.contract_client import (
    CATALOGUE,
    OPERATIONS,
    ContractClient,
    Json,
    resolve,
)
from tests.support.world import Carte, World, new_number

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
WITH_JSON = [name for name in WITH_BODY if name != "accessToken"]
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


def refusal(code: str, *, language: str = "fr", oauth: bool = False, **fields: str) -> Json:
    """The whole body of a refusal."""
    entry = CATALOGUE[code]
    message = entry["message"][language].format_map(fields)
    body: Json = {
        "success": False,
        "code": code,
        "message": message,
        "debugMessage": None if "debugMessage" in entry else message,
        "moreInfo": None,
    }
    return {"error": entry["oauth"], **body} if oauth and "oauth" in entry else body


def assert_refused(
    answer: httpx.Response, code: str, *, language: str = "fr", **fields: str
) -> None:
    """Assert status, headers and the whole body of a refusal."""
    oauth = answer.request.url.path == "/access-token"
    expected = refusal(code, language=language, oauth=oauth, **fields)
    assert answer.json() == expected, answer.text
    assert answer.status_code == CATALOGUE[code]["statut"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


CHANGING_A_CARD = [
    name
    for name in WITH_JSON
    if "numeroCarte" in body_schema(name)["properties"]
    and not {"x-idempotence", "x-lecture-seule"} & CONTRACT[name].keys()
]
"""What does something to a card without a reference: done again on the same card, it is another matter."""


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
        """The parameters or the fields of the body."""
        ((_, values),) = self.options.items()
        return dict(values)

    def with_values(self, **values: Any) -> Call:
        """The same call with some parameters or fields replaced; None removes one."""
        ((where, old),) = self.options.items()
        new = {k: v for k, v in {**old, **values}.items() if v is not None}
        return self._replace(options={where: new})


ORIGINE = "ORIGINE"
"""Reference of the credit that every scene has, on its other card."""


def call_of(
    operation_id: str, carte: Carte, pair: NouveauPartenaire, autre: Carte | None = None
) -> Call:
    """A valid call of the operation; a transfer goes to the `autre` card."""
    method, path = PLACES[operation_id]
    calls: dict[str, dict[str, Any]] = {
        "getSoldeCarte": {"params": carte.query},
        "checkCardValidity": {"params": carte.query},
        "checkCardValidityByMember": {
            "params": {
                "numeroCarte": carte.numero,
                "membreId": carte.membre.membre_id,
                "clientId": carte.membre.client_id,
            }
        },
        "getListeCartes": {"params": {"clientId": carte.membre.client_id}},
        "creditCarte": {"json": carte.mouvement(1000, f"R-{new_number()}")},
        "debitCarte": {"json": carte.mouvement(1000, f"R-{new_number()}")},
        "transfererSolde": {
            "json": carte.transfert(autre or carte, 1000, f"R-{new_number()}"),
        },
        "getHistoriqueCarte": {"params": carte.query},
        "getOperation": {"params": {"reference": ORIGINE}},
        "cloturerReference": {"json": {"reference": f"R-{new_number()}"}},
        # The same each time: the first call reverses, the later ones are its repeats.
        "annulerOperation": {"json": {"referenceOrigine": ORIGINE, "reference": "ANNULATION"}},
        "verifierReferences": {
            "json": {"lignes": [{"reference": ORIGINE, "montant": 1000, "type": "CREDIT"}]}
        },
        "mesDroits": {"params": {}},
        "accessToken": {
            "data": {
                "grant_type": "client_credentials",
                "client_id": pair.consumer_key,
                "client_secret": pair.consumer_secret,
            }
        },
        "getCodesErreur": {"params": {}},
        "getConformite": {"params": {}},
        "healthLive": {"params": {}},
        "healthReady": {"params": {}},
    }
    return Call(method, path, calls.get(operation_id) or _as_its_examples(operation_id))


def _as_its_examples(operation_id: str) -> dict[str, Any]:
    """What the contract's examples say of an operation that is not above yet."""
    operation = CONTRACT[operation_id]
    if "requestBody" in operation:
        (content,) = resolve(operation["requestBody"])["content"].values()
        return {"json": resolve(next(iter(content["examples"].values())))["value"]}
    return {
        "params": {
            parameter["name"]: parameter.get("example", resolve(parameter["schema"]).get("example"))
            for parameter in map(resolve, operation.get("parameters", []))
            if parameter.get("required")
        }
    }


class Scene:
    """A new card, a partner of its client with every right, and two clients: the partner's and nobody's.

    The other card is of the same client; the partner credited it once, under ORIGINE. A scene set `on`
    another shares its member, its partner and its other card, which saves time.
    """

    def __init__(self, world: World, solde: int = 10_000, *, on: Scene | None = None) -> None:
        """Make what the scene shows."""
        self.world = world
        self.carte: Carte = world.carte(solde, membre=on.carte.membre if on else None)
        self.pair: NouveauPartenaire = (
            on.pair if on else world.partenaire([self.carte.membre.client_id])
        )
        self.nobody = world.anonymous()
        if on:
            self.api = world.anonymous()
            self.api.headers["Authorization"] = on.api.headers["Authorization"]
            self.autre: Carte = on.autre
        else:
            self.api = world.api_of(self.pair)
            self.autre = world.carte(membre=world.membre(self.carte.membre.client_id))
            answer = self.api.post("/credit-carte", json=self.autre.mouvement(1000, ORIGINE))
            assert answer.status_code == 200, answer.text

    def call(self, operation_id: str) -> Call:
        """A valid call of the operation on the scene's card, or on a new one that it may change."""
        carte = self.carte
        if operation_id in CHANGING_A_CARD:
            carte = self.world.carte(membre=carte.membre)
        return call_of(operation_id, carte, self.pair, self.autre)

    def caller(self, operation_id: str) -> ContractClient:
        """Who calls the operation as the contract says: nobody yet when a token is asked for."""
        return self.nobody if operation_id == "accessToken" else self.api
