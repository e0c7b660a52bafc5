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
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto
from functools import partial
from time import perf_counter
from typing import Any, Generic, Protocol, TypeVar, get_type_hints, overload

from sqlalchemy import Connection, Dialect, LargeBinary
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.dml import UpdateBase
from sqlalchemy.sql.selectable import SelectBase

from models.database import observed
from models.database.waiting import Wanted

Statement = SelectBase | UpdateBase
Row = tuple[Any, ...]
Made_co = TypeVar("Made_co", bound=Row, covariant=True)

LINE = "cynod_line"
"""Where in the pool's notes on a connection its Line stands: who makes connections puts it there. It
lives and dies with the driver's connection."""

_numbers = itertools.count()

_WRITES = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\b")


class Kind(Enum):
    """What a command is to the transaction of its connection."""

    COMMAND = auto()
    FIRST = auto()
    """It may go to the server with the next statement."""
    LAST = auto()
    """It need not go there when nothing went before it."""


class Prepared(Generic[Made_co]):
    """A statement of SQLAlchemy Core, the same for both kinds of database or one for each.

    Its rows are tuples, or what they are made into: a NamedTuple, whose fields are the statement's
    columns, by name and in this order. Raises TypeError when they are not, where the statement is
    written: two integers that changed places would pass every check that comes later.
    """

    @overload
    def __init__(
        self: Prepared[Row], statement: Statement | Mapping[str, Statement], made: None = None
    ) -> None: ...
    @overload
    def __init__(
        self, statement: Statement | Mapping[str, Statement], made: type[Made_co]
    ) -> None: ...
    def __init__(
        self, statement: Statement | Mapping[str, Statement], made: type[Any] | None = None
    ) -> None:
        self.name = observed.OTHER
        """What observers call it: `name_statements` says by where it stands."""
        self._statement = statement
        self._compiled: dict[str, Compiled] = {}
        self._make: Callable[[Iterable[Any]], Made_co] | None = None
        if made is not None:
            for one in statement.values() if isinstance(statement, Mapping) else (statement,):
                _check_columns(one, made)
            self._make = _maker(made)

    def all(self, connection: Connection, values: Mapping[str, Any]) -> list[Made_co]:
        """Run it and give its rows, none for a statement that returns none. Raises DBAPIError."""
        compiled = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        observer = observed.observer
        began = 0.0 if observer is None else perf_counter()
        try:
            line: Line = connection.info[LINE]
            rows = line.run(compiled, compiled.bind(values))
        except connection.dialect.loaded_dbapi.Error as error:
            raise _translate(connection, compiled.sql, error) from error
        finally:
            if observer is not None:
                observer.statement((self.name, began, perf_counter()))
        loaded: list[Any] = compiled.load(rows)
        return loaded if self._make is None else [*map(self._make, loaded)]

    def ahead(self, connection: Connection, values: Mapping[str, Any]) -> None:
        """Have it go to the server with the next statement, so that it costs no round trip of its own.

        Its rows are there when it is asked for with these values, and forgotten when the work ends; an
        error is that of the statement with which it went. Where nothing waits for round trips on an event
        loop this does nothing, and asking runs it.
        """
        if connection.dialect.name == "sqlite":
            return
        compiled = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        line: Line = connection.info[LINE]
        line.ahead(compiled, compiled.bind(values))

    def first(self, connection: Connection, values: Mapping[str, Any]) -> Made_co | None:
        """Run it and give its first row, or None. Raises DBAPIError."""
        rows = self.all(connection, values)
        return rows[0] if rows else None

    @property
    def has_bare_rows(self) -> bool:
        """Whether its rows have several columns, which only their position tells apart."""
        statement = self._statement
        every = statement.values() if isinstance(statement, Mapping) else (statement,)
        return self._make is None and any(len(list(one.exported_columns)) > 1 for one in every)

    def _compile(self, dialect: Dialect) -> Compiled:
        statement = self._statement
        if isinstance(statement, Mapping):
            statement = statement[dialect.name]
        compiled = self._compiled[dialect.name] = Compiled(statement, dialect)
        if self.name == observed.OTHER:  # it is made when it is needed, and stands nowhere
            self.name = observed.summary(compiled.sql)
        return compiled


def name_statements() -> list[str]:
    """Name each statement of the modules that were imported by where it stands: `carte.find` is `_FIND` of
    models/carte.py. Several in one variable share its name. The names, in order."""
    names = set()
    for where, module in [*sys.modules.items()]:
        if not where.startswith("models."):
            continue
        for variable, value in [*vars(module).items()]:
            for one in _statements_in(value):
                if one.name == observed.OTHER:
                    one.name = f"{where.rpartition('.')[2]}.{variable.strip('_').lower()}"
                names.add(one.name)
    return sorted(names)


def _statements_in(value: object) -> Iterator[Prepared[Any]]:
    if isinstance(value, Prepared):
        yield value
    elif isinstance(value, dict):
        yield from _statements_in(tuple(value.values()))
    elif isinstance(value, tuple | list):
        for one in value:
            yield from _statements_in(one)


def _columns_of(made: type[Any]) -> list[str]:
    """What one is made of: a field that is a NamedTuple itself takes as many columns as it has fields."""
    return [
        column
        for field, inner in _fields(made).items()
        for column in ([field] if inner is None else _columns_of(inner))
    ]


def _fields(made: type[Any]) -> dict[str, type[Any] | None]:
    hints = get_type_hints(made)
    return {name: hints[name] if hasattr(hints[name], "_fields") else None for name in made._fields}


