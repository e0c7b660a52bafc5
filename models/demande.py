"""A demande: what somebody asked to have changed, who agreed, and what became of it.

Its life is `VIE`, below. `models.back_office.moteur` makes its transitions; nothing else changes a row of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    func,
    select,
    text,
)

from models.agent import agents
from models.base import BigId, Instant, canonical_json, metadata

SAISIE, EXECUTEE, REJETEE, RETIREE, EXPIREE = (
    "SAISIE",
    "EXECUTEE",
    "REJETEE",
    "RETIREE",
    "EXPIREE",
)
STATUTS = (SAISIE, EXECUTEE, REJETEE, RETIREE, EXPIREE)


class Passage(NamedTuple):
    """A line of a demande's life: from where to where, by which act, and the action of its audit row."""

    de: str | None
    vers: str
    par: str
    action: str | None


VIE: tuple[Passage, ...] = (
    Passage(None, SAISIE, "saisie, une validation requise ou plus", "demande.saisie"),
    # The change itself has its row of the audit: a second one would say nothing more.
    Passage(None, EXECUTEE, "saisie, aucune validation requise", None),
    Passage(SAISIE, SAISIE, "validerDemande, pas encore la dernière", "demande.validee"),
    Passage(SAISIE, EXECUTEE, "validerDemande, la dernière", "demande.executee"),
    Passage(SAISIE, REJETEE, "rejeterDemande", "demande.rejetee"),
    Passage(SAISIE, RETIREE, "retirerDemande", "demande.retiree"),
    Passage(SAISIE, EXPIREE, "le temps", "demande.expiree"),
)
"""The whole life of a demande. What is in no line does not happen; four of five statuts are final."""


demandes = Table(
    "demandes",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("demande_id", String(26), nullable=False, unique=True),
    Column("type", String(64), nullable=False, doc="operationId of what asked it"),
    Column("statut", String(8), nullable=False),
    Column("reference", String(64), nullable=False, unique=True),
    Column("objet_type", String(16), nullable=False),
    Column("objet_id", String(128)),
    Column("client_id", String(32), doc="whose it is: who does not see the client does not see it"),
    Column("contenu", Text, nullable=False, doc="canonical JSON of what was asked"),
    Column("empreinte", String(64), nullable=False),
    Column("version_objet", BigId),
    Column("montant", BigId),
    Column("unite", String(8)),
    Column("validations_requises", BigId, nullable=False),
    Column("forte", BigId, nullable=False),
    Column("meme_personne", BigId, nullable=False),
    Column("saisie_par_type", String(16), nullable=False),
    Column("saisie_par_id", String(64), nullable=False),
    Column("saisie_par_nom", String(200), nullable=False),
    Column("saisie_le", Instant, nullable=False),
    Column("expire_le", Instant, nullable=False),
    Column("traitee_par", String(200)),
    Column("traitee_le", Instant),
    Column("motif", String(140)),
    Column("motif_rejet", String(140)),
    Column("resultat", Text, doc="JSON"),
    CheckConstraint(
        "statut IN ('SAISIE', 'EXECUTEE', 'REJETEE', 'RETIREE', 'EXPIREE')", name="statut_connu"
    ),
    CheckConstraint("validations_requises BETWEEN 0 AND 2", name="validations_requises_permises"),
    CheckConstraint("(statut = 'SAISIE') = (traitee_le IS NULL)", name="traitee_ou_saisie"),
    CheckConstraint("(statut = 'EXECUTEE') = (resultat IS NOT NULL)", name="resultat_si_executee"),
    # One pending demande for an object and type. A creation has no object yet: NULL differs from NULL.
    Index(
        "uq_demandes_pendante",
        "objet_type",
        "objet_id",
        "type",
        unique=True,
        postgresql_where=text("statut = 'SAISIE'"),
        sqlite_where=text("statut = 'SAISIE'"),
    ),
    Index(
        "ix_demandes_a_traiter",
        "expire_le",
        postgresql_where=text("statut = 'SAISIE'"),
        sqlite_where=text("statut = 'SAISIE'"),
    ),
    Index(None, "objet_id", "id"),
    Index(None, "objet_type", "id"),
    Index(None, "type", "id"),
    Index(None, "statut", "id"),
    Index(None, "client_id", "id"),
    Index(None, "saisie_par_id", "id"),
    Index(None, "saisie_le"),
)

