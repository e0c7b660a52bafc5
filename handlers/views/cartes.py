"""Cards, their lists and their history on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Connection

from handlers import wire
from handlers.answer import Answer, TableAnswer
from handlers.views.formats import format_instant, format_jour, read_periode
from models.base import today
from models.carte import Carte, CarteDuPorteur, CarteListee, PageCartes, tell_usable
from models.historique import Filtre, Lecture, Ligne, PageHistorique


def render_solde(carte: Carte) -> Answer[wire.SoldeCarte]:
    """ReponseSoldeCarte."""
    item: wire.SoldeCarte = {
        "numeroCarte": carte.numero_carte,
        "soldeOnline": float(carte.solde),
        "dateSolde": format_instant(carte.date_solde),
        "unite": carte.unite,
    }
    return Answer([item])


def render_validite(carte: CarteDuPorteur) -> Answer[wire.ValiditeCarte]:
    """ReponseValiditeCarte."""
    item: wire.ValiditeCarte = {
        "numeroCarte": carte.numero_carte,
        "finValidite": format_jour(carte.fin_validite),
        "nom": carte.nom,
        "prenom": carte.prenom,
        "email": carte.email,
        "telephone": carte.telephone,
        "numeroPiece": carte.numero_piece,
        "dateNaissance": format_jour(carte.date_naissance),
    }
    return Answer([item])


def render_validite_membre(carte: CarteDuPorteur) -> Answer[wire.ValiditeCarteMembre]:
    """ReponseValiditeCarteMembre."""
    item: wire.ValiditeCarteMembre = {
        "numeroCarte": carte.numero_carte,
        "membreId": carte.membre_id,
        "finValidite": format_jour(carte.fin_validite),
        "nom": carte.nom,
        "prenom": carte.prenom,
        "email": carte.email,
        "telephone": carte.telephone,
        "numeroPiece": carte.numero_piece,
        "dateNaissance": format_jour(carte.date_naissance),
    }
    return Answer([item])


def render_liste(page: PageCartes) -> Answer[wire.CarteListe, wire.ReponseListeCartesBeside]:
    """ReponseListeCartes."""
    jour = today()
    return Answer(
        [_render_carte_listee(carte, jour) for carte in page.cartes],
        {"curseurSuivant": page.curseur_suivant},
    )


def _render_carte_listee(carte: CarteListee, jour: date) -> wire.CarteListe:
    expiree, utilisable = tell_usable(carte.statut, carte.fin_validite, jour)
    return {
        "numeroCarte": carte.numero_carte,
        "carteId": carte.carte_id,
        "membreId": carte.membre_id,
        "porteur": f"{carte.prenom} {carte.nom}".strip(),
        "statut": carte.statut,
        "motifStatut": carte.motif_statut,
        "finValidite": format_jour(carte.fin_validite),
        "soldeOnline": float(carte.solde),
        "unite": carte.unite,
        "expiree": expiree,
        "utilisable": utilisable,
    }


def read_filtre(date_debut: str | None, date_fin: str | None, type_: str | None) -> Filtre:
    """The core's filter from the parameters of getHistoriqueCarte."""
    return Filtre(*read_periode(date_debut, date_fin), type_)


def _render_ligne(ligne: Ligne) -> wire.LigneHistorique:
    return {
        "numeroOperation": ligne.numero_operation,
        "reference": ligne.reference,
        "type": ligne.type,
        "sens": ligne.sens,
        "montant": ligne.montant,
        "unite": ligne.unite,
        "soldeOnline": float(ligne.solde),
        "dateOperation": format_instant(ligne.date_operation),
        "motif": ligne.motif,
        "pointDeService": ligne.point_de_service,
        "terminal": ligne.terminal,
    }


def render_historique(
    page: PageHistorique,
) -> Answer[wire.LigneHistorique, wire.ReponseHistoriqueBeside]:
    """ReponseHistorique."""
    return Answer(
        [_render_ligne(ligne) for ligne in page.lignes], {"curseurSuivant": page.curseur_suivant}
    )


def render_historique_csv(lecture: Lecture) -> TableAnswer:
    """HistoriqueCsv."""

    def read(
        connection: Connection, position: int | None
    ) -> tuple[list[Mapping[str, Any]], int | None]:
        lignes, suite = lecture.read(connection, position)
        return [_render_ligne(ligne) for ligne in lignes], suite

    columns = tuple(wire.LigneHistorique.__annotations__)
    return TableAnswer(columns, read, lecture.position, lecture.curseur_suivant)
