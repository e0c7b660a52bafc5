"""What the tests of several operations do alike: ask, hold an operation open, ask all at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Row, select, text

from models.database.engine import Database
from models.database.waiting import aside
from models.operation import operations
from tests.support.contract_client import ContractClient, Json
from tests.support.scene import PLACES, Scene
from tests.support.world import Carte, World, new_number

REPLAYED = "Idempotent-Replayed"
CALLERS = 20


def new_reference() -> str:
    """A reference never used before."""
    return f"R-{new_number()}"


def ask(api: httpx.Client, operation_id: str, body: Json) -> httpx.Response:
    """Send a body to an operation."""
    method, path = PLACES[operation_id]
    return api.request(method, path, json=body)


def credit(api: httpx.Client, carte: Carte, montant: int, reference: str) -> httpx.Response:
    """Ask for a credit."""
    return ask(api, "creditCarte", carte.mouvement(montant, reference))


def debit(api: httpx.Client, carte: Carte, montant: int, reference: str) -> httpx.Response:
    """Ask for a debit."""
    return ask(api, "debitCarte", carte.mouvement(montant, reference))


def transfer(
    api: httpx.Client, source: Carte, destination: Carte, montant: int, reference: str
) -> httpx.Response:
    """Ask for a transfer."""
    return ask(api, "transfererSolde", source.transfert(destination, montant, reference))


def reverse(api: httpx.Client, origine: str, reference: str, **more: str) -> httpx.Response:
    """Ask for a reversal."""
    return ask(
        api, "annulerOperation", {"referenceOrigine": origine, "reference": reference, **more}
    )


def close(api: httpx.Client, reference: str) -> httpx.Response:
    """Close a reference."""
    return ask(api, "cloturerReference", {"reference": reference})


def look_up(api: httpx.Client, **params: str) -> httpx.Response:
    """Ask what became of an operation."""
    return api.get("/get-operation", params=params)


def item(answer: httpx.Response) -> Json:
    """The first item of a success."""
    assert answer.status_code == 200, answer.text
    found: Json = answer.json()["data"][0]
    return found


def row_of(world: World, reference: str) -> Row[Any]:
    """The row of the operation that bears a reference no other partner uses."""
    with world.database.reading() as connection:
        return connection.execute(
            select(operations).where(operations.c.reference == reference)
        ).one()


def operation_item(
    world: World, reference: str, carte: Carte, montant: int, solde: int, **more: Any
) -> Json:
    """An Operation of the contract as it must be told; number, type and date are the row's."""
    row = row_of(world, reference)
    return {
        "reference": reference,
        "numeroOperation": row.numero_operation,
        "type": row.type,
        "statut": "EXECUTEE",
        "numeroCarte": carte.numero,
        "numeroCarteDestination": None,
        "montant": montant,
        "unite": "FCFA",
        "soldeOnline": float(solde),
        "dateOperation": f"{row.date_operation:%d-%m-%Y %H:%M:%S}",
        "motif": None,
        "pointDeService": None,
        "terminal": None,
        "annulationDe": None,
        "annuleePar": None,
        **more,
    }


def success(message: str, *data: Json, **more: Any) -> Json:
    """The whole body of a success."""
    return {"success": True, "code": 200, "message": message, "data": list(data), **more}


def assert_replayed(answer: httpx.Response, first: httpx.Response) -> None:
    """Assert that an answer is the first one again, byte for byte, and says so."""
    assert answer.status_code == 200, answer.text
    assert answer.content == first.content
    assert answer.headers[REPLAYED] == "true"
    assert REPLAYED not in first.headers


def all_at_once(calls: Sequence[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    """Make every call at the same moment; the answers in the order of the calls."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], httpx.Response]) -> httpx.Response:
        gate.wait(30)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def copies(scene: Scene, number: int = CALLERS, url: str | None = None) -> list[ContractClient]:
    """Clients of the scene's partner, each with a connection of its own."""
    made = []
    for _ in range(number):
        client = scene.world.anonymous(url)
        client.headers.update(scene.api.headers)
        made.append(client)
    return made


@dataclass
class Held:
    """A step of the core that waits, inside its transaction, until it is told to go on."""

    entered: threading.Event = field(default_factory=threading.Event)
    released: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> None:
        """Wait until a call is inside the step."""
        assert self.entered.wait(20), "no call reached the step"

    def release(self) -> None:
        """Let the calls go on."""
        self.released.set()


@contextmanager
def holding(module: ModuleType, name: str) -> Iterator[Held]:
    """Hold every call of a core function open, before it does anything."""
    held, original = Held(), getattr(module, name)

    def wait(*args: Any, **kwargs: Any) -> Any:
        held.entered.set()
        released = aside(lambda: held.released.wait(20))
        assert released, "the test did not let the step go on"
        return original(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, name, wait)
        try:
            yield held
        finally:
            held.release()


def wait_for_locks(database: Database, number: int = 1) -> None:
    """Wait until so many statements of a PostgreSQL database wait for locks."""
    pause = threading.Event()
    waiting = text(
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(2_000):
        with database.reading() as connection:
            if connection.execute(waiting).scalar_one() >= number:
                return
        pause.wait(0.01)
    raise AssertionError(f"fewer than {number} statements waited for a lock")


@contextmanager
def noticing_waits(database: Database) -> Iterator[Callable[[int], None]]:
    """Gives a function that waits until so many calls know who calls, and wait for what others do.

    On PostgreSQL for a lock, inside their transactions; on SQLite for a transaction of their own.
    """
    begun, whole = threading.Semaphore(0), Database.transaction

    def transaction(self: Database, **how: Any) -> AbstractContextManager[Connection]:
        begun.release()
        return whole(self, **how)

    def wait(number: int) -> None:
        for _ in range(number):
            assert begun.acquire(timeout=20), "no call came as far as its transaction"
        if database.dialect == "postgresql":
            wait_for_locks(database, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Database, "transaction", transaction)
        yield wait