validations = Table(
    "validations",
    metadata,
    Column("demande_id", ForeignKey("demandes.demande_id"), nullable=False),
    Column("agent_id", ForeignKey("agents.agent_id"), nullable=False),
    Column("date", Instant, nullable=False),
    PrimaryKeyConstraint("demande_id", "agent_id"),
)


class Validation(NamedTuple):
    """A person who agreed, and when."""

    agent_id: str
    nom: str
    date: datetime


class Demande(NamedTuple):
    """A demande as it is. `contenu` and `resultat` hold fields under the names of the contract."""

    demande_id: str
    type: str
    reference: str
    objet_type: str
    objet_id: str | None
    client_id: str | None
    contenu: Mapping[str, Any]
    empreinte: str
    version_objet: int | None
    montant: int | None
    unite: str | None
    validations_requises: int
    forte: bool
    meme_personne: bool
    saisie_par_type: str
    saisie_par_id: str
    saisie_par_nom: str
    saisie_le: datetime
    expire_le: datetime
    motif: str | None
    statut: str = SAISIE
    traitee_par: str | None = None
    traitee_le: datetime | None = None
    motif_rejet: str | None = None
    resultat: Mapping[str, Any] | None = None
    validations: tuple[Validation, ...] = ()
    replayed: bool = False


LISTED = [name for name in Demande._fields if name not in ("contenu", "validations", "replayed")]
"""Without what was asked, which a list does not show."""

COLUMNS = [demandes.c[name] for name in Demande._fields if name not in ("validations", "replayed")]


def empreinte_of(
    type_: str, objet_id: str | None, version_objet: int | None, contenu: Mapping[str, Any]
) -> str:
    """What a validator sends back to say that he approves what he saw: SHA-256, 64 hex digits."""
    told = {
        "type": type_,
        "objetId": objet_id,
        "versionObjet": version_objet,
        "contenu": contenu,
    }
    return hashlib.sha256(canonical_json(told).encode("utf-8")).hexdigest()


def read_demande(row: Any, agreed: tuple[Validation, ...] = ()) -> Demande:
    """The demande of a row of `COLUMNS`; of `LISTED`, its contenu is empty."""
    told = row._asdict()
    told.pop("id", None)
    told["contenu"] = json.loads(told.get("contenu", "{}"))
    told["resultat"] = None if told["resultat"] is None else json.loads(told["resultat"])
    told["forte"], told["meme_personne"] = bool(told["forte"]), bool(told["meme_personne"])
    return Demande(**told, validations=agreed)


def find_validations(connection: Connection, demande_id: str) -> tuple[Validation, ...]:
    """Who agreed, the first one first."""
    rows = connection.execute(
        select(validations.c.agent_id, agents.c.nom, validations.c.date)
        .join_from(validations, agents)
        .where(validations.c.demande_id == demande_id)
        .order_by(validations.c.date, validations.c.agent_id)
    )
    return tuple(Validation._make(row) for row in rows)


def find_demande(
    connection: Connection,
    *,
    demande_id: str | None = None,
    reference: str | None = None,
    lock: bool = False,
) -> Demande | None:
    """The demande of this id or reference, held until the transaction ends with `lock`."""
    wanted = (
        demandes.c.demande_id == demande_id
        if reference is None
        else demandes.c.reference == reference
    )
    statement = select(*COLUMNS).where(wanted)
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    if row is None:
        return None
    return read_demande(row, find_validations(connection, row.demande_id))


def count_pending(connection: Connection, objet_type: str, objet_id: str) -> int:
    """How many demandes about an object wait for somebody."""
    return (
        connection.scalar(
            select(func.count()).where(
                demandes.c.objet_type == objet_type,
                demandes.c.objet_id == objet_id,
                demandes.c.statut == SAISIE,
            )
        )
        or 0
    )
