"""A mouvement: a credit or a debit of one card, or a transfer between two."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from sqlalchemy import Connection, bindparam, or_, select

from models import plafond
from models.carte import Carte, find_carte, foresee_carte
from models.client import clients
from models.database.prepared import Prepared
from models.errors import ParametreInvalide, TransfertHorsReseau, UtilisateurInconnu
from models.journal.ecriture import (
    Mouvement,
    Moved,
    foresee_movement,
    give,
    move,
    post,
    take,
)
from models.journal.empreinte import Contenu
from models.journal.reference import (
    Claim,
    Demandeur,
    Details,
    Entree,
    claim,
)
from models.operation import CREDIT, DEBIT, EXECUTEE, TRANSFERT, Operation
from models.partenaire import Partenaire
from models.plafond import Comptee
from models.suivi import find_replay, replay_of


class CarteDesignee(NamedTuple):
    """The three ids by which a partner designates a card."""

    numero_carte: str
    wallet_id: str
    client_id: str


class Demande(NamedTuple):
    """What a partner asks: of which card, `montant` in francs, under which reference, and why.
    `destination` is the receiving card of a transfer."""

    carte: CarteDesignee
    montant: int
    reference: str
    details: Details = Details()
    destination: CarteDesignee | None = None

    def contenu(self, type_: str) -> Contenu:
        """The whole content but the reference: tells a repeat from another operation."""
        formes: dict[int, object] = {
            2: (type_, self.carte, self.montant, self.details, self.destination)
        }
        if self.destination is None:
            formes[1] = (type_, *self.carte, self.montant, *self.details)
        return Contenu(formes)


def crediter(connection: Connection, partenaire: Partenaire, demande: Demande) -> Operation:
    """Move money from the partner's settlement account to a card, once per reference.

    Raises UtilisateurInconnu, ClientSuspendu, CarteAnnulee, CarteEnOpposition, CarteExpiree,
    ReferenceDejaUtilisee, ReferenceCloturee, SoldeMaximalDepasse, PlafondDepasse, DroitsRetires. A
    refusal, once rolled back, leaves the reference free.
    """
    return _move(connection, partenaire, demande, CREDIT)


def debiter(connection: Connection, partenaire: Partenaire, demande: Demande) -> Operation:
    """Move money from a card to the partner's settlement account, once per reference.

    Raises as crediter, with SoldeInsuffisant instead of SoldeMaximalDepasse.
    """
    return _move(connection, partenaire, demande, DEBIT)


def transferer(connection: Connection, partenaire: Partenaire, demande: Demande) -> Operation:
    """Move money from a card to another of the same client, or of a client of the same reseau.

    Raises as crediter and debiter, and TransfertHorsReseau, or ParametreInvalide for a card that
    would be its own destination.
    """
    return _move(connection, partenaire, demande, TRANSFERT)


def _move(
    connection: Connection, partenaire: Partenaire, demande: Demande, type_: str
) -> Operation:
    demandeur = Demandeur.of(partenaire, demande.reference, demande.contenu(type_))
    try:
        carte, destination = _find_cartes(connection, partenaire, demande)
    except UtilisateurInconnu:
        # The holder may have changed phone since: the first answer is still the answer.
        replay = find_replay(connection, demandeur)
        if replay is None:
            raise
        return replay
    executed = _claim_and_move(connection, demandeur, demande, type_, carte, destination)
    if executed is None:
        return replay_of(connection, demandeur)
    claimed, done = executed
    if done.limited:
        counted = Comptee(
            carte.id, partenaire.id, type_, demande.montant, claimed.date_operation.date()
        )
        plafond.consume(connection, counted)
    return Operation(
        demande.reference,
        claimed.numero_operation,
        type_,
        EXECUTEE,
        carte.numero_carte,
        demande.montant,
        carte.unite,
        done.solde,
        claimed.date_operation,
        destination.numero_carte if destination else None,
        *demande.details,
    )


def _claim_and_move(
    connection: Connection,
    demandeur: Demandeur,
    demande: Demande,
    type_: str,
    carte: Carte,
    destination: Carte | None,
) -> tuple[Claim, Moved] | None:
    """Take the reference and move the money; None, and neither, when an operation has the reference."""
    entree = Entree.new()
    mouvement = None
    if destination is None:
        mouvement = Mouvement(type_, demandeur, carte, demande.montant)
        foresee_movement(connection, mouvement, entree)
    claimed = claim(
        connection,
        demandeur,
        type_=type_,
        entree=entree,
        carte=carte,
        montant=demande.montant,
        details=demande.details,
        carte_destination_id=destination.id if destination else None,
    )
    if claimed is None:
        return None
    if mouvement is not None:
        return claimed, move(connection, mouvement, claimed)
    assert destination is not None, "what is no movement of one card has two"
    check_reseau(connection, carte, destination)
    return claimed, _transfer(connection, claimed, demandeur, carte, destination, demande.montant)


def _find_cartes(
    connection: Connection, partenaire: Partenaire, demande: Demande
) -> tuple[Carte, Carte | None]:
    carte = find_carte(connection, partenaire, **demande.carte._asdict())
    if demande.destination is None:
        return carte, None
    destination = find_carte(connection, partenaire, **demande.destination._asdict())
    if destination.id == carte.id:
        raise ParametreInvalide("numeroCarteDestination")
    return carte, destination


def foresee_designated(connection: Connection, partenaire: Partenaire, demande: Demande) -> None:
    """Send ahead the look-ups of a request's cards."""
    foresee_carte(connection, partenaire, **demande.carte._asdict())
    if demande.destination is not None:
        foresee_carte(connection, partenaire, **demande.destination._asdict())


def _transfer(
    connection: Connection,
    claimed: Claim,
    demandeur: Demandeur,
    carte: Carte,
    destination: Carte,
    montant: int,
) -> Moved:
    """Move the money from card to card and write the ecriture."""
    quand = claimed.date_operation
    # Two cards are locked in the order of their ids, whichever way the money goes: two transfers
    # across each other wait for one another instead of dying in a deadlock.
    if carte.id < destination.id:
        debited = take(connection, carte, montant, quand)
        credited = give(connection, destination, montant, quand)
    else:
        credited = give(connection, destination, montant, quand)
        debited = take(connection, carte, montant, quand)
    limited = post(
        connection, demandeur, claimed,
        compte_debit=carte.compte_id, compte_credit=destination.compte_id,
        montant=montant, unite=carte.unite, debited=debited, credited=credited,
    )  # fmt: skip
    return Moved(debited.solde, limited or bool(debited.plafonnee))


_RESEAUX = Prepared(
    select(clients.c.reseau_id).where(
        or_(clients.c.client_id == bindparam("de"), clients.c.client_id == bindparam("vers"))
    )
)


class DuClient(Protocol):
    """What says whether two cards may give each other money."""

    @property
    def client_id(self) -> str: ...
    @property
    def unite(self) -> str: ...


def check_reseau(connection: Connection, carte: DuClient, destination: DuClient) -> None:
    """Raises TransfertHorsReseau unless both cards are of one client, or of clients of one réseau."""
    if carte.unite != destination.unite:
        raise TransfertHorsReseau
    if carte.client_id == destination.client_id:
        return
    values = {"de": carte.client_id, "vers": destination.client_id}
    reseaux = {reseau for (reseau,) in _RESEAUX.all(connection, values)}
    if len(reseaux) != 1 or None in reseaux:
        raise TransfertHorsReseau
