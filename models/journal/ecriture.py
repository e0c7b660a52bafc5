"""The double-entry journal: the only writer of ecritures and of any solde.

One ecriture is one whole double entry, balanced by construction: an account debited, an account
credited, an amount above zero, one unit. An account's solde is what was credited to it less what
was debited: a card's account is what CYNOD owes its holder. Only cards keep a materialised solde,
with a version that every posting raises by one; `UNIQUE (compte, version)` turns a lost update into
a constraint error. Contra accounts (a partner's settlement, the opening) are sums of their
ecritures: a stored solde would be one hot row that every call waits for.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    ForeignKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    insert,
    select,
    update,
)

from models.base import SOLDE_MAXIMAL, BigId, metadata
from models.carte import ACTIVE, cartes, check_usable
from models.database.prepared import Prepared
from models.errors import SoldeInsuffisant, SoldeMaximalDepasse
from models.journal.reference import CarteCle, Claim, Demandeur
from models.partenaire import ENTITLED, DroitsRetires

ecritures = Table(
    "ecritures",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("operation_id", ForeignKey("operations.id"), nullable=False, index=True),
    Column("compte_debit", BigInteger, nullable=False),
    Column("compte_credit", BigInteger, nullable=False),
    Column("montant", BigInteger, nullable=False),
    Column("unite", String(8), nullable=False),
    Column("version_debit", BigInteger, doc="version of the debited card after it, else null"),
    Column("version_credit", BigInteger, doc="version of the credited card after it, else null"),
    Column("solde_debit", BigInteger, doc="solde of the debited card after it, else null"),
    Column("solde_credit", BigInteger, doc="solde of the credited card after it, else null"),
    ForeignKeyConstraint(["compte_debit", "unite"], ["comptes.id", "comptes.unite"]),
    ForeignKeyConstraint(["compte_credit", "unite"], ["comptes.id", "comptes.unite"]),
    UniqueConstraint("compte_debit", "version_debit"),
    UniqueConstraint("compte_credit", "version_credit"),
    CheckConstraint("montant > 0", name="montant_positif"),
    CheckConstraint("compte_debit <> compte_credit", name="comptes_distincts"),
)


# The guards stand on the row's own columns: PostgreSQL evaluates them again after a lock wait.
_THE_CARD = cartes.c.id == bindparam("la_carte")
_USABLE = and_(cartes.c.statut == ACTIVE, cartes.c.fin_validite >= bindparam("jour"))
_ENOUGH = cartes.c.solde >= bindparam("somme")
_ROOM = cartes.c.solde <= SOLDE_MAXIMAL - bindparam("somme")
_TAKEN = {"solde": cartes.c.solde - bindparam("somme")}
_GIVEN = {"solde": cartes.c.solde + bindparam("somme")}
_MOVED = {"version": cartes.c.version + 1, "date_solde": bindparam("quand")}


class Position(NamedTuple):
    """Where a movement left a card: solde in francs, and version; `plafonnee` when it has limits.

    Whoever limits a card has its row, so that this is true to the end of the movement's transaction.
    """

    solde: int
    version: int
    plafonnee: int


class _State(NamedTuple):
    """What says whether a card is usable."""

    statut: str
    fin_validite: date


def _move_statement(*guards: ColumnElement[bool], solde: dict[str, Any]) -> Prepared[Position]:
    return Prepared(
        update(cartes)
        .where(_THE_CARD, *guards)
        .values(**solde, **_MOVED)
        .returning(cartes.c.solde, cartes.c.version, cartes.c.plafonnee),
        Position,
    )


_TAKE = _move_statement(_USABLE, _ENOUGH, solde=_TAKEN)
_GIVE = _move_statement(_USABLE, _ROOM, solde=_GIVEN)
# A reversal undoes what was done, whatever has become of the card since.
_TAKE_BACK = _move_statement(_ENOUGH, solde=_TAKEN)
_GIVE_BACK = _move_statement(_ROOM, solde=_GIVEN)

_STATE = Prepared(select(cartes.c.statut, cartes.c.fin_validite).where(_THE_CARD), _State)

_POSTED = [column.name for column in ecritures.c if column.name != "id"]
_POST = Prepared(
    insert(ecritures)
    .values({name: bindparam(name) for name in _POSTED})
    .inline()
    .returning(ENTITLED)
)


def take(connection: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Take francs from a usable card that has them, and lock it until the end of the transaction.

    Raises CarteAnnulee, CarteEnOpposition, CarteExpiree, SoldeInsuffisant.
    """
    moved = _move(connection, _TAKE, carte, montant, quand)
    if moved is None:
        _refuse_unusable(connection, carte)
        raise SoldeInsuffisant
    return moved


def give(connection: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Give francs to a usable card that has room for them, and lock it until the end.

    Raises CarteAnnulee, CarteEnOpposition, CarteExpiree, SoldeMaximalDepasse.
    """
    moved = _move(connection, _GIVE, carte, montant, quand)
    if moved is None:
        _refuse_unusable(connection, carte)
        raise SoldeMaximalDepasse
    return moved


def take_back(connection: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Undo a credit, whatever the card's state. Raises SoldeInsuffisant."""
    moved = _move(connection, _TAKE_BACK, carte, montant, quand)
    if moved is None:
        raise SoldeInsuffisant
    return moved


def give_back(connection: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Undo a debit, whatever the card's state. Raises SoldeMaximalDepasse."""
    moved = _move(connection, _GIVE_BACK, carte, montant, quand)
    if moved is None:
        raise SoldeMaximalDepasse
    return moved


def _move(
    connection: Connection,
    statement: Prepared[Position],
    carte: CarteCle,
    montant: int,
    quand: datetime,
) -> Position | None:
    values = {"la_carte": carte.id, "somme": montant, "quand": quand}
    if statement in (_TAKE, _GIVE):
        values["jour"] = quand.date()
    return statement.first(connection, values)


def _refuse_unusable(connection: Connection, carte: CarteCle) -> None:
    """The guarded update moved nothing: read again why, since a concurrent call may have changed it."""
    state = _STATE.first(connection, {"la_carte": carte.id})
    assert state is not None, "no card is ever deleted"
    check_usable(state.statut, state.fin_validite)


def post(
    connection: Connection,
    demandeur: Demandeur,
    claimed: Claim,
    *,
    compte_debit: int,
    compte_credit: int,
    montant: int,
    unite: str,
    debited: Position | None,
    credited: Position | None,
) -> bool:
    """Write the ecriture of an operation. `debited` and `credited` are the cards' positions.

    Gives whether the partner has limits. Raises DroitsRetires.
    """
    row = _POST.first(
        connection,
        {
            "operation_id": claimed.operation_id,
            "compte_debit": compte_debit,
            "compte_credit": compte_credit,
            "montant": montant,
            "unite": unite,
            "version_debit": debited.version if debited else None,
            "version_credit": credited.version if credited else None,
            "solde_debit": debited.solde if debited else None,
            "solde_credit": credited.solde if credited else None,
            "le_partenaire": demandeur.partenaire_id,
            "la_generation": demandeur.generation,
        },
    )
    assert row is not None, "a row was inserted"
    if row[0] is None:
        raise DroitsRetires
    return bool(row[0])
