"""How an operator names cards: by the number on the plastic or by the carteId, and those of a client that are
past their last day."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, select

from models.base import today
from models.carte import ACTIVE, EMISE, cartes


class Designee(NamedTuple):
    """A card that was named."""

    carte_id: str
    numero_carte: str


_DESIGNEE = select(cartes.c.carte_id, cartes.c.numero_carte)


def find_designee(connection: Connection, named: str) -> Designee | None:
    """The card of this whole number or of this carteId; no number is as long as a carteId."""
    # PostgreSQL refuses a text that nobody has: one with NUL, or not Unicode.
    if not named.isascii() or not named.isalnum():
        return None
    column = cartes.c.carte_id if len(named) == 26 else cartes.c.numero_carte
    row = connection.execute(_DESIGNEE.where(column == named)).first()
    return None if row is None else Designee._make(row)


def list_expirees(connection: Connection, client_id: str) -> list[Designee]:
    """The cards of a client that are good for nothing but their last day, which is past; oldest first."""
    statement = _DESIGNEE.where(
        cartes.c.client_id == client_id,
        cartes.c.statut.in_((EMISE, ACTIVE)),
        cartes.c.fin_validite < today(),
    ).order_by(cartes.c.id)
    return [Designee._make(row) for row in connection.execute(statement)]
