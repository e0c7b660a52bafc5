"""`journal verify` finds nothing in a journal that the product wrote, and every fault planted in one."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, select

from models.carte import cartes
from models.compte import CARTE, comptes
from models.db import Database
from models.demo import seed_demo
from models.journal import ecritures
from models.mouvement import Demande, crediter, debiter
from models.operation import operations
from models.partenaire import find_by_secret
from models.verification import FAUTES_MAXIMALES, Faute, verify

PEPPER = b"pepper"
CARD = "numero_carte = '7019800100009569'"
COMPTE = f"(SELECT compte_id FROM cartes WHERE {CARD})"
DEBIT = "(SELECT id FROM operations WHERE type = 'DEBIT')"
CREDIT = "(SELECT id FROM operations WHERE type = 'CREDIT')"

MONTANT = "an operation's ecritures amount to its montant"
LIENS = "an ecriture belongs to an operation and to two comptes"
POSITIF = "an ecriture moves an amount above zero between two comptes"
UNITE = "an ecriture has the unite of its operation and of its comptes"
SENS = "an ecriture moves the operation's carte against the right compte"
CARTE_DE_L_OPERATION = "an operation is of an existing carte, in its unite"
COMPTE_DE_LA_CARTE = "a carte has a compte of type CARTE, in its unite"
COMPTE_DU_PARTENAIRE = "a partenaire has a compte of type REGLEMENT"
CARTE_DU_COMPTE = "a compte of type CARTE has one carte"
NUMEROS = "an ecriture numbers the cartes it moves, and nothing else"
SOLDE = "a carte's solde is what its ecritures credit less what they debit"
VERSIONS = "a carte's versions run from 1 to its own without a gap"
SUITE = "the solde after each ecriture follows from the one before and is never negative"


@pytest.fixture
def database(database: Database) -> Database:
    """The demo, and a debit and a credit of its first card."""
    with database.transaction() as session:
        seed_demo(session, scopes=["soldes:lire"], pepper=PEPPER)
        partenaire = find_by_secret(
            session, "demo-partenaire", "demo-secret", pepper=PEPPER, demo_allowed=True
        ).partenaire
        assert partenaire is not None
        holder = ("7019800100009569", "221771234567", "CLI-0001")
        debiter(session, partenaire, Demande(*holder, montant=2000, reference="D1"))
        crediter(session, partenaire, Demande(*holder, montant=500, reference="C1"))
    return database


def _plant(database: Database, *statements: str) -> None:
    """Write what the database itself refuses: its triggers, keys and checks are put to sleep."""
    with database.engine.connect() as session:
        if database.dialect == "postgresql":
            session.exec_driver_sql("SET session_replication_role = replica")
            checks = session.exec_driver_sql(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint"
                " WHERE contype = 'c' AND conname LIKE 'ck%%'"
            )
            for table, name in checks.all():
                session.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        else:
            driver = session.connection.driver_connection
            assert driver is not None
            driver.execute("PRAGMA foreign_keys = OFF")
            driver.execute("PRAGMA ignore_check_constraints = ON")
            triggers = "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            for (name,) in driver.execute(triggers).fetchall():
                driver.execute(f"DROP TRIGGER {name}")
        for statement in statements:
            session.exec_driver_sql(statement)
        session.commit()
        session.invalidate()


def _fautes(database: Database) -> list[Faute]:
    with database.reading() as session:
        return verify(session).fautes


def test_a_journal_that_the_product_wrote_holds(database: Database) -> None:
    with database.reading() as session:
        assert verify(session) == (8, 8, 6, [], [])


def test_an_empty_database_holds(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with database.reading() as session:
        assert verify(session) == (0, 0, 0, [], [])
    database.close()


SWAP = (
    "UPDATE ecritures SET compte_debit = compte_credit, compte_credit = compte_debit,"
    " version_debit = version_credit, version_credit = version_debit,"
    " solde_debit = solde_credit, solde_credit = solde_debit"
    f" WHERE operation_id = {DEBIT}"
)


@pytest.mark.parametrize(
    ("statement", "rules"),
    [
        (f"UPDATE cartes SET solde = solde + 1 WHERE {CARD}", {SOLDE}),
        (f"UPDATE cartes SET solde = -1 WHERE {CARD}", {SOLDE}),
        (f"UPDATE cartes SET version = version + 1 WHERE {CARD}", {VERSIONS}),
        (
            f"UPDATE ecritures SET montant = montant + 1 WHERE operation_id = {DEBIT}",
            {MONTANT, SOLDE, SUITE},
        ),
        (
            f"UPDATE ecritures SET montant = 9223372036854775807 WHERE compte_credit = {COMPTE}",
            {MONTANT, SOLDE, SUITE},
        ),
        (
            f"UPDATE ecritures SET montant = -2000 WHERE operation_id = {DEBIT}",
            {MONTANT, POSITIF, SOLDE, SUITE},
        ),
        (f"UPDATE operations SET montant = 1 WHERE id = {DEBIT}", {MONTANT}),
        (
            f"DELETE FROM ecritures WHERE operation_id = {CREDIT}",
            {MONTANT, SOLDE, VERSIONS},
        ),
        (
            f"DELETE FROM ecritures WHERE operation_id = {DEBIT}",
            {MONTANT, SOLDE, VERSIONS, SUITE},
        ),
        (f"DELETE FROM operations WHERE id = {DEBIT}", {LIENS}),
        (
            f"UPDATE ecritures SET operation_id = {DEBIT} WHERE operation_id = {CREDIT}",
            {MONTANT, SENS},
        ),
        (
            f"UPDATE ecritures SET compte_credit = 999999 WHERE operation_id = {DEBIT}",
            {LIENS, SENS},
        ),
        (
            f"UPDATE ecritures SET compte_debit = compte_credit WHERE operation_id = {CREDIT}",
            {POSITIF, SENS, NUMEROS, SOLDE, VERSIONS},
        ),
        (
            SWAP,
            {SENS, SOLDE, SUITE},
        ),
        (f"UPDATE ecritures SET unite = 'EUR' WHERE operation_id = {DEBIT}", {UNITE}),
        (
            f"UPDATE operations SET unite = 'EUR' WHERE id = {DEBIT}",
            {UNITE, CARTE_DE_L_OPERATION},
        ),
        (
            f"UPDATE comptes SET unite = 'EUR' WHERE id = {COMPTE}",
            {UNITE, COMPTE_DE_LA_CARTE},
        ),
        (f"UPDATE operations SET carte_id = 999999 WHERE id = {DEBIT}", {CARTE_DE_L_OPERATION}),
        (
            f"UPDATE operations SET carte_id = (SELECT max(id) FROM cartes) WHERE id = {DEBIT}",
            {SENS},
        ),
        (
            f"UPDATE comptes SET type = 'REGLEMENT' WHERE id = {COMPTE}",
            {COMPTE_DE_LA_CARTE, NUMEROS, SOLDE, VERSIONS},
        ),
        (
            f"DELETE FROM comptes WHERE id = {COMPTE}",
            {LIENS, COMPTE_DE_LA_CARTE, SOLDE, VERSIONS},
        ),
        (
            "UPDATE comptes SET type = 'OUVERTURE' WHERE type = 'REGLEMENT'",
            {COMPTE_DU_PARTENAIRE},
        ),
        (
            "UPDATE comptes SET type = 'REGLEMENT' WHERE type = 'OUVERTURE'",
            {SENS},
        ),
        ("INSERT INTO comptes (id, type, unite) VALUES (99, 'CARTE', 'FCFA')", {CARTE_DU_COMPTE}),
        (f"DELETE FROM cartes WHERE {CARD}", {CARTE_DE_L_OPERATION, CARTE_DU_COMPTE}),
        (
            f"UPDATE ecritures SET version_debit = NULL WHERE operation_id = {DEBIT}",
            {NUMEROS, VERSIONS, SUITE},
        ),
        (
            f"UPDATE ecritures SET version_credit = 7 WHERE operation_id = {DEBIT}",
            {NUMEROS},
        ),
        (
            f"UPDATE ecritures SET version_credit = 4 WHERE operation_id = {CREDIT}",
            {VERSIONS},
        ),
        (
            f"UPDATE ecritures SET version_credit = 2 WHERE operation_id = {CREDIT}",
            {VERSIONS},
        ),
        (
            f"UPDATE ecritures SET solde_debit = solde_debit + 1 WHERE operation_id = {DEBIT}",
            {SUITE},
        ),
        (
            f"UPDATE ecritures SET solde_debit = NULL WHERE operation_id = {DEBIT}",
            {NUMEROS, SUITE},
        ),
    ],
)
def test_a_planted_fault_breaks_the_rules_it_should(
    database: Database, statement: str, rules: set[str]
) -> None:
    _plant(database, statement)
    assert {faute.regle for faute in _fautes(database)} == rules


def test_a_solde_that_was_negative_between_two_ecritures_is_found(database: Database) -> None:
    _plant(
        database,
        f"UPDATE ecritures SET solde_debit = -1, montant = 142001 WHERE operation_id = {DEBIT}",
        f"UPDATE ecritures SET solde_credit = 499 WHERE operation_id = {CREDIT}",
        f"UPDATE operations SET montant = 142001 WHERE id = {DEBIT}",
        f"UPDATE cartes SET solde = 499 WHERE {CARD}",
    )
    with database.reading() as session:
        ecriture = session.scalar(select(ecritures.c.id).where(ecritures.c.solde_debit == -1))
    assert _fautes(database) == [
        Faute(
            SUITE,
            "carte 701980******9569",
            f"ecriture {ecriture}, version 2: solde -1 after 142000 and a movement of -142001",
        )
    ]


def test_a_fault_names_its_card_masked_and_both_figures(database: Database) -> None:
    _plant(database, f"UPDATE cartes SET solde = 141999, version = 9 WHERE {CARD}")
    assert _fautes(database) == [
        Faute(SOLDE, "carte 701980******9569", "solde 141999, ecritures 140500"),
        Faute(VERSIONS, "carte 701980******9569", "version 9, 3 ecritures numbered 1 to 3"),
    ]


def test_an_operation_without_ecriture_is_told_by_its_number(database: Database) -> None:
    with database.reading() as session:
        numero = session.scalar(
            select(operations.c.numero_operation).where(operations.c.type == "CREDIT")
        )
    _plant(
        database,
        f"DELETE FROM ecritures WHERE operation_id = {CREDIT}",
        f"UPDATE cartes SET solde = 140000, version = 2 WHERE {CARD}",
    )
    assert _fautes(database) == [Faute(MONTANT, f"operation {numero}", "montant 500, ecritures 0")]


def test_the_list_of_faults_is_bounded_and_says_so(database: Database) -> None:
    with database.transaction() as session:
        session.execute(
            insert(comptes),
            [
                {"id": 1000 + number, "type": CARTE, "unite": "FCFA"}
                for number in range(FAUTES_MAXIMALES + 1)
            ],
        )
    with database.reading() as session:
        rapport = verify(session)
        assert session.scalar(select(cartes.c.id).limit(1)) is not None
    assert len(rapport.fautes) == FAUTES_MAXIMALES
    assert rapport.regles_tronquees == [CARTE_DU_COMPTE]
