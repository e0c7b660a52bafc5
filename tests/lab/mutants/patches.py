"""Mutants made by changing the code of the running server, for one operation each."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import unquote

from handlers.edge import bridge, front, security
from handlers.edge.call import Call, Reply
from handlers.edge.refusals import EdgeRefusal
from handlers.edge.replies import Refusals
from handlers.edge.resolver import HandlerResolver
from handlers.edge.routing import CynodRoutingMiddleware
from handlers.edge.runner import OperationRunner
from models.errors import Refusal
from tests.lab.mutants.mutant import SERVER, Mutant
from tests.lab.mutants.surface import OPERATIONS, resolve
from tests.support.contract_client import PARTENAIRE, Json, base_core

BY_ID = {operation["operationId"]: operation for operation in OPERATIONS.values()}
PATHS = {operation["operationId"]: path for (_, path), operation in OPERATIONS.items()}

Run = Callable[[Any, Call], Reply]

SWAPPED = (
    ("getSoldeCarte", "checkCardValidity"),
    ("creditCarte", "debitCarte"),
    ("creditCarte", "transfererSolde"),
    ("cloturerReference", "verifierReferences"),
    ("annulerOperation", "cloturerReference"),
    ("healthLive", "healthReady"),
    ("mesDroits", "getCodesErreur"),
    ("mesDroits", "healthLive"),
    ("accessToken", "cloturerReference"),
)

OTHER_CODES = (
    *(("412", "9999"), ("3001", "3002"), ("3002", "3003"), ("3003", "3001"), ("4001", "412")),
    *(("4003", "4001"), ("4004", "4001"), ("4005", "4002"), ("4006", "4007"), ("4008", "4010")),
    *(("4009", "4008"), ("4010", "4006"), ("2001", "2002"), ("2002", "2001"), ("2003", "2004")),
    *(("2004", "2003"), ("2101", "2004"), ("2103", "2102"), ("1001", "1002"), ("1002", "1001")),
    *(("4002", "4001"), ("1005", "1002"), ("1006", "1002"), ("1007", "1002"), ("5001", "9999")),
    *(("6001", "6002"), ("6002", "6004"), ("6003", "6005"), ("6004", "6002"), ("6005", "6003")),
    *(("6006", "6012"), ("6007", "6008"), ("6008", "6007"), ("6009", "6010"), ("6010", "6009")),
    *(("6011", "6006"), ("6012", "6006"), ("6013", "6009"), ("2007", "2003"), ("2009", "2003")),
)


# ── tools ────────────────────────────────────────────────────────────────────────────────────────
def _around(name: str, change: Callable[[Run, Any, Call], Reply]) -> None:
    """Change how one operation is run."""
    original: Run = OperationRunner.__call__

    def run(self: OperationRunner, call: Call) -> Reply:
        if self.operation.operation_id != name:
            return original(self, call)
        return change(original, self, call)

    setattr(OperationRunner, "__call__", run)  # noqa: B010 - a method of a class cannot be assigned


def _on_reply(name: str, change: Callable[[Reply], None]) -> Callable[[], None]:
    def changed(original: Run, runner: Any, call: Call) -> Reply:
        reply = original(runner, call)
        change(reply)
        return reply

    return lambda: _around(name, changed)


def _on_call(name: str, change: Callable[[Call], None]) -> Callable[[], None]:
    """Change what one operation is asked, before it is looked at: early, or when it is run."""

    def changed(original: Run, runner: Any, call: Call) -> Reply:
        change(call)
        return original(runner, call)

    def patch() -> None:
        original = OperationRunner.check_early

        def check_early(self: OperationRunner, call: Call) -> None:
            if self.operation.operation_id == name:
                change(call)
            original(self, call)

        setattr(OperationRunner, "check_early", check_early)  # noqa: B010
        _around(name, changed)

    return patch


def _on_body(name: str, status: int, change: Callable[[Json], None]) -> Callable[[], None]:
    """Change the body of one operation's answers, after the server has checked it."""

    def changed(reply: Reply) -> None:
        if reply.status == status and reply.stream is None:
            body = json.loads(reply.body)
            change(body)
            reply.body = json.dumps(body, ensure_ascii=False).encode()

    return _on_reply(name, changed)


