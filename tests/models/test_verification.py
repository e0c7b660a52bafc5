"""`journal verify` finds nothing in a journal that the product wrote, and every fault planted in one."""

from __future__ import annotations

import shutil
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, func, make_url, select, update

from models import migrate, secret
from models.annulation import annuler
from models.base import now
from models.books.demo import CONSUMER_KEY, CONSUMER_SECRET, seed_demo
from models.books.exportation import export_journal
from models.books.verification import (
    MAX_FAULTS,
    Fault,
    Report,
    verify,
)
from models.carte import ACTIVE, EMISE, cartes
from models.database.engine import Database
from models.journal.ecriture import ecritures
from models.mouvement import CarteDesignee, Demande, crediter, debiter, transferer
from models.operation import operations
from models.plafond import plafonds
from models.secret import find_by_secret
from models.suivi import close_reference
from tests.support.acteurs import TESTEUR
from tests.support.lives import Lives
from tests.support.plafonds import set_plafond
from tests.support.postgresql import create_database
from tests.support.till import Till
from tests.support.world import World, place

PEPPER = b"pepper"
CARD = "numero_carte = '7019800100009569'"
COMPTE = f"(SELECT compte_id FROM cartes WHERE {CARD})"
DEBIT = "(SELECT id FROM operations WHERE reference = 'D1')"
CREDIT = "(SELECT id FROM operations WHERE reference = 'C1')"
TRANSFERT = "(SELECT id FROM operations WHERE type = 'TRANSFERT')"
ANNULATION_DEBIT = "(SELECT id FROM operations WHERE reference = 'A1')"
ANNULATION_CREDIT = "(SELECT id FROM operations WHERE reference = 'A2')"
CLOTURE = "(SELECT id FROM operations WHERE type = 'CLOTURE')"
AUTRE_CARTE = "(SELECT max(id) FROM cartes)"
AUTRE_PARTENAIRE = "(SELECT max(id) FROM partenaires)"
PLAFOND_CARTE = "(SELECT id FROM plafonds WHERE carte_id IS NOT NULL)"

FORME = "an operation has what its type asks for, and nothing else"
REFERENCE = "a partenaire's reference is of one operation, or closed"
MONTANT = "an operation's ecritures amount to its montant"
LIENS = "an ecriture belongs to an operation and to two comptes"
POSITIF = "an ecriture moves an amount above zero between two comptes"
UNITE = "an ecriture has the unite of its operation and of its comptes"
SENS = "an ecriture moves the operation's carte against the right compte"
SUJETS = "an operation is of an existing partenaire, and of an existing carte in its unite"
ANNULATION = "an annulation undoes the whole of a credit or debit of its carte and partenaire, once"
DEMANDEE = "what a demande moved is of one that was executed, which moved nothing else"
COMPTE_DE_LA_CARTE = "a carte has a compte of type CARTE, in its unite"
COMPTE_DU_PARTENAIRE = "a partenaire has a compte of type REGLEMENT"
CARTE_DU_COMPTE = "a compte of type CARTE has one carte"
NUMEROS = "an ecriture numbers the cartes it moves, and nothing else"
SOLDE = "a carte's solde is what its ecritures credit less what they debit"
VERSIONS = "a carte's versions run from 1 to its own without a gap"
SUITE = "the solde after each ecriture follows from the one before and is never negative"
MARQUE = "a carte or partenaire is marked when it has plafonds, and only then"
DECOMPTE = "a plafond has counted the operations of the present day or month that were not reversed"
EXCES = "what follows a plafond does not exceed it"


FIRST = CarteDesignee("7019800100009569", "221771234567", "CLI-0001")
SECOND = CarteDesignee("7019800100009577", "221771234567", "CLI-0001")
SCOPES = ["cartes:crediter", "cartes:debiter"]


@pytest.fixture(scope="module")
def new_own_database(
    backend: str,
    empty_database_url: str,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[], Database]]:
    """Makes migrated databases that tests may spoil."""
    empty = make_url(empty_database_url).database
    assert empty is not None
    made: list[Database] = []

    def make() -> Database:
        if backend == "sqlite":
            file = tmp_path_factory.mktemp("verification") / "journal.db"
            shutil.copy(empty, file)
            url = f"sqlite:///{file}"
        else:
            server = request.getfixturevalue("postgresql_url")
            url = create_database(server, f"test_{uuid.uuid4().hex[:12]}", template=empty)
        made.append(Database(url))
        return made[-1]

    yield make
    for database in made:
        database.close()


