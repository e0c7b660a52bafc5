"""Rapprochement: a partner's list of a day's references against ours."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from models.operation import CLOTURE, operations
from models.partenaire import Partenaire

CONCORDANT, MONTANT_DIFFERENT, TYPE_DIFFERENT, INCONNUE, ABSENTE = (
    "CONCORDANT",
    "MONTANT_DIFFERENT",
    "TYPE_DIFFERENT",
    "INCONNUE",
    "ABSENTE_CHEZ_PARTENAIRE",
)

MAX_ABSENTES = 1_000
"""Operations of ours told in one answer that the partner's list lacks."""


class LigneDuPartenaire(NamedTuple):
    """One operation as the partner knows it. `montant` in francs."""

    reference: str
    montant: int
    type: str


class LigneRapprochee(NamedTuple):
    """One reference compared. What one side does not have is None."""

    reference: str
    resultat: str
    type: str | None
    montant: int | None
    type_partenaire: str | None
    montant_partenaire: int | None
    numero_operation: str | None
    date_operation: datetime | None


class Rapprochement(NamedTuple):
    """The comparison of a day. `absentes` counts all of ours that the partner's list lacks."""

    lignes: list[LigneRapprochee]
    absentes: int


class _Ours(NamedTuple):
    reference: str
    numero_operation: str
    type: str
    montant: int
    date_operation: datetime


_OURS = [operations.c[name] for name in _Ours._fields]


def verifier_references(
    connection: Connection,
    partenaire: Partenaire,
    jour: date,
    lignes: Sequence[LigneDuPartenaire],
) -> Rapprochement:
    """Compare the partner's lines with its operations, then tell those of `jour` that they lack.

    A line is looked up whatever its day, so that midnight makes no difference; closed references
    are no operations.
    """
    executed = operations.c.type != CLOTURE
    mine = operations.c.partenaire_id == partenaire.id
    given = {ligne.reference for ligne in lignes}
    ours = {
        row.reference: _Ours._make(row)
        for row in connection.execute(
            select(*_OURS).where(mine, executed, operations.c.reference.in_(given))
        )
    }
    compared = [_compare(ligne, ours.get(ligne.reference)) for ligne in lignes]
    debut = datetime(jour.year, jour.month, jour.day, tzinfo=UTC)
    of_the_day = (
        mine,
        executed,
        operations.c.date_operation >= debut,
        operations.c.date_operation < debut + timedelta(days=1),
        operations.c.reference.not_in(given),
    )
    absentes = (
        connection.scalar(select(func.count()).select_from(operations).where(*of_the_day)) or 0
    )
    missing = connection.execute(
        select(*_OURS).where(*of_the_day).order_by(operations.c.id).limit(MAX_ABSENTES)
    )
    compared += [
        LigneRapprochee(
            row.reference,
            ABSENTE,
            row.type,
            row.montant,
            None,
            None,
            row.numero_operation,
            row.date_operation,
        )
        for row in missing
    ]
    return Rapprochement(compared, absentes)


def _compare(ligne: LigneDuPartenaire, ours: _Ours | None) -> LigneRapprochee:
    if ours is None:
        return LigneRapprochee(
            ligne.reference, INCONNUE, None, None, ligne.type, ligne.montant, None, None
        )
    if ours.type != ligne.type:
        resultat = TYPE_DIFFERENT
    elif ours.montant != ligne.montant:
        resultat = MONTANT_DIFFERENT
    else:
        resultat = CONCORDANT
    return LigneRapprochee(
        ligne.reference,
        resultat,
        ours.type,
        ours.montant,
        ligne.type,
        ligne.montant,
        ours.numero_operation,
        ours.date_operation,
    )
