"""What a call costs, counted and not timed: round trips to the database, and calls of functions.

Both numbers are the same on every machine. They grow when somebody adds a statement, or when a library
begins to do more for each request; then a test here says so, before a customer feels it.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import httpx
import pytest
import uvloop
from sqlalchemy import event
from sqlalchemy.engine import make_url

import handlers.app
import handlers.edge.seen
from handlers.app import create_app
from handlers.edge.bridge import CynodApp
from models.database.engine import Database
from tests.support.live import settings_for
from tests.support.patience import CALL_S
from tests.support.scene import Call, Scene

ROOT = Path(__file__).parents[2]
WARM_UP, COUNTED = 4, 4
REFUSED = "getSoldeCarte, refused"


class Work(NamedTuple):
    """The work of one call: how often it asks the database, BEGIN and COMMIT among it, and the most functions
    of Python that it may call."""

    trips: int
    functions: int


RECORDED = {
    "sqlite": {
        REFUSED: Work(0, 71),
        "getSoldeCarte": Work(2, 165),
        "checkCardValidity": Work(2, 167),
        "getListeCartes": Work(3, 179),
        "getHistoriqueCarte": Work(3, 184),
        "getOperation": Work(2, 167),
        "debitCarte": Work(7, 301),
        "creditCarte": Work(7, 301),
        "transfererSolde": Work(9, 327),
        "accessToken": Work(4, 234),
    },
    # BEGIN goes with the first statement, a look-up with the caller's token, and the movement of a debit with
    # its claim.
    "postgresql": {
        REFUSED: Work(0, 71),
        "getSoldeCarte": Work(1, 195),
        "checkCardValidity": Work(1, 198),
        "getListeCartes": Work(1, 226),
        "getHistoriqueCarte": Work(2, 230),
        "getOperation": Work(1, 198),
        "debitCarte": Work(3, 354),
        "creditCarte": Work(3, 354),
        "transfererSolde": Work(6, 423),
        "accessToken": Work(3, 292),
    },
}
OPERATIONS = pytest.mark.parametrize("operation", list(RECORDED["sqlite"]))


class RoundTrips:
    """Counts what is asked of a database: statements of SQLite, turns of a talk with PostgreSQL."""

    def __init__(self) -> None:
        self.count = 0

    def on(self, url: str) -> AbstractContextManager[Database]:
        """The database of this URL, watched."""
        return self._relayed(url) if url.startswith("postgresql") else self._traced(url)

    @contextmanager
    def _traced(self, url: str) -> Iterator[Database]:
        def note(sql: str) -> None:
            if not sql.startswith("--"):  # which a trigger runs
                self.count += 1

        def watch(driver: Any, _record: Any) -> None:
            driver.set_trace_callback(note)

        database = Database(url)
        event.listen(database.engine, "connect", watch)
        yield database
        database.close()

    @contextmanager
    def _relayed(self, url: str) -> Iterator[Database]:
        address = make_url(url)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            there = (address.host, address.port)
            threading.Thread(target=self._accept, args=(listener, there), daemon=True).start()
            here = address.set(host="127.0.0.1", port=listener.getsockname()[1])
            database = Database(here.render_as_string(hide_password=False))
            yield database
            database.close()

    def _accept(self, listener: socket.socket, there: tuple[str, int]) -> None:
        with suppress(OSError):  # the listener was closed: the tests are over
            while True:
                client, server = listener.accept()[0], socket.create_connection(there)
                talk = [server]
                for ends in ((client, server), (server, client)):
                    relay = threading.Thread(target=self._relay, args=(*ends, client, talk))
                    relay.daemon = True
                    relay.start()

    def _relay(
        self,
        source: socket.socket,
        target: socket.socket,
        client: socket.socket,
        talk: list[socket.socket],
    ) -> None:
        """Pass on what the source says; `talk` holds who spoke last."""
        with suppress(OSError), source:
            while data := source.recv(65_536):
                if source is client and talk[0] is not client:
                    self.count += 1
                talk[0] = source
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


class Functions:
    """Counts the calls of Python functions in the threads whose profile function it is."""

    def __init__(self) -> None:
        self._by_thread: dict[int, Counter[str]] = {}

    def __call__(self, frame: FrameType, kind: str, _argument: Any) -> None:
        """What the interpreter tells of every function."""
        if kind == "call":
            counter = self._by_thread.setdefault(threading.get_ident(), Counter())
            counter[frame.f_code.co_filename] += 1

    def take(self) -> Counter[str]:
        """What was counted since the last time, by package or by file of ours.

        How often an event loop wakes up or a lock is waited for is a matter of time: that is left out.
        """
        taken: Counter[str] = Counter()
        for counter in list(self._by_thread.values()):
            for file, count in list(counter.items()):
                if file != __file__ and not any(name in file for name in _BY_CHANCE):
                    taken[_part(file)] += count
            counter.clear()
        return taken


_BY_CHANCE = ("/asyncio/", "/selectors.py", "/threading.py")


def _part(file: str) -> str:
    _, installed, rest = file.partition("site-packages/")
    if installed:
        return rest.partition("/")[0]
    path = Path(file)
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else f"Python's {path.name}"


class Bench:
    """The application without a server, in the hands of one caller."""

    def __init__(self, app: CynodApp, round_trips: RoundTrips, functions: Functions) -> None:
        self.round_trips, self.functions = round_trips, functions
        self._app = app
        # The loop that serves: another one tells of a socket again that is about to be read.
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)

    def send(self, scene: Scene, operation: str) -> int:
        """Send a new call of the operation; the status of its answer."""
        call, caller = _call_of(scene, operation)
        request = caller.build_request(call.method, call.path, **call.options)
        return self._runner.run(self._send(request))

    async def _send(self, request: httpx.Request) -> int:
        sent: list[Any] = []
        body = request.read()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "root_path": "",
            "path": request.url.path,
            "raw_path": request.url.raw_path.partition(b"?")[0],
            "query_string": request.url.query,
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "extensions": {},
        }
        self.functions.take()
        before = self.round_trips.count
        sys.setprofile(self.functions)
        try:
            await self._app(scope, receive, send)
        finally:
            sys.setprofile(None)
        self.taken = self.round_trips.count - before, self.functions.take()
        status: int = sent[0]["status"]
        return status

    def close(self) -> None:
        """End the application and its loop."""
        self._app.close()
        self._runner.close()


def _call_of(scene: Scene, operation: str) -> tuple[Call, httpx.Client]:
    if operation == REFUSED:
        return scene.call("getSoldeCarte").with_values(numeroCarte="7019"), scene.api
    return scene.call(operation), scene.caller(operation)


@pytest.fixture(scope="module")
def bench(shared_database: Database, standing: Scene) -> Iterator[Bench]:
    """An application on the shared database, whose work is counted."""
    url = shared_database.url.render_as_string(hide_password=False)
    round_trips, functions = RoundTrips(), Functions()
    with round_trips.on(url) as database, pytest.MonkeyPatch.context() as patched:
        # Done beside the calls, and none of theirs: where partners call from is written down, old tokens
        # are forgotten.
        patched.setattr(handlers.edge.seen, "EVERY_S", 3_600)
        patched.setattr(handlers.app, "JETONS_S", handlers.app.DAY_S)
        made = Bench(create_app(settings_for(url), database=database), round_trips, functions)
        # The threads that read and write start with their first call, and keep this function.
        threading.setprofile(functions)
        for operation in ("getSoldeCarte", "debitCarte"):
            made.send(standing, operation)
        threading.setprofile(None)
        yield made
        made.close()


def measure(bench: Bench, scene: Scene, operation: str) -> tuple[int, Counter[str]]:
    """Round trips and functions of a call like all others: not of the first ones."""
    expected = 400 if operation == REFUSED else 200
    for _ in range(WARM_UP):
        assert bench.send(scene, operation) == expected
    # The first use of a secret on a day is written down beside the calls, and is none of theirs.
    for thread in threading.enumerate():
        if thread.name == "usage":
            thread.join(CALL_S)
    gc.disable()
    try:
        taken = []
        for _ in range(COUNTED):
            assert bench.send(scene, operation) == expected
            taken.append(bench.taken)
    finally:
        gc.enable()
    return max(trips for trips, _ in taken), min((by for _, by in taken), key=Counter.total)


@OPERATIONS
def test_round_trips_do_not_grow(
    bench: Bench, own_scene: Scene, backend: str, operation: str
) -> None:
    round_trips, _ = measure(bench, own_scene, operation)
    recorded = RECORDED[backend][operation].trips
    assert round_trips == recorded, (
        f"{operation} asks the database {round_trips} times, {recorded} is recorded. Each time costs as "
        "much as all checks of a call: fold the new statement into another, or write the new number "
        f"into RECORDED in {Path(__file__).name} and tell why in the commit."
    )


@OPERATIONS
def test_functions_called_do_not_grow(
    bench: Bench, own_scene: Scene, backend: str, operation: str
) -> None:
    _, functions = measure(bench, own_scene, operation)
    recorded = RECORDED[backend][operation].functions
    assert functions.total() <= recorded, (
        f"{operation} calls {functions.total()} functions, at most {recorded} are recorded. Where: "
        + ", ".join(f"{part} {count}" for part, count in functions.most_common(12))
        + ". If that is needed, write the new number into RECORDED and tell why in the commit."
    )
