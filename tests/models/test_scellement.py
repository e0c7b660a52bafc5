"""Seals: what is sealed, in what order of commits, and which change of it is found, and where."""

from __future__ import annotations

import itertools
import random
import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, assume, given, seed, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, LargeBinary, Table, make_url, select, text
from sqlalchemy.exc import DBAPIError

from models import migrate
from models.annulation import annuler
from models.base import Instant
from models.books import scellement
from models.books.controle import CHAINE, FEUILLES, LIGNES, TETES, Controle, verify_seals
from models.books.feuilles import (
    ECRITURE,
    FORME,
    FORMES,
    OPERATION,
    find_racine,
    raw_texts,
    read_feuilles,
)
from models.books.scellement import Sceau, SealChanged, read_sceau, seal
from models.books.verification import MAX_FAULTS, Fault
from models.database.bulk import take_ids
from models.database.engine import Database
from models.database.failures import OccupiedError
from models.journal.ecriture import ecritures
from models.journal.reference import Details
from models.mouvement import CarteDesignee, Demande, crediter, debiter, transferer
from models.operation import operations
from models.partenaire import Partenaire
from models.sceau import sceaux
from models.secret import find_by_secret
from models.suivi import close_reference
from tests.models.conftest import NewDatabase
from tests.support.postgresql import create_database
from tests.support.world import PEPPER, Carte, World

NOON = datetime(2026, 11, 28, 12, tzinfo=UTC)
TABLES = {"operations": operations, "ecritures": ecritures}


class Bench:
    """Two cards and a partner that moves them."""

    def __init__(self, database: Database) -> None:
        self.database = database
        world = World(database, "")
        membre = world.membre()
        self.first, self.second = world.cartes(2, 10_000, membre)
        pair = world.partenaire([membre.client_id])
        with database.reading() as connection:
            found = find_by_secret(
                connection,
                pair.consumer_key,
                pair.consumer_secret,
                pepper=PEPPER,
                demo_allowed=True,
            ).partenaire
        assert found is not None
        self.partenaire: Partenaire = found
        self._numbers = itertools.count(1)

    def demande(self, carte: Carte, **more: Any) -> Demande:
        """A movement of one franc."""
        return Demande(_designee(carte), 1, f"R-{next(self._numbers)}", **more)

    def debit(self, connection: Connection, carte: Carte) -> None:
        """Debit the card by one franc."""
        debiter(connection, self.partenaire, self.demande(carte))

    def debit_alone(self, carte: Carte) -> None:
        """The same, committed."""
        with self.database.transaction() as connection:
            self.debit(connection, carte)

    def act(self) -> None:
        """Each kind of operation once, with every column that one can have: 6 operations, 5 ecritures."""
        details = Details("Pain, thé", "S-1", "T-1")
        with self.database.transaction() as connection:
            spent = self.demande(self.first, details=details)
            given_ = self.demande(self.first)
            debiter(connection, self.partenaire, spent)
            crediter(connection, self.partenaire, given_)
            moved = self.demande(self.first, destination=_designee(self.second))
            transferer(connection, self.partenaire, moved)
            for undone in (spent, given_):
                annuler(
                    connection,
                    self.partenaire,
                    reference_origine=undone.reference,
                    reference=f"A-{undone.reference}",
                    motif=None,
                    fenetre=timedelta(days=1),
                )
            close_reference(connection, self.partenaire, f"X-{spent.reference}")


def _designee(carte: Carte) -> CarteDesignee:
    return CarteDesignee(carte.numero, carte.membre.wallet_id, carte.membre.client_id)


@pytest.fixture
def bench(database: Database) -> Bench:
    """A bench of the test's own."""
    return Bench(database)


def _control(database: Database, kept: dict[bytes, int | None] | None = None) -> Controle:
    with database.snapshot() as connection:
        return verify_seals(connection, kept)


def _count(database: Database, table: str) -> int:
    with database.reading() as connection:
        return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def _sceaux(connection: Connection) -> list[Sceau]:
    found: list[Sceau] = []
    with raw_texts(connection):
        while (one := read_sceau(connection, f"WHERE numero > {len(found)} ORDER BY numero")) and (
            one.numero == len(found) + 1
        ):
            contenu = select(sceaux.c.feuilles).where(sceaux.c.numero == one.numero)
            found.append(one._replace(feuilles=connection.execute(contenu).scalar_one()))
    return found


