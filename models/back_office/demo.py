"""The demo's agents: one who enters, one who validates and reads the audit."""

from __future__ import annotations

from sqlalchemy import Connection

from models.agent import ACTIF, Agent, list_all
from models.audit import Acteur
from models.back_office.moteur import Personne, Saisie, saisir

AGENTS = {
    "awa.diop": ("Awa Diop", ("SAISIE", "SECURITE_SAISIE")),
    "moussa.fall": ("Moussa Fall", ("AUDITEUR", "SECURITE_VALIDATION", "VALIDATION")),
}
"""By agentId, which is what the demo's own tokens call them too."""


def seed_agents(connection: Connection, acteur: Acteur, emetteur: str) -> None:
    """Write the demo's agents where there is no agent at all."""
    if list_all(connection):
        return
    for agent_id, (nom, roles) in AGENTS.items():
        contenu = {
            "agentId": agent_id,
            "nom": nom,
            "email": f"{agent_id}@cynod.example",
            "emetteur": emetteur,
            "sujet": agent_id,
            "roles": list(roles),
            "clients": [],
        }
        saisir(connection, Personne(acteur), Saisie("saisirAgent", f"DEMO-{agent_id}", contenu))


def find_agents(connection: Connection, emetteur: str) -> list[Agent]:
    """Those of the demo's agents who are there, and may act."""
    return [
        one
        for one in list_all(connection)
        if one.agent_id in AGENTS and one.emetteur == emetteur and one.statut == ACTIF
    ]
