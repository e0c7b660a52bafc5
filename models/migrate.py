"""Bring a database to the revision that this code expects, or say where it stands."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from models.db import Database, is_unavailable
from models.errors import ServiceIndisponible

_LOCK = 0x43594E4F44  # "CYNOD": PostgreSQL's advisory lock of a running migration.


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


@cache
def expected_revision() -> str:
    """The newest revision in the code."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    assert head is not None, "the code has at least one revision"
    return head


def current_revision(session: Connection) -> str | None:
    """The database's revision, None when it was never migrated."""
    return MigrationContext.configure(session).get_current_revision()


def check_current(session: Connection) -> None:
    """Raises ServiceIndisponible unless the database stands at the expected revision."""
    if not is_current(session):
        raise ServiceIndisponible


def is_current(session: Connection) -> bool:
    """Whether the database stands at the expected revision: one statement, for readiness checks."""
    try:
        revision = session.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (ProgrammingError, OperationalError) as error:
        if is_unavailable(error):
            raise
        return False  # no such table: a database that was never migrated
    return bool(revision == expected_revision())


def upgrade(database: Database, revision: str = "head") -> bool:
    """Migrate up to `revision`. True when something changed. Two callers at once wait for each other."""
    return _run(database, revision, up=True)


def downgrade(database: Database, revision: str) -> bool:
    """Migrate down to `revision` (`base` for an empty database). True when something changed."""
    return _run(database, revision, up=False)


def _run(database: Database, revision: str, *, up: bool) -> bool:
    with database.transaction(changes_schema=True) as session:
        if database.dialect == "postgresql":
            session.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": _LOCK})
            # An ALTER that waits behind a long reader would make everyone wait behind it.
            session.execute(text("SET LOCAL lock_timeout = '5s'"))
            session.execute(text("SET LOCAL statement_timeout = 0"))
        before = current_revision(session)
        config = _config()
        config.attributes["connection"] = session
        (command.upgrade if up else command.downgrade)(config, revision)
        if database.dialect == "sqlite":
            astray = session.execute(text("PRAGMA foreign_key_check")).all()
            assert not astray, "a migration leaves every reference whole"
        return current_revision(session) != before


def is_empty(session: Connection) -> bool:
    """Whether the database has no table at all."""
    return not inspect(session).get_table_names()
