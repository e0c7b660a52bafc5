"""From ASGI to Flask and back: on the event loop, or in one hop into a thread and one out.

Connexion's FlaskApp bridges with a2wsgi, which crosses threads three times for each answer (start,
body, end, each waited for) over a pool of ten threads that health checks share with slow handlers.
It also re-inspects and re-decorates the handler on every request (apps/flask.py, FlaskOperation.fn),
and Flask matches the URL that Connexion has routed and writes a WSGI response that is read again.
Here the body is read first, the operation runs whole in a room, and its reply comes back whole.
What each of these is worth is measured (docs/architecture.md): one that saves nothing any more goes.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache, partial
from typing import Any, Protocol

import flask
from connexion.apps.abstract import AbstractApp
from connexion.apps.flask import FlaskApi
from connexion.middleware.abstract import ROUTING_CONTEXT, SpecMiddleware
from connexion.operations.abstract import AbstractOperation
from flask.sessions import NullSession, SessionInterface
from starlette.types import Receive, Scope, Send
from werkzeug.routing import MapAdapter, Rule

from handlers.contract.model import Contract, Json, OperationContract
from handlers.edge.call import CALL_KEY, Call, ClientGone, Reply, call_of
from handlers.edge.front import FrontMiddleware
from handlers.edge.http import check_head, check_http, read_body
from handlers.edge.refusals import RessourceInconnue
from handlers.edge.resolver import HandlerResolver
from handlers.edge.rooms import Room, Rooms
from handlers.edge.routing import CynodRoutingMiddleware
from handlers.metrics.recorder import Recorder
from models.database.waiting import CallerGone, DeadlinePassed
from models.errors import ServiceIndisponible

MAX_WAITING = 2_000
"""Calls that may wait for a turn; more are told to come back (503) instead of waiting in vain."""


PROBES = 1
"""Places, or threads, of the health probes that ask the database, beside those of operations. A second one
would open its connection in the middle of the first storm, when two probes meet."""


class Runner(Protocol):
    """What answers one operation: OperationRunner, or what stands in for it."""

    needs_database: bool
    """Whether it may wait for a connection or a statement."""

    def check_early(self, call: Call) -> None:
        """Refuse at once what needs no room to be refused."""

    def __call__(self, call: Call) -> Reply:
        """Answer the call. Never raises."""


Runners = Mapping[str, Runner]


class CynodFlaskApi(FlaskApi):
    """Registers each operation's runner as a Flask view, built once."""

    def __init__(self, *args: Any, runners: Runners, **kwargs: Any) -> None:
        self._runners = runners
        super().__init__(*args, **kwargs)

    def make_operation(self, operation: AbstractOperation) -> Callable[..., flask.Response]:
        """Upstream decorates the handler here, again on every request; a runner needs no decorator."""
        runner = self._runners[operation.operation_id]

        def view(*, call: Call) -> Reply:
            return runner(call)

        view.__name__ = operation.operation_id
        return view  # type: ignore[return-value]  # CynodFlask.serve sends it as it is


class NoSession(SessionInterface):
    """Nobody has a session: upstream looks for the key of one, and makes an empty one, for each request."""

    _none = NullSession()

    def open_session(self, _app: flask.Flask, _request: flask.Request) -> NullSession:
        """One that holds nothing and takes nothing."""
        return self._none


