"""Import of clients, members and cards from a CSV file: one transaction, batches, bounded memory."""

from __future__ import annotations

import contextlib
import hashlib
import re
import time
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, BinaryIO, NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Row,
    String,
    Table,
    and_,
    func,
    select,
)

from models.audit import Acteur, Objet, record
from models.base import SOLDE_MAXIMAL, now, today
from models.books.rows import (
    COLUMNS,
    LIGNE_MAXIMALE,
    BadRow,
    ImportationRefusee,
    Ligne,
    Rejected,
    Source,
    read_rows,
)
from models.carte import ACTIVE, ANNULEE, OPPOSITION, cartes
from models.client import CLOS, Client, Nombres, clients, count_up, create_clients
from models.compte import comptes
from models.database.bulk import (
    analyse_tables,
    insert_rows,
    keys_table,
    keys_values,
)
from models.database.engine import Database
from models.journal.ecriture import ecritures
from models.journal.ouverture import NouvelleCarte, find_ouverture, open_cartes
from models.membre import ACTIF, Membre, create_membres, membres
from models.motifs import IDENTIFIANT, NUMERO_CARTE, TELEPHONE
from models.operation import OUVERTURE, operations
from models.reseau import count_clients, create_reseau
from models.telephone import Telephones

__all__ = [
    "COLUMNS",
    "LIGNE_MAXIMALE",
    "ImportationRefusee",
    "Rejected",
    "Summary",
    "import_cartes",
]

LOT = 2_000
"""Rows that are checked and written together."""

FAUTES_MONTREES = 20
"""Bad rows that a refusal names; it counts the others."""

_LOCK = 0x494D504F5254  # "IMPORT": PostgreSQL's advisory lock of a running import.


NON_PLACES_MONTRES = 20
"""Clients that were not placed and are named; the others are counted."""


class Summary(NamedTuple):
    """What an import did. Counts are of cards, but for clients and membres; `duree_s` in seconds.

    `reseau_cree`: whether the réseau was not there before. `non_places` counts the clients of the file that
    were known, and stay where they are: another réseau or none; `montres` are the first of them.
    """

    creees: int
    inchangees: int
    rejetees: int
    clients_crees: int
    membres_crees: int
    duree_s: float
    reseau_cree: bool = False
    non_places: int = 0
    montres: tuple[str, ...] = ()

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


class _ClientConnu(NamedTuple):
    """A client that exists, or that an earlier row created."""

    nom: str
    statut: str = ACTIF
    reseau_id: str | None = None


class _Known(NamedTuple):
    """A card that exists, or that an earlier row created: `ouverture` is the solde it was opened with,
    `ligne` that of the file's own row."""

    client_id: str
    membre_id: str
    fin_validite: date
    statut: str
    ouverture: int
    ligne: int | None


class _DryRunEnded(Exception):
    """All was judged and written; nothing of it is to stay."""


def import_cartes(
    database: Database,
    source: BinaryIO,
    acteur: Acteur,
    *,
    reject: Callable[[Rejected], None] | None = None,
    telephones: Telephones | None = None,
    reseau: str | None = None,
    last_row_unterminated: bool = False,
    dry_run: bool = False,
    progress: Callable[[int], None] = lambda _: None,
    waiting: Callable[[], None] = lambda: None,
    settle: Callable[[], None] = lambda: None,
) -> Summary:
    """Import a whole CSV file in one transaction; an identical row that is already there is nothing.

    Without `reject` a bad row raises ImportationRefusee, which names the first ones and counts all,
    and nothing is changed. With it, bad rows are given to it and the others are imported. A file
    without the header always raises ImportationRefusee. Soldes of existing cards are left as they are.

    New clients go into `reseau`, which is made when it is not there. Who is there already is not moved: that
    is asked and agreed to.

    A last row without a line break is a bad row, unless told otherwise. A `dry_run` judges all and
    changes nothing. `progress` is told the bytes read so far, `waiting` that another import runs;
    raises OccupiedError when that one does not end. `settle` is called when all is written and nothing
    is committed: what it raises undoes the import.

    The audit has one row for the file, under its SHA-256: whoever keeps the file can prove what came of it.
    """
    started = time.monotonic()
    telephones = telephones or Telephones()
    with (
        contextlib.suppress(_DryRunEnded),
        database.exclusive(_LOCK, waiting=waiting) as connection,
    ):
        _prepare(connection)
        importation = _Importation(connection, reject, telephones, reseau)
        read = _Hashed(source)
        batches = _read_batches(read, telephones, last_row_unterminated=last_row_unterminated)
        for rows, position in batches:
            importation.add(rows)
            progress(position)
        importation.end(acteur, read.empreinte)
        settle()
        if dry_run:
            raise _DryRunEnded
    return importation.sum_up(time.monotonic() - started)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


