"""An address of several hosts: how it is written, which is tried first, and one that says nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlalchemy.engine import make_url

from models.database.engine import Database
from models.database.hosts import Hosts, spell_out
from tests.support.live import serving, settings_for
from tests.support.scene import Scene
from tests.support.world import World

READ_WRITE = "target_session_attrs=read-write"


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        ("sqlite:///a,b:c.db", "sqlite:///a,b:c.db"),
        ("postgresql://u:p@one:5432/name", "postgresql://u:p@one:5432/name"),
        ("postgresql://u@one,two/name?a=b", "postgresql://u@one,two/name?a=b"),
        (
            "postgresql://u:p%40@one:5433,two/name?a=b",
            "postgresql://u:p%40@/name?host=one:5433&host=two:5432&a=b",
        ),
        (
            "postgresql+psycopg://one:1,two:2/name",
            "postgresql+psycopg:///name?host=one:1&host=two:2",
        ),
    ],
)
def test_list_of_hosts_with_ports_is_read_as_libpq_reads_it(given: str, spelled: str) -> None:
    assert spell_out(given) == spelled


@pytest.mark.parametrize(
    ("given", "taken", "turned"),
    [
        (
            {"host": "one,two,three", "dbname": "name"},
            ("three", 5432),
            {"host": "three,one,two", "dbname": "name"},
        ),
        (
            {"host": "same,same,same", "port": "1,2,3"},
            ("same", 2),
            {"host": "same,same,same", "port": "2,3,1"},
        ),
        (
            {"host": "one,two", "port": "6000"},
            ("two", 6000),
            {"host": "two,one", "port": "6000"},
        ),
        ({"host": "one", "port": "6000"}, ("one", 6000), {"host": "one", "port": "6000"}),
        ({"dbname": "name"}, ("/run/postgresql", 5432), {"dbname": "name"}),
    ],
    ids=str,
)
def test_host_that_took_the_last_connection_is_tried_first(
    given: dict[str, str], taken: tuple[str, int], turned: dict[str, str]
) -> None:
    hosts = Hosts()
    assert hosts.in_order(given) == given
    hosts.remember(given, *taken)
    assert hosts.in_order(given) == turned
    hosts.remember(given, "another", 1)
    assert hosts.in_order(given) == turned


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def ask(scene: Scene, base: str) -> int:
    """How that server answers who asks it for a balance."""
    client = scene.world.anonymous(base)
    client.headers.update(scene.api.headers)
    return scene.call("getSoldeCarte").send(client).status_code


@pytest.mark.only_on("postgresql")
def test_host_that_says_nothing_is_waited_for_once(
    shared_database: Database, world: World, silent_port: int
) -> None:
    server = make_url(shared_database.url.render_as_string(hide_password=False))
    hosts = f"127.0.0.1:{silent_port},{server.host}:{server.port}"
    url = f"postgresql://{server.username}@{hosts}/{server.database}?{READ_WRITE}"
    scene = Scene(world)
    # The call's deadline is as long as the silent host is waited for: only later calls can be served.
    settings = replace(settings_for(url), wait_s=2, deadline_s=2)
    with serving(settings) as base:
        began = time.monotonic()
        while ask(scene, base) != 200:
            assert time.monotonic() < began + 20, "the host that answers is never reached"
        # Together, they need connections that are not open yet.
        quick = time.monotonic()
        with ThreadPoolExecutor(6) as pool:
            told = list(pool.map(lambda _: ask(scene, base), range(6)))
        assert told == [200] * 6
        assert time.monotonic() - quick < 1.5