# ── what a seal is ───────────────────────────────────────────────────────────────────────────────
def test_root_is_that_of_certificate_transparency() -> None:
    """The leaves and the roots of its reference implementation (RFC 6962, 2.1)."""
    leaves = [
        bytes.fromhex(leaf)
        for leaf in (
            *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
            "606162636465666768696a6b6c6d6e6f",
        )
    ]
    assert [find_racine(leaves[:number]).hex() for number in range(9)] == [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]


def test_every_column_of_a_row_is_sealed() -> None:
    """Who adds a column adds a forme with it, and leaves those that were ever stored as they are."""
    columns = {
        genre: tuple(column.name for column in table.c)
        for genre, table in ((OPERATION, operations), (ECRITURE, ecritures))
    }
    assert {genre: set(noms) for genre, noms in FORMES[FORME].items()} == {
        genre: set(noms) for genre, noms in columns.items()
    }


GOLDEN = (
    "INSERT INTO clients (client_id, nom) VALUES ('C1', 'Client')",
    (
        "INSERT INTO comptes (id, type, unite) VALUES (1, 'OUVERTURE', 'FCFA'),"
        " (2, 'CARTE', 'FCFA'), (3, 'REGLEMENT', 'FCFA')"
    ),
    (
        "INSERT INTO partenaires (id, nom, consumer_key, compte_id, scopes, cree_le)"
        " VALUES (1, 'P', 'key', 3, 'x', '2026-01-01 00:00:00.000000')"
    ),
    (
        "INSERT INTO membres (client_id, membre_id, nom, prenom, telephone, wallet_id)"
        " VALUES ('C1', 'M1', 'N', 'P', '', 'W1')"
    ),
    (
        "INSERT INTO cartes (id, carte_id, numero_carte, client_id, membre_id, compte_id, fin_validite,"
        " statut, unite, solde, version, date_solde) VALUES (1, '01', '7019800000000001', 'C1', 'M1', 2,"
        " '2030-01-01', 'ACTIVE', 'FCFA', 900, 2, '2026-01-02 00:00:00.000000')"
    ),
    (
        "INSERT INTO operations (id, numero_operation, type, statut, carte_id, montant, unite,"
        " date_operation) VALUES (1, '01', 'OUVERTURE', 'EXECUTEE', 1, 1000, 'FCFA',"
        " '2026-01-01 00:00:00.000000')"
    ),
    (
        "INSERT INTO operations (id, numero_operation, partenaire_id, reference, empreinte,"
        " empreinte_version, type, statut, carte_id, montant, unite, motif, point_de_service,"
        " date_operation) VALUES (2, '02', 1, 'R', :empreinte, 3, 'DEBIT', 'EXECUTEE', 1, 100,"
        " 'FCFA', 'thé', 'S-1', '2026-01-02 03:04:05.060708')"
    ),
    (
        "INSERT INTO ecritures (id, operation_id, compte_debit, compte_credit, montant, unite,"
        " version_debit, version_credit, solde_debit, solde_credit) VALUES"
        " (1, 1, 1, 2, 1000, 'FCFA', NULL, 1, NULL, 1000), (2, 2, 2, 3, 100, 'FCFA', 2, NULL, 900, NULL)"
    ),
)


@pytest.mark.parametrize(
    ("forme", "racine", "tete"),
    [
        (
            1,
            "50623533035d4356a1e0eca588060207919ffecc99300119d5622bfe50a76a08",
            "0b48a1eb57924cc986361151a310a879f4db3b581b0bb8acf48b12e3179bf2e6",
        ),
        (
            2,
            "66dd74460975da21be0e4848a94d7d47d8fb47bd4fa6ae8bbaa140f2b11fb1bc",
            "0e45ad6cbb45b1fa90a1e0fc7a9002380cbbf6e89a27dbfd0c2cc4b3edb6a37f",
        ),
    ],
)
def test_the_same_journal_has_the_same_head_on_both_databases_and_for_ever(
    database: Database, monkeypatch: pytest.MonkeyPatch, forme: int, racine: str, tete: str
) -> None:
    """What a seal of a forme is never changes: those that are stored are compared by it."""
    monkeypatch.setattr(scellement, "FORME", forme)
    with database.transaction() as connection:
        for statement in GOLDEN:
            connection.execute(text(statement), {"empreinte": bytes(range(32))})
    made = seal(database, clock=lambda: NOON)
    assert made[1:] == (1, 2, 2)
    assert made.dernier is not None
    assert (made.dernier.forme, made.dernier.racine.hex(), made.dernier.empreinte.hex()) == (
        *(forme, racine, tete),
    )
    assert seal(database).dernier == made.dernier._replace(feuilles=b"")
    assert _control(database).faults == []