def _on_message(name: str, change: Callable[[Json], Json]) -> None:
    """Change what leaves for one operation, refusals of the edge too, which no runner sees."""
    original = front.__dict__["_send"]

    async def send_otherwise(receive: Any, send: Any, call: Call, *rest: Any) -> None:
        async def pass_on(message: Any) -> None:
            await send(change(message))

        await original(receive, pass_on if call.path == PATHS[name] else send, call, *rest)

    setattr(front, "_send", send_otherwise)  # noqa: B010


def _item(body: Json) -> Json:
    found: Json = body["data"][0] if body.get("data") else body
    return found


# ── answers ──────────────────────────────────────────────────────────────────────────────────────
def _add_field(body: Json) -> None:
    body["trace"] = "x"


def _add_field_to_item(body: Json) -> None:
    _item(body)["trace"] = "x"


def _add_null(body: Json) -> None:
    _item(body)["trace"] = None


def _rename(body: Json, field: str) -> None:
    if field in _item(body):
        _item(body)[f"{field}s"] = _item(body).pop(field)


def _lose(body: Json, field: str) -> None:
    _item(body).pop(field, None)


def _to_text(body: Json, field: str) -> None:
    if field in _item(body):
        _item(body)[field] = str(_item(body)[field])


def _set_status(name: str, old: int, new: int) -> None:
    _on_message(
        name, lambda message: message | ({"status": new} if message.get("status") == old else {})
    )


def _fields(operation: Json) -> dict[str, Json]:
    """The fields of a success's item, or of a success without items."""
    schema = resolve(operation["responses"]["200"]["content"]["application/json"]["schema"])
    if "data" in schema["properties"]:
        schema = resolve(resolve(schema["properties"]["data"])["items"])
    return {name: resolve(node) for name, node in schema["properties"].items()}


def answers() -> Iterator[Mutant]:
    """Answers that leave otherwise than the contract says, past the server's own check."""
    for name, operation in BY_ID.items():
        make = partial(Mutant, SERVER)
        for place, change in (
            ("body", _add_field),
            ("item", _add_field_to_item),
            ("item, null", _add_null),
        ):
            patch = _on_body(name, 200, change)
            yield make("undeclared field out", name, place, patch=patch)
        yield make("undeclared field out", name, "refusal", patch=_on_body(name, 400, _add_field))
        for field, schema in _fields(operation).items():
            patch = _on_body(name, 200, partial(_rename, field=field))
            yield make("field renamed", name, field, patch=patch)
            patch = _on_body(name, 200, partial(_lose, field=field))
            yield make("field lost", name, field, patch=patch)
            if schema["type"] != "string":
                patch = _on_body(name, 200, partial(_to_text, field=field))
                yield make("number sent as text", name, field, patch=patch)
        for old, new in ((200, 201), (400, 422), (400, 200), (406, 400), (401, 403), (503, 500)):
            if str(old) in operation["responses"]:
                patch = partial(_set_status, name, old, new)
                yield make("status sent", name, f"{old} as {new}", patch=patch)


def codes() -> Iterator[Mutant]:
    """Refusals under another code that the operation lists too."""
    for name, operation in BY_ID.items():
        for old, new in OTHER_CODES:
            if {old, new} <= set(operation["x-codes-erreur"]):
                patch = partial(_refuse_otherwise, name, old, new)
                yield Mutant(SERVER, "code sent", name, f"{old} as {new}", patch=patch)


