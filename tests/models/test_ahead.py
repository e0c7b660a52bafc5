"""Statements that go to the server together answer as they do alone, and what is sent and not asked for is
forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

import pytest
from sqlalchemy import bindparam, func, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from handlers.ahead import AHEAD
from handlers.edge.rooms import Turns
from models.client import clients
from models.database.engine import Database
from models.database.prepared import Prepared
from models.database.waiting import Wanted
from tests.support.contract_client import OPERATIONS
from tests.support.patience import CALL_S
from tests.support.world import new_number

Result = TypeVar("Result")

ADD = Prepared(
    insert(clients).values(
        {
            **dict.fromkeys(("client_id", "cle_id"), bindparam("client_id")),
            **dict.fromkeys(("nom", "cle_nom"), bindparam("nom")),
        }
    )
)
FIND = Prepared(select(clients.c.nom).where(clients.c.client_id == bindparam("client_id")))
COUNT = Prepared(select(func.count()).select_from(clients).where(clients.c.nom == bindparam("nom")))
RENAME = Prepared(
    update(clients)
    .where(clients.c.client_id == bindparam("le_client"))
    .values(nom=bindparam("nouveau"))
    .returning(clients.c.nom)
)


def run(database: Database, *functions: Callable[[], Result]) -> list[Result]:
    """What they return, one after the other, as calls of a server run them."""
    if not database.has_places:
        return [function() for function in functions]

    async def serve() -> list[Result]:
        room = Turns(database.make_places(1))
        try:
            return [await room.run(function, Wanted(CALL_S)) for function in functions]
        finally:
            room.close()

    return asyncio.run(serve())


def new_client(nom: str | None = None) -> dict[str, str]:
    """A client that does not exist."""
    name = f"CLI-{new_number()}"
    return {"client_id": name, "nom": nom or name}


def add(database: Database) -> dict[str, str]:
    """A client that exists."""
    client = new_client()
    with database.transaction() as connection:
        ADD.all(connection, client)
    return client


def test_what_goes_with_a_statement_has_its_own_answer(shared_database: Database) -> None:
    first, second, third = (add(shared_database) for _ in range(3))

    def ask() -> list[object]:
        with shared_database.reading() as connection:
            FIND.ahead(connection, second)
            FIND.ahead(connection, third)
            COUNT.ahead(connection, first)
            asked = [FIND.all(connection, client) for client in (first, third, second)]
            return [*asked, COUNT.all(connection, first)]

    assert run(shared_database, ask) == [
        [[(first["nom"],)], [(third["nom"],)], [(second["nom"],)], [(1,)]]
    ]


def test_write_that_goes_with_the_one_it_needs_happens_once(shared_database: Database) -> None:
    client = new_client()
    renamed = {"le_client": client["client_id"], "nouveau": "Awa"}

    def write() -> object:
        with (
            shared_database.reading() as connection,
            shared_database.transaction(on=connection),
        ):
            RENAME.ahead(connection, renamed)
            ADD.all(connection, client)
            return RENAME.all(connection, renamed)

    assert run(shared_database, write) == [[("Awa",)]]
    with shared_database.reading() as connection:
        assert FIND.all(connection, client) == [("Awa",)]


def test_error_of_what_went_along_undoes_all_and_leaves_the_place_good(
    shared_database: Database,
) -> None:
    known, unknown = add(shared_database), new_client()

    def fail() -> str:
        try:
            with (
                shared_database.reading() as connection,
                shared_database.transaction(on=connection),
            ):
                ADD.ahead(connection, known)
                ADD.all(connection, unknown)
                ADD.all(connection, known)
        except DBAPIError as error:
            return type(error).__name__
        return "nothing was wrong"

    def ask() -> object:
        with shared_database.reading() as connection:
            return FIND.all(connection, unknown), FIND.all(connection, known)

    assert run(shared_database, fail, ask) == [IntegrityError.__name__, ([], [(known["nom"],)])]


def test_what_nobody_asked_for_is_forgotten_with_its_work(shared_database: Database) -> None:
    first, second = add(shared_database), add(shared_database)

    def leave() -> object:
        with shared_database.reading() as connection:
            COUNT.ahead(connection, {"nom": "Fatou"})
            found = FIND.all(connection, first)
            FIND.ahead(connection, second)
            return found

    def change() -> object:
        with (
            shared_database.reading() as connection,
            shared_database.transaction(on=connection),
        ):
            ((before,),) = COUNT.all(connection, {"nom": "Fatou"})
            ADD.all(connection, new_client("Fatou"))
            ((after,),) = COUNT.all(connection, {"nom": "Fatou"})
            return after - before

    assert run(shared_database, leave, change) == [[(first["nom"],)], 1]


def test_write_that_is_asked_for_otherwise_than_sent_is_not_run_again(
    shared_database: Database, backend: str
) -> None:
    client = add(shared_database)
    sent, other = ({"le_client": client["client_id"], "nouveau": name} for name in ("Awa", "Fatou"))

    def write() -> object:
        with (
            shared_database.reading() as connection,
            shared_database.transaction(on=connection),
        ):
            RENAME.ahead(connection, sent)
            FIND.all(connection, client)
            return RENAME.all(connection, other)

    if backend == "sqlite":  # where nothing was sent
        assert run(shared_database, write) == [[("Fatou",)]]
        return
    with pytest.raises(RuntimeError, match="otherwise than it was sent"):
        run(shared_database, write)
    with shared_database.reading() as connection:
        assert FIND.all(connection, client) == [(client["nom"],)]


def test_what_is_foreseen_is_an_operation() -> None:
    assert AHEAD.keys() <= {operation["operationId"] for operation in OPERATIONS.values()}
