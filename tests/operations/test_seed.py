"""The two operations that the original document shows, field by field as it shows them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime

import httpx
import pytest

from tests.support.contract_client import ContractClient, Json, envelope_of, places_of
from tests.support.scenes import NewWorld
from tests.support.world import World

NUMERO, WALLET, CLIENT = "7019800100009569", "221771234567", "CLI-0001"
QUERY = {"numeroCarte": NUMERO, "walletId": WALLET, "clientId": CLIENT}

SOLDE = """{
   "success": true,
   "code": 200,
   "message": "Sauf omission* de notre part votre nouveau solde est de 142000  FCFA ",
   "data": [
       {
           "numeroCarte": "7019800100009569",
           "soldeOnline": 142000.0,
           "dateSolde": "23-08-2021 10:11:42"
       }
   ]
}"""
UTILISATEUR = """{
   "success": false,
   "code": "412",
   "message": "Utilisateur inexistant ou invalide",
   "debugMessage": "Utilisateur inexistant ou invalide",
   "moreInfo": null
}"""
VALIDITE = """{
   "success": true,
   "code": 200,
   "message": "Votre carte est valide et valable jusqu'au 18/07/2029",
   "data": [
       {
           "numeroCarte": "7019800100009569",
           "finValidite": "18/07/2029",
           "nom": "xxx",
           "prenom": "xxx",
           "email": "",
           "telephone": "",
           "numeroPiece": "",
           "dateNaissance": ""
       }
   ]
}"""
# The document writes "Paramètere", a slip of the pen that the contract does not repeat.
PARAMETRE = """{
   "success": false,
   "code": "405",
   "message": "Paramètre numeroCarte manquant ou invalide",
   "debugMessage": null,
   "moreInfo": null
}"""


@pytest.fixture(scope="module")
def seed_world(own_world: NewWorld) -> Iterator[World]:
    """A database that holds the card of the document."""
    with own_world() as world:
        membre = world.membre(
            world.client(CLIENT),
            membre_id="MBR-0001",
            wallet_id=WALLET,
            nom="xxx",
            prenom="xxx",
            telephone="",
        )
        world.carte(
            142_000,
            membre=membre,
            numero=NUMERO,
            fin_validite=date(2029, 7, 18),
            date_solde=datetime(2021, 8, 23, 10, 11, 42, tzinfo=UTC),
        )
        yield world


@pytest.fixture(scope="module")
def api(seed_world: World) -> ContractClient:
    """A partner of the document's client."""
    return seed_world.api(CLIENT)


def assert_document_s_refusal(answer: httpx.Response, text: str, *places: str) -> None:
    """Assert the document's payload, to which the server adds where the fault is."""
    assert answer.status_code == 400
    assert answer.content.startswith(compact(text).removesuffix(b"}") + b',"requestId":')
    assert envelope_of(answer) == json.loads(text)
    assert places_of(answer) == list(places)


def compact(text: str) -> bytes:
    """The document's JSON without its layout: numbers keep their spelling, fields their order."""
    return json.dumps(json.loads(text), ensure_ascii=False, separators=(",", ":")).encode()


def test_solde_is_the_document_s_answer_plus_unite(api: ContractClient) -> None:
    answer = api.get("/get-solde-carte", params=QUERY)
    expected: Json = json.loads(SOLDE)
    expected["data"][0]["unite"] = "FCFA"
    assert answer.status_code == 200
    assert answer.content == compact(json.dumps(expected))
    assert b'"soldeOnline":142000.0,' in answer.content
    assert type(answer.json()["code"]) is int


def test_validity_is_the_document_s_answer(api: ContractClient) -> None:
    answer = api.get("/check-card-validity", params=QUERY)
    assert answer.status_code == 200
    assert answer.content == compact(VALIDITE)


@pytest.mark.parametrize("path", ["/get-solde-carte", "/check-card-validity"])
def test_unknown_user_is_the_document_s_refusal(api: ContractClient, path: str) -> None:
    answer = api.get(path, params={**QUERY, "walletId": "221770000000"})
    assert_document_s_refusal(answer, UTILISATEUR)
    assert type(answer.json()["code"]) is str


@pytest.mark.parametrize("path", ["/get-solde-carte", "/check-card-validity"])
@pytest.mark.parametrize("numero", [None, "", "abc"])
def test_bad_card_number_is_the_document_s_refusal(
    api: ContractClient, path: str, numero: str | None
) -> None:
    given = {} if numero is None else {"numeroCarte": numero}
    answer = api.get(path, params={**given, "walletId": WALLET, "clientId": CLIENT})
    assert_document_s_refusal(answer, PARAMETRE, "PARAMETRE numeroCarte")


def test_card_is_found_by_its_member_too(api: ContractClient) -> None:
    answer = api.get(
        "/check-card-validity-by-member",
        params={"numeroCarte": NUMERO, "membreId": "MBR-0001", "clientId": CLIENT},
    )
    expected: Json = json.loads(VALIDITE)
    expected["data"][0]["membreId"] = "MBR-0001"
    assert answer.json() == expected


def test_list_shows_the_document_s_card(api: ContractClient) -> None:
    answer = api.get("/get-liste-cartes", params={"clientId": CLIENT})
    carte_id = answer.json()["data"][0]["carteId"]
    assert len(carte_id) == 26
    assert answer.json() == {
        "success": True,
        "code": 200,
        "message": "Liste des cartes",
        "data": [
            {
                "numeroCarte": NUMERO,
                "carteId": carte_id,
                "membreId": "MBR-0001",
                "porteur": "xxx xxx",
                "statut": "ACTIVE",
                "motifStatut": None,
                "finValidite": "18/07/2029",
                "soldeOnline": 142000.0,
                "unite": "FCFA",
                "expiree": False,
                "utilisable": True,
            }
        ],
        "curseurSuivant": None,
    }
