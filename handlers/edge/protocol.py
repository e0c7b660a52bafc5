"""uvicorn's HTTP protocol, made right where a byte on the wire could cost or move money.

Upstream, as it comes: takes the body of a request that offers an upgrade (Java's client offers
HTTP/2 on each) for the next request; adds the trailers of a chunked body to the headers; answers
bytes that are no HTTP at once, in the place of the answers that are still due; takes in a head
without an end, and waits without an end for the rest of a request; sends `100 Continue` to HTTP/1.0,
and chunks; keeps the white space behind a value;
takes for a body what a caller sends who was refused before he sent his; loses the answer to a request
that has not ended, where its connection ends. Each is a case of tests/edge/test_raw_requests_framing.py:
what upstream does right some day goes from here. It costs 3 to 6 % of a balance (docs/architecture.md).
"""

from __future__ import annotations

import re
import secrets
import socket
import struct
from asyncio import TimerHandle
from functools import partial
from http import HTTPStatus
from typing import Any

import httptools
import orjson
import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from handlers.contract.model import Contract
from handlers.edge.call import CALL_KEY
from handlers.edge.refusals import Envelopes, RequeteMalFormee
from models.database.waiting import CallerGone

FRESH_S = 1.0
"""How long a connection that has asked nothing yet may still ask when its server ends."""

MAX_HEAD = 65_536
"""Bytes of a head that has not ended, its first packet left out."""

MAX_IGNORED = 16_777_216
"""Bytes that may still come of a request that was answered before it had ended, for the next one's sake."""

MAX_LINGERED = 1_048_576
"""Bytes that may still come on a connection that we ended."""

LINGER_S = 2.0
"""How long a connection that we ended takes in what its client still sends (RFC 9112, 9.6): closed on
unread bytes it would be reset, and the client could lose its answer."""

# RFC 9110, 7.8: a server may ignore an Upgrade. The parser does not, so it never sees one; the name
# keeps its length. In a body it could only stand where the contract's media types allow no such text.
_UPGRADE = re.compile(rb"\n[Uu][Pp][Gg][Rr][Aa][Dd][Ee](?=[ \t]*:)")
_IGNORED = b"\nx-offer"

# RFC 9110, 5.5: a tab is white space as a space is. Of the fields that the parser reads by itself, these
# two are not understood with one behind their value. That changes no body either.
_TAB = re.compile(rb"(?i)\n(?:transfer-encoding|connection):[^\r\n]*\t[^\r\n]*")

# RFC 9110, 4.2.3: an absolute target without a path is that of the path `/`.
_NO_PATH = re.compile(rb"([A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)((?:[?#].*)?)")

# RFC 9110, 5.5: what no value may hold, least of all the end of its line.
_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")

_STATUS_LINES = {
    one.value: b"HTTP/1.1 %d %s\r\n" % (one, one.phrase.encode("ascii")) for one in HTTPStatus
}

_FRAMING = (b"connection", b"transfer-encoding")

_LOG = structlog.get_logger("cynod.acces")


class _Nobody(list[tuple[bytes, bytes]]):
    """Keeps no trailer, however many come."""

    def append(self, _field: tuple[bytes, bytes]) -> None:
        """Forget it."""


