"""The number of a new card: drawn, or given and free.

A number is 16 digits: the prefix of a profile, its place in a sequence, and Luhn's digit. That digit is made
here, and never demanded of a number that somebody else gives or that was there before.
"""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import CheckConstraint, Column, Connection, String, Table, select
from sqlalchemy.dialects import postgresql, sqlite
from stdnum import luhn

from models.base import BigId, metadata
from models.carte import cartes
from models.errors import NumeroCarteIndisponible

LONGUEUR = 16

numeros_carte = Table(
    "numeros_carte",
    metadata,
    Column("prefixe", String(8), primary_key=True),
    Column("suivant", BigId, nullable=False, doc="the next number of the sequence"),
    CheckConstraint("suivant >= 0", name="suivant_positif"),
)
"""How far the numbers of each prefix are drawn: two profiles of one prefix draw from one sequence."""

_BLOC, _BLOCS = 1_000, 1_000
"""Numbers that are looked at together, and how many times: what a file brought may be in the way."""


def is_taken(connection: Connection, numeros: Collection[str]) -> bool:
    """Whether a card has one of these numbers."""
    found = select(cartes.c.id).where(cartes.c.numero_carte.in_(numeros)).limit(1)
    return connection.scalar(found) is not None


def draw_numeros(connection: Connection, prefixe: str, nombre: int) -> list[str]:
    """New numbers, which nobody else is given: whoever draws from this prefix too waits until the end.

    Raises NumeroCarteIndisponible when there are none, or none near.
    """
    last = 10 ** (LONGUEUR - 1 - len(prefixe))
    following = _hold_sequence(connection, prefixe)
    found: list[str] = []
    for _ in range(_BLOCS):
        ranks = range(following, min(following + _BLOC, last))
        if not ranks:
            break
        bloc = [_numero(prefixe, rank) for rank in ranks]
        taken = _find_taken(connection, bloc)
        for rank, numero in zip(ranks, bloc, strict=True):
            if numero not in taken:
                found.append(numero)
            if len(found) == nombre:
                _go_on(connection, prefixe, rank + 1)
                return found
        following += _BLOC
    raise NumeroCarteIndisponible


def _numero(prefixe: str, rank: int) -> str:
    digits = f"{prefixe}{rank:0{LONGUEUR - 1 - len(prefixe)}d}"
    return f"{digits}{luhn.calc_check_digit(digits)}"


def _hold_sequence(connection: Connection, prefixe: str) -> int:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    connection.execute(
        dialect.insert(numeros_carte).values(prefixe=prefixe, suivant=0).on_conflict_do_nothing()
    )
    held = select(numeros_carte.c.suivant).where(numeros_carte.c.prefixe == prefixe)
    return int(connection.execute(held.with_for_update()).scalar_one())


def _go_on(connection: Connection, prefixe: str, suivant: int) -> None:
    connection.execute(
        numeros_carte.update().where(numeros_carte.c.prefixe == prefixe).values(suivant=suivant)
    )


def _find_taken(connection: Connection, bloc: list[str]) -> set[str]:
    """Which of these are taken: they stand together in the index of numbers."""
    between = cartes.c.numero_carte.between(bloc[0], bloc[-1])
    return set(connection.scalars(select(cartes.c.numero_carte).where(between)))
