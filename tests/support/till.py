"""A partner at the till, without a server: each act is a transaction of its own, and may raise a Refusal."""

from __future__ import annotations

from datetime import timedelta

from models.annulation import annuler
from models.mouvement import CarteDesignee, Demande, crediter, debiter, transferer
from models.operation import CREDIT, DEBIT, TRANSFERT, Operation
from models.secret import find_by_secret
from tests.support.world import PEPPER, Carte, World, new_number

_ACTS = {CREDIT: crediter, DEBIT: debiter, TRANSFERT: transferer}


def designation(carte: Carte) -> CarteDesignee:
    """A card as partners name it."""
    return CarteDesignee(carte.numero, carte.membre.wallet_id, carte.membre.client_id)


class Till:
    """A partner of the clients of some cards."""

    def __init__(self, world: World, *owned: Carte) -> None:
        self.world = world
        pair = world.partenaire({one.membre.client_id for one in owned})
        self.consumer_key = pair.consumer_key
        with world.database.reading() as connection:
            found = find_by_secret(connection, *pair, pepper=PEPPER, demo_allowed=True).partenaire
        assert found is not None
        self.partenaire = found

    def move(self, type_: str, carte: Carte, montant: int, *to: Carte) -> Operation:
        """Credit or debit a card, or transfer to another one."""
        asked = Demande(designation(carte), montant, f"REF-{new_number()}")
        if to:
            asked = asked._replace(destination=designation(to[0]))
        with self.world.database.transaction() as connection:
            return _ACTS[type_](connection, self.partenaire, asked)

    def reverse(self, operation: Operation) -> Operation:
        """Undo it."""
        with self.world.database.transaction() as connection:
            return annuler(
                connection,
                self.partenaire,
                reference_origine=operation.reference,
                reference=f"REF-{new_number()}",
                motif=None,
                fenetre=timedelta(hours=24),
            )
