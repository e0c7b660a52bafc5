"""Money that a demande moves: between two cards, whatever their states, or between a card and the opening.

The caller has judged whether it may. Limits count none of it, and no partner is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, case, func, insert, select, update

from models.base import SOLDE_MAXIMAL, now
from models.carte import cartes
from models.errors import SoldeInsuffisant, SoldeMaximalDepasse
from models.journal.ecriture import ecritures
from models.operation import (
    CORRECTION_OUVERTURE,
    EXECUTEE,
    OUVERTURE,
    TRANSFERT_SPECIAL,
    new_numero_operation,
    operations,
)


class Executee(NamedTuple):
    """What was done: the operation's number, and francs."""

    numero_operation: str
    montant: int


class _Tenue(NamedTuple):
    """A card that is held."""

    id: int
    compte_id: int
    unite: str
    solde: int
    version: int


class _Demandee(NamedTuple):
    """An operation as its demande says it."""

    type: str
    demande_id: str
    motif: str | None


def hold_cartes(connection: Connection, *carte_ids: int) -> Mapping[int, _Tenue]:
    """Hold the rows of cards until the transaction ends, in the order of their ids, as transfers do.

    Whoever moves what is on two cards holds both before it judges either: what waits for one of them while
    it holds the other would wait for whom waits for it.
    """
    rows = connection.execute(
        select(*(cartes.c[name] for name in _Tenue._fields))
        .where(cartes.c.id.in_(carte_ids))
        .order_by(cartes.c.id)
        .with_for_update(key_share=True)
    )
    return {row.id: _Tenue._make(row) for row in rows}


def transfer_all(
    connection: Connection, de: int, vers: int, *, demande_id: str, motif: str | None
) -> Executee | None:
    """Move all that is on one card to the other one, by their `cartes.id`. None when there is nothing on it.

    Raises SoldeMaximalDepasse.
    """
    held = hold_cartes(connection, de, vers)
    if not held[de].solde:
        return None
    return transfer_special(
        connection, de, vers, held[de].solde, demande_id=demande_id, motif=motif
    )


def transfer_special(
    connection: Connection,
    de: int,
    vers: int,
    montant: int,
    *,
    demande_id: str,
    motif: str | None,
) -> Executee:
    """Move francs from one card to the other one, of the same unit. Raises SoldeInsuffisant,
    SoldeMaximalDepasse."""
    held = hold_cartes(connection, de, vers)
    demandee = _Demandee(TRANSFERT_SPECIAL, demande_id, motif)
    operation = _write(connection, demandee, held[de], montant, destination=vers)
    debited = _change(connection, held[de], -montant, operation.quand)
    credited = _change(connection, held[vers], montant, operation.quand)
    _post(
        connection, operation, montant, held[de].unite,
        compte_debit=held[de].compte_id, compte_credit=held[vers].compte_id,
        debited=debited, credited=credited,
    )  # fmt: skip
    return Executee(operation.numero, montant)


class Ouverture(NamedTuple):
    """The opening of a card, with what was corrected of it since: francs, and the account they came from."""

    solde: int
    contra: int


def find_ouverture_of(connection: Connection, carte_id: int) -> Ouverture | None:
    """The opening of the card of this `cartes.id`, None when it began with nothing."""
    credited = ecritures.c.compte_credit == cartes.c.compte_id
    opened = connection.execute(
        select(ecritures.c.montant, ecritures.c.compte_debit, cartes.c.compte_id)
        .join_from(cartes, ecritures, and_(credited, ecritures.c.version_credit == 1))
        .join(operations, operations.c.id == ecritures.c.operation_id)
        .where(cartes.c.id == carte_id, operations.c.type == OUVERTURE)
    ).first()
    if opened is None:
        return None
    signed = case(
        (ecritures.c.compte_credit == opened.compte_id, ecritures.c.montant),
        else_=-ecritures.c.montant,
    )
    corrected = connection.scalar(
        select(func.coalesce(func.sum(signed), 0))
        .join_from(operations, ecritures, ecritures.c.operation_id == operations.c.id)
        .where(operations.c.carte_id == carte_id, operations.c.type == CORRECTION_OUVERTURE)
    )
    return Ouverture(opened.montant + int(corrected or 0), opened.compte_debit)


def correct_ouverture(
    connection: Connection,
    carte_id: int,
    difference: int,
    *,
    contra: int,
    demande_id: str,
    motif: str | None,
) -> Executee:
    """Give the card francs of the account of openings, or take them back when they are below zero.

    Raises SoldeInsuffisant, SoldeMaximalDepasse.
    """
    carte = hold_cartes(connection, carte_id)[carte_id]
    montant = abs(difference)
    operation = _write(
        connection, _Demandee(CORRECTION_OUVERTURE, demande_id, motif), carte, montant
    )
    moved = _change(connection, carte, difference, operation.quand)
    given = difference > 0
    _post(
        connection, operation, montant, carte.unite,
        compte_debit=contra if given else carte.compte_id,
        compte_credit=carte.compte_id if given else contra,
        debited=None if given else moved, credited=moved if given else None,
    )  # fmt: skip
    return Executee(operation.numero, montant)


# ── steps ────────────────────────────────────────────────────────────────────────────────────────
class _Ecrite(NamedTuple):
    """An operation whose row is written."""

    id: int
    numero: str
    quand: datetime


class _Apres(NamedTuple):
    """A card after it."""

    solde: int
    version: int


def _write(
    connection: Connection,
    demandee: _Demandee,
    carte: _Tenue,
    montant: int,
    *,
    destination: int | None = None,
) -> _Ecrite:
    numero, quand = new_numero_operation(), now()
    written = connection.execute(
        insert(operations)
        .values(
            numero_operation=numero,
            type=demandee.type,
            statut=EXECUTEE,
            carte_id=carte.id,
            carte_destination_id=destination,
            montant=montant,
            unite=carte.unite,
            motif=demandee.motif,
            demande_id=demandee.demande_id,
            date_operation=quand,
        )
        .returning(operations.c.id)
    )
    return _Ecrite(written.scalar_one(), numero, quand)


def _change(connection: Connection, carte: _Tenue, movement: int, quand: datetime) -> _Apres:
    """Change the solde of a card that is held, by francs above or below zero."""
    after = carte.solde + movement
    if after < 0:
        raise SoldeInsuffisant
    if after > SOLDE_MAXIMAL:
        raise SoldeMaximalDepasse
    connection.execute(
        update(cartes)
        .where(cartes.c.id == carte.id)
        .values(solde=after, version=carte.version + 1, date_solde=quand)
    )
    return _Apres(after, carte.version + 1)


def _post(
    connection: Connection,
    operation: _Ecrite,
    montant: int,
    unite: str,
    *,
    compte_debit: int,
    compte_credit: int,
    debited: _Apres | None,
    credited: _Apres | None,
) -> None:
    sides: dict[str, Any] = {}
    for side, after in (("debit", debited), ("credit", credited)):
        sides[f"version_{side}"] = after.version if after else None
        sides[f"solde_{side}"] = after.solde if after else None
    connection.execute(
        insert(ecritures).values(
            operation_id=operation.id,
            compte_debit=compte_debit,
            compte_credit=compte_credit,
            montant=montant,
            unite=unite,
            **sides,
        )
    )
