"""The books as SQL tells them: nothing here knows the application."""

from __future__ import annotations

import contextlib
import importlib
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import psycopg


class Row(NamedTuple):
    """A row of operations, with the numbers of its cards and the key of its partner."""

    id: int
    numero: str
    partner: str | None
    reference: str | None
    type: str
    carte: str | None
    destination: str | None
    annulation_de: int | None
    montant: int | None
    motif: str | None
    demande_id: str | None


class Ecriture(NamedTuple):
    """A row of ecritures."""

    id: int
    operation_id: int
    debit: int
    credit: int
    montant: int
    version_debit: int | None
    version_credit: int | None
    solde_debit: int | None
    solde_credit: int | None


class Carte(NamedTuple):
    """A card as its row has it."""

    numero: str
    compte: int
    solde: int
    version: int


@dataclass(frozen=True)
class Books:
    """Everything that the judge needs, read in one transaction."""

    rows: list[Row]
    ecritures: list[Ecriture]
    cartes: list[Carte]
    comptes: dict[int, str]
    reglements: dict[str, int]


_ROWS = """
    SELECT o.id, o.numero_operation, p.consumer_key, o.reference, o.type, c.numero_carte,
           d.numero_carte, o.annulation_de, o.montant, o.motif, o.demande_id
      FROM operations o
      LEFT JOIN partenaires p ON p.id = o.partenaire_id
      LEFT JOIN cartes c ON c.id = o.carte_id
      LEFT JOIN cartes d ON d.id = o.carte_destination_id
     ORDER BY o.id
"""
_ECRITURES = """
    SELECT id, operation_id, compte_debit, compte_credit, montant, version_debit, version_credit,
           solde_debit, solde_credit
      FROM ecritures ORDER BY id
"""
_CARTES = "SELECT numero_carte, compte_id, solde, version FROM cartes ORDER BY id"
_COMPTES = "SELECT id, type FROM comptes"
_REGLEMENTS = "SELECT consumer_key, compte_id FROM partenaires"


def read_books(url: str) -> Books:
    """Read the books of a database: `sqlite:///file`, or an address that PostgreSQL's library takes."""
    with reading(url) as connection:
        return _read(connection)


@contextlib.contextmanager
def reading(url: str) -> Iterator[Any]:
    """A connection that sees one instant of the database."""
    if url.startswith("sqlite:///"):
        connection = _sqlite().connect(f"file:{url.removeprefix('sqlite:///')}?mode=ro", uri=True)
        try:
            connection.execute("BEGIN")
            yield connection
        finally:
            connection.close()
        return
    with psycopg.connect(url, connect_timeout=10) as postgresql:
        postgresql.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        yield postgresql


def _sqlite() -> Any:
    """The library that is safe with the write-ahead log, where it is installed."""
    try:
        return importlib.import_module("pysqlite3.dbapi2")
    except ImportError:
        return sqlite3


def _read(connection: Any) -> Books:
    def select(statement: str) -> Iterable[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = connection.execute(statement).fetchall()
        return found

    return Books(
        rows=[Row._make(row) for row in select(_ROWS)],
        ecritures=[Ecriture._make(row) for row in select(_ECRITURES)],
        cartes=[Carte._make(row) for row in select(_CARTES)],
        comptes={row[0]: row[1] for row in select(_COMPTES)},
        reglements={row[0]: row[1] for row in select(_REGLEMENTS)},
    )
