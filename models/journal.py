"""The double-entry journal: the only writer of ecritures and of any solde.

One ecriture is one whole double entry, balanced by construction: an account debited, an account
credited, an amount above zero, one unit. An account's solde is what was credited to it less what
was debited: a card's account is what CYNOD owes its holder. Only cards keep a materialised solde,
with a version that every posting raises by one; `UNIQUE (compte, version)` turns a lost update into
a constraint error. Contra accounts (a partner's settlement, the opening) are sums of their
ecritures: a stored solde would be one hot row that every call waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
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
from sqlalchemy.dialects import postgresql, sqlite

from models.base import SOLDE_MAXIMAL, UNITE, BigId, metadata, now
from models.bulk import insert_rows, take_ids
from models.carte import ACTIVE, Carte, cartes, check_usable
from models.compte import CARTE, comptes
from models.errors import ReferenceDejaUtilisee, SoldeInsuffisant, SoldeMaximalDepasse
from models.operation import (
    CREDIT,
    DEBIT,
    EXECUTEE,
    OUVERTURE,
    Operation,
    new_numero_operation,
    operations,
)

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


class Mouvement(NamedTuple):
    """A movement asked by a partner. `montant` in francs; `empreinte` hashes the whole content."""

    partenaire_id: int
    compte_id: int
    reference: str
    empreinte: bytes
    montant: int
    motif: str | None
    point_de_service: str | None
    terminal: str | None


_OPERATION_VALUES: dict[str, Any] = {
    name: bindparam(name)
    for name in (
        "numero_operation",
        "partenaire_id",
        "reference",
        "empreinte",
        "type",
        "statut",
        "carte_id",
        "montant",
        "unite",
        "motif",
        "point_de_service",
        "terminal",
        "date_operation",
    )
}

# The unique reference comes first: a twin that is still running makes this statement wait for its
# end, and then insert nothing. Nothing else is locked meanwhile.
_CLAIM_REFERENCE = {
    "postgresql": postgresql.insert(operations)
    .values(_OPERATION_VALUES)
    .on_conflict_do_nothing(index_elements=["partenaire_id", "reference"])
    .returning(operations.c.id),
    "sqlite": sqlite.insert(operations)
    .values(_OPERATION_VALUES)
    .on_conflict_do_nothing(index_elements=["partenaire_id", "reference"])
    .returning(operations.c.id),
}

# The guard stands on the row's own columns: PostgreSQL evaluates it again after a lock wait.
_USABLE = and_(
    cartes.c.id == bindparam("la_carte"),
    cartes.c.statut == ACTIVE,
    cartes.c.fin_validite >= bindparam("jour"),
)
_MOVED = {"version": cartes.c.version + 1, "date_solde": bindparam("quand")}
_TAKE = (
    update(cartes)
    .where(_USABLE, cartes.c.solde >= bindparam("somme"))
    .values(solde=cartes.c.solde - bindparam("somme"), **_MOVED)
    .returning(cartes.c.solde, cartes.c.version)
)
_GIVE = (
    update(cartes)
    .where(_USABLE, cartes.c.solde <= SOLDE_MAXIMAL - bindparam("somme"))
    .values(solde=cartes.c.solde + bindparam("somme"), **_MOVED)
    .returning(cartes.c.solde, cartes.c.version)
)

_BY_REFERENCE = (
    select(
        operations.c.reference,
        operations.c.numero_operation,
        operations.c.type,
        operations.c.statut,
        cartes.c.numero_carte,
        operations.c.montant,
        operations.c.unite,
        ecritures.c.solde_debit,
        ecritures.c.solde_credit,
        operations.c.date_operation,
        operations.c.empreinte,
    )
    .join_from(operations, ecritures, ecritures.c.operation_id == operations.c.id)
    .join(cartes, cartes.c.id == operations.c.carte_id)
    .where(
        operations.c.partenaire_id == bindparam("partenaire_id"),
        operations.c.reference == bindparam("reference"),
    )
)


def find_replay(
    session: Connection, *, partenaire_id: int, reference: str, empreinte: bytes
) -> Operation | None:
    """The operation that already bears this reference, or None.

    Raises ReferenceDejaUtilisee when its content was another.
    """
    row = session.execute(
        _BY_REFERENCE, {"partenaire_id": partenaire_id, "reference": reference}
    ).first()
    if row is None:
        return None
    if row[10] != empreinte:
        raise ReferenceDejaUtilisee
    solde = row[7] if row[7] is not None else row[8]
    return Operation(*row[:7], solde, row[9], replayed=True)


_STATE = select(cartes.c.statut, cartes.c.fin_validite).where(cartes.c.id == bindparam("la_carte"))


def post_debit(session: Connection, carte: Carte, mouvement: Mouvement) -> Operation:
    """Take `montant` from a card to the partner's settlement account, once per reference.

    Raises ReferenceDejaUtilisee, CarteAnnulee, CarteEnOpposition, CarteExpiree, SoldeInsuffisant.
    """
    return _post(session, carte, mouvement, DEBIT)


def post_credit(session: Connection, carte: Carte, mouvement: Mouvement) -> Operation:
    """Give `montant` to a card from the partner's settlement account, once per reference.

    Raises ReferenceDejaUtilisee, CarteAnnulee, CarteEnOpposition, CarteExpiree, SoldeMaximalDepasse.
    """
    return _post(session, carte, mouvement, CREDIT)


def _post(session: Connection, carte: Carte, mouvement: Mouvement, type_: str) -> Operation:
    date_operation = now()
    numero_operation = new_numero_operation()
    operation_id = session.execute(
        _CLAIM_REFERENCE[session.dialect.name],
        {
            "numero_operation": numero_operation,
            "partenaire_id": mouvement.partenaire_id,
            "reference": mouvement.reference,
            "empreinte": mouvement.empreinte,
            "type": type_,
            "statut": EXECUTEE,
            "carte_id": carte.id,
            "montant": mouvement.montant,
            "unite": carte.unite,
            "motif": mouvement.motif,
            "point_de_service": mouvement.point_de_service,
            "terminal": mouvement.terminal,
            "date_operation": date_operation,
        },
    ).scalar()
    if operation_id is None:
        replay = find_replay(
            session,
            partenaire_id=mouvement.partenaire_id,
            reference=mouvement.reference,
            empreinte=mouvement.empreinte,
        )
        assert replay is not None, "a claimed reference has an operation"
        return replay
    moved = session.execute(
        _TAKE if type_ == DEBIT else _GIVE,
        {
            "la_carte": carte.id,
            "jour": date_operation.date(),
            "somme": mouvement.montant,
            "quand": date_operation,
        },
    ).first()
    if moved is None:
        raise _reason_of_refusal(session, carte, type_)
    solde, version = moved[0], moved[1]
    debit = type_ == DEBIT
    session.execute(
        insert(ecritures),
        {
            "operation_id": operation_id,
            "compte_debit": carte.compte_id if debit else mouvement.compte_id,
            "compte_credit": mouvement.compte_id if debit else carte.compte_id,
            "montant": mouvement.montant,
            "unite": carte.unite,
            "version_debit": version if debit else None,
            "version_credit": None if debit else version,
            "solde_debit": solde if debit else None,
            "solde_credit": None if debit else solde,
        },
    )
    return Operation(
        mouvement.reference,
        numero_operation,
        type_,
        EXECUTEE,
        carte.numero_carte,
        mouvement.montant,
        carte.unite,
        solde,
        date_operation,
        replayed=False,
    )


def _reason_of_refusal(
    session: Connection, carte: Carte, type_: str
) -> SoldeInsuffisant | SoldeMaximalDepasse:
    """Why the guarded update moved nothing: read again, since a concurrent call may have changed it.

    Raises the card's own refusal when its state is the reason, else returns the solde's.
    """
    statut, fin_validite = session.execute(_STATE, {"la_carte": carte.id}).one()
    check_usable(statut, fin_validite)
    return SoldeInsuffisant() if type_ == DEBIT else SoldeMaximalDepasse()


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
