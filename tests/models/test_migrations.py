"""Migrations: up, down, up again, and a schema that is the models', on both databases."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, inspect, text

from models import migrate
from models.db import Database
from models.errors import ServiceIndisponible
from models.schema import metadata
from tests.postgresql import create_database
from tests.world import World

NewDatabase = Callable[[], Database]


@pytest.fixture
def new_database(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[NewDatabase]:
    """Makes databases without any table."""
    opened: list[Database] = []

    def make() -> Database:
        name = f"empty_{uuid.uuid4().hex[:12]}"
        url = (
            f"sqlite:///{tmp_path / name}.db"
            if backend == "sqlite"
            else create_database(request.getfixturevalue("postgresql_url"), name)
        )
        opened.append(Database(url))
        return opened[-1]

    yield make
    for database in opened:
        database.close()


def _as_dict(rows: list[Any], *, without: str = "") -> dict[str, Any]:
    return {
        str(row["name"]): {key: str(value) for key, value in row.items() if key != without}
        for row in rows
    }


def describe(session: Connection) -> dict[str, Any]:
    """Everything that the database says of its tables, Alembic's own left out."""
    inspector = inspect(session)
    return {
        table: {
            "columns": _as_dict(inspector.get_columns(table)),
            "primary key": str(inspector.get_pk_constraint(table)),
            "checks": _as_dict(inspector.get_check_constraints(table)),
            "uniques": _as_dict(inspector.get_unique_constraints(table)),
            "foreign keys": _as_dict(inspector.get_foreign_keys(table)),
            "indexes": _as_dict(inspector.get_indexes(table)),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def triggers(session: Connection) -> list[str]:
    """The names of triggers and functions that a migration made."""
    if session.dialect.name == "sqlite":
        statement = "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')"
    else:
        statement = (
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
            " UNION ALL SELECT proname FROM pg_proc p JOIN pg_namespace n"
            " ON n.oid = p.pronamespace WHERE n.nspname = 'public'"
        )
    return sorted(session.scalars(text(statement)))


def test_down_leaves_nothing_even_of_money_and_up_again_is_the_same(
    new_database: NewDatabase,
) -> None:
    database = new_database()
    with database.reading() as session:
        assert migrate.is_empty(session)
        assert not migrate.is_current(session)
    assert migrate.upgrade(database)
    with database.reading() as session:
        assert migrate.is_current(session)
        first, first_triggers = describe(session), triggers(session)
    assert first_triggers
    assert not migrate.upgrade(database), "nothing is left to do"
    world = World(database, "")
    world.partenaire([world.carte(10_000).membre.client_id])
    assert migrate.downgrade(database, "base")
    with database.reading() as session:
        assert describe(session) == {}
        assert triggers(session) == []
        assert not migrate.is_current(session)
    assert migrate.upgrade(database)
    with database.reading() as session:
        assert describe(session) == first
        assert triggers(session) == first_triggers
        assert migrate.is_current(session)


def test_upgrades_at_once_wait_for_each_other(new_database: NewDatabase) -> None:
    database = new_database()
    with ThreadPoolExecutor(4) as pool:
        changed = list(pool.map(lambda _: migrate.upgrade(database), range(4)))
    assert sorted(changed) == [False, False, False, True]
    with database.reading() as session:
        assert migrate.is_current(session)


def test_migration_that_fails_leaves_nothing(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema changes in one transaction on both databases."""
    database = new_database()

    def fail(_session: Connection) -> None:
        raise RuntimeError("the power went away")

    with monkeypatch.context() as patched:
        patched.setattr(migrate, "current_revision", _after_the_first(fail))
        with pytest.raises(RuntimeError):
            migrate.upgrade(database)
    with database.reading() as session:
        assert migrate.is_empty(session)
        assert triggers(session) == []
    assert migrate.upgrade(database)


def _after_the_first(fail: Callable[[Connection], None]) -> Callable[[Connection], None]:
    calls: list[int] = []

    def current_revision(session: Connection) -> None:
        if calls:
            fail(session)
        calls.append(1)

    return current_revision


def test_alembic_finds_no_difference_between_models_and_migrations(
    shared_database: Database,
) -> None:
    with shared_database.reading() as session:
        context = MigrationContext.configure(session, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


def test_migrated_schema_is_the_models_to_the_last_check(
    shared_database: Database, new_database: NewDatabase
) -> None:
    """Alembic compares no CHECK; the databases' own descriptions hold every word of them."""
    created = new_database()
    with created.transaction() as session:
        metadata.create_all(session)
    with shared_database.reading() as one, created.reading() as other:
        assert describe(one) == describe(other)


def test_every_constraint_has_a_name_of_the_convention() -> None:
    for table in metadata.tables.values():
        for constraint in table.constraints:
            assert str(constraint.name).startswith(("ck_", "uq_", "fk_", "pk_")), table.name


def test_other_revision_is_not_current(shared_database: Database) -> None:
    with shared_database.engine.connect() as session:
        transaction = session.begin()
        session.execute(text("UPDATE alembic_version SET version_num = 'other'"))
        assert not migrate.is_current(session)
        with pytest.raises(ServiceIndisponible):
            migrate.check_current(session)
        transaction.rollback()
    with shared_database.reading() as session:
        assert migrate.is_current(session)
