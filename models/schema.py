"""Every table, imported once, so that `metadata` is whole for migrations and checks."""

from models import (
    adresse_vue,
    agent,
    audit,
    authentification,
    carte,
    client,
    compte,
    demande,
    geste,
    membre,
    operation,
    partenaire,
    plafond,
    profil_carte,
    regle_validation,
    reseau,
    retrait,
    sceau,
    secret,
)
from models.base import metadata
from models.journal import ecriture

__all__ = [
    "adresse_vue",
    "agent",
    "audit",
    "authentification",
    "carte",
    "client",
    "compte",
    "demande",
    "ecriture",
    "geste",
    "membre",
    "metadata",
    "operation",
    "partenaire",
    "plafond",
    "profil_carte",
    "regle_validation",
    "reseau",
    "retrait",
    "sceau",
    "secret",
]
