"""Agents on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.answer import Answer
from handlers.base_core import wire
from handlers.base_core.views.demandes import read_modification
from handlers.views.formats import format_instant
from models.agent import Agent, AgentListe, PageAgents
from models.back_office.moteur import Saisie
from models.identite import Identite


def read_modification_agent(corps: Mapping[str, Any]) -> Saisie:
    """What modifierAgent asks. Raises ParametreInvalide when it is nothing."""
    return read_modification("modifierAgent", corps, ("roles", "clients", "email"))


def render_profil(
    agent: Agent | None, identite: Identite | None, adresse: str | None
) -> Answer[wire.Profil]:
    """ReponseProfil."""
    assert agent is not None, "a machine has no profile, and is told so before"
    assert identite is not None, "a person comes with a token"
    since = identite.authentifie_le
    item: wire.Profil = {
        "agentId": agent.agent_id,
        "nom": agent.nom,
        "email": agent.email,
        "roles": list(agent.roles),
        "droits": sorted(agent.droits),
        "clients": sorted(agent.clients or ()),
        "emetteur": agent.emetteur,
        "sujet": agent.sujet,
        "authentifieLe": None if since is None else format_instant(since),
        "jetonExpireLe": format_instant(identite.expire_le),
        "adresse": adresse or "",
    }
    return Answer([item])


def _render_agent(one: AgentListe) -> wire.Agent:
    agent, last = one
    return {
        "agentId": agent.agent_id,
        "nom": agent.nom,
        "email": agent.email,
        "roles": list(agent.roles),
        "clients": sorted(agent.clients or ()),
        "statut": agent.statut,
        "derniereActivite": None if last is None else format_instant(last),
        "version": agent.version,
    }


def render_liste(page: PageAgents) -> Answer[wire.Agent, wire.ReponseListeAgentsBeside]:
    """ReponseListeAgents."""
    return Answer(
        [_render_agent(one) for one in page.lignes], {"curseurSuivant": page.curseur_suivant}
    )
