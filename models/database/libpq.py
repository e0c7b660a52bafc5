"""PostgreSQL's connection as prepared.py speaks to it: libpq's own calls, psycopg's adaptation.

Behind a pooler that gives each transaction another session (pgbouncer's transaction mode), a statement that
was prepared by name is not there the next time. A pooler is found out: the process that it says it is, is not
the one that answers. Statements then go with their text, in the same round trips.

It is kept for its speed, which docs/architecture.md has: a ratio near 1 would end it.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format
from psycopg.pq.abc import PGresult

from models.database.green import GreenConnection, Message
from models.database.prepared import Compiled, Kind, Row
from models.database.waiting import current_work

_Asked = tuple[Compiled, list[Any]]


class PostgresqlLine:
    """A Line of prepared.py. Each call is a whole round trip, for which the thread waits, or on an event loop
    the work alone."""

    def __init__(self, driver: psycopg.Connection) -> None:
        self._driver: GreenConnection = driver  # type: ignore[assignment]  # wherever work asks
        self._pgconn = driver.pgconn
        self._transformer = Transformer(driver)
        self._prepared: dict[bytes, tuple[bytes, list[PyFormat], list[Format]]] = {}
        self._keeps_names: bool | None = None
        self._ahead: list[_Asked] = []
        self._answered: list[tuple[_Asked, list[Row]]] = []

    def run(self, compiled: Compiled, values: list[Any]) -> list[Row]:
        """The rows of a statement, which is prepared when the connection first meets it."""
        work = current_work()
        if work is None:
            what, parameters, formats = self._message(compiled, values)
            if self._keeps_names:
                result = self._pgconn.exec_prepared(what, parameters, formats, Format.BINARY)
            else:
                result = self._pgconn.exec_params(what, parameters, None, formats, Format.BINARY)
            return self._rows(result)
        if self._answered and (rows := self._take_answer(compiled, values)) is not None:
            return rows
        message = self._message(compiled, values)
        if not self._ahead:
            return self._rows(self._driver.run(work, message))
        asked, self._ahead = self._ahead, []
        asked = [one for one in asked if one != (compiled, values)]
        results = self._driver.run_all(work, [message, *(self._message(*one) for one in asked)])
        for result in results:
            if result.status != ExecStatus.TUPLES_OK:
                _check(result)
        rows, *others = map(self._rows, results)
        self._answered += zip(asked, others, strict=True)
        return rows

    def ahead(self, compiled: Compiled, values: list[Any]) -> None:
        """See Line."""
        if current_work() is not None:
            self._ahead.append((compiled, values))

    def forget(self) -> None:
        """Send nothing ahead any more, and give no answer that was not asked for."""
        self._ahead.clear()
        self._answered.clear()

    def _take_answer(self, compiled: Compiled, values: list[Any]) -> list[Row] | None:
        for at, (asked, rows) in enumerate(self._answered):
            if asked == (compiled, values):
                del self._answered[at]
                return rows
            if asked[0] is compiled and compiled.writes:
                # Run again, it would move money twice.
                raise RuntimeError("a write is asked for otherwise than it was sent")
        return None

    def _message(self, compiled: Compiled, values: list[Any]) -> Message:
        what, adapted, formats = self._prepared.get(compiled.name) or self._prepare(compiled)
        parameters: Any = self._transformer.dump_sequence(values, adapted)
        return what, parameters, formats

    def _rows(self, result: PGresult) -> list[Row]:
        if result.status != ExecStatus.TUPLES_OK:
            _check(result)
            return []
        self._transformer.set_pgresult(result)
        return self._transformer.load_rows(0, result.ntuples, tuple)

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

    def _prepare(self, compiled: Compiled) -> tuple[bytes, list[PyFormat], list[Format]]:
        if self._keeps_names is None:
            self._keeps_names = self._driver.keeps_names = self._is_one_session()
        name, sql = compiled.name, compiled.sql.encode()
        if self._keeps_names:
            work = current_work()
            if work is None:
                _check(self._pgconn.prepare(name, sql))
            else:
                _check(self._driver.prepare(work, name, sql))
        made = self._prepared[name] = (
            name if self._keeps_names else sql,
            [PyFormat.BINARY if one else PyFormat.TEXT for one in compiled.binary],
            [Format.BINARY if one else Format.TEXT for one in compiled.binary],
        )
        return made

    def _is_one_session(self) -> bool:
        """Whether the process that took the connection is the one that answers: a pooler is another."""
        work, asked = current_work(), b"SELECT pg_backend_pid()"
        result = self._pgconn.exec_(asked) if work is None else self._driver.command(work, asked)
        if result.status != ExecStatus.TUPLES_OK:
            _check(result)
        return result.get_value(0, 0) == b"%d" % self._pgconn.backend_pid


def _check(result: PGresult) -> None:
    if result.status == ExecStatus.COMMAND_OK:
        return
    error = error_from_result(result)
    # Without a code of the server's, it is the connection that broke.
    raise error if error.sqlstate else psycopg.OperationalError(str(error))
