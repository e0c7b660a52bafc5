"""The outermost ASGI layer: request id, documentation pages, errors, headers, one log line a call."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import Callable, Iterator
from functools import partial

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from werkzeug.http import parse_etags

from handlers.edge.address import client_address
from handlers.edge.call import CALL_KEY, Call, ClientGone, Reply
from handlers.edge.claims import Claims
from handlers.edge.document import Document
from handlers.edge.logs import plain_path, plain_text
from handlers.edge.negotiation import choose_language
from handlers.edge.refusals import MethodeInterdite
from handlers.edge.rooms import Room
from handlers.edge.trace_context import read_traceparent
from handlers.edge.traces import Tracing
from handlers.edge.voices import Voices
from handlers.metrics.recorder import OTHER, Recorder
from handlers.settings import Network
from models.database.waiting import DeadlinePassed, Wanted

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")

# RFC 9110, 5.3: the lists that are read here; on several lines they are one.
_LISTS = frozenset((b"accept", b"accept-language", b"if-none-match"))


class FrontMiddleware:
    """Wraps everything. Whatever is raised below leaves as a declared refusal of the catalogue."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        voices: Voices,
        proxies: tuple[Network, ...],
        claims: Claims,
        deadline_s: float,
        on_shutdown: Callable[[], None],
        on_startup: Callable[[], None] = lambda: None,
        recorder: Recorder | None = None,
        tracing: Tracing | None = None,
    ) -> None:
        self.app = app
        self._voices = voices
        self._pages = voices.pages
        self._first = (voices.first.refusals, voices.first.version)
        self._proxies = proxies
        self._claims = claims
        self._deadline_s = deadline_s
        self._on_shutdown = on_shutdown
        self._on_startup = on_startup
        self._recorder = recorder
        self._tracing = tracing
        self._log = structlog.get_logger("cynod.acces")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection event."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        started = time.perf_counter()
        call = self._open(scope)
        refusals, version = self._first
        if self._voices.several:
            voice = self._voices.find(call.path)
            refusals, version = voice.refusals, voice.version
        try:
            page = self._pages.get(call.path)
            if page is not None:
                if not page.is_finished:
                    # Calls go on being served while the page is made, which takes some tenths of a second.
                    await asyncio.to_thread(lambda: page.body)
                reply = _serve_page(call, page)
            else:
                await self.app(scope, receive, send)
                assert call.reply is not None, "the bridge leaves a reply or raises"
                reply = call.reply
        except ClientGone:
            self._log.info("client parti", request_id=call.request_id)
            return
        except Exception as error:  # noqa: BLE001 - the last line: nothing may leave undeclared
            reply = refusals.reply(error, call)
        try:
            await _send(receive, send, call, reply, version, self._deadline_s)
        except (Exception, DeadlinePassed) as error:  # noqa: BLE001 - a stream broke: the client sees a cut, not a lie
            refusals.reply(error, call)
            raise BrokenStream from None
        if self._recorder is not None:
            operation = OTHER if call.operation is None else call.operation.operation_id
            self._recorder.call_ended((operation, reply.code, time.perf_counter() - started))
        if call.trace is not None and self._tracing is not None:
            self._tracing.leave(call.trace, call, reply)
        self._write_log(call, reply, started)

    def _open(self, scope: Scope) -> Call:
        headers: dict[bytes, bytes] = {}
        repeated: set[bytes] = set()
        forwarded_for: list[bytes] = []
        for name, value in scope["headers"]:
            if name == b"x-forwarded-for":
                forwarded_for.append(value)
            if name in headers:
                repeated.add(name)
            headers[name] = (
                headers[name] + b"," + value if name in headers and name in _LISTS else value
            )
        request_id = headers.get(b"x-request-id", b"")
        if b"x-request-id" in repeated or not _REQUEST_ID.fullmatch(request_id):
            # Nobody gains by guessing one; the system's own source of chance costs a call of the system.
            request_id = b"%032x" % random.getrandbits(128)
        client = scope.get("client")
        call = Call(
            method=scope["method"],
            path=scope["path"],
            query=scope["query_string"],
            headers=headers,
            repeated=frozenset(repeated),
            address=client_address(client[0] if client else "", forwarded_for, self._proxies),
            request_id=request_id.decode("ascii"),
            language=choose_language(headers.get(b"accept-language")),
            wanted=Wanted(self._deadline_s),
        )
        given = headers.get(b"traceparent")
        if given is not None and b"traceparent" not in repeated:
            call.parent = read_traceparent(given)
        if self._tracing is not None:
            call.trace = call.wanted.trace = self._tracing.enter(call.parent)
        scope["extensions"] = {**scope.get("extensions", {}), CALL_KEY: call}
        return call

    def _write_log(self, call: Call, reply: Reply, started: float) -> None:
        told: dict[str, str | None] = {}
        partenaire = call.partenaire
        if reply.status >= 400:
            if reply.status == 401:
                partenaire = None  # remembered from before, and not confirmed
            told["adresse"] = plain_text(call.address, 64)
            told["pretendu"] = None if partenaire or call.agent else self._claims(call)
            told["parametre"] = call.parametre
        if call.agent is not None:
            told["agent"] = call.agent
        if call.trace is not None:
            told["trace_id"], told["span_id"] = call.trace.trace_id, call.trace.span_id
        elif call.parent is not None:
            told["trace_id"] = call.parent.trace_id
        self._log.info(
            "requete",
            request_id=call.request_id,
            methode=call.method if call.method.isalpha() else "?",
            chemin=call.operation.path if call.operation else plain_path(call.path),
            operation=call.operation.operation_id if call.operation else None,
            partenaire=partenaire,
            statut=reply.status,
            code=reply.code,
            media=None if call.facultatifs is None else call.media_type,
            facultatifs=call.facultatifs,
            **told,
            duree_ms=round((time.perf_counter() - started) * 1000, 2),
        )

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message: Message = await receive()
            if message["type"] == "lifespan.startup":
                self._on_startup()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self._on_shutdown()
                await send({"type": "lifespan.shutdown.complete"})
                return


