"""Transactions that fail at their end, and answers off contract: nothing stays, nothing leaks."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, insert, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

import handlers.mouvements
from handlers.answer import Answer
from handlers.views.mouvements import render_mouvement
from models.client import clients
from models.database.engine import Database
from models.database.failures import is_unavailable
from models.operation import Operation
from tests.support.contract_client import Json, envelope_of
from tests.support.live import serving, settings_for
from tests.support.world import Carte, World, new_number

SYSTEM = {
    "success": False,
    "code": "9999",
    "message": "Erreur système",
    "debugMessage": "Erreur système",
    "moreInfo": None,
}
UNAVAILABLE = {
    "success": False,
    "code": "5001",
    "message": "Service momentanément indisponible",
    "debugMessage": "Service momentanément indisponible",
    "moreInfo": None,
}
PATHS = pytest.mark.parametrize("path", ["/credit-carte", "/debit-carte"])


def doom(connection: Connection) -> None:
    """Make the COMMIT of this transaction fail, and nothing before it."""
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.exec_driver_sql(
            "INSERT INTO membres (client_id, membre_id, wallet_id) VALUES ('absent', 'm', '1')"
        )
    else:
        connection.exec_driver_sql(
            "CREATE TEMPORARY TABLE doomed (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
            " ON COMMIT DROP"
        )
        connection.exec_driver_sql("INSERT INTO doomed VALUES (1), (1)")


@pytest.fixture
def database(shared_database: Database) -> Database:
    """The shared database: every name is new."""
    return shared_database


@pytest.fixture
def single(database: Database) -> Iterator[Database]:
    """The same database through one connection, so that its next user is known."""
    made = Database(database.url.render_as_string(hide_password=False), pool_size=1, wait_s=2)
    yield made
    made.close()


def exists(database: Database, client_id: str) -> bool:
    """Whether the database really holds the client."""
    with database.reading() as connection:
        found = connection.scalar(select(clients.c.nom).where(clients.c.client_id == client_id))
    return found is not None


def add_client(connection: Connection, client_id: str) -> None:
    """Write something."""
    connection.execute(insert(clients).values(client_id=client_id, nom=client_id))


def add_and_raise(database: Database, client_id: str, error: BaseException) -> None:
    """Write something in a transaction that its own block gives up."""
    with database.transaction() as connection:
        add_client(connection, client_id)
        raise error


def add_and_doom(database: Database, client_id: str) -> None:
    """Write something in a transaction whose COMMIT fails."""
    with database.transaction() as connection:
        add_client(connection, client_id)
        doom(connection)


@pytest.fixture
def names() -> tuple[str, str]:
    """Two new clientIds."""
    return f"CLI-{new_number()}", f"CLI-{new_number()}"


def test_block_that_ends_is_committed(
    single: Database, database: Database, names: tuple[str, str]
) -> None:
    with single.transaction() as connection:
        add_client(connection, names[0])
    assert exists(database, names[0])


@pytest.mark.parametrize("error", [RuntimeError(), KeyboardInterrupt(), GeneratorExit()], ids=repr)
def test_block_that_raises_leaves_nothing(
    single: Database, database: Database, names: tuple[str, str], error: BaseException
) -> None:
    dead, following = names
    with pytest.raises(type(error)):
        add_and_raise(single, dead, error)
    with single.transaction() as connection:
        add_client(connection, following)
    assert (exists(database, dead), exists(database, following)) == (False, True)


def test_commit_that_fails_leaves_nothing_to_the_next_user_of_the_connection(
    single: Database, database: Database, names: tuple[str, str]
) -> None:
    dead, following = names
    with pytest.raises(DBAPIError):
        add_and_doom(single, dead)
    assert not exists(database, dead)
    assert not exists(single, dead)
    with single.transaction() as connection:
        add_client(connection, following)
    assert (exists(database, dead), exists(database, following)) == (False, True)


def test_commit_that_fails_leaves_nothing_to_the_end_of_the_connection(
    single: Database, database: Database, names: tuple[str, str]
) -> None:
    with pytest.raises(DBAPIError):
        add_and_doom(single, names[0])
    assert not exists(single, names[0])
    single.close()
    assert not exists(database, names[0])


@pytest.fixture
def own_world(database: Database) -> Iterator[World]:
    """A world whose server has few connections, so that each is soon used again."""
    url = database.url.render_as_string(hide_password=False)
    own = Database(url, pool_size=3, wait_s=2)
    with serving(settings_for(url), own) as base_url:
        made = World(database, base_url)
        yield made
        made.close()
    own.close()


def wrap(monkeypatch: pytest.MonkeyPatch, after: Callable[[Connection], None]) -> None:
    """Let the core do its work, then do something more in the same transaction."""
    for name in ("crediter", "debiter"):
        core = getattr(handlers.mouvements, name)

        def run(
            connection: Connection, *rest: Any, core: Callable[..., Operation] = core
        ) -> Operation:
            operation = core(connection, *rest)
            after(connection)
            return operation

        monkeypatch.setattr(handlers.mouvements, name, run)


def assert_untouched(world: World, carte: Carte) -> None:
    """Assert that no money moved."""
    assert world.solde(carte) == 10_000
    assert world.journal(carte) == [("OUVERTURE", 10_000)]
    world.check_books(carte)


@PATHS
def test_commit_that_fails_moves_no_money_and_is_a_system_error(
    own_world: World, path: str
) -> None:
    carte = own_world.carte(10_000)
    api = own_world.api(carte)
    body = carte.mouvement(1_000, f"R-{new_number()}")
    with pytest.MonkeyPatch.context() as monkeypatch:
        wrap(monkeypatch, doom)
        for _ in range(3):
            answer = api.post(path, json=body)
            assert (answer.status_code, envelope_of(answer)) == (500, SYSTEM)
    assert_untouched(own_world, carte)
    for _ in range(3):
        # Every connection of the pool is used again: none commits the dead work.
        assert api.get("/get-solde-carte", params=carte.query).status_code == 200
        own_world.token(own_world.partenaire([]))
    assert_untouched(own_world, carte)
    answer = api.post(path, json=body)
    assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (200, False)
    own_world.check_books(carte)
    with own_world.database.reading() as connection:
        assert (
            connection.exec_driver_sql(
                "SELECT count(*) FROM membres WHERE client_id = 'absent'"
            ).scalar()
            == 0
        )


@PATHS
def test_commit_refused_for_a_moment_moves_no_money_and_asks_to_return(
    own_world: World, path: str, backend: str
) -> None:
    """A serialization failure at COMMIT on PostgreSQL; the disk full before it on SQLite."""
    carte = own_world.carte(10_000)
    api = own_world.api(carte)
    body = carte.mouvement(1_000, f"R-{new_number()}")

    def refuse(connection: Connection) -> None:
        if backend == "sqlite":
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            try:
                connection.exec_driver_sql("CREATE TABLE filler AS SELECT randomblob(1000000) AS b")
            finally:
                connection.exec_driver_sql("PRAGMA max_page_count = 1073741823")
        else:
            connection.exec_driver_sql(
                "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END $$"
            )
            connection.exec_driver_sql("CREATE TEMPORARY TABLE doomed (n int) ON COMMIT DROP")
            connection.exec_driver_sql(
                "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON doomed DEFERRABLE"
                " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse()"
            )
            connection.exec_driver_sql("INSERT INTO doomed VALUES (1)")

    with pytest.MonkeyPatch.context() as monkeypatch:
        wrap(monkeypatch, refuse)
        answer = api.post(path, json=body)
    assert (answer.status_code, envelope_of(answer)) == (503, UNAVAILABLE)
    assert_untouched(own_world, carte)
    assert api.post(path, json=body).status_code == 200
    own_world.check_books(carte)


def _without(name: str) -> Callable[[Json], Json]:
    return lambda item: {key: value for key, value in item.items() if key != name}


OFF_CONTRACT: dict[str, Callable[[Json], Json]] = {
    "undeclared field": lambda item: {**item, "surplus": 1},
    "missing field": _without("dateOperation"),
    "text for a number": lambda item: {**item, "montant": str(item["montant"])},
    "null": lambda item: {**item, "unite": None},
    "another format": lambda item: {**item, "dateOperation": "2026-01-01T00:00:00Z"},
    "no text": lambda item: {**item, "unite": "\ud800"},
}


@PATHS
@pytest.mark.parametrize("spoil", OFF_CONTRACT.values(), ids=list(OFF_CONTRACT))
def test_answer_off_contract_moves_no_money_and_is_a_system_error(
    world: World, path: str, spoil: Callable[[Json], Json]
) -> None:
    carte = world.carte(10_000)
    api = world.api(carte)
    body = carte.mouvement(1_000, f"R-{new_number()}")

    def render(operation: Operation) -> Any:
        answer = render_mouvement(operation)
        assert answer.data is not None
        return Answer([spoil(dict(answer.data[0]))], replayed=answer.replayed)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(handlers.mouvements, "render_mouvement", render)
        answer = api.post(path, json=body)
    assert (answer.status_code, envelope_of(answer)) == (500, SYSTEM)
    assert_untouched(world, carte)
    answer = api.post(path, json=body)
    assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (200, False)


@PATHS
def test_undeclared_field_beside_data_moves_no_money(world: World, path: str) -> None:
    carte = world.carte(10_000)
    api = world.api(carte)

    def render(operation: Operation) -> Any:
        whole = render_mouvement(operation)
        return Answer(list(whole.data or []), {"surplus": True})

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(handlers.mouvements, "render_mouvement", render)
        answer = api.post(path, json=carte.mouvement(1_000, f"R-{new_number()}"))
    assert (answer.status_code, envelope_of(answer)) == (500, SYSTEM)
    assert_untouched(world, carte)


def test_lock_that_is_not_given_in_time_is_unavailable(
    database: Database, names: tuple[str, str]
) -> None:
    impatient = Database(database.url.render_as_string(hide_password=False), wait_s=1)
    with database.transaction() as holder:
        add_client(holder, names[0])
        with pytest.raises(DBAPIError) as caught:
            add_and_raise(impatient, names[0], AssertionError("the lock was not held"))
    assert is_unavailable(caught.value)
    impatient.close()
    assert exists(database, names[0])


def test_server_that_accepts_and_says_nothing_is_unavailable() -> None:
    """As a frozen PostgreSQL does, or a host behind a firewall that swallows."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        database = Database(f"postgresql+psycopg://cynod@127.0.0.1:{port}/cynod", wait_s=2)
        with pytest.raises(DBAPIError) as caught, database.reading():
            pass
        database.close()
    assert is_unavailable(caught.value)


def test_pool_without_a_free_connection_is_unavailable(single: Database) -> None:
    with single.reading(), pytest.raises(PoolTimeoutError) as caught, single.reading():
        pytest.fail("a second connection from a pool of one")
    assert is_unavailable(caught.value)


def test_broken_rule_is_not_taken_for_an_absent_database(
    database: Database, names: tuple[str, str]
) -> None:
    with database.transaction() as connection:
        add_client(connection, names[0])
    with pytest.raises(DBAPIError) as caught:
        add_and_raise(database, names[0], AssertionError("written twice"))
    assert not is_unavailable(caught.value)