def test_seals_cover_everything_once_and_follow_each_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert seal(bench.database)[1:] == (1, 2, 2)
    monkeypatch.setattr(scellement, "TRANCHE", 5)
    for _ in range(2):
        bench.act()
    told: list[tuple[int, int]] = []
    made = seal(bench.database, progress=lambda *so_far: told.append(so_far))
    assert (made[1:], told) == ((3, 12, 10), [(0, 12), (5, 12), (10, 12), (12, 12)])
    with bench.database.snapshot() as connection:
        ranges = [(one.jusqu_a, one.operations, one.ecritures) for one in _sceaux(connection)]
    ends = [end for end, _, _ in ranges]
    assert [(number, rows) for _, number, rows in ranges] == [(2, 2), (5, 5), (5, 4), (2, 1)]
    assert ends == sorted(ends)
    last = made.dernier
    assert last is not None
    assert seal(bench.database) == (last._replace(feuilles=b""), 0, 0, 0)
    bench.debit_alone(bench.first)
    assert _control(bench.database) == (4, 14, 12, 4, last.empreinte, 1, [], [])


def test_an_empty_journal_has_no_seal(database: Database) -> None:
    assert seal(database) == (None, 0, 0, 0)
    assert _control(database) == (0, 0, 0, None, None, 0, [], [])


def test_two_at_once_seal_everything_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(5):
        bench.act()
    monkeypatch.setattr(scellement, "TRANCHE", 4)
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda _: seal(bench.database), range(4)))
    assert sum(one.operations for one in made) == 32
    control = _control(bench.database)
    assert (control.sceaux, control.operations, control.faults) == (8, 32, [])


# ── while operations are under way ───────────────────────────────────────────────────────────────
class Held(NamedTuple):
    """A transaction that was given an id, and is under way until it is told how to end."""

    entered: threading.Event
    released: threading.Event


@contextmanager
def _held(bench: Bench, act: Callable[[Connection], object], *, commits: bool) -> Iterator[Held]:
    held = Held(threading.Event(), threading.Event())

    class Undone(Exception):
        pass

    def run() -> None:
        try:
            with bench.database.transaction() as connection:
                act(connection)
                held.entered.set()
                held.released.wait(30)
                if not commits:
                    raise Undone
        except Undone:
            pass

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert held.entered.wait(30)
        yield held
    finally:
        held.released.set()
        thread.join(30)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(("commits", "sealed"), [(True, 4), (False, 3)])
def test_seal_waits_for_what_began_before_and_makes_nothing_wait(
    bench: Bench, commits: bool, sealed: int
) -> None:
    waits = threading.Event()

    def act(connection: Connection) -> None:
        bench.debit(connection, bench.first)

    with ThreadPoolExecutor(1) as pool:
        with _held(bench, act, commits=commits) as held:
            bench.debit_alone(bench.second)
            made = pool.submit(seal, bench.database, waiting=waits.set)
            assert waits.wait(30)
            bench.debit_alone(bench.second)  # a younger one, for which the seal does not wait
            assert not made.done()
            assert _count(bench.database, "sceaux") == 0
            held.released.set()
        assert made.result(30)[1:] == (1, sealed, sealed)
    assert seal(bench.database)[1:] == (1, 1, 1)
    control = _control(bench.database)
    assert (control.operations, control.depuis, control.faults) == (sealed + 1, 0, [])


@pytest.mark.only_on("postgresql")
def test_seal_waits_for_who_took_ids_and_has_written_no_row(bench: Bench) -> None:
    """So does an import: it takes the ids of a thousand operations, and then copies their rows."""
    waits = threading.Event()

    def act(connection: Connection) -> None:
        take_ids(connection, operations.c.id, 1)

    with ThreadPoolExecutor(1) as pool:
        with _held(bench, act, commits=True) as held:
            bench.debit_alone(bench.second)
            made = pool.submit(seal, bench.database, waiting=waits.set)
            assert waits.wait(30)
            assert not made.done()
            held.released.set()
        assert made.result(30)[1:] == (1, 3, 3)


