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
from typing import Any, NamedTuple, TypeVar

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
    case,
    insert,
    select,
    update,
)
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.sql.dml import ReturningUpdate

from models.base import SOLDE_MAXIMAL, BigId, metadata
from models.carte import ACTIVE, ANNULEE, cartes, check_usable
from models.client import CLOS, clients, en_service, pas_clos
from models.database.prepared import Prepared
from models.errors import (
    DelaiAnnulationDepasse,
    SoldeInsuffisant,
    SoldeMaximalDepasse,
)
from models.journal.reference import CarteCle, Claim, Demandeur, Entree
from models.operation import CREDIT, DEBIT, operations
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
_USABLE = and_(
    cartes.c.statut == ACTIVE,
    cartes.c.fin_validite >= bindparam("jour"),
    # Of another row: who suspends a client waits for its movements, as who takes a partner's rights away.
    en_service(cartes.c.client_id),
)
_ENOUGH = cartes.c.solde >= bindparam("somme")
_ROOM = cartes.c.solde <= SOLDE_MAXIMAL - bindparam("somme")
_TAKEN = {"solde": cartes.c.solde - bindparam("somme")}
_GIVEN = {"solde": cartes.c.solde + bindparam("somme")}
_MOVED = {"version": cartes.c.version + 1, "date_solde": bindparam("quand")}


class Position(NamedTuple):
    """Where a movement left a card: solde in francs, and version; `plafonnee` when it has limits, or may have
    left them to the card that took its place.

    Whoever limits a card has its row, so that this is true to the end of the movement's transaction.
    """

    solde: int
    version: int
    plafonnee: int


class _State(NamedTuple):
    """What says whether a card is usable, and its solde in francs."""

    statut: str
    fin_validite: date
    client_statut: str
    solde: int


Written = TypeVar("Written", bound=tuple[Any, ...])

_ATTEMPTS = 5
"""Of a movement that nothing keeps from being made by the time that one looks what did."""

_Columns = dict[str, ColumnElement[Any]]


def _update(
    *guards: ColumnElement[bool], solde: _Columns, limited: ColumnElement[int] = cartes.c.plafonnee
) -> ReturningUpdate[Any]:
    return (
        update(cartes)
        .where(_THE_CARD, *guards)
        .values(**solde, **_MOVED)
        .returning(cartes.c.solde, cartes.c.version, limited)
    )


_TAKEN_FROM = _update(_USABLE, _ENOUGH, solde=_TAKEN)
_GIVEN_TO = _update(_USABLE, _ROOM, solde=_GIVEN)
_TAKE, _GIVE = Prepared(_TAKEN_FROM, Position), Prepared(_GIVEN_TO, Position)
# A reversal undoes what was done, whatever has become of the card since. A closed client gets nothing.
_LIMITED = case((cartes.c.statut == ANNULEE, 1), else_=cartes.c.plafonnee).label("plafonnee")
_TAKE_BACK = Prepared(_update(_ENOUGH, solde=_TAKEN, limited=_LIMITED), Position)
_GIVE_BACK = Prepared(
    _update(_ROOM, pas_clos(cartes.c.client_id), solde=_GIVEN, limited=_LIMITED), Position
)

_STATE = Prepared(
    select(
        cartes.c.statut,
        cartes.c.fin_validite,
        clients.c.statut.label("client_statut"),
        cartes.c.solde,
    )
    .join_from(cartes, clients, clients.c.client_id == cartes.c.client_id)
    .where(_THE_CARD),
    _State,
)

_POSTED = [column.name for column in ecritures.c if column.name != "id"]
_POST = Prepared(
    insert(ecritures)
    .values({name: bindparam(name) for name in _POSTED})
    .inline()
    .returning(ENTITLED)
)


class _Written(NamedTuple):
    """A movement and its ecriture: the card's solde, and as Position and `post` say, who is limited."""

    solde: int
    plafonnee: int
    plafonne: int | None


def _write_statement(moved_by: ReturningUpdate[Any], side: str) -> Prepared[_Written]:
    """A movement between a card and its partner's account, and its ecriture, for PostgreSQL alone.

    Nothing moves unless the transaction has claimed the reference, so that it may be sent with the claim.
    """
    claimed = (
        select(operations.c.id).where(operations.c.numero_operation == bindparam("le_numero"))
    ).cte("reprise")
    moved = moved_by.where(claimed.c.id.isnot(None)).cte("mouvement")
    of_card = {
        "operation_id": claimed.c.id,
        f"version_{side}": moved.c.version,
        f"solde_{side}": moved.c.solde,
    }
    given = {
        name: bindparam(f"l_{name}", type_=ecritures.c[name].type)
        for name in ("compte_debit", "compte_credit", "montant", "unite")
    }
    row = {**of_card, **given}
    written = insert(ecritures).from_select(list(row), select(*row.values())).cte("ecriture")
    return Prepared(
        {"postgresql": select(moved.c.solde, moved.c.plafonnee, ENTITLED).add_cte(written)},
        _Written,
    )


_WRITE = {
    DEBIT: _write_statement(_TAKEN_FROM, "debit"),
    CREDIT: _write_statement(_GIVEN_TO, "credit"),
}


class Mouvement(NamedTuple):
    """A CREDIT or a DEBIT of one card, for `demandeur`: the other account is the partner's."""

    type: str
    demandeur: Demandeur
    carte: CarteCle
    montant: int


class Moved(NamedTuple):
    """What a movement left: the solde of its card, and whether it must fit limits."""

    solde: int
    limited: bool


