"""A profile: what cards of one kind have in common."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Index,
    String,
    Table,
    Text,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.base import UNITE, BigId, Instant, canonical_json, metadata, now

ACTIF, RETIRE = "ACTIF", "RETIRE"
"""Cards are issued of an active profile only; those that a retired one has stay as they are."""

VALIDITE_MOIS = 12
"""Months for which a card is good, unless its profile or who issues it says otherwise."""

profils_carte = Table(
    "profils_carte",
    metadata,
    Column("id", BigId, primary_key=True, doc="order of creation"),
    Column("profil_id", String(32), nullable=False, unique=True),
    Column("nom", String(200), nullable=False),
    Column("unite", String(8), nullable=False),
    Column("validite_mois", BigId, nullable=False),
    Column("prefixe", String(8), nullable=False),
    Column("plafonds", Text, nullable=False, doc="canonical JSON of the limits of a new card"),
    Column("hors_ligne_autorise", BigId, nullable=False),
    Column("statut", String(8), nullable=False),
    Column("version", BigId, nullable=False, server_default="1"),
    Column("cree_le", Instant, nullable=False),
    CheckConstraint("validite_mois BETWEEN 1 AND 60", name="validite_mois_permise"),
    CheckConstraint("hors_ligne_autorise IN (0, 1)", name="hors_ligne_autorise_booleen"),
    CheckConstraint("statut IN ('ACTIF', 'RETIRE')", name="statut_connu"),
    CheckConstraint("version > 0", name="version_positive"),
    Index(None, "statut", "id"),
)


class PlafondProfil(NamedTuple):
    """A limit that a new card has."""

    type: str
    periode: str
    montant_maximal: int | None
    nombre_maximal: int | None


class Profil(NamedTuple):
    """A profile."""

    profil_id: str
    nom: str
    prefixe: str
    unite: str = UNITE
    validite_mois: int = VALIDITE_MOIS
    plafonds: tuple[PlafondProfil, ...] = ()
    hors_ligne_autorise: bool = False
    statut: str = ACTIF
    version: int = 1


COLUMNS = [profils_carte.c[name] for name in Profil._fields]


def read_profil(row: Any) -> Profil:
    """The profile of a row of `COLUMNS`."""
    told = {name: getattr(row, name) for name in Profil._fields}
    told["plafonds"] = tuple(PlafondProfil(*one) for one in json.loads(row.plafonds))
    told["hors_ligne_autorise"] = bool(row.hors_ligne_autorise)
    return Profil(**told)


def _columns(profil: Profil) -> dict[str, Any]:
    """What somebody changes."""
    told = profil._asdict() | {
        "plafonds": canonical_json([list(one) for one in profil.plafonds]),
        "hors_ligne_autorise": int(profil.hors_ligne_autorise),
    }
    return {name: value for name, value in told.items() if name not in ("profil_id", "version")}


def find_profil(connection: Connection, profil_id: str, *, lock: bool = False) -> Profil | None:
    """The profile of this id, held against other changes with `lock` until the transaction ends."""
    statement = select(*COLUMNS).where(profils_carte.c.profil_id == profil_id)
    row = connection.execute(
        statement.with_for_update(key_share=True) if lock else statement
    ).first()
    return None if row is None else read_profil(row)


def create_profil(connection: Connection, profil: Profil) -> bool:
    """Write a new profile. False when there is one of this id; waits for whoever is making it."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = connection.execute(
        dialect.insert(profils_carte)
        .values(profil_id=profil.profil_id, **_columns(profil), cree_le=now())
        .on_conflict_do_nothing()
        .returning(profils_carte.c.id)
    )
    return made.first() is not None


def update_profil(connection: Connection, before: Profil, after: Profil) -> bool:
    """Replace what was read by what shall be, one version later. False when it was changed meanwhile."""
    changed = connection.execute(
        update(profils_carte)
        .where(
            profils_carte.c.profil_id == before.profil_id,
            profils_carte.c.version == before.version,
        )
        .values(_columns(after) | {"version": before.version + 1})
    )
    return changed.rowcount == 1


def sort_plafonds(plafonds: Sequence[PlafondProfil]) -> tuple[PlafondProfil, ...]:
    """Limits in one order, whichever they were given in."""
    return tuple(sorted(plafonds, key=lambda one: (one.type, one.periode)))
