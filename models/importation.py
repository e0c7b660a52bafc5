"""Import of clients, members and cards from a CSV file: one transaction, batches, bounded memory.

A line of the file is one record, because no field may hold a line break. So a quote that is never
closed spoils its own line only, and a fault is always named by its physical line.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    MetaData,
    Row,
    String,
    Table,
    and_,
    select,
)

from models.base import SOLDE_MAXIMAL, now, today
from models.bulk import analyse_tables, insert_rows, keys_table, keys_values
from models.carte import ACTIVE, ANNULEE, OPPOSITION, cartes
from models.client import clients
from models.compte import comptes
from models.db import Database
from models.journal import NouvelleCarte, ecritures, find_ouverture, open_cartes
from models.membre import membres
from models.operation import operations

COLUMNS = (
    "clientId",
    "clientNom",
    "membreId",
    "nom",
    "prenom",
    "email",
    "telephone",
    "numeroPiece",
    "dateNaissance",
    "numeroCarte",
    "finValidite",
    "statut",
    "solde",
)
"""The header, exactly and in this order."""

LIGNE_MAXIMALE = 16_384
"""Longest line in bytes: longer than any row whose fields have their greatest length."""

LOT = 2_000
"""Rows that are checked and written together."""

_BOM = b"\xef\xbb\xbf"
_LOCK = 0x494D504F5254  # "IMPORT": PostgreSQL's advisory lock of a running import.


class ImportationRefusee(Exception):
    """A row, or the file, cannot be imported: physical line, column ("" for the whole line), why."""

    def __init__(self, ligne: int, colonne: str, motif: str) -> None:
        where = f"line {ligne}, column {colonne}" if colonne else f"line {ligne}"
        super().__init__(f"{where}: {motif}.")
        self.ligne = ligne
        self.colonne = colonne
        self.motif = motif


class Rejet(NamedTuple):
    """A row left out: its cells as read (the whole line in one when it has no 13 cells), and why."""

    cellules: list[str]
    ligne: int
    colonne: str
    motif: str


class Bilan(NamedTuple):
    """What an import did. Counts are of cards, but for clients and membres; `duree_s` in seconds."""

    creees: int
    inchangees: int
    rejetees: int
    clients_crees: int
    membres_crees: int
    duree_s: float

    @property
    def lignes(self) -> int:
        """Rows read."""
        return self.creees + self.inchangees + self.rejetees


class _Membre(NamedTuple):
    wallet_id: str
    nom: str
    prenom: str
    email: str
    telephone: str
    numero_piece: str
    date_naissance: date | None


class _Row(NamedTuple):
    """A valid row, and the cells it came from."""

    ligne: int
    cellules: list[str]
    client_nom: str
    membre: _Membre
    carte: NouvelleCarte


class _Known(NamedTuple):
    """A card that exists, or that an earlier row created. `ligne` is that of the file's own row."""

    client_id: str
    membre_id: str
    fin_validite: date
    statut: str
    solde: int | None
    ligne: int | None


def import_cartes(
    database: Database,
    source: BinaryIO,
    *,
    reject: Callable[[Rejet], None] | None = None,
    progress: Callable[[int], None] = lambda _: None,
    waiting: Callable[[], None] = lambda: None,
) -> Bilan:
    """Import a whole CSV file in one transaction; an identical row that is already there is nothing.

    Without `reject` the first bad row raises ImportationRefusee and nothing is changed. With it,
    bad rows are given to it and the others are imported. `progress` is told the bytes read so far.
    A wrong header always raises ImportationRefusee. Soldes of existing cards are left as they are.
    `waiting` is told when another import runs; raises OccupiedError when that one does not end.
    """
    started = time.monotonic()
    with database.exclusive(_LOCK, waiting=waiting) as session:
        _prepare(session)
        importation = _Importation(session, reject)
        for rows, position in _read_batches(source):
            importation.add(rows)
            progress(position)
        _vues.drop(session)
    return Bilan(
        importation.creees,
        importation.inchangees,
        importation.rejetees,
        importation.clients_crees,
        importation.membres_crees,
        time.monotonic() - started,
    )


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


class _BadRow(Exception):
    """Why a row is refused, before its line is known."""

    def __init__(self, colonne: str, motif: str, cellules: list[str] | None = None) -> None:
        super().__init__(colonne, motif)
        self.colonne = colonne
        self.motif = motif
        self.cellules = cellules


