"""A page of a large table: found by an index, in its order, at a cost that does not grow with the table.

What an index narrows is walked; what it does not is looked at row by row, `EXAMINEES` of them for a page at
most. So a page may have fewer lines than it could, and another page after it.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, Connection, Row, String, Table, select, tuple_

EXAMINEES = 1_000
"""Rows that a page looks at, whatever they are."""

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
    """Whether a folded name begins so, as a range of the index of its column."""
    folded = fold(debut)
    return column.between(folded, f"{folded}\U0010ffff")


Filtre = Callable[[Any], ColumnElement[bool]]
"""What a row must be, from the columns by their names."""


class Parcours(NamedTuple):
    """One way through a table: in the order of `cle` (None: of creation) and then of its id.

    `etendue` is what the index of that order narrows, `filtres` what is looked at row by row.
    """

    etendue: Sequence[ColumnElement[bool]] = ()
    filtres: Sequence[Filtre] = ()
    cle: Column[str] | None = None


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
) -> Lue:
    """The next rows of a table that has an `id`: those of the first way, then those of the second.

    A position is the id of the row after which to go on, and the number of its way.
    """
    last, first = divmod(position or 0, len(ways))
    lignes: list[Row[Any]] = []
    for number, way in enumerate(ways[first:], first):
        after = last if number == first else 0
        rows, cut = _walk(connection, table, way, after, limite + 1 - len(lignes))
        if len(lignes) + len(rows) > limite:
            kept = [*lignes, *rows][:limite]
            # The last line may be of the way before: then this one begins.
            place = (kept[-1].id, number) if len(kept) > len(lignes) else (0, number)
            return Lue(kept, place[0] * len(ways) + place[1])
        lignes += rows
        if cut is not None:
            return Lue(lignes, cut * len(ways) + number)
    return Lue(lignes, None)


def _walk(
    connection: Connection, table: Table, way: Parcours, after: int, nombre: int
) -> tuple[list[Row[Any]], int | None]:
    """Rows of one way, and where the walk was cut off before it had them all."""
    order = [table.c.id] if way.cle is None else [way.cle, table.c.id]
    walked = select(table).where(*way.etendue).order_by(*order)
    if after:
        walked = walked.where(_is_after(connection, table, way, after))
    if not way.filtres:
        return list(connection.execute(walked.limit(nombre))), None
    looked_at = walked.limit(EXAMINEES).subquery(table.name)
    kept = select(looked_at).where(*(one(looked_at.c) for one in way.filtres))
    kept = kept.order_by(*(looked_at.c[one.name] for one in order)).limit(nombre)
    rows = list(connection.execute(kept))
    if len(rows) == nombre:
        return rows, None
    last = walked.with_only_columns(table.c.id).offset(EXAMINEES - 1).limit(1)
    return rows, connection.scalar(last)


def _is_after(
    connection: Connection, table: Table, way: Parcours, after: int
) -> ColumnElement[bool]:
    if way.cle is None:
        return table.c.id > after
    # The name that the row has now: a place is an id alone, so that it tells nothing of anybody.
    cle = connection.scalar(select(way.cle).where(table.c.id == after)) or ""
    return tuple_(way.cle, table.c.id) > tuple_(cle, after)
