"""Requests as bytes on a socket, where an HTTP client would mend or hide them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import re
import socket
from pathlib import Path
from typing import Any

import httpx
import yaml

from models.secret import NouveauPartenaire
from tests.support.exchanges import record_bytes
from tests.support.patience import CALL_S
from tests.support.world import Carte, World, new_number

REQUESTS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "edge/raw_requests.yaml").read_text(encoding="utf-8")
)


class _Socket:
    """What http.client needs of a socket, over bytes that were read."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_args: Any, **_options: Any) -> io.BytesIO:
        return io.BytesIO(self._data)


class Answer:
    """An answer parsed by the standard library."""

    def __init__(self, data: bytes, method: str) -> None:
        response = http.client.HTTPResponse(_Socket(data), method=method)  # type: ignore[arg-type]
        response.begin()
        self.status = response.status
        self.headers = httpx.Headers(response.getheaders())
        self.body = response.read()


def bytes_of(text: str, values: dict[str, str]) -> bytes:
    """The bytes that a text of the file stands for."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    text = re.sub(r"<<(.*?)\*(\d+)>>", lambda m: m[1].replace("\\n", "\n") * int(m[2]), text)
    raw = re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), text)
    return raw.encode("latin-1")


def request_bytes(case: dict[str, Any], values: dict[str, str]) -> bytes:
    """The whole request of a case of the file."""
    head = bytes_of(case["head"], values).rstrip(b"\n").replace(b"\n", b"\r\n")
    body = bytes_of(case.get("body", ""), values)
    if "body" in case and b"content-length" not in head.lower():
        if b"chunked" in head.lower():
            half = len(body) // 2
            parts = (body[:half], body[half:], b"")
            body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        else:
            head += b"\r\nContent-Length: %d" % len(body)
    return head + b"\r\n\r\n" + body


def exchange(url: str, request: bytes, method: str) -> Answer:
    """Send bytes, read one final answer."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as connection:
        # The server may answer, and close, before it has read everything.
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        answer = Answer(read_answer(connection, method), method)
    record_bytes(request, status=answer.status, answer_headers=answer.headers, answer=answer.body)
    return answer


def read_answer(connection: socket.socket, method: str) -> bytes:
    """The bytes of one final answer; those after it stay unread."""
    data = b""
    while True:
        head, separator, rest = data.partition(b"\r\n\r\n")
        if separator and head.startswith(b"HTTP/1.1 100"):
            data = rest
            continue
        if separator:
            found = re.search(rb"(?i)content-length: (\d+)", head)
            wanted = int(found[1]) if found and method != "HEAD" else 0
            if len(rest) >= wanted:
                return head + separator + rest[:wanted]
        chunk = connection.recv(65_536)
        assert chunk, f"the connection was closed after {data[:200]!r}"
        data += chunk


LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
"""Behind other bytes, a mark: who has its answer knows that they were read, and what came of them."""

LAST = LIVE.replace(b"Host: x", b"Host: x\r\nConnection: close")
"""The same, after which the server ends the connection: what it sent is then whole."""


def values_of(world: World, carte: Carte, pair: NouveauPartenaire) -> dict[str, str]:
    basic = base64.b64encode(f"{pair.consumer_key}:{pair.consumer_secret}".encode()).decode()
    return {
        "basic": basic,
        "token": world.token(pair),
        "etag": world.anonymous().head("/openapi.yaml").headers["etag"],
        "membre": carte.membre.membre_id,
        "reference": f"R-{new_number()}",
        "numero": carte.numero,
        "wallet": carte.membre.wallet_id,
        "client": carte.membre.client_id,
    }


def debit(values: dict[str, str], more: str = "") -> bytes:
    values = {**values, "reference": f"R-{new_number()}"}
    case = next(case for case in REQUESTS if case["name"] == "Content-Encoding identity")
    return request_bytes({**case, "head": case["head"] + ("\n" + more if more else "")}, values)


def converse(world: World, parts: list[bytes], *, count: int | None = None) -> list[Answer]:
    """Send parts on one connection, reading an answer after each, or `count` after the last."""
    address = httpx.URL(world.url)
    answers = []
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = Reader(connection)
        for part in parts:
            connection.sendall(part)
            if count is None:
                answers.append(reader.answer())
        answers += [reader.answer() for _ in range(count or 0)]
    return answers


class Reader:
    """Answers one by one, as http.client splits them from one stream."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rb")

    def makefile(self, *_args: Any, **_options: Any) -> Any:
        return self._stream

    def head(self) -> bytes:
        """The next head, be it of an answer or of `100 Continue`."""
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._stream.readline()
            assert line, f"the connection was closed after {head[:200]!r}"
            head += line
        return head

    def answer(self) -> Answer:
        """The next answer, which has a length."""
        head = self.head()
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length is not None, head
        return Answer(head + self._stream.read(int(length[1])), "GET")

    def rest(self) -> bytes:
        """What still comes until the server ends the connection."""
        return bytes(self._stream.read())
