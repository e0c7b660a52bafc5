"""What can go wrong with a database, and what may be tried again."""

from __future__ import annotations

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from models.database.waiting import InterruptedWork


class DatabaseUrlError(ValueError):
    """The database URL is not one this product serves."""


class CommitUnknownError(Exception):
    """The connection broke while COMMIT was on its way: it was done, or it was not.

    Never to be tried again blindly: the reference of the operation decides.
    """


class OccupiedError(Exception):
    """Another process does what only one at a time may do, and did not end in time."""


_UNAVAILABLE_STATES = ("08", "53", "55P03", "57", "58", "40", "25006")
"""PostgreSQL's SQLSTATEs that say "not now": connection, resources, locks, shutdown, conflicts,
a server that became read-only (https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


_UNAVAILABLE_SQLITE = ("locked", "busy", "full", "disk i/o", "unable to open", "readonly")


_CONFLICTS = ("40001", "40P01")
"""SQLSTATEs of a transaction that lost against another and may simply run again."""


def is_retriable(error: BaseException) -> bool:
    """Whether the work may run again at once: it lost a conflict, or its connection before COMMIT."""
    if not isinstance(error, DBAPIError):
        return False
    return is_lost(error) or getattr(error.orig, "sqlstate", None) in _CONFLICTS


def is_lost(error: DBAPIError) -> bool:
    sqlstate = getattr(error.orig, "sqlstate", None) or ""
    return bool(error.connection_invalidated) or sqlstate.startswith(("08", "57P"))


def is_lock_timeout(error: DBAPIError) -> bool:
    """Whether a statement ended because what it waited for did not."""
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is not None:
        return sqlstate in ("55P03", "57014")  # lock_not_available, query_canceled
    return "locked" in str(error.orig).lower()


def is_unavailable(error: BaseException) -> bool:
    """Whether the failure is the database's momentary state rather than a fault of ours."""
    if isinstance(error, PoolTimeoutError | CommitUnknownError | InterruptedWork):
        return True
    if not isinstance(error, DBAPIError):
        return False
    if error.connection_invalidated:
        return True
    sqlstate = getattr(error.orig, "sqlstate", None)
    if sqlstate is not None:
        return str(sqlstate).startswith(_UNAVAILABLE_STATES)
    kinds = type(error.orig).__mro__
    if not any(kind.__name__ == "OperationalError" for kind in kinds):
        return False
    # Without a SQLSTATE psycopg's, and its subclasses (ConnectionTimeout), is a connection that was
    # lost, refused or not answered.
    return kinds[0].__module__.startswith("psycopg") or any(
        word in str(error.orig).lower() for word in _UNAVAILABLE_SQLITE
    )
