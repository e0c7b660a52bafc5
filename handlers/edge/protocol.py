"""uvicorn's HTTP protocol, made right where a byte on the wire could cost or move money.

Upstream, as it comes: takes the body of a request that offers an upgrade (Java's client offers
HTTP/2 on each) for the next request; adds the trailers of a chunked body to the headers; answers
bytes that are no HTTP at once, in the place of the answers that are still due; takes in a head
without an end; sends `100 Continue` to HTTP/1.0.
"""

from __future__ import annotations

import os
import re
from typing import Any

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from handlers.edge.contract import Contract
from handlers.edge.errors import EdgeRefusal, Envelopes

MAX_HEAD = 65_536
"""Bytes of a head that has not ended, its first packet left out."""

# RFC 9110, 7.8: a server may ignore an Upgrade. The parser does not, so it never sees one; the name
# keeps its length. In a body it could only stand where the contract's media types allow no such text.
_UPGRADE = re.compile(rb"\n[Uu][Pp][Gg][Rr][Aa][Dd][Ee](?=[ \t]*:)")
_IGNORED = b"\nx-offer"


class _Nobody(list[tuple[bytes, bytes]]):
    """Keeps no trailer, however many come."""

    def append(self, _field: tuple[bytes, bytes]) -> None:
        """Forget it."""


class Protocol(HttpToolsProtocol):
    """Answers what is no HTTP with the contract's envelope, when its turn has come."""

    malformed = b""
    served_version = b""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_head = True
        self._requests = 0
        self._head_bytes = 0
        self._served: RequestResponseCycle | None = None

    def data_received(self, data: bytes) -> None:
        """Feed the parser. What it cannot read is answered 400 and ends the connection."""
        self._unset_keepalive_if_required()
        if self.transport.is_closing():
            return
        before = (self._in_head, self._requests)
        try:
            self.parser.feed_data(_UPGRADE.sub(_IGNORED, data))
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

    def on_headers_complete(self) -> None:
        """Its head has ended; what follows as fields are trailers, which nobody reads."""
        super().on_headers_complete()
        self._in_head = False
        self._requests += 1
        self.headers = _Nobody()
        if self.scope["http_version"] == "1.0":
            self.cycle.waiting_for_100_continue = False

    def on_message_complete(self) -> None:
        """The request has ended."""
        super().on_message_complete()
        self._in_head = True

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        """Upstream forgets which of several requests it is serving."""
        self._served = cycle
        super()._start_asgi_task(cycle, app)

    def send_400_response(self, _msg: str) -> None:
        """Refuse what cannot be read, unless answers are due before it: they end the connection."""
        broken = None if self._in_head else self.cycle
        if self.pipeline and self.pipeline[0][0] is broken:
            self.pipeline.popleft()
        last = self.pipeline[0][0] if self.pipeline else self._served
        if last is not None and last is not broken and not last.response_complete:
            last.keep_alive = False
            self.flow.pause_reading()
            return
        if broken is None or not broken.response_started:
            self.transport.write(
                b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\n"
                b"cache-control: no-store\r\nx-content-type-options: nosniff\r\n"
                b"x-request-id: %s\r\nx-contract-version: %s\r\ncontent-length: %d\r\n"
                b"connection: close\r\n\r\n%s"
                % (
                    os.urandom(16).hex().encode(),
                    self.served_version,
                    len(self.malformed),
                    self.malformed,
                )
            )
        self.transport.close()


def teach_protocol(contract: Contract) -> None:
    """Give the protocol the refusal that the contract has for bytes that are no HTTP."""
    _, body = Envelopes(contract).render(EdgeRefusal("1002"), "fr")
    Protocol.malformed = orjson.dumps(body)
    Protocol.served_version = contract.served_version.encode("ascii")
