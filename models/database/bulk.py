"""Many rows at once: ids taken ahead, one COPY or one executemany, one look-up per batch."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    Connection,
    FromClause,
    Select,
    String,
    Table,
    bindparam,
    func,
    select,
    text,
)
from sqlalchemy.exc import DBAPIError


def take_ids(connection: Connection, column: Column[int], count: int) -> list[int]:
    """`count` ids for new rows of the column's table, in growing order.

    Nobody else is given them: PostgreSQL's sequence gives each once, and a SQLite transaction has
    the write lock from its start.
    """
    if connection.dialect.name == "postgresql":
        values = {"table": column.table.name, "column": column.name, "count": count}
        return sorted(connection.scalars(_NEXT_IDS, values))
    last: int = connection.scalar(_last_id(column)) or 0
    return list(range(last + 1, last + 1 + count))


_NEXT_IDS = text(
    "WITH one AS MATERIALIZED (SELECT pg_get_serial_sequence(:table, :column) AS name)"
    " SELECT nextval(one.name) FROM one, generate_series(1, :count)"
)


# Put together once a column: that takes longer than to run it.
@lru_cache(maxsize=64)
def _last_id(column: Column[int]) -> Select[tuple[int]]:
    return select(func.coalesce(func.max(column), 0))


def insert_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    """Insert rows of the given columns. PostgreSQL receives them by COPY, several times faster."""
    if connection.dialect.name == "postgresql":
        _copy_rows(connection, table, columns, rows)
        return
    values = _bind_rows(connection, table, columns, rows)
    if values:
        quote = connection.dialect.identifier_preparer.quote
        names, marks = ", ".join(map(quote, columns)), ", ".join("?" * len(columns))
        connection.exec_driver_sql(
            f"INSERT INTO {quote(table.name)} ({names}) VALUES ({marks})",  # noqa: S608 - our names
            values,
        )


def _bind_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> list[tuple[Any, ...]]:
    """The rows as the driver takes them: an insert() does the same, twice as slowly."""
    dialect = connection.dialect
    processors = [
        table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in columns
    ]
    # The values that need processing are days and instants, and most are those of other rows.
    processed = [
        (at, lru_cache(maxsize=4096)(process))
        for at, process in enumerate(processors)
        if process is not None
    ]
    values = []
    for row in rows:
        value = list(row)
        for at, process in processed:
            value[at] = process(value[at])
        values.append(tuple(value))
    return values


def analyse_tables(connection: Connection, tables: Iterable[Table]) -> None:
    """Tell PostgreSQL's planner how full the tables are, and make it forget plans for empty ones.

    Its plans of foreign key checks are kept for the connection: those made on an empty table read
    a whole client's members for each card.
    """
    if connection.dialect.name == "postgresql":
        quote = connection.dialect.identifier_preparer.quote
        connection.execute(text("ANALYZE " + ", ".join(quote(table.name) for table in tables)))


def _copy_rows(
    connection: Connection, table: Table, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    quote = connection.dialect.identifier_preparer.quote
    statement = f"COPY {quote(table.name)} ({', '.join(map(quote, columns))}) FROM STDIN"
    driver: Any = connection.connection.driver_connection
    errors: Any = connection.dialect.loaded_dbapi.Error
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rows:
                copy.write_row(row)
    except errors as error:
        # COPY has no SQLAlchemy statement: its errors are given the form that all others have.
        raise DBAPIError.instance(
            statement,
            None,
            error,
            errors,
            hide_parameters=True,
            connection_invalidated=bool(driver.closed),
            dialect=connection.dialect,
        ) from error


def keys_table(connection: Connection, names: Sequence[str]) -> FromClause:
    """A table of keys (texts) to join with, whose content is `keys_values` of the same names."""
    if connection.dialect.name == "postgresql":
        arrays = [bindparam(f"keys_{name}", type_=ARRAY(String)) for name in names]
        return func.unnest(*arrays).table_valued(*names, name="keys").render_derived()
    parts = func.json_each(bindparam("keys")).table_valued("value", name="parts")
    return select(
        *(
            func.json_extract(parts.c.value, f"$[{position}]").label(name)
            for position, name in enumerate(names)
        )
    ).subquery("keys")


def keys_values(
    connection: Connection, names: Sequence[str], keys: Sequence[tuple[str, ...]]
) -> dict[str, Any]:
    """The parameters of a statement that reads `keys_table`."""
    if connection.dialect.name == "postgresql":
        return {f"keys_{name}": [key[at] for key in keys] for at, name in enumerate(names)}
    return {"keys": json.dumps(keys)}
