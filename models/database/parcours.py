"""A page of a large table: found by an index, in its order, at a cost that does not grow with the table.

What an index narrows is walked; what it does not is looked at row by row, `EXAMINEES` of them for a page at
most. So a page may have fewer lines than it could, and another page after it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, cast

from sqlalchemy import ColumnElement, Connection, Row, String, Table, select, tuple_

EXAMINEES = 1_000
"""Rows that a page looks at, whatever they are."""

PEU = 1_000
"""Rows that are so few that all are read. As a limit, it keeps a database from looking elsewhere for them."""

CLE_LONGUEUR = 64
"""Characters of a name that a search knows."""

Cle = String(CLE_LONGUEUR).with_variant(String(CLE_LONGUEUR, collation="C"), "postgresql")
"""A name as `fold` gives it, in the order of its bytes: what begins alike stands together."""


def fold(text: str) -> str:
    """A name as it is searched: neither case, accents nor spaces around words count."""
    bare = text
    if not text.isascii():
        bare = "".join(
            one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one)
        )
    return " ".join(bare.casefold().split())[:CLE_LONGUEUR].rstrip()


def begins_with(column: ColumnElement[str], debut: str) -> ColumnElement[bool]:
    """Whether a folded name begins so."""
    return column.between(fold(debut), _end_of(debut))


def _end_of(debut: str) -> str:
    return f"{fold(debut)}\U0010ffff"


Filtre = Callable[[Any], ColumnElement[bool]]
"""What a row must be, from the columns by their names."""


class Parcours(NamedTuple):
    """One way through a table, along the index of these columns: those that are equal to something, then
    `cle` with the names that begin so (None: none), then the id.

    `filtres` are looked at row by row. `parmi` finds so few rows that they are all read instead. `depuis` and
    `avant` are ids between which the rows are, which are called `cle_id`.
    """

    egaux: Mapping[str, str] = MappingProxyType({})
    cle: str | None = None
    debut: str = ""
    filtres: Sequence[Filtre] = ()
    parmi: ColumnElement[bool] | None = None
    depuis: int = 0
    avant: int | None = None
    cle_id: str = "id"

    @property
    def ordre(self) -> list[str]:
        """Names of the columns, in the order of the rows."""
        return [*self.egaux, *([] if self.cle is None else [self.cle]), self.cle_id]


def choose_way(wanted: Mapping[str, str | None], *, cle_id: str = "id") -> Parcours:
    """The way to rows that have these values, None being whatever value: by the index of the first column for
    which one is given, the rest being looked at."""
    given = {name: value for name, value in wanted.items() if value is not None}
    egaux = dict([*given.items()][:1])
    others = [_has(name, value) for name, value in given.items() if name not in egaux]
    return Parcours(egaux=egaux, filtres=others, cle_id=cle_id)


def _has(name: str, value: str) -> Filtre:
    return lambda row: cast("ColumnElement[bool]", row[name] == value)


class Lue(NamedTuple):
    """Rows of a table, and the place from which to go on, None at the end."""

    lignes: list[Row[Any]]
    suite: int | None


def read_page(
    connection: Connection,
    table: Table,
    ways: Sequence[Parcours],
    *,
    position: int | None,
    limite: int,
    columns: Sequence[str] | None = None,
) -> Lue:
    """The next rows of a table that has an `id`: those of the first way, then those of the second.

    A position is the id of the row after which to go on, and the number of its way. Of a row `columns` are
    read, all unless given.
    """
    last, first = divmod(position or 0, len(ways))
    lignes: list[Row[Any]] = []
    for number, way in enumerate(ways[first:], first):
        after = last if number == first else 0
        rows, cut = _walk(connection, table, way, after, limite + 1 - len(lignes), columns)
        if len(lignes) + len(rows) > limite:
            kept = [*lignes, *rows][:limite]
            # The last line may be of the way before: then this one begins.
            after = getattr(kept[-1], way.cle_id) if len(kept) > len(lignes) else 0
            return Lue(kept, after * len(ways) + number)
        lignes += rows
        if cut is not None:
            return Lue(lignes, cut * len(ways) + number)
    return Lue(lignes, None)


def _walk(
    connection: Connection,
    table: Table,
    way: Parcours,
    after: int,
    nombre: int,
    columns: Sequence[str] | None,
) -> tuple[list[Row[Any]], int | None]:
    """Rows of one way, and where the walk was cut off before it had them all."""
    shown = [column.name for column in table.c] if columns is None else [way.cle_id, *columns]
    bounds = _bounds(connection, table, way, after)
    if way.parmi is not None:
        few = select(table).where(way.parmi).limit(PEU).subquery(table.name)
        wanted = [*bounds(few.c), *(one(few.c) for one in way.filtres)]
        rows = (
            select(*_columns(few.c, shown))
            .where(*wanted)
            .order_by(*_columns(few.c, way.ordre))
            .limit(nombre)
        )
        return list(connection.execute(rows)), None
    walked = select(table).where(*bounds(table.c)).order_by(*_columns(table.c, way.ordre))
    if not way.filtres:
        walked = walked.with_only_columns(*_columns(table.c, shown))
        return list(connection.execute(walked.limit(nombre))), None
    seen = walked.limit(EXAMINEES).subquery(table.name)
    kept = select(*_columns(seen.c, shown)).where(*(one(seen.c) for one in way.filtres))
    kept = kept.order_by(*_columns(seen.c, way.ordre)).limit(nombre)
    found = list(connection.execute(kept))
    if len(found) == nombre:
        return found, None
    last = walked.with_only_columns(table.c[way.cle_id]).offset(EXAMINEES - 1).limit(1)
    return found, connection.scalar(last)


def _columns(columns: Any, names: Sequence[str]) -> list[ColumnElement[Any]]:
    return [columns[name] for name in names]


def _bounds(
    connection: Connection, table: Table, way: Parcours, after: int
) -> Callable[[Any], list[ColumnElement[bool]]]:
    """From where to where the way goes.

    PostgreSQL compares rows, and not for equality: it would leave what is equal out of the order, take any
    index that gives the rest of it, and walk all rows of others in the hope of meeting enough of these soon.
    But at the end of a compared row it stops only where the first column changes, past all names of a client:
    where there are names, whose order no other index has, what is equal is told as such.
    SQLite bounds an index by one end of such a comparison only.
    """
    low: list[Any] = [*way.egaux.values()]
    high: list[Any] = [*way.egaux.values()]
    if way.cle is not None:
        # The name that the row has now: a place is an id alone, so that it tells nothing of anybody.
        named = select(table.c[way.cle]).where(table.c[way.cle_id] == after)
        low.append((connection.scalar(named) or "") if after else fold(way.debut))
        high.append(_end_of(way.debut))
    low.append(max(after, way.depuis))

    def equal(columns: Any) -> list[ColumnElement[bool]]:
        found = [columns[name] == value for name, value in way.egaux.items()]
        key = columns[way.cle_id]
        if way.avant is not None:
            found.append(key < way.avant)
        if way.cle is None:
            return [*found, key > low[-1]]
        cle = columns[way.cle]
        return [*found, cle <= high[-1], tuple_(cle, key) > tuple_(*low[-2:])]

    def compared(columns: Any) -> list[ColumnElement[bool]]:
        ordered = _columns(columns, way.ordre)
        found: list[ColumnElement[bool]] = [tuple_(*ordered) > tuple_(*low)]
        if way.avant is not None:
            found.append(columns[way.cle_id] < way.avant)
        return [*found, tuple_(*ordered[: len(high)]) <= tuple_(*high)] if high else found

    return compared if connection.dialect.name == "postgresql" and way.cle is None else equal
