"""Up to which id a table is settled: no transaction under way can still bring a row of a lower one.

SQLite has one writer, who gives the next id: what is committed is settled. PostgreSQL gives an id
before COMMIT, so that a row may appear below others that have been there for a while. It gives it by
`nextval`, which first takes a lock on the sequence, kept to the end of the transaction: it conflicts
with no other of its kind, so it makes nobody wait, and pg_locks shows it. Whoever was given an id
below one that is committed has it already, as long as sequences give ids one by one (CACHE 1, as they
are made). CREATE INDEX CONCURRENTLY waits in the same way for who writes to a table; here no table is
locked, so an import is seen too, which takes its ids first.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from sqlalchemy import Column, Connection, func, select, text

from models.database.engine import Database
from models.database.failures import OccupiedError
from models.database.waiting import pause

_STEP_S = 0.01
_WORTH_TELLING_S = 0.5
"""Of a wait: the operations of partners end sooner."""

_WERE_GIVEN_IDS = text(
    "SELECT virtualtransaction FROM pg_locks"
    " WHERE locktype = 'relation' AND mode = 'RowExclusiveLock' AND granted"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    " AND relation = CAST(pg_get_serial_sequence(:table, :column) AS regclass)"
)


def find_settled(
    database: Database, column: Column[int], *, waiting: Callable[[], None] = lambda: None
) -> int | None:
    """The highest committed id of the column, once no lower one can appear; None of an empty table.

    It waits for the transactions that were given an id before, `wait_s` at most, and for no younger
    one; nothing waits for it. `waiting` is told when that lasts. Raises OccupiedError.
    """
    with database.reading() as connection:
        highest = connection.scalar(select(func.max(column)))
        if highest is not None and database.dialect == "postgresql":
            _await_end(connection, column, database.wait_s, waiting)
        return highest


def _await_end(
    connection: Connection, column: Column[int], wait_s: float, waiting: Callable[[], None]
) -> None:
    """Wait until the transactions that hold the sequence now have ended."""
    began, told = time.monotonic(), False
    values = {"table": column.table.name, "column": column.name}
    left = set(connection.scalars(_WERE_GIVEN_IDS, values))
    while left:
        waited = time.monotonic() - began
        if waited > wait_s:
            raise OccupiedError
        if waited > _WORTH_TELLING_S and not told:
            waiting()
            told = True
        pause(_STEP_S)
        left.intersection_update(connection.scalars(_WERE_GIVEN_IDS, values))
