"""Operations of the tag `reseaux` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.base_core.saisie import enter
from handlers.base_core.views.demandes import read_saisie
from handlers.base_core.views.reseaux import render_liste
from handlers.base_core.wire import (
    AffectationReseau,
    Demande,
    ReponseListeReseauxBeside,
    Reseau,
    SaisieReseau,
)
from handlers.settings import Settings
from models.back_office.moteur import Personne
from models.back_office.reseaux import list_reseaux


def get_liste_reseaux(
    limite: int, curseur: str | None, *, connection: Connection
) -> Answer[Reseau, ReponseListeReseauxBeside]:
    return render_liste(list_reseaux(connection, limite=limite, curseur=curseur))


def saisir_reseau(
    corps: SaisieReseau, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("saisirReseau", corps), corps)


def affecter_reseau(
    corps: AffectationReseau, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("affecterReseau", corps), corps)
