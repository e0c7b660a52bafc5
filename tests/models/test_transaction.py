"""Transactions that fail at their end, and answers off contract: nothing stays, nothing leaks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import DBAPIError

import handlers.mouvements
import handlers.views
from handlers.views import Answer
from models.client import clients
from models.db import Database, is_unavailable
from models.operation import Operation
from tests.contract_client import Json
from tests.live import serving, settings_for
from tests.world import Carte, World, new_number

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


def doom(session: Connection) -> None:
    """Make the COMMIT of this transaction fail, and nothing before it."""
    if session.dialect.name == "sqlite":
        session.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        session.exec_driver_sql(
            "INSERT INTO membres (client_id, membre_id, wallet_id) VALUES ('absent', 'm', '1')"
        )
    else:
        session.exec_driver_sql(
            "CREATE TEMPORARY TABLE doomed (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)"
            " ON COMMIT DROP"
        )
        session.exec_driver_sql("INSERT INTO doomed VALUES (1), (1)")


@pytest.fixture
def single(database: Database) -> Iterator[Database]:
    """The test's database through one connection, so that its next user is known."""
    made = Database(database.url.render_as_string(hide_password=False), pool_size=1, attente_s=2)
    yield made
    made.close()


def client_ids(database: Database) -> set[str]:
    """What the database really holds, seen from another connection."""
    with database.reading() as session:
        return set(session.scalars(select(clients.c.client_id)))


def add_client(session: Connection, client_id: str) -> None:
    """Write something."""
    session.execute(insert(clients).values(client_id=client_id, nom=client_id))


def test_block_that_ends_is_committed(single: Database, database: Database) -> None:
    with single.transaction() as session:
        add_client(session, "kept")
    assert client_ids(database) == {"kept"}


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_block_that_raises_leaves_nothing(
    single: Database, database: Database, error: type[BaseException]
) -> None:
    with pytest.raises(error), single.transaction() as session:
        add_client(session, "dead")
        raise error
    with single.transaction() as session:
        add_client(session, "next")
    assert client_ids(database) == {"next"}


def test_commit_that_fails_leaves_nothing_to_the_next_user_of_the_connection(
    single: Database, database: Database
) -> None:
    with pytest.raises(DBAPIError), single.transaction() as session:
        add_client(session, "dead")
        doom(session)
    assert client_ids(database) == set()
    with single.reading() as session:
        assert session.scalar(select(func.count()).select_from(clients)) == 0
    with single.transaction() as session:
        add_client(session, "next")
    assert client_ids(database) == {"next"}


def test_refused_write_is_not_committed_by_a_reader(single: Database, database: Database) -> None:
    with pytest.raises(DBAPIError), single.transaction() as session:
        add_client(session, "dead")
        doom(session)
    with single.reading() as session:
        assert session.scalar(select(func.count()).select_from(clients)) == 0
    single.close()
    assert client_ids(database) == set()


@pytest.fixture
def own_world(database: Database) -> Iterator[World]:
    """A world whose server has few connections, so that each is soon used again."""
    url = database.url.render_as_string(hide_password=False)
    own = Database(url, pool_size=2, attente_s=2)
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
            session: Connection, *rest: Any, core: Callable[..., Operation] = core
        ) -> Operation:
            operation = core(session, *rest)
            after(session)
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
            assert (answer.status_code, answer.json()) == (500, SYSTEM)
    assert_untouched(own_world, carte)
    for _ in range(3):
        # Every connection of the pool is used again: none commits the dead work.
        assert api.get("/get-solde-carte", params=carte.query).status_code == 200
        own_world.token(own_world.partenaire([]))
    assert_untouched(own_world, carte)
    answer = api.post(path, json=body)
    assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (200, False)
    own_world.check_books(carte)
    with own_world.database.reading() as session:
        assert (
            session.exec_driver_sql(
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

    def refuse(session: Connection) -> None:
        if backend == "sqlite":
            pages = session.exec_driver_sql("PRAGMA page_count").scalar()
            session.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            try:
                session.exec_driver_sql("CREATE TABLE filler AS SELECT randomblob(1000000) AS b")
            finally:
                session.exec_driver_sql("PRAGMA max_page_count = 1073741823")
        else:
            session.exec_driver_sql(
                "CREATE FUNCTION pg_temp.refuse() RETURNS trigger LANGUAGE plpgsql AS"
                " $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '40001'; END $$"
            )
            session.exec_driver_sql("CREATE TEMPORARY TABLE doomed (n int) ON COMMIT DROP")
            session.exec_driver_sql(
                "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON doomed DEFERRABLE"
                " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION pg_temp.refuse()"
            )
            session.exec_driver_sql("INSERT INTO doomed VALUES (1)")

    with pytest.MonkeyPatch.context() as monkeypatch:
        wrap(monkeypatch, refuse)
        answer = api.post(path, json=body)
    assert (answer.status_code, answer.json()) == (503, UNAVAILABLE)
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

    def render(operation: Operation) -> Answer:
        answer = handlers.views.render_mouvement(operation)
        assert answer.data is not None
        return Answer([spoil(dict(answer.data[0]))], replayed=answer.replayed)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(handlers.mouvements, "render_mouvement", render)
        answer = api.post(path, json=body)
    assert (answer.status_code, answer.json()) == (500, SYSTEM)
    assert_untouched(world, carte)
    answer = api.post(path, json=body)
    assert (answer.status_code, "Idempotent-Replayed" in answer.headers) == (200, False)


@PATHS
def test_undeclared_field_beside_data_moves_no_money(world: World, path: str) -> None:
    carte = world.carte(10_000)
    api = world.api(carte)

    def render(operation: Operation) -> Answer:
        whole = handlers.views.render_mouvement(operation)
        return Answer(whole.data, {"surplus": True})

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(handlers.mouvements, "render_mouvement", render)
        answer = api.post(path, json=carte.mouvement(1_000, f"R-{new_number()}"))
    assert (answer.status_code, answer.json()) == (500, SYSTEM)
    assert_untouched(world, carte)


def test_lock_that_is_not_given_in_time_is_unavailable(database: Database) -> None:
    impatient = Database(database.url.render_as_string(hide_password=False), attente_s=1)
    with database.transaction() as holder:
        add_client(holder, "first")
        with pytest.raises(DBAPIError) as caught, impatient.transaction() as session:
            add_client(session, "first")
    assert is_unavailable(caught.value)
    impatient.close()
    assert client_ids(database) == {"first"}


def test_pool_without_a_free_connection_is_unavailable(single: Database) -> None:
    with single.reading():
        try:
            with single.reading():
                pytest.fail("a second connection from a pool of one")
        except Exception as error:  # noqa: BLE001 - whatever it is, it must count as unavailable
            assert is_unavailable(error)


def test_broken_rule_is_not_taken_for_an_absent_database(database: Database) -> None:
    with database.transaction() as session:
        add_client(session, "once")
    with pytest.raises(DBAPIError) as caught, database.transaction() as session:
        add_client(session, "once")
    assert not is_unavailable(caught.value)