def _refuse_otherwise(name: str, old: str, new: str) -> None:
    # What the server takes an error for: a database that is away has no code of its own.
    original = Refusals._refusal  # noqa: SLF001 - what is changed is inside

    def refusal(self: Refusals, error: BaseException, call: Call) -> Refusal:
        found, operation = original(self, error, call), call.operation
        if found.code == old and operation and operation.operation_id == name:
            found = Refusal.__new__(Refusal)
            found.code, found.fields = new, {}
        return found

    setattr(Refusals, "_refusal", refusal)  # noqa: B010


# ── headers ──────────────────────────────────────────────────────────────────────────────────────
def headers() -> Iterator[Mutant]:
    """Headers that are lost or say something else."""
    for name, operation in BY_ID.items():
        declared = {"Cache-Control", "Content-Type"}
        for node in operation["responses"].values():
            declared |= resolve(node)["headers"].keys()
        if operation["x-classe-debit"] == "libre":
            # Responses are shared: what counts nothing declares it too, and never sends it.
            declared -= {"RateLimit", "RateLimit-Policy"}
        for header in sorted(declared):
            patch = partial(_on_header, name, header.lower().encode(), None)
            yield Mutant(SERVER, "header lost", name, header, patch=patch)
            patch = partial(_on_header, name, header.lower().encode(), b"?")
            yield Mutant(SERVER, "header changed", name, header, patch=patch)


def _on_header(name: str, header: bytes, value: bytes | None) -> None:
    def changed(message: Json) -> Json:
        if "headers" not in message:
            return message
        kept = [pair for pair in message["headers"] if pair[0] != header]
        if value is not None and len(kept) < len(message["headers"]):
            kept.append((header, value))
        return {**message, "headers": kept}

    _on_message(name, changed)


# ── requests ─────────────────────────────────────────────────────────────────────────────────────
def _known_only(call: Call, names: set[str]) -> None:
    parts = [part for part in call.query.split(b"&") if part]
    kept = [p for p in parts if unquote(p.partition(b"=")[0].decode("latin-1")) in names]
    call.query = b"&".join(kept)


def _last_only(call: Call) -> None:
    parts = {part.partition(b"=")[0]: part for part in call.query.split(b"&") if part}
    call.query = b"&".join(parts.values())


def _without_line_end(call: Call) -> None:
    call.query = call.query.replace(b"%0A", b"").replace(b"%0a", b"")


def _fields_only(call: Call, names: set[str]) -> None:
    try:
        body = json.loads(call.body)
    except ValueError:
        return
    if isinstance(body, dict):
        call.body = json.dumps({k: v for k, v in body.items() if k in names}).encode()


def _without_float(call: Call) -> None:
    call.body = call.body.replace(b".0", b"")


def _in_french(call: Call) -> None:
    call.language = "fr"


def requests() -> Iterator[Mutant]:
    """Requests that are taken although the contract refuses them."""
    for name, operation in BY_ID.items():
        make = partial(Mutant, SERVER)
        names = {resolve(node)["name"] for node in operation.get("parameters", [])}
        patch = _on_call(name, partial(_known_only, names=names))
        yield make("undeclared parameter accepted", name, "query", patch=patch)
        if names:
            patch = _on_call(name, _last_only)
            yield make("repeated parameter accepted", name, "query", patch=patch)
            patch = _on_call(name, _without_line_end)
            yield make("line end accepted", name, "query", patch=patch)
        if "application/json" in resolve(operation.get("requestBody", {})).get("content", {}):
            (media_type,) = resolve(operation["requestBody"])["content"].values()
            fields = set(resolve(media_type["schema"])["properties"])
            patch = _on_call(name, partial(_fields_only, names=fields))
            yield make("undeclared field accepted", name, "body", patch=patch)
            if "montant" in fields:
                patch = _on_call(name, _without_float)
                yield make("amount written as 1000.0 accepted", name, "body", patch=patch)
        yield make("language ignored", name, "Accept-Language", patch=_on_call(name, _in_french))
        for code, place in (("1005", "Accept"), ("1007", "Content-Type"), ("1002", "body on GET")):
            if code != "1007" or "requestBody" in operation:
                if code == "1002" and "requestBody" in operation:
                    continue
                patch = partial(_tolerate, "check_http", name, code)
                yield make("HTTP fault accepted", name, place, patch=patch)
        yield make("HTTP fault accepted", name, "long head", patch=partial(_tolerate_head, name))
        patch = partial(_take_method, name)
        yield make("undeclared method accepted", name, "DELETE", patch=patch)