@pytest.fixture(scope="module")
def database(new_own_database: Callable[[], Database]) -> Database:
    """The demo, and every type of operation on its first card, a debit and a credit last.

    One for all tests: what they plant is rolled back.
    """
    database = new_own_database()
    _write_journal(database)
    return database


def _write_journal(database: Database) -> None:
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=SCOPES, pepper=PEPPER)
        secret.create(
            connection,
            TESTEUR,
            nom="Autre",
            client_ids=[],
            scopes=SCOPES,
            adresses=[],
            pepper=PEPPER,
        )
        for type_, periode, subject in (
            ("TRANSFERT", "MOIS", {"numero_carte": FIRST.numero_carte}),
            ("CREDIT", "MOIS", {"consumer_key": CONSUMER_KEY}),
        ):
            assert set_plafond(
                connection,
                TESTEUR,
                type_=type_,
                periode=periode,
                montant_maximal=10_000,
                nombre_maximal=None,
                **subject,
            )
        connection.execute(update(plafonds).values(cree_le=now() - timedelta(days=40)))
    with database.transaction() as connection:
        partenaire = find_by_secret(
            connection, CONSUMER_KEY, CONSUMER_SECRET, pepper=PEPPER, demo_allowed=True
        ).partenaire
        assert partenaire is not None
        transferer(connection, partenaire, Demande(FIRST, 100, "T1", destination=SECOND))
        debiter(connection, partenaire, Demande(FIRST, 300, "D2"))
        crediter(connection, partenaire, Demande(FIRST, 50, "C2"))
        for origine, reference in (("D2", "A1"), ("C2", "A2")):
            annuler(
                connection,
                partenaire,
                reference_origine=origine,
                reference=reference,
                motif=None,
                fenetre=timedelta(days=1),
            )
        close_reference(connection, partenaire, "X1")
        debiter(connection, partenaire, Demande(FIRST, 2000, "D1"))
        crediter(connection, partenaire, Demande(FIRST, 500, "C1"))


def _verify(database: Database, *statements: str) -> Report:
    """The report after statements that the database itself refuses; then all is as it was.

    Its triggers, keys and checks are put to sleep meanwhile.
    """
    with database.engine.connect() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SET session_replication_role = replica")
            constraints = connection.exec_driver_sql(
                "SELECT conrelid::regclass::text, conname FROM pg_constraint"
                " WHERE (contype = 'c' AND conname LIKE 'ck%%')"
                " OR (contype = 'u' AND conrelid IN ('operations'::regclass, 'ecritures'::regclass))"
            )
            for table, name in constraints.all():
                connection.exec_driver_sql(f"ALTER TABLE {table} DROP CONSTRAINT {name}")
        else:
            driver = connection.connection.driver_connection
            assert driver is not None
            driver.execute("PRAGMA foreign_keys = OFF")
            driver.execute("PRAGMA ignore_check_constraints = ON")
            triggers = connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'trigger'"
            )
            for (name,) in triggers.all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
            # SQLite drops no UNIQUE: the rows go to a table that has none.
            for table in ("operations", "ecritures"):
                connection.exec_driver_sql(f"CREATE TABLE bare AS SELECT * FROM {table}")
                connection.exec_driver_sql(f"DROP TABLE {table}")
                connection.exec_driver_sql(f"ALTER TABLE bare RENAME TO {table}")
        for statement in statements:
            connection.exec_driver_sql(statement)
        report = verify(connection)
        connection.rollback()
        connection.invalidate()
    return report


def _fautes(database: Database, *statements: str) -> list[Fault]:
    return _verify(database, *statements).faults


def test_a_journal_that_the_product_wrote_holds(database: Database) -> None:
    with database.reading() as connection:
        of_demo = connection.scalar(select(func.count()).select_from(cartes))
        assert verify(connection) == (14, 13, of_demo, [], [])
    assert _fautes(database) == []


def test_an_empty_database_holds(empty_database_url: str) -> None:
    database = Database(empty_database_url)
    with database.reading() as connection:
        assert verify(connection) == (0, 0, 0, [], [])
    database.close()


