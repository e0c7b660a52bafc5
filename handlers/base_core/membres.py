"""Operations of the tag `membres` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.base_core.saisie import enter
from handlers.base_core.views.demandes import read_saisie
from handlers.base_core.views.membres import (
    read_modification_membre,
    read_saisie_membre,
    render_liste,
    render_membre,
)
from handlers.base_core.wire import (
    Demande,
    LigneMembre,
    MembreDetaille,
    ModificationMembre,
    ReponseListeMembresBeside,
    SaisieMembre,
    StatutMembre,
)
from handlers.settings import Settings
from models.back_office.membres import FiltreMembres, consult_membre, list_membres
from models.back_office.moteur import Personne


def get_liste_membres(
    client_id: str,
    statut: str | None,
    wallet_id: str | None,
    recherche: str | None,
    limite: int,
    curseur: str | None,
    *,
    connection: Connection,
    personne: Personne,
) -> Answer[LigneMembre, ReponseListeMembresBeside]:
    filtre = FiltreMembres(statut, wallet_id, recherche)
    page = list_membres(
        connection, personne.agent, client_id, filtre, limite=limite, curseur=curseur
    )
    return render_liste(page)


def get_membre(
    client_id: str, membre_id: str, *, connection: Connection, personne: Personne
) -> Answer[MembreDetaille]:
    return render_membre(
        consult_membre(connection, personne.acteur, personne.agent, client_id, membre_id)
    )


def saisir_membre(
    corps: SaisieMembre, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie_membre(corps), corps)


def modifier_membre(
    corps: ModificationMembre, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_modification_membre(corps), corps)


def changer_statut_membre(
    corps: StatutMembre, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("changerStatutMembre", corps), corps)
