"""The journal's rules, as the database itself enforces them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from sqlalchemy import Row, Table, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models.base import SOLDE_MAXIMAL, today
from models.carte import Carte as FoundCarte
from models.carte import find_carte
from models.compte import comptes
from models.db import Database
from models.errors import (
    CarteAnnulee,
    CarteEnOpposition,
    CarteExpiree,
    ReferenceDejaUtilisee,
    Refusal,
    SoldeInsuffisant,
    SoldeMaximalDepasse,
)
from models.journal import Mouvement, ecritures, find_replay, post_credit, post_debit
from models.operation import new_numero_operation, operations
from models.partenaire import Partenaire, find_by_secret
from tests.world import PEPPER, Carte, World, new_number

EMPREINTE, OTHER = bytes(32), bytes([1] * 32)


class Bench:
    """A card with a debit behind it, its partner, and the core without HTTP."""

    def __init__(self, database: Database) -> None:
        self.world = World(database, "")
        self.database = database
        self.carte: Carte = self.world.carte(10_000)
        pair = self.world.partenaire([self.carte.membre.client_id])
        with database.reading() as session:
            found = find_by_secret(session, *pair, pepper=PEPPER, demo_allowed=True).partenaire
        assert found is not None
        self.partenaire: Partenaire = found
        self.post("debit", 1_000)

    def mouvement(
        self, montant: int, reference: str | None = None, empreinte: bytes = EMPREINTE
    ) -> Mouvement:
        """A movement of the partner."""
        return Mouvement(
            partenaire_id=self.partenaire.id,
            compte_id=self.partenaire.compte_id,
            reference=reference or f"J-{new_number()}",
            empreinte=empreinte,
            montant=montant,
            motif=None,
            point_de_service=None,
            terminal=None,
        )

    def find(self) -> FoundCarte:
        """The card, as the core finds it."""
        with self.database.reading() as session:
            return find_carte(
                session,
                self.partenaire,
                numero_carte=self.carte.numero,
                wallet_id=self.carte.membre.wallet_id,
                client_id=self.carte.membre.client_id,
            )

    def post(
        self,
        kind: str,
        montant: int,
        reference: str | None = None,
        empreinte: bytes = EMPREINTE,
    ) -> tuple[int, bool]:
        """Post a movement in a transaction of its own; the solde after it, and replayed or not."""
        carte = self.find()
        with self.database.transaction() as session:
            done = (post_debit if kind == "debit" else post_credit)(
                session, carte, self.mouvement(montant, reference, empreinte)
            )
        return done.solde, done.replayed

    def rows(self) -> list[Row[tuple[object, ...]]]:
        """Everything in the journal of the card."""
        with self.database.reading() as session:
            own = operations.c.carte_id == self.carte.id
            return [
                *session.execute(select(operations).where(own).order_by(operations.c.id)),
                *session.execute(
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
    with pytest.raises(DBAPIError) as caught, database.transaction() as session:
        session.execute(text(statement))
    return str(caught.value)


def insert_row(database: Database, table: Table, row: dict[str, object]) -> None:
    """Write one row."""
    with database.transaction() as session:
        session.execute(insert(table), row)


def last_row(database: Database, table: Table) -> dict[str, object]:
    """The newest row, without its id."""
    with database.reading() as session:
        newest = select(table).order_by(table.c.id.desc()).limit(1)
        row = session.execute(newest).mappings().one()
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
    with database.transaction() as session:
        euro = session.execute(
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
        {"reference": "same"},
        {"numero_operation": "same"},
    ],
    ids=str,
)
def test_impossible_operation_is_refused(bench: Bench, changed: dict[str, object]) -> None:
    last = last_row(bench.database, operations)
    fresh = {"numero_operation": new_numero_operation(), "reference": f"J-{new_number()}"}
    row = last | fresh | {k: last[k] if v == "same" else v for k, v in changed.items()}
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
        bench.post("debit", 500, "A", OTHER)
    assert bench.world.solde(bench.carte) == 8_500


def test_card_that_became_unusable_after_it_was_found_is_refused(bench: Bench) -> None:
    """The guard is on the row that the update changes, not on what was read before it."""
    changes: list[tuple[dict[str, object], type[Refusal]]] = [
        ({"statut": "OPPOSITION"}, CarteEnOpposition),
        ({"statut": "ANNULEE"}, CarteAnnulee),
        ({"statut": "ACTIVE", "fin_validite": today() - timedelta(days=1)}, CarteExpiree),
    ]
    carte = bench.find()
    for change, refusal in changes:
        bench.world.change_carte(bench.carte, **change)
        for post in (post_debit, post_credit):
            with pytest.raises(refusal), bench.database.transaction() as session:
                post(session, carte, bench.mouvement(1))
    assert bench.world.solde(bench.carte) == 9_000


def test_replay_is_found_by_reference_and_content_alone(bench: Bench) -> None:
    bench.post("debit", 500, "A")
    with bench.database.reading() as session:
        identity = bench.partenaire.id
        found = find_replay(session, partenaire_id=identity, reference="A", empreinte=EMPREINTE)
        assert found is not None
        assert (found.montant, found.solde, found.replayed) == (500, 8_500, True)
        absent = find_replay(session, partenaire_id=identity, reference="B", empreinte=EMPREINTE)
        assert absent is None
        assert (
            find_replay(session, partenaire_id=identity + 1, reference="A", empreinte=EMPREINTE)
            is None
        )
        with pytest.raises(ReferenceDejaUtilisee):
            find_replay(session, partenaire_id=identity, reference="A", empreinte=OTHER)


def test_operation_numbers_are_unique_and_sort_by_time() -> None:
    numbers = [new_numero_operation() for _ in range(1_000)]
    assert len(set(numbers)) == 1_000
    assert all(len(number) == 26 and number.isalnum() for number in numbers)
    assert [number[:10] for number in numbers] == sorted(number[:10] for number in numbers)