SWAP = (
    "UPDATE ecritures SET compte_debit = compte_credit, compte_credit = compte_debit,"
    " version_debit = version_credit, version_credit = version_debit,"
    " solde_debit = solde_credit, solde_credit = solde_debit"
    " WHERE operation_id = {}"
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
            SWAP.format(DEBIT),
            {SENS, SOLDE, SUITE},
        ),
        (f"UPDATE ecritures SET unite = 'EUR' WHERE operation_id = {DEBIT}", {UNITE}),
        (
            f"UPDATE operations SET unite = 'EUR' WHERE id = {DEBIT}",
            {UNITE, SUJETS},
        ),
        (
            f"UPDATE comptes SET unite = 'EUR' WHERE id = {COMPTE}",
            {UNITE, COMPTE_DE_LA_CARTE},
        ),
        (f"UPDATE operations SET carte_id = 999999 WHERE id = {DEBIT}", {SUJETS}),
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
        (f"DELETE FROM cartes WHERE {CARD}", {SUJETS, CARTE_DU_COMPTE}),
        (
            f"UPDATE ecritures SET version_debit = NULL WHERE operation_id = {DEBIT}",
            {NUMEROS, VERSIONS, SUITE},
        ),
        (
            f"UPDATE ecritures SET version_credit = 7 WHERE operation_id = {DEBIT}",
            {NUMEROS},
        ),
        (
            f"UPDATE ecritures SET version_credit = 9 WHERE operation_id = {CREDIT}",
            {VERSIONS},
        ),
        (
            f"UPDATE ecritures SET version_credit = 7 WHERE operation_id = {CREDIT}",
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
        # A lost update: two ecritures start from one solde.
        (
            f"UPDATE ecritures SET version_debit = 3 WHERE operation_id = {DEBIT}",
            {VERSIONS, SUITE},
        ),
        # What each type asks for.
        (f"UPDATE operations SET type = 'CADEAU' WHERE id = {DEBIT}", {FORME, SENS}),
        (f"UPDATE operations SET type = 'CREDIT' WHERE id = {DEBIT}", {SENS, DECOMPTE}),
        (f"UPDATE operations SET statut = 'CLOTUREE' WHERE id = {DEBIT}", {FORME}),
        (f"UPDATE operations SET partenaire_id = NULL WHERE id = {DEBIT}", {FORME, SENS}),
        (f"UPDATE operations SET reference = NULL WHERE id = {DEBIT}", {FORME}),
        (
            (
                f"UPDATE operations SET partenaire_id = {AUTRE_PARTENAIRE}, reference = 'O1'"
                " WHERE id = (SELECT min(id) FROM operations)"
            ),
            {FORME},
        ),
        (f"UPDATE operations SET carte_id = NULL WHERE id = {DEBIT}", {FORME, SUJETS}),
        (
            f"UPDATE operations SET carte_destination_id = {AUTRE_CARTE} WHERE id = {DEBIT}",
            {FORME},
        ),
        (
            f"UPDATE operations SET partenaire_id = {AUTRE_PARTENAIRE} WHERE id = {DEBIT}",
            {SENS},
        ),
        (f"UPDATE operations SET partenaire_id = 999999 WHERE id = {DEBIT}", {SENS, SUJETS}),
        # References.
        ("UPDATE operations SET reference = 'D1' WHERE reference = 'C1'", {REFERENCE}),
        (f"UPDATE operations SET reference = 'D1' WHERE id = {CLOTURE}", {REFERENCE}),
        # A closed reference moves nothing.
        (f"UPDATE operations SET type = 'CLOTURE' WHERE id = {DEBIT}", {FORME, SENS}),
        (f"UPDATE operations SET montant = 5 WHERE id = {CLOTURE}", {FORME, MONTANT}),
        (f"UPDATE operations SET carte_id = {AUTRE_CARTE} WHERE id = {CLOTURE}", {FORME}),
        (f"UPDATE operations SET unite = 'FCFA' WHERE id = {CLOTURE}", {FORME}),
        (f"UPDATE operations SET statut = 'EXECUTEE' WHERE id = {CLOTURE}", {FORME}),
        (f"UPDATE operations SET partenaire_id = 999999 WHERE id = {CLOTURE}", {SUJETS}),
        (
            f"UPDATE ecritures SET operation_id = {CLOTURE} WHERE operation_id = {DEBIT}",
            {MONTANT},
        ),
        # Transferts.
        (
            f"UPDATE operations SET carte_destination_id = NULL WHERE id = {TRANSFERT}",
            {FORME, SENS},
        ),
        (
            f"UPDATE operations SET carte_destination_id = {AUTRE_CARTE} WHERE id = {TRANSFERT}",
            {SENS},
        ),
        (
            f"UPDATE operations SET carte_destination_id = 999999 WHERE id = {TRANSFERT}",
            {SENS},
        ),
        (f"UPDATE operations SET partenaire_id = 999999 WHERE id = {TRANSFERT}", {SUJETS}),
        (SWAP.format(TRANSFERT), {SENS, SOLDE, SUITE}),
        (
            (
                "UPDATE ecritures SET compte_credit ="
                f" (SELECT compte_id FROM cartes WHERE id = {AUTRE_CARTE})"
                f" WHERE operation_id = {TRANSFERT}"
            ),
            {SENS, SOLDE, VERSIONS, SUITE},
        ),
        (
            f"UPDATE ecritures SET solde_credit = solde_credit + 1 WHERE operation_id = {TRANSFERT}",
            {SUITE},
        ),
        # Annulations.
        (
            f"UPDATE operations SET annulation_de = NULL WHERE id = {ANNULATION_DEBIT}",
            {ANNULATION, SENS},
        ),
        (
            f"UPDATE operations SET annulation_de = 999999 WHERE id = {ANNULATION_DEBIT}",
            {ANNULATION, SENS},
        ),
        (
            f"UPDATE operations SET annulation_de = {TRANSFERT} WHERE id = {ANNULATION_DEBIT}",
            {ANNULATION, SENS, DECOMPTE},
        ),
        (
            f"UPDATE operations SET annulation_de = {CREDIT} WHERE id = {ANNULATION_DEBIT}",
            {ANNULATION, SENS, DECOMPTE},
        ),
        (
            (
                "UPDATE operations SET annulation_de ="
                " (SELECT id FROM operations WHERE reference = 'D2')"
                f" WHERE id = {ANNULATION_CREDIT}"
            ),
            {ANNULATION, SENS, DECOMPTE},
        ),
        (
            f"UPDATE operations SET annulation_de = {CREDIT} WHERE id = {DEBIT}",
            {ANNULATION, DECOMPTE},
        ),
        (
            f"UPDATE operations SET montant = montant - 1 WHERE id = {ANNULATION_DEBIT}",
            {ANNULATION, MONTANT},
        ),
        (
            f"UPDATE operations SET carte_id = {AUTRE_CARTE} WHERE id = {ANNULATION_DEBIT}",
            {ANNULATION, SENS},
        ),
        (
            (
                f"UPDATE operations SET partenaire_id = {AUTRE_PARTENAIRE}"
                f" WHERE id = {ANNULATION_DEBIT}"
            ),
            {ANNULATION, SENS},
        ),
        (SWAP.format(ANNULATION_CREDIT), {SENS, SOLDE, SUITE}),
        # Plafonds.
        (f"UPDATE cartes SET plafonnee = 0 WHERE {CARD}", {MARQUE}),
        ("UPDATE cartes SET plafonnee = 1", {MARQUE}),
        ("UPDATE partenaires SET plafonne = 1 - plafonne", {MARQUE}),
        (f"DELETE FROM plafonds WHERE id = {PLAFOND_CARTE}", {MARQUE}),
        ("UPDATE consommations SET montant = montant + 1", {DECOMPTE}),
        ("UPDATE consommations SET montant = montant - 1", {DECOMPTE}),
        ("UPDATE consommations SET nombre = nombre + 1", {DECOMPTE}),
        ("UPDATE consommations SET nombre = nombre - 1", {DECOMPTE}),
        (f"DELETE FROM consommations WHERE plafond_id = {PLAFOND_CARTE}", {DECOMPTE}),
    ],
)
def test_a_planted_fault_breaks_the_rules_it_should(
    database: Database, statement: str, rules: set[str]
) -> None:
    assert {fault.regle for fault in _fautes(database, statement)} == rules


