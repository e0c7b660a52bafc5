"""The demo of the back office: one who enters, one who validates and reads the audit, and a machine."""

from __future__ import annotations

from sqlalchemy import Connection

from models import secret
from models.agent import ACTIF, Agent, list_all
from models.audit import Acteur
from models.back_office.moteur import Personne, Saisie, saisir
from models.partenaire import INTERNE, hold

AGENTS = {
    "awa.diop": ("Awa Diop", ("SAISIE", "SECURITE_SAISIE")),
    "moussa.fall": ("Moussa Fall", ("AUDITEUR", "SECURITE_VALIDATION", "VALIDATION")),
}
"""By agentId, which is what the demo's own tokens call them too."""

MACHINE = "demo-machine"
MACHINE_SECRETS = ("demo-machine-secret", "demo-machine-secret-suivant")
"""What a demo machine is known by; it opens nothing in production."""

MACHINE_SECRET_IDS = ("01KB2M9F4D5E6F7G8H9J0K1M2P", "01KB5T0V6Q8Z3M4N5P6R7S8T9V")
"""The names of its secrets, as the contract's examples have them."""


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


def seed_machine(connection: Connection, acteur: Acteur, *, pepper: bytes) -> None:
    """Write the company's machine, whose secret is being renewed, where it is not yet."""
    if hold(connection, MACHINE) is not None:
        return
    secret.create(
        connection,
        acteur,
        nom="Machine de démonstration",
        type_=INTERNE,
        client_ids=[],
        scopes=["base-core:lire", "base-core:saisir"],
        adresses=[],
        pepper=pepper,
        consumer_key=MACHINE,
        consumer_secret=MACHINE_SECRETS[0],
        demo=True,
        secret_id=MACHINE_SECRET_IDS[0],
    )
    partenaire_id = hold(connection, MACHINE)
    assert partenaire_id is not None
    secret.add_secret(
        connection, partenaire_id, MACHINE_SECRETS[1], pepper, secret_id=MACHINE_SECRET_IDS[1]
    )


def find_agents(connection: Connection, emetteur: str) -> list[Agent]:
    """Those of the demo's agents who are there, and may act."""
    return [
        one
        for one in list_all(connection)
        if one.agent_id in AGENTS and one.emetteur == emetteur and one.statut == ACTIF
    ]