@pytest.mark.only_on("postgresql")
def test_seal_gives_up_in_time_and_seals_nothing(bench: Bench) -> None:
    impatient = Database(bench.database.url.render_as_string(hide_password=False), wait_s=0)
    with (
        _held(bench, lambda connection: bench.debit(connection, bench.first), commits=True),
        pytest.raises(OccupiedError),
    ):
        seal(impatient)
    impatient.close()
    assert _control(bench.database) == (0, 0, 0, None, None, 3, [], [])


def test_no_operation_falls_between_two_seals_under_a_storm(bench: Bench) -> None:
    """Eight callers, transactions that stay open for a while or are undone, and seals all the time."""
    chance, still = random.Random(20_261_128), threading.Event()
    # A card each: they overtake one another.
    cartes = World(bench.database, "").cartes(8, 100, bench.first.membre)
    plans = [[(chance.random() < 0.2, chance.random() / 12) for _ in range(10)] for _ in range(8)]

    def call(number: int) -> None:
        carte = cartes[number]
        for undone, seconds in plans[number]:
            with bench.database.engine.connect() as connection, connection.begin() as transaction:
                bench.debit(connection, carte)
                if bench.database.dialect == "postgresql":
                    still.wait(seconds)
                if undone:
                    transaction.rollback()

    done = threading.Event()

    def seal_again() -> None:
        while not done.is_set():
            seal(bench.database)

    with ThreadPoolExecutor(9) as pool:
        sealing = pool.submit(seal_again)
        for one in [pool.submit(call, number) for number in range(8)]:
            one.result(60)
        done.set()
        sealing.result(60)
    seal(bench.database)
    control = _control(bench.database)
    number = sum(not undone for plan in plans for undone, _ in plan) + 10
    assert (control.operations, control.depuis, control.faults) == (number, 0, [])
    assert _count(bench.database, "operations") == number


# ── what is found ────────────────────────────────────────────────────────────────────────────────
class Sealed(NamedTuple):
    """A journal of 14 operations, of which the first 5, the next 5 and 2 more are sealed."""

    bench: Bench
    database: Database
    kept: dict[bytes, int | None]
    lignes: dict[str, list[dict[str, Any]]]
    sceaux: list[Sceau]

    def seal_of(self, operation_id: int) -> int | None:
        """The number of the seal in whose range the id is."""
        return next((one.numero for one in self.sceaux if operation_id <= one.jusqu_a), None)


@pytest.fixture(scope="module")
def sealed(
    backend: str,
    empty_database_url: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Sealed]:
    """One for all tests: what they plant is rolled back."""
    template = make_url(empty_database_url).database
    assert template is not None
    if backend == "sqlite":
        file = tmp_path_factory.mktemp("scellement") / "journal.db"
        shutil.copy(template, file)
        url = f"sqlite:///{file}"
    else:
        server = request.getfixturevalue("postgresql_url")
        url = create_database(server, f"test_{uuid.uuid4().hex[:12]}", template=template)
    database = Database(url)
    bench = Bench(database)
    for _ in range(2):
        bench.act()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scellement, "TRANCHE", 5)
        seal(database)
    for _ in range(2):
        bench.debit_alone(bench.first)
    with database.snapshot() as connection:
        made = _sceaux(connection)
        lignes = {
            name: [
                dict(row)
                for row in connection.execute(select(table).order_by(table.c.id)).mappings()
            ]
            for name, table in TABLES.items()
        }
    yield Sealed(bench, database, {one.empreinte: one.numero for one in made}, lignes, made)
    database.close()


@contextmanager
def _as_owner(database: Database) -> Iterator[Connection]:
    """A connection for which no trigger, key or check stands in the way; nothing of it is committed."""
    with database.engine.connect() as connection:
        if database.dialect == "sqlite":
            driver: Any = connection.connection.driver_connection
            driver.execute("PRAGMA foreign_keys = OFF")  # heard outside transactions only
        connection.begin()
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SET session_replication_role = replica")
            named = connection.exec_driver_sql(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE conrelid IN"
                " ('operations'::regclass, 'ecritures'::regclass, 'sceaux'::regclass)"
                " ORDER BY contype = 'p'"
            )
            for table, name in named.all():
                connection.exec_driver_sql(
                    f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name} CASCADE"
                )
        else:
            for table in ("operations", "ecritures", "sceaux"):
                connection.exec_driver_sql(f"CREATE TABLE bare AS SELECT * FROM {table}")
                connection.exec_driver_sql(f"DROP TABLE {table}")
                connection.exec_driver_sql(f"ALTER TABLE bare RENAME TO {table}")
        yield connection
        connection.rollback()
        connection.invalidate()


