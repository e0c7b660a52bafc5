"""Operations of the tag `profils` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.base_core.saisie import enter
from handlers.base_core.views.demandes import read_saisie
from handlers.base_core.views.profils import read_modification_profil, render_liste
from handlers.base_core.wire import (
    Demande,
    ModificationProfilCarte,
    ProfilCarte,
    ReponseListeProfilsCarteBeside,
    SaisieProfilCarte,
)
from handlers.settings import Settings
from models.back_office.moteur import Personne
from models.back_office.profils import list_profils


def get_liste_profils_carte(
    statut: str | None, limite: int, curseur: str | None, *, connection: Connection
) -> Answer[ProfilCarte, ReponseListeProfilsCarteBeside]:
    return render_liste(list_profils(connection, statut, limite=limite, curseur=curseur))


def saisir_profil_carte(
    corps: SaisieProfilCarte, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("saisirProfilCarte", corps), corps)


def modifier_profil_carte(
    corps: ModificationProfilCarte,
    *,
    connection: Connection,
    personne: Personne,
    settings: Settings,
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_modification_profil(corps), corps)
