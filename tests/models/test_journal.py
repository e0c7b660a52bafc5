"""The journal's rules, as the database itself enforces them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Row, Table, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import migrate
from models.base import SOLDE_MAXIMAL, UNITE, today
from models.carte import find_carte
from models.compte import COMPTE_OUVERTURE, COMPTE_REGLEMENT, comptes
from models.database.engine import Database
from models.errors import (
    CarteAnnulee,
    CarteEnOpposition,
    CarteExpiree,
    OperationInconnue,
    ReferenceDejaUtilisee,
    Refusal,
    SoldeInsuffisant,
    SoldeMaximalDepasse,
)
from models.journal import ouverture
from models.journal.ecriture import ecritures
from models.journal.empreinte import Contenu
from models.journal.ouverture import find_ouverture
from models.journal.reference import Details
from models.mouvement import CarteDesignee, Demande, crediter, debiter
from models.operation import CREDIT, OUVERTURE, Operation, new_numero_operation, operations
from models.partenaire import Partenaire
from models.secret import find_by_secret
from models.suivi import find_operation
from tests.models.conftest import NewDatabase
from tests.support.world import (
    PEPPER,
    Carte,
    World,
    new_number,
)


class Bench:
    """A card with a debit behind it, its partner, and the core without HTTP."""

    def __init__(self, database: Database) -> None:
        self.world = World(database, "")
        self.database = database
        self.carte: Carte = self.world.carte(10_000)
        pair = self.world.partenaire([self.carte.membre.client_id])
        with database.reading() as connection:
            found = find_by_secret(connection, *pair, pepper=PEPPER, demo_allowed=True).partenaire
        assert found is not None
        self.partenaire: Partenaire = found
        self.post("debit", 1_000)

    def demande(self, montant: int, reference: str | None = None, motif: str = "") -> Demande:
        """A movement of the card."""
        membre = self.carte.membre
        designee = CarteDesignee(self.carte.numero, membre.wallet_id, membre.client_id)
        return Demande(designee, montant, reference or f"J-{new_number()}", Details(motif or None))

    def execute(
        self, kind: str, montant: int, reference: str | None = None, motif: str = ""
    ) -> Operation:
        """Execute a movement in a transaction of its own."""
        move = debiter if kind == "debit" else crediter
        with self.database.transaction() as connection:
            return move(connection, self.partenaire, self.demande(montant, reference, motif))

    def post(
        self, kind: str, montant: int, reference: str | None = None, motif: str = ""
    ) -> tuple[int, bool]:
        """The solde after a movement, and whether an earlier call did it."""
        done = self.execute(kind, montant, reference, motif)
        return done.solde, done.replayed

    def rows(self) -> list[Row[tuple[object, ...]]]:
        """Everything in the journal of the card."""
        with self.database.reading() as connection:
            own = operations.c.carte_id == self.carte.id
            return [
                *connection.execute(select(operations).where(own).order_by(operations.c.id)),
                *connection.execute(
                    select(ecritures).join(operations).where(own).order_by(ecritures.c.id)
                ),
            ]


@pytest.fixture
def bench(shared_database: Database) -> Bench:
    """A card of the test's own, the last that moved."""
    return Bench(shared_database)


@pytest.fixture
def untouched(bench: Bench) -> Iterator[None]:
    """Whatever the test tries, the journal and the card stay as they were."""
    before = bench.rows()
    yield
    assert bench.rows() == before
    assert bench.world.solde(bench.carte) == 9_000
    bench.world.check_books(bench.carte)


def refused(database: Database, statement: str) -> str:
    """Run SQL that the database must refuse; its words."""
    with pytest.raises(DBAPIError) as caught, database.transaction() as connection:
        connection.execute(text(statement))
    return str(caught.value)


def insert_row(database: Database, table: Table, row: dict[str, object]) -> None:
    """Write one row."""
    with database.transaction() as connection:
        connection.execute(insert(table), row)


