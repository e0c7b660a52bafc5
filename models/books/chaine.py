"""The whole audit at once: its chain proved, its rows exported."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    String,
    and_,
    bindparam,
    case,
    func,
    or_,
    select,
    type_coerce,
)

from models.audit import (
    NAMES,
    PREMIERE,
    Tete,
    audit,
    audit_tete,
    describe,
    find_tete,
    hash_row,
)
from models.base import canonical_json
from models.books.redaction.tableur import MARK, write_cells
from models.database.raw import as_stored
from models.database.waiting import pause
from models.errors import ParametreInvalide

LOT = 2_000
"""Rows held at once."""

_BEFORE_ALL = -(2**63)

_NO_END = "audit_tete holds no row, which says where the chain ends"

Write = Callable[[str], object]
Progress = Callable[[int, int], None]


def _nothing(_done: int, _total: int) -> None:
    """Nobody wants to know."""


class Rupture(NamedTuple):
    """Where the chain breaks first, None for somewhere, and what is wrong there."""

    position: int | None
    motif: str


class Verification(NamedTuple):
    """What was proved: rows that hold, their first and last position, the first break, the chain's end."""

    lignes: int
    premiere: int | None
    derniere: int | None
    rupture: Rupture | None
    tete: Tete | None


# ── proving ──────────────────────────────────────────────────────────────────────────────────────
def verify_chaine(
    connection: Connection, progress: Progress = _nothing, *, kept: str | None = None
) -> Verification:
    """Compute the chain again, row by row, to its end or to its first break.

    `kept` is an empreinte that somebody noted: the chain must have it still. Reads by lots, so that neither
    memory nor a snapshot grows with the audit; rows that are written meanwhile are proved too. `progress` is
    told the last position done and the end's.
    """
    fold = _Fold(kept)
    with as_stored(connection):
        tete = find_tete(connection)
        rupture: Rupture | None = None
        while rupture is None:
            if tete is None:
                rupture = Rupture(None, _NO_END)
                break
            rupture = _prove_to(connection, fold, tete, progress)
            proved, (tete, behind) = tete, _find_end(connection)
            if tete == proved:
                rupture = rupture or behind
                break
    if rupture is None and not fold.found:
        rupture = Rupture(
            None,
            "no row has the empreinte that was kept: the chain was written again, or the database"
            " restored to a point before that row",
        )
    derniere = fold.tete.position or None
    return Verification(fold.lignes, fold.premiere, derniere, rupture, tete)


PART = 20_000
"""Rows that one call proves at most, in a second or two."""

_STEP = 200
"""Rows after which other calls have their turn."""


def verify_part(
    connection: Connection, *, depuis: int = 1, jusqua: int | None = None, most: int = PART
) -> Verification:
    """Compute the chain again from one position to another, of which `most` rows.

    The row before the first one is believed. Whoever proves all of it in parts begins each behind the last
    row of the one before; `tete` is the end of the whole chain. Raises ParametreInvalide when it would end
    before it begins.
    """
    if jusqua is not None and jusqua < depuis:
        raise ParametreInvalide("jusqua")
    with as_stored(connection):
        tete, behind = _find_end(connection)
        if tete is None:
            return Verification(0, None, None, Rupture(None, _NO_END), None)
        before = _read_before(connection, depuis)
        last = min(tete.position, depuis + most - 1, jusqua or tete.position)
        if before is None:
            missing = Rupture(depuis - 1, "the row is missing") if depuis <= last else None
            return Verification(0, None, None, missing, tete)
        fold = _Fold(None, before)
        rupture: Rupture | None = None
        for row in _read_lots(connection, before.position, last):
            rupture = fold.add(row)
            if rupture is not None:
                break
            if fold.lignes % _STEP == 0:
                pause(0)
        if rupture is None and fold.tete.position < last:
            rupture = Rupture(fold.tete.position + 1, f"the rows are missing to {last}")
        if rupture is None and last == tete.position:
            rupture = fold.check_end(tete) or behind
    derniere = fold.tete.position if fold.lignes else None
    return Verification(fold.lignes, fold.premiere, derniere, rupture, tete)


