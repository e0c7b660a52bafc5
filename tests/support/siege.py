"""Two persons of the head office, in a database: one enters what a test wants changed, the other agrees."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from models.agent import ACTIF, Agent, create_agent
from models.audit import AGENT, Acteur, Objet, record
from models.back_office.moteur import Personne, Saisie, saisir, valider
from models.base import now
from models.database.engine import Database
from models.demande import SAISIE, Demande
from models.errors import Refusal
from tests.support.acteurs import TESTEUR
from tests.support.world import PEPPER, new_number


class Siege:
    """Who works at the head office. Each act is a transaction of its own."""

    def __init__(self, database: Database, *, of: str = "") -> None:
        """`of` begins the two roles: `SECURITE_` for those who enter and agree to rights."""
        self.database = database
        self.saisie = self.agent(f"{of}SAISIE")
        self.validation = self.agent(f"{of}VALIDATION")

    def agent(self, role: str, clients: Iterable[str] | None = None) -> Agent:
        """A new person of this role, who sees these clients only."""
        name = f"agent-{new_number()}"
        seen = None if clients is None else frozenset(clients)
        agent = Agent(
            name, name, f"{name}@cynod.example", "https://id.cynod.example", name, (role,), seen,
            ACTIF, 1,
        )  # fmt: skip
        with self.database.transaction() as connection:
            assert create_agent(connection, agent)
            record(connection, TESTEUR, "saisirAgent", Objet("AGENT", name), None, {})
        return agent

    def enter(
        self, type_: str, *, version: int | None = None, by: Agent | None = None, **contenu: Any
    ) -> Demande:
        """Enter a demande. Raises Refusal."""
        saisie = Saisie(type_, f"SIEGE-{new_number()}", contenu, version, "motif")
        with self.database.transaction() as connection:
            return saisir(connection, personne(by or self.saisie), saisie, pepper=PEPPER)

    def agree(self, demande: Demande) -> Demande:
        """Agree to it. Raises Refusal."""
        with self.database.transaction() as connection:
            return valider(
                connection,
                personne(self.validation),
                demande.demande_id,
                empreinte=demande.empreinte,
                pepper=PEPPER,
            )

    def do(self, type_: str, **told: Any) -> str:
        """Have it entered and agreed to: the statut of the demande, or the code of the refusal."""
        try:
            demande = self.enter(type_, **told)
            return (self.agree(demande) if demande.statut == SAISIE else demande).statut
        except Refusal as refused:
            return refused.code


def personne(agent: Agent) -> Personne:
    """The person, who has just authenticated."""
    return Personne(Acteur(AGENT, agent.agent_id, agent.nom), agent, now())
