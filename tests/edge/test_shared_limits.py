"""Rate limits that several processes count together, in Redis, and what happens when it is away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import httpx
import pytest
import redis

from handlers.settings import Settings, SettingsError
from tests.support.live import serving, settings_for, with_limits
from tests.support.process import free_port
from tests.support.redis import running_redis
from tests.support.scene import Scene, assert_refused
from tests.support.world import World

pytestmark = pytest.mark.only_on("sqlite")  # no counter is in the database


@pytest.fixture(scope="module")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis of the tests' own; its URL."""
    with running_redis(tmp_path_factory.mktemp("redis")) as url:
        yield url


def settings_of(world: World, redis_url: str) -> Settings:
    """One call an hour, counted in Redis."""
    url = world.database.url.render_as_string(hide_password=False)
    return replace(with_limits(settings_for(url), lecture="1/hour"), redis_url=redis_url)


def ask(scene: Scene, url: str) -> httpx.Response:
    """Ask that server for the balance of the scene's card."""
    client = scene.world.anonymous(url)
    client.headers.update(scene.api.headers)
    return scene.call("getSoldeCarte").send(client)


def test_call_is_counted_by_all_processes_together(world: World, redis_server: str) -> None:
    scene, other = Scene(world), Scene(world)
    settings = settings_of(world, redis_server)
    with ExitStack() as stack:
        first, second = (stack.enter_context(serving(settings)) for _ in range(2))
        # A new hour may start between two calls, never between three.
        answers = [ask(scene, url) for url in (first, second, first)]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert answers[0].status_code == 200
        assert_refused(refused[0], "1008")
        assert 1 <= int(refused[0].headers["Retry-After"]) <= 3600
        assert ask(other, second).status_code == 200


def test_what_is_left_is_asked_of_redis_with_the_count_itself(
    world: World, redis_server: str
) -> None:
    """One command a call, for the refusal of one too many as well."""
    scene = Scene(world)
    with (
        serving(with_limits(settings_of(world, redis_server), lecture="3/hour")) as url,
        redis.Redis.from_url(redis_server) as store,
    ):
        assert ask(scene, url).headers["RateLimit"] == '"lecture";r=2;t=3600'
        store.config_resetstat()
        answers = [ask(scene, url) for _ in range(3)]
        commands = store.info("commandstats")
    left = [re.sub(";t=.*", "", answer.headers["RateLimit"]) for answer in answers]
    assert left == ['"lecture";r=1', '"lecture";r=0', '"lecture";r=0']
    assert_refused(answers[-1], "1008")
    assert answers[-1].headers["RateLimit"].endswith(f";t={answers[-1].headers['Retry-After']}")
    sent = {name: one["calls"] for name, one in commands.items()}
    # What the script does is counted as well; the statistics are asked for by this test.
    inside = ("cmdstat_incr", "cmdstat_expire", "cmdstat_pttl", "cmdstat_config|resetstat")
    assert {name: calls for name, calls in sent.items() if name not in inside} == {
        "cmdstat_evalsha": 3
    }


def test_failed_authentication_is_counted_by_all_processes_together(
    world: World, redis_server: str
) -> None:
    scene = Scene(world)
    settings = with_limits(settings_of(world, redis_server), echec="1/hour")
    form = {"grant_type": "client_credentials", "client_id": scene.pair.consumer_key}
    with ExitStack() as stack:
        urls = [stack.enter_context(serving(settings)) for _ in range(2)]
        answers = [
            world.anonymous(url).post("/access-token", data={**form, "client_secret": "faux"})
            for url in urls
        ]
        assert_refused(answers[0], "2101")
        assert_refused(answers[1], "1008")
        good = {**form, "client_secret": scene.pair.consumer_secret}
        assert world.anonymous(urls[1]).post("/access-token", data=good).status_code == 200
    with redis.Redis.from_url(redis_server) as store:
        names = b" ".join(store.scan_iter())
    assert b"echec" in names
    assert scene.pair.consumer_key.encode() not in names


def test_calls_go_on_when_the_counter_is_away_and_the_log_says_so(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    scene = Scene(world)
    with serving(settings_of(world, f"redis://127.0.0.1:{free_port()}/0")) as url:
        answers = [ask(scene, url) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    lines = [line for line in capfd.readouterr().err.splitlines() if "compteur" in line]
    assert len(lines) == 3
    assert all('"level":"warning"' in line for line in lines)


@pytest.mark.parametrize(
    "address",
    [
        *("redis", "http://127.0.0.1:6379", "redis://127.0.0.1:x/0"),
        *("memory://", "async+memory://"),
    ],
)
def test_address_that_is_no_redis_stops_the_start(world: World, address: str) -> None:
    expected = "CYNOD_REDIS_URL is not a Redis address like redis://host:6379/0."
    with pytest.raises(SettingsError, match=expected), serving(settings_of(world, address)):
        pass
