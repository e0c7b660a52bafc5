"""Operations of the tag `cartes` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.base_core.saisie import enter
from handlers.base_core.views.cartes import (
    read_recherche,
    render_carte,
    render_liste,
    render_liste_csv,
)
from handlers.base_core.views.demandes import read_saisie
from handlers.base_core.views.pages import read_limite
from handlers.base_core.wire import (
    ActivationCarte,
    AnnulationCarte,
    CarteBo,
    CarteDetaillee,
    CarteId,
    Demande,
    EmissionCartes,
    LeveeOpposition,
    OppositionCarte,
    RechercheCartes,
    RemplacementCarte,
    RenouvellementCarte,
    ReponseListeCartesBeside,
)
from handlers.settings import Settings
from models.back_office.audits import TOUT, record_lecture
from models.back_office.fiches_cartes import find_fiche_carte, open_recherche, search_cartes
from models.back_office.moteur import Personne


def rechercher_cartes(
    limite: int | None,
    curseur: str | None,
    corps: RechercheCartes,
    *,
    connection: Connection,
    personne: Personne,
) -> Answer[CarteBo, ReponseListeCartesBeside]:
    filtre, nombre = read_recherche(corps), read_limite(limite)
    return render_liste(
        search_cartes(connection, personne.agent, filtre, limite=nombre, curseur=curseur)
    )


def rechercher_cartes_csv(
    limite: int | None,
    curseur: str | None,
    corps: RechercheCartes,
    *,
    connection: Connection,
    personne: Personne,
) -> TableAnswer:
    filtre = read_recherche(corps)
    lecture = open_recherche(connection, personne.agent, filtre, limite=limite, curseur=curseur)
    record_lecture(connection, personne.acteur, "rechercherCartes", TOUT, filtre)
    return render_liste_csv(lecture)


def get_carte(
    carte_id: CarteId, *, connection: Connection, personne: Personne
) -> Answer[CarteDetaillee]:
    return render_carte(find_fiche_carte(connection, personne.agent, carte_id))


def emettre_cartes(
    corps: EmissionCartes, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("emettreCartes", corps), corps)


def activer_carte(
    corps: ActivationCarte, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("activerCarte", corps), corps)


def opposer_carte(
    corps: OppositionCarte, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("opposerCarte", corps), corps)


def lever_opposition(
    corps: LeveeOpposition, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("leverOpposition", corps), corps)


def annuler_carte(
    corps: AnnulationCarte, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("annulerCarte", corps), corps)


def renouveler_carte(
    corps: RenouvellementCarte, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("renouvelerCarte", corps), corps)


def remplacer_carte(
    corps: RemplacementCarte, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("remplacerCarte", corps), corps)
