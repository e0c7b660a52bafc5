"""What is left of a limit, told with every answer to a call that was counted."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select, update

from models.authentification import jetons
from models.base import now
from models.database.engine import Database
from models.partenaire import partenaires
from tests.support.contract_client import ContractClient
from tests.support.live import serving, settings_for, with_limits
from tests.support.scene import Scene, assert_refused
from tests.support.world import World

NAMES = ("RateLimit-Policy", "RateLimit")


@pytest.fixture(scope="module")
def url(shared_database: Database) -> Iterator[str]:
    """A server of small limits."""
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    settings = with_limits(settings, lecture="6/hour", ecriture="3/day", jeton="1000/minute")
    with serving(settings, shared_database) as made:
        yield made


@pytest.fixture
def scene(own_scene: Scene, url: str) -> Scene:
    """A partner who was not counted yet, and asks that server."""
    own_scene.api = ask(own_scene, url)
    return own_scene


def ask(scene: Scene, url: str) -> ContractClient:
    """The partner of a scene, at another server."""
    client = scene.world.anonymous(url)
    client.headers["Authorization"] = scene.api.headers["Authorization"]
    return client


def told(answer: httpx.Response) -> tuple[str, int] | None:
    """The policy, and how many calls are left; None when nothing is told."""
    policy, left = (answer.headers.get(name) for name in NAMES)
    assert (policy is None) == (left is None), answer.headers
    if policy is None or left is None:
        return None
    limit = re.fullmatch(r'("[a-z]+");q=(\d+);w=(\d+)', policy)
    rest = re.fullmatch(r'("[a-z]+");r=(\d+);t=(\d+)', left)
    assert limit, policy
    assert rest, left
    assert rest[1] == limit[1]
    assert 1 <= int(rest[3]) <= int(limit[3])
    return policy, int(rest[2])


LECTURE, ECRITURE = '"lecture";q=6;w=3600', '"ecriture";q=3;w=86400'


def test_each_counted_call_is_told_what_is_left_until_none_is(scene: Scene) -> None:
    """Answers, refusals on the event loop and in a room, and the refusal for having asked too often."""
    call = scene.call("getSoldeCarte")
    malformed = call.with_values(numeroCarte="7019")
    unknown = call.with_values(walletId="221000000000")
    sent = [one.send(scene.api) for one in (malformed, call, call, malformed, unknown, call, call)]
    assert [answer.status_code for answer in sent] == [400, 200, 200, 400, 400, 200, 429]
    assert [told(answer) for answer in sent] == [(LECTURE, left) for left in (5, 4, 3, 2, 1, 0, 0)]
    assert_refused(sent[-1], "1008")
    (seconds,) = re.findall(r"t=(\d+)", sent[-1].headers["RateLimit"])
    assert sent[-1].headers["Retry-After"] == seconds


def test_each_class_is_counted_by_itself(scene: Scene) -> None:
    paid = scene.call("debitCarte").send(scene.api)
    asked = scene.call("getSoldeCarte").send(scene.api)
    assert (told(paid), told(asked)) == ((ECRITURE, 2), (LECTURE, 5))


def test_missing_right_is_one_of_the_calls(world: World, url: str) -> None:
    scene = Scene(world)
    lacking = world.api(scene.carte, scopes=["cartes:lire"])
    client = world.anonymous(url)
    client.headers["Authorization"] = lacking.headers["Authorization"]
    answers = [scene.call("getSoldeCarte").send(client) for _ in range(7)]
    assert_refused(answers[0], "2003")
    assert told(answers[0]) == (LECTURE, 5)
    assert_refused(answers[-1], "1008")
    assert told(answers[-1]) == (LECTURE, 0)


def test_token_tells_what_is_left_to_its_address(scene: Scene, url: str) -> None:
    answers = [scene.call("accessToken").send(scene.world.anonymous(url)) for _ in range(2)]
    first, second = map(told, answers)
    assert first
    assert second
    assert first[0] == second[0] == '"jeton";q=1000;w=60'
    assert first[1] > second[1]


def test_who_is_not_let_in_is_told_nothing(scene: Scene, url: str) -> None:
    """Nor is he of whom somebody was counted a moment ago, by a token that is good no more."""
    call, nobody = scene.call("getSoldeCarte"), scene.world.anonymous(url)
    assert told(call.send(scene.api)) == (LECTURE, 5)
    with scene.world.writing() as connection:
        connection.execute(
            update(jetons)
            .where(jetons.c.partenaire_id == id_of(scene))
            .values(expire_le=now() - timedelta(seconds=1))
        )
    good = scene.api.headers["Authorization"]
    for authorization in (good, "Bearer faux", "Basic ZmF1eDpmYXV4", ""):
        answer = call.send(nobody, headers={"Authorization": authorization})
        assert (answer.status_code, told(answer)) == (401, None)
    pair = {"client_id": scene.pair.consumer_key, "client_secret": "faux"}
    form = {"grant_type": "client_credentials", **pair}
    refused = nobody.post("/access-token", data=form)
    assert (refused.status_code, told(refused)) == (401, None)


def id_of(scene: Scene) -> Any:
    """The scene's partner, for a statement."""
    key = scene.pair.consumer_key
    return select(partenaires.c.id).where(partenaires.c.consumer_key == key).scalar_subquery()


def test_what_is_not_limited_is_told_nothing(scene: Scene, shared_database: Database) -> None:
    assert told(scene.api.get("/codes-erreur")) is None
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    settings = replace(settings, limites={**settings.limites, "lecture": "off"})
    with serving(settings, shared_database) as other:
        assert told(scene.call("getSoldeCarte").send(ask(scene, other))) is None
