"""Operations as the back office tells them, on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.base_core import wire
from handlers.views.formats import format_instant, read_periode
from models.back_office.operations import (
    FiltreOperations,
    LectureOperations,
    LigneOperation,
    PageOperations,
)


def read_filtre(
    carte_id: str | None,
    client_id: str | None,
    consumer_key: str | None,
    date_debut: str | None,
    date_fin: str | None,
    type_: str | None,
) -> FiltreOperations:
    """The core's filter from the parameters of getHistoriqueOperations."""
    periode = read_periode(date_debut, date_fin)
    return FiltreOperations(carte_id, client_id, consumer_key, *periode, type_)


def _render_ligne(ligne: LigneOperation) -> wire.OperationBo:
    return {
        "numeroOperation": ligne.numero_operation,
        "reference": ligne.reference,
        "type": ligne.type,
        "statut": ligne.statut,
        "partenaire": ligne.partenaire,
        "demandeId": ligne.demande_id,
        "numeroCarte": ligne.numero_carte,
        "numeroCarteDestination": ligne.numero_carte_destination,
        "montant": ligne.montant,
        "unite": ligne.unite,
        "soldeOnline": float(ligne.solde),
        "dateOperation": format_instant(ligne.date_operation),
        "motif": ligne.motif,
        "pointDeService": ligne.point_de_service,
        "terminal": ligne.terminal,
        "annulationDe": ligne.annulation_de,
        "annuleePar": ligne.annulee_par,
    }


def render_liste(
    page: PageOperations,
) -> Answer[wire.OperationBo, wire.ReponseHistoriqueOperationsBeside]:
    """ReponseHistoriqueOperations."""
    lignes = [_render_ligne(one) for one in page.lignes]
    return Answer(lignes, {"curseurSuivant": page.curseur_suivant})


def render_liste_csv(lecture: LectureOperations) -> TableAnswer:
    """HistoriqueOperationsCsv."""

    def read(
        connection: Connection, position: int | None
    ) -> tuple[list[Mapping[str, Any]], int | None]:
        found, suite = lecture.read(connection, position)
        return [_render_ligne(one) for one in found], suite

    columns = tuple(wire.OperationBo.__annotations__)
    return TableAnswer(columns, read, lecture.position, lecture.curseur_suivant)
