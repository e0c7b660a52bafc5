"""A compte: an account of the journal. Its solde is the sum of its ecritures."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, Column, String, Table, UniqueConstraint

from models.base import BigId, metadata

COMPTE_CARTE, COMPTE_REGLEMENT, COMPTE_OUVERTURE = "CARTE", "REGLEMENT", "OUVERTURE"
"""Types: a card's account, a partner's settlement, the contra account of opening soldes. An operation has
types of its own, of which one is spelled like an account's: `models.operation.OUVERTURE`."""

comptes = Table(
    "comptes",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("type", String(16), nullable=False),
    Column("unite", String(8), nullable=False),
    # Target of the composite foreign keys that keep units from mixing.
    UniqueConstraint("id", "unite"),
    CheckConstraint("type IN ('CARTE', 'REGLEMENT', 'OUVERTURE')", name="type_connu"),
)
