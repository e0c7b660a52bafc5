"""The whole journal as plain text that hledger (https://hledger.org) reads, checks and reports on.

Each operation becomes a transaction, each compte an account named by its id, and at the end each
card's solde is a balance assertion: a program that knows nothing of this one proves that every solde
is the sum of its ecritures. Text is ASCII, whatever partners and clients are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from itertools import groupby
from typing import Any, NamedTuple
from urllib.parse import quote

from sqlalchemy import Connection, Row, Select, func, select

from models.carte import cartes
from models.compte import CARTE, OUVERTURE, REGLEMENT, comptes
from models.journal import ecritures
from models.operation import CLOTURE, operations
from models.partenaire import partenaires

LOT = 2000
"""Rows held at once."""

_HEADER = """\
; The journal of CYNOD. Amounts are integers. A card's account is what CYNOD owes its holder, hence a
; liability: below zero. A reglement is what a partenaire owes CYNOD: what was credited through it less
; what was debited. Numbers in account names are ids of comptes; %XX in a tag is a byte in hexadecimal.
decimal-mark .
"""

_RACINES = {
    CARTE: "passif:cartes",
    REGLEMENT: "reglement:partenaire",
    OUVERTURE: "ouverture",
}
_CLASSES = (("passif", "L"), ("reglement", "A"), ("ouverture", "E"))

_debite = comptes.alias("debite")
_credite = comptes.alias("credite")
_origine = operations.alias("origine")

_UNITES = select(comptes.c.unite).distinct().order_by(comptes.c.unite)

_COMPTES: Select[Any] = (
    select(
        comptes.c.id,
        comptes.c.type,
        cartes.c.numero_carte,
        cartes.c.client_id,
        partenaires.c.consumer_key,
    )
    .select_from(comptes)
    .outerjoin(cartes, cartes.c.compte_id == comptes.c.id)
    .outerjoin(partenaires, partenaires.c.compte_id == comptes.c.id)
    .order_by(comptes.c.id)
)

_MOUVEMENTS: Select[Any] = (
    select(
        operations.c.id,
        operations.c.numero_operation,
        operations.c.type,
        operations.c.date_operation,
        operations.c.reference,
        partenaires.c.consumer_key,
        _origine.c.numero_operation.label("annulation_de"),
        ecritures.c.montant,
        ecritures.c.unite,
        ecritures.c.compte_debit,
        _debite.c.type.label("type_debit"),
        ecritures.c.compte_credit,
        _credite.c.type.label("type_credit"),
    )
    .select_from(operations)
    # What a damaged journal lacks must not hide what it has: nothing is lost by a join.
    .outerjoin(ecritures, ecritures.c.operation_id == operations.c.id)
    .outerjoin(partenaires, partenaires.c.id == operations.c.partenaire_id)
    .outerjoin(_origine, _origine.c.id == operations.c.annulation_de)
    .outerjoin(_debite, _debite.c.id == ecritures.c.compte_debit)
    .outerjoin(_credite, _credite.c.id == ecritures.c.compte_credit)
    .where(operations.c.type != CLOTURE)
    # Not by day, which hledger sorts by itself: SQLite sorts in memory, unless an index does.
    .order_by(operations.c.id, ecritures.c.id)
)

_SOLDES: Select[Any] = (
    select(cartes.c.compte_id, comptes.c.type, cartes.c.solde, cartes.c.unite)
    .select_from(cartes)
    .outerjoin(comptes, comptes.c.id == cartes.c.compte_id)
    .order_by(cartes.c.compte_id)
)


class Exportation(NamedTuple):
    """How many operations were written, and how many cards' soldes asserted."""

    operations: int
    cartes: int


