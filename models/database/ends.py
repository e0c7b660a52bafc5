"""How a transaction begins and ends: what is sent for it, and what is made of an end that fails."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, OperationalError

from models.database import observed
from models.database.failures import CommitUnknownError, is_lost
from models.database.prepared import Kind, run_command
from models.database.waiting import InterruptedWork, Wanted

BEGIN = {
    # The driver's deferred BEGIN loses updates: it reads, then fails to upgrade its lock.
    "sqlite": "BEGIN IMMEDIATE",
    "postgresql": "BEGIN ISOLATION LEVEL READ COMMITTED",
}


def send_commit(connection: Connection, callers: Sequence[Wanted] | None = None) -> None:
    """What SQLAlchemy commits is committed here, in one call: the driver then has nothing to commit.

    `callers` are those who wrote it, where the one who runs is not alone, or is none of them."""
    run_command(connection, "COMMIT", kind=Kind.LAST, callers=callers)


def commit(send: Callable[[], None]) -> None:
    """Have COMMIT sent. Raises DBAPIError, and CommitUnknownError when nobody can say what became of it."""
    try:
        send()
    except DBAPIError as error:
        if is_lost(error):
            raise _unknown(str(error.orig)) from error
        raise
    except InterruptedWork as error:
        raise _unknown("COMMIT got no answer in time") from error


def _unknown(cause: str) -> CommitUnknownError:
    if observed.observer is not None:
        observed.observer.commit_unknown()
    return CommitUnknownError(cause)


def roll_back_driver(connection: Connection) -> OperationalError | None:
    """ROLLBACK on the driver's own connection, which is given up when that fails: what that says."""
    try:
        driver = connection.connection.dbapi_connection
        if driver is not None:
            driver.rollback()
    except Exception as error:  # noqa: BLE001 - a connection that cannot roll back must not be reused
        with contextlib.suppress(Exception):
            connection.invalidate()
        return OperationalError("ROLLBACK", None, error, connection_invalidated=True)
    return None
