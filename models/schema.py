"""Every table, imported once, so that `metadata` is whole for migrations and checks."""

from models import (
    audit,
    authentification,
    carte,
    client,
    compte,
    geste,
    membre,
    operation,
    partenaire,
    plafond,
    sceau,
    secret,
)
from models.base import metadata
from models.journal import ecriture

__all__ = [
    "audit",
    "authentification",
    "carte",
    "client",
    "compte",
    "ecriture",
    "geste",
    "membre",
    "metadata",
    "operation",
    "partenaire",
    "plafond",
    "sceau",
    "secret",
]