class _Hashed:
    """A file that knows the SHA-256 of what was read of it."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._read = hashlib.sha256()

    def readline(self, limit: int, /) -> bytes:
        """See Source."""
        raw = self._source.readline(limit)
        self._read.update(raw)
        return raw

    @property
    def empreinte(self) -> str:
        return self._read.hexdigest()


def _read_batches(
    source: Source, telephones: Telephones, *, last_row_unterminated: bool
) -> Iterator[tuple[list[_Row | Rejected], int]]:
    """Rows by batches, in the file's order, with the bytes read so far."""
    batch: list[_Row | Rejected] = []
    position = 0
    day = today()
    for row, position in read_rows(source, last_row_unterminated=last_row_unterminated):
        batch.append(row if isinstance(row, Rejected) else _judge(row, telephones, day))
        if len(batch) == LOT:
            yield batch, position
            batch = []
    yield batch, position


def _judge(row: Ligne, telephones: Telephones, day: date) -> _Row | Rejected:
    try:
        return _check_row(row, telephones, day)
    except BadRow as bad:
        return Rejected(row.cellules, row.ligne, bad.colonne, bad.motif)


# ── checking ─────────────────────────────────────────────────────────────────────────────────────

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+")
_JOUR = re.compile(r"([0-9]{2})/([0-9]{2})/([0-9]{4})")
_SOLDE = re.compile(r"[0-9]{1,16}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ROUNDED = re.compile(r"[0-9](?:[.,][0-9]+)?[Ee][+]?[0-9]+")
_INVISIBLE = ("Zs", "Cf")
"""Categories of characters that no screen shows."""
_STATUTS = (ACTIVE, OPPOSITION, ANNULEE)
_AN_MINIMAL = 1900


def _check_row(row: Ligne, telephones: Telephones, day: date) -> _Row:
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
    ) = row.cellules
    telephone = telephones.read(telephone)
    _check_pattern("clientId", client_id, IDENTIFIANT, "1 to 32 of A-Z a-z 0-9 . _ -")
    _check_text("clientNom", client_nom, 200)
    if not client_nom.strip():
        raise BadRow("clientNom", "it must not be empty")
    _check_pattern("membreId", membre_id, IDENTIFIANT, "1 to 32 of A-Z a-z 0-9 . _ -")
    _check_text("nom", nom, 200)
    _check_text("prenom", prenom, 200)
    _check_text("email", email, 254)
    if email:
        _check_pattern("email", email, _EMAIL, "empty or an e-mail address")
    _check_pattern("telephone", telephone, TELEPHONE, "6 to 15 digits, with or without a leading +")
    _check_text("numeroPiece", numero_piece, 64)
    naissance = _parse_jour("dateNaissance", date_naissance) if date_naissance else None
    if naissance is not None and naissance > day:
        raise BadRow("dateNaissance", "it is in the future")
    _check_pattern("numeroCarte", numero_carte, NUMERO_CARTE, "12 to 19 digits")
    validite = _parse_jour("finValidite", fin_validite)
    if statut not in _STATUTS:
        expected = f"it must be one of {', '.join(_STATUTS)}"
        raise BadRow("statut", f"{expected}{_hint(statut)}")
    if not _SOLDE.fullmatch(solde) or int(solde) > SOLDE_MAXIMAL:
        expected = f"it must be an integer of francs from 0 to {SOLDE_MAXIMAL}"
        raise BadRow("solde", f"{expected}{_hint(solde)}")
    return _Row(
        row.ligne,
        row.cellules,
        client_nom,
        _Membre(telephone, nom, prenom, email, telephone, numero_piece, naissance),
        NouvelleCarte(numero_carte, client_id, membre_id, validite, statut, int(solde)),
    )


def _check_pattern(column: str, value: str, pattern: re.Pattern[str], expected: str) -> None:
    if not pattern.fullmatch(value):
        raise BadRow(column, f"it must be {expected}{_hint(value)}")