def foresee_movement(connection: Connection, mouvement: Mouvement, entree: Entree) -> None:
    """Send `move` ahead, with the claim that is made next."""
    if connection.dialect.name == "postgresql":
        _WRITE[mouvement.type].ahead(connection, _written_values(mouvement, entree))


def move(connection: Connection, mouvement: Mouvement, claimed: Claim) -> Moved:
    """Move money between a card and its partner's account, and write the ecriture.

    Raises as `take` or `give`, and `post`.
    """
    if connection.dialect.name != "postgresql":
        return _move_by_steps(connection, mouvement, claimed)
    entree = Entree(claimed.numero_operation, claimed.date_operation)
    values = _written_values(mouvement, entree)
    written = _until_moved(
        connection, _WRITE[mouvement.type], values, mouvement.carte, given=mouvement.type == CREDIT
    )
    if written.plafonne is None:
        raise DroitsRetires
    return Moved(written.solde, bool(written.plafonnee or written.plafonne))


def _written_values(mouvement: Mouvement, entree: Entree) -> dict[str, Any]:
    _, demandeur, carte, montant = mouvement
    debited, credited = _sides(mouvement)
    return {
        "le_numero": entree.numero_operation,
        "la_carte": carte.id,
        "somme": montant,
        "quand": entree.date_operation,
        "jour": entree.date_operation.date(),
        "l_compte_debit": debited,
        "l_compte_credit": credited,
        "l_montant": montant,
        "l_unite": carte.unite,
        "le_partenaire": demandeur.partenaire_id,
        "la_generation": demandeur.generation,
    }


def _move_by_steps(connection: Connection, mouvement: Mouvement, claimed: Claim) -> Moved:
    type_, demandeur, carte, montant = mouvement
    moved = (take if type_ == DEBIT else give)(connection, carte, montant, claimed.date_operation)
    debited, credited = _sides(mouvement)
    limited = post(
        connection, demandeur, claimed,
        compte_debit=debited, compte_credit=credited,
        montant=montant, unite=carte.unite,
        debited=moved if type_ == DEBIT else None, credited=moved if type_ == CREDIT else None,
    )  # fmt: skip
    return Moved(moved.solde, limited or bool(moved.plafonnee))


def _sides(mouvement: Mouvement) -> tuple[int, int]:
    """The account debited and the account credited."""
    accounts = (mouvement.carte.compte_id, mouvement.demandeur.compte_id)
    return accounts if mouvement.type == DEBIT else accounts[::-1]


def take(connection: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Take francs from a usable card that has them, and lock it until the end of the transaction.

    Raises ClientSuspendu, CarteAnnulee, CarteEnOpposition, CarteExpiree, SoldeInsuffisant.
    """
    values = {"la_carte": carte.id, "somme": montant, "quand": quand, "jour": quand.date()}
    return _until_moved(connection, _TAKE, values, carte, given=False)


def give(connection: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Give francs to a usable card that has room for them, and lock it until the end.

    Raises ClientSuspendu, CarteAnnulee, CarteEnOpposition, CarteExpiree, SoldeMaximalDepasse.
    """
    values = {"la_carte": carte.id, "somme": montant, "quand": quand, "jour": quand.date()}
    return _until_moved(connection, _GIVE, values, carte, given=True)


def take_back(connection: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Undo a credit, whatever the card's state. Raises SoldeInsuffisant."""
    moved = _move(connection, _TAKE_BACK, carte, montant, quand)
    if moved is None:
        raise SoldeInsuffisant
    return moved


def give_back(connection: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Undo a debit, whatever the card's state. Raises DelaiAnnulationDepasse when its client is closed, which
    keeps no money, else SoldeMaximalDepasse."""
    moved = _move(connection, _GIVE_BACK, carte, montant, quand)
    if moved is None:
        if read_state(connection, carte).client_statut == CLOS:
            raise DelaiAnnulationDepasse
        raise SoldeMaximalDepasse
    return moved


def _move(
    connection: Connection,
    statement: Prepared[Position],
    carte: CarteCle,
    montant: int,
    quand: datetime,
) -> Position | None:
    return statement.first(connection, {"la_carte": carte.id, "somme": montant, "quand": quand})


def _until_moved(
    connection: Connection,
    statement: Prepared[Written],
    values: dict[str, Any],
    carte: CarteCle,
    *,
    given: bool,
) -> Written:
    """What a guarded movement of a usable card wrote. Raises what keeps the card from it.

    Why it moved nothing is read after it, and may have ended by then: a card that was blocked and is not any
    more has its francs, and to say that it lacks them would be false. It is then tried again.
    """
    for _ in range(_ATTEMPTS):
        written = statement.first(connection, values)
        if written is not None:
            return written
        _refuse(read_state(connection, carte), values["somme"], given=given)
    raise PoolTimeoutError("what keeps a card from a movement comes and goes")


def _refuse(state: _State, montant: int, *, given: bool) -> None:
    """Raises what keeps a card in this state from getting the francs, or giving them, if anything does."""
    check_usable(state.statut, state.fin_validite, state.client_statut)
    if given and state.solde > SOLDE_MAXIMAL - montant:
        raise SoldeMaximalDepasse
    if not given and state.solde < montant:
        raise SoldeInsuffisant


def read_state(connection: Connection, carte: CarteCle) -> _State:
    """The guarded update moved nothing: read again why, since a concurrent call may have changed it."""
    state = _STATE.first(connection, {"la_carte": carte.id})
    assert state is not None, "no card is ever deleted"
    return state


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
