"""Fixtures: databases of both kinds, a live server on each, a world to act in."""

# What serves, asks and judges is imported by the fixture that needs it first: together it takes longer than
# most files of tests, and many of them need none of it.
# ruff: noqa: PLC0415
from __future__ import annotations

import gc
import os
import shutil
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import exchanges
from tests.support.keeping import Keeper
from tests.support.machine import find_binaries, how_to_get
from tests.support.machine import missing as missing_tools
from tests.support.needs import REQUIRED, lack
from tests.support.patience import TEST_S

if TYPE_CHECKING:
    from xdist.scheduler import LoadFileScheduling

    from models.database.engine import Database
    from tests.support.postgresql import PostgresqlServer
    from tests.support.world import World

pytest_plugins = ["tests.support.scenes"]

HERE = Path(__file__).parent

SQLITE, POSTGRESQL = "sqlite", "postgresql"

LONG = ("cli", "contract", "journeys", "lab", "models", "proxy", "sandbox", "site", "workbench")
"""Folders whose tests run whole programs, and may take as long as `TEST_S`."""

SERVED = {"own_world", "server_url"}
"""Fixtures that start a server in this process."""

REWRITTEN_FOR_NOTHING = {
    "anyio",
    "faker",
    "hypothesis",
    "platformdirs",
    "schemathesis",
    "typeguard",
}
"""Libraries that bring a plugin of pytest."""

# A server to use instead of one of the tests' own; `none` leaves PostgreSQL out.
GIVEN = os.environ.get("CYNOD_TEST_DATABASE_URL")
LEFT_OUT = "none"


def _postgresql_is_missing() -> str | None:
    if GIVEN == LEFT_OUT:
        return "CYNOD_TEST_DATABASE_URL is none"
    if GIVEN or find_binaries() is not None:
        return None
    return f"{how_to_get('postgresql')}; or set CYNOD_TEST_DATABASE_URL"


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Import libraries as they are compiled.

    pytest parses again each module of a library that brings a plugin, to rewrite its assertions: seconds for
    Hypothesis, at each start where Python may not keep what it compiled (PYTHONDONTWRITEBYTECODE).
    """
    # A private name: without it, the tests merely start later.
    marked: set[str] = getattr(pluginmanager.rewrite_hook, "_must_rewrite", set())
    marked -= REWRITTEN_FOR_NOTHING


def pytest_report_header() -> str:
    """Say in the output whether the PostgreSQL half runs, and on what."""
    missing = _postgresql_is_missing()
    if missing:
        return f"postgresql: NOT TESTED, {missing}"
    return f"postgresql: {'the server of CYNOD_TEST_DATABASE_URL' if GIVEN else find_binaries()}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name what this machine lacks, what was therefore left out, and how to get it."""
    lacking = {name: how_to_get(name) for name in missing_tools()}
    if GIVEN:
        lacking.pop("postgresql", None)
    if GIVEN == LEFT_OUT:
        lacking["postgresql"] = "no postgresql: CYNOD_TEST_DATABASE_URL is none"
    if lacking:
        terminalreporter.section("left out on this machine")
        for sentence in lacking.values():
            terminalreporter.line(sentence)


def pytest_configure(config: pytest.Config) -> None:
    """Where PostgreSQL must be tested, its absence ends the run at once. Exchanges are kept."""
    missing = _postgresql_is_missing()
    if missing and os.environ.get(REQUIRED):
        raise pytest.UsageError(missing)
    # Files with many tests would go first, and those that take minutes of few would end a run alone.
    config.option.loadscopereorder = False
    kept = os.environ.get(exchanges.FOLDER)
    # With several processes, the first one keeps what all of them wrote.
    if kept and not config.option.collectonly and not hasattr(config, "workerinput"):
        from tests.lab.coverage.recording import Recording

        config.pluginmanager.register(Recording(Path(kept)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run every test that touches a database on both kinds, as far as they are there."""
    if "backend" in metafunc.fixturenames:
        wanted = metafunc.definition.get_closest_marker("only_on")
        kinds = list(wanted.args) if wanted else [SQLITE, POSTGRESQL]
        if _postgresql_is_missing():
            kinds = [kind for kind in kinds if kind != POSTGRESQL]
        metafunc.parametrize("backend", kinds, scope="session")


def _room(item: pytest.Item) -> str:
    return item.path.relative_to(HERE).parts[0]


def _asks_a_server(item: pytest.Item) -> bool:
    return isinstance(item, pytest.Function) and not SERVED.isdisjoint(item.fixturenames)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest, and give it its time."""
    items.sort(key=lambda item: _room(item) not in LONG)
    for item in items:
        if _room(item) in LONG and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_S))


# xdist 3.8's own `--dist loadgroup` writes the group where pytest 9.2 does not read it: the tests of a file
# were parted, and each process made every fixture.
@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling:
    """With several processes, the tests of a file share one, which makes their fixtures once."""
    from xdist.scheduler import LoadFileScheduling

    return LoadFileScheduling(config, log)


