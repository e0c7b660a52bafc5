"""Cards and their lives on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.base_core import wire
from handlers.views.formats import format_instant, format_jour, read_jour
from models.back_office.fiches_cartes import (
    CarteLue,
    ChangementStatut,
    FicheCarte,
    FiltreCartes,
    LectureCartes,
    PageCartes,
)
from models.base import today


def read_recherche(corps: wire.RechercheCartes) -> FiltreCartes:
    """The core's filter from a RechercheCartes. Raises ParametreInvalide for a day that there is not."""
    return FiltreCartes(
        corps.get("numeroCarte"),
        corps.get("carteId"),
        corps.get("dernierQuatre"),
        corps.get("walletId"),
        corps.get("clientId"),
        corps.get("membreId"),
        corps.get("statut"),
        corps.get("motifStatut"),
        _read_day(corps, "expireAvant"),
        _read_day(corps, "sansTransactionDepuis"),
    )


def _read_day(corps: Mapping[str, Any], field: str) -> date | None:
    return read_jour(corps[field], field) if field in corps else None


def _render_instant(instant: datetime | None) -> str | None:
    return None if instant is None else format_instant(instant)


def _render_carte(carte: CarteLue, jour: date) -> wire.CarteBo:
    return {
        "carteId": carte.carte_id,
        "numeroCarte": carte.numero_carte,
        "clientId": carte.client_id,
        "membreId": carte.membre_id,
        "porteur": f"{carte.prenom} {carte.nom}".strip(),
        "profilId": carte.profil_id,
        "statut": carte.statut,
        "motifStatut": carte.motif_statut,
        "commentaireStatut": carte.commentaire_statut,
        "finValidite": format_jour(carte.fin_validite),
        "expiree": carte.fin_validite < jour,
        "soldeOnline": float(carte.solde),
        "unite": carte.unite,
        "dateSolde": format_instant(carte.date_solde),
        "emiseLe": _render_instant(carte.emise_le),
        "activeeLe": _render_instant(carte.activee_le),
        "annuleePar": carte.annulee_par,
        "remplaceCarteId": carte.remplace,
        "remplaceeParCarteId": carte.remplacee_par,
        "renouvellements": carte.renouvellements,
        "version": carte.etat_version,
    }


def render_liste(page: PageCartes) -> Answer[wire.CarteBo, wire.ReponseListeCartesBeside]:
    """ReponseListeCartes."""
    jour = today()
    return Answer(
        [_render_carte(one, jour) for one in page.cartes],
        {"curseurSuivant": page.curseur_suivant},
    )


def render_liste_csv(lecture: LectureCartes) -> TableAnswer:
    """ListeCartesCsv."""
    jour = today()

    def read(
        connection: Connection, position: int | None
    ) -> tuple[list[Mapping[str, Any]], int | None]:
        found, suite = lecture.read(connection, position)
        return [_render_carte(one, jour) for one in found], suite

    columns = tuple(wire.CarteBo.__annotations__)
    return TableAnswer(columns, read, lecture.position, lecture.curseur_suivant)


def _render_changement(change: ChangementStatut) -> wire.ChangementStatut:
    return {
        "de": change.de,
        "vers": change.vers,
        "motif": change.motif,
        "commentaire": change.commentaire,
        "acteur": change.acteur,
        "date": format_instant(change.date),
        "demandeId": change.demande_id,
    }


def render_carte(fiche: FicheCarte) -> Answer[wire.CarteDetaillee]:
    """ReponseCarte."""
    item: wire.CarteDetaillee = {
        **_render_carte(fiche.carte, today()),
        "historiqueStatuts": [_render_changement(one) for one in fiche.historique_statuts],
        "plafonds": [
            {
                "type": one.type,
                "periode": one.periode,
                "montantMaximal": one.montant_maximal,
                "montantRestant": one.montant_restant,
                "nombreMaximal": one.nombre_maximal,
                "nombreRestant": one.nombre_restant,
            }
            for one in fiche.plafonds
        ],
        "demandesEnAttente": fiche.demandes_en_attente,
    }
    return Answer([item])