class Protocol(HttpToolsProtocol):
    """Answers what is no HTTP with the contract's envelope, when its turn has come."""

    envelopes: Envelopes
    served_version = b""

    def __init__(self, *args: Any, request_s: float, **kwargs: Any) -> None:
        """A head that has begun, and then its body, have `request_s` seconds each to come whole."""
        super().__init__(*args, **kwargs)
        self._request_s = request_s
        self._rest: TimerHandle | None = None
        self._in_message = False
        self._in_head = True
        self._requests = 0
        self._head_bytes = 0
        self._ignored_bytes = 0
        self._served: RequestResponseCycle | None = None
        self._head: Any = None
        self._is_unsized = False
        self._is_broken = False
        self._is_ended = False
        self._is_last = False

    def shutdown(self) -> None:
        """The server ends. Upstream closes a connection that has asked nothing yet, whose first request may
        be on its way: who opened it for that would get no answer. It is served, if it comes soon."""
        if self._requests or self.transport.is_closing():
            super().shutdown()
            return
        self._is_last = True
        self.loop.call_later(FRESH_S, self._close_unasked)

    def _close_unasked(self) -> None:
        if not self._requests:
            self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell each request that its caller is gone; upstream tells the last one that came."""
        for cycle in (self._served, *(waiting for waiting, _ in self.pipeline)):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
                call: Any = cycle.scope["extensions"].get(CALL_KEY)
                if call is not None:
                    call.wanted.end(CallerGone)
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Feed the parser. What it cannot read is answered 400 and ends the connection."""
        self._unset_keepalive_if_required()
        if self._is_broken or self._is_ended or self.transport.is_closing():
            self._ignore(data)
            return
        before = (self._in_head, self._requests)
        try:
            self.parser.feed_data(_readable(data))
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            # An upgrade is left only when its name came in two packets, or of the method CONNECT.
            self.send_400_response("")
            return
        if before == (True, self._requests) and self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self.send_400_response("")
        else:
            self._head_bytes = 0
        if before == (False, self._requests) and self.cycle.response_complete:
            self._ignore(data)
        self._wait_for_rest()

    def _wait_for_rest(self) -> None:
        """Give what has begun to come its time. A body is not read before it is its request's turn."""
        if (
            self._in_message
            and self._rest is None
            and not self._is_broken
            and (self._in_head or self.cycle is self._served)
        ):
            self._rest = self.loop.call_later(self._request_s, self.send_400_response, "")

    def _stop_waiting(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        super().on_message_begin()
        self._in_message = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of the head. RFC 9110, 5.5: white space around a value is no part of it."""
        super().on_header(name, value.strip(b" \t"))

    def on_headers_complete(self) -> None:
        """Its head has ended; what follows as fields are trailers, which nobody reads."""
        absolute = _NO_PATH.fullmatch(self.url)
        if absolute is not None:
            self.url = absolute[1] + b"/" + absolute[2]
        self._stop_waiting()
        super().on_headers_complete()
        self._in_head = False
        self._requests += 1
        if self._is_last:
            self.cycle.keep_alive = False
        self.headers = _Nobody()
        if self.scope["http_version"] == "1.0":
            self.cycle.waiting_for_100_continue = False

    def on_message_complete(self) -> None:
        """The request has ended."""
        self._stop_waiting()
        super().on_message_complete()
        self._in_message = False
        self._in_head = True
        self._ignored_bytes = 0

    def on_response_complete(self) -> None:
        """An answer is sent: end the connection where that answer was its last."""
        if self._is_ended:
            self.server_state.total_requests += 1
            self._end()
        else:
            super().on_response_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Upstream forgets which of several requests it is serving."""
        self._served = cycle
        super()._start_asgi_task(cycle, partial(self._serve, cycle, app))
        if not self._in_head:
            self._wait_for_rest()

    async def _serve(
        self, cycle: RequestResponseCycle, app: ASGIApp, scope: Scope, receive: Receive, _send: Send
    ) -> None:
        try:
            await app(scope, receive, partial(self._send, cycle))
        except BaseException:
            if self._is_unsized and cycle.response_started:
                # RFC 9112, 8: ended in order, a part of an answer would pass for the whole.
                self._reset()
            raise

    async def _send(self, cycle: RequestResponseCycle, message: Message) -> None:
        """Pass on what the application answers, framed so that its caller can tell where it ends.

        The head is kept until there is a body to go with it, as ASGI allows.
        """
        if message["type"] == "http.response.start":
            headers = message["headers"]
            if cycle.more_body and cycle.waiting_for_100_continue:
                # RFC 9110, 10.1.1: whether the body still comes nobody knows. What comes is not read.
                headers.append((b"connection", b"close"))
            self._is_unsized = cycle.scope["http_version"] == "1.0" and not any(
                name == b"content-length" for name, _ in headers
            )
            if self._is_unsized:
                cycle.chunked_encoding = False  # RFC 9112, 6.3: the body ends with the connection
            self._head = message
            return
        head, self._head = self._head, None
        if head is not None:
            if self._write_whole(cycle, head, message):
                return
            await cycle.send(head)
        if self._is_unsized:
            cycle.expected_content_length = len(message["body"])
        is_last = not message.get("more_body")
        if is_last and not cycle.keep_alive and (cycle.more_body or self._is_broken):
            cycle.keep_alive = self._is_ended = True  # else upstream closes before it is read
        await cycle.send(message)  # type: ignore[arg-type]  # two names of the same dictionaries

    def _write_whole(self, cycle: RequestResponseCycle, head: Message, message: Message) -> bool:
        """Write head and body at once, where the connection goes on behind them: upstream makes two packets
        of them, two calls of the system, and looks at each field by itself.

        False, with nothing written, for every other answer, which is upstream's to frame or to refuse.
        """
        if (
            message.get("more_body")
            or cycle.more_body
            or cycle.disconnected
            or not cycle.keep_alive
            or self.flow.write_paused
        ):
            return False
        body, fields = message["body"], self.server_state.default_headers + head["headers"]
        values = dict(fields)
        if (
            values.get(b"content-length") != b"%d" % len(body)
            or not values.keys().isdisjoint(_FRAMING)
            or _CONTROL.search(b"".join([value for _, value in fields]))
        ):
            return False
        if cycle.scope["method"] == "HEAD":
            body = b""
        lines = b"".join([b"%b: %b\r\n" % field for field in fields])
        cycle.response_started = cycle.response_complete = True
        self.transport.write(b"%b%b\r\n%b" % (_STATUS_LINES[head["status"]], lines, body))
        cycle.message_event.set()
        cycle.on_response()
        return True

    def _reset(self) -> None:
        """Close so that the client has an error, not an end."""
        connection = self.transport.get_extra_info("socket")
        if connection is not None and not self.transport.is_closing():
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _ignore(self, data: bytes) -> None:
        """Count what came for nothing; too much of it ends the connection, and still more closes it."""
        self._ignored_bytes += len(data)
        if self._is_ended and self._ignored_bytes > MAX_LINGERED:
            self.transport.close()
        elif self._ignored_bytes > MAX_IGNORED:
            self._end()

    def _end(self) -> None:
        """Say that nothing follows, and take in for a while what the client still sends."""
        self._stop_waiting()
        if self.transport.is_closing():
            return
        self._is_ended = True
        self._ignored_bytes = 0
        self._unset_keepalive_if_required()
        self.flow.resume_reading()
        self.transport.write_eof()
        self.loop.call_later(LINGER_S, self.transport.close)

    def send_400_response(self, _msg: str) -> None:
        """Refuse what cannot be read, or does not come, unless answers are due before it: they end the
        connection."""
        self._stop_waiting()
        self._is_broken = True
        broken = None if self._in_head else self.cycle
        if self.pipeline and self.pipeline[0][0] is broken:
            self.pipeline.popleft()
        last = self.pipeline[0][0] if self.pipeline else self._served
        if last is not None and last is not broken and not last.response_complete:
            last.keep_alive = False
            self.flow.pause_reading()
            return
        if broken is None or not broken.response_started:
            request_id = secrets.token_hex(16)
            _LOG.info(
                "requete",
                request_id=request_id,
                statut=400,
                code="1002",
                adresse=self.client[0] if self.client else None,
            )
            _, refusal = self.envelopes.render(RequeteMalFormee(), "fr", request_id=request_id)
            body = orjson.dumps(refusal)
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
                b"cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
                b"x-request-id: %s\r\nx-contract-version: %s\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n%s"
                % (
                    request_id.encode("ascii"),
                    self.served_version,
                    len(body),
                    body,
                )
            )
        if broken is not None:
            broken.disconnected = True
            broken.message_event.set()
        self._end()


def _readable(data: bytes) -> bytes:
    """The same bytes, in words that the parser understands as RFC 9110 means them."""
    if b"\t" in data:
        data = _TAB.sub(lambda found: found[0].replace(b"\t", b" "), data)
    return _UPGRADE.sub(_IGNORED, data)


def teach_protocol(contract: Contract, base: str) -> None:
    """Give the protocol the refusal that the contract has for bytes that are no HTTP."""
    Protocol.envelopes = Envelopes(contract, base)
    Protocol.served_version = contract.served_version.encode("ascii")