def pytest_collection_finish() -> None:
    """What is there before the first test stays: the garbage collector need not go through it again."""
    gc.collect()
    gc.freeze()
    # Nor need it look every 700 objects: a tenth of the time of the operations' tests.
    gc.set_threshold(100_000, 50, 100)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Its plugin would import Hypothesis at the end of a run that never used it."""
    plugins = session.config.pluginmanager
    # Of several processes, the first one tells what the others found, and never imported it itself.
    alone = not getattr(session.config.option, "tx", None)
    if alone and "hypothesis" not in sys.modules and plugins.has_plugin("hypothesispytest"):
        plugins.unregister(name="hypothesispytest")


@pytest.fixture(scope="session", autouse=True)
def _logs(request: pytest.FixtureRequest) -> None:
    """Log as a server does. The core logs nothing, so its tests need not wait for it.

    Those that ask a server must: structlog as it comes draws a fault's frames with all that they hold, for
    seconds, in which the call is past its time.
    """
    if any(_room(item) != "models" or _asks_a_server(item) for item in request.session.items):
        from handlers.edge.logs import configure_logs
        from handlers.settings import Settings

        configure_logs(Settings(environment="test", log_format="json"))


def _need_postgresql() -> None:
    missing = _postgresql_is_missing()
    if missing:
        lack(missing)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server of the tests' own, to be broken at will."""
    _need_postgresql()
    from tests.support.postgresql import running_server

    # Each database is looked at once a minute, by a process of its own: of hundreds, ten a second.
    with running_server(autovacuum_naptime="1d") as server:
        yield server


@pytest.fixture(scope="session")
def postgresql_url(request: pytest.FixtureRequest) -> str:
    """The server on which the tests create their databases."""
    _need_postgresql()
    if GIVEN:
        return GIVEN
    server: PostgresqlServer = request.getfixturevalue("postgresql")
    return server.url


@pytest.fixture(scope="session")
def _kept_on_sqlite() -> Iterator[Keeper]:
    made = Keeper()
    yield made
    made.close()


@pytest.fixture(scope="session")
def _kept_on_postgresql(postgresql_url: str) -> Iterator[Keeper]:
    """It ends before the server does, which is why it asks for it."""
    assert postgresql_url
    made = Keeper()
    yield made
    made.close()


@pytest.fixture(scope="session")
def kept(backend: str, request: pytest.FixtureRequest) -> Keeper:
    """Keeps what fixtures of this kind of database have made until the last test."""
    keeper: Keeper = request.getfixturevalue(f"_kept_on_{backend}")
    return keeper


@pytest.fixture(scope="session")
def empty_database_url(
    backend: str,
    kept: Keeper,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> str:
    """A migrated empty database, to be copied."""

    @contextmanager
    def make() -> Iterator[str]:
        from models import migrate
        from models.database.engine import Database

        if backend == SQLITE:
            url = f"sqlite:///{tmp_path_factory.mktemp('template')}/template.db"
        else:
            from tests.support.postgresql import create_database

            server = request.getfixturevalue("postgresql_url")
            url = create_database(server, f"template_{uuid.uuid4().hex[:12]}")
        database = Database(url)
        migrate.upgrade(database)
        database.close()
        yield url

    return kept.once("empty_database_url", make)


def _copy(url: str, folder: Path, server: str | None) -> str:
    from sqlalchemy.engine import make_url

    if server is None:
        source = make_url(url).database
        assert source is not None
        target = folder / f"{uuid.uuid4().hex}.db"
        shutil.copy(source, target)
        return f"sqlite:///{target}"
    from tests.support.postgresql import create_database

    template = make_url(url).database
    assert template is not None
    return create_database(server, f"test_{uuid.uuid4().hex[:12]}", template=template)


def _server_of(backend: str, request: pytest.FixtureRequest) -> str | None:
    return None if backend == SQLITE else request.getfixturevalue("postgresql_url")


@pytest.fixture
def database(
    backend: str, empty_database_url: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Database]:
    """A migrated empty database of this test alone."""
    from models.database.engine import Database

    made = Database(_copy(empty_database_url, tmp_path, _server_of(backend, request)))
    yield made
    made.close()


@pytest.fixture(scope="session")
def shared_database(
    backend: str,
    kept: Keeper,
    empty_database_url: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Database:
    """The database of the server that the tests share."""

    @contextmanager
    def make() -> Iterator[Database]:
        from models.database.engine import Database

        folder = tmp_path_factory.mktemp("shared")
        url = _copy(empty_database_url, folder, _server_of(backend, request))
        made = Database(url, pool_size=30)
        yield made
        made.close()

    return kept.once("shared_database", make)


@pytest.fixture(scope="session")
def server_url(kept: Keeper, shared_database: Database) -> str:
    """The server that the tests share, one per kind of database."""
    from tests.support.live import serving, settings_for

    url = shared_database.url.render_as_string(hide_password=False)
    return kept.once("server_url", lambda: serving(settings_for(url)))


@pytest.fixture
def world(shared_database: Database, server_url: str) -> Iterator[World]:
    """Makes cards and partners of this test alone, on the shared server."""
    from tests.support.world import World

    made = World(shared_database, server_url)
    yield made
    made.close()