def last_row(database: Database, table: Table) -> dict[str, object]:
    """The newest row, without its id."""
    with database.reading() as connection:
        newest = select(table).order_by(table.c.id.desc()).limit(1)
        row = connection.execute(newest).mappings().one()
    return {name: value for name, value in row.items() if name != "id"}


# ── append-only ──────────────────────────────────────────────────────────────────────────────────
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("table", ["ecritures", "operations"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE {} SET montant = montant + 1",
        "UPDATE {} SET montant = montant",
        "DELETE FROM {}",
        "DELETE FROM {} WHERE id = (SELECT max(id) FROM {})",
    ],
)
def test_written_rows_are_never_changed_nor_removed(
    bench: Bench, table: str, statement: str
) -> None:
    said = refused(bench.database, statement.format(table, table))
    assert f"{table} is append-only" in said


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("table", ["ecritures", "operations, ecritures", "operations CASCADE"])
def test_tables_are_never_truncated(bench: Bench, table: str) -> None:
    # SQLite truncates by a DELETE without WHERE, where no trigger stands in its way.
    sqlite = bench.database.dialect == "sqlite"
    statement = (
        f"DELETE FROM {table.partition(',')[0].split()[0]}" if sqlite else f"TRUNCATE {table}"
    )
    assert "is append-only" in refused(bench.database, statement)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("ecritures", "id"),
        ("operations", "id"),
        ("operations", "numero_operation"),
        ("ecritures", "version_debit"),
    ],
)
def test_written_rows_are_never_replaced(bench: Bench, table: str, column: str) -> None:
    """INSERT OR REPLACE of SQLite, ON CONFLICT DO UPDATE of both."""
    columns = [c.name for c in (ecritures if table == "ecritures" else operations).columns]
    changed = ", ".join("montant + 1" if name == "montant" else name for name in columns)
    copied = f"SELECT {changed} FROM {table} WHERE {column} IS NOT NULL"
    names = ", ".join(columns)
    if bench.database.dialect == "sqlite":
        refused(bench.database, f"REPLACE INTO {table} ({names}) {copied}")
    if column == "id":
        said = refused(
            bench.database,
            f"INSERT INTO {table} ({names}) {copied} AND id > 0"
            " ON CONFLICT (id) DO UPDATE SET montant = excluded.montant",
        )
        assert "is append-only" in said


# ── the database's own rules ─────────────────────────────────────────────────────────────────────
@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("value", "constraint"),
    [
        ("solde = -1", "ck_cartes_solde_positif"),
        ("solde = solde - 9001", "ck_cartes_solde_positif"),
        (f"solde = {SOLDE_MAXIMAL} + 1", "ck_cartes_solde_maximal"),
        ("version = -1", "ck_cartes_version_positive"),
        ("statut = 'PERDUE'", "ck_cartes_statut_connu"),
    ],
)
def test_card_of_impossible_values_is_refused(bench: Bench, value: str, constraint: str) -> None:
    said = refused(bench.database, f"UPDATE cartes SET {value} WHERE id = {bench.carte.id}")
    assert constraint in said


