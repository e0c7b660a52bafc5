"""Operations, closings and reconciliations on the wire."""

from __future__ import annotations

from datetime import date

from handlers import wire
from handlers.answer import Answer
from handlers.views.formats import format_instant, read_jour
from models.base import today
from models.operation import Operation
from models.rapprochement import LigneDuPartenaire, Rapprochement
from models.suivi import Cloture


def read_lignes(corps: wire.DemandeRapprochement) -> tuple[date, list[LigneDuPartenaire]]:
    """The day, today unless told, and the partner's lines, from DemandeRapprochement."""
    jour = read_jour(corps["jour"], "jour") if "jour" in corps else today()
    lignes = [
        LigneDuPartenaire(ligne["reference"], ligne["montant"], ligne["type"])
        for ligne in corps["lignes"]
    ]
    return jour, lignes


def render_operation(operation: Operation) -> Answer[wire.Operation]:
    """ReponseOperation."""
    item: wire.Operation = {
        "reference": operation.reference,
        "numeroOperation": operation.numero_operation,
        "type": operation.type,
        "statut": operation.statut,
        "numeroCarte": operation.numero_carte,
        "numeroCarteDestination": operation.numero_carte_destination,
        "montant": operation.montant,
        "unite": operation.unite,
        "soldeOnline": float(operation.solde),
        "dateOperation": format_instant(operation.date_operation),
        "motif": operation.motif,
        "pointDeService": operation.point_de_service,
        "terminal": operation.terminal,
        "annulationDe": operation.annulation_de,
        "annuleePar": operation.annulee_par,
    }
    return Answer([item], replayed=operation.replayed)


def render_cloture(cloture: Cloture) -> Answer[wire.Cloture]:
    """ReponseCloture."""
    item: wire.Cloture = {
        "reference": cloture.reference,
        "etat": cloture.etat,
        "numeroOperation": cloture.numero_operation,
        "date": format_instant(cloture.date),
    }
    return Answer([item], replayed=cloture.replayed)


def render_rapprochement(
    rapprochement: Rapprochement,
) -> Answer[wire.LigneRapprochee, wire.ReponseRapprochementBeside]:
    """ReponseRapprochement."""
    items: list[wire.LigneRapprochee] = [
        {
            "reference": ligne.reference,
            "resultat": ligne.resultat,
            "type": ligne.type,
            "montant": ligne.montant,
            "typePartenaire": ligne.type_partenaire,
            "montantPartenaire": ligne.montant_partenaire,
            "numeroOperation": ligne.numero_operation,
            "dateOperation": (
                format_instant(ligne.date_operation) if ligne.date_operation else None
            ),
        }
        for ligne in rapprochement.lignes
    ]
    return Answer(items, {"absentes": rapprochement.absentes})
