"""Operations of the tag `agents` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.base_core.saisie import enter
from handlers.base_core.views.agents import read_modification_agent, render_liste, render_profil
from handlers.base_core.views.demandes import read_saisie
from handlers.base_core.wire import (
    Agent,
    Demande,
    ModificationAgent,
    Profil,
    ReponseListeAgentsBeside,
    SaisieAgent,
    StatutAgent,
)
from handlers.settings import Settings
from models.agent import list_agents
from models.back_office.moteur import Personne
from models.identite import Identite


def get_mon_profil(*, personne: Personne, identite: Identite | None) -> Answer[Profil]:
    return render_profil(personne.agent, identite, personne.acteur.adresse)


def get_liste_agents(
    statut: str | None,
    role: str | None,
    limite: int,
    curseur: str | None,
    *,
    connection: Connection,
) -> Answer[Agent, ReponseListeAgentsBeside]:
    return render_liste(
        list_agents(connection, statut=statut, role=role, limite=limite, curseur=curseur)
    )


def saisir_agent(
    corps: SaisieAgent, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("saisirAgent", corps), corps)


def modifier_agent(
    corps: ModificationAgent, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_modification_agent(corps), corps)


def changer_statut_agent(
    corps: StatutAgent, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("changerStatutAgent", corps), corps)
