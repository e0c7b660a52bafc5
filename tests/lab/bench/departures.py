"""`python -m tests.lab.bench.departures`: what each departure from a framework is worth, in processor time.

The framework's own way and ours do the same thing in turns, in one process; a ratio is of medians of the
rounds. docs/architecture.md has the figures. A departure whose ratio nears 1 is to be taken back.
"""

from __future__ import annotations

import asyncio
import copy
import json
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import flask
from a2wsgi import WSGIMiddleware
from connexion.json_schema import Draft4RequestValidator
from connexion.middleware.routing import RoutingMiddleware
from connexion.spec import Specification
from jsonschema import Draft4Validator
from sqlalchemy import bindparam, select

from handlers.contract.model import Contract
from handlers.contract.reading import load
from handlers.contract.schema import compile_schema
from handlers.edge.bridge import CynodFlask
from handlers.edge.call import CALL_KEY, Call, Reply
from handlers.edge.resolver import HandlerResolver
from handlers.edge.routing import CynodRoutingMiddleware
from handlers.edge.workers import Workers
from handlers.settings import Settings
from models import migrate
from models.carte import cartes
from models.database.engine import Database
from models.database.prepared import Prepared
from models.database.waiting import Wanted
from tests.support.machine import find_binaries
from tests.support.postgresql import create_database, running_server

ROUNDS = 7
LOOPS = 300

Step = Callable[[], Awaitable[Any]]


class Pair(NamedTuple):
    """One departure: the framework's way and ours, each once."""

    name: str
    upstream: Step
    ours: Step


class Figure(NamedTuple):
    """Microseconds of processor time for one of each, medians."""

    name: str
    upstream: float
    ours: float


async def measure(pair: Pair) -> Figure:
    """Let both do it in turns."""
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        for step, times in zip((pair.upstream, pair.ours), spent, strict=True):
            began = time.process_time()
            for _ in range(LOOPS):
                await step()
            times.append((time.process_time() - began) / LOOPS * 1e6)
    return Figure(pair.name, statistics.median(spent[0]), statistics.median(spent[1]))


def _call(contract: Contract) -> Call:
    operation = contract.operations["getSoldeCarte"]
    call = Call(
        "GET", operation.path, b"a=b", {b"host": b"x"}, frozenset(), "::1", "1", "fr", Wanted(60)
    )
    call.operation = operation
    return call


# ── statements ───────────────────────────────────────────────────────────────────────────────────
def statement(database: Database) -> Iterator[Pair]:
    """One card by its number: SQLAlchemy's execution, and a prepared statement."""
    query = select(cartes.c.id, cartes.c.solde, cartes.c.date_solde).where(
        cartes.c.numero_carte == bindparam("numero")
    )
    prepared, values = Prepared(query), {"numero": "7019800100009569"}
    with database.reading() as connection:

        async def upstream() -> Any:
            return connection.execute(query, values).first()

        async def ours() -> Any:
            return prepared.first(connection, values)

        yield Pair(f"one row by its key, {database.dialect}", upstream, ours)


# ── checks ───────────────────────────────────────────────────────────────────────────────────────
def body_check(contract: Contract) -> Pair:
    """A debit's body: Connexion's validator of each request, and a schema compiled at start."""
    body = contract.operations["debitCarte"].body
    assert body is not None
    example: Any = next(iter(body.content["examples"].values()))
    value = contract.resolve(example)["value"]
    schema = {**contract.resolve(body.schema), "components": contract.document["components"]}
    fits = compile_schema(contract, body.schema)

    async def upstream() -> None:
        Draft4RequestValidator(schema, format_checker=Draft4Validator.FORMAT_CHECKER).validate(
            json.loads(json.dumps(value))
        )

    async def ours() -> None:
        assert fits(json.loads(json.dumps(value)))

    return Pair("a debit's body against its schema", upstream, ours)


