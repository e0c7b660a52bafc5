"""A réseau: clients whose cards may transfer to each other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    String,
    Table,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.base import BigId, Instant, metadata, now

reseaux = Table(
    "reseaux",
    metadata,
    Column("id", BigId, primary_key=True, doc="order of creation"),
    Column("reseau_id", String(32), nullable=False, unique=True, doc="reseauId of the contract"),
    Column("nom", String(200), nullable=False),
    Column("nombre_clients", BigId, nullable=False, server_default="0"),
    Column("version", BigId, nullable=False, server_default="1"),
    Column("cree_le", Instant, doc="null for those that were there before it was written down"),
    CheckConstraint("nombre_clients >= 0", name="nombre_clients_positif"),
    CheckConstraint("version > 0", name="version_positive"),
)


class Reseau(NamedTuple):
    """A réseau. `nombre_clients` counts its clients, whatever their statut."""

    reseau_id: str
    nom: str
    nombre_clients: int
    version: int


COLUMNS = [reseaux.c[name] for name in Reseau._fields]


def find_reseau(connection: Connection, reseau_id: str, *, lock: bool = False) -> Reseau | None:
    """The réseau of this id, held until the transaction ends with `lock`."""
    statement = select(*COLUMNS).where(reseaux.c.reseau_id == reseau_id)
    row = connection.execute(
        statement.with_for_update(key_share=True) if lock else statement
    ).first()
    return None if row is None else Reseau._make(row)


def create_reseau(connection: Connection, reseau_id: str, nom: str) -> bool:
    """Write a new réseau. False when there is one of this id; waits for whoever is making it."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = connection.execute(
        dialect.insert(reseaux)
        .values(reseau_id=reseau_id, nom=nom, cree_le=now())
        .on_conflict_do_nothing()
        .returning(reseaux.c.id)
    )
    return made.first() is not None


def count_clients(connection: Connection, more: Mapping[str, int]) -> None:
    """Bring the counts of réseaux up, or down, by so many clients each.

    They are held to the end of the transaction, always in one order: two who move clients across each other
    wait for one another.
    """
    for reseau_id, by in sorted(more.items()):
        connection.execute(
            update(reseaux)
            .where(reseaux.c.reseau_id == reseau_id)
            .values(nombre_clients=reseaux.c.nombre_clients + by)
        )
