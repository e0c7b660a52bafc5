"""What is taken where nobody says anything is what the contract says: the tests' one, and the one that is
served."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from models.base import now
from models.partenaire import partenaires
from models.secret import secrets
from tests.support.contract_client import Json
from tests.support.defaults import Default, default_told, defaults_of
from tests.support.office import PLACES, READING, Office
from tests.support.registry import entry_of
from tests.support.world import new_number

DEFAULTS = defaults_of(READING.document)
HERE = __file__


def _agents(office: Office, _: Json) -> None:
    office.agent("LECTEUR")


def _reseaux(office: Office, _: Json) -> None:
    office.changed("saisirReseau", {"reseauId": f"RES-{new_number()}", "nom": "Réseau"})


def _membres(office: Office, named: Json) -> None:
    office.world.membre(named["clientId"])


def _profils(office: Office, _: Json) -> None:
    office.lives.profil()


def _partenaires(office: Office, _: Json) -> None:
    office.partner()


LINES: dict[str, Callable[[Office, Json], None]] = {
    "getListeAgents": _agents,
    "getListeReseaux": _reseaux,
    "getListeMembres": _membres,
    "getListeProfilsCarte": _profils,
    "getListePartenaires": _partenaires,
}
"""What one more line of a list is made of."""


def _page(office: Office, operation: str, default: int) -> int:
    """How many lines a page has of a list that has one more."""
    call = office.standing(operation).with_values(limite=None)
    add = entry_of(LINES, operation, write="what makes a line of it into LINES", file=HERE)
    with office.world.writing():
        for _ in range(default + 1):
            add(office, call.values)
    answer = call.send(office.caller(operation))
    assert answer.status_code == 200, answer.text
    page = answer.json()
    assert page["curseurSuivant"] is not None
    return len(page["data"])


def _by_basic(office: Office, operation: str, _default: Any) -> Any:
    ask = office.ask(operation, basicAutorise=None)
    done = office.checker.agreed(ask.send().json()["data"][0])
    (found,) = office.checker.data("/get-partenaire", consumerKey=done["resultat"]["consumerKey"])
    return found["basicAutorise"]


def _hours(office: Office, _operation: str, _default: Any) -> int:
    """For how long the secret before stays good."""
    pair = office.world.partenaire([office.client_id])
    told = office.maker.enter("/renouveler-secret-partenaire", consumerKey=pair.consumer_key)
    begun = now()
    code = {"codeRetrait": told["resultat"]["codeRetrait"]}
    taken = office.world.anonymous().post("/retirer-secret-initial", json=code)
    assert taken.status_code == 200, taken.text
    own = select(secrets.c.expire_le).join_from(secrets, partenaires)
    is_it = (partenaires.c.consumer_key == pair.consumer_key, secrets.c.expire_le.is_not(None))
    with office.world.database.reading() as connection:
        (end,) = connection.scalars(own.where(*is_it)).all()
    hour = timedelta(hours=1)
    hours: int = round((end - begun) / hour)
    assert (end - now()) / hour <= hours <= (end - begun) / hour
    return hours


TAKEN: dict[str, Callable[[Office, str, Any], Any]] = {
    "query limite": _page,
    "body basicAutorise": _by_basic,
    "body delaiHeures": _hours,
}
"""By place, what was taken for it where nobody said anything."""


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("default", DEFAULTS, ids=" ".join)
def test_what_nobody_says_is_what_the_contract_says(office: Office, default: Default) -> None:
    operation, place = default
    take = entry_of(TAKEN, place, write="what is taken for it into TAKEN", file=HERE)
    taken = take(office, operation, DEFAULTS[default])
    assert taken == DEFAULTS[default]
    assert taken == default_told(office.maker, default), (
        "the server tells another one than it takes"
    )


def test_defaults_are_of_operations_that_there_are() -> None:
    assert LINES.keys() == {operation for operation, place in DEFAULTS if place == "query limite"}
    assert LINES.keys() <= PLACES.keys()
    assert TAKEN.keys() == {place for _, place in DEFAULTS}
