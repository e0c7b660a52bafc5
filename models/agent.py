"""An agent: a person of the company, known by the identity provider, whose rights live here.

A right is `objet:verbe`; a role is a named set of rights, fixed, so that two deployments mean the same.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Select,
    String,
    Table,
    Text,
    UniqueConstraint,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.base import BigId, Instant, metadata, now
from models.database.curseur import decode_curseur, encode_curseur

ACTIF, SUSPENDU = "ACTIF", "SUSPENDU"
STATUTS = (ACTIF, SUSPENDU)

_LECTEUR = frozenset({"clients:lire", "cartes:lire", "operations:lire", "demandes:lire"})
_SUPPORT = _LECTEUR | {"cartes:opposer", "cartes:activer"}

ROLES: dict[str, frozenset[str]] = {
    "LECTEUR": _LECTEUR,
    "SUPPORT": _SUPPORT,
    "SAISIE": _SUPPORT | {"clients:saisir", "cartes:saisir", "fonds:saisir"},
    "VALIDATION": _LECTEUR | {"clients:valider", "cartes:valider", "fonds:valider"},
    "SECURITE_SAISIE": frozenset(
        {
            *("partenaires:lire", "partenaires:saisir", "partenaires:suspendre"),
            *("agents:lire", "agents:saisir", "regles:saisir", "demandes:lire"),
        }
    ),
    "SECURITE_VALIDATION": frozenset(
        {
            *("partenaires:lire", "partenaires:valider", "partenaires:suspendre"),
            *("agents:lire", "agents:valider", "regles:valider", "demandes:lire"),
        }
    ),
    "AUDITEUR": _LECTEUR | {"audit:lire", "partenaires:lire", "agents:lire"},
}
"""What each role may do. Who may validate never needs the right to enter, and the other way round."""

DROITS = frozenset[str]().union(*ROLES.values())

VALIDEURS_DE_SECURITE = "SECURITE_VALIDATION"
"""The role without which nobody could validate a change of rights any more: its last active holder stays."""

agents = Table(
    "agents",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("agent_id", String(32), nullable=False, unique=True, doc="agentId of the contract"),
    Column("nom", String(200), nullable=False),
    Column("email", String(254), nullable=False),
    Column("emetteur", String(255), nullable=False, doc="iss of the person's tokens"),
    Column("sujet", String(255), nullable=False, doc="sub of the person's tokens"),
    Column("roles", String(200), nullable=False, doc="separated by a space"),
    Column("clients", Text, nullable=False, server_default="", doc="by a space; empty: all"),
    Column("statut", String(8), nullable=False),
    Column("version", BigId, nullable=False),
    Column("cree_le", Instant, nullable=False),
    Column("derniere_activite", Instant, doc="to the minutes; written beside his calls"),
    UniqueConstraint("emetteur", "sujet"),
    CheckConstraint("statut IN ('ACTIF', 'SUSPENDU')", name="statut_connu"),
    CheckConstraint("version > 0", name="version_positive"),
)


class Agent(NamedTuple):
    """A person. `clients` are those that he sees and changes, None for all of them."""

    agent_id: str
    nom: str
    email: str
    emetteur: str
    sujet: str
    roles: tuple[str, ...]
    clients: frozenset[str] | None
    statut: str
    version: int

    @property
    def droits(self) -> frozenset[str]:
        """What his roles let him do."""
        return frozenset[str]().union(*(ROLES[role] for role in self.roles))

    def sees(self, client_id: str | None) -> bool:
        """Whether he may see an object of this client; None is of none, and everybody's."""
        return client_id is None or self.clients is None or client_id in self.clients

    def is_same_person(self, other: Agent) -> bool:
        """Whether two agents are one person: one agentId, or one subject of one provider."""
        return self.agent_id == other.agent_id or (self.emetteur, self.sujet) == (
            other.emetteur,
            other.sujet,
        )


_COLUMNS = [agents.c[name] for name in Agent._fields]


def _read(connection: Connection, statement: Select[tuple[object, ...]]) -> Agent | None:
    row = connection.execute(statement).first()
    return None if row is None else _agent(row)


def _agent(row: Any) -> Agent:
    told = {name: getattr(row, name) for name in Agent._fields}
    told["roles"] = tuple(told["roles"].split())
    told["clients"] = frozenset(told["clients"].split()) or None
    return Agent(**told)