def test_a_solde_that_was_negative_between_two_ecritures_is_found(database: Database) -> None:
    with database.reading() as connection:
        ecriture = connection.scalar(
            select(ecritures.c.id).join(operations).where(operations.c.reference == "D1")
        )
    assert _fautes(
        database,
        f"UPDATE ecritures SET solde_debit = -1, montant = 141901 WHERE operation_id = {DEBIT}",
        f"UPDATE ecritures SET solde_credit = 499 WHERE operation_id = {CREDIT}",
        f"UPDATE operations SET montant = 141901 WHERE id = {DEBIT}",
        f"UPDATE cartes SET solde = 499 WHERE {CARD}",
    ) == [
        Fault(
            SUITE,
            "carte 701980******9569",
            f"ecriture {ecriture}, version 7: solde -1 after 141900 and a movement of -141901",
        )
    ]


def test_a_fault_names_its_card_masked_and_both_figures(database: Database) -> None:
    assert _fautes(database, f"UPDATE cartes SET solde = 141999, version = 9 WHERE {CARD}") == [
        Fault(SOLDE, "carte 701980******9569", "solde 141999, ecritures 140400"),
        Fault(VERSIONS, "carte 701980******9569", "version 9, 8 ecritures numbered 1 to 8"),
    ]


def test_an_operation_without_ecriture_is_told_by_its_number(database: Database) -> None:
    with database.reading() as connection:
        numero = connection.scalar(
            select(operations.c.numero_operation).where(operations.c.reference == "C1")
        )
    assert _fautes(
        database,
        f"DELETE FROM ecritures WHERE operation_id = {CREDIT}",
        f"UPDATE cartes SET solde = 139900, version = 7 WHERE {CARD}",
    ) == [Fault(MONTANT, f"operation {numero}", "montant 500, ecritures 0")]


