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

from models.database.prepared import Compiled, Row


class PostgresqlLine:
    """A Line of prepared.py. Each call is a whole round trip, during which the thread lets the others run."""

    def __init__(self, driver: psycopg.Connection) -> None:
        self._pgconn = driver.pgconn
        self._transformer = Transformer(driver)
        self._prepared: dict[bytes, tuple[list[PyFormat], list[Format]]] = {}

    def run(self, compiled: Compiled, values: list[Any]) -> list[Row]:
        """The rows of a statement, which is prepared when the connection first meets it."""
        formats = self._prepared.get(compiled.name) or self._prepare(compiled)
        transformer = self._transformer
        parameters: Any = transformer.dump_sequence(values, formats[0])
        result = self._pgconn.exec_prepared(compiled.name, parameters, formats[1], Format.BINARY)
        if result.status != ExecStatus.TUPLES_OK:
            _check(result)
            return []
        transformer.set_pgresult(result)
        return transformer.load_rows(0, result.ntuples, tuple)

    def command(self, sql: str) -> None:
        """See Line."""
        _check(self._pgconn.exec_(sql.encode()))

    def _prepare(self, compiled: Compiled) -> tuple[list[PyFormat], list[Format]]:
        _check(self._pgconn.prepare(compiled.name, compiled.sql.encode()))
        formats = self._prepared[compiled.name] = (
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
