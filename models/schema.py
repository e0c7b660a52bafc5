"""Every table, imported once, so that `metadata` is whole for migrations and checks."""

from models import carte, client, compte, journal, membre, operation, partenaire, plafond
from models.base import metadata

__all__ = [
    "carte",
    "client",
    "compte",
    "journal",
    "membre",
    "metadata",
    "operation",
    "partenaire",
    "plafond",
]
