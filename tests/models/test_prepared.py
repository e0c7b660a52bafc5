"""Statements run on the driver itself: same rows, same errors and same care for the pool as SQLAlchemy's."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from sqlalchemy import bindparam, insert, literal_column, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

import models
from models import migrate
from models.authentification import jetons
from models.carte import cartes
from models.client import clients
from models.database.engine import Database
from models.database.failures import is_retriable, is_unavailable
from models.database.prepared import Prepared
from models.partenaire import partenaires
from tests.support.world import World, new_number

_ADD = insert(clients).values(
    {
        **dict.fromkeys(("client_id", "cle_id"), bindparam("client_id")),
        **dict.fromkeys(("nom", "cle_nom"), bindparam("nom")),
    }
)
ADD = Prepared(_ADD)
FIND = Prepared(select(clients.c.nom).where(clients.c.client_id == bindparam("le_client")))
BETWEEN = Prepared(
    select(clients.c.nom).where(
        clients.c.cle_id.between(bindparam("premier"), bindparam("dernier"))
    )
)
TABLES = [cartes, partenaires, jetons]

ROWS_WITHOUT_A_NAME: dict[str, str] = {
    "models.geste._CLAIM": "its first column, and on PostgreSQL the lock that it takes",
    "models.journal.reference._CLAIM": "its first column, and on PostgreSQL the locks that it takes",
}
"""Statements of several columns whose rows are bare tuples, and why."""


class Etat(NamedTuple):
    """Two integers of a card, which nothing but their names tells apart."""

    solde: int
    version: int


class Carte(NamedTuple):
    """A card with a part that has fields of its own."""

    numero_carte: str
    etat: Etat
    unite: str


class Twice(NamedTuple):
    """Two parts with fields of the same names."""

    before: Etat
    after: Etat


@pytest.fixture
def database(shared_database: Database) -> Database:
    """The shared database: every name is new."""
    return shared_database


def new_client() -> dict[str, str]:
    """A client that does not exist."""
    name = f"CLI-{new_number()}"
    return {"client_id": name, "nom": name}


@pytest.mark.parametrize("table", TABLES, ids=str)
def test_rows_are_those_of_sqlalchemy(world: World, table: Any) -> None:
    carte = world.carte(5_000, fin_validite=date(2027, 2, 28))
    world.api(carte)
    statement = select(table)
    with world.database.reading() as connection:
        expected = [tuple(row) for row in connection.execute(statement)]
        found = Prepared(statement).all(connection, {})
    assert expected
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    assert {tuple(map(type, row)) for row in found} == {tuple(map(type, row)) for row in expected}


def test_columns_that_changed_places_are_refused_where_the_statement_is_written() -> None:
    with pytest.raises(TypeError) as caught:
        Prepared(select(cartes.c.version, cartes.c.solde), Etat)
    assert str(caught.value) == (
        f"{__name__}.Etat has the fields solde, version, its statement gives version, solde: they must be"
        " the same, in the same order; use .label(…)."
    )


@pytest.mark.parametrize(
    "statement",
    [
        select(cartes.c.solde),
        select(cartes.c.solde, cartes.c.version, cartes.c.id),
        select(cartes.c.solde, cartes.c.version.label("solde")),
        select(cartes.c.solde, cartes.c.version + 1),
        insert(cartes),
        insert(cartes).returning(cartes.c.version, cartes.c.solde),
        {
            "sqlite": select(cartes.c.solde, cartes.c.version),
            "postgresql": select(cartes.c.version, cartes.c.solde),
        },
    ],
)
def test_columns_that_are_not_the_fields_are_refused(statement: Any) -> None:
    with pytest.raises(TypeError, match="Etat has the fields solde, version, its statement gives"):
        Prepared(statement, Etat)


def test_two_fields_of_one_name_are_refused() -> None:
    columns = [cartes.c.solde, cartes.c.version, cartes.c.solde, cartes.c.version]
    with pytest.raises(TypeError, match="two fields of one name"):
        Prepared(select(*columns), Twice)


def test_rows_are_made_with_their_parts(world: World) -> None:
    carte = world.carte(5_000)
    whose = cartes.c.id == carte.id
    flat = Prepared(select(cartes.c.solde, cartes.c.version).where(whose), Etat)
    columns = (cartes.c.numero_carte, cartes.c.solde, cartes.c.version, cartes.c.unite)
    nested = Prepared(select(*columns).where(whose), Carte)
    with world.database.reading() as connection:
        (etat,), (found,) = flat.all(connection, {}), nested.all(connection, {})
    assert (type(etat), etat) == (Etat, Etat(5_000, 1))
    assert (type(found), found) == (Carte, Carte(carte.numero, etat, "FCFA"))
    assert type(found.etat) is Etat


def of_the_core() -> Iterator[tuple[str, Prepared[Any]]]:
    """Every statement that a module of the core holds, by its name."""
    for module in pkgutil.walk_packages(models.__path__, "models."):
        if ".migrations" not in module.name:
            for name, value in vars(importlib.import_module(module.name)).items():
                held = list(value.values()) if isinstance(value, dict) else [value]
                for one in held:
                    for part in one if isinstance(one, tuple) else (one,):
                        if isinstance(part, Prepared):
                            yield f"{module.name}.{name}", part


def test_rows_of_several_columns_have_names() -> None:
    found = {name: statement for name, statement in of_the_core() if statement.has_bare_rows}
    assert len(found) < len(dict(of_the_core()))
    assert found.keys() == ROWS_WITHOUT_A_NAME.keys(), (
        "give Prepared the NamedTuple of its rows: what is taken from them by position may be swapped."
    )


def test_instant_of_another_zone_is_the_same_instant(world: World) -> None:
    noon = datetime(2027, 1, 1, 12, 0, 0, 123456, tzinfo=UTC)
    carte = world.carte(1, date_solde=noon)
    statement = Prepared(
        select(cartes.c.date_solde).where(
            cartes.c.id == bindparam("la_carte"), cartes.c.date_solde == bindparam("quand")
        )
    )
    values = {"la_carte": carte.id, "quand": noon.astimezone(timezone(timedelta(hours=5)))}
    with world.database.reading() as connection:
        assert statement.first(connection, values) == (noon,)
        with pytest.raises(ValueError, match="aware"):
            statement.first(connection, {**values, "quand": noon.replace(tzinfo=None)})


def add_and_raise(database: Database, client: dict[str, str]) -> None:
    """Add a client in a transaction that gives up."""
    with database.transaction() as connection:
        ADD.all(connection, client)
        assert FIND.first(connection, {"le_client": client["nom"]}) == (client["nom"],)
        raise RuntimeError


def test_transaction_that_is_rolled_back_takes_its_rows_but_not_the_statements(
    database: Database,
) -> None:
    client = new_client()
    for _ in range(3):
        with pytest.raises(RuntimeError):
            add_and_raise(database, client)
        with database.reading() as connection:
            assert FIND.all(connection, {"le_client": client["nom"]}) == []


def test_samples_of_values_make_no_statement_be_planned_anew(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'planned.db'}")
    migrate.upgrade(database)
    planned = 0

    def count(*_: object) -> int:
        nonlocal planned
        planned += 1
        return 0

    with database.transaction() as connection:
        for number in range(100):
            ADD.all(connection, {"client_id": f"plan-{number:03}", "nom": "Un client"})
        connection.exec_driver_sql("ANALYZE")
    database.engine.dispose()  # what was sampled is read when a connection is opened
    with database.reading() as connection:
        driver: Any = connection.connection.dbapi_connection
        driver.set_authorizer(count)  # asked whenever a statement is planned
        assert len(BETWEEN.all(connection, {"premier": "plan-003", "dernier": "plan-007"})) == 5
        once = planned
        assert len(BETWEEN.all(connection, {"premier": "plan-050", "dernier": "plan-098"})) == 49
        driver.set_authorizer(None)
    database.close()
    assert (once > 0, planned - once) == (True, 0)


def test_question_mark_that_is_no_value_is_refused_on_sqlite(database: Database) -> None:
    asked = Prepared(select(clients.c.nom).where(clients.c.nom == literal_column("'Qui ?'")))
    with database.reading() as connection:
        if database.dialect == "sqlite":
            with pytest.raises(ValueError, match="a question mark that is no value"):
                asked.all(connection, {})
        else:
            assert asked.all(connection, {}) == []


def test_error_is_that_of_sqlalchemy(database: Database) -> None:
    client = new_client()
    with database.transaction() as connection:
        ADD.all(connection, client)
    with pytest.raises(IntegrityError) as ours, database.transaction() as connection:
        ADD.all(connection, client)
    with pytest.raises(IntegrityError) as theirs, database.transaction() as connection:
        connection.execute(_ADD, client)
    assert type(ours.value.orig) is type(theirs.value.orig)
    assert str(ours.value.orig).split(":")[0] == str(theirs.value.orig).split(":")[0]
    assert not ours.value.connection_invalidated
    assert client["nom"] not in str(ours.value).partition("[SQL")[2]
    with database.reading() as connection:
        assert FIND.all(connection, {"le_client": client["nom"]}) == [(client["nom"],)]


@pytest.mark.only_on("postgresql")
def test_text_that_the_database_cannot_hold_is_its_error(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught, database.reading() as connection:
        FIND.first(connection, {"le_client": "a\x00b"})
    assert not is_unavailable(caught.value)


@pytest.mark.only_on("postgresql")
def test_lost_connection_is_dropped_and_so_are_those_made_before_it(database: Database) -> None:
    own = Database(database.url.render_as_string(hide_password=False), pool_size=3)
    values = {"le_client": "nobody"}
    with own.reading() as one, own.reading() as two, own.reading() as three:
        for connection in (one, two, three):
            FIND.first(connection, values)
        mine = [
            connection.scalar(text("SELECT pg_backend_pid()")) for connection in (one, two, three)
        ]
    with database.reading() as connection:
        for pid in mine:
            connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
    with pytest.raises(DBAPIError) as caught, own.reading() as connection:
        FIND.first(connection, values)
    assert (caught.value.connection_invalidated, is_unavailable(caught.value)) == (True, True)
    assert is_retriable(caught.value)
    for _ in range(4):
        with own.transaction() as connection:
            assert FIND.first(connection, values) is None
    own.close()


@pytest.mark.only_on("postgresql")
def test_connection_lost_within_a_transaction_is_retriable(database: Database) -> None:
    client = new_client()
    own = Database(database.url.render_as_string(hide_password=False), pool_size=1)

    def lose() -> None:
        with own.transaction() as connection:
            ADD.all(connection, client)
            pid = connection.scalar(text("SELECT pg_backend_pid()"))
            with database.reading() as other:
                other.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": pid})
            FIND.first(connection, {"le_client": client["nom"]})

    with pytest.raises(DBAPIError) as caught:
        lose()
    assert is_retriable(caught.value)
    with own.transaction() as connection:
        assert FIND.first(connection, {"le_client": client["nom"]}) is None
    own.close()


def test_transaction_on_a_connection_lent_for_reading_is_its_own(database: Database) -> None:
    kept, given_up = new_client(), new_client()
    with database.reading() as connection:
        connection.execute(text("SELECT 1"))
        with database.transaction(on=connection):
            ADD.all(connection, kept)
        with suppress(RuntimeError), database.transaction(on=connection):
            ADD.all(connection, given_up)
            raise RuntimeError
        assert FIND.first(connection, {"le_client": kept["nom"]}) == (kept["nom"],)
        assert FIND.first(connection, {"le_client": given_up["nom"]}) is None
    with database.reading() as connection:
        assert FIND.first(connection, {"le_client": kept["nom"]}) == (kept["nom"],)
