"""Operations of the tag `cartes`."""

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.views.cartes import (
    read_filtre,
    render_historique,
    render_historique_csv,
    render_liste,
    render_solde,
    render_validite,
    render_validite_membre,
)
from handlers.wire import (
    CarteListe,
    LigneHistorique,
    ReponseHistoriqueBeside,
    ReponseListeCartesBeside,
    SoldeCarte,
    ValiditeCarte,
    ValiditeCarteMembre,
)
from models.carte import find_carte, find_valid_carte, list_cartes
from models.historique import list_operations, open_lecture
from models.partenaire import Partenaire


def get_solde_carte(
    numero_carte: str,
    wallet_id: str,
    client_id: str,
    *,
    connection: Connection,
    partenaire: Partenaire,
) -> Answer[SoldeCarte]:
    carte = find_carte(
        connection, partenaire, numero_carte=numero_carte, wallet_id=wallet_id, client_id=client_id
    )
    return render_solde(carte)


def check_card_validity(
    numero_carte: str,
    wallet_id: str,
    client_id: str,
    *,
    connection: Connection,
    partenaire: Partenaire,
) -> Answer[ValiditeCarte]:
    carte = find_valid_carte(
        connection, partenaire, numero_carte=numero_carte, wallet_id=wallet_id, client_id=client_id
    )
    return render_validite(carte)


def check_card_validity_by_member(
    numero_carte: str,
    membre_id: str,
    client_id: str,
    *,
    connection: Connection,
    partenaire: Partenaire,
) -> Answer[ValiditeCarteMembre]:
    carte = find_valid_carte(
        connection, partenaire, numero_carte=numero_carte, membre_id=membre_id, client_id=client_id
    )
    return render_validite_membre(carte)


def get_liste_cartes(
    client_id: str,
    wallet_id: str | None,
    membre_id: str | None,
    limite: int,
    curseur: str | None,
    *,
    connection: Connection,
    partenaire: Partenaire,
) -> Answer[CarteListe, ReponseListeCartesBeside]:
    page = list_cartes(
        connection,
        partenaire,
        client_id=client_id,
        wallet_id=wallet_id,
        membre_id=membre_id,
        limite=limite,
        curseur=curseur,
    )
    return render_liste(page)


def get_historique_carte(
    numero_carte: str,
    wallet_id: str,
    client_id: str,
    date_debut: str | None,
    date_fin: str | None,
    type: str | None,  # noqa: A002 - the contract's word
    limite: int | None,
    curseur: str | None,
    *,
    connection: Connection,
    partenaire: Partenaire,
) -> Answer[LigneHistorique, ReponseHistoriqueBeside]:
    filtre = read_filtre(date_debut, date_fin, type)
    carte = find_carte(
        connection, partenaire, numero_carte=numero_carte, wallet_id=wallet_id, client_id=client_id
    )
    page = list_operations(connection, partenaire, carte, filtre, limite=limite, curseur=curseur)
    return render_historique(page)


def get_historique_carte_csv(
    numero_carte: str,
    wallet_id: str,
    client_id: str,
    date_debut: str | None,
    date_fin: str | None,
    type: str | None,  # noqa: A002 - the contract's word
    limite: int | None,
    curseur: str | None,
    *,
    connection: Connection,
    partenaire: Partenaire,
) -> TableAnswer:
    filtre = read_filtre(date_debut, date_fin, type)
    carte = find_carte(
        connection, partenaire, numero_carte=numero_carte, wallet_id=wallet_id, client_id=client_id
    )
    lecture = open_lecture(connection, partenaire, carte, filtre, limite=limite, curseur=curseur)
    return render_historique_csv(lecture)
