"""The database of a command: opened at its migration, waited for, and its failures told in a sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import click
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from handlers.cli.common import Refused
from handlers.settings import Settings, read_settings
from models import migrate
from models.database.engine import (
    Database,
    describe_error,
    describe_missing,
    is_missing,
)
from models.database.failures import CommitUnknownError, DatabaseUrlError, is_lock_timeout


@contextlib.contextmanager
def open_database(
    settings: Settings | None = None, *, migrated: bool = True, create: bool = False
) -> Iterator[Database]:
    """The database of the settings. Refused when it cannot be used or is not at its migration.

    With `create`, a SQLite file that is not there is made and migrated.
    """
    settings = settings or read_settings()
    try:
        database = Database(settings.database_url, pool_size=2, wait_s=settings.wait_s)
    except DatabaseUrlError as error:
        raise Refused(f"{str(error).removesuffix('.')}.") from None
    try:
        if create and is_missing(database):
            migrate.upgrade(database)
        if migrated:
            _check_migrated(database)
        yield database
    except (DBAPIError, PoolTimeoutError) as error:
        raise Refused(describe_error(database, error)) from None
    except CommitUnknownError:
        raise Refused(
            "the connection to the database broke at the very end: all was done, or nothing; look"
            " before you run it again."
        ) from None
    except migrate.MigrationError as error:
        raise Refused(
            f"the database cannot be migrated by this version: {str(error).removesuffix('.')}."
        ) from None
    finally:
        database.close()


def _check_migrated(database: Database) -> None:
    if is_missing(database):
        raise Refused(describe_missing(database))
    with database.reading() as connection:
        gap = migrate.describe_gap(connection)
        if gap is not None:
            raise Refused(gap)


def tell_waiting(database: Database, what: str) -> Callable[[], None]:
    """What says on stderr, once, that the command waits for another of its kind.

    SQLite does not say of what kind the other is: a server's write is one too.
    """
    holder = (
        "another process writes to the database"
        if database.dialect == "sqlite"
        else f"another {what} is running"
    )
    return lambda: click.echo(f"cynod: {holder}; waiting for it to end.", err=True)


@contextlib.contextmanager
def waiting_for_operations(outcome: str) -> Iterator[None]:
    """Refused, in a sentence that begins with the `outcome`, when what is under way does not end."""
    try:
        yield
    except DBAPIError as error:
        if not is_lock_timeout(error):
            raise
        raise Refused(
            f"{outcome}: operations under way did not end in time; run the command again."
        ) from None
