"""Operations of the tag `partenaires` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.base_core.saisie import enter
from handlers.base_core.views.demandes import read_saisie
from handlers.base_core.views.partenaires import (
    read_modification_partenaire,
    render_liste,
    render_partenaire,
)
from handlers.base_core.wire import (
    AdressesPartenaire,
    ConsumerKey,
    Demande,
    LignePartenaire,
    ModificationPartenaire,
    PartenaireDetaille,
    RenouvellementSecret,
    ReponseListePartenairesBeside,
    RevocationJetons,
    RevocationSecret,
    SaisiePartenaire,
    StatutPartenaire,
)
from handlers.settings import Settings
from models.back_office.moteur import Personne
from models.back_office.partenaires import find_fiche_partenaire, list_partenaires


def get_liste_partenaires(
    statut: str | None,
    type: str | None,  # noqa: A002 - the contract's word
    limite: int,
    curseur: str | None,
    *,
    connection: Connection,
    personne: Personne,
) -> Answer[LignePartenaire, ReponseListePartenairesBeside]:
    agent = personne.agent
    return render_liste(
        list_partenaires(
            connection, agent, statut=statut, type_=type, limite=limite, curseur=curseur
        )
    )


def get_partenaire(
    consumer_key: ConsumerKey, *, connection: Connection, personne: Personne
) -> Answer[PartenaireDetaille]:
    return render_partenaire(find_fiche_partenaire(connection, personne.agent, consumer_key))


def saisir_partenaire(
    corps: SaisiePartenaire, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("saisirPartenaire", corps), corps)


def modifier_partenaire(
    corps: ModificationPartenaire, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_modification_partenaire(corps), corps)


def changer_statut_partenaire(
    corps: StatutPartenaire, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    saisie = read_saisie("changerStatutPartenaire", corps)
    return enter(connection, personne, settings, saisie, corps)


def saisir_adresses_partenaire(
    corps: AdressesPartenaire, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    saisie = read_saisie("saisirAdressesPartenaire", corps)
    return enter(connection, personne, settings, saisie, corps)


def renouveler_secret_partenaire(
    corps: RenouvellementSecret, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    saisie = read_saisie("renouvelerSecretPartenaire", corps)
    return enter(connection, personne, settings, saisie, corps)


def revoquer_secret_partenaire(
    corps: RevocationSecret, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    saisie = read_saisie("revoquerSecretPartenaire", corps)
    return enter(connection, personne, settings, saisie, corps)


def revoquer_jetons_partenaire(
    corps: RevocationJetons, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    saisie = read_saisie("revoquerJetonsPartenaire", corps)
    return enter(connection, personne, settings, saisie, corps)