def _read_before(connection: Connection, position: int) -> Tete | None:
    """The row behind which a part begins."""
    if position == 1:
        return Tete(0, PREMIERE)
    found = select(audit.c.position, audit.c.empreinte).where(audit.c.position == position - 1)
    row = connection.execute(found).first()
    return None if row is None else Tete._make(row)


def _prove_to(
    connection: Connection, fold: _Fold, tete: Tete, progress: Progress
) -> Rupture | None:
    """Compute what follows to this end: the first break."""
    for row in _read_lots(connection, fold.tete.position or _BEFORE_ALL, tete.position):
        rupture = fold.add(row)
        if rupture is not None:
            return rupture
        if fold.lignes % LOT == 0:
            progress(fold.tete.position, tete.position)
    return fold.check_end(tete)


class _Fold:
    """The chain as far as it was computed."""

    def __init__(self, kept: str | None, after: Tete = Tete(0, PREMIERE)) -> None:  # noqa: B008 - immutable
        self._kept = kept
        self.tete = after
        self.lignes = 0
        self.premiere: int | None = None
        self.found = kept in (None, PREMIERE)

    def add(self, row: Mapping[str, Any]) -> Rupture | None:
        """Compute one row: what breaks there."""
        position, expected = row["position"], self.tete.position + 1
        if position < expected:
            return Rupture(position, "the row stands before the first")
        if position > expected:
            return Rupture(expected, f"the row is missing: {position} comes next")
        if row["empreinte_precedente"] != self.tete.empreinte:
            return Rupture(position, "empreintePrecedente is not the empreinte of the row before")
        try:
            if row["empreinte"] != hash_row(row):
                return Rupture(
                    position, "empreinte is not that of what the row holds: it was changed"
                )
        except ValueError as error:
            unreadable = isinstance(error, UnicodeError)
            return Rupture(position, "a column holds what is no text" if unreadable else str(error))
        self.tete = Tete(position, row["empreinte"])
        self.lignes += 1
        self.premiere = self.premiere or position
        self.found = self.found or self.tete.empreinte == self._kept
        return None

    def check_end(self, tete: Tete) -> Rupture | None:
        """What breaks between the last row and the end that is kept beside the rows."""
        if self.tete.position < tete.position:
            return Rupture(
                self.tete.position + 1, f"the rows are missing to the end, {tete.position}"
            )
        if self.tete != tete:
            return Rupture(
                tete.position, "the end of the chain has not the empreinte of the last row"
            )
        return None


def _find_end(connection: Connection) -> tuple[Tete | None, Rupture | None]:
    """The end, and what breaks when rows stand behind it: read at one instant, as both move together."""
    last = select(func.max(audit.c.position)).scalar_subquery()
    row = connection.execute(select(audit_tete.c.position, audit_tete.c.empreinte, last)).first()
    if row is None:
        return None, None
    tete = Tete(row[0], row[1])
    behind = row[2] is not None and row[2] > tete.position
    motif = f"the row stands behind the end, {tete.position}"
    return tete, Rupture(tete.position + 1, motif) if behind else None


def _read_lots(connection: Connection, after: int, last: int) -> Iterator[Mapping[str, Any]]:
    names = list(NAMES)
    statement = (
        select(*_columns(connection.dialect.name))
        .where(audit.c.position > bindparam("apres_la"), audit.c.position <= last)
        .order_by(audit.c.position)
        .limit(LOT)
    )
    while rows := connection.execute(statement, {"apres_la": after}).all():
        for row in rows:
            yield dict(zip(names, row, strict=True))
        after = rows[-1][0]


def _columns(dialect: str) -> list[ColumnElement[Any]]:
    """The columns with the date as the text that is hashed, whatever stands there."""
    return [_date(dialect) if column is audit.c.date else column for column in audit.c]


