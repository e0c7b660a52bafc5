"""Bring a database to the revision that this code expects, or say where it stands."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, OperationalError, ProgrammingError

from models.database.engine import Database, count_unanswered
from models.database.failures import OccupiedError, is_lock_timeout, is_unavailable
from models.errors import ServiceIndisponible

if TYPE_CHECKING:
    from alembic.config import Config

_LOCK = 0x43594E4F44  # "CYNOD": PostgreSQL's advisory lock of a running migration.


_SCRIPTS = Path(__file__).parent / "migrations"


class MigrationError(Exception):
    """A migration cannot be run; the text is Alembic's."""


# A server only compares revisions, and never needs Alembic.


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415 - 8 MiB

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config


@cache
def expected_revision() -> str:
    """The newest revision in the code: scripts are named after their revisions, in their order."""
    return max(file.name.partition("_")[0] for file in (_SCRIPTS / "versions").glob("[0-9]*_*.py"))


def current_revision(connection: Connection) -> str | None:
    """The database's revision, None when it was never migrated."""
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - as above

    return MigrationContext.configure(connection).get_current_revision()


def check_current(connection: Connection) -> None:
    """Raises ServiceIndisponible unless the database stands at the expected revision, and commits."""
    if not is_current(connection) or count_unanswered(connection):
        raise ServiceIndisponible


def is_current(connection: Connection) -> bool:
    """Whether the database stands at the expected revision: one statement, for readiness checks."""
    try:
        revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (ProgrammingError, OperationalError) as error:
        if is_unavailable(error):
            raise
        return False  # no such table: a database that was never migrated
    return bool(revision == expected_revision())


def upgrade(
    database: Database, revision: str = "head", *, waiting: Callable[[], None] = lambda: None
) -> bool:
    """Migrate up to `revision`. True when something changed. Two callers at once wait for each other.

    A SQLite file that is not there is made. `waiting` is told when another holds the database.
    Raises MigrationError, OccupiedError, OSError.
    """
    database.create_file()
    return _run(database, revision, up=True, waiting=waiting)


def downgrade(database: Database, revision: str) -> bool:
    """Migrate down to `revision` (`base` for an empty database). True when something changed."""
    return _run(database, revision, up=False, waiting=lambda: None)


def _run(database: Database, revision: str, *, up: bool, waiting: Callable[[], None]) -> bool:
    from alembic import command  # noqa: PLC0415 - as above
    from alembic.util import CommandError  # noqa: PLC0415 - as above

    with database.exclusive(_LOCK, waiting=waiting, changes_schema=True) as connection:
        if database.dialect == "postgresql":
            # An ALTER that waits behind a long reader would make everyone wait behind it.
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        before = current_revision(connection)
        config = _config()
        config.attributes["connection"] = connection
        try:
            (command.upgrade if up else command.downgrade)(config, revision)
        except CommandError as error:
            raise MigrationError(str(error)) from None
        except DBAPIError as error:
            if is_lock_timeout(error):
                raise OccupiedError from None
            raise
        if database.dialect == "sqlite":
            astray = connection.execute(text("PRAGMA foreign_key_check")).all()
            assert not astray, "a migration leaves every reference whole"
        return current_revision(connection) != before
