"""Requests as bytes on a socket, where an HTTP client would mend or hide them."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import json
import re
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from models.partenaire import NouveauPartenaire
from tests.contract_client import OPERATIONS, check_exchange
from tests.exchanges import record_bytes
from tests.world import Carte, World, new_number

REQUESTS: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parent / "raw_requests.yaml").read_text(encoding="utf-8")
)
TIMEOUT_S = 5
ENVELOPE = {"success", "code", "message", "debugMessage", "moreInfo"}


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


@pytest.fixture
def carte(world: World) -> Carte:
    """A card with money on it."""
    return world.carte(10_000)


def _values(world: World, carte: Carte, pair: NouveauPartenaire) -> dict[str, str]:
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


def test_the_file_has_enough_requests_and_no_name_twice() -> None:
    names = [case["name"] for case in REQUESTS]
    assert len(names) >= 320
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("case", REQUESTS, ids=[case["name"] for case in REQUESTS])
def test_raw_request_gets_its_declared_answer(
    world: World, carte: Carte, case: dict[str, Any]
) -> None:
    pair = world.partenaire([carte.membre.client_id])
    request = request_bytes(case, _values(world, carte, pair))
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
    if place in OPERATIONS or answer.status in (404, 405):
        check_exchange(*place, answer.status, answer.headers, answer.body)
    elif answer.status >= 400:
        assert set(json.loads(answer.body)) == ENVELOPE
    if place == ("POST", "/debit-carte") and answer.status == 200:
        assert world.journal(carte) == [("OUVERTURE", 10_000), ("DEBIT", 1)]
        assert world.solde(carte) == 9_999
    else:
        assert world.solde(carte) == 10_000
        assert world.journal(carte) == [("OUVERTURE", 10_000)]


def test_connection_is_good_for_the_next_request_after_a_refusal(
    world: World, carte: Carte
) -> None:
    pair = world.partenaire([carte.membre.client_id])
    values = _values(world, carte, pair)
    good = next(case for case in REQUESTS if case["name"] == "a balance")
    refused = [
        case
        for case in REQUESTS
        if not case.get("last")
        and (
            case["status"] in (401, 404, 405, 406, 413, 415)
            or case.get("code") in ("405", "1001", "412", "2102", "2103", "4001")
        )
    ]
    address = httpx.URL(world.url)
    assert len(refused) > 150
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
    values = _values(world, carte, pair)
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


def test_body_of_a_refused_request_is_not_the_next_request(world: World, carte: Carte) -> None:
    values = _values(world, carte, world.partenaire([carte.membre.client_id]))
    inner = request_bytes(REQUESTS[0], values)
    for head in ("Content-Type: text/plain", "Content-Type: application/json\nAccept: text/html"):
        text = f"POST /debit-carte HTTP/1.1\nHost: x\nAuthorization: Basic {{basic}}\n{head}"
        outer = request_bytes({"head": text, "body": inner.decode("latin-1")}, values)
        answers = _converse(world, [outer, _LIVE])
        assert [answer.status for answer in answers] in ([415, 200], [406, 200])


def test_two_debits_sent_at_once_are_both_done_and_answered_in_order(
    world: World, carte: Carte
) -> None:
    pair = world.partenaire([carte.membre.client_id])
    debits = [_debit(_values(world, carte, pair)) for _ in range(2)]
    answers = _converse(world, [b"".join(debits)], count=2)
    soldes = [json.loads(answer.body)["data"][0]["soldeOnline"] for answer in answers]
    assert soldes == [9_999, 9_998]
    assert world.solde(carte) == 9_998


def test_request_in_single_bytes_is_one_request(world: World, carte: Carte) -> None:
    request = _debit(_values(world, carte, world.partenaire([carte.membre.client_id])))
    (answer,) = _converse(world, [bytes([byte]) for byte in request], count=1)
    assert answer.status == 200
    assert world.solde(carte) == 9_999


def test_request_that_stays_half_does_nothing(world: World, carte: Carte) -> None:
    request = _debit(_values(world, carte, world.partenaire([carte.membre.client_id])))
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(request[:-1])
        time.sleep(0.2)
    assert world.anonymous().get("/health/ready").status_code == 200
    assert world.journal(carte) == [("OUVERTURE", 10_000)]


def test_language_of_a_refusal_is_the_caller_s(world: World) -> None:
    french, english = "Ressource inconnue", "Unknown resource"
    for given, text in (
        ("", french), ("fr", french), ("en", english), ("EN-gb", english), ("de, en;q=0.1", english),
        ("en;q=0", french), ("en;q=0.5, fr;q=0.6", french), ("*", french), ("\x7e;q=;;,", french),
    ):  # fmt: skip
        head = f"GET /absent HTTP/1.1\r\nHost: x\r\nAccept-Language: {given}\r\n\r\n"
        assert json.loads(exchange(world.url, head.encode(), "GET").body)["message"] == text, given


# ── on the wire ──────────────────────────────────────────────────────────────────────────────────

_LIVE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
_H2C = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__"


def _debit(values: dict[str, str], more: str = "") -> bytes:
    values = {**values, "reference": f"R-{new_number()}"}
    case = next(case for case in REQUESTS if case["name"] == "Content-Encoding identity")
    return request_bytes({**case, "head": case["head"] + ("\n" + more if more else "")}, values)


def _converse(world: World, parts: list[bytes], *, count: int | None = None) -> list[Answer]:
    """Send parts on one connection, reading an answer after each, or `count` after the last."""
    address = httpx.URL(world.url)
    answers = []
    with socket.create_connection((address.host, address.port), timeout=TIMEOUT_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        reader = _Reader(connection)
        for part in parts:
            connection.sendall(part)
            if count is None:
                answers.append(reader.answer())
        answers += [reader.answer() for _ in range(count or 0)]
    return answers


class _Reader:
    """Answers one by one, as http.client splits them from one stream."""

    def __init__(self, connection: socket.socket) -> None:
        self._stream = connection.makefile("rb")

    def makefile(self, *_args: Any, **_options: Any) -> Any:
        return self._stream

    def answer(self) -> Answer:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            line = self._stream.readline()
            assert line, f"the connection was closed after {head[:200]!r}"
            head += line
        length = re.search(rb"(?i)content-length: (\d+)", head)
        assert length is not None, head
        return Answer(head + self._stream.read(int(length[1])), "GET")


def test_offer_of_http2_does_not_lose_the_body(world: World, carte: Carte) -> None:
    values = _values(world, carte, world.partenaire([carte.membre.client_id]))
    (answer,) = _converse(world, [_debit(values, _H2C)])
    assert answer.status == 200


def test_body_beside_an_offer_of_http2_is_not_the_next_request(world: World, carte: Carte) -> None:
    values = _values(world, carte, world.partenaire([carte.membre.client_id]))
    inner = request_bytes(REQUESTS[0], values)
    head = f"POST /debit-carte HTTP/1.1\nHost: x\nContent-Type: application/json\n{_H2C}"
    outer = request_bytes({"head": head, "body": inner.decode("latin-1")}, values)
    cut = len(outer) - len(inner)
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(outer[:cut])
        time.sleep(0.1)
        connection.sendall(inner)
        connection.settimeout(1)
        received = b""
        with contextlib.suppress(TimeoutError):
            while chunk := connection.recv(65_536):
                received += chunk
    assert received.count(b"HTTP/1.1 ") == 1, received


@pytest.mark.parametrize("field", ["Authorization: Bearer {token}", "Content-Type: text/plain"])
def test_trailers_are_not_headers(world: World, carte: Carte, field: str) -> None:
    values = _values(world, carte, world.partenaire([carte.membre.client_id]))
    by_trailer = field.startswith("Authorization")
    case = next(case for case in REQUESTS if case["name"] == "a chunked body")
    head = "\n".join(
        line
        for line in case["head"].splitlines()
        if not (by_trailer and line.startswith("Authorization"))
    )
    request = request_bytes({**case, "head": head}, values)
    request = request.removesuffix(b"\r\n") + _bytes(field, values).strip() + b"\r\n\r\n"
    (answer,) = _converse(world, [request])
    assert answer.status == (401 if by_trailer else 200)


def test_garbage_after_a_debit_does_not_take_its_answer(world: World, carte: Carte) -> None:
    values = _values(world, carte, world.partenaire([carte.membre.client_id]))
    answer = _converse(world, [_debit(values) + b"\x01garbage\r\n\r\n"], count=1)[0]
    assert answer.status == 200, "the debit is done, but its caller reads a refusal"


def test_endless_header_is_refused(world: World) -> None:
    address = httpx.URL(world.url)
    sent = 0
    with socket.create_connection((address.host, address.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: ")
        with contextlib.suppress(ConnectionError):
            while sent < 4_000_000:
                sent += connection.send(b"a" * 10_000)
                time.sleep(0.0005)
    assert sent < 4_000_000, "four megabytes of one header were taken in"


def test_long_body_in_many_packets_is_no_endless_head(world: World, carte: Carte) -> None:
    values = _values(world, carte, world.partenaire([carte.membre.client_id]))
    case = next(case for case in REQUESTS if case["name"] == "Content-Encoding identity")
    padded = {**case, "body": case["body"].replace(",", "," + " " * 12_000)}
    for cut in (100, 1_000, 30_000):
        request = request_bytes(padded, {**values, "reference": f"R-{new_number()}"})
        assert len(request) > 48_000
        answers = _converse(world, [request[:cut], request[cut:], _LIVE, _LIVE], count=3)
        assert [answer.status for answer in answers] == [200, 200, 200]


def test_expectation_of_http_1_0_is_ignored(world: World, carte: Carte) -> None:
    values = _values(world, carte, world.partenaire([carte.membre.client_id]))
    request = _debit(values, "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port), timeout=TIMEOUT_S) as connection:
        connection.sendall(request)
        assert not connection.recv(65_536).startswith(b"HTTP/1.1 100")


def test_answer_to_garbage_bears_the_common_headers(world: World) -> None:
    answer = exchange(world.url, b"garbage\r\n\r\n", "GET")
    assert (answer.status, answer.headers["cache-control"]) == (400, "no-store")
    assert answer.headers.get("x-content-type-options") == "nosniff"
