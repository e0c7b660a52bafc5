"""What operations are about to ask the database, so that it goes there with the caller's token.

A call that looks a card up then waits for one round trip less. It is a hint and no more: for a caller who was
not heard of lately, for an operation that is not here, and on SQLite, the handler asks by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import Connection

from handlers.views.mouvements import read_demande, read_transfert
from handlers.wire import DemandeMouvement, DemandeTransfert
from models.carte import foresee_carte, foresee_cartes, foresee_valid_carte
from models.mouvement import foresee_designated
from models.partenaire import Partenaire
from models.suivi import foresee_operation

Foresee = Callable[..., None]
"""Sends statements ahead: `(connection, partenaire, **arguments)`, as the handler gets them."""


def _foresee_mouvement(
    connection: Connection, partenaire: Partenaire, *, corps: DemandeMouvement
) -> None:
    foresee_designated(connection, partenaire, read_demande(corps))


def _foresee_transfert(
    connection: Connection, partenaire: Partenaire, *, corps: DemandeTransfert
) -> None:
    foresee_designated(connection, partenaire, read_transfert(corps))


AHEAD: Mapping[str, Foresee] = {
    "getSoldeCarte": foresee_carte,
    "getHistoriqueCarte": foresee_carte,
    "checkCardValidity": foresee_valid_carte,
    "checkCardValidityByMember": foresee_valid_carte,
    "getListeCartes": foresee_cartes,
    "getOperation": foresee_operation,
    "debitCarte": _foresee_mouvement,
    "creditCarte": _foresee_mouvement,
    "transfererSolde": _foresee_transfert,
}
"""By operationId."""
