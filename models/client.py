"""A client: the company that owns cards."""

from __future__ import annotations

from sqlalchemy import Column, String, Table

from models.base import metadata

clients = Table(
    "clients",
    metadata,
    Column("client_id", String(32), primary_key=True, doc="clientId of the contract"),
    Column("nom", String(200), nullable=False),
    Column("reseau", String(64), doc="clients of one reseau may transfer to each other"),
)
