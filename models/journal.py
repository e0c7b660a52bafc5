"""The double-entry journal: the only writer of ecritures and of any solde.

One ecriture is one whole double entry, balanced by construction: an account debited, an account
credited, an amount above zero, one unit. An account's solde is what was credited to it less what
was debited: a card's account is what CYNOD owes its holder. Only cards keep a materialised solde,
with a version that every posting raises by one; `UNIQUE (compte, version)` turns a lost update into
a constraint error. Contra accounts (a partner's settlement, the opening) are sums of their
ecritures: a stored solde would be one hot row that every call waits for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

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
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.base import SOLDE_MAXIMAL, UNITE, BigId, metadata, now
from models.bulk import insert_rows, take_ids
from models.carte import ACTIVE, cartes, check_usable
from models.compte import CARTE, comptes
from models.db import is_marked_running, mark_running
from models.empreinte import Contenu
from models.errors import SoldeInsuffisant, SoldeMaximalDepasse
from models.operation import (
    EXECUTEE,
    OUVERTURE,
    new_numero_operation,
    operations,
)
from models.partenaire import ENTITLED, DroitsRetires, Partenaire, partenaire_lock
from models.prepared import Prepared

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


class Demandeur(NamedTuple):
    """Who moves money under which reference, and what is asked: nothing, to close a reference."""

    partenaire_id: int
    compte_id: int
    reference: str
    contenu: Contenu | None
    generation: int

    @classmethod
    def of(cls, partenaire: Partenaire, reference: str, contenu: Contenu | None) -> Demandeur:
        """The partner as it asks for something under this reference."""
        return cls(partenaire.id, partenaire.compte_id, reference, contenu, partenaire.generation)


class CarteCle(Protocol):
    """What the journal needs to know of a card."""

    @property
    def id(self) -> int: ...
    @property
    def compte_id(self) -> int: ...
    @property
    def unite(self) -> str: ...


class Details(NamedTuple):
    """What a partner says of an operation beside its amount."""

    motif: str | None = None
    point_de_service: str | None = None
    terminal: str | None = None


_CLAIMED = (
    "numero_operation",
    "partenaire_id",
    "reference",
    "empreinte",
    "empreinte_version",
    "type",
    "statut",
    "carte_id",
    "carte_destination_id",
    "annulation_de",
    "montant",
    "unite",
    "motif",
    "point_de_service",
    "terminal",
    "date_operation",
)
_CLAIM_VALUES: dict[str, Any] = {name: bindparam(name) for name in _CLAIMED}
_NOTHING_CLAIMED: dict[str, Any] = dict.fromkeys(_CLAIMED)

# The unique reference comes first: a twin that is still running makes this statement wait for its
# end, and then insert nothing. Nothing else is locked meanwhile.
_CLAIM = Prepared(
    {
        # The advisory lock ends with the transaction: find_operation tells by it that an operation of
        # the reference is running. It rides on the insert, so it costs no round trip. It waits for
        # nothing but a look of find_operation, whose lock is shared, so that two looks do not see
        # each other. The partner's lock is shared by its operations; it waits for one who holds the
        # partner to limit or to revoke it.
        "postgresql": postgresql.insert(operations)
        .values(_CLAIM_VALUES)
        .on_conflict_do_nothing()
        .returning(
            operations.c.id,
            func.pg_advisory_xact_lock(bindparam("verrou")),
            func.pg_advisory_xact_lock_shared(bindparam("verrou_du_partenaire")),
        ),
        "sqlite": sqlite.insert(operations)
        .values(_CLAIM_VALUES)
        .on_conflict_do_nothing()
        .returning(operations.c.id),
    }
)

# The guards stand on the row's own columns: PostgreSQL evaluates them again after a lock wait.
_THE_CARD = cartes.c.id == bindparam("la_carte")
_USABLE = and_(cartes.c.statut == ACTIVE, cartes.c.fin_validite >= bindparam("jour"))
_ENOUGH = cartes.c.solde >= bindparam("somme")
_ROOM = cartes.c.solde <= SOLDE_MAXIMAL - bindparam("somme")
_TAKEN = {"solde": cartes.c.solde - bindparam("somme")}
_GIVEN = {"solde": cartes.c.solde + bindparam("somme")}
_MOVED = {"version": cartes.c.version + 1, "date_solde": bindparam("quand")}


def _move_statement(*guards: ColumnElement[bool], solde: dict[str, Any]) -> Prepared:
    return Prepared(
        update(cartes)
        .where(_THE_CARD, *guards)
        .values(**solde, **_MOVED)
        .returning(cartes.c.solde, cartes.c.version, cartes.c.plafonnee)
    )


_TAKE = _move_statement(_USABLE, _ENOUGH, solde=_TAKEN)
_GIVE = _move_statement(_USABLE, _ROOM, solde=_GIVEN)
# A reversal undoes what was done, whatever has become of the card since.
_TAKE_BACK = _move_statement(_ENOUGH, solde=_TAKEN)
_GIVE_BACK = _move_statement(_ROOM, solde=_GIVEN)

_STATE = Prepared(select(cartes.c.statut, cartes.c.fin_validite).where(_THE_CARD))

_POSTED = [column.name for column in ecritures.c if column.name != "id"]
_POST = Prepared(
    insert(ecritures)
    .values({name: bindparam(name) for name in _POSTED})
    .inline()
    .returning(ENTITLED)
)


class Position(NamedTuple):
    """Where a movement left a card: solde in francs, and version; `plafonnee` when it has limits.

    Whoever limits a card has its row, so that this is true to the end of the movement's transaction.
    """

    solde: int
    version: int
    plafonnee: int


def claim(
    session: Connection,
    demandeur: Demandeur,
    *,
    type_: str,
    statut: str = EXECUTEE,
    carte: CarteCle | None = None,
    montant: int | None = None,
    details: Details = Details(),  # noqa: B008 - immutable
    carte_destination_id: int | None = None,
    annulation_de: int | None = None,
) -> Claim | None:
    """Take the reference for an operation, or None when an operation has it already.

    Waits for the end of a twin that is still running, and of whoever holds the partner: whether it
    may still act is told by `post`, or by `check_entitled` where nothing is posted.
    """
    values = {
        **_NOTHING_CLAIMED,
        "numero_operation": new_numero_operation(),
        "partenaire_id": demandeur.partenaire_id,
        "reference": demandeur.reference,
        "empreinte": demandeur.contenu.empreinte if demandeur.contenu else None,
        "empreinte_version": demandeur.contenu.version if demandeur.contenu else None,
        "type": type_,
        "statut": statut,
        "carte_id": carte.id if carte else None,
        "carte_destination_id": carte_destination_id,
        "annulation_de": annulation_de,
        "montant": montant,
        "unite": carte.unite if carte else None,
        **details._asdict(),
        "date_operation": now(),
    }
    key = _lock_key(demandeur.partenaire_id, demandeur.reference)
    if session.dialect.name == "sqlite":
        mark_running(session, (session.engine.url, key))
    else:
        values["verrou"] = key
        values["verrou_du_partenaire"] = partenaire_lock(demandeur.partenaire_id)
    row = _CLAIM.first(session, values)
    if row is None:
        return None
    return Claim(row[0], values["numero_operation"], values["date_operation"])


class Claim(NamedTuple):
    """A reference taken: the row of its operation, to be followed by its ecriture."""

    operation_id: int
    numero_operation: str
    date_operation: datetime


def is_running(session: Connection, partenaire_id: int, reference: str) -> bool:
    """Whether an operation of this reference is being executed at this instant.

    On SQLite, by this process: an embedded database has one server process.
    """
    key = _lock_key(partenaire_id, reference)
    if session.dialect.name == "sqlite":
        return is_marked_running((session.engine.url, key))
    return not session.scalar(select(func.pg_try_advisory_xact_lock_shared(key)))


def _lock_key(partenaire_id: int, reference: str) -> int:
    digest = hashlib.sha256(f"{partenaire_id}:{reference}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def take(session: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Take francs from a usable card that has them, and lock it until the end of the transaction.

    Raises CarteAnnulee, CarteEnOpposition, CarteExpiree, SoldeInsuffisant.
    """
    moved = _move(session, _TAKE, carte, montant, quand)
    if moved is None:
        _refuse_unusable(session, carte)
        raise SoldeInsuffisant
    return moved


