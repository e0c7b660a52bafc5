"""The journal as an accountant's program reads it: by period, by client, by partner.

An export is what its selection takes of the ecritures, and nothing else. Each account begins with what
was selected of it before the period and ends with that and what was selected in it, so that two periods
that follow each other are one. An account whose every ecriture is selected ends with its real solde,
which the file asserts: a card's is the one kept in its row, so that a program that knows nothing of this
one proves it. How all this is written is a Redaction's affair: `models.books.redaction`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from typing import IO, Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    and_,
    case,
    func,
    literal,
    or_,
    select,
)

from models.base import mask
from models.books.redaction import REDACTIONS
from models.books.redaction.base import (
    Compte,
    Cote,
    Entete,
    Mouvement,
)
from models.carte import cartes
from models.client import clients
from models.compte import COMPTE_CARTE, COMPTE_REGLEMENT, comptes
from models.journal.ecriture import ecritures
from models.operation import CLOTURE, operations
from models.partenaire import partenaires

LOT = 2000
"""Rows held at once."""

_MILLION = 1_000_000
_EN_MEMOIRE = 1 << 20
"""Bytes of what is written later that wait in memory; more of it waits on disk."""

Write = Callable[[str], object]
Progress = Callable[[int, int], None]


class Choix(NamedTuple):
    """What is asked for: days, both included, in UTC; one client; the partner of a consumer-key.

    With `par_carte` each card has an account, else each client has one.
    """

    debut: date | None = None
    fin: date | None = None
    client_id: str | None = None
    consumer_key: str | None = None
    par_carte: bool = False


class Inconnu(LookupError):
    """What a Choix names does not exist: its field, and the value."""

    def __init__(self, champ: str, valeur: str) -> None:
        super().__init__(f"{champ} {valeur!r}")
        self.champ, self.valeur = champ, valeur


class Exportation(NamedTuple):
    """How many operations were written, accounts declared, and soldes asserted."""

    operations: int
    comptes: int
    soldes: int


class _Period(NamedTuple):
    """An account over the period: francs debited less credited before it, and at its end."""

    compte: Compte
    ouverture: int
    cloture: int
    whole: bool


# ── what is selected ─────────────────────────────────────────────────────────────────────────────
def find_names(connection: Connection, choix: Choix) -> tuple[str | None, str | None]:
    """The names of the client and of the partner that are asked for. Raises Inconnu."""
    names: list[str | None] = []
    for champ, nom, key in (
        ("client_id", clients.c.nom, clients.c.client_id),
        ("consumer_key", partenaires.c.nom, partenaires.c.consumer_key),
    ):
        valeur = getattr(choix, champ)
        found = None if valeur is None else connection.scalar(select(nom).where(key == valeur))
        if valeur is not None and found is None:
            raise Inconnu(champ, valeur)
        names.append(found)
    return names[0], names[1]


def _find_entete(connection: Connection, choix: Choix) -> Entete:
    client_nom, partenaire_nom = find_names(connection, choix)
    first, last = _first_and_last_day(connection, choix)
    return Entete(
        debut=choix.debut,
        fin=choix.fin,
        premier_jour=first,
        dernier_jour=last,
        client_id=choix.client_id,
        client_nom=client_nom,
        consumer_key=choix.consumer_key,
        partenaire_nom=partenaire_nom,
        par_carte=choix.par_carte,
        unites=list(
            connection.scalars(select(comptes.c.unite).distinct().order_by(comptes.c.unite))
        ),
    )


def _first_and_last_day(connection: Connection, choix: Choix) -> tuple[date, date]:
    """The days on which the file begins and ends: those asked for, else those of the operations."""
    moment = operations.c.date_operation
    row = connection.execute(select(func.min(moment), func.max(moment)).where(_chosen(choix))).one()
    opened = connection.scalar(select(func.max(cartes.c.date_solde)))
    least, most = (
        (instant or opened or datetime(1970, 1, 1, tzinfo=UTC)).astimezone(UTC).date()
        for instant in row
    )
    first = choix.debut or min(least, choix.fin or least)
    return first, choix.fin or max(most, first)


def _chosen(choix: Choix) -> ColumnElement[bool]:
    """Operations of the client and the partner, of whatever day. A closed reference moves nothing.

    They are read in the order of their ids: the sum with zero keeps SQLite from an index in whose
    order it would hold them all, to sort them.
    """
    rules: list[ColumnElement[bool]] = [operations.c.type != CLOTURE]
    if choix.client_id is not None:
        owned = select(cartes.c.id).where(cartes.c.client_id == choix.client_id)
        carte, destination = operations.c.carte_id + 0, operations.c.carte_destination_id + 0
        rules.append(or_(carte.in_(owned), destination.in_(owned)))
    if choix.consumer_key is not None:
        asked = select(partenaires.c.id).where(partenaires.c.consumer_key == choix.consumer_key)
        rules.append((operations.c.partenaire_id + 0).in_(asked))
    return and_(*rules)


def _start(jour: date) -> datetime:
    return datetime(jour.year, jour.month, jour.day, tzinfo=UTC)


def _since(jour: date | None) -> list[ColumnElement[bool]]:
    return [] if jour is None else [operations.c.date_operation >= _start(jour)]


def _until(jour: date | None) -> list[ColumnElement[bool]]:
    if jour is None or jour == date.max:
        return []
    return [operations.c.date_operation < _start(jour + timedelta(days=1))]


def _is_whole(choix: Choix, row: Row[Any]) -> bool:
    """Whether every ecriture of the compte is of the selection, whatever its day."""
    if choix.client_id is not None:
        mine = (row.type, row.client_id) == (COMPTE_CARTE, choix.client_id)
        return mine and choix.consumer_key is None
    if choix.consumer_key is not None:
        return (row.type, row.consumer_key) == (COMPTE_REGLEMENT, choix.consumer_key)
    return True


# ── what is read ─────────────────────────────────────────────────────────────────────────────────
_COMPTES: Select[Any] = (
    select(
        comptes.c.id,
        comptes.c.type,
        comptes.c.unite,
        cartes.c.numero_carte,
        cartes.c.client_id,
        cartes.c.solde,
        clients.c.nom.label("client_nom"),
        partenaires.c.consumer_key,
        partenaires.c.nom.label("partenaire_nom"),
    )
    .select_from(comptes)
    .outerjoin(cartes, cartes.c.compte_id == comptes.c.id)
    .outerjoin(clients, clients.c.client_id == cartes.c.client_id)
    .outerjoin(partenaires, partenaires.c.compte_id == comptes.c.id)
    .order_by(comptes.c.id)
)

_origine = operations.alias("origine")
_debite, _credite = comptes.alias("debite"), comptes.alias("credite")
_carte_debitee, _carte_creditee = cartes.alias("carte_debitee"), cartes.alias("carte_creditee")
_payeur, _paye = partenaires.alias("payeur"), partenaires.alias("paye")

_MOUVEMENTS: Select[Any] = (
    select(
        operations.c.id,
        operations.c.numero_operation,
        operations.c.type,
        operations.c.date_operation,
        operations.c.reference,
        operations.c.demande_id,
        operations.c.motif,
        operations.c.point_de_service,
        operations.c.terminal,
        partenaires.c.consumer_key,
        partenaires.c.nom.label("partenaire_nom"),
        _origine.c.numero_operation.label("annulation_de"),
        ecritures.c.montant,
        ecritures.c.unite,
        ecritures.c.compte_debit,
        _debite.c.type.label("type_debit"),
        _carte_debitee.c.client_id.label("client_debit"),
        _carte_debitee.c.numero_carte.label("numero_debit"),
        _payeur.c.consumer_key.label("consumer_key_debit"),
        ecritures.c.compte_credit,
        _credite.c.type.label("type_credit"),
        _carte_creditee.c.client_id.label("client_credit"),
        _carte_creditee.c.numero_carte.label("numero_credit"),
        _paye.c.consumer_key.label("consumer_key_credit"),
    )
    .select_from(operations)
    # What a damaged journal lacks must not hide what it has: nothing is lost by a join.
    .outerjoin(ecritures, ecritures.c.operation_id == operations.c.id)
    .outerjoin(partenaires, partenaires.c.id == operations.c.partenaire_id)
    .outerjoin(_origine, _origine.c.id == operations.c.annulation_de)
    .outerjoin(_debite, _debite.c.id == ecritures.c.compte_debit)
    .outerjoin(_credite, _credite.c.id == ecritures.c.compte_credit)
    .outerjoin(_carte_debitee, _carte_debitee.c.compte_id == ecritures.c.compte_debit)
    .outerjoin(_carte_creditee, _carte_creditee.c.compte_id == ecritures.c.compte_credit)
    .outerjoin(_payeur, _payeur.c.compte_id == ecritures.c.compte_debit)
    .outerjoin(_paye, _paye.c.compte_id == ecritures.c.compte_credit)
    # Not by day, which programs sort by themselves: SQLite sorts in memory, unless an index does.
    .order_by(operations.c.id, ecritures.c.id)
)


def _sums(choix: Choix, side: ColumnElement[int]) -> Select[Any]:
    """For each compte in the order of ids: what the selection moved on this side, before the period,
    in it and after it, in millions and in francs beyond them, since SQLite's sum() refuses more than
    64 bits; and how many times in it.

    Outer joins keep SQLite at the order of comptes: sorted otherwise, the ecritures would be held.
    """
    seen = operations.c.id.is_not(None)
    before = and_(seen, *(~rule for rule in _since(choix.debut))) if choix.debut else None
    after = and_(seen, *(~rule for rule in _until(choix.fin))) if _until(choix.fin) else None
    during = and_(seen, *_since(choix.debut), *_until(choix.fin))
    parts = (ecritures.c.montant // _MILLION, ecritures.c.montant % _MILLION)
    columns = [
        func.sum(literal(0) if when is None else case((when, part), else_=0))
        for when in (before, during, after)
        for part in parts
    ]
    return (
        select(comptes.c.id, *columns, func.count(case((during, ecritures.c.id))))
        .select_from(comptes)
        .outerjoin(ecritures, side == comptes.c.id)
        .outerjoin(operations, and_(operations.c.id == ecritures.c.operation_id, _chosen(choix)))
        .group_by(comptes.c.id)
        .order_by(comptes.c.id)
    )


def _read_periods(
    connection: Connection, choix: Choix, done: Callable[[], None]
) -> Iterator[_Period]:
    """Each account of the file: with `par_carte` as it is read, else clients after the others."""
    grouped: dict[tuple[str | None, str], _Period] = {}
    for row, debited, credited in zip(
        _stream(connection, _COMPTES),
        _stream(connection, _sums(choix, ecritures.c.compte_debit)),
        _stream(connection, _sums(choix, ecritures.c.compte_credit)),
        strict=True,
    ):
        done()
        period = _read_period(choix, row, tuple(debited), tuple(credited))
        if period is None:
            continue
        if choix.par_carte or row.type != COMPTE_CARTE:
            yield period
            continue
        key = (row.client_id, row.unite)
        same = grouped.get(key)
        if same is not None:
            period = period._replace(
                ouverture=period.ouverture + same.ouverture, cloture=period.cloture + same.cloture
            )
        grouped[key] = period
    yield from grouped.values()


def _read_period(
    choix: Choix, row: Row[Any], debited: tuple[Any, ...], credited: tuple[Any, ...]
) -> _Period | None:
    """The compte over the period, or None when it is no part of the selection."""
    whole = _is_whole(choix, row)
    before, during, after = (
        (int(debited[at]) - int(credited[at])) * _MILLION
        + int(debited[at + 1])
        - int(credited[at + 1])
        for at in (1, 3, 5)
    )
    if not (whole or before or debited[7] or credited[7]):
        return None
    # What is kept beside the journal is asserted wherever there is such a thing.
    kept = whole and row.solde is not None
    compte = Compte(
        id=row.id,
        type=row.type,
        unite=row.unite,
        client_id=row.client_id,
        client_nom=row.client_nom,
        numero=None if row.numero_carte is None else mask(row.numero_carte),
        consumer_key=row.consumer_key,
        partenaire_nom=row.partenaire_nom,
    )
    return _Period(compte, before, -row.solde - after if kept else before + during, whole)


def _read_mouvement(lines: list[Row[Any]]) -> Mouvement:
    first = lines[0]
    return Mouvement(
        numero_operation=first.numero_operation,
        type=first.type,
        instant=first.date_operation.astimezone(UTC),
        consumer_key=first.consumer_key,
        partenaire_nom=first.partenaire_nom,
        reference=first.reference,
        annulation_de=first.annulation_de,
        demande_id=first.demande_id,
        motif=first.motif,
        point_de_service=first.point_de_service,
        terminal=first.terminal,
        cotes=[
            cote
            for row in lines
            if row.montant is not None
            for cote in (
                Cote(
                    row.compte_debit,
                    row.type_debit,
                    row.client_debit,
                    row.numero_debit,
                    row.consumer_key_debit,
                    row.montant,
                    row.unite,
                ),
                Cote(
                    row.compte_credit,
                    row.type_credit,
                    row.client_credit,
                    row.numero_credit,
                    row.consumer_key_credit,
                    -row.montant,
                    row.unite,
                ),
            )
        ],
    )


def _stream(connection: Connection, statement: Select[Any]) -> Iterable[Row[Any]]:
    return connection.execution_options(stream_results=True).execute(statement).yield_per(LOT)


# ── what is written ──────────────────────────────────────────────────────────────────────────────
def export_journal(
    connection: Connection,
    write: Write,
    choix: Choix = Choix(),  # noqa: B008 - immutable
    format_: str = "hledger",
    progress: Progress = lambda _done, _total: None,
) -> Exportation:
    """Give `write` what the connection sees of the chosen journal, piece by piece.

    The connection comes from `Database.snapshot`. Memory grows with accounts (clients, or the cards of
    one lot), never with operations. `progress` is told the rows read and their total. The same
    journal gives the same text. Raises Inconnu, before anything is written.
    """
    entete = _find_entete(connection, choix)
    redaction = REDACTIONS[format_](par_carte=choix.par_carte)
    write(redaction.head(entete))
    chosen = and_(_chosen(choix), *_since(choix.debut), *_until(choix.fin))
    todo = [select(func.count()).select_from(comptes)]
    todo += [select(func.count()).select_from(operations).where(chosen)]
    tell = _Counter(progress, sum(connection.execute(one).scalar_one() for one in todo))
    with ExitStack() as stack:
        opening, closing = (
            stack.enter_context(
                tempfile.SpooledTemporaryFile(_EN_MEMOIRE, "w+", encoding="utf-8", newline="")
            )
            for _ in range(2)
        )
        accounts = soldes = 0
        for period in _read_periods(connection, choix, tell.count):
            write(redaction.account(period.compte, entete))
            accounts += 1
            if period.ouverture:
                opening.write(redaction.opening(period.compte, period.ouverture, entete))
            if period.whole:
                closing.write(redaction.solde(period.compte, period.cloture, entete))
                soldes += 1
        _append(opening, write, redaction.opening_head(entete))
        written = 0
        for _, lines in groupby(
            _stream(connection, _MOUVEMENTS.where(chosen)), key=lambda row: row.id
        ):
            write(redaction.mouvement(_read_mouvement(list(lines))))
            written += 1
            tell.count()
        _append(closing, write, redaction.soldes_head(entete))
    exported = Exportation(written, accounts, soldes)
    # Without it a file cut off before the assertions would pass for a whole one.
    write(redaction.end(*exported))
    return exported


def _append(spool: IO[str], write: Write, head: str) -> None:
    """Write what waited, after its head, or nothing when nothing waited."""
    if spool.tell() == 0:
        return
    spool.seek(0)
    write(head)
    while piece := spool.read(1 << 16):
        write(piece)


class _Counter:
    """Tells how far the reading is, once per lot."""

    def __init__(self, progress: Progress, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def count(self) -> None:
        self._done += 1
        if self._done % LOT == 0:
            self._progress(self._done, self._total)
