"""The leaves of a seal: what is sealed of each row, and the root of their Merkle tree (RFC 6962).

A leaf is a row's kind, its id, and the SHA-256 of its columns. Which columns, in which order, is a
forme, whose number each seal bears. One that a seal was ever made in never changes: a table that gets
another column gets another forme with it. Rows are append-only, so all of their columns are sealed.
The same rows have the same leaves on both databases.
"""

from __future__ import annotations

import contextlib
import heapq
import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from sqlalchemy import Connection, TextClause, text

OPERATION, ECRITURE = b"\1", b"\2"
"""Kinds of rows. An operation sorts before its ecritures."""

NOMS = {OPERATION: "operation", ECRITURE: "ecriture"}

_TABLES = {OPERATION: "operations", ECRITURE: "ecritures"}
_CLES = {OPERATION: "id", ECRITURE: "operation_id"}

_INSTANTS = frozenset({"date_operation"})

_OPERATION_1 = (
    "id",
    "numero_operation",
    "partenaire_id",
    "reference",
    "empreinte",
    "empreinte_version",
    "type",
    "statut",
    "carte_id",
    "carte_destination_id",
    "annulation_de",
    "montant",
    "unite",
    "motif",
    "point_de_service",
    "terminal",
    "date_operation",
)
_ECRITURE_1 = (
    "id",
    "operation_id",
    "compte_debit",
    "compte_credit",
    "montant",
    "unite",
    "version_debit",
    "version_credit",
    "solde_debit",
    "solde_credit",
)

FORMES: Mapping[int, Mapping[bytes, tuple[str, ...]]] = {
    1: {OPERATION: _OPERATION_1, ECRITURE: _ECRITURE_1},
    2: {OPERATION: (*_OPERATION_1, "demande_id"), ECRITURE: _ECRITURE_1},
}
"""What is sealed of a row, by its forme."""

FORME = max(FORMES)
"""The forme of new seals."""

LOT = 2000
"""Rows held at once."""

_FEUILLE = struct.Struct(">cq32s")


class Cle(NamedTuple):
    """What names a row: its kind and its id."""

    genre: bytes
    id: int


class Ligne(NamedTuple):
    """A row as it is read: the operation it is of, what names it, and the hash of its columns."""

    operation_id: int
    genre: bytes
    id: int
    empreinte: bytes

    @property
    def cle(self) -> Cle:
        """What names it."""
        return Cle(self.genre, self.id)

    @property
    def feuille(self) -> bytes:
        """Its leaf."""
        return _FEUILLE.pack(self.genre, self.id, self.empreinte)


class Scellee(NamedTuple):
    """What a leaf says of a row: the hash of its columns, and the operation it was of."""

    empreinte: bytes
    operation_id: int | None


def read_feuilles(contenu: bytes) -> dict[Cle, Scellee]:
    """The rows whose leaves these are; of leaves that are spoiled, what can be read."""
    found: dict[Cle, Scellee] = {}
    operation_id = None
    for feuille in split_feuilles(contenu):
        if len(feuille) == _FEUILLE.size:
            genre, id_, empreinte = _FEUILLE.unpack(feuille)
            if genre == OPERATION:
                operation_id = id_
            found[Cle(genre, id_)] = Scellee(empreinte, operation_id)
    return found


def split_feuilles(contenu: bytes) -> list[bytes]:
    """The leaves, the last one shorter where they are spoiled."""
    return [contenu[at : at + _FEUILLE.size] for at in range(0, len(contenu), _FEUILLE.size)]


def find_racine(feuilles: Iterable[bytes]) -> bytes:
    """The root of the leaves' Merkle tree, as RFC 6962 has it (2.1)."""
    level = [sha256(b"\0" + feuille).digest() for feuille in feuilles]
    if not level:
        return sha256().digest()
    while len(level) > 1:
        pairs = zip(level[::2], level[1::2], strict=False)
        odd = level[-1:] if len(level) % 2 else []
        level = [sha256(b"\1" + left + right).digest() for left, right in pairs] + odd
    return level[0]


def hash_values(values: Iterable[Any]) -> bytes:
    """The hash of values that differs when any of them does: of integers, texts, bytes and None."""
    return sha256(_write(list(values)).encode("ascii")).digest()


_write = json.JSONEncoder(
    separators=(",", ":"), default=lambda value: {"octets": bytes(value).hex()}
).encode


def read_lignes(connection: Connection, after: int, upto: int, forme: int) -> Iterator[Ligne]:
    """The operations whose ids are above `after` and at most `upto`, each followed by its ecritures.

    The connection comes from `Database.snapshot`, inside `raw_texts`. Memory does not grow with the rows.
    """
    return heapq.merge(
        *(_read_table(connection, genre, after, upto, forme) for genre in (OPERATION, ECRITURE))
    )


def _read_table(
    connection: Connection, genre: bytes, after: int, upto: int, forme: int
) -> Iterator[Ligne]:
    noms = FORMES[forme][genre]
    cle = _CLES[genre]
    at, id_at = noms.index(cle), noms.index("id")
    rows = connection.execute(
        _statement(connection.dialect.name, genre, forme),
        {"after": after, "upto": upto},
        execution_options={"stream_results": True, "yield_per": LOT},
    )
    for row in rows:
        yield Ligne(row[at], genre, row[id_at], hash_values(row))


def _statement(dialect: str, genre: bytes, forme: int) -> TextClause:
    columns = ", ".join(
        written_instant(dialect, nom) if nom in _INSTANTS else nom for nom in FORMES[forme][genre]
    )
    table, cle = _TABLES[genre], _CLES[genre]
    return text(
        f"SELECT {columns} FROM {table} WHERE {cle} > :after AND {cle} <= :upto"  # noqa: S608 - ours
        f" ORDER BY {cle}, id"
    )


def written_instant(dialect: str, nom: str) -> str:
    """An instant as a text, in SQL: as SQLite stores it. What is no instant of ours is another text."""
    if dialect == "sqlite":
        return nom
    return (
        f"CASE WHEN {nom} >= '0001-01-01' AND {nom} < '10000-01-01'"
        f" THEN to_char({nom} AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
        f" ELSE CAST({nom} AS TEXT) END"
    )


@contextlib.contextmanager
def raw_texts(connection: Connection) -> Iterator[None]:
    """Let texts be read that are none, as somebody may have put them into a SQLite file."""
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    before = driver.text_factory
    driver.text_factory = lambda octets: octets.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = before
