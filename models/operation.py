"""An operation: what a partner asked and CYNOD executed, under the partner's unique reference."""

from __future__ import annotations

import secrets
import time
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    UniqueConstraint,
)

from models.base import BigId, Instant, metadata

CREDIT, DEBIT, OUVERTURE = "CREDIT", "DEBIT", "OUVERTURE"
"""Types of operations."""

EXECUTEE = "EXECUTEE"

operations = Table(
    "operations",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("numero_operation", String(26), nullable=False, unique=True),
    Column("partenaire_id", ForeignKey("partenaires.id"), doc="null for an opening"),
    Column("reference", String(64), doc="the partner's own id; null for an opening"),
    Column("empreinte", LargeBinary(32), doc="hash of the request's content"),
    Column("type", String(16), nullable=False),
    Column("statut", String(16), nullable=False),
    Column("carte_id", ForeignKey("cartes.id"), nullable=False),
    Column("montant", BigInteger, nullable=False),
    Column("unite", String(8), nullable=False),
    Column("motif", String(140)),
    Column("point_de_service", String(64)),
    Column("terminal", String(64)),
    Column("date_operation", Instant, nullable=False),
    UniqueConstraint("partenaire_id", "reference"),
    CheckConstraint("montant > 0", name="montant_positif"),
    CheckConstraint("type IN ('CREDIT', 'DEBIT', 'OUVERTURE')", name="type_connu"),
    CheckConstraint("statut IN ('EXECUTEE')", name="statut_connu"),
    CheckConstraint(
        "(type = 'OUVERTURE') = (partenaire_id IS NULL)"
        " AND (partenaire_id IS NULL) = (reference IS NULL)",
        name="reference_du_partenaire",
    ),
    Index(None, "carte_id", "id"),
)


class Operation(NamedTuple):
    """An executed operation. `solde` is the card's right after it, in francs; `replayed` is true
    when an earlier call of the same reference did the work."""

    reference: str
    numero_operation: str
    type: str
    statut: str
    numero_carte: str
    montant: int
    unite: str
    solde: int
    date_operation: datetime
    replayed: bool


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def new_numero_operation() -> str:
    """A sortable unique number: 48 bits of milliseconds, 80 random bits, in 26 letters (ULID)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5))