@pytest.mark.usefixtures("untouched")
def test_units_never_mix(bench: Bench) -> None:
    database = bench.database
    refused(database, f"UPDATE cartes SET unite = 'EUR' WHERE id = {bench.carte.id}")
    refused(database, "UPDATE comptes SET unite = 'EUR'")
    copy = "INSERT INTO ecritures (operation_id, compte_debit, compte_credit, montant, unite)"
    refused(
        database,
        f"{copy} SELECT operation_id, compte_debit, compte_credit, 1, 'EUR' FROM ecritures",
    )
    with database.transaction() as connection:
        euro = connection.execute(
            insert(comptes).values(type="REGLEMENT", unite="EUR").returning(comptes.c.id)
        ).scalar_one()
    row = last_row(database, ecritures) | {"version_debit": None, "compte_credit": euro}
    for unite in ("EUR", "FCFA"):
        with pytest.raises(IntegrityError):
            insert_row(database, ecritures, row | {"unite": unite})


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("side", ["debit", "credit"])
def test_version_of_an_account_is_used_once(bench: Bench, side: str) -> None:
    """A lost update would write the same version twice: the second is an error, not a loss."""
    row = last_row(bench.database, ecritures)
    if side == "credit":
        row |= {
            "compte_debit": row["compte_credit"],
            "compte_credit": row["compte_debit"],
            "version_debit": None,
            "version_credit": 1,
        }
    with pytest.raises(IntegrityError) as caught:
        insert_row(bench.database, ecritures, row)
    assert f"version_{side}" in str(caught.value)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("changed", "constraint"),
    [
        ({"montant": 0}, "ck_ecritures_montant_positif"),
        ({"montant": -5}, "ck_ecritures_montant_positif"),
        ({"compte_credit": None}, "compte_credit"),
        ({"compte_credit": "compte_debit"}, "ck_ecritures_comptes_distincts"),
        ({"operation_id": 10**9}, ""),
        ({"compte_debit": 10**9}, ""),
    ],
)
def test_ecriture_that_is_no_double_entry_is_refused(
    bench: Bench, changed: dict[str, object], constraint: str
) -> None:
    row = last_row(bench.database, ecritures) | {"version_debit": None}
    row |= {name: row.get(str(value), value) for name, value in changed.items()}
    with pytest.raises(IntegrityError) as caught:
        insert_row(bench.database, ecritures, row)
    assert constraint in str(caught.value)


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    "changed",
    [
        {"montant": 0},
        {"type": "CADEAU"},
        {"statut": "PERDUE"},
        {"partenaire_id": None},
        {"reference": None},
        {"partenaire_id": None, "reference": None},
        {"type": "OUVERTURE"},
        {"carte_id": 10**9},
        {"carte_id": None},
        {"montant": None},
        {"unite": None},
        {"type": "CLOTURE"},
        {"type": "CLOTURE", "statut": "CLOTUREE"},
        {"statut": "CLOTUREE"},
        {"type": "TRANSFERT"},
        {"carte_destination_id": "carte_id"},
        {"type": "ANNULATION"},
        {"annulation_de": 1},
        {"reference": "same"},
        {"numero_operation": "same"},
    ],
    ids=str,
)
def test_impossible_operation_is_refused(bench: Bench, changed: dict[str, object]) -> None:
    last = last_row(bench.database, operations)
    fresh = {"numero_operation": new_numero_operation(), "reference": f"J-{new_number()}"}
    row = (
        last
        | fresh
        | {k: last[k] if v == "same" else last.get(str(v), v) for k, v in changed.items()}
    )
    with pytest.raises(IntegrityError):
        insert_row(bench.database, operations, row)


# ── the core without HTTP ────────────────────────────────────────────────────────────────────────
def test_posting_answers_the_solde_and_whether_it_was_done_before(bench: Bench) -> None:
    assert bench.post("debit", 500, "A") == (8_500, False)
    assert bench.post("credit", 100, "B") == (8_600, False)
    assert bench.post("debit", 500, "A") == (8_500, True)
    assert bench.post("credit", 100, "B") == (8_600, True)
    bench.world.check_books(bench.carte)
    assert bench.world.solde(bench.carte) == 8_600


@pytest.mark.usefixtures("untouched")
def test_posting_is_refused_by_its_own_exception(bench: Bench) -> None:
    with pytest.raises(SoldeInsuffisant):
        bench.post("debit", 9_001)
    with pytest.raises(SoldeMaximalDepasse):
        bench.post("credit", SOLDE_MAXIMAL - 8_999)


def test_reference_of_another_content_is_refused(bench: Bench) -> None:
    bench.post("debit", 500, "A")
    with pytest.raises(ReferenceDejaUtilisee):
        bench.post("debit", 500, "A", "autre motif")
    assert bench.world.solde(bench.carte) == 8_500