def find_agent(connection: Connection, agent_id: str, *, lock: bool = False) -> Agent | None:
    """The agent of this agentId, suspended or not; held until the transaction ends with `lock`."""
    statement = select(*_COLUMNS).where(agents.c.agent_id == agent_id)
    # Others may refer to him meanwhile: who he is does not change.
    return _read(connection, statement.with_for_update(key_share=True) if lock else statement)


def find_by_sujet(connection: Connection, emetteur: str, sujet: str) -> Agent | None:
    """The agent whom a provider calls so, suspended or not."""
    return _read(
        connection,
        select(*_COLUMNS).where(agents.c.emetteur == emetteur, agents.c.sujet == sujet),
    )


def list_all(connection: Connection) -> list[Agent]:
    """Every agent, suspended ones too, by agentId."""
    statement = select(*_COLUMNS).order_by(agents.c.agent_id)
    return [_agent(row) for row in connection.execute(statement)]


def create_agent(connection: Connection, agent: Agent) -> bool:
    """Write a new agent. False when there is one of this agentId or this subject, also of a moment ago."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    written = connection.execute(
        dialect.insert(agents)
        .values(**_written(agent), cree_le=now())
        .on_conflict_do_nothing()
        .returning(agents.c.agent_id)
    )
    return written.first() is not None


def update_agent(connection: Connection, before: Agent, after: Agent) -> bool:
    """Replace what was read by what shall be, one version later. False when it was changed meanwhile."""
    changed = connection.execute(
        update(agents)
        .where(agents.c.agent_id == before.agent_id, agents.c.version == before.version)
        .values(_changed(after, before.version + 1))
    )
    return changed.rowcount == 1


def _changed(after: Agent, version: int) -> dict[str, object]:
    """Who he is, to us and to his provider, is never changed."""
    written = _written(after._replace(version=version))
    return {
        name: written[name] for name in ("nom", "email", "roles", "clients", "statut", "version")
    }


def _written(agent: Agent) -> dict[str, object]:
    return agent._asdict() | {
        "roles": " ".join(agent.roles),
        "clients": " ".join(sorted(agent.clients or ())),
    }


def has_valideur(connection: Connection, *, but: str = "") -> bool:
    """Whether anybody active, `but` for this agentId, can validate a change of rights."""
    statement = select(agents.c.roles).where(agents.c.statut == ACTIF, agents.c.agent_id != but)
    return any(VALIDEURS_DE_SECURITE in roles.split() for roles in connection.scalars(statement))


def note_activite(connection: Connection, agent_id: str, moment: datetime) -> None:
    """Write down when an agent did something, unless something later is. It is no change of him."""
    connection.execute(
        update(agents)
        .where(
            agents.c.agent_id == agent_id,
            or_(agents.c.derniere_activite.is_(None), agents.c.derniere_activite < moment),
        )
        .values(derniere_activite=moment)
    )


# ── lists ────────────────────────────────────────────────────────────────────────────────────────
class AgentListe(NamedTuple):
    """A line of a list: an agent, and when he last did something."""

    agent: Agent
    derniere_activite: datetime | None


class PageAgents(NamedTuple):
    """A page, in the order in which they came, and the curseur of the next one, None at the end."""

    lignes: list[AgentListe]
    curseur_suivant: str | None


_CURSEUR = "g1"
"""Kind of the curseurs of agents, whose position is an agent's id."""


def list_agents(
    connection: Connection,
    *,
    statut: str | None,
    role: str | None,
    limite: int,
    curseur: str | None,
) -> PageAgents:
    """A page of agents, of this statut and who have this role. Raises ParametreInvalide for a curseur that is
    none."""
    after = 0 if curseur is None else decode_curseur(_CURSEUR, curseur)
    statement = select(agents.c.id, agents.c.derniere_activite, *_COLUMNS).where(
        agents.c.id > after
    )
    if statut is not None:
        statement = statement.where(agents.c.statut == statut)
    if role is not None:
        statement = statement.where(
            (" " + agents.c.roles + " ").contains(f" {role} ", autoescape=True)
        )
    rows = connection.execute(statement.order_by(agents.c.id).limit(limite + 1)).all()
    page = [AgentListe(_agent(row), row.derniere_activite) for row in rows[:limite]]
    following = encode_curseur(_CURSEUR, rows[limite - 1].id) if len(rows) > limite else None
    return PageAgents(page, following)
