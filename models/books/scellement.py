"""Seals: made of what is written of the journal, and compared with it for ever after.

A seal covers every operation whose id is above the last of the seal before and at most its own last,
and their ecritures: rows that have all been committed when it is made, among which no other can appear
(`models.database.settled`). It has the Merkle root of their leaves, and the head of the seal before:
its own head, kept outside the database, proves all seals up to it, and what they seal. Its leaves
are kept beside it, so that a changed row is named. Whoever changes the rows, the leaves and all seals
since, which takes the owner of the tables, is found by a kept head alone.

A seal holds some thousand operations at most, so that it costs the memory, and to write it the time,
of these: a long journal gets several in a row.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text

from models.base import now
from models.books.feuilles import (
    ECRITURE,
    FORME,
    FORMES,
    OPERATION,
    find_racine,
    hash_values,
    raw_texts,
    read_lignes,
    written_instant,
)
from models.database.engine import Database
from models.database.settled import find_settled
from models.operation import operations
from models.sceau import add_sceau, sceaux

TRANCHE = 10_000
"""Operations of a seal, at most."""

AUCUNE = bytes(32)
"""The head before the first seal."""

AVANT_TOUT = -(2**63)
"""Below every id."""

Progress = Callable[[int, int], None]


class SealChanged(Exception):
    """The last seal is not as it was made: nothing is chained to it. Its number is the argument."""


class Sceau(NamedTuple):
    """A seal as it is read, unless its row was changed; `scelle_le` as SQLite writes an instant."""

    numero: int
    scelle_le: str
    forme: int
    jusqu_a: int
    operations: int
    ecritures: int
    racine: bytes
    precedente: bytes
    empreinte: bytes
    feuilles: bytes = b""

    @property
    def tete(self) -> bytes:
        """What its head must be."""
        return hash_values(self[:8])

    @property
    def instant(self) -> datetime:
        """When it was made."""
        return datetime.fromisoformat(self.scelle_le).replace(tzinfo=UTC)

    @property
    def is_itself(self) -> bool:
        """Whether its head is that of what it says, and this code can read what it seals."""
        return self.empreinte == self.tete and self.forme in FORMES


class Scellement(NamedTuple):
    """What was sealed: the last seal there is now, and how many were made, of how many rows."""

    dernier: Sceau | None
    sceaux: int
    operations: int
    ecritures: int


def read_sceau(connection: Connection, order: str, **values: int) -> Sceau | None:
    """The first seal by the clauses of SQL. Inside `raw_texts`."""
    numero, scelle_le, *others, _ = Sceau._fields
    columns = (numero, written_instant(connection.dialect.name, scelle_le), *others)
    row = connection.execute(
        text(f"SELECT {', '.join(columns)} FROM sceaux {order} LIMIT 1"),  # noqa: S608 - our clauses
        values,
    ).one_or_none()
    return None if row is None else Sceau(*row)


def seal(
    database: Database,
    *,
    waiting: Callable[[], None] = lambda: None,
    progress: Progress = lambda _done, _total: None,
    clock: Callable[[], datetime] = now,
) -> Scellement:
    """Seal what is not sealed yet. No operation waits for it, longer than for a row of a few hundred KiB.

    It waits for operations that are under way, see `find_settled`, whose refusals it raises before
    anything is sealed. `progress` is told the operations sealed, and how many there are to seal. Two at
    once seal everything once. Raises SealChanged, OccupiedError.
    """
    settled = find_settled(database, operations.c.id, waiting=waiting)
    total = _count_left(database, settled)
    made = Scellement(None, 0, 0, 0)
    while True:
        progress(made.operations, total)
        with database.snapshot() as connection, raw_texts(connection):
            last = _read_last(connection)
            new = None if settled is None else _prepare(connection, last, settled, clock())
        if new is None:
            return made._replace(dernier=last)
        if _write(database, new):
            made = Scellement(
                new,
                made.sceaux + 1,
                made.operations + new.operations,
                made.ecritures + new.ecritures,
            )


def _count_left(database: Database, settled: int | None) -> int:
    """How many operations there are to seal. It may take longer than a statement elsewhere."""
    with database.snapshot() as connection:
        sealed = connection.scalar(select(func.max(sceaux.c.jusqu_a)))
        return connection.execute(
            select(func.count())
            .select_from(operations)
            .where(
                operations.c.id > (AVANT_TOUT if sealed is None else sealed),
                operations.c.id <= (AVANT_TOUT if settled is None else settled),
            )
        ).scalar_one()


def _read_last(connection: Connection) -> Sceau | None:
    last = read_sceau(connection, "ORDER BY numero DESC")
    if last is not None and not last.is_itself:
        raise SealChanged(last.numero)
    return last


_END = text(
    "SELECT max(id) FROM (SELECT id FROM operations WHERE id > :after AND id <= :upto"
    " ORDER BY id LIMIT :nombre) tranche"
)


def _prepare(
    connection: Connection, last: Sceau | None, settled: int, moment: datetime
) -> Sceau | None:
    """The seal that follows the last one, or None when nothing is left to seal."""
    after = AVANT_TOUT if last is None else last.jusqu_a
    upto = connection.scalar(_END, {"after": after, "upto": settled, "nombre": TRANCHE})
    if upto is None:
        return None
    counted = {OPERATION: 0, ECRITURE: 0}
    feuilles = []
    for ligne in read_lignes(connection, after, upto, FORME):
        counted[ligne.genre] += 1
        feuilles.append(ligne.feuille)
    unsigned = Sceau(
        numero=1 if last is None else last.numero + 1,
        scelle_le=moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f"),
        forme=FORME,
        jusqu_a=upto,
        operations=counted[OPERATION],
        ecritures=counted[ECRITURE],
        racine=find_racine(feuilles),
        precedente=AUCUNE if last is None else last.empreinte,
        empreinte=b"",
        feuilles=b"".join(feuilles),
    )
    return unsigned._replace(empreinte=unsigned.tete)


def _write(database: Database, sceau: Sceau) -> bool:
    """Write the seal, unless somebody has written one in its place meanwhile."""
    with database.transaction() as connection:
        return add_sceau(connection, {**sceau._asdict(), "scelle_le": sceau.instant})