def give(session: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Give francs to a usable card that has room for them, and lock it until the end.

    Raises CarteAnnulee, CarteEnOpposition, CarteExpiree, SoldeMaximalDepasse.
    """
    moved = _move(session, _GIVE, carte, montant, quand)
    if moved is None:
        _refuse_unusable(session, carte)
        raise SoldeMaximalDepasse
    return moved


def take_back(session: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Undo a credit, whatever the card's state. Raises SoldeInsuffisant."""
    moved = _move(session, _TAKE_BACK, carte, montant, quand)
    if moved is None:
        raise SoldeInsuffisant
    return moved


def give_back(session: Connection, carte: CarteCle, montant: int, quand: datetime) -> Position:
    """Undo a debit, whatever the card's state. Raises SoldeMaximalDepasse."""
    moved = _move(session, _GIVE_BACK, carte, montant, quand)
    if moved is None:
        raise SoldeMaximalDepasse
    return moved


def _move(
    session: Connection,
    statement: Prepared,
    carte: CarteCle,
    montant: int,
    quand: datetime,
) -> Position | None:
    values = {"la_carte": carte.id, "somme": montant, "quand": quand}
    if statement in (_TAKE, _GIVE):
        values["jour"] = quand.date()
    row = statement.first(session, values)
    return None if row is None else Position._make(row)


def _refuse_unusable(session: Connection, carte: CarteCle) -> None:
    """The guarded update moved nothing: read again why, since a concurrent call may have changed it."""
    row = _STATE.first(session, {"la_carte": carte.id})
    assert row is not None, "no card is ever deleted"
    statut, fin_validite = row
    check_usable(statut, fin_validite)


def post(
    session: Connection,
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
        session,
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


class NouvelleCarte(NamedTuple):
    """A card to create for an existing membre, with its opening `solde` in francs, zero or more."""

    numero_carte: str
    client_id: str
    membre_id: str
    fin_validite: date
    statut: str
    solde: int


def open_cartes(
    session: Connection,
    nouvelles: Sequence[NouvelleCarte],
    *,
    contra: int,
    date_solde: datetime,
) -> None:
    """Create cards and post their opening soldes from the account that `find_ouverture` gives.

    A card whose solde is zero needs no operation: its version is 0. Cards are written with their
    solde, because an update of each would double the cost of a large import.
    """
    compte_ids = take_ids(session, comptes.c.id, len(nouvelles))
    insert_rows(
        session, comptes, ("id", "type", "unite"), ((id_, CARTE, UNITE) for id_ in compte_ids)
    )
    carte_ids = take_ids(session, cartes.c.id, len(nouvelles))
    insert_rows(
        session,
        cartes,
        ("id", *NouvelleCarte._fields, "version", "compte_id", "unite", "date_solde"),
        (
            (carte_id, *carte, 1 if carte.solde else 0, compte_id, UNITE, date_solde)
            for carte_id, compte_id, carte in zip(carte_ids, compte_ids, nouvelles, strict=True)
        ),
    )
    opened = [one for one in zip(carte_ids, compte_ids, nouvelles, strict=True) if one[2].solde]
    ids = take_ids(session, operations.c.id, len(opened))
    insert_rows(
        session,
        operations,
        (
            "id",
            "numero_operation",
            "type",
            "statut",
            "carte_id",
            "montant",
            "unite",
            "date_operation",
        ),
        (
            (
                id_,
                new_numero_operation(),
                OUVERTURE,
                EXECUTEE,
                carte_id,
                carte.solde,
                UNITE,
                date_solde,
            )
            for id_, (carte_id, _, carte) in zip(ids, opened, strict=True)
        ),
    )
    insert_rows(
        session,
        ecritures,
        (
            "operation_id",
            "compte_debit",
            "compte_credit",
            "montant",
            "unite",
            "version_credit",
            "solde_credit",
        ),
        (
            (id_, contra, compte_id, carte.solde, UNITE, 1, carte.solde)
            for id_, (_, compte_id, carte) in zip(ids, opened, strict=True)
        ),
    )


def find_ouverture(session: Connection) -> int:
    """The id of the contra account of openings, created by the first who asks for it."""
    found = session.scalar(
        select(comptes.c.id)
        .where(comptes.c.type == OUVERTURE, comptes.c.unite == UNITE)
        .order_by(comptes.c.id)
        .limit(1)
    )
    if found is not None:
        return int(found)
    (id_,) = take_ids(session, comptes.c.id, 1)
    insert_rows(session, comptes, ("id", "type", "unite"), [(id_, OUVERTURE, UNITE)])
    return id_