def _tolerate(check: str, name: str, code: str) -> None:
    original = bridge.__dict__[check]

    def tolerant(call: Call, operation: Any) -> None:
        try:
            original(call, operation)
        except EdgeRefusal as refusal:
            if refusal.code != code or operation.operation_id != name:
                raise

    setattr(bridge, check, tolerant)


def _tolerate_head(name: str) -> None:
    original = bridge.__dict__["check_head"]

    def tolerant(scope: Any, call: Call) -> None:
        if call.operation is None or call.operation.operation_id != name:
            original(scope, call)

    setattr(bridge, "check_head", tolerant)  # noqa: B010


def _take_method(name: str) -> None:
    original = CynodRoutingMiddleware.__init__

    def init(self: CynodRoutingMiddleware, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        self.__dict__["_plain"][PATHS[name]]["DELETE"] = name

    setattr(CynodRoutingMiddleware, "__init__", init)  # noqa: B010


# ── rights ───────────────────────────────────────────────────────────────────────────────────────
_authenticating = threading.local()


def rights() -> Iterator[Mutant]:
    """Calls that are let in although they lack a right."""
    for name, operation in BY_ID.items():
        needs = [need["oauth2"] for need in operation["security"] if "oauth2" in need]
        if not needs:
            continue
        make = partial(Mutant, SERVER)
        if needs[0]:
            yield make("right not asked", name, "scope", patch=partial(_forget, name, "scope"))
        yield make("right not asked", name, "expiry", patch=partial(_forget, name, "expiry"))
        yield make("right not asked", name, "address", patch=partial(_forget, name, "address"))


def _forget(name: str, what: str) -> None:
    original = OperationRunner._identify  # noqa: SLF001 - what is changed is inside
    now, is_within = security.__dict__["now"], security.__dict__["is_within"]

    def identify(self: OperationRunner, *rest: Any) -> Any:
        _authenticating.name = self.operation.operation_id
        if what == "scope" and self.operation.operation_id == name:
            self.operation = replace(self.operation, scopes=frozenset())
        try:
            return original(self, *rest)
        finally:
            _authenticating.name = ""

    def mine(part: str) -> bool:
        return what == part and getattr(_authenticating, "name", "") == name

    def other_now() -> datetime:
        real: datetime = now()
        return datetime(2000, 1, 1, tzinfo=UTC) if mine("expiry") else real

    def other_within(*args: Any) -> bool:
        return mine("address") or bool(is_within(*args))

    setattr(OperationRunner, "_identify", identify)  # noqa: B010
    setattr(security, "now", other_now)  # noqa: B010
    setattr(security, "is_within", other_within)  # noqa: B010


# ── handlers ─────────────────────────────────────────────────────────────────────────────────────
def handlers() -> Iterator[Mutant]:
    """Operations that are served by the handler of another."""
    for one, other in SWAPPED:
        patch = partial(_swap, one, other)
        yield Mutant(SERVER, "handlers swapped", one, other, patch=patch)


def _swap(one: str, other: str) -> None:
    original = HandlerResolver.__init__

    def init(self: HandlerResolver, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        found = self.handlers
        found[one], found[other] = found[other], found[one]

    setattr(HandlerResolver, "__init__", init)  # noqa: B010


_KNOWN = PARTENAIRE.catalogue.keys() | base_core().catalogue.keys()
assert all(code in _KNOWN for pair in OTHER_CODES for code in pair)