# ── routing ──────────────────────────────────────────────────────────────────────────────────────
def routing(contract: Contract) -> Pair:
    """An operation by its path: two routers of Starlette, and a dictionary."""

    async def nothing(_scope: Any, _receive: Any, _send: Any) -> None:
        return None

    def scope() -> dict[str, Any]:
        return {
            "type": "http",
            "method": "GET",
            "path": "/get-solde-carte",
            "root_path": "",
            "raw_path": b"/get-solde-carte",
            "headers": [],
            "extensions": {},
            "app": None,
        }

    made: list[Any] = [
        RoutingMiddleware(nothing),
        CynodRoutingMiddleware(nothing, operations=contract.operations.values()),
    ]
    for one in made:
        from_dict: Any = Specification.from_dict
        specification = from_dict(copy.deepcopy(contract.document))
        one.add_api(specification, resolver=HandlerResolver(contract))

    async def upstream() -> None:
        await made[0](scope(), None, None)

    async def ours() -> None:
        await made[1](scope(), None, None)

    return Pair("an operation by its path", upstream, ours)


# ── Flask, and the way into a thread ─────────────────────────────────────────────────────────────
def flask_view(contract: Contract) -> Pair:
    """One view in a request's context: Flask's WSGI application, and what of it is needed."""
    path = "/get-solde-carte"
    plain = flask.Flask("upstream")
    plain.add_url_rule(path, view_func=lambda: flask.Response(b"{}"), endpoint="getSoldeCarte")

    def view() -> Any:
        assert flask.request.environ[CALL_KEY]
        return Reply(200, "200", b"{}", [])

    view.__name__ = "getSoldeCarte"
    lean = CynodFlask("ours", static_folder=None)
    lean.add_url_rule(path, view_func=view)
    call = _call(contract)
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "a=b",
        "HTTP_HOST": "x",
        "SERVER_NAME": "x",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": None,
        "wsgi.errors": None,
    }

    async def upstream() -> None:
        b"".join(plain.wsgi_app(dict(environ), lambda *_: None))  # type: ignore[arg-type]

    async def ours() -> None:
        lean.serve(call)

    return Pair("a view in a request's context", upstream, ours)


def hop(_contract: Contract) -> Pair:
    """A call into a thread and back: a2wsgi as Connexion uses it, and one hop each way."""

    def application(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [("Content-Length", "2")])
        return [b"{}"]

    bridged: Any = WSGIMiddleware(application, workers=8)
    workers = Workers(8, "departure")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "path": "/",
        "root_path": "",
        "query_string": b"",
        "headers": [],
        "scheme": "http",
        "server": ("x", 80),
        "client": ("::1", 1),
        "asgi": {"version": "3.0"},
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Any) -> None:
        return None

    async def upstream() -> None:
        await bridged(dict(scope), receive, send)

    async def ours() -> None:
        await workers.run(lambda: b"{}", Wanted(60))

    return Pair("into a thread and back", upstream, ours)


def pairs(folder: Path) -> Iterator[Pair]:
    """Every departure that this machine can measure."""
    settings = Settings()
    contract = load(settings.contract)
    for make in (body_check, routing, flask_view, hop):
        yield make(contract)
    database = Database(f"sqlite:///{folder / 'departures.db'}")
    migrate.upgrade(database)
    yield from statement(database)
    database.close()
    if find_binaries() is not None:
        with running_server() as server:
            database = Database(create_database(server.url, "departures"))
            migrate.upgrade(database)
            yield from statement(database)
            database.close()


def main() -> None:
    """Print the table of docs/architecture.md."""
    print("| what | the framework's way | ours | ratio |\n|---|---|---|---|")  # noqa: T201
    with tempfile.TemporaryDirectory() as folder:
        for pair in pairs(Path(folder)):
            one = asyncio.run(measure(pair))
            ratio = one.upstream / one.ours
            cells = f"{one.name} | {one.upstream:.0f} µs | {one.ours:.0f} µs | {ratio:.1f}"
            print(f"| {cells} |", flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
