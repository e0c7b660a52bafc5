"""Fixtures: scenes, and servers of their own."""

# As in tests/conftest.py, which loads this for every test.
# ruff: noqa: PLC0415
from __future__ import annotations

import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from models.database.engine import Database
    from tests.support.keeping import Keeper
    from tests.support.persons import Bureau, Signer
    from tests.support.scene import Scene
    from tests.support.world import World


@pytest.fixture(scope="session")
def standing(kept: Keeper, shared_database: Database, server_url: str) -> Scene:
    """The member and the partner that scenes share. Their rows are never changed."""

    @contextmanager
    def make() -> Iterator[Scene]:
        from tests.support.scene import Scene
        from tests.support.world import World

        world = World(shared_database, server_url)
        yield Scene(world, solde=1_000_000)
        world.close()

    return kept.once("standing", make)


@pytest.fixture
def scene(world: World, standing: Scene) -> Scene:
    """A card of its own, of the member and the partner that scenes share."""
    from tests.support.scene import Scene

    return Scene(world, on=standing)


@pytest.fixture
def own_scene(world: World) -> Scene:
    """A card, a member and a partner of its own, for tests that change them."""
    from tests.support.scene import Scene

    return Scene(world)


@pytest.fixture
def lingering(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of this process hear out whom they gave a last answer for as long as a busy machine may need to
    send: after two seconds its client, which still sends, could lose that answer."""
    from handlers.edge import protocol
    from tests.support.patience import CALL_S

    monkeypatch.setattr(protocol, "LINGER_S", CALL_S)


NewUrl = Callable[[], str]


@pytest.fixture(scope="session")
def new_database_url(
    backend: str,
    empty_database_url: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> NewUrl:
    """Makes a migrated empty database that may be broken, and gives its URL."""
    from sqlalchemy.engine import make_url

    from tests.support.postgresql import create_database

    template = make_url(empty_database_url).database
    assert template is not None

    def make() -> str:
        if backend == "sqlite":
            target = tmp_path_factory.mktemp("own") / "own.db"
            shutil.copy(template, target)
            return f"sqlite:///{target}"
        server = request.getfixturevalue("postgresql_url")
        return create_database(server, f"own_{uuid.uuid4().hex[:12]}", template=template)

    return make


NewWorld = Callable[[], AbstractContextManager["World"]]


@pytest.fixture(scope="session")
def own_world(new_database_url: NewUrl) -> NewWorld:
    """Makes a world with a server and a database of its own, both impatient: one second."""
    from models.database.engine import Database
    from tests.support.live import serving, settings_for
    from tests.support.world import World

    @contextmanager
    def make() -> Iterator[World]:
        url = new_database_url()
        database = Database(url, wait_s=1)
        with serving(settings_for(url), database) as base_url:
            made = World(database, base_url)
            yield made
            made.close()
        database.close()

    return make


@pytest.fixture(scope="session")
def limited_url(kept: Keeper, shared_database: Database) -> str:
    """A second server on the shared database, which takes one call an hour of each class."""
    from tests.support.live import serving, settings_for, with_limits

    url = shared_database.url.render_as_string(hide_password=False)
    settings = with_limits(
        settings_for(url), lecture="1/hour", ecriture="1/hour", jeton="1/hour", retrait="1/hour"
    )
    return kept.once("limited_url", lambda: serving(settings))


@pytest.fixture(scope="session")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """The key that signs the tokens of agents."""
    from tests.support.persons import Signer

    return Signer(tmp_path_factory.mktemp("signer"))


@pytest.fixture(scope="session")
def back_office_url(kept: Keeper, shared_database: Database, signer: Signer) -> str:
    """A second server on the shared database, which serves the back office too."""
    from tests.support.live import serving, settings_for, with_back_office

    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    return kept.once("back_office_url", lambda: serving(with_back_office(settings, signer)))


@pytest.fixture
def bureau(world: World, back_office_url: str, signer: Signer) -> Iterator[Bureau]:
    """Makes agents of this test alone, on the shared database."""
    from tests.support.persons import Bureau

    made = Bureau(world, back_office_url, signer)
    yield made
    made.close()


@pytest.fixture(scope="session")
def second_url(kept: Keeper, shared_database: Database) -> str:
    """A second server on the shared database, such as another host would run."""
    from tests.support.live import serving, settings_for

    url = shared_database.url.render_as_string(hide_password=False)
    return kept.once("second_url", lambda: serving(settings_for(url)))
