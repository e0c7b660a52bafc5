"""A plafond: a limit on what a card, or a partner, may move per operation, per day or per month.

Limits are data. What was consumed of a day or a month is one row per limit and period, raised by a
guarded upsert in the operation's own transaction, and lowered again when the operation is reversed:
at any time it is the sum of the period's operations that were not reversed. Two calls at once cannot
pass a limit together. A card or a partner without limits costs nothing: its row says so, and is read
anyway, by a statement that comes after the locks that a limit's setting waits for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    Date,
    ForeignKey,
    PrimaryKeyConstraint,
    Row,
    String,
    Table,
    UniqueConstraint,
    and_,
    bindparam,
    case,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.audit import Objet
from models.base import BigId, Instant, metadata, now
from models.carte import cartes
from models.database.prepared import Prepared
from models.errors import PlafondDepasse
from models.operation import CREDIT, DEBIT, TRANSFERT, operations
from models.partenaire import hold, partenaires

OPERATION, JOUR, MOIS = "OPERATION", "JOUR", "MOIS"
"""Periods of a limit."""

PLAFOND_OBJET = "PLAFOND"

PERIODES = (OPERATION, JOUR, MOIS)
TYPES = (CREDIT, DEBIT, TRANSFERT)

plafonds = Table(
    "plafonds",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("carte_id", ForeignKey("cartes.id")),
    Column("partenaire_id", ForeignKey("partenaires.id")),
    Column("type", String(16), nullable=False),
    Column("periode", String(16), nullable=False),
    Column("montant_maximal", BigInteger),
    Column("nombre_maximal", BigInteger),
    Column("cree_le", Instant, nullable=False),
    UniqueConstraint("carte_id", "type", "periode"),
    UniqueConstraint("partenaire_id", "type", "periode"),
    CheckConstraint("(carte_id IS NULL) <> (partenaire_id IS NULL)", name="un_sujet"),
    CheckConstraint("type IN ('CREDIT', 'DEBIT', 'TRANSFERT')", name="type_connu"),
    CheckConstraint("periode IN ('OPERATION', 'JOUR', 'MOIS')", name="periode_connue"),
    CheckConstraint("montant_maximal >= 0", name="montant_positif"),
    CheckConstraint("nombre_maximal >= 0", name="nombre_positif"),
    CheckConstraint(
        "montant_maximal IS NOT NULL OR nombre_maximal IS NOT NULL", name="quelque_chose"
    ),
    CheckConstraint("periode <> 'OPERATION' OR nombre_maximal IS NULL", name="nombre_par_periode"),
)

consommations = Table(
    "consommations",
    metadata,
    Column("plafond_id", ForeignKey("plafonds.id", ondelete="CASCADE"), nullable=False),
    Column("debut", Date, nullable=False, doc="first day of the period"),
    Column("montant", BigInteger, nullable=False),
    Column("nombre", BigInteger, nullable=False),
    PrimaryKeyConstraint("plafond_id", "debut"),
)


_annulation = operations.alias("annulation")


class Reste(NamedTuple):
    """A limit and what is left of it now; None where it does not limit."""

    portee: str
    numero_carte: str | None
    type: str
    periode: str
    montant_maximal: int | None
    montant_restant: int | None
    nombre_maximal: int | None
    nombre_restant: int | None


class PlafondListe(NamedTuple):
    """A limit as the operator sees it: whose it is, and what is left of it now. A card has no
    `consumer_key`, a partner nothing but that."""

    numero_carte: str | None
    client_id: str | None
    membre_id: str | None
    compte_id: int | None
    consumer_key: str | None
    cree_le: datetime
    reste: Reste


class _Limite(NamedTuple):
    """A limit as an operation meets it."""

    id: int
    carte_id: int | None
    type: str
    periode: str
    montant_maximal: int | None
    nombre_maximal: int | None


_APPLICABLE = Prepared(
    select(*(plafonds.c[name] for name in _Limite._fields))
    .where(
        or_(
            plafonds.c.carte_id == bindparam("la_carte"),
            plafonds.c.partenaire_id == bindparam("le_partenaire"),
        ),
        plafonds.c.type == bindparam("le_type"),
    )
    # One order for everybody, cards before partners, so that two calls never wait for each other.
    .order_by(plafonds.c.partenaire_id.isnot(None), plafonds.c.id),
    _Limite,
)

_NEW_MONTANT = consommations.c.montant + bindparam("somme")
_NEW_NOMBRE = consommations.c.nombre + 1
_FITS = and_(
    func.coalesce(bindparam("montant_maximal", type_=BigInteger), _NEW_MONTANT) >= _NEW_MONTANT,
    func.coalesce(bindparam("nombre_maximal", type_=BigInteger), _NEW_NOMBRE) >= _NEW_NOMBRE,
)
_FIRST: dict[str, Any] = {
    "plafond_id": bindparam("le_plafond"),
    "debut": bindparam("le_debut"),
    "montant": bindparam("somme"),
    "nombre": 1,
}


def _upsert(first: Any) -> Any:
    return (
        first.values(_FIRST)
        .on_conflict_do_update(
            index_elements=["plafond_id", "debut"],
            set_={"montant": _NEW_MONTANT, "nombre": _NEW_NOMBRE},
            where=_FITS,
        )
        .returning(consommations.c.montant)
    )


_CONSUME = Prepared(
    {
        "postgresql": _upsert(postgresql.insert(consommations)),
        "sqlite": _upsert(sqlite.insert(consommations)),
    }
)

_GIVE_BACK = Prepared(
    update(consommations)
    .where(
        consommations.c.plafond_id == bindparam("le_plafond"),
        consommations.c.debut == bindparam("le_debut"),
    )
    .values(montant=consommations.c.montant - bindparam("somme"), nombre=consommations.c.nombre - 1)
)


class _Used(NamedTuple):
    """What was counted of a period: francs, and operations."""

    montant: int
    nombre: int


_USED = Prepared(
    select(consommations.c.montant, consommations.c.nombre).where(
        consommations.c.plafond_id == bindparam("le_plafond"),
        consommations.c.debut == bindparam("le_debut"),
    ),
    _Used,
)


class Comptee(NamedTuple):
    """An operation as limits count it: `montant` in francs, in the periods that hold `jour`."""

    carte_id: int
    partenaire_id: int
    type: str
    montant: int
    jour: date


def consume(connection: Connection, counted: Comptee) -> None:
    """Count one operation against every limit of its card and of its partner, or refuse it.

    Its transaction holds the card's row and shares the partner's lock, so that no limit comes or goes
    meanwhile. Raises PlafondDepasse, which tells what is left.
    """
    for limit in _find_applicable(connection, counted):
        _consume_one(connection, limit, counted.montant, counted.jour)


def give_back(connection: Connection, counted: Comptee) -> None:
    """Uncount a reversed operation from what every limit of its card and of its partner counted in the
    period of that operation.

    A limit that was not there in that period has counted nothing in it; one that came later in the same
    period has counted the operation as its past. Of a card that was replaced, the limits are the other
    card's. The transaction holds what `consume` needs.
    """
    heir = _hold_heir(connection, counted.carte_id)
    for limit in _find_applicable(connection, counted._replace(carte_id=heir)):
        if limit.periode != OPERATION:
            values = {
                "le_plafond": limit.id,
                "le_debut": start_of(limit.periode, counted.jour),
                "somme": counted.montant,
            }
            _GIVE_BACK.all(connection, values)


_HEIR = Prepared(
    select(cartes.c.id).where(
        cartes.c.remplace_id == bindparam("la_carte"), cartes.c.activee_le.isnot(None)
    )
)


def _hold_heir(connection: Connection, carte_id: int) -> int:
    """The card that has the limits of this one now, held: the last that took its place, or itself.

    Whoever replaces a card holds it and its successor, so that what is found when it is held stays so.
    """
    while (row := _HEIR.first(connection, {"la_carte": carte_id})) is not None:
        carte_id = row[0]
        connection.execute(
            select(cartes.c.id).where(cartes.c.id == carte_id).with_for_update(key_share=True)
        )
    return carte_id


def _find_applicable(connection: Connection, counted: Comptee) -> list[_Limite]:
    values = {
        "la_carte": counted.carte_id,
        "le_partenaire": counted.partenaire_id,
        "le_type": counted.type,
    }
    return _APPLICABLE.all(connection, values)


def _consume_one(connection: Connection, limit: _Limite, montant: int, jour: date) -> None:
    too_much = limit.montant_maximal is not None and montant > limit.montant_maximal
    if limit.periode == OPERATION:
        if too_much:
            raise _refusal(limit, limit.montant_maximal, None)
        return
    values = {
        "le_plafond": limit.id,
        "le_debut": start_of(limit.periode, jour),
        "somme": montant,
        "montant_maximal": limit.montant_maximal,
        "nombre_maximal": limit.nombre_maximal,
    }
    if not too_much and limit.nombre_maximal != 0 and _CONSUME.first(connection, values):
        return
    used = _USED.first(connection, values) or _Used(0, 0)
    raise _refusal(
        limit,
        _left(limit.montant_maximal, used.montant),
        _left(limit.nombre_maximal, used.nombre),
    )


def _left(maximal: int | None, used: int) -> int | None:
    return None if maximal is None else max(0, maximal - used)


def _refusal(limit: _Limite, montant: int | None, nombre: int | None) -> PlafondDepasse:
    parts = []
    if montant is not None:
        parts.append(f"{montant} FCFA")
    if nombre is not None:
        parts.append(f"{nombre} x {limit.type}")
    portee = "CARTE" if limit.carte_id is not None else "PARTENAIRE"
    more_info = f"portee={portee};type={limit.type};periode={limit.periode}"
    if montant is not None:
        more_info += f";montantRestant={montant}"
    if nombre is not None:
        more_info += f";nombreRestant={nombre}"
    return PlafondDepasse(" / ".join(parts), more_info)


def start_of(periode: str, jour: date) -> date:
    """The first day of the period that holds `jour`."""
    return jour.replace(day=1) if periode == MOIS else jour


def list_restes(
    connection: Connection, *, carte_id: int | None = None, partenaire_id: int | None = None
) -> list[Reste]:
    """What is left now of the limits of a card or of a partner, by the id of its row."""
    whose = (
        plafonds.c.partenaire_id == partenaire_id
        if carte_id is None
        else plafonds.c.carte_id == carte_id
    )
    return [_reste(row) for row in _rows(connection, whose)]


def list_plafonds(connection: Connection) -> list[PlafondListe]:
    """Every limit, oldest first, and whose it is."""
    return [_listed(row) for row in _rows(connection, plafonds.c.id.isnot(None))]


def find_plafond(
    connection: Connection,
    *,
    type_: str,
    periode: str,
    numero_carte: str | None = None,
    consumer_key: str | None = None,
) -> PlafondListe | None:
    """The limit of that type and period of a card or of a partner, None when there is none."""
    whose = (
        partenaires.c.consumer_key == (consumer_key or "")
        if numero_carte is None
        else cartes.c.numero_carte == numero_carte
    )
    what = and_(plafonds.c.type == type_, plafonds.c.periode == periode)
    rows = _rows(connection, and_(whose, what))
    return _listed(rows[0]) if rows else None


def _listed(row: Row[Any]) -> PlafondListe:
    return PlafondListe(
        row.numero_carte,
        row.client_id,
        row.membre_id,
        row.compte_id,
        row.consumer_key,
        row.cree_le,
        _reste(row),
    )


def _rows(connection: Connection, condition: ColumnElement[bool]) -> Sequence[Row[Any]]:
    jour = now().date()
    debut = case((plafonds.c.periode == MOIS, jour.replace(day=1)), else_=jour)
    return connection.execute(
        select(
            plafonds,
            cartes.c.numero_carte,
            cartes.c.client_id,
            cartes.c.membre_id,
            cartes.c.compte_id,
            partenaires.c.consumer_key,
            func.coalesce(consommations.c.montant, 0).label("montant"),
            func.coalesce(consommations.c.nombre, 0).label("nombre"),
        )
        .select_from(plafonds)
        .outerjoin(cartes, cartes.c.id == plafonds.c.carte_id)
        .outerjoin(partenaires, partenaires.c.id == plafonds.c.partenaire_id)
        .outerjoin(
            consommations,
            and_(consommations.c.plafond_id == plafonds.c.id, consommations.c.debut == debut),
        )
        .where(condition)
        .order_by(plafonds.c.id)
    ).all()


def _reste(row: Row[Any]) -> Reste:
    return Reste(
        "CARTE" if row.carte_id is not None else "PARTENAIRE",
        row.numero_carte,
        row.type,
        row.periode,
        row.montant_maximal,
        _left(row.montant_maximal, row.montant),
        row.nombre_maximal,
        _left(row.nombre_maximal, row.nombre),
    )


class Sujet(NamedTuple):
    """The limited card or partner: the column that refers to it, its id, and its name in the contract."""

    column: str
    id: int
    nom: str

    @property
    def action(self) -> str:
        return f"Plafond{'Carte' if self.column == 'carte_id' else 'Partenaire'}"

    def objet(self, type_: str, periode: str) -> Objet:
        """Its limit of a type and a period, as the audit names it."""
        return Objet(PLAFOND_OBJET, f"{self.nom}:{type_}:{periode}")


class Voulu(NamedTuple):
    """A limit as it is asked for: francs and operations at most, None where it does not limit."""

    type: str
    periode: str
    montant_maximal: int | None
    nombre_maximal: int | None

    @property
    def champs(self) -> dict[str, int | None]:
        """What it bounds, under the names of the contract."""
        return {"montantMaximal": self.montant_maximal, "nombreMaximal": self.nombre_maximal}


def hold_sujet(
    connection: Connection,
    *,
    carte_id: str | None = None,
    consumer_key: str | None = None,
) -> Sujet | None:
    """The card or the partner, locked against its operations.

    Those that had the lock before have committed, and are counted as the past. Those that wait for it
    read, when they have it, whether the card or the partner has limits.
    """
    if consumer_key is not None:
        found = hold(connection, consumer_key)
        return None if found is None else Sujet("partenaire_id", found, consumer_key)
    # The lock of an update, and no stronger one: a foreign key's would pass by a stronger one that
    # waits, again and again.
    carte = connection.execute(
        select(cartes.c.id, cartes.c.carte_id)
        .where(cartes.c.carte_id == carte_id)
        .with_for_update(key_share=True)
    ).first()
    return None if carte is None else Sujet("carte_id", carte.id, carte.carte_id)


def find_voulu(connection: Connection, sujet: Sujet, type_: str, periode: str) -> Voulu | None:
    """The limit of that type and period, None when there is none."""
    found = _find_own(connection, sujet, type_, periode)
    if found is None:
        return None
    return Voulu(type_, periode, found.montant_maximal, found.nombre_maximal)


def put_plafond(connection: Connection, sujet: Sujet, voulu: Voulu) -> dict[str, int | None] | None:
    """Give who is held a limit, in place of the one of that type and period it had, which it tells.

    Whatever commits later must fit it. What was moved in the period so far, and was not reversed,
    counts; of a card, with what was moved by those whose place it took.
    """
    before = _forget(connection, sujet, voulu.type, voulu.periode)
    plafond_id = connection.execute(
        insert(plafonds)
        .values(
            {
                sujet.column: sujet.id,
                "type": voulu.type,
                "periode": voulu.periode,
                "montant_maximal": voulu.montant_maximal,
                "nombre_maximal": voulu.nombre_maximal,
                "cree_le": now(),
            }
        )
        .returning(plafonds.c.id)
    ).scalar_one()
    _flag(connection, sujet, 1)
    _count_past(connection, plafond_id, sujet, voulu.type, voulu.periode)
    return before


def take_plafond(
    connection: Connection, sujet: Sujet, type_: str, periode: str
) -> dict[str, int | None] | None:
    """Take a limit away from who is held; what it was, None when there was none."""
    before = _forget(connection, sujet, type_, periode)
    if before is not None and not _has_plafond(connection, sujet):
        _flag(connection, sujet, 0)
    return before


def open_plafonds(
    connection: Connection, carte_ids: Sequence[int], voulus: Sequence[Voulu]
) -> None:
    """Give new cards, which have moved nothing, their limits."""
    if not carte_ids or not voulus:
        return
    moment = now()
    connection.execute(
        insert(plafonds),
        [
            {"carte_id": carte_id, **one._asdict(), "cree_le": moment}
            for carte_id in carte_ids
            for one in voulus
        ],
    )
    connection.execute(update(cartes).where(cartes.c.id.in_(carte_ids)).values(plafonnee=1))


def move_to(connection: Connection, ancienne: int, nouvelle: int) -> None:
    """Give a card the limits of the one whose place it has taken, by their `cartes.id`, and what they
    counted: a replacement would double them otherwise.

    A limit that the new card has of its own stays, in place of the old one's of that type and period, and
    counts what the old card moved. The caller holds both, and has activated the new one.
    """
    of_old, of_new = (plafonds.c.carte_id == one for one in (ancienne, nouvelle))
    own = connection.execute(
        select(plafonds.c.id, plafonds.c.type, plafonds.c.periode).where(of_new)
    ).all()
    sujet = Sujet("carte_id", nouvelle, "")
    for limit in own:
        _forget(connection, Sujet("carte_id", ancienne, ""), limit.type, limit.periode)
        connection.execute(delete(consommations).where(consommations.c.plafond_id == limit.id))
        _count_past(connection, limit.id, sujet, limit.type, limit.periode)
    # What the old card moved did not have to fit them: they hold from now on.
    connection.execute(update(plafonds).where(of_new).values(cree_le=now()))
    connection.execute(update(plafonds).where(of_old).values(carte_id=nouvelle))
    _flag(connection, Sujet("carte_id", ancienne, ""), 0)
    _flag(connection, sujet, int(_has_plafond(connection, sujet)))


def _has_plafond(connection: Connection, sujet: Sujet) -> bool:
    return bool(connection.scalar(select(exists().where(plafonds.c[sujet.column] == sujet.id))))


def _forget(
    connection: Connection, sujet: Sujet, type_: str, periode: str
) -> dict[str, int | None] | None:
    """Remove the limit; what it was, None when there was none."""
    found = _find_own(connection, sujet, type_, periode)
    if found is None:
        return None
    connection.execute(delete(consommations).where(consommations.c.plafond_id == found.id))
    connection.execute(delete(plafonds).where(plafonds.c.id == found.id))
    return {"montantMaximal": found.montant_maximal, "nombreMaximal": found.nombre_maximal}


class _Propre(NamedTuple):
    """The row of a limit of somebody."""

    id: int
    montant_maximal: int | None
    nombre_maximal: int | None


def _find_own(connection: Connection, sujet: Sujet, type_: str, periode: str) -> _Propre | None:
    row = connection.execute(
        select(*(plafonds.c[name] for name in _Propre._fields)).where(
            plafonds.c[sujet.column] == sujet.id,
            plafonds.c.type == type_,
            plafonds.c.periode == periode,
        )
    ).first()
    return None if row is None else _Propre._make(row)


def _flag(connection: Connection, sujet: Sujet, value: int) -> None:
    if sujet.column == "carte_id":
        connection.execute(update(cartes).where(cartes.c.id == sujet.id).values(plafonnee=value))
    else:
        connection.execute(
            update(partenaires).where(partenaires.c.id == sujet.id).values(plafonne=value)
        )


def _count_past(
    connection: Connection, plafond_id: int, sujet: Sujet, type_: str, periode: str
) -> None:
    if periode == OPERATION:
        return
    debut = start_of(periode, now().date())
    since = datetime(debut.year, debut.month, debut.day, tzinfo=now().tzinfo)
    past = connection.execute(
        select(
            func.coalesce(func.sum(operations.c.montant), 0).label("montant"),
            func.count().label("nombre"),
        ).where(
            _of_sujet(sujet),
            operations.c.type == type_,
            operations.c.date_operation >= since,
            ~exists().where(_annulation.c.annulation_de == operations.c.id),
        )
    ).one()
    connection.execute(
        insert(consommations).values(
            plafond_id=plafond_id, debut=debut, montant=int(past.montant), nombre=past.nombre
        )
    )


def _of_sujet(sujet: Sujet) -> ColumnElement[bool]:
    """Whose operations a limit counts: the partner's, or the card's and those of the cards before it."""
    if sujet.column == "partenaire_id":
        return operations.c.partenaire_id == sujet.id
    lineage = (
        select(cartes.c.id, cartes.c.remplace_id, cartes.c.activee_le)
        .where(cartes.c.id == sujet.id)
        .cte("lignee", recursive=True)
    )
    before = select(cartes.c.id, cartes.c.remplace_id, cartes.c.activee_le).join(
        # One that was never active has not taken the place of any.
        lineage,
        and_(cartes.c.id == lineage.c.remplace_id, lineage.c.activee_le.isnot(None)),
    )
    lineage = lineage.union_all(before)
    return operations.c.carte_id.in_(select(lineage.c.id))