def _read_batches(source: BinaryIO) -> Iterator[tuple[list[_Row | Rejet], int]]:
    """Rows by batches, in the file's order, with the bytes read so far."""
    batch: list[_Row | Rejet] = []
    position = 0
    day = today()
    for ligne, size, raw in _read_lines(source):
        position += size
        if ligne == 1:
            _check_header(raw.removeprefix(_BOM))
            continue
        if not raw:
            continue
        try:
            batch.append(_parse_row(ligne, raw, day))
        except _BadRow as bad:
            cells = bad.cellules or [raw.decode("utf-8", "backslashreplace")]
            batch.append(Rejet(cells, ligne, bad.colonne, bad.motif))
        if len(batch) == LOT:
            yield batch, position
            batch = []
    if position == 0:
        raise ImportationRefusee(1, "", "the file is empty; its first line must be the header")
    yield batch, position


def _read_lines(source: BinaryIO) -> Iterator[tuple[int, int, bytes]]:
    """Number, size and content of each line; the content of one too long is cut."""
    ligne = 0
    while raw := source.readline(LIGNE_MAXIMALE + 2):
        ligne += 1
        size = len(raw)
        last = raw
        while not last.endswith(b"\n") and len(last) == LIGNE_MAXIMALE + 2:
            last = source.readline(LIGNE_MAXIMALE + 2)
            size += len(last)
        yield ligne, size, raw.removesuffix(b"\n").removesuffix(b"\r")


def _check_header(raw: bytes) -> None:
    cells = raw[:LIGNE_MAXIMALE].decode("utf-8", "replace").split(",")
    if cells == list(COLUMNS):
        return
    expected = f"the header must be exactly {','.join(COLUMNS)}"
    for column, cell in zip(COLUMNS, cells, strict=False):
        if cell != column:
            raise ImportationRefusee(1, column, f"{expected}; found {cell[:40]!r} there")
    raise ImportationRefusee(
        1, "", f"{expected}; found {len(cells)} columns instead of {len(COLUMNS)}"
    )


def _parse_row(ligne: int, raw: bytes, day: date) -> _Row:
    if len(raw) > LIGNE_MAXIMALE:
        cut = [raw[:LIGNE_MAXIMALE].decode("utf-8", "backslashreplace")]
        raise _BadRow("", f"the line is longer than {LIGNE_MAXIMALE} bytes", cut)
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        raise _BadRow(_column_at(before.count(",")), "this is not UTF-8 text") from None
    cells = _split_quoted(line) if '"' in line else line.split(",")
    if len(cells) != len(COLUMNS):
        raise _BadRow("", f"{len(cells)} columns instead of {len(COLUMNS)}")
    try:
        return _check_row(ligne, cells, day)
    except _BadRow as bad:
        bad.cellules = cells
        raise


_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|$)')


def _split_quoted(line: str) -> list[str]:
    cells: list[str] = []
    at = 0
    while True:
        found = _CELL.match(line, at)
        if found is None:
            raise _BadRow(
                _column_at(len(cells)),
                "a quote is not closed, or stands inside a field; write a field that holds one"
                ' as "a ""b"" c"',
            )
        quoted, plain, end = found.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if not end:
            return cells


def _column_at(position: int) -> str:
    return COLUMNS[min(position, len(COLUMNS) - 1)]


# ── checking ─────────────────────────────────────────────────────────────────────────────────────

_IDENTIFIANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_TELEPHONE = re.compile(r"[+]?[0-9]{6,15}")
_NUMERO_CARTE = re.compile(r"[0-9]{12,19}")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+")
_JOUR = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_SOLDE = re.compile(r"[0-9]{1,16}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_STATUTS = (ACTIVE, OPPOSITION, ANNULEE)
_AN_MINIMAL = 1900


def _check_row(ligne: int, cells: list[str], day: date) -> _Row:
    """The row of 13 cells, each checked by the contract's own patterns and the columns' lengths."""
    (
        client_id,
        client_nom,
        membre_id,
        nom,
        prenom,
        email,
        telephone,
        numero_piece,
        date_naissance,
        numero_carte,
        fin_validite,
        statut,
        solde,
    ) = cells
    _check_pattern("clientId", client_id, _IDENTIFIANT, "1 to 32 of A-Z a-z 0-9 . _ -")
    _check_text("clientNom", client_nom, 200)
    if not client_nom.strip():
        raise _BadRow("clientNom", "it must not be empty")
    _check_pattern("membreId", membre_id, _IDENTIFIANT, "1 to 32 of A-Z a-z 0-9 . _ -")
    _check_text("nom", nom, 200)
    _check_text("prenom", prenom, 200)
    _check_text("email", email, 254)
    if email:
        _check_pattern("email", email, _EMAIL, "empty or an e-mail address")
    _check_pattern(
        "telephone", telephone, _TELEPHONE, "6 to 15 digits, with or without a leading +"
    )
    _check_text("numeroPiece", numero_piece, 64)
    naissance = _parse_jour("dateNaissance", date_naissance) if date_naissance else None
    if naissance is not None and naissance > day:
        raise _BadRow("dateNaissance", "it is in the future")
    _check_pattern("numeroCarte", numero_carte, _NUMERO_CARTE, "12 to 19 digits")
    validite = _parse_jour("finValidite", fin_validite)
    if statut not in _STATUTS:
        raise _BadRow("statut", f"it must be one of {', '.join(_STATUTS)}")
    if not _SOLDE.fullmatch(solde) or int(solde) > SOLDE_MAXIMAL:
        raise _BadRow("solde", f"it must be an integer of francs from 0 to {SOLDE_MAXIMAL}")
    return _Row(
        ligne,
        cells,
        client_nom,
        _Membre(telephone, nom, prenom, email, telephone, numero_piece, naissance),
        NouvelleCarte(numero_carte, client_id, membre_id, validite, statut, int(solde)),
    )


def _check_pattern(column: str, value: str, pattern: re.Pattern[str], expected: str) -> None:
    if not pattern.fullmatch(value):
        raise _BadRow(column, f"it must be {expected}")


def _check_text(column: str, value: str, longest: int) -> None:
    if len(value) > longest:
        raise _BadRow(column, f"it has {len(value)} characters; {longest} is the most")
    if _CONTROL.search(value):
        raise _BadRow(column, "it holds a control character")


def _parse_jour(column: str, value: str) -> date:
    day = _read_jour(value)
    if day is None:
        raise _BadRow(column, f"it must be a day dd/MM/yyyy that exists, from 01/01/{_AN_MINIMAL}")
    return day


@lru_cache(maxsize=8192)
def _read_jour(value: str) -> date | None:
    found = _JOUR.fullmatch(value)
    if found is None or int(found[3]) < _AN_MINIMAL:
        return None
    try:
        return date(int(found[3]), int(found[2]), int(found[1]))
    except ValueError:
        return None


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def _vues_table(*prefixes: str) -> Table:
    """What the file itself said of each card: two rows of one card must agree on the solde too."""
    return Table(
        "importation_vues",
        MetaData(),
        Column("numero_carte", String(19), primary_key=True),
        Column("ligne", BigInteger, nullable=False),
        Column("solde", BigInteger, nullable=False),
        prefixes=list(prefixes),
    )


_vues = _vues_table()


def _prepare(session: Connection) -> None:
    if session.dialect.name == "postgresql":
        _vues_table("TEMPORARY").create(session)
    else:
        # Many builds of SQLite keep temporary tables in memory. This one is dropped before the
        # commit, so nobody else ever sees it.
        _vues.create(session)


class _Importation:
    """One running import: its counts, and the batch being judged against what exists.

    A row counts for the rows after it as soon as it is accepted, so that the first one wins.
    """

    def __init__(self, session: Connection, reject: Callable[[Rejet], None] | None) -> None:
        self._session = session
        self._reject = reject
        self._contra = find_ouverture(session)
        self._date_solde = now()
        self._analysed = False
        self._clients: dict[str, str] = {}
        self._membres: dict[tuple[str, str], _Membre] = {}
        self._cartes: dict[str, _Known] = {}
        self.creees = self.inchangees = self.rejetees = 0
        self.clients_crees = self.membres_crees = 0

    def add(self, batch: list[_Row | Rejet]) -> None:
        """Judge a batch, row after row, then write what is new of it.

        Raises ImportationRefusee at the first bad row when nobody takes bad rows.
        """
        self._load_known([row for row in batch if isinstance(row, _Row)])
        known_clients, known_membres = set(self._clients), set(self._membres)
        nouvelles: list[NouvelleCarte] = []
        vues: list[tuple[str, int, int]] = []
        for row in batch:
            if isinstance(row, Rejet):
                self._refuse(row)
            elif (fault := self._find_fault(row)) is not None:
                self._refuse(Rejet(row.cellules, row.ligne, *fault))
            else:
                self._accept(row, nouvelles, vues)
        self._write(
            [one for one in self._clients.items() if one[0] not in known_clients],
            [one for one in self._membres.items() if one[0] not in known_membres],
            nouvelles,
        )
        insert_rows(self._session, _vues, ("numero_carte", "ligne", "solde"), vues)

    def _refuse(self, rejet: Rejet) -> None:
        if self._reject is None:
            raise ImportationRefusee(rejet.ligne, rejet.colonne, rejet.motif)
        self.rejetees += 1
        self._reject(rejet)

    def _accept(
        self, row: _Row, nouvelles: list[NouvelleCarte], vues: list[tuple[str, int, int]]
    ) -> None:
        carte = row.carte
        known = self._cartes.get(carte.numero_carte)
        if known is None:
            nouvelles.append(carte)
            self._clients[carte.client_id] = row.client_nom
            self._membres[carte.client_id, carte.membre_id] = row.membre
        else:
            self.inchangees += 1
        if known is None or known.ligne is None:
            vues.append((carte.numero_carte, row.ligne, carte.solde))
            self._cartes[carte.numero_carte] = _Known(*carte[1:], row.ligne)

    def _find_fault(self, row: _Row) -> tuple[str, str] | None:
        """The column in which the row contradicts what is known, and how."""
        carte = row.carte
        if self._clients.get(carte.client_id, row.client_nom) != row.client_nom:
            return "clientNom", f"the client {carte.client_id} is already known by another name"
        membre = self._membres.get((carte.client_id, carte.membre_id), row.membre)
        if membre != row.membre:
            column = _differing_column(row.membre, membre)
            who = f"the membre {carte.membre_id} of {carte.client_id}"
            return column, f"{who} is already known with another {column}"
        known = self._cartes.get(carte.numero_carte)
        return None if known is None else _find_carte_fault(carte, known)

    def _write(
        self,
        new_clients: list[tuple[str, str]],
        new_membres: list[tuple[tuple[str, str], _Membre]],
        nouvelles: list[NouvelleCarte],
    ) -> None:
        session = self._session
        insert_rows(session, clients, ("client_id", "nom"), new_clients)
        insert_rows(
            session,
            membres,
            ("client_id", "membre_id", *_Membre._fields),
            [(*key, *membre) for key, membre in new_membres],
        )
        open_cartes(session, nouvelles, contra=self._contra, date_solde=self._date_solde)
        self.clients_crees += len(new_clients)
        self.membres_crees += len(new_membres)
        self.creees += len(nouvelles)
        if nouvelles and not self._analysed:
            analyse_tables(session, (clients, membres, comptes, cartes, operations, ecritures))
            self._analysed = True

    def _load_known(self, rows: list[_Row]) -> None:
        """Read what the database holds of the batch's clients, members and cards."""
        cartes_ = [row.carte for row in rows]
        self._clients = {
            row.client_id: row.nom
            for row in self._look_up(
                clients, {(carte.client_id,) for carte in cartes_}, (clients.c.nom,)
            )
        }
        self._membres = {
            (row.client_id, row.membre_id): _Membre._make(row[2:])
            for row in self._look_up(
                membres,
                {(carte.client_id, carte.membre_id) for carte in cartes_},
                [membres.c[name] for name in _Membre._fields],
            )
        }
        numeros = {(carte.numero_carte,) for carte in cartes_}
        vues = {row.numero_carte: row[1:] for row in self._look_up(_vues, numeros, _VUE)}
        self._cartes = {
            row.numero_carte: _Known(*row[1:], *vues.get(row.numero_carte, (None, None)))
            for row in self._look_up(cartes, numeros, _CARTE)
        }

    def _look_up(
        self, table: Table, keys: Collection[tuple[str, ...]], columns: Sequence[Column[Any]]
    ) -> Iterator[Row[Any]]:
        """The rows of the given keys: first the key's columns, then the others asked for."""
        names = _KEYS[table.name]
        wanted = keys_table(self._session, names)
        found = select(*(table.c[name] for name in names), *columns).join_from(
            wanted, table, and_(*(table.c[name] == wanted.c[name] for name in names))
        )
        yield from self._session.execute(found, keys_values(self._session, names, list(keys)))


_KEYS = {
    "clients": ("client_id",),
    "membres": ("client_id", "membre_id"),
    "cartes": ("numero_carte",),
    _vues.name: ("numero_carte",),
}
_VUE = (_vues.c.solde, _vues.c.ligne)
_CARTE = (cartes.c.client_id, cartes.c.membre_id, cartes.c.fin_validite, cartes.c.statut)


def _differing_column(ours: _Membre, theirs: _Membre) -> str:
    columns = ("telephone", "nom", "prenom", "email", "telephone", "numeroPiece", "dateNaissance")
    return next(
        column for column, one, other in zip(columns, ours, theirs, strict=True) if one != other
    )


def _find_carte_fault(carte: NouvelleCarte, known: _Known) -> tuple[str, str] | None:
    where = "" if known.ligne is None else f" by line {known.ligne}"
    if (carte.client_id, carte.membre_id) != (known.client_id, known.membre_id):
        return "numeroCarte", f"the card is already given{where} to another client or membre"
    if carte.fin_validite != known.fin_validite:
        return "finValidite", f"the card is already known{where} with another finValidite"
    if carte.statut != known.statut:
        return "statut", f"the card is already known{where} as {known.statut}"
    if known.solde is not None and carte.solde != known.solde:
        return "solde", f"the card is already known{where} with another solde"
    return None