def _date(dialect: str) -> ColumnElement[Any]:
    if dialect == "postgresql":
        written = func.to_char(
            func.timezone("UTC", audit.c.date), 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"', type_=String
        )
        first = datetime(1, 1, 1, tzinfo=UTC)
        return case((audit.c.date < first, written + " BC"), else_=written).label("date")
    stored = type_coerce(audit.c.date, String)
    hashed = func.substr(stored, 1, 10) + "T" + func.substr(stored, 12) + "Z"
    # The form that the column's type writes, and no other, is made the form that is hashed.
    return case((func.substr(stored, 11, 1) == " ", hashed), else_="? " + stored).label("date")


# ── exporting ────────────────────────────────────────────────────────────────────────────────────
class Choix(NamedTuple):
    """What is asked for: days, both included, in UTC; an objet and what is of it; an acteur."""

    debut: date | None = None
    fin: date | None = None
    objet_id: str | None = None
    acteur_type: str | None = None
    acteur_id: str | None = None


def export_audit(
    connection: Connection,
    write: Write,
    choix: Choix = Choix(),  # noqa: B008 - immutable
    format_: str = "csv",
    progress: Progress = _nothing,
) -> int:
    """Give `write` the chosen rows in their order, piece by piece; how many there were.

    The connection comes from `Database.snapshot`. A line of `jsonl` is the very text that is hashed, with
    the empreinte beside the rest of it.
    """
    chosen = _chosen(choix)
    total = connection.execute(select(func.count()).select_from(audit).where(chosen)).scalar_one()
    head, line = _FORMATS[format_]
    write(head)
    done = 0
    with as_stored(connection):
        for row in _stream(connection, chosen):
            write(line(_say(row)))
            done += 1
            if done % LOT == 0:
                progress(done, total)
    return done


def _chosen(choix: Choix) -> ColumnElement[bool]:
    rules: list[ColumnElement[bool]] = [audit.c.position.is_not(None)]
    if choix.debut is not None:
        rules.append(audit.c.date >= _start(choix.debut))
    if choix.fin is not None and choix.fin != date.max:
        rules.append(audit.c.date < _start(choix.fin + timedelta(days=1)))
    if choix.objet_id is not None:
        of_it = f"{choix.objet_id}:"
        begins = func.substr(audit.c.objet_id, 1, len(of_it)) == of_it
        rules.append(or_(audit.c.objet_id == choix.objet_id, begins))
    if choix.acteur_type is not None:
        rules.append(audit.c.acteur_type == choix.acteur_type)
    if choix.acteur_id is not None:
        rules.append(audit.c.acteur_id == choix.acteur_id)
    return and_(*rules)


def _start(jour: date) -> datetime:
    return datetime(jour.year, jour.month, jour.day, tzinfo=UTC)


def _stream(connection: Connection, chosen: ColumnElement[bool]) -> Iterator[Mapping[str, Any]]:
    names = list(NAMES)
    asked: Select[Any] = select(*_columns(connection.dialect.name)).where(chosen)
    rows = connection.execution_options(stream_results=True).execute(
        asked.order_by(audit.c.position)
    )
    for row in rows.yield_per(LOT):
        yield dict(zip(names, row, strict=True))


def _say(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as JSON; of a damaged one its columns as they are: an export hides nothing."""
    try:
        "".join(value for value in row.values() if isinstance(value, str)).encode()
        return describe(row)
    except ValueError:  # a text that is none too
        return {NAMES[name]: _plain(value) for name, value in row.items()}


def _plain(value: object) -> object:
    if isinstance(value, str):
        value = value.encode("utf-8", "surrogateescape")
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


def _write_csv(said: Mapping[str, Any]) -> str:
    return write_cells(
        canonical_json(value) if isinstance(value, dict | bool) else value
        for value in said.values()
    )


def _write_json(said: Mapping[str, Any]) -> str:
    return f"{canonical_json(said)}\n"


_FORMATS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "csv": (MARK + write_cells(NAMES.values()), _write_csv),
    "jsonl": ("", _write_json),
}

FORMATS = tuple(_FORMATS)
