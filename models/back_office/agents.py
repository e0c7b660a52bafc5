"""Demandes about persons: who may do what is itself entered by one and agreed to by another."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from models.agent import (
    ACTIF,
    VALIDEURS_DE_SECURITE,
    Agent,
    create_agent,
    find_agent,
    find_by_sujet,
    has_valideur,
    update_agent,
)
from models.audit import Objet
from models.back_office.type_demande import Acte, Contenu, Effet, Etat, TypeDemande
from models.client import clients
from models.errors import (
    DernierValideur,
    EtatInterdit,
    ObjetExistant,
    ObjetInconnu,
    VersionPerimee,
)

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
    agent = find_agent(connection, agent_id)
    assert agent is not None, "the engine holds him"
    return agent


def _read(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
    agent = find_agent(connection, objet_id, lock=lock)
    return None if agent is None else Etat(agent.version, told(agent))


def _check_clients(connection: Connection, contenu: Contenu) -> None:
    wanted = set(contenu.get("clients", ()))
    known = select(func.count()).where(clients.c.client_id.in_(wanted))
    if wanted and connection.scalar(known) != len(wanted):
        raise ObjetInconnu(objet="Client")


def _check_new(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    known = find_agent(connection, contenu["agentId"]) or find_by_sujet(
        connection, contenu["emetteur"], contenu["sujet"]
    )
    if known is not None:
        raise ObjetExistant(objet="Agent")
    _check_clients(connection, contenu)


def _create(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    contenu = acte.contenu
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
    if not create_agent(connection, agent):
        raise ObjetExistant(objet="Agent")
    return _effet(None, agent)


def _check_changes(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    before = _held(connection, contenu["agentId"])
    _check_clients(connection, contenu)
    _check_valideurs(connection, before, _modified(before, contenu))


def _modified(before: Agent, contenu: Contenu) -> Agent:
    return before._replace(
        roles=_sorted(contenu.get("roles", before.roles)),
        email=contenu.get("email", before.email),
        clients=frozenset(contenu["clients"]) or None if "clients" in contenu else before.clients,
    )


def _modify(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _held(connection, acte.contenu["agentId"])
    return _replace(connection, before, _modified(before, acte.contenu))


def _check_statut(connection: Connection, contenu: Contenu, etat: Etat | None) -> None:
    assert etat is not None, "the engine refuses what is not there"
    if etat.champs["statut"] == contenu["statut"]:
        raise EtatInterdit(statut=contenu["statut"])
    before = _held(connection, contenu["agentId"])
    _check_valideurs(connection, before, before._replace(statut=contenu["statut"]))


def _change_statut(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _held(connection, acte.contenu["agentId"])
    return _replace(connection, before, before._replace(statut=acte.contenu["statut"]))


def _validates(agent: Agent) -> bool:
    return agent.statut == ACTIF and VALIDEURS_DE_SECURITE in agent.roles


def _check_valideurs(connection: Connection, before: Agent, after: Agent) -> None:
    if (
        _validates(before)
        and not _validates(after)
        and not has_valideur(connection, but=after.agent_id)
    ):
        raise DernierValideur


def _check_left(connection: Connection, effet: Effet) -> None:
    """Two who are suspended at once would each have found the other."""
    was = effet.avant
    if was is None or was["statut"] != ACTIF or VALIDEURS_DE_SECURITE not in was["roles"]:
        return
    if not has_valideur(connection):
        raise DernierValideur


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


SAISIR = TypeDemande("saisirAgent", AGENT_OBJET, "agents:valider", _read, _check_new, _create)
MODIFIER = TypeDemande(
    "modifierAgent", AGENT_OBJET, "agents:valider", _read, _check_changes, _modify,
    cle=("agentId",), constater=_check_left, of_others=True,
)  # fmt: skip
CHANGER_STATUT = TypeDemande(
    "changerStatutAgent", AGENT_OBJET, "agents:valider", _read, _check_statut, _change_statut,
    cle=("agentId",), variante=lambda contenu, _etat: str(contenu["statut"]), constater=_check_left,
)  # fmt: skip