def _hint(value: str) -> str:
    """What spreadsheets do to cells that look right to whoever saves them."""
    if _ROUNDED.fullmatch(value):
        return "; a spreadsheet has rounded it: make its column text before the file is opened"
    found = next((one for one in value if unicodedata.category(one) in _INVISIBLE), " ")
    return "" if found == " " else f"; it holds the invisible character U+{ord(found):04X}"


def _check_text(column: str, value: str, longest: int) -> None:
    if len(value) > longest:
        raise BadRow(column, f"it has {len(value)} characters; {longest} is the most")
    if _CONTROL.search(value):
        raise BadRow(column, "it holds a control character")


def _parse_jour(column: str, value: str) -> date:
    day = _read_jour(value)
    if day is None:
        expected = f"it must be a day dd/MM/yyyy that exists, from 01/01/{_AN_MINIMAL}"
        raise BadRow(column, f"{expected}{_hint(value)}")
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
    """Which line of the file itself spoke of each card first, for what is said of a later one."""
    return Table(
        "importation_vues",
        MetaData(),
        Column("numero_carte", String(19), primary_key=True),
        Column("ligne", BigInteger, nullable=False),
        prefixes=list(prefixes),
    )


_seen = _vues_table()


def _prepare(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        _vues_table("TEMPORARY").create(connection)
    else:
        # Many builds of SQLite keep temporary tables in memory. This one is dropped before the
        # commit, so nobody else ever sees it.
        _seen.create(connection)


class _Importation:
    """One running import: its counts, and the batch being judged against what exists.

    A row counts for the rows after it as soon as it is accepted, so that the first one wins.
    """

    def __init__(
        self,
        connection: Connection,
        reject: Callable[[Rejected], None] | None,
        telephones: Telephones,
        reseau: str | None,
    ) -> None:
        self._connection = connection
        self._reject = reject
        self._telephones = telephones
        self._reseau = reseau
        self._reseau_cree = False
        self._elsewhere: dict[str, None] = {}
        self._new_membres: Counter[str] = Counter()
        self._new_cartes: Counter[str] = Counter()
        self._fautes: list[Rejected] = []
        self._contra = find_ouverture(connection)
        self._date_solde = now()
        self._analysed = False
        self._clients: dict[str, _ClientConnu] = {}
        self._membres: dict[tuple[str, str], _Membre] = {}
        self._clos: set[tuple[str, str]] = set()
        self._wallets: dict[tuple[str, str], str] = {}
        self._cartes: dict[str, _Known] = {}
        self.creees = self.inchangees = self.rejetees = 0
        self.clients_crees = self.membres_crees = 0

    def add(self, batch: list[_Row | Rejected]) -> None:
        """Judge a batch, row after row, then write what is new of it."""
        self._load_known([row for row in batch if isinstance(row, _Row)])
        known_clients, known_membres = set(self._clients), set(self._membres)
        nouvelles: list[NouvelleCarte] = []
        seen: list[tuple[str, int]] = []
        for row in batch:
            if isinstance(row, Rejected):
                self._refuse(row)
            elif (fault := self._find_fault(row)) is not None:
                self._refuse(Rejected(row.cellules, row.ligne, *fault))
            else:
                self._accept(row, nouvelles, seen)
        self._write(
            [
                Client(client_id, known.nom, self._reseau)
                for client_id, known in self._clients.items()
                if client_id not in known_clients
            ],
            [
                Membre(*key, **membre._asdict())
                for key, membre in self._membres.items()
                if key not in known_membres
            ],
            nouvelles,
        )
        self._refuse_closed({(one.client_id, one.membre_id) for one in nouvelles} & known_membres)
        insert_rows(self._connection, _seen, ("numero_carte", "ligne"), seen)

    def _refuse(self, rejected: Rejected) -> None:
        self.rejetees += 1
        if self._reject is not None:
            self._reject(rejected)
        elif len(self._fautes) < FAUTES_MONTREES:
            self._fautes.append(rejected)

    def end(self, acteur: Acteur, empreinte: str) -> None:
        """Write the audit's row of the file, unless nothing came of it.

        Raises ImportationRefusee when a row was bad and nobody took it.
        """
        if self._fautes:
            raise ImportationRefusee.of_rows(self._fautes, self.rejetees)
        _seen.drop(self._connection)
        more = {
            client_id: Nombres(self._new_membres[client_id], cartes_)
            for client_id, cartes_ in self._new_cartes.items()
        }
        closed = count_up(self._connection, more)
        if closed is not None:
            raise _closed_meanwhile(f"the client {closed}")
        if self._reseau is not None and self.clients_crees:
            count_clients(self._connection, {self._reseau: self.clients_crees})
        made = {
            "clients": self.clients_crees,
            "membres": self.membres_crees,
            "cartes": self.creees,
            "lignesRejetees": self.rejetees,
        }
        if self.creees:
            record(self._connection, acteur, "import", Objet("FICHIER", empreinte), None, made)

    def sum_up(self, duree_s: float) -> Summary:
        """What was done."""
        return Summary(
            self.creees,
            self.inchangees,
            self.rejetees,
            self.clients_crees,
            self.membres_crees,
            duree_s,
            self._reseau_cree,
            len(self._elsewhere),
            tuple(self._elsewhere)[:NON_PLACES_MONTRES],
        )

    def _accept(
        self, row: _Row, nouvelles: list[NouvelleCarte], seen: list[tuple[str, int]]
    ) -> None:
        carte = row.carte
        self._telephones.note(row.ligne, row.membre.telephone)
        known = self._cartes.get(carte.numero_carte)
        if known is None:
            nouvelles.append(carte)
            self._clients.setdefault(
                carte.client_id, _ClientConnu(row.client_nom, reseau_id=self._reseau)
            )
            self._membres[carte.client_id, carte.membre_id] = row.membre
            self._wallets.setdefault((carte.client_id, row.membre.wallet_id), carte.membre_id)
        else:
            self.inchangees += 1
        if known is None or known.ligne is None:
            seen.append((carte.numero_carte, row.ligne))
            self._cartes[carte.numero_carte] = _Known(
                carte.client_id,
                carte.membre_id,
                carte.fin_validite,
                carte.statut,
                carte.solde,
                row.ligne,
            )

    def _find_fault(self, row: _Row) -> tuple[str, str] | None:
        """The column in which the row contradicts what is known, and how."""
        carte = row.carte
        client = self._clients.get(carte.client_id)
        if client is not None and client.nom != row.client_nom:
            return "clientNom", f"the client {carte.client_id} is already known by another name"
        who = f"the membre {carte.membre_id} of {carte.client_id}"
        membre = self._membres.get((carte.client_id, carte.membre_id))
        if membre is not None and membre != row.membre:
            column = _differing_column(row.membre, membre)
            return column, f"{who} is already known with another {column}"
        known = self._cartes.get(carte.numero_carte)
        return self._find_reason(row, who) if known is None else _find_carte_fault(carte, known)

    def _find_reason(self, row: _Row, who: str) -> tuple[str, str] | None:
        """The column for which the membre is given no new card, and why."""
        carte = row.carte
        client = self._clients.get(carte.client_id)
        if client is not None and client.statut == CLOS:
            return "clientId", f"the client {carte.client_id} is closed"
        if (carte.client_id, carte.membre_id) in self._clos:
            return "membreId", f"{who} is closed"
        membre = self._membres.get((carte.client_id, carte.membre_id))
        other = self._wallets.get((carte.client_id, row.membre.wallet_id))
        if membre is None and other is not None:
            return "telephone", f"it is that of the membre {other} of {carte.client_id}"
        return None

    def _write(
        self,
        new_clients: list[Client],
        new_membres: list[Membre],
        nouvelles: list[NouvelleCarte],
    ) -> None:
        connection = self._connection
        if self._reseau is not None and new_clients:
            made = create_reseau(connection, self._reseau, self._reseau)
            self._reseau_cree = self._reseau_cree or made
        create_clients(connection, new_clients)
        create_membres(connection, new_membres)
        # What each client has got is written at the end: a client is held from there on.
        self._new_membres.update(one.client_id for one in new_membres)
        self._new_cartes.update(one.client_id for one in nouvelles)
        open_cartes(connection, nouvelles, contra=self._contra, date_solde=self._date_solde)
        self.clients_crees += len(new_clients)
        self.membres_crees += len(new_membres)
        self.creees += len(nouvelles)
        if nouvelles and not self._analysed:
            analyse_tables(connection, (clients, membres, comptes, cartes, operations, ecritures))
            self._analysed = True

    def _refuse_closed(self, given: Collection[tuple[str, str]]) -> None:
        """Raises ImportationRefusee when a membre was closed between the look at him and his new card.

        Who has a new card is closed no more before the import ends: his row is held by it.
        """
        for row in self._look_up(membres, given, (membres.c.statut,)) if given else ():
            if row.statut == CLOS:
                raise _closed_meanwhile(f"the membre {row.membre_id} of {row.client_id}")

    def _load_known(self, rows: list[_Row]) -> None:
        """Read what the database holds of the batch's clients, members and cards."""
        cartes_ = [row.carte for row in rows]
        self._clients = {
            row.client_id: _ClientConnu._make(row[1:])
            for row in self._look_up(
                clients,
                {(carte.client_id,) for carte in cartes_},
                [clients.c[name] for name in _ClientConnu._fields],
            )
        }
        if self._reseau is not None:
            for client_id, known in self._clients.items():
                if known.reseau_id != self._reseau:
                    self._elsewhere[client_id] = None
        self._load_membres(rows)
        numeros = {(carte.numero_carte,) for carte in cartes_}
        seen = {
            row.numero_carte: row.ligne for row in self._look_up(_seen, numeros, (_seen.c.ligne,))
        }
        self._cartes = {
            row.numero_carte: _Known(
                row.client_id,
                row.membre_id,
                row.fin_validite,
                row.statut,
                row.ouverture,
                seen.get(row.numero_carte),
            )
            for row in self._look_up(cartes, numeros, _CARTE)
        }

    def _load_membres(self, rows: list[_Row]) -> None:
        found = list(
            self._look_up(
                membres,
                {(row.carte.client_id, row.carte.membre_id) for row in rows},
                [*(membres.c[name] for name in _Membre._fields), membres.c.statut],
            )
        )
        self._membres = {(row.client_id, row.membre_id): _Membre._make(row[2:-1]) for row in found}
        self._clos = {(row.client_id, row.membre_id) for row in found if row.statut == CLOS}
        self._wallets = {
            (row.client_id, row.wallet_id): row.membre_id
            for row in self._look_up(
                membres,
                {(row.carte.client_id, row.membre.wallet_id) for row in rows},
                (membres.c.membre_id, membres.c.statut),
                ("client_id", "wallet_id"),
            )
            if row.statut == ACTIF
        }

    def _look_up(
        self,
        table: Table,
        keys: Collection[tuple[str, ...]],
        columns: Sequence[ColumnElement[Any]],
        names: Sequence[str] = (),
    ) -> Iterator[Row[Any]]:
        """The rows of the given keys: first the key's columns, then the others asked for."""
        names = names or _KEYS[table.name]
        wanted = keys_table(self._connection, names)
        found = select(*(table.c[name] for name in names), *columns).join_from(
            wanted, table, and_(*(table.c[name] == wanted.c[name] for name in names))
        )
        yield from self._connection.execute(found, keys_values(self._connection, names, list(keys)))


_KEYS = {
    "clients": ("client_id",),
    "membres": ("client_id", "membre_id"),
    "cartes": ("numero_carte",),
    _seen.name: ("numero_carte",),
}
# The opening is what a card was moved by first: one step in an index, however much there is since.
_PREMIERE = (
    select(ecritures.c.montant)
    .join_from(ecritures, operations, operations.c.id == ecritures.c.operation_id)
    .where(
        ecritures.c.compte_credit == cartes.c.compte_id,
        ecritures.c.version_credit == 1,
        operations.c.type == OUVERTURE,
    )
    .correlate(cartes)
    .scalar_subquery()
)
_CARTE = (
    cartes.c.client_id,
    cartes.c.membre_id,
    cartes.c.fin_validite,
    cartes.c.statut,
    func.coalesce(_PREMIERE, 0).label("ouverture"),
)


def _closed_meanwhile(who: str) -> ImportationRefusee:
    return ImportationRefusee(0, "", f"{who} was closed while the file was imported")


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
    if carte.solde != known.ouverture:
        if known.ligne is not None:
            return "solde", f"the card is already known{where} with another solde"
        said = f"opened with {known.ouverture}, not with {carte.solde}"
        return "solde", f"the card is already known, {said}"
    return None
