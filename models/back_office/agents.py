"""Demandes about persons: who may do what is itself entered by one and agreed to by another."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from models.agent import (
    ACTIF,
    SUSPENDU,
    VALIDEURS_DE_SECURITE,
    Agent,
    create_agent,
    find_agent,
    find_by_sujet,
    is_last_valideur,
    update_agent,
)
from models.audit import Objet
from models.back_office.type_demande import Contenu, Effet, Etat, TypeDemande
from models.errors import DernierValideur, EtatInterdit, ObjetExistant, VersionPerimee

AGENT_OBJET = "AGENT"


def told(agent: Agent) -> dict[str, Any]:
    """An agent under the names of the contract."""
    return {
        "agentId": agent.agent_id,
        "nom": agent.nom,
        "email": agent.email,
        "emetteur": agent.emetteur,
        "sujet": agent.sujet,
        "roles": list(agent.roles),
        "clients": sorted(agent.clients or ()),
        "statut": agent.statut,
    }


def _held(connection: Connection, agent_id: str) -> Agent:
    agent = find_agent(connection, agent_id, lock=True)
    assert agent is not None, "it was read before"
    return agent


def _read(connection: Connection, agent_id: str) -> Etat | None:
    agent = find_agent(connection, agent_id, lock=True)
    return None if agent is None else Etat(agent.version, told(agent))


def _check_new(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    known = find_agent(connection, contenu["agentId"]) or find_by_sujet(
        connection, contenu["emetteur"], contenu["sujet"]
    )
    if known is not None:
        raise ObjetExistant(objet="Agent")


def _create(connection: Connection, contenu: Contenu, _etat: Etat | None) -> Effet:
    agent = Agent(
        agent_id=contenu["agentId"],
        nom=contenu["nom"],
        email=contenu["email"],
        emetteur=contenu["emetteur"],
        sujet=contenu["sujet"],
        roles=_sorted(contenu["roles"]),
        clients=frozenset(contenu.get("clients", ())) or None,
        statut=ACTIF,
        version=1,
    )
    create_agent(connection, agent)
    return _effet(None, agent)


def _check_roles(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    agent = _held(connection, contenu["agentId"])
    keeps = VALIDEURS_DE_SECURITE in contenu.get("roles", agent.roles)
    if not keeps and is_last_valideur(connection, agent):
        raise DernierValideur


def _modify(connection: Connection, contenu: Contenu, _etat: Etat | None) -> Effet:
    before = _held(connection, contenu["agentId"])
    after = before._replace(
        roles=_sorted(contenu.get("roles", before.roles)),
        email=contenu.get("email", before.email),
        clients=(frozenset(contenu["clients"]) or None if "clients" in contenu else before.clients),
    )
    return _replace(connection, before, after)


def _check_statut(connection: Connection, contenu: Contenu, etat: Etat | None) -> None:
    assert etat is not None, "the engine refuses what is not there"
    if etat.champs["statut"] == contenu["statut"]:
        raise EtatInterdit(statut=contenu["statut"])
    agent = _held(connection, contenu["agentId"])
    if contenu["statut"] == SUSPENDU and is_last_valideur(connection, agent):
        raise DernierValideur


def _change_statut(connection: Connection, contenu: Contenu, _etat: Etat | None) -> Effet:
    before = _held(connection, contenu["agentId"])
    return _replace(connection, before, before._replace(statut=contenu["statut"]))


def _replace(connection: Connection, before: Agent, after: Agent) -> Effet:
    if not update_agent(connection, before, after):
        raise VersionPerimee
    return _effet(before, after)


def _effet(before: Agent | None, after: Agent) -> Effet:
    return Effet(
        Objet(AGENT_OBJET, after.agent_id),
        None if before is None else told(before),
        told(after),
        {"agentId": after.agent_id},
    )


def _sorted(roles: Any) -> tuple[str, ...]:
    return tuple(sorted(set(roles)))


SAISIR = TypeDemande(
    "saisirAgent", AGENT_OBJET, "agents:valider", _read, _check_new, _create
)  # fmt: skip
MODIFIER = TypeDemande(
    "modifierAgent",
    AGENT_OBJET,
    "agents:valider",
    _read,
    _check_roles,
    _modify,
    objet_id="agentId",
    of_others=True,
)
CHANGER_STATUT = TypeDemande(
    "changerStatutAgent", AGENT_OBJET, "agents:valider", _read, _check_statut, _change_statut,
    objet_id="agentId", variante=lambda contenu, _etat: str(contenu["statut"]),
)  # fmt: skip