@pytest.fixture(scope="module")
def owner(sealed: Sealed) -> Iterator[Connection]:
    """The same for all tests of a file: each undoes what it does."""
    with _as_owner(sealed.database) as connection:
        yield connection


@contextmanager
def _undone(connection: Connection) -> Iterator[None]:
    with connection.begin_nested() as point:
        yield
        point.rollback()


def _found(connection: Connection, *statements: str, kept: Any = None, **values: Any) -> Controle:
    """The control after the statements; then all is as it was."""
    with _undone(connection):
        for statement in statements:
            connection.execute(text(statement), values)
        return verify_seals(connection, kept)


def test_a_sealed_journal_is_as_it_was_sealed(
    sealed: Sealed, request: pytest.FixtureRequest
) -> None:
    last = sealed.sceaux[-1]
    whole = Controle(3, 14, 12, 3, last.empreinte, 2, [], [])
    assert _control(sealed.database, sealed.kept) == whole
    owner: Connection = request.getfixturevalue("owner")  # who locks the tables
    assert _found(owner, kept=sealed.kept) == whole


@st.composite
def _changes(draw: st.DrawFn, dialect: str, value: Any, column: Any) -> Any:
    """The value with one bit or byte changed; where it is null, the smallest that is not."""
    if isinstance(column.type, Instant):
        return _changed_instant(draw, dialect, value)
    if value is None:
        return {int: 0, str: "", bytes: b""}[column.type.python_type]
    if isinstance(value, int):
        bits = {"SMALLINT": 15}.get(str(column.type), 63)
        return value ^ (1 << draw(st.integers(0, bits - 1)))
    if isinstance(value, bytes):
        return _changed_bytes(draw, value)
    if dialect == "sqlite":
        return _changed_bytes(draw, value.encode())  # whatever that is then
    at = draw(st.integers(0, len(value) - 1))
    other = draw(st.characters(codec="ascii", exclude_characters="\0" + value[at]))
    return value[:at] + other + value[at + 1 :]


def _changed_bytes(draw: st.DrawFn, value: bytes) -> bytes:
    changed = bytearray(value)
    changed[draw(st.integers(0, len(value) - 1))] ^= draw(st.integers(1, 255))
    return bytes(changed)


def _changed_instant(draw: st.DrawFn, dialect: str, value: datetime) -> Any:
    if dialect == "sqlite":
        return _changed_bytes(draw, f"{value:%Y-%m-%d %H:%M:%S.%f}".encode())
    return value + timedelta(microseconds=1 << draw(st.integers(0, 45)))


def _set(connection: Connection, table: Table, column: str, value: Any, key: int) -> None:
    """Write the value as it is, a text of SQLite by its bytes."""
    cle = next(iter(table.primary_key.columns)).name
    new = ":new"
    if isinstance(value, bytes) and not isinstance(table.c[column].type, LargeBinary):
        new = "CAST(:new AS TEXT)"
    connection.execute(
        text(f"UPDATE {table.name} SET {column} = {new} WHERE {cle} = :key"),
        {"new": value, "key": key},
    )


def _expected(sealed: Sealed, table: str, column: str, row: dict[str, Any], new: Any) -> list[Any]:
    """The faults of a row that has another value."""
    id_, operation_id = row["id"], row.get("operation_id", row["id"])
    by = sealed.seal_of(operation_id)
    of = f", of operation id {operation_id}" if table == "ecritures" else ""
    name = "ecriture" if table == "ecritures" else "operation id"
    removed = (by, 2, f"{name} {id_}", f"sealed by sceau {by}, removed since{of}")
    if (table, column) == ("ecritures", "operation_id"):
        to = sealed.seal_of(new)
        if to == by:
            what = f"sealed by sceau {by}, changed since, of operation id {new}"
            return [(LIGNES, f"ecriture {id_}", what)]
        moved = f"sealed by sceau {by}, changed since: of operation id {new} now"
        added = f"added since to what sceau {to} sealed, of operation id {new}"
        told = [(by, 2, f"ecriture {id_}", moved), (to, 1, f"ecriture {id_}", added)]
    elif column == "id":
        to = sealed.seal_of(new) if table == "operations" else by
        told = [removed, (to, 1, f"{name} {new}", f"added since to what sceau {to} sealed{of}")]
    else:
        return [(LIGNES, f"{name} {id_}", f"sealed by sceau {by}, changed since{of}")]
    return [(LIGNES, *one[2:]) for one in sorted(one for one in told if one[0] is not None)]


