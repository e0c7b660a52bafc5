"""Openings: new cards with what is on them, written in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import (
    Connection,
    select,
)

from models.base import UNITE, new_ulid
from models.carte import ACTIVE, cartes
from models.compte import COMPTE_CARTE, COMPTE_OUVERTURE, comptes
from models.database.bulk import insert_rows, take_ids
from models.journal.ecriture import ecritures
from models.operation import (
    EXECUTEE,
    OUVERTURE,
    new_numero_operation,
    operations,
)


class NouvelleCarte(NamedTuple):
    """A card to create for an existing membre, with its opening `solde` in francs, zero or more.

    It is given a name, unless it has one. `remplace_id` is of the card whose place it takes when activated.
    """

    numero_carte: str
    client_id: str
    membre_id: str
    fin_validite: date
    statut: str
    solde: int
    carte_id: str | None = None
    profil_id: str | None = None
    remplace_id: int | None = None


def open_cartes(
    connection: Connection,
    nouvelles: Sequence[NouvelleCarte],
    *,
    contra: int | None,
    date_solde: datetime,
) -> list[int]:
    """Create cards and post their opening soldes from the account that `find_ouverture` gives: their ids.

    A card whose solde is zero needs no operation: its version is 0. Cards are written with their
    solde, because an update of each would double the cost of a large import.
    """
    compte_ids = take_ids(connection, comptes.c.id, len(nouvelles))
    insert_rows(
        connection,
        comptes,
        ("id", "type", "unite"),
        ((id_, COMPTE_CARTE, UNITE) for id_ in compte_ids),
    )
    carte_ids = take_ids(connection, cartes.c.id, len(nouvelles))
    insert_rows(
        connection,
        cartes,
        ("id", *NouvelleCarte._fields, *_OF_NEW),
        (
            (id_, *_named(carte), *_of_new(carte, compte_id, date_solde))
            for id_, compte_id, carte in zip(carte_ids, compte_ids, nouvelles, strict=True)
        ),
    )
    opened = [one for one in zip(carte_ids, compte_ids, nouvelles, strict=True) if one[2].solde]
    if not opened:
        return carte_ids
    ids = take_ids(connection, operations.c.id, len(opened))
    insert_rows(
        connection,
        operations,
        (
            "id",
            "numero_operation",
            "type",
            "statut",
            "carte_id",
            "montant",
            "unite",
            "date_operation",
        ),
        (
            (
                id_,
                new_numero_operation(),
                OUVERTURE,
                EXECUTEE,
                carte_id,
                carte.solde,
                UNITE,
                date_solde,
            )
            for id_, (carte_id, _, carte) in zip(ids, opened, strict=True)
        ),
    )
    insert_rows(
        connection,
        ecritures,
        (
            "operation_id",
            "compte_debit",
            "compte_credit",
            "montant",
            "unite",
            "version_credit",
            "solde_credit",
        ),
        (
            (id_, contra, compte_id, carte.solde, UNITE, 1, carte.solde)
            for id_, (_, compte_id, carte) in zip(ids, opened, strict=True)
        ),
    )
    return carte_ids


_OF_NEW = ("version", "compte_id", "unite", "date_solde", "emise_le", "activee_le")


def _of_new(carte: NouvelleCarte, compte_id: int, moment: datetime) -> tuple[object, ...]:
    activee_le = moment if carte.statut == ACTIVE else None
    return (1 if carte.solde else 0, compte_id, UNITE, moment, moment, activee_le)


def _named(carte: NouvelleCarte) -> NouvelleCarte:
    return carte if carte.carte_id is not None else carte._replace(carte_id=new_ulid())


_OUVERTURE = (
    select(comptes.c.id)
    .where(comptes.c.type == COMPTE_OUVERTURE, comptes.c.unite == UNITE)
    .order_by(comptes.c.id)
    .limit(1)
)


def find_ouverture(connection: Connection) -> int:
    """The id of the contra account of openings, created by the first who asks for it."""
    found = connection.scalar(_OUVERTURE)
    if found is not None:
        return int(found)
    (id_,) = take_ids(connection, comptes.c.id, 1)
    insert_rows(connection, comptes, ("id", "type", "unite"), [(id_, COMPTE_OUVERTURE, UNITE)])
    return id_
