"""An annulation: the full reversal of a partner's own credit or debit, once."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, exists, select

from models import plafond
from models.base import now
from models.carte import cartes
from models.database.prepared import Prepared
from models.errors import (
    DelaiAnnulationDepasse,
    DroitInsuffisant,
    OperationDejaAnnulee,
    OperationInconnue,
    OperationNonAnnulable,
    ReferenceCloturee,
)
from models.journal.ecriture import give_back, post, take_back
from models.journal.empreinte import Contenu
from models.journal.reference import (
    Claim,
    Demandeur,
    Details,
    claim,
)
from models.operation import ANNULATION, CLOTURE, CREDIT, DEBIT, EXECUTEE, Operation, operations
from models.partenaire import Partenaire
from models.plafond import Comptee
from models.suivi import find_replay, replay_of

SCOPE_BY_TYPE = {CREDIT: "cartes:crediter", DEBIT: "cartes:debiter"}
"""The right that a reversal needs: that of what it reverses."""


class CarteOrigine(NamedTuple):
    """The card of the operation to reverse."""

    id: int
    numero_carte: str
    compte_id: int
    unite: str


class Origine(NamedTuple):
    """The operation to reverse. `montant` in francs, `jour` the day on which limits counted it."""

    id: int
    numero_operation: str
    type: str
    montant: int
    jour: date
    carte: CarteOrigine


class _Row(NamedTuple):
    """The operation to reverse and its card, as they are read."""

    id: int
    numero_operation: str
    type: str
    montant: int
    date_operation: datetime
    carte_id: int
    numero_carte: str
    compte_id: int
    unite: str


_ORIGINE = Prepared(
    select(
        operations.c.id,
        operations.c.numero_operation,
        operations.c.type,
        operations.c.montant,
        operations.c.date_operation,
        cartes.c.id.label("carte_id"),
        cartes.c.numero_carte,
        cartes.c.compte_id,
        cartes.c.unite,
    )
    .select_from(operations)
    .outerjoin(cartes, cartes.c.id == operations.c.carte_id)
    .where(
        operations.c.partenaire_id == bindparam("partenaire_id"),
        operations.c.reference == bindparam("reference_origine"),
    ),
    _Row,
)


_REVERSED = Prepared(select(exists().where(operations.c.annulation_de == bindparam("origine"))))


def annuler(
    connection: Connection,
    partenaire: Partenaire,
    *,
    reference_origine: str,
    reference: str,
    motif: str | None,
    fenetre: timedelta,
) -> Operation:
    """Move the whole amount back, whatever has become of the card; the original stays as it is. It is too
    late once the card's client is closed, which keeps no money.

    Limits count the original no more, in the day and the month in which they counted it.

    Raises OperationInconnue, ReferenceCloturee, OperationNonAnnulable, DroitInsuffisant,
    DelaiAnnulationDepasse, OperationDejaAnnulee, SoldeInsuffisant (it would overdraw),
    SoldeMaximalDepasse, ReferenceDejaUtilisee, DroitsRetires.
    """
    contenu = Contenu({2: (ANNULATION, reference_origine, motif)})
    demandeur = Demandeur.of(partenaire, reference, contenu)
    replay = find_replay(connection, demandeur)
    if replay is not None:
        return replay
    origine = _find_origine(connection, partenaire, reference_origine, fenetre)
    claimed = claim(
        connection,
        demandeur,
        type_=ANNULATION,
        carte=origine.carte,
        montant=origine.montant,
        details=Details(motif),
        annulation_de=origine.id,
    )
    if claimed is None:
        return _replay_or_refuse(connection, demandeur, origine)
    solde = _undo(connection, demandeur, origine, claimed)
    return Operation(
        reference,
        claimed.numero_operation,
        ANNULATION,
        EXECUTEE,
        origine.carte.numero_carte,
        origine.montant,
        origine.carte.unite,
        solde,
        claimed.date_operation,
        motif=motif,
        annulation_de=origine.numero_operation,
    )


def _replay_or_refuse(connection: Connection, demandeur: Demandeur, origine: Origine) -> Operation:
    """Either the reference is taken, or the original is reversed: both are unique."""
    if _is_reversed(connection, origine.id) and find_replay(connection, demandeur) is None:
        raise OperationDejaAnnulee
    return replay_of(connection, demandeur)


def _find_origine(
    connection: Connection, partenaire: Partenaire, reference: str, fenetre: timedelta
) -> Origine:
    values = {"partenaire_id": partenaire.id, "reference_origine": reference}
    row = _ORIGINE.first(connection, values)
    if row is None:
        raise OperationInconnue
    _check_reversible(partenaire, row.type)
    if row.date_operation < now() - fenetre:
        raise DelaiAnnulationDepasse
    carte = CarteOrigine(row.carte_id, row.numero_carte, row.compte_id, row.unite)
    jour = row.date_operation.date()
    return Origine(row.id, row.numero_operation, row.type, row.montant, jour, carte)


def _undo(connection: Connection, demandeur: Demandeur, origine: Origine, claimed: Claim) -> int:
    """Move the amount back, write the ecriture, give back what limits counted; the card's solde."""
    carte, montant = origine.carte, origine.montant
    if origine.type == DEBIT:
        moved = give_back(connection, carte, montant, claimed.date_operation)
        limited = post(
            connection, demandeur, claimed,
            compte_debit=demandeur.compte_id, compte_credit=carte.compte_id,
            montant=montant, unite=carte.unite, debited=None, credited=moved,
        )  # fmt: skip
    else:
        moved = take_back(connection, carte, montant, claimed.date_operation)
        limited = post(
            connection, demandeur, claimed,
            compte_debit=carte.compte_id, compte_credit=demandeur.compte_id,
            montant=montant, unite=carte.unite, debited=moved, credited=None,
        )  # fmt: skip
    if limited or moved.plafonnee:
        counted = Comptee(carte.id, demandeur.partenaire_id, origine.type, montant, origine.jour)
        plafond.give_back(connection, counted)
    return moved.solde


def _check_reversible(partenaire: Partenaire, type_: str) -> None:
    if type_ == CLOTURE:
        raise ReferenceCloturee
    if type_ not in SCOPE_BY_TYPE:
        raise OperationNonAnnulable
    if SCOPE_BY_TYPE[type_] not in partenaire.scopes:
        raise DroitInsuffisant


def _is_reversed(connection: Connection, operation_id: int) -> bool:
    row = _REVERSED.first(connection, {"origine": operation_id})
    return row is not None and bool(row[0])
