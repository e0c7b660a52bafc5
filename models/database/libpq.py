"""PostgreSQL's connection as prepared.py speaks to it: libpq's own calls, psycopg's adaptation.

It is kept for its speed, which docs/architecture.md has: a ratio near 1 would end it.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from models.database.green import GreenConnection
from models.database.prepared import Compiled, Kind, Row
from models.database.waiting import current_work


class PostgresqlLine:
    """A Line of prepared.py. Each call is a whole round trip, for which the thread waits, or on an event loop
    the work alone."""

    def __init__(self, driver: psycopg.Connection) -> None:
        self._driver: GreenConnection = driver  # type: ignore[assignment]  # wherever work asks
        self._pgconn = driver.pgconn
        self._transformer = Transformer(driver)
        self._prepared: dict[bytes, tuple[list[PyFormat], list[Format]]] = {}

    def run(self, compiled: Compiled, values: list[Any]) -> list[Row]:
        """The rows of a statement, which is prepared when the connection first meets it."""
        formats = self._prepared.get(compiled.name) or self._prepare(compiled)
        transformer = self._transformer
        parameters: Any = transformer.dump_sequence(values, formats[0])
        work = current_work()
        if work is None:
            result = self._pgconn.exec_prepared(
                compiled.name, parameters, formats[1], Format.BINARY
            )
        else:
            result = self._driver.run(work, compiled.name, parameters, formats[1])
        if result.status != ExecStatus.TUPLES_OK:
            _check(result)
            return []
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    def command(self, sql: str, kind: Kind) -> None:
        """See Line."""
        work = current_work()
        if work is None:
            _check(self._pgconn.exec_(sql.encode()))
        elif kind is Kind.FIRST:
            self._driver.begin = sql.encode()
        elif kind is Kind.LAST and self._driver.begin is not None:
            self._driver.begin = None
        else:
            _check(self._driver.command(work, sql.encode()))

    def _prepare(self, compiled: Compiled) -> tuple[list[PyFormat], list[Format]]:
        work = current_work()
        name, sql = compiled.name, compiled.sql.encode()
        if work is None:
            _check(self._pgconn.prepare(name, sql))
        else:
            _check(self._driver.prepare(work, name, sql))
        formats = self._prepared[name] = (
            [PyFormat.BINARY if one else PyFormat.TEXT for one in compiled.binary],
            [Format.BINARY if one else Format.TEXT for one in compiled.binary],
        )
        return formats


def _check(result: PGresult) -> None:
    if result.status == ExecStatus.COMMAND_OK:
        return
    error = error_from_result(result)
    # Without a code of the server's, it is the connection that broke.
    raise error if error.sqlstate else psycopg.OperationalError(str(error))
