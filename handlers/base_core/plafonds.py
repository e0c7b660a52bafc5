"""Operations of the tag `plafonds` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.base_core.saisie import enter
from handlers.base_core.views.demandes import read_saisie
from handlers.base_core.wire import (
    Demande,
    PlafondCarte,
    PlafondPartenaire,
    RetraitPlafondCarte,
    RetraitPlafondPartenaire,
)
from handlers.settings import Settings
from models.back_office.moteur import Personne


def saisir_plafond_carte(
    corps: PlafondCarte, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("saisirPlafondCarte", corps), corps)


def retirer_plafond_carte(
    corps: RetraitPlafondCarte, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("retirerPlafondCarte", corps), corps)


def saisir_plafond_partenaire(
    corps: PlafondPartenaire, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    saisie = read_saisie("saisirPlafondPartenaire", corps)
    return enter(connection, personne, settings, saisie, corps)


def retirer_plafond_partenaire(
    corps: RetraitPlafondPartenaire,
    *,
    connection: Connection,
    personne: Personne,
    settings: Settings,
) -> Answer[Demande]:
    saisie = read_saisie("retirerPlafondPartenaire", corps)
    return enter(connection, personne, settings, saisie, corps)