class CynodRequest(flask.Request):
    """A request that reads its environment once somebody asks it for something: handlers get values."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.environ = environ
        self.method = environ["REQUEST_METHOD"]  # Flask asks

    def __getattr__(self, name: str) -> Any:
        """Called for what is not there: by the first who asks, nothing is."""
        if "shallow" in self.__dict__ or name.startswith("__"):
            raise AttributeError(name)
        super().__init__(self.environ)
        return getattr(self, name)

    def close(self) -> None:
        """Close the files that it was asked for."""
        if "files" in self.__dict__:
            super().close()


class CynodFlask(flask.Flask):
    """Flask serves the handlers; what Connexion has done before it is not done again."""

    request_class = CynodRequest
    session_interface = NoSession()

    @cached_property
    def _rules(self) -> Mapping[str, Rule]:
        """The rule of each operation, by its name."""
        views = self.view_functions
        return {views[rule.endpoint].__name__: rule for rule in self.url_map.iter_rules()}

    def create_url_adapter(self, request: flask.Request | None) -> MapAdapter | None:
        """Upstream binds the whole map to each request, host and headers included, and matches it."""
        if request is None:
            return None
        return Routed(self._rules, request.environ[CALL_KEY])  # type: ignore[return-value]

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Handlers are plain functions; upstream looks at each of them for each request."""
        return func

    def do_teardown_request(self, *_: object) -> None:
        """Nobody asks to hear of the end of a request; upstream looks for those who do in three places."""

    def do_teardown_appcontext(self, *_: object) -> None:
        """As above."""

    def serve(self, call: Call) -> Reply:
        """What the view replies, called in the context of the request.

        Upstream's `wsgi_app` goes on to make a WSGI response of it, and to write its headers.
        """
        with self.request_context(_environ(call)):
            return self.dispatch_request()  # type: ignore[return-value]  # what the view returns


class Routed:
    """Gives the rule of the operation to which Connexion routed the request, and the call to its view."""

    __slots__ = ("_call", "_rules")

    def __init__(self, rules: Mapping[str, Rule], call: Call) -> None:
        self._rules = rules
        self._call = call

    def match(self, **_options: Any) -> tuple[Rule, Mapping[str, Any]]:
        """The rule, and what its view is called with."""
        assert self._call.operation is not None, (
            "the bridge names the operation before Flask is asked"
        )
        return self._rules[self._call.operation.operation_id], {"call": self._call}


class FlaskBridge(SpecMiddleware):
    """The innermost ASGI application: checks the HTTP of a request, then lets Flask serve it."""

    def __init__(
        self,
        import_name: str,
        *,
        operations: Mapping[str, OperationContract],
        runners: Runners,
        rooms: Rooms,
    ) -> None:
        self.app = CynodFlask(import_name, static_folder=None)
        self.app.config.update(
            PROPAGATE_EXCEPTIONS=True, TRAP_BAD_REQUEST_ERRORS=True, TRAP_HTTP_EXCEPTIONS=True
        )
        self._operations = operations
        self._runners = runners
        self._rooms = rooms
        self._room_of = {
            operation_id: self._choose_room(operations[operation_id], runner)
            for operation_id, runner in runners.items()
        }
        self._waiting = 0

    def _choose_room(self, operation: OperationContract, runner: Runner) -> Room | None:
        # What asks no database (liveness, the catalogue) waits neither behind slow operations nor behind a
        # readiness probe whose database has stopped answering; and that probe behind no other operation.
        if not runner.needs_database:
            return None
        if operation.probe:
            return self._rooms.probes
        commits = operation.writes or operation.issues_tokens or operation.audited
        return self._rooms.writes if commits else self._rooms.reads

    def add_api(
        self, specification: Any, *, name: str | None = None, **kwargs: Any
    ) -> CynodFlaskApi:
        """Register the operations of a contract on Flask."""
        api = CynodFlaskApi(specification, runners=self._runners, **kwargs)
        self.app.register_blueprint(api.blueprint, **({"name": name} if name else {}))
        return api

    def close(self) -> None:
        """Let running operations end."""
        for room in self._rooms:
            room.close()

    async def __call__(self, scope: Scope, receive: Receive, _send: Send) -> None:
        """Run the operation named by the routing; its reply is left in the call."""
        call = call_of(scope)
        operation_id = scope["extensions"].get(ROUTING_CONTEXT, {}).get("operation_id")
        if operation_id is None:
            raise RessourceInconnue
        operation = call.operation = self._operations[operation_id]
        call.path_parameters = scope.get("path_params") or {}
        check_head(scope, call)
        check_http(call, operation)
        if operation.body is not None:
            call.body = await read_body(call, receive, operation.max_body)
        runner = self._runners[operation_id]
        runner.check_early(call)
        # What cannot say so (the catalogue, liveness) asks no database and is soon done.
        if self._waiting >= MAX_WAITING and "5001" in operation.codes:
            raise ServiceIndisponible
        room = self._room_of[operation_id]
        if room is None:
            call.reply = self.app.serve(call)
            return
        call.room = room
        self._waiting += 1
        try:
            call.reply = await room.run(partial(self.app.serve, call), call.wanted, call.rows)
        except CallerGone:
            raise ClientGone from None
        except DeadlinePassed:
            raise ServiceIndisponible from None
        finally:
            self._waiting -= 1


