"""Statements of the paths that most calls take, compiled once and run on the driver's own connection.

SQLAlchemy compiles a statement once too, but for each execution it rebuilds its cache key, its
parameters, an execution context, a cursor, a result and the result's metadata; psycopg then sends,
polls and reads in steps of Python. Together that was more than half of the work of a balance. What
must not differ does not: types are SQLAlchemy's, adaptation is psycopg's, and an error reaches the
caller as SQLAlchemy's own would, with the pool rid of connections that are dead. It is kept for its speed,
which docs/architecture.md has: a ratio near 1 would end it.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from sqlalchemy import Connection, Dialect, LargeBinary
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

Statement = SelectBase | UpdateBase
Row = tuple[Any, ...]

_LINE = "cynod_line"
_numbers = itertools.count()


class Prepared:
    """A statement of SQLAlchemy Core, the same for both kinds of database or one for each."""

    def __init__(self, statement: Statement | Mapping[str, Statement]) -> None:
        self._statement = statement
        self._compiled: dict[str, Compiled] = {}

    def all(self, session: Connection, values: Mapping[str, Any]) -> list[Row]:
        """Run it and give its rows, none for a statement that returns none. Raises DBAPIError."""
        compiled = self._compiled.get(session.dialect.name) or self._compile(session.dialect)
        try:
            rows = _line(session).run(compiled, compiled.bind(values))
        except session.dialect.loaded_dbapi.Error as error:
            raise _translate(session, compiled.sql, error) from error
        return compiled.load(rows)

    def first(self, session: Connection, values: Mapping[str, Any]) -> Row | None:
        """Run it and give its first row, or None. Raises DBAPIError."""
        rows = self.all(session, values)
        return rows[0] if rows else None

    def _compile(self, dialect: Dialect) -> Compiled:
        statement = self._statement
        if isinstance(statement, Mapping):
            statement = statement[dialect.name]
        compiled = self._compiled[dialect.name] = Compiled(statement, dialect)
        return compiled


def run_command(session: Connection, sql: str) -> None:
    """Run SQL without parameters and without an answer. Raises DBAPIError."""
    try:
        _line(session).command(sql)
    except session.dialect.loaded_dbapi.Error as error:
        raise _translate(session, sql, error) from error


class Compiled:
    """A statement for one kind of database: SQL text, and how values go in and come out."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        # libpq numbers its parameters; psycopg's own placeholders are made into that at each run.
        spoken: Dialect = dialect
        if dialect.name == "postgresql":
            spoken = type(dialect)(paramstyle="numeric_dollar")  # type: ignore[call-arg]
        compiled: Any = statement.compile(dialect=spoken)
        self.sql = str(compiled)
        self.name = b"cynod_%d" % next(_numbers)
        self._names: list[str] = compiled.positiontup
        self._constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }
        types = [compiled.binds[name].type for name in self._names]
        self._binders = _processors(
            [one.dialect_impl(dialect).bind_processor(dialect) for one in types]
        )
        self._loaders = _processors(
            [
                column.type.dialect_impl(dialect).result_processor(dialect, None)
                for column in statement.exported_columns
            ]
        )
        self.binary = [isinstance(one, LargeBinary) for one in types]

    def bind(self, given: Mapping[str, Any]) -> list[Any]:
        """The values in the order of the SQL text, as the driver takes them."""
        if self._constants:
            given = {**self._constants, **given}
        values = [given[name] for name in self._names]
        for at, process in self._binders:
            values[at] = process(values[at])
        return values

    def load(self, rows: list[Row]) -> list[Row]:
        """The rows as SQLAlchemy's types give them."""
        if not self._loaders:
            return rows
        loaded = []
        for row in rows:
            made = list(row)
            for at, process in self._loaders:
                made[at] = process(made[at])
            loaded.append(tuple(made))
        return loaded


Processor = Callable[[Any], Any]


def _processors(found: list[Processor | None]) -> list[tuple[int, Processor]]:
    return [(at, process) for at, process in enumerate(found) if process is not None]


class _Line(Protocol):
    """A driver's connection, spoken to without anything in between."""

    def run(self, compiled: Compiled, values: list[Any]) -> list[Row]: ...
    def command(self, sql: str) -> None: ...


def _line(session: Connection) -> _Line:
    info = session.info  # the pool's, so it lives and dies with the driver's connection
    line: _Line | None = info.get(_LINE)
    if line is None:
        # psycopg takes a tenth of a second to import, which SQLite need not wait for.
        kind: Callable[[Any], _Line] = (
            importlib.import_module("models.database.libpq").PostgresqlLine
            if session.dialect.name == "postgresql"
            else _SqliteLine
        )
        line = info[_LINE] = kind(session.connection.driver_connection)
    return line


class _SqliteLine:
    """The driver keeps compiled statements by their text."""

    def __init__(self, driver: Any) -> None:
        self._execute = driver.execute

    def run(self, compiled: Compiled, values: list[Any]) -> list[Row]:
        rows: list[Row] = self._execute(compiled.sql, values).fetchall()
        return rows

    def command(self, sql: str) -> None:
        self._execute(sql)


def _translate(session: Connection, sql: str, error: Exception) -> DBAPIError:
    """The error as SQLAlchemy's Connection would have raised it, a lost connection dropped."""
    dialect = session.dialect
    driver: Any = session.connection.driver_connection
    lost = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    if lost:
        # It fails at once, and SQLAlchemy then drops the connection and those made before it.
        with contextlib.suppress(DBAPIError):
            session.exec_driver_sql("SELECT 1")
    made = DBAPIError.instance(
        sql,
        None,
        error,
        dialect.loaded_dbapi.Error,
        hide_parameters=True,
        connection_invalidated=lost,
        dialect=dialect,
    )
    assert isinstance(made, DBAPIError), "the driver's errors are all of the DB-API"
    return made
