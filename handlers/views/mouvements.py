"""Credits, debits and transfers on the wire."""

from __future__ import annotations

from handlers import wire
from handlers.answer import Answer
from handlers.views.formats import format_instant
from models.journal.reference import Details
from models.mouvement import CarteDesignee, Demande
from models.operation import Operation


def render_mouvement(operation: Operation) -> Answer[wire.Mouvement]:
    """ReponseMouvement."""
    item: wire.Mouvement = {
        "reference": operation.reference,
        "numeroOperation": operation.numero_operation,
        "type": operation.type,
        "statut": operation.statut,
        "numeroCarte": operation.numero_carte,
        "montant": operation.montant,
        "unite": operation.unite,
        "soldeOnline": float(operation.solde),
        "dateOperation": format_instant(operation.date_operation),
    }
    return Answer([item], replayed=operation.replayed)


def read_demande(corps: wire.DemandeMouvement) -> Demande:
    """The core's request from DemandeMouvement."""
    return Demande(
        carte=CarteDesignee(corps["numeroCarte"], corps["walletId"], corps["clientId"]),
        montant=corps["montant"],
        reference=corps["reference"],
        details=Details(corps.get("motif"), corps.get("pointDeService"), corps.get("terminal")),
    )


def read_transfert(corps: wire.DemandeTransfert) -> Demande:
    """The core's request from DemandeTransfert."""
    return Demande(
        carte=CarteDesignee(corps["numeroCarte"], corps["walletId"], corps["clientId"]),
        montant=corps["montant"],
        reference=corps["reference"],
        details=Details(corps.get("motif")),
        destination=CarteDesignee(
            corps["numeroCarteDestination"],
            corps["walletIdDestination"],
            corps["clientIdDestination"],
        ),
    )
