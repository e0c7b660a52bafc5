"""The historique of a card: its operations, newest first, by pages or as one stream."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    literal,
    select,
    text,
    union_all,
)

from models.carte import Carte, cartes
from models.database.curseur import decode_curseur, encode_curseur
from models.database.prepared import Prepared
from models.database.standby import BehindError, is_late
from models.demande import demandes
from models.journal.ecriture import ecritures
from models.operation import TRANSFERT_SPECIAL, operations
from models.partenaire import Partenaire

DEFAULT_LIMITE = 50
"""Lines of a page when none is asked for."""

_CURSEUR = "h1"
"""Kind of the historique's curseurs, whose position is a version of the card."""

BATCH = 500
"""Lines read at once by a stream."""


class Ligne(NamedTuple):
    """One operation as its card saw it. `sens` is CREDIT or DEBIT of the card; `reference` is None
    when the operation is another partner's."""

    numero_operation: str
    reference: str | None
    type: str
    sens: str
    montant: int
    unite: str
    solde: int
    date_operation: datetime
    motif: str | None
    point_de_service: str | None
    terminal: str | None
    version: int


class Filtre(NamedTuple):
    """Which operations: of which days, included, and of which type."""

    date_debut: date | None = None
    date_fin: date | None = None
    type: str | None = None


class PageHistorique(NamedTuple):
    """A page of the historique and the cursor of the next one, None at the end."""

    lignes: list[Ligne]
    curseur_suivant: str | None


def list_operations(
    connection: Connection,
    partenaire: Partenaire,
    carte: Carte,
    filtre: Filtre,
    *,
    limite: int | None,
    curseur: str | None,
) -> PageHistorique:
    """A page of the card's operations, newest first.

    The position is the card's version, which every operation raises by one: what arrives between
    two pages is newer than the first, and moves nothing. Raises ParametreInvalide for a cursor that
    this API did not give, and BehindError on a standby that has not reached it.
    """
    avant = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    _check_reached(connection, carte, avant)
    nombre = limite or DEFAULT_LIMITE
    rows = _read(connection, partenaire, carte, filtre, avant, nombre + 1)
    page = rows[:nombre]
    return PageHistorique(
        page, encode_curseur(_CURSEUR, page[-1].version) if len(rows) > nombre else None
    )


class Lecture(NamedTuple):
    """A whole reading of a historique, to be done by batches, each in a connection of its own; or a page
    of it, which is read already."""

    partenaire: Partenaire
    carte: Carte
    filtre: Filtre
    position: int | None
    page: PageHistorique | None

    @property
    def curseur_suivant(self) -> str | None:
        """The cursor of the page after this one, None when none follows."""
        return self.page.curseur_suivant if self.page is not None else None

    def read(self, connection: Connection, position: int | None) -> tuple[list[Ligne], int | None]:
        """The next lines after `position`, and the position after them, None at the end."""
        if self.page is not None:
            return self.page.lignes, None
        _check_reached(connection, self.carte, position)
        lignes = _read(connection, self.partenaire, self.carte, self.filtre, position, BATCH)
        return lignes, None if len(lignes) < BATCH else lignes[-1].version


def open_lecture(
    connection: Connection,
    partenaire: Partenaire,
    carte: Carte,
    filtre: Filtre,
    *,
    limite: int | None,
    curseur: str | None,
) -> Lecture:
    """The reading of all operations from `curseur` on, or of the page of `limite`.

    Whether another page follows is told before its first line, so that a page is read at once.
    Raises ParametreInvalide for a cursor that this API did not give.
    """
    if limite is not None:
        page = list_operations(
            connection, partenaire, carte, filtre, limite=limite, curseur=curseur
        )
        return Lecture(partenaire, carte, filtre, None, page)
    position = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    return Lecture(partenaire, carte, filtre, position, None)


def _check_reached(connection: Connection, carte: Carte, avant: int | None) -> None:
    """Raises BehindError on a standby that lacks lines between `avant` and its own newest one: a partner
    who goes on would never see them."""
    if avant is None or not is_late(connection):
        return
    newest = connection.scalar(select(cartes.c.version).where(cartes.c.id == carte.id))
    if newest is None or newest < avant - 1:
        raise BehindError


def _read(
    connection: Connection,
    partenaire: Partenaire,
    carte: Carte,
    filtre: Filtre,
    avant: int | None,
    nombre: int,
) -> list[Ligne]:
    statement = _statement(
        before=avant is not None,
        of_type=filtre.type is not None,
        since=filtre.date_debut is not None,
        until=filtre.date_fin is not None,
    )
    values = {
        "partenaire_id": partenaire.id,
        "compte_id": carte.compte_id,
        "nombre": nombre,
        "avant": avant,
        "le_type": filtre.type,
        "debut": filtre.date_debut and _start(filtre.date_debut),
        "fin": filtre.date_fin and _start(filtre.date_fin) + timedelta(days=1),
    }
    return statement.all(connection, values)


# What the money of a replaced card came with: whom it replaces. Words of a person are for no partner.
_OF_REMPLACEMENT = and_(
    operations.c.type == TRANSFERT_SPECIAL,
    exists().where(
        demandes.c.demande_id == operations.c.demande_id, demandes.c.type == "activerCarte"
    ),
)


@cache
def _statement(*, before: bool, of_type: bool, since: bool, until: bool) -> Prepared[Ligne]:
    """The statement for those of the filters that are given."""
    filters = []
    if of_type:
        filters.append(operations.c.type == bindparam("le_type"))
    if since:
        filters.append(operations.c.date_operation >= bindparam("debut"))
    if until:
        filters.append(operations.c.date_operation < bindparam("fin"))
    # Two branches, one per side of the ecritures, so that each walks its own index of versions.
    newest = [
        select(
            _side(sens, before=before)
            .where(*filters)
            .order_by(text("version DESC"))
            .limit(bindparam("nombre"))
            .subquery()
        )
        for sens in ("DEBIT", "CREDIT")
    ]
    both = union_all(*newest).order_by(text("version DESC")).limit(bindparam("nombre"))
    return Prepared(both, Ligne)


def _side(sens: str, *, before: bool) -> Select[Any]:
    debit = sens == "DEBIT"
    compte = ecritures.c.compte_debit if debit else ecritures.c.compte_credit
    version = ecritures.c.version_debit if debit else ecritures.c.version_credit
    mine = operations.c.partenaire_id == bindparam("partenaire_id")
    statement = (
        select(
            operations.c.numero_operation,
            case((mine, operations.c.reference)).label("reference"),
            operations.c.type,
            literal(sens).label("sens"),
            ecritures.c.montant,
            ecritures.c.unite,
            (ecritures.c.solde_debit if debit else ecritures.c.solde_credit).label("solde"),
            operations.c.date_operation,
            case((mine, operations.c.motif), (_OF_REMPLACEMENT, operations.c.motif)).label("motif"),
            operations.c.point_de_service,
            operations.c.terminal,
            version.label("version"),
        )
        .join_from(ecritures, operations, operations.c.id == ecritures.c.operation_id)
        .where(compte == bindparam("compte_id"), version.isnot(None))
    )
    return statement.where(version < bindparam("avant")) if before else statement


def _start(jour: date) -> datetime:
    return datetime(jour.year, jour.month, jour.day, tzinfo=UTC)
