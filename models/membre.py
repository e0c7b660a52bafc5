"""A membre: the person of a client who holds cards."""

from __future__ import annotations

from sqlalchemy import (
    Column,
    Date,
    ForeignKey,
    Index,
    PrimaryKeyConstraint,
    String,
    Table,
)

from models.base import metadata

membres = Table(
    "membres",
    metadata,
    Column("client_id", ForeignKey("clients.client_id"), nullable=False),
    Column("membre_id", String(32), nullable=False),
    Column("wallet_id", String(16), nullable=False, doc="phone number that identifies the holder"),
    Column("nom", String(200), nullable=False, server_default=""),
    Column("prenom", String(200), nullable=False, server_default=""),
    Column("email", String(254), nullable=False, server_default=""),
    Column("telephone", String(32), nullable=False, server_default=""),
    Column("numero_piece", String(64), nullable=False, server_default=""),
    Column("date_naissance", Date),
    PrimaryKeyConstraint("client_id", "membre_id"),
    Index(None, "client_id", "wallet_id"),
)
