"""Requests as bytes on a socket, where an HTTP client would mend or hide them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import re
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from models.partenaire import NouveauPartenaire
from tests.contract_client import OPERATIONS, check_exchange
from tests.world import Carte, World

REQUESTS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "raw_requests.yaml").read_text(encoding="utf-8")
)
TIMEOUT_S = 10


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


def _bytes(text: str, values: dict[str, str]) -> bytes:
    """The bytes that a text of the file stands for."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    text = re.sub(r"<<(.*?)\*(\d+)>>", lambda m: m[1].replace("\\n", "\n") * int(m[2]), text)
    raw = re.sub(r"\\x([0-9a-f]{2})", lambda m: chr(int(m[1], 16)), text)
    return raw.encode("latin-1")


def request_bytes(case: dict[str, Any], values: dict[str, str]) -> bytes:
    """The whole request of a case of the file."""
    head = _bytes(case["head"], values).rstrip(b"\n").replace(b"\n", b"\r\n")
    body = _bytes(case.get("body", ""), values)
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
    with socket.create_connection((address.host, address.port), timeout=TIMEOUT_S) as connection:
        # The server may answer, and close, before it has read everything.
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
        return Answer(read_answer(connection, method), method)


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


@pytest.fixture
def carte(world: World) -> Carte:
    """A card with money on it."""
    return world.carte(10_000)


def _values(carte: Carte, pair: NouveauPartenaire) -> dict[str, str]:
    basic = base64.b64encode(f"{pair.consumer_key}:{pair.consumer_secret}".encode()).decode()
    return {
        "basic": basic,
        "numero": carte.numero,
        "wallet": carte.membre.wallet_id,
        "client": carte.membre.client_id,
    }


def test_the_file_has_enough_requests_and_no_name_twice() -> None:
    names = [case["name"] for case in REQUESTS]
    assert len(names) >= 80
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", REQUESTS, ids=[case["name"] for case in REQUESTS])
def test_raw_request_gets_its_declared_answer(
    world: World, carte: Carte, case: dict[str, Any]
) -> None:
    pair = world.partenaire([carte.membre.client_id])
    request = request_bytes(case, _values(carte, pair))
    method, target, *_ = [*request.split(b" ", 2), b"", b""]
    answer = exchange(world.url, request, method.decode("latin-1"))
    assert answer.status == case["status"], answer.body
    if "code" in case:
        assert str(json.loads(answer.body)["code"]) == case["code"]
    for name, pattern in case.get("headers", {}).items():
        assert re.fullmatch(pattern, answer.headers.get(name, "")), (name, answer.headers)
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", answer.headers["x-request-id"])
    assert "server" not in answer.headers
    place = (method.decode("latin-1"), target.partition(b"?")[0].decode("latin-1"))
    if place in OPERATIONS:
        check_exchange(*place, answer.status, answer.headers, answer.body)
    if answer.status != 200:
        assert world.solde(carte) == 10_000
        assert world.journal(carte) == [("OUVERTURE", 10_000)]


def test_connection_is_good_for_the_next_request_after_a_refusal(
    world: World, carte: Carte
) -> None:
    pair = world.partenaire([carte.membre.client_id])
    values = _values(carte, pair)
    good = next(case for case in REQUESTS if case["name"] == "a balance")
    refused = [
        case
        for case in REQUESTS
        if case["status"] in (401, 404, 405, 406, 413, 415)
        or (case["status"] == 400 and case.get("code") in ("405", "1001", "4001"))
    ]
    address = httpx.URL(world.url)
    assert len(refused) > 30
    with socket.create_connection((address.host, address.port), timeout=TIMEOUT_S) as connection:
        for case in refused:
            request = request_bytes(case, values)
            method = request.split(b" ", 1)[0].decode()
            connection.sendall(request)
            assert Answer(read_answer(connection, method), method).status == case["status"]
            connection.sendall(request_bytes(good, values))
            assert Answer(read_answer(connection, "GET"), "GET").status == 200, case["name"]


def test_pipelined_requests_are_answered_in_order(world: World, carte: Carte) -> None:
    pair = world.partenaire([carte.membre.client_id])
    values = _values(carte, pair)
    good = next(case for case in REQUESTS if case["name"] == "a balance")
    unknown = next(case for case in REQUESTS if case["name"] == "a trailing slash is another path")
    both = request_bytes(unknown, values) + request_bytes(good, values)
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(both)
        data = b""
        while data.count(b"HTTP/1.1 ") < 2 or not data.endswith(b"}"):
            chunk = connection.recv(65_536)
            assert chunk
            data += chunk
    assert re.findall(rb"HTTP/1.1 (\d+)", data) == [b"404", b"200"]


def test_request_id_is_kept_when_sane_and_made_otherwise(world: World) -> None:
    for given, kept in (("abc-1.2_3", True), ("a" * 65, False), ("a b", False), ("", False)):
        head = f"GET /health/live HTTP/1.1\r\nHost: api\r\nX-Request-Id: {given}\r\n\r\n"
        answer = exchange(world.url, head.encode(), "GET")
        assert (answer.headers["x-request-id"] == given) is kept
    doubled = (
        b"GET /health/live HTTP/1.1\r\nHost: api\r\nX-Request-Id: a\r\nX-Request-Id: b\r\n\r\n"
    )
    assert exchange(world.url, doubled, "GET").headers["x-request-id"] not in ("a", "b")