def test_a_plafond_names_its_card_masked_or_its_partner(database: Database) -> None:
    assert _fautes(database, "UPDATE consommations SET montant = montant + 1") == [
        Fault(
            DECOMPTE,
            "carte 701980******9569",
            "TRANSFERT per MOIS: counted 101 in 1, operations 100 in 1",
        ),
        Fault(
            DECOMPTE,
            f"partenaire {CONSUMER_KEY}",
            "CREDIT per MOIS: counted 501 in 1, operations 500 in 1",
        ),
    ]


JUST_SET = "UPDATE plafonds SET cree_le = (SELECT max(date_operation) FROM operations)"


def test_an_operation_that_escaped_a_plafond_just_set_is_told(database: Database) -> None:
    """It waited while its plafond was set, and was not counted."""
    faults = _fautes(database, JUST_SET, "DELETE FROM consommations")
    assert faults == [
        Fault(
            DECOMPTE,
            "carte 701980******9569",
            "TRANSFERT per MOIS: counted 0 in 0, operations 100 in 1",
        ),
        Fault(
            DECOMPTE,
            f"partenaire {CONSUMER_KEY}",
            "CREDIT per MOIS: counted 0 in 0, operations 500 in 1",
        ),
    ]


@pytest.mark.parametrize(
    ("maximum", "carte", "partenaire"),
    [
        ("montant_maximal = 99", "100 in 1, at most 99", "500 in 1, at most 99"),
        ("montant_maximal = 100", None, "500 in 1, at most 100"),
        ("montant_maximal = 500", None, None),
        ("montant_maximal = 499, nombre_maximal = 1", None, "500 in 1, at most 499 in 1"),
        (
            "montant_maximal = NULL, nombre_maximal = 0",
            "100 in 1, at most any in 0",
            "500 in 1, at most any in 0",
        ),
        ("montant_maximal = 500, nombre_maximal = 1", None, None),
    ],
)
def test_a_plafond_that_was_exceeded_is_told(
    database: Database, maximum: str, carte: str | None, partenaire: str | None
) -> None:
    told = [
        ("carte 701980******9569", "TRANSFERT", carte),
        (f"partenaire {CONSUMER_KEY}", "CREDIT", partenaire),
    ]
    assert _fautes(database, f"UPDATE plafonds SET {maximum}") == [
        Fault(EXCES, sujet, f"{type_} per MOIS: {detail}")
        for sujet, type_, detail in told
        if detail
    ]