PATIENT = settings(
    max_examples=25,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@PATIENT
@seed(20_261_128)
@given(data=st.data())
def test_any_changed_byte_of_a_sealed_row_is_found_and_named(
    sealed: Sealed, owner: Connection, data: st.DataObject
) -> None:
    name = data.draw(st.sampled_from(["operations", "ecritures"]))
    table = TABLES[name]
    column = data.draw(st.sampled_from([one.name for one in table.c]))
    key = "id" if name == "operations" else "operation_id"
    rows = [row for row in sealed.lignes[name] if sealed.seal_of(row[key]) is not None]
    row = data.draw(st.sampled_from(rows))
    new = data.draw(_changes(sealed.database.dialect, row[column], table.c[column]))
    assume(column != "id" or new not in [one["id"] for one in sealed.lignes[name]])
    with _undone(owner):
        _set(owner, table, column, new, row["id"])
        control = verify_seals(owner, sealed.kept)
    assert control.faults == _expected(sealed, name, column, row, new)


def test_every_column_of_a_sealed_row_is_compared(sealed: Sealed, owner: Connection) -> None:
    """Each column of one row of each table, whatever Hypothesis drew."""
    dialect = sealed.database.dialect
    for name, table in TABLES.items():
        row = sealed.lignes[name][3]
        for column in [one for one in table.c if one.name not in ("id", "operation_id")]:
            value = row[column.name]
            new: Any = {int: 1, str: "x", bytes: b"x"}.get(column.type.python_type)
            if isinstance(column.type, Instant):
                new = value + timedelta(microseconds=1)
                new = f"{new:%Y-%m-%d %H:%M:%S.%f}" if dialect == "sqlite" else new
            elif value is not None:
                new = value + 1 if isinstance(value, int) else value[:-1] + new
            with _undone(owner):
                _set(owner, table, column.name, new, row["id"])
                found = verify_seals(owner).faults
            assert found == _expected(sealed, name, column.name, row, new), column


@PATIENT
@seed(20_261_129)
@given(data=st.data())
def test_any_changed_byte_of_a_seal_is_found_and_named(
    sealed: Sealed, owner: Connection, data: st.DataObject
) -> None:
    sceau = data.draw(st.sampled_from(sealed.sceaux))
    column = data.draw(st.sampled_from([one for one in Sceau._fields if one != "numero"]))
    value: Any = sceau.instant if column == "scelle_le" else getattr(sceau, column)
    new = data.draw(_changes(sealed.database.dialect, value, sceaux.c[column]))
    with _undone(owner):
        _set(owner, sceaux, column, new, sceau.numero)
        control = verify_seals(owner)
    expected = (CHAINE, f"sceau {sceau.numero}", "changed since it was made")
    if column == "feuilles":
        at = next(n for n, octet in enumerate(new) if octet != value[n]) // 41 + 1
        told = f"leaf {at} was changed; the rows are as they were sealed"
        expected = (FEUILLES, f"sceau {sceau.numero}", told)
    assert control.faults == [expected]


def test_rows_that_are_gone_or_new_are_named(sealed: Sealed, owner: Connection) -> None:
    first, last = (sealed.lignes["operations"][at]["id"] for at in (3, 11))
    ecriture = next(row["id"] for row in sealed.lignes["ecritures"] if row["operation_id"] == first)
    gone = [
        Fault(LIGNES, f"operation id {first}", "sealed by sceau 1, removed since"),
        Fault(
            LIGNES,
            f"ecriture {ecriture}",
            f"sealed by sceau 1, removed since, of operation id {first}",
        ),
    ]
    removals = [
        f"DELETE FROM operations WHERE id = {first}",
        f"DELETE FROM ecritures WHERE id = {ecriture}",
    ]
    assert _found(owner, *removals).faults == gone
    names = ", ".join(column.name for column in ecritures.c if column.name != "id")
    copied = (
        f"INSERT INTO ecritures (id, {names}) SELECT 999999, {names} FROM ecritures"
        f" WHERE operation_id = {last}"
    )
    added = f"added since to what sceau 3 sealed, of operation id {last}"
    assert _found(owner, copied).faults == [(LIGNES, "ecriture 999999", added)]
    names = ", ".join(column.name for column in operations.c if column.name != "id")
    early = (
        f"INSERT INTO operations (id, {names}) SELECT 0, {names} FROM operations WHERE id = {last}"
    )
    added = "added since to what sceau 1 sealed"
    assert _found(owner, early).faults == [(LIGNES, "operation id 0", added)]


def test_what_differs_beyond_twenty_rows_is_told_as_more(owner: Connection) -> None:
    control = _found(
        owner, "UPDATE operations SET unite = 'EUR'", "UPDATE ecritures SET montant = 7"
    )
    assert len(control.faults) == MAX_FAULTS
    assert control.rules_cut == [LIGNES]
    names = ", ".join(column.name for column in ecritures.c if column.name != "id")
    many = (
        f"INSERT INTO ecritures (id, {names}) SELECT 900000 + a.id * 100 + b.id, "
        f"{', '.join(f'a.{name}' for name in names.split(', '))} FROM ecritures a, ecritures b"
    )
    control = _found(owner, many)
    assert (len(control.faults), control.rules_cut) == (MAX_FAULTS, [LIGNES])
    assert all("added since" in fault.detail for fault in control.faults)


@pytest.mark.parametrize(
    ("statement", "faults"),
    [
        ("DELETE FROM sceaux WHERE numero = 1", [(CHAINE, "sceau 1", "removed")]),
        ("DELETE FROM sceaux WHERE numero < 3", [(CHAINE, "sceau 1 to 2", "removed")]),
        ("DELETE FROM sceaux WHERE numero = 2", [(CHAINE, "sceau 2", "removed")]),
        (
            "UPDATE sceaux SET numero = 7 WHERE numero = 2",
            [
                (CHAINE, "sceau 2", "removed"),
                (CHAINE, "sceau 4 to 6", "removed"),
                (CHAINE, "sceau 7", "changed since it was made"),
            ],
        ),
    ],
)
def test_a_seal_that_is_gone_is_named(owner: Connection, statement: str, faults: list[Any]) -> None:
    found = _found(owner, statement).faults
    assert sorted(found) == sorted(Fault(*fault) for fault in faults)


def _ends_at(numero: int) -> str:
    """What is told of a kept head that is younger than the last seal."""
    return (
        f": the chain ends before it, at sceau {numero}, as where the last ones were removed, or where the"
        " database was restored to a point before it"
    )


def test_a_last_seal_that_is_gone_is_found_by_its_head_alone(
    sealed: Sealed, owner: Connection
) -> None:
    statement = "DELETE FROM sceaux WHERE numero = 3"
    head = sealed.sceaux[2].empreinte
    assert _found(owner, statement).faults == []
    told = f"head {head.hex()} was kept, and no sceau has it now"
    assert _found(owner, statement, kept=sealed.kept).faults == [
        (TETES, "sceau 3", told + _ends_at(2))
    ]
    assert _found(owner, statement, kept={head: None}).faults == [
        (TETES, "sceau of that head", told)
    ]


def _forge(connection: Connection, numero: int, **columns: Any) -> None:
    """Give a seal other contents and the head that goes with them, as one may who knows how it is made."""
    forged = _sceaux(connection)[numero - 1]._replace(**columns)
    forged = forged._replace(empreinte=forged.tete)
    for name in (*columns, "empreinte"):
        _set(connection, sceaux, name, getattr(forged, name), numero)


def test_a_seal_that_was_made_anew_does_not_fit_the_next_one(owner: Connection) -> None:
    with _undone(owner):
        _forge(owner, 2, operations=4)
        faults = verify_seals(owner).faults
    what = "does not follow sceau 2: one of them was replaced"
    assert faults == [(CHAINE, "sceau 3", what)]
    with _undone(owner):
        _forge(owner, 1, precedente=bytes(31) + b"\1")
        faults = verify_seals(owner).faults
    assert faults == [
        (CHAINE, "sceau 1", "does not follow the first: one of them was replaced"),
        (CHAINE, "sceau 2", "does not follow sceau 1: one of them was replaced"),
    ]


def test_rows_and_leaves_that_were_changed_together_are_found_by_the_root(
    sealed: Sealed, owner: Connection
) -> None:
    row = sealed.lignes["operations"][0]["id"]
    with _undone(owner):
        owner.execute(text("UPDATE operations SET montant = 7 WHERE id = :id"), {"id": row})
        again = scellement._prepare(owner, None, sealed.sceaux[0].jusqu_a, NOON)  # noqa: SLF001
        assert again is not None
        _set(owner, sceaux, "feuilles", again.feuilles, 1)
        control = verify_seals(owner)
    assert control.faults == [(FEUILLES, "sceau 1", "changed, with or without the rows")]


def test_rows_leaves_and_all_seals_made_anew_are_found_by_a_kept_head(bench: Bench) -> None:
    bench.act()
    first = seal(bench.database, clock=lambda: NOON).dernier
    bench.act()
    second = seal(bench.database, clock=lambda: NOON).dernier
    assert first is not None
    assert second is not None
    with _disabled(bench.database) as connection:
        connection.execute(text("UPDATE operations SET motif = 'x' WHERE motif IS NOT NULL"))
        connection.execute(text("DELETE FROM sceaux"))
    seal(bench.database, clock=lambda: NOON)
    assert _control(bench.database).faults == []
    kept: dict[bytes, int | None] = {first.empreinte: 1, second.empreinte: 2}
    told = {head: f"head {head.hex()} was kept, and no sceau has it now" for head in kept}
    assert _control(bench.database, kept).faults == [
        (TETES, "sceau 1", told[first.empreinte]),
        (TETES, "sceau 2", told[second.empreinte] + _ends_at(1)),
    ]


@contextmanager
def _disabled(database: Database) -> Iterator[Connection]:
    """A transaction of the tables' owner, in which triggers sleep."""
    with database.transaction() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            yield connection
            return
        found = connection.execute(
            text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        )
        triggers = found.all()
        for name, _ in triggers:
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        yield connection
        for _, statement in triggers:
            connection.exec_driver_sql(statement)


def test_nothing_is_chained_to_a_seal_that_was_changed(bench: Bench) -> None:
    seal(bench.database)
    with _disabled(bench.database) as connection:
        connection.execute(text("UPDATE sceaux SET operations = 7"))
    bench.debit_alone(bench.first)
    with pytest.raises(SealChanged, match=r"^1$"):
        seal(bench.database)
    assert _count(bench.database, "sceaux") == 1


def test_a_seal_of_a_newer_forme_is_told_and_not_compared(owner: Connection) -> None:
    with _undone(owner):
        _forge(owner, 3, forme=9)
        faults = verify_seals(owner).faults
    assert faults == [(CHAINE, "sceau 3", "made by a newer version of this program")]


# ── the table ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE sceaux SET operations = operations + 1",
        "UPDATE sceaux SET numero = numero",
        "DELETE FROM sceaux",
        "TRUNCATE sceaux",
        (
            "INSERT INTO sceaux SELECT * FROM sceaux WHERE true"
            " ON CONFLICT (numero) DO UPDATE SET operations = 7"
        ),
    ],
)
def test_seals_are_never_changed_nor_removed(bench: Bench, statement: str) -> None:
    if bench.database.dialect == "sqlite" and statement.startswith("TRUNCATE"):
        statement = "INSERT OR REPLACE INTO sceaux SELECT * FROM sceaux"
    seal(bench.database)
    writing = bench.database.transaction()
    with pytest.raises(DBAPIError, match="sceaux is append-only"), writing as connection:
        connection.execute(text(statement))
    assert _control(bench.database)[:3] == (1, 2, 2)


def test_a_migration_back_loses_no_seal(new_database: NewDatabase) -> None:
    database = new_database()
    migrate.upgrade(database)
    bench = Bench(database)
    seal(database)
    with pytest.raises(DBAPIError, match="sceaux is append-only"):
        migrate.downgrade(database, "0005")
    assert _control(bench.database)[:3] == (1, 2, 2)


def test_leaves_that_are_spoiled_are_read_as_far_as_they_go() -> None:
    assert read_feuilles(b"\1" + bytes(7) + b"\2" + bytes(32) + b"\1\1") == {
        (OPERATION, 2): (bytes(32), 2)
    }