def test_shape_that_comes_later_is_stored_by_its_number(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its number, a hash is taken for one of the time before numbers: its repetition, for another."""

    def later(demande: Demande, type_: str) -> Contenu:
        return Contenu({3: [type_, demande.montant]})

    monkeypatch.setattr(Demande, "contenu", later)
    assert bench.post("debit", 500, "A") == (8_500, False)
    assert bench.post("debit", 500, "A") == (8_500, True)
    with pytest.raises(ReferenceDejaUtilisee):
        bench.post("debit", 501, "A")
    assert bench.world.solde(bench.carte) == 8_500


def test_card_that_became_unusable_after_it_was_found_is_refused(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard is on the row that the update changes, not on what was read before it."""
    changes: list[tuple[dict[str, object], type[Refusal]]] = [
        ({"statut": "OPPOSITION"}, CarteEnOpposition),
        ({"statut": "ANNULEE"}, CarteAnnulee),
        ({"statut": "ACTIVE", "fin_validite": today() - timedelta(days=1)}, CarteExpiree),
    ]
    with bench.database.reading() as connection:
        carte = find_carte(connection, bench.partenaire, **bench.demande(1).carte._asdict())
    monkeypatch.setattr("models.mouvement.find_carte", lambda *_args, **_ids: carte)
    for change, refusal in changes:
        bench.world.change_carte(bench.carte, **change)
        for kind in ("debit", "credit"):
            with pytest.raises(refusal):
                bench.post(kind, 1)
    assert bench.world.solde(bench.carte) == 9_000


def test_first_answer_is_repeated_in_every_detail(bench: Bench) -> None:
    first = bench.execute("debit", 500, "A", "pain")
    bench.post("debit", 100, "B")
    assert bench.execute("debit", 500, "A", "pain") == first._replace(replayed=True)
    with bench.database.reading() as connection:
        assert find_operation(connection, bench.partenaire, reference="A") == first
        other = bench.partenaire._replace(id=bench.partenaire.id + 1)
        for stranger in (other, bench.partenaire):
            reference = "A" if stranger is other else "C"
            with pytest.raises(OperationInconnue):
                find_operation(connection, stranger, reference=reference)


def test_openings_share_one_account_of_their_own(bench: Bench) -> None:
    cards = [bench.carte, bench.world.carte(1), bench.world.carte(2)]
    contra = (
        select(comptes.c.id, comptes.c.type, comptes.c.unite)
        .join(ecritures, ecritures.c.compte_debit == comptes.c.id)
        .join(operations, operations.c.id == ecritures.c.operation_id)
        .where(
            operations.c.carte_id.in_([carte.id for carte in cards]),
            operations.c.type == OUVERTURE,
        )
    )
    with bench.database.reading() as connection:
        rows = connection.execute(contra).all()
    assert len(rows) == len(cards)
    assert len(set(rows)) == 1
    assert rows[0][1:] == (COMPTE_OUVERTURE, UNITE)


def test_account_of_openings_is_not_an_older_one(new_database: NewDatabase) -> None:
    database = new_database()
    migrate.upgrade(database)
    with database.transaction() as connection:
        connection.execute(insert(comptes).values(type=COMPTE_REGLEMENT, unite=UNITE))
        made = find_ouverture(connection)
    with database.transaction() as connection:
        assert find_ouverture(connection) == made
    with database.reading() as connection:
        rows = connection.execute(select(comptes.c.id, comptes.c.type)).all()
    assert [(made, COMPTE_OUVERTURE)] == [
        tuple(row) for row in rows if row.type != COMPTE_REGLEMENT
    ]


def test_account_of_openings_has_an_accounts_type(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operation has a type of the same spelling: were it another, the account would be the same."""
    monkeypatch.setattr(ouverture, "OUVERTURE", CREDIT)
    with bench.database.transaction() as connection:
        found = find_ouverture(connection)
        (type_,) = connection.scalars(select(comptes.c.type).where(comptes.c.id == found))
    assert type_ == COMPTE_OUVERTURE


def test_operation_numbers_are_unique_and_sort_by_time() -> None:
    numbers = [new_numero_operation() for _ in range(1_000)]
    assert len(set(numbers)) == 1_000
    assert all(len(number) == 26 and number.isalnum() for number in numbers)
    assert [number[:10] for number in numbers] == sorted(number[:10] for number in numbers)
