"""Operations of the tag `clients` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.base_core.saisie import enter
from handlers.base_core.views.clients import (
    read_modification_client,
    render_client,
    render_liste,
    render_liste_csv,
)
from handlers.base_core.views.demandes import read_saisie
from handlers.base_core.views.pages import read_limite
from handlers.base_core.wire import (
    ClientDetaille,
    Demande,
    LigneClient,
    ModificationClient,
    ReponseListeClientsBeside,
    SaisieClient,
    StatutClient,
)
from handlers.settings import Settings
from models.back_office.audits import TOUT, record_lecture
from models.back_office.clients import (
    FiltreClients,
    find_fiche_client,
    list_clients,
    open_clients,
)
from models.back_office.moteur import Personne


def get_liste_clients(
    statut: str | None,
    reseau_id: str | None,
    recherche: str | None,
    limite: int | None,
    curseur: str | None,
    *,
    connection: Connection,
    personne: Personne,
) -> Answer[LigneClient, ReponseListeClientsBeside]:
    filtre = FiltreClients(statut, reseau_id, recherche)
    nombre = read_limite(limite)
    return render_liste(
        list_clients(connection, personne.agent, filtre, limite=nombre, curseur=curseur)
    )


def get_liste_clients_csv(
    statut: str | None,
    reseau_id: str | None,
    recherche: str | None,
    limite: int | None,
    curseur: str | None,
    *,
    connection: Connection,
    personne: Personne,
) -> TableAnswer:
    filtre = FiltreClients(statut, reseau_id, recherche)
    lecture = open_clients(connection, personne.agent, filtre, limite=limite, curseur=curseur)
    record_lecture(connection, personne.acteur, "getListeClients", TOUT, filtre)
    return render_liste_csv(lecture)


def get_client(
    client_id: str, *, connection: Connection, personne: Personne
) -> Answer[ClientDetaille]:
    return render_client(find_fiche_client(connection, personne.agent, client_id))


def saisir_client(
    corps: SaisieClient, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("saisirClient", corps), corps)


def modifier_client(
    corps: ModificationClient, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_modification_client(corps), corps)


def changer_statut_client(
    corps: StatutClient, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("changerStatutClient", corps), corps)
