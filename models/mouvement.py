"""A mouvement: a credit or a debit that a partner asks for one card."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from sqlalchemy import Connection

from models.carte import find_carte
from models.errors import UtilisateurInconnu
from models.journal import Mouvement, find_replay, post_credit, post_debit
from models.operation import CREDIT, DEBIT, Operation
from models.partenaire import Partenaire


class Demande(NamedTuple):
    """What a partner asks: whose card, `montant` in francs, under which reference, and why."""

    numero_carte: str
    wallet_id: str
    client_id: str
    montant: int
    reference: str
    motif: str | None = None
    point_de_service: str | None = None
    terminal: str | None = None

    def empreinte(self, type_: str) -> bytes:
        """SHA-256 of the whole content but the reference: tells a repeat from another operation."""
        content = (type_, *(getattr(self, name) for name in self._fields if name != "reference"))
        return hashlib.sha256(json.dumps(content).encode("ascii")).digest()


def crediter(session: Connection, partenaire: Partenaire, demande: Demande) -> Operation:
    """Move money from the partner's settlement account to a card, once per reference.

    Raises UtilisateurInconnu, CarteAnnulee, CarteEnOpposition, CarteExpiree, ReferenceDejaUtilisee,
    SoldeMaximalDepasse. A refusal, once rolled back, leaves the reference free.
    """
    return _move(session, partenaire, demande, CREDIT)


def debiter(session: Connection, partenaire: Partenaire, demande: Demande) -> Operation:
    """Move money from a card to the partner's settlement account, once per reference.

    Raises UtilisateurInconnu, CarteAnnulee, CarteEnOpposition, CarteExpiree, ReferenceDejaUtilisee,
    SoldeInsuffisant. A refusal, once rolled back, leaves the reference free.
    """
    return _move(session, partenaire, demande, DEBIT)


def _move(session: Connection, partenaire: Partenaire, demande: Demande, type_: str) -> Operation:
    mouvement = Mouvement(
        partenaire_id=partenaire.id,
        compte_id=partenaire.compte_id,
        reference=demande.reference,
        empreinte=demande.empreinte(type_),
        montant=demande.montant,
        motif=demande.motif,
        point_de_service=demande.point_de_service,
        terminal=demande.terminal,
    )
    try:
        carte = find_carte(
            session,
            partenaire,
            numero_carte=demande.numero_carte,
            wallet_id=demande.wallet_id,
            client_id=demande.client_id,
        )
    except UtilisateurInconnu:
        # The holder may have changed phone since: the first answer is still the answer.
        replay = find_replay(
            session,
            partenaire_id=partenaire.id,
            reference=demande.reference,
            empreinte=mouvement.empreinte,
        )
        if replay is None:
            raise
        return replay
    return (post_debit if type_ == DEBIT else post_credit)(session, carte, mouvement)
