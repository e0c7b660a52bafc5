"""Cards, partners and operations of which there is everything to tell: each field has a right value."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from models.adresse_vue import Vues, note_adresses
from models.base import now, today
from models.partenaire import partenaires
from tests.support.contract_client import Json
from tests.support.office import PLAFOND, Office
from tests.support.steps import new_reference

LEFT = {**PLAFOND, "montantRestant": 50_000, "nombreRestant": 5}
"""What a limit says of which nothing was used."""


def test_card_tells_its_limits_and_which_one_it_replaces(office: Office) -> None:
    before = office.new_carte()
    carte_id = office.lives.replaced(before).carte_id
    office.changed("saisirPlafondCarte", {"carteId": carte_id, **PLAFOND})
    (told,) = office.maker.data("/get-carte", carteId=carte_id)
    assert LEFT in told["plafonds"]
    assert told["remplaceCarteId"] == before.carte_id


def test_operations_tell_where_they_were_made_and_what_was_undone(office: Office) -> None:
    carte, place = office.new_carte(), {"pointDeService": "THIES-3", "terminal": "T-0042"}
    first, second = new_reference(), new_reference()
    credit = office.till.post("/credit-carte", json=carte.mouvement(1_000, first, **place))
    undone = {"referenceOrigine": first, "reference": second}
    reversal = office.till.post("/annuler-operation", json=undone)
    assert (credit.status_code, reversal.status_code) == (200, 200), reversal.text
    latest, earliest = office.maker.data("/get-historique-operations", carteId=carte.carte_id)
    assert earliest.items() >= {**place, "annuleePar": latest["numeroOperation"]}.items()
    assert latest["annulationDe"] == earliest["numeroOperation"]


@pytest.fixture
def busy_partner(office: Office) -> str:
    """The consumerKey of a partner with a limit, two secrets of which one ends, and calls of today."""
    key = {"consumerKey": office.world.partenaire([office.client_id]).consumer_key}
    office.changed("saisirPlafondPartenaire", {**key, **PLAFOND})
    told = office.maker.enter("/renouveler-secret-partenaire", **key, delaiHeures=2)
    code = {"codeRetrait": told["resultat"]["codeRetrait"]}
    taken = office.world.anonymous().post("/retirer-secret-initial", json=code)
    assert taken.status_code == 200, taken.text
    is_it = partenaires.c.consumer_key == key["consumerKey"]
    with office.world.database.transaction() as connection:
        partenaire_id = connection.scalars(select(partenaires.c.id).where(is_it)).one()
        note_adresses(connection, partenaire_id, {"192.0.2.10": Vues(3, 1, now())})
    return key["consumerKey"]


def test_partner_tells_its_limits_its_secrets_and_whence_it_calls(
    office: Office, busy_partner: str
) -> None:
    (told,) = office.maker.data("/get-partenaire", consumerKey=busy_partner)
    assert told["plafonds"] == [LEFT]
    seen = {"adresse": "192.0.2.10", "jour": f"{today():%d/%m/%Y}", "appels": 3, "refus": 1}
    assert told["adressesVues"] == [seen]
    ends = [one["expireLe"] for one in told["secrets"]]
    assert (len(ends), ends.count(None)) == (2, 1)
    line = _listed(office, busy_partner)
    assert line["dernierAppel"] == told["dernierAppel"]
    assert told["dernierAppel"].startswith(f"{today():%d-%m-%Y}")


def _listed(office: Office, consumer_key: str) -> Json:
    page: Json = {"curseurSuivant": ""}
    while page["curseurSuivant"] is not None:
        suite = {"curseur": page["curseurSuivant"]} if page["curseurSuivant"] else {}
        page = office.maker.get("/get-liste-partenaires", params={"limite": "100", **suite}).json()
        for line in page["data"]:
            if line["consumerKey"] == consumer_key:
                found: Json = line
                return found
    raise AssertionError(f"{consumer_key} is in no page")
