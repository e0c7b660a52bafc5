"""How the tests' client speaks HTTP/1.1: kept connections that all clients of a process share.

httpx's own transport takes longer to read an answer than the server to make it. It stays the transport of
whatever tests TLS, redirects, or an answer that does not end.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections import defaultdict

import httptools
import httpx

Address = tuple[str, int]

IDLE_S = 2
"""A server closes what is idle for longer (uvicorn: after 5 s), perhaps just as a request is sent."""


class _Reader:
    """What httptools tells of one answer."""

    def __init__(self, method: str) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []
        self.done = False
        self.keep = False
        self.parser = httptools.HttpResponseParser(self)
        self._bare = method == "HEAD"

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._bare:
            self.on_message_complete()

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.done = True
        self.keep = self.parser.should_keep_alive()


class Wire(httpx.BaseTransport):
    """Sends over a connection that is idle and still open, or over a new one; one call at a time on each."""

    def __init__(self) -> None:
        self._idle: dict[Address, list[tuple[socket.socket, float]]] = defaultdict(list)
        self._lock = threading.Lock()

    def _connection(self, address: Address, seconds: float | None) -> socket.socket:
        while True:
            with self._lock:
                kept, since = self._idle[address].pop() if self._idle[address] else (None, 0.0)
            if kept is None:
                made = socket.create_connection(address, seconds)
                made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return made
            # Nothing can be there to read before a request, except that the server has closed.
            if time.monotonic() - since < IDLE_S and not select.select([kept], [], [], 0)[0]:
                return kept
            kept.close()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send and read the whole answer. Raises httpx's ConnectError, ReadError or ReadTimeout."""
        url = request.url
        address = (url.host, url.port or 80)
        times = request.extensions["timeout"]
        try:
            connection = self._connection(address, times["connect"])
        except OSError as error:
            raise httpx.ConnectError(str(error), request=request) from error
        try:
            connection.settimeout(times["read"])
            connection.sendall(_head(request) + b"".join(_body(request)))
            answer, keep = _read(connection, request)
        except BaseException:
            connection.close()
            raise
        if keep:
            with self._lock:
                self._idle[address].append((connection, time.monotonic()))
        else:
            connection.close()
        return answer

    def forget(self) -> None:
        """Close the connections that are idle: in a process that was forked, they are its parent's."""
        self._lock = threading.Lock()
        for connections in self._idle.values():
            for connection, _ in connections:
                connection.close()
        self._idle.clear()

    def close(self) -> None:
        """A client that ends leaves the connections to the others."""


def _head(request: httpx.Request) -> bytes:
    lines = [request.method.encode("ascii") + b" " + request.url.raw_path + b" HTTP/1.1"]
    lines += [name + b": " + value for name, value in request.headers.raw]
    return b"\r\n".join([*lines, b"\r\n"])


def _body(request: httpx.Request) -> list[bytes]:
    assert isinstance(request.stream, httpx.SyncByteStream)
    chunks = list(request.stream)
    if "transfer-encoding" not in request.headers:
        return chunks
    return [*(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks if chunk), b"0\r\n\r\n"]


def _read(connection: socket.socket, request: httpx.Request) -> tuple[httpx.Response, bool]:
    reader = _Reader(request.method)
    try:
        while not reader.done:
            data = connection.recv(65_536)
            if not data:
                raise httpx.RemoteProtocolError("the server closed the connection", request=request)
            reader.parser.feed_data(data)
    except TimeoutError as error:
        raise httpx.ReadTimeout(str(error), request=request) from error
    except OSError as error:
        raise httpx.ReadError(str(error), request=request) from error
    except httptools.HttpParserError as error:
        raise httpx.RemoteProtocolError(str(error), request=request) from error
    answer = httpx.Response(
        reader.parser.get_status_code(),
        headers=reader.headers,
        stream=httpx.ByteStream(b"".join(reader.body)),
        extensions={"http_version": b"HTTP/1.1"},
    )
    return answer, reader.keep


WIRE = Wire()
"""The one of this process."""
os.register_at_fork(after_in_child=WIRE.forget)
