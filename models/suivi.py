"""Following an operation up: what became of a reference, and how to close one for ever."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, bindparam, false, func, select

from models.carte import cartes
from models.database.prepared import Prepared
from models.errors import (
    OperationEnCours,
    OperationInconnue,
    ParametreInvalide,
    ReferenceCloturee,
    ReferenceDejaUtilisee,
)
from models.journal.ecriture import ecritures
from models.journal.reference import Demandeur, claim, is_running
from models.operation import CLOTURE, CLOTUREE, EXECUTEE, Operation, operations
from models.partenaire import Partenaire, check_entitled

_destination = cartes.alias("destination")
_origine = operations.alias("origine")
_annulation = operations.alias("annulation")

_FOUND: Select[Any] = (
    select(
        operations.c.reference,
        operations.c.numero_operation,
        operations.c.type,
        operations.c.statut,
        cartes.c.numero_carte,
        operations.c.montant,
        operations.c.unite,
        func.coalesce(ecritures.c.solde_debit, ecritures.c.solde_credit).label("solde"),
        operations.c.date_operation,
        _destination.c.numero_carte.label("numero_carte_destination"),
        operations.c.motif,
        operations.c.point_de_service,
        operations.c.terminal,
        _origine.c.numero_operation.label("annulation_de"),
        _annulation.c.numero_operation.label("annulee_par"),
        false().label("replayed"),
        operations.c.empreinte,
        operations.c.empreinte_version,
    )
    .select_from(operations)
    .outerjoin(ecritures, ecritures.c.operation_id == operations.c.id)
    .outerjoin(cartes, cartes.c.id == operations.c.carte_id)
    .outerjoin(_destination, _destination.c.id == operations.c.carte_destination_id)
    .outerjoin(_origine, _origine.c.id == operations.c.annulation_de)
    .outerjoin(_annulation, _annulation.c.annulation_de == operations.c.id)
    .where(operations.c.partenaire_id == bindparam("partenaire_id"))
)


class _Found(NamedTuple):
    """A row of the above. Of a closed reference, what an operation has and it has not is None."""

    operation: Operation
    empreinte: bytes
    empreinte_version: int | None


_BY_REFERENCE = Prepared(_FOUND.where(operations.c.reference == bindparam("reference")), _Found)
_BY_NUMERO = Prepared(
    _FOUND.where(operations.c.numero_operation == bindparam("numero_operation")), _Found
)


class Cloture(NamedTuple):
    """What closing a reference found: `etat` EXECUTEE with the operation, or CLOTUREE since when."""

    reference: str
    etat: str
    numero_operation: str | None
    date: datetime
    replayed: bool


def find_replay(connection: Connection, demandeur: Demandeur) -> Operation | None:
    """The operation that already bears the reference, or None.

    Raises ReferenceDejaUtilisee when its content was another, ReferenceCloturee when it was closed.
    """
    found = _find_reference(connection, demandeur)
    if found is None:
        return None
    if found.operation.type == CLOTURE:
        raise ReferenceCloturee
    contenu = demandeur.contenu
    if contenu is None or not contenu.is_of(found.empreinte, found.empreinte_version):
        raise ReferenceDejaUtilisee
    # The first answer again: what happened to the operation since is not part of it.
    return found.operation._replace(annulee_par=None, replayed=True)


def _find_reference(connection: Connection, demandeur: Demandeur) -> _Found | None:
    values = {"partenaire_id": demandeur.partenaire_id, "reference": demandeur.reference}
    return _BY_REFERENCE.first(connection, values)


def replay_of(connection: Connection, demandeur: Demandeur) -> Operation:
    """The operation that made a claim fail. Raises as find_replay."""
    operation = find_replay(connection, demandeur)
    assert operation is not None, "a reference that could not be claimed has an operation"
    return operation


def find_operation(
    connection: Connection,
    partenaire: Partenaire,
    *,
    reference: str | None = None,
    numero_operation: str | None = None,
) -> Operation:
    """The partner's executed operation of this reference or number.

    Raises ParametreInvalide unless one of the two is given, OperationInconnue, ReferenceCloturee, or
    OperationEnCours when an operation of the reference is being executed. An unknown reference is no
    promise: a call that is still on its way may execute it, unless the reference is closed.
    """
    if (reference is None) == (numero_operation is None):
        raise ParametreInvalide("reference" if reference is None else "numeroOperation")
    values = _designation(partenaire, reference, numero_operation)
    if reference is not None:
        found = _BY_REFERENCE.first(connection, values)
        if found is None and is_running(connection, partenaire.id, reference):
            raise OperationEnCours
        # It may have ended between the two look-ups.
        found = found or _BY_REFERENCE.first(connection, values)
    else:
        found = _BY_NUMERO.first(connection, values)
    if found is None:
        raise OperationInconnue
    if found.operation.type == CLOTURE:
        raise ReferenceCloturee
    return found.operation


def foresee_operation(
    connection: Connection,
    partenaire: Partenaire,
    *,
    reference: str | None = None,
    numero_operation: str | None = None,
) -> None:
    """Send ahead what `find_operation` asks first."""
    find = _BY_NUMERO if reference is None else _BY_REFERENCE
    find.ahead(connection, _designation(partenaire, reference, numero_operation))


def _designation(
    partenaire: Partenaire, reference: str | None, numero_operation: str | None
) -> dict[str, Any]:
    return {
        "partenaire_id": partenaire.id,
        "reference": reference,
        "numero_operation": numero_operation,
    }


def close_reference(connection: Connection, partenaire: Partenaire, reference: str) -> Cloture:
    """Close a reference for ever, unless it was executed. Waits for a call that is still running.

    Raises DroitsRetires.
    """
    demandeur = Demandeur.of(partenaire, reference, contenu=None)
    claimed = claim(connection, demandeur, type_=CLOTURE, statut=CLOTUREE)
    if claimed is not None:
        check_entitled(connection, partenaire.id, partenaire.generation)
        return Cloture(reference, CLOTUREE, None, claimed.date_operation, replayed=False)
    found = _find_reference(connection, demandeur)
    assert found is not None, "a reference that could not be claimed has a row"
    operation = found.operation
    if operation.type == CLOTURE:
        return Cloture(reference, CLOTUREE, None, operation.date_operation, replayed=True)
    numero, quand = operation.numero_operation, operation.date_operation
    return Cloture(reference, EXECUTEE, numero, quand, replayed=False)
