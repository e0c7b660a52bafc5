"""Fixtures: a back office that stands, and one that may be broken."""

# As in tests/conftest.py: what a fixture needs is imported by it.
# ruff: noqa: PLC0415
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.support.scenes import NewUrl

if TYPE_CHECKING:
    from models.database.engine import Database
    from tests.support.keeping import Keeper
    from tests.support.office import Office
    from tests.support.persons import Signer


@pytest.fixture(scope="session")
def office(kept: Keeper, shared_database: Database, back_office_url: str, signer: Signer) -> Office:
    """The one who enters and the one who agrees, whom tests share; objects are of each call alone."""

    @contextmanager
    def make() -> Iterator[Office]:
        from tests.support.office import Office
        from tests.support.persons import Bureau
        from tests.support.world import World

        bureau = Bureau(World(shared_database, back_office_url), back_office_url, signer)
        yield Office(bureau)
        bureau.close()
        bureau.world.close()

    return kept.once("office", make)


@pytest.fixture(scope="session")
def hurried_url(kept: Keeper, shared_database: Database, signer: Signer) -> str:
    """A server on the same database, which takes one call an hour of each person."""
    from tests.support.live import serving, settings_for, with_back_office, with_limits

    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    settings = with_limits(settings, **{"base-core": "1/hour"})
    return kept.once("hurried_url", lambda: serving(with_back_office(settings, signer)))


@pytest.fixture(scope="module")
def lone_office(new_database_url: NewUrl, signer: Signer) -> Iterator[Office]:
    """A back office of its own server and database, where one person alone judges rights; it is impatient."""
    from models.database.engine import Database
    from tests.support.live import serving, settings_for, with_back_office
    from tests.support.office import Office
    from tests.support.persons import Bureau
    from tests.support.world import World

    url = new_database_url()
    database = Database(url, wait_s=1)
    with serving(with_back_office(settings_for(url), signer), database) as base_url:
        bureau = Bureau(World(database, base_url), base_url, signer)
        yield Office(bureau)
        bureau.close()
        bureau.world.close()
    database.close()