class BrokenStream(Exception):
    """An answer that was being streamed could not be finished: the connection is cut."""


def _serve_page(call: Call, page: Document) -> Reply:
    if call.method not in ("GET", "HEAD"):
        raise MethodeInterdite("GET, HEAD")
    headers = [(name.decode(), value.decode()) for name, value in page.headers]
    # A proxy that compresses makes of our ETag a weak one, which is then what it asks us about.
    known = parse_etags(call.headers.get(b"if-none-match", b"").decode("latin-1"))
    if known.contains_weak(page.etag):
        return Reply(304, "304", b"", headers)
    return Reply(200, "200", page.body, headers)


_DEFAULTS = [(b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]


async def _send(
    receive: Receive,
    send: Send,
    call: Call,
    reply: Reply,
    served_version: tuple[bytes, bytes],
    deadline_s: float,
) -> None:
    headers = [(b"x-request-id", call.request_id.encode("ascii")), served_version, *call.quota]
    if call.operation is not None and call.operation.deprecation:
        headers += [
            (name.lower().encode("ascii"), text.encode("ascii"))
            for name, text in call.operation.deprecation
        ]
    # RFC 9110, 8.6: the length of a 304 would be that of the answer which it spares.
    if reply.stream is None and reply.status != 304:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    defaults = [(b"content-type", reply.media_type.encode("ascii")), *_DEFAULTS]
    if reply.headers:
        given = [
            (name.lower().encode("ascii"), text.encode("latin-1")) for name, text in reply.headers
        ]
        headers += given
        names = {name for name, _ in given}
        defaults = [pair for pair in defaults if pair[0] not in names]
    headers += defaults
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    if reply.stream is None or call.method == "HEAD":
        await send({"type": "http.response.body", "body": reply.body})
        return
    await send({"type": "http.response.body", "body": reply.body, "more_body": True})
    assert call.room is not None, "what is streamed was read in a room"
    await _send_stream(receive, send, reply.stream, call.room, deadline_s)


async def _send_stream(
    receive: Receive, send: Send, stream: Iterator[bytes], room: Room, deadline_s: float
) -> None:
    """Send what the stream gives, each part with a deadline of its own; no more once nobody listens."""
    loop = asyncio.get_running_loop()
    gone = loop.create_task(_wait_until_gone(receive))
    try:
        while not gone.done():
            chunk = await room.run(partial(next, stream, b""), Wanted(deadline_s))
            await send({"type": "http.response.body", "body": chunk, "more_body": bool(chunk)})
            if not chunk:
                return
    finally:
        gone.cancel()


async def _wait_until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