# They speak to the server, not to the application: Werkzeug takes an Upgrade for a WebSocket.
_HOP_BY_HOP = frozenset(
    (b"connection", b"upgrade", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"expect")
)


def _environ(call: Call) -> dict[str, Any]:
    """The WSGI environment (PEP 3333) of a call."""
    environ: dict[str, Any] = {
        "REQUEST_METHOD": call.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": call.path.encode("utf-8").decode("latin-1"),
        "QUERY_STRING": call.query.decode("latin-1"),
        "SERVER_NAME": "cynod",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": call.address,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(call.body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        CALL_KEY: call,
    }
    for name, value in call.headers.items():
        key = _environ_key(name)
        if key is not None:
            environ[key] = value.decode("latin-1")
    environ["CONTENT_LENGTH"] = str(len(call.body))
    return environ


@lru_cache(maxsize=256)
def _environ_key(name: bytes) -> str | None:
    """The WSGI name of a header, None for one that is not the application's."""
    if name in _HOP_BY_HOP:
        return None
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


def _routes(contract: Contract) -> Json:
    """The document of a contract, less what Connexion and Flask do not route by.

    They would copy it all four times, and resolve its references, for checks that they are not asked for.
    """
    paths: Json = {}
    for one in contract.operations.values():
        parameters = [
            {**parameter, "schema": contract.resolve(parameter["schema"])}
            for parameter in one.parameters
            if parameter["in"] == "path"
        ]
        operation = {"operationId": one.operation_id, "parameters": parameters, "responses": {}}
        paths.setdefault(one.path, {})[one.method] = operation
    document = contract.document
    root: Json = {key: document[key] for key in ("openapi", "servers") if key in document}
    return {**root, "paths": paths}


class CynodApp(AbstractApp):
    """A Connexion application with our middlewares and our bridge to Flask.

    Connexion's SecurityMiddleware, RequestValidationMiddleware and ResponseValidationMiddleware are
    left out of the stack: the first would look tokens up on the event loop, the others rebuild
    their validators on every request. OperationRunner does their work where the call runs.
    """

    def __init__(
        self,
        import_name: str,
        *,
        contracts: Sequence[tuple[Contract, HandlerResolver]],
        runners: Runners,
        rooms: Rooms,
        front: Mapping[str, Any],
        recorder: Recorder | None = None,
    ) -> None:
        self.recorder = recorder
        """What counts for each process that serves it; None where nobody is told."""
        operations = {
            name: operation
            for contract, _ in contracts
            for name, operation in contract.operations.items()
        }
        self._bridge = self._middleware_app = FlaskBridge(
            import_name, operations=operations, runners=runners, rooms=rooms
        )
        super().__init__(
            import_name,
            middlewares=[
                partial(FrontMiddleware, **front),
                partial(CynodRoutingMiddleware, operations=operations.values()),
            ],
        )
        self.app = self._bridge.app
        for contract, resolver in contracts:
            self.add_api(_routes(contract), name=contract.surface.name, resolver=resolver)

    def close(self) -> None:
        """Let running operations end."""
        self._bridge.close()

    def add_url_rule(self, *_args: Any, **_kwargs: Any) -> None:
        """Refused: every route comes from a contract."""
        raise TypeError("routes come from the contracts only")

    def add_error_handler(self, *_args: Any, **_kwargs: Any) -> None:
        """Refused: every error comes from the catalogue of a contract."""
        raise TypeError("errors come from the catalogues of the contracts only")
