"""An operation: what a partner asked and CYNOD executed, under the partner's unique reference."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    select,
    text,
)

from models.base import BigId, Instant, metadata, new_ulid

CREDIT, DEBIT, TRANSFERT, ANNULATION, OUVERTURE = (
    "CREDIT",
    "DEBIT",
    "TRANSFERT",
    "ANNULATION",
    "OUVERTURE",
)
"""Types of operations."""

TRANSFERT_SPECIAL, CORRECTION_OUVERTURE = "TRANSFERT_SPECIAL", "CORRECTION_OUVERTURE"
"""Types of operations that a demande executes: no partner's, and under no reference."""

CLOTURE = "CLOTURE"
"""Type of the row that closes a reference for ever: it moves nothing and is no operation on the wire."""

EXECUTEE, CLOTUREE = "EXECUTEE", "CLOTUREE"

_DEMANDEE = text("demande_id IS NOT NULL")
_RECEIVED = text("carte_destination_id IS NOT NULL")

operations = Table(
    "operations",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("numero_operation", String(26), nullable=False, unique=True),
    Column("partenaire_id", ForeignKey("partenaires.id"), doc="null for what is no partner's"),
    Column("reference", String(64), doc="the partner's own id; null for what is no partner's"),
    Column("empreinte", LargeBinary(32), doc="hash of the request's content"),
    Column(
        "empreinte_version",
        SmallInteger,
        doc="shape of that content: see models/journal/empreinte.py",
    ),
    Column("type", String(32), nullable=False),
    Column("statut", String(16), nullable=False),
    Column("carte_id", ForeignKey("cartes.id"), doc="null for a closed reference"),
    Column("carte_destination_id", ForeignKey("cartes.id"), doc="the receiving card of a transfer"),
    Column(
        "annulation_de", ForeignKey("operations.id"), unique=True, doc="what a reversal reverses"
    ),
    Column("montant", BigInteger, doc="null for a closed reference"),
    Column("unite", String(8)),
    Column("motif", String(140)),
    Column("point_de_service", String(64)),
    Column("terminal", String(64)),
    Column("date_operation", Instant, nullable=False),
    Column("demande_id", ForeignKey("demandes.demande_id"), doc="what executed it, of a demande"),
    UniqueConstraint("partenaire_id", "reference"),
    CheckConstraint("montant > 0", name="montant_positif"),
    CheckConstraint(
        "type IN ('CREDIT', 'DEBIT', 'TRANSFERT', 'ANNULATION', 'OUVERTURE', 'CLOTURE',"
        " 'TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE')",
        name="type_connu",
    ),
    CheckConstraint(
        "statut = CASE WHEN type = 'CLOTURE' THEN 'CLOTUREE' ELSE 'EXECUTEE' END",
        name="statut_connu",
    ),
    CheckConstraint(
        "(type = 'CLOTURE') = (carte_id IS NULL)"
        " AND (carte_id IS NULL) = (montant IS NULL) AND (montant IS NULL) = (unite IS NULL)",
        name="cloture_sans_mouvement",
    ),
    CheckConstraint(
        "(type IN ('TRANSFERT', 'TRANSFERT_SPECIAL')) = (carte_destination_id IS NOT NULL)",
        name="destination_du_transfert",
    ),
    CheckConstraint("(type = 'ANNULATION') = (annulation_de IS NOT NULL)", name="origine_annulee"),
    CheckConstraint(
        "(type IN ('OUVERTURE', 'TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE')) = (partenaire_id IS NULL)"
        " AND (partenaire_id IS NULL) = (reference IS NULL)",
        name="reference_du_partenaire",
    ),
    CheckConstraint(
        "(type IN ('TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE')) = (demande_id IS NOT NULL)",
        name="demande_executee",
    ),
    # A demande moves money once. What partners move is not in it.
    Index(
        "uq_operations_demande_id",
        "demande_id",
        unique=True,
        postgresql_where=_DEMANDEE,
        sqlite_where=_DEMANDEE,
    ),
    Index(None, "carte_id", "date_operation", "id"),
    # What a card receives of another one. Most operations are not in it.
    Index(
        None,
        "carte_destination_id",
        "date_operation",
        "id",
        postgresql_where=_RECEIVED,
        sqlite_where=_RECEIVED,
    ),
    Index(None, "partenaire_id", "date_operation"),
)


class Operation(NamedTuple):
    """An executed operation. `solde` is its card's right after it (the issuing card's for a transfer),
    in francs; `replayed` is true when an earlier call of the same reference did the work. The last
    two are numeroOperation: what this one reverses, and what reversed it."""

    reference: str
    numero_operation: str
    type: str
    statut: str
    numero_carte: str
    montant: int
    unite: str
    solde: int
    date_operation: datetime
    numero_carte_destination: str | None = None
    motif: str | None = None
    point_de_service: str | None = None
    terminal: str | None = None
    annulation_de: str | None = None
    annulee_par: str | None = None
    replayed: bool = False


new_numero_operation = new_ulid
"""Gives the number of a new operation."""


def read_last_date(connection: Connection) -> datetime | None:
    """When the newest operation was executed, by the clock of whoever executed it; None before the first."""
    statement = select(operations.c.date_operation).order_by(operations.c.id.desc()).limit(1)
    return connection.scalar(statement)