def _check_columns(statement: Statement, made: type[Any]) -> None:
    found = [str(getattr(column, "name", column)) for column in statement.exported_columns]
    wanted = _columns_of(made)
    if found != wanted:
        raise TypeError(
            f"{made.__module__}.{made.__qualname__} has the fields {', '.join(wanted)}, its statement gives"
            f" {', '.join(found)}: they must be the same, in the same order; use .label(…)."
        )
    if len(set(wanted)) < len(wanted):
        raise TypeError(
            f"{made.__module__}.{made.__qualname__} has two fields of one name among"
            f" {', '.join(wanted)}: which column is which, no name would tell."
        )


def _maker(made: type[Any]) -> Callable[[Iterable[Any]], Any]:
    """Makes one of its columns' values. It runs for every row: no function of Python for a flat one."""
    new = partial(tuple.__new__, made)
    nested = [
        (at, _maker(inner), len(_columns_of(inner)))
        for at, inner in enumerate(_fields(made).values())
        if inner is not None
    ]
    if not nested:
        return new
    nested.reverse()  # from the last one on, so that those before it stay where they are

    def make(row: Iterable[Any]) -> Any:
        values = list(row)
        for at, inner, width in nested:
            values[at : at + width] = [inner(values[at : at + width])]
        return new(values)

    return make


def run_command(
    connection: Connection,
    sql: str,
    *,
    kind: Kind = Kind.COMMAND,
    callers: Sequence[Wanted] | None = None,
) -> None:
    """Run SQL without parameters and without an answer, for several callers where they are given. Raises
    DBAPIError."""
    observer = observed.observer
    began = 0.0 if observer is None else perf_counter()
    try:
        line: Line = connection.info[LINE]
        line.command(sql, kind)
    except connection.dialect.loaded_dbapi.Error as error:
        raise _translate(connection, sql, error) from error
    finally:
        if observer is not None:
            asked = observed.command_name(sql), began, perf_counter()
            if callers is None:
                observer.statement(asked)
            else:
                observer.shared(asked, callers)


class Compiled:
    """A statement for one kind of database: SQL text, and how values go in and come out."""

    def __init__(self, statement: Statement, dialect: Dialect) -> None:
        # libpq numbers its parameters; psycopg's own placeholders are made into that at each run.
        spoken: Dialect = dialect
        if dialect.name == "postgresql":
            spoken = type(dialect)(paramstyle="numeric_dollar")  # type: ignore[call-arg]
        compiled: Any = statement.compile(dialect=spoken)
        self.sql = str(compiled)
        if dialect.name == "sqlite":
            self.sql = _hide_values(self.sql, len(compiled.positiontup))
        self.name = b"cynod_%d" % next(_numbers)
        self._names: list[str] = compiled.positiontup
        self._constants = {
            name: value for name, value in compiled.params.items() if value is not None
        }
        types = [compiled.binds[name].type for name in self._names]
        self.binary = [isinstance(one, LargeBinary) for one in types]
        # psycopg takes bytes as they are: what SQLAlchemy wraps them in equals nothing but itself.
        plain = self.binary if dialect.name == "postgresql" else [False] * len(types)
        self._binders = _processors(
            [
                None if bare else one.dialect_impl(dialect).bind_processor(dialect)
                for one, bare in zip(types, plain, strict=True)
            ]
        )
        self._loaders = _processors(
            [
                column.type.dialect_impl(dialect).result_processor(dialect, None)
                for column in statement.exported_columns
            ]
        )
        self.writes = _WRITES.search(self.sql) is not None

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


def _hide_values(sql: str, number: int) -> str:
    """The same statement, in which each value is a sum of one.

    Once ANALYZE has kept samples of what is in an index, SQLite plans a statement anew for each value that is
    compared with it (https://sqlite.org/c3ref/prepare.html, the rules of sqlite3_prepare_v2): that costs
    more than to run it. A plus before a value changes neither its type nor which indexes it can use.
    """
    if sql.count("?") != number:
        raise ValueError(f"a question mark that is no value: {sql}")
    return sql.replace("?", "+?")


Processor = Callable[[Any], Any]


def _processors(found: list[Processor | None]) -> list[tuple[int, Processor]]:
    return [(at, process) for at, process in enumerate(found) if process is not None]


class Line(Protocol):
    """A driver's connection, spoken to without anything in between."""

    def run(self, compiled: Compiled, values: list[Any]) -> list[Row]:
        """The rows of a statement, none for one that returns none. Raises the driver's errors."""

    def ahead(self, compiled: Compiled, values: list[Any]) -> None:
        """Send a statement with the next one, where that saves a round trip. `run` then gives its rows."""

    def command(self, sql: str, kind: Kind) -> None:
        """Run SQL that has no parameters and no answer. Raises the driver's errors."""


class SqliteLine:
    """The driver keeps compiled statements by their text."""

    def __init__(self, driver: Any) -> None:
        self._execute = driver.execute

    def run(self, compiled: Compiled, values: list[Any]) -> list[Row]:
        """See Line."""
        rows: list[Row] = self._execute(compiled.sql, values).fetchall()
        return rows

    def ahead(self, compiled: Compiled, values: list[Any]) -> None:
        """See Line: a file has no round trips."""

    def command(self, sql: str, kind: Kind) -> None:  # noqa: ARG002 - it has no round trips to save
        """See Line."""
        self._execute(sql)


def _translate(connection: Connection, sql: str, error: Exception) -> DBAPIError:
    """The error as SQLAlchemy's Connection would have raised it, a lost connection dropped."""
    dialect = connection.dialect
    driver: Any = connection.connection.driver_connection
    lost = dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    if lost:
        # It fails at once, and SQLAlchemy then drops the connection and those made before it.
        with contextlib.suppress(DBAPIError):
            connection.exec_driver_sql("SELECT 1")
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