def export_journal(
    session: Connection,
    write: Callable[[str], object],
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Exportation:
    """Give `write` the journal that the session sees, piece by piece; memory does not grow with it.

    The session comes from `Database.snapshot`. `progress` is told the rows written and their total. The
    same journal gives the same text.
    """
    total = (
        session.execute(
            select(func.count()).select_from(operations).where(operations.c.type != CLOTURE)
        ).scalar_one()
        + session.execute(select(func.count()).select_from(cartes)).scalar_one()
    )
    write(_HEADER)
    for unite in session.scalars(_UNITES).all():
        write(f"commodity 1000. {_commodity(unite)}\n")
    _write_comptes(session, write)
    written = _write_operations(session, write, lambda done: progress(done, total))
    soldes = _write_soldes(session, write, lambda done: progress(written + done, total))
    # Without it a file cut off before the assertions would pass for a whole one.
    write(f"\n; End: {written} operations, {soldes} soldes.\n")
    return Exportation(written, soldes)


def _write_comptes(session: Connection, write: Callable[[str], object]) -> None:
    write("".join(f"account {name}  ; type:{class_}\n" for name, class_ in _CLASSES))
    for row in _stream(session, _COMPTES):
        tags = []
        if row.numero_carte is not None:
            tags += [f"carte:{mask(row.numero_carte)}", f"client:{_tag(row.client_id)}"]
        if row.consumer_key is not None:
            tags.append(f"partenaire:{_tag(row.consumer_key)}")
        write(f"account {_account(row.id, row.type)}{_comment(tags)}\n")


def _write_operations(
    session: Connection, write: Callable[[str], object], progress: Callable[[int], None]
) -> int:
    written = 0
    for _, lines in groupby(_stream(session, _MOUVEMENTS), key=lambda row: row.id):
        write(_transaction(list(lines)))
        written += 1
        if written % LOT == 0:
            progress(written)
    return written


def _transaction(lines: list[Row[Any]]) -> str:
    first = lines[0]
    instant: datetime = first.date_operation.astimezone(UTC)
    tags = [f"instant:{instant:%Y-%m-%dT%H:%M:%S.%fZ}"]
    if first.reference is not None:
        tags += [f"partenaire:{_tag(first.consumer_key)}", f"reference:{_tag(first.reference)}"]
    if first.annulation_de is not None:
        tags.append(f"annule:{first.annulation_de}")
    parts = [
        f"\n{instant:%Y-%m-%d} * ({first.numero_operation}) {first.type}{_comment(tags)}\n",
    ]
    for row in lines:
        if row.montant is not None:
            unite = _commodity(row.unite)
            parts.append(
                f"    {_account(row.compte_debit, row.type_debit)}  {row.montant} {unite}\n"
                f"    {_account(row.compte_credit, row.type_credit)}  {-row.montant} {unite}\n"
            )
    return "".join(parts)


def _write_soldes(
    session: Connection, write: Callable[[str], object], progress: Callable[[int], None]
) -> int:
    jour = _last_day(session)
    written = 0
    for row in _stream(session, _SOLDES):
        unite = _commodity(row.unite)
        write(
            f"\n{jour} * solde\n"
            f"    {_account(row.compte_id, row.type)}  0 {unite} == {-row.solde} {unite}\n"
        )
        written += 1
        if written % LOT == 0:
            progress(written)
    return written


def _last_day(session: Connection) -> date:
    """The day of the last operation: hledger judges assertions in the order of their days."""
    last: datetime | None = session.scalar(
        select(func.max(operations.c.date_operation)).where(operations.c.type != CLOTURE)
    ) or session.scalar(select(func.max(cartes.c.date_solde)))
    return (last or datetime(1970, 1, 1, tzinfo=UTC)).date()


def _stream(session: Connection, statement: Select[Any]) -> Iterable[Row[Any]]:
    return session.execution_options(stream_results=True).execute(statement).yield_per(LOT)


def _account(compte_id: int, type_: str | None) -> str:
    # An account that was never declared: hledger's strict check stops at it.
    racine = "inconnu" if type_ is None else _RACINES[type_]
    return f"{racine}:{compte_id:06d}"


def _commodity(unite: str) -> str:
    return unite if unite.isascii() and unite.isalpha() else f'"{_tag(unite)}"'


def _comment(tags: list[str]) -> str:
    return f"  ; {', '.join(tags)}" if tags else ""


def _tag(value: str | None) -> str:
    """A text that ends no tag, opens no other and is ASCII."""
    return quote(value or "", safe=":")


def mask(numero_carte: str) -> str:
    """The first six and the last four digits of a card number, and stars between."""
    return f"{numero_carte[:6]}******{numero_carte[-4:]}"