def test_a_plafond_lower_than_what_was_moved_before_it_is_no_fault(database: Database) -> None:
    lower = "UPDATE plafonds SET montant_maximal = 0, nombre_maximal = 0"
    assert _fautes(database, JUST_SET, lower) == []


def test_an_operation_above_the_plafond_of_each_is_told_by_its_number(database: Database) -> None:
    each = "UPDATE plafonds SET periode = 'OPERATION', montant_maximal = {0}"
    with database.reading() as connection:
        numero = connection.scalar(
            select(operations.c.numero_operation).where(operations.c.reference == "C1")
        )
    cleared = "DELETE FROM consommations"
    assert _fautes(database, cleared, each.format(500)) == []
    assert _fautes(database, cleared, each.format(499)) == [
        Fault(
            EXCES,
            f"partenaire {CONSUMER_KEY}",
            f"CREDIT per OPERATION: {numero} of 500, at most 499",
        )
    ]
    assert _fautes(database, cleared, JUST_SET, each.format(0)) == []


def test_what_a_plafond_counted_in_a_past_period_limits_nothing_and_is_not_judged(
    database: Database,
) -> None:
    past = f"INSERT INTO consommations VALUES ({PLAFOND_CARTE}, '2020-01-01', 1, 1)"
    assert _fautes(database, past) == []


@pytest.mark.parametrize("tranche", [1, 3, 1000])
def test_the_list_of_faults_is_bounded_and_says_so(
    database: Database, monkeypatch: pytest.MonkeyPatch, tranche: int
) -> None:
    monkeypatch.setattr("models.books.verification.TRANCHE", tranche)
    moved = "UPDATE cartes SET solde = solde + 1, version = version + 1 WHERE statut <> 'EMISE'"
    statements = [moved]
    statements += [
        f"INSERT INTO comptes (id, type, unite) VALUES ({1000 + number}, 'CARTE', 'FCFA')"
        for number in range(MAX_FAULTS + 1)
    ]
    with database.reading() as connection:
        of_demo = select(func.count()).select_from(cartes)
        moved_cartes = connection.scalar(of_demo.where(cartes.c.statut != EMISE))
    report = _verify(database, *statements)
    assert Counter(fault.regle for fault in report.faults) == {
        CARTE_DU_COMPTE: MAX_FAULTS,
        SOLDE: moved_cartes,
        VERSIONS: moved_cartes,
    }
    assert report.rules_cut == [CARTE_DU_COMPTE]


@pytest.mark.parametrize(("cartes", "told"), [(20, 20), (21, 20)])
def test_a_rule_that_is_checked_in_parts_tells_as_many_faults_as_another(
    database: Database, monkeypatch: pytest.MonkeyPatch, cartes: int, told: int
) -> None:
    monkeypatch.setattr("models.books.verification.TRANCHE", 2)
    columns = "client_id, membre_id, fin_validite, statut, unite, date_solde, plafonnee"
    statements = [
        f"INSERT INTO comptes (id, type, unite) VALUES ({number}, 'CARTE', 'FCFA')"
        for number in range(1000, 1000 + cartes)
    ] + [
        f"INSERT INTO cartes (id, carte_id, numero_carte, compte_id, solde, version, {columns})"
        f" SELECT {number}, '{number:026d}', '{number}', {number}, 5, 0, {columns} FROM cartes"
        f" WHERE numero_carte = '{SECOND.numero_carte}'"
        for number in range(1000, 1000 + cartes)
    ]
    report = _verify(database, *statements)
    assert [fault.regle for fault in report.faults] == [SOLDE] * told
    assert report.rules_cut == ([SOLDE] if cartes > told else [])


# ── what demandes moved ──────────────────────────────────────────────────────────────────────────
SPECIAL = "(SELECT min(id) FROM operations WHERE type = 'TRANSFERT_SPECIAL')"
CORRECTION = "(SELECT id FROM operations WHERE type = 'CORRECTION_OUVERTURE')"


