"""What is taken where nobody says anything is what the contract says: the tests' one, and the one that is
served."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.contract_client import PARTENAIRE
from tests.support.defaults import Default, default_told, defaults_of
from tests.support.registry import entry_of
from tests.support.scene import Scene
from tests.support.steps import item, new_reference

DEFAULTS = defaults_of(PARTENAIRE.document)


def _page(scene: Scene, default: int) -> int:
    """How many lines a page has of a list that has one more."""
    membre = scene.world.membre(scene.carte.membre.client_id)
    scene.world.cartes(default + 1, 0, membre)
    query = {"clientId": membre.client_id, "membreId": membre.membre_id}
    return len(scene.api.get("/get-liste-cartes", params=query).json()["data"])


def _at(text: str) -> datetime:
    return datetime.strptime(text, "%d-%m-%Y %H:%M:%S").replace(tzinfo=UTC)


def _hours(scene: Scene, _default: int) -> int:
    """For how long the secret before stays good."""
    made = item(scene.api.post("/renouveler-secret", json={"reference": new_reference()}))
    begin, end = (_at(made[name]) for name in ("creeLe", "finSecretRemplace"))
    return round((end - begin) / timedelta(hours=1))


def _with_tokens(scene: Scene, _default: Any) -> bool:
    """Whether the tokens of a secret end with it."""
    first = scene.api.get("/get-mes-secrets").json()["data"][0]["secretId"]
    made = item(scene.api.post("/renouveler-secret", json={"reference": new_reference()}))
    pair = scene.pair._replace(consumer_secret=made["consumerSecret"])
    other = scene.world.api_of(pair)
    body = {"reference": new_reference(), "secretId": first}
    assert other.post("/revoquer-secret", json=body).status_code == 200
    return scene.api.get("/mes-droits").status_code == 401


TAKEN: dict[Default, Callable[[Scene, Any], Any]] = {
    ("getListeCartes", "query limite"): _page,
    ("renouvelerSecret", "body delaiHeures"): _hours,
    ("revoquerSecret", "body avecJetons"): _with_tokens,
}
"""What was taken for it where nobody said anything."""


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("default", DEFAULTS, ids=" ".join)
def test_what_nobody_says_is_what_the_contract_says(own_scene: Scene, default: Default) -> None:
    take = entry_of(TAKEN, default, write="what is taken for it into TAKEN", file=__file__)
    taken = take(own_scene, DEFAULTS[default])
    assert taken == DEFAULTS[default]
    assert taken == default_told(own_scene.nobody, default), (
        "the server tells another one than it takes"
    )


def test_defaults_are_of_operations_that_there_are() -> None:
    assert TAKEN.keys() == DEFAULTS.keys()
