"""Who fails to authenticate too often is told to wait; who succeeds never is."""

from __future__ import annotations

import base64
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network

import httpx
import pytest
from sqlalchemy import select, update

from handlers.edge import limits
from models.authentification import jetons
from models.base import now
from models.database.engine import Database
from models.partenaire import partenaires
from models.secret import NouveauPartenaire
from tests.support.live import serving, settings_for, with_limits
from tests.support.scene import Scene, assert_refused
from tests.support.world import World

GRANT = {"grant_type": "client_credentials"}
REFUSED = ("2001", "2101")

Serve = Callable[..., AbstractContextManager[str]]


@pytest.fixture
def serve(shared_database: Database) -> Serve:
    """A server of its own with these rates, the contract's unless told, behind a proxy that it believes."""
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    settings = replace(settings, proxies=(ip_network("127.0.0.1"),), limites={})

    def start(**rates: str) -> AbstractContextManager[str]:
        return serving(with_limits(settings, **rates) if rates else settings, shared_database)

    return start


def basic(key: str, secret: str) -> dict[str, str]:
    """Headers with this pair."""
    return {"Authorization": f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"}


def by_form(client: httpx.Client, _scene: Scene, key: str, secret: str) -> httpx.Response:
    form = {**GRANT, "client_id": key, "client_secret": secret}
    return client.post("/access-token", data=form)


def by_basic(client: httpx.Client, _scene: Scene, key: str, secret: str) -> httpx.Response:
    return client.post("/access-token", data=GRANT, headers=basic(key, secret))


def on_an_operation(client: httpx.Client, scene: Scene, key: str, secret: str) -> httpx.Response:
    return scene.call("getSoldeCarte").send(client, headers=basic(key, secret))


def by_token(client: httpx.Client, scene: Scene, _key: str, secret: str) -> httpx.Response:
    """The secret in the place of a token."""
    return scene.call("mesDroits").send(client, headers={"Authorization": f"Bearer {secret}"})


WAYS = pytest.mark.parametrize("way", [by_form, by_basic, on_an_operation, by_token])
Way = Callable[[httpx.Client, Scene, str, str], httpx.Response]


def assert_slowed(answers: list[httpx.Response], after: int) -> None:
    """So many are refused as wrong, and the others are told to wait."""
    codes = [answer.json()["code"] for answer in answers]
    assert all(code in REFUSED for code in codes[:after])
    assert codes[after:] == ["1008"] * (len(codes) - after)
    for answer in answers[after:]:
        assert_refused(answer, "1008")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60


@WAYS
def test_fifteen_failures_in_a_row_are_slowed_and_good_credentials_are_not(
    serve: Serve, world: World, way: Way
) -> None:
    scene = Scene(world)
    key, secret = scene.pair
    with serve() as url:
        client = world.anonymous(url)
        assert_slowed([way(client, scene, key, "faux") for _ in range(15)], after=10)
        good = world.token(scene.pair) if way is by_token else secret
        elsewhere = world.anonymous(url)
        elsewhere.headers["X-Forwarded-For"] = "192.0.2.9"
        for each in (client, elsewhere):
            assert way(each, scene, key, good).status_code == 200
        # To have succeeded gives no new tries.
        assert_slowed([way(client, scene, key, "faux")], after=0)


@pytest.mark.parametrize("way", [by_form, by_basic, on_an_operation])
def test_known_key_and_unknown_one_are_slowed_alike(serve: Serve, world: World, way: Way) -> None:
    scene = Scene(world)
    closed = world.partenaire([], adresses=["192.0.2.0/24"])
    with serve() as url:
        client = world.anonymous(url)
        for key in (scene.pair.consumer_key, closed.consumer_key, "inconnu"):
            assert_slowed([way(client, scene, key, "faux") for _ in range(12)], after=10)


def test_ways_to_present_one_key_are_counted_together(serve: Serve, world: World) -> None:
    scene = Scene(world)
    key = world.partenaire([], pair=(f"a b{scene.carte.id}", "s")).consumer_key
    encoded = key.replace(" ", "%20")
    with serve(echec="3/hour") as url:
        client = world.anonymous(url)
        answers = [
            by_form(client, scene, key, "faux"),
            by_basic(client, scene, encoded, "faux"),
            on_an_operation(client, scene, encoded.replace("%20", "+"), "faux"),
            by_basic(client, scene, key, "faux"),
        ]
    assert [answer.json()["code"] for answer in answers] == ["2101", "2101", "2001", "1008"]


@WAYS
def test_many_keys_from_one_address_are_slowed(serve: Serve, world: World, way: Way) -> None:
    scene = Scene(world)
    with serve(**{"echec": "10/minute", "echec-adresse": "3/minute"}) as url:
        client = world.anonymous(url)
        answers = [way(client, scene, f"inconnu-{i}", f"faux-{i}") for i in range(5)]
        assert_slowed(answers, after=3)
        assert by_form(client, scene, *scene.pair).status_code == 200
        client.headers["X-Forwarded-For"] = "192.0.2.9"
        assert_slowed([way(client, scene, "inconnu", "faux")], after=1)


def test_addresses_of_one_ipv6_subscriber_are_one(serve: Serve, world: World) -> None:
    scene = Scene(world)

    def fail(client: httpx.Client, address: str) -> str:
        client.headers["X-Forwarded-For"] = address
        return str(by_form(client, scene, f"inconnu-{address}", "faux").json()["code"])

    with serve(**{"echec": "10/minute", "echec-adresse": "2/minute"}) as url:
        client = world.anonymous(url)
        codes = [fail(client, f"2001:db8:0:1::{i}") for i in (1, 2)]
        codes += [fail(client, "2001:db8:0:1:ffff:ffff:ffff:ffff"), fail(client, "2001:db8:0:2::1")]
        assert codes == ["2101", "2101", "1008", "2101"]
        codes = [fail(client, each) for each in ("192.0.2.1", "::ffff:192.0.2.1", "192.0.2.1")]
        assert codes == ["2101", "2101", "1008"]


def test_tokens_are_counted_by_the_subscriber_of_an_ipv6_address(
    serve: Serve, world: World
) -> None:
    scene = Scene(world)
    with serve(jeton="1/hour") as url:
        client = world.anonymous(url)
        statuses = []
        for address in ("2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1"):
            client.headers["X-Forwarded-For"] = address
            statuses.append(by_form(client, scene, *scene.pair).status_code)
    assert statuses[0] == statuses[3] == 200
    assert 429 in statuses[1:3]  # a new hour may start between two calls, never between three


def test_what_is_no_failure_is_not_counted(serve: Serve, world: World) -> None:
    """To send nothing, or a token that has expired, is what any client does now and then."""
    scene = Scene(world)
    expired = {"Authorization": f"Bearer {world.token(scene.pair)}"}
    _end_tokens(world, scene.pair)
    with serve(**{"echec": "1/minute", "echec-adresse": "1/minute"}) as url:
        client = world.anonymous(url)
        for _ in range(3):
            assert_refused(client.get("/mes-droits"), "2001")
            assert_refused(client.get("/mes-droits", headers=expired), "2002")
            assert_refused(client.post("/access-token", data=GRANT), "2101")
            assert_refused(client.post("/access-token", auth=("a", "b")), "1007")
        assert_slowed([by_form(client, scene, "a", "b") for _ in range(2)], after=1)


def _end_tokens(world: World, pair: NouveauPartenaire) -> None:
    owned = select(partenaires.c.id).where(partenaires.c.consumer_key == pair.consumer_key)
    ended = now() - timedelta(seconds=1)
    with world.database.transaction() as connection:
        connection.execute(
            update(jetons).where(jetons.c.partenaire_id.in_(owned)).values(expire_le=ended)
        )


def test_names_made_up_share_counters_so_that_they_take_no_memory(
    serve: Serve, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "BUCKETS", 1)
    scene = Scene(world)
    with serve(echec="2/minute") as url:
        client = world.anonymous(url)
        answers = [by_form(client, scene, f"inconnu-{i}", "faux") for i in range(3)]
        assert_slowed(answers, after=2)
        assert by_form(client, scene, *scene.pair).status_code == 200