@pytest.fixture(scope="module")
def by_demandes(new_own_database: Callable[[], Database]) -> Database:
    """An opening that was corrected, what was left on a blocked card moved, and a card of limits replaced,
    of which something was spent before and after that."""
    database = new_own_database()
    world = World(database, "")
    lives = Lives(world)
    blocked, first = lives.carte(ACTIVE, 1_000), lives.carte(ACTIVE, 1_000)
    till = Till(world, first)
    lives.done("corrigerSoldeOuverture", carteId=blocked.carte_id, soldeOuverture=900)
    lives.opposed(blocked, "VOLEE")
    two = {"carteId": blocked.carte_id, "carteIdDestination": first.carte_id}
    with world.writing() as connection:
        clients = [one.membre.client_id for one in (blocked, first)]
        place(connection, "RESEAU", *clients)
    lives.done("transfererSoldeSpecial", **two)
    limit = {"carteId": first.carte_id, "type": "DEBIT", "periode": "MOIS", "montantMaximal": 100}
    lives.done("saisirPlafondCarte", **limit)
    spent = [till.move("DEBIT", first, montant) for montant in (40, 60)]
    second = lives.replaced(first)
    lives.activated(second)
    till.reverse(spent[0])
    till.move("DEBIT", second, 30)
    return database


def test_what_demandes_moved_holds(by_demandes: Database) -> None:
    with by_demandes.reading() as connection:
        report = verify(connection)
    assert (report.operations, report.faults) == (9, [])


@pytest.mark.parametrize(
    ("statement", "rules"),
    [
        (f"UPDATE operations SET demande_id = NULL WHERE id = {SPECIAL}", {FORME}),
        (f"UPDATE operations SET demande_id = 'NONE' WHERE id = {SPECIAL}", {DEMANDEE}),
        (
            (
                "UPDATE operations SET demande_id = (SELECT demande_id FROM demandes"
                f" WHERE type = 'saisirPlafondCarte') WHERE id = {CORRECTION}"
            ),
            {DEMANDEE},
        ),
        (
            "UPDATE demandes SET statut = 'REJETEE' WHERE type = 'corrigerSoldeOuverture'",
            {DEMANDEE},
        ),
        (
            f"UPDATE operations SET carte_destination_id = NULL WHERE id = {SPECIAL}",
            {FORME, SENS},
        ),
        (SWAP.format(SPECIAL), {SENS, SOLDE, SUITE}),
        (
            (
                "UPDATE ecritures SET compte_credit = (SELECT id FROM comptes WHERE type = 'REGLEMENT')"
                f" WHERE operation_id = {CORRECTION}"
            ),
            {SENS},
        ),
        ("UPDATE consommations SET montant = montant + 1", {DECOMPTE}),
        ("UPDATE cartes SET remplace_id = NULL", {DECOMPTE}),
    ],
)
def test_what_demandes_moved_is_not_changed_unseen(
    by_demandes: Database, statement: str, rules: set[str]
) -> None:
    assert {fault.regle for fault in _fautes(by_demandes, statement)} == rules


def test_progress_tells_each_statement_and_the_end(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("models.books.verification.TRANCHE", 3)
    told: list[tuple[int, int]] = []
    with database.reading() as connection:
        verify(connection, lambda done, total: told.append((done, total)))
    total = told[-1][1]
    assert told == [(done, total) for done in range(total + 1)]
    assert total > 15


def test_sqlite_sorts_nothing_that_grows_with_the_journal(tmp_path: Path) -> None:
    """As it is built for Python, it sorts in memory: whole tables are read in the order of an index."""
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    migrate.upgrade(database)
    ran: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_others: Any) -> None:
        ran.append((statement, values))

    event.listen(database.engine, "before_cursor_execute", note)
    with database.reading() as connection:
        verify(connection)
    with database.snapshot() as connection:
        export_journal(connection, lambda _piece: None)
    event.remove(database.engine, "before_cursor_execute", note)
    assert len(ran) > 20
    with database.reading() as connection:
        for statement, values in ran:
            # But a part of the comptes at a time, the few faults, and the fewer unites.
            if (
                not statement.lstrip().startswith("SELECT")
                or "k.id BETWEEN" in statement
                or "DISTINCT comptes.unite" in statement
            ):
                continue
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            steps = {row.detail for row in plan}
            if "ORDER BY 1, 2 LIMIT" in statement:
                steps -= {"USE TEMP B-TREE FOR ORDER BY"}
            words = ("TEMP B-TREE", "MATERIALIZE", "AUTOMATIC")
            # Of cards that have limits, those whose place they took: no operation is among them.
            steps = {one for one in steps if " lignee" not in one}
            assert not [one for one in steps if any(word in one for word in words)], statement
    database.close()
