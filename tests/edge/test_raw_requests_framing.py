"""Where a value, a body and a connection begin and end, on the wire (RFC 9110, RFC 9112)."""

from __future__ import annotations

import contextlib
import re
import select
import socket
from collections.abc import Iterator

import httpx
import pytest

from tests.support.patience import CALL_S
from tests.support.raw import (
    LAST,
    LIVE,
    Reader,
    converse,
    debit,
    exchange,
    values_of,
)
from tests.support.world import Carte, World

pytestmark = pytest.mark.usefixtures("lingering")

FORM = b"grant_type=client_credentials"


@pytest.fixture
def carte(world: World) -> Carte:
    """A card with money on it."""
    return world.carte(10_000)


@pytest.fixture
def values(world: World, carte: Carte) -> dict[str, str]:
    """What the requests are filled in with."""
    return values_of(world, carte, world.partenaire([carte.membre.client_id]))


@pytest.fixture
def connection(world: World) -> Iterator[socket.socket]:
    """A connection to the server."""
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield made


def received(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection, as it must."""
    data = b""
    while chunk := connection.recv(65_536):
        data += chunk
    return data


def statuses(data: bytes) -> list[int]:
    """The statuses of the answers in these bytes."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", data)]


def request(line: str, *fields: str, body: bytes = b"") -> bytes:
    """A request whose fields are written as they are."""
    head = "\r\n".join([line, "Host: x", *fields])
    return head.encode("latin-1") + b"\r\n\r\n" + body


# ── RFC 9110, 5.5: white space around a value ────────────────────────────────────────────────────

SPACES = pytest.mark.parametrize("after", [" ", "\t", " \t ", "\t\t"], ids=repr)


@SPACES
def test_white_space_around_any_value_is_no_part_of_it(
    world: World, carte: Carte, values: dict[str, str], after: str
) -> None:
    """RFC 9110, 5.5."""
    plain = debit(values, "Accept: application/json\nAccept-Language: en\nConnection: close")
    head, _, body = plain.partition(b"\r\n\r\n")
    length = b"Content-Length: %d" % len(body)
    lines = head.replace(length, length.replace(b": ", b": 000")).split(b"\r\n")
    spaced = [
        line.replace(b": ", b":" + after.encode()) + after.encode() if b": " in line else line
        for line in [*lines, b"X-Request-Id: essai-1", b"Expect: 100-continue"]
    ]
    answer = exchange(world.url, b"\r\n".join(spaced) + b"\r\n\r\n" + body, "POST")
    assert (answer.status, answer.headers["x-request-id"]) == (200, "essai-1")
    assert b"solde" in answer.body
    assert answer.headers["connection"] == "close"
    assert world.solde(carte) == 9_999


@SPACES
def test_white_space_behind_chunked_is_no_part_of_it(
    world: World, values: dict[str, str], after: str
) -> None:
    """RFC 9110, 5.5, of the coding that says where a body ends."""
    chunked = request(
        "POST /access-token HTTP/1.1",
        f"Authorization: Basic {values['basic']}",
        "Content-Type: application/x-www-form-urlencoded" + after,
        f"Transfer-Encoding:{after}chunked{after}",
        body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(FORM), FORM),
    )
    answers = converse(world, [chunked, LIVE])
    assert [answer.status for answer in answers] == [200, 200]


@SPACES
def test_white_space_around_an_entity_tag_is_no_part_of_it(
    world: World, values: dict[str, str], after: str
) -> None:
    """RFC 9110, 5.5 and 8.6: what was not changed has no body, and tells no length of one."""
    for tag in (values["etag"], "*"):
        asked = request("GET /openapi.yaml HTTP/1.1", f"If-None-Match:{after}{tag}{after}")
        answer = exchange(world.url, asked, "GET")
        assert (answer.status, answer.body) == (304, b"")
        assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    "fields",
    [
        ["Content-Length: 2 9"],
        ["Content-Length: 29 29"],
        ["Content-Length: +29"],
        ["Content-Length: 0x1d"],
        ["Content-Length:"],
        ["Content-Length: 29", "Content-Length: 30"],
        ["Content-Length: 29 ", "Transfer-Encoding: chunked"],
        ["Content-Length : 29"],
        ["Content-Length:", " 29"],
        ["Transfer-Encoding: chunked, identity"],
        ["Transfer-Encoding: chunked,\t"],
        ["Transfer-Encoding: chun\tked"],
        ["Transfer-Encoding: \x0bchunked"],
        ["Transfer-Encoding\t: chunked"],
        ["Transfer-Encoding:", "\tchunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
    ],
    ids=repr,
)
def test_length_that_two_could_read_differently_is_refused_and_ends_the_connection(
    connection: socket.socket, fields: list[str]
) -> None:
    """RFC 9112, 6.3 and 5.2: what a proxy may have read in another way is never guessed at."""
    connection.sendall(request("POST /access-token HTTP/1.1", *fields, body=FORM + LIVE))
    answer = received(connection)
    assert statuses(answer) == [400]
    assert b"\r\nconnection: close\r\n" in answer
    assert b'"code":"1002"' in answer


# ── RFC 9112, 6.1 and 6.3: where an answer ends ──────────────────────────────────────────────────


@pytest.mark.parametrize("more", [[], ["Connection: keep-alive"]], ids=["", "keep-alive"])
def test_streamed_answer_to_http_1_0_has_no_chunks_and_ends_with_its_connection(
    connection: socket.socket, carte: Carte, values: dict[str, str], more: list[str]
) -> None:
    """RFC 9112, 6.1: no transfer coding for HTTP/1.0. 6.3: the body goes until the end."""
    history = request(
        f"GET /get-historique-carte?{httpx.QueryParams(carte.query)} HTTP/1.0",
        f"Authorization: Basic {values['basic']}",
        "Accept: text/csv",
        *more,
    )
    connection.sendall(history)
    head, _, body = received(connection).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert b"\r\nconnection: close" in head
    lines = body.decode().split("\r\n")
    assert [line.partition(",")[0] for line in lines[:1]] == ["numeroOperation"]
    assert (len(lines), lines[-1]) == (3, "")  # the columns, the opening, the end of its line


def test_sized_answer_to_http_1_0_keeps_its_length(world: World) -> None:
    answer = exchange(world.url, LIVE.replace(b"1.1", b"1.0", 1), "GET")
    assert (answer.headers["content-length"], answer.body) == ("15", b'{"statut":"ok"}')


# ── RFC 9110, 10.1.1, and RFC 9112, 9.3 and 9.6: an answer before the request has ended ──────────

EARLY = [
    ("POST /access-token HTTP/1.1", ["Content-Type: text/plain"], 415),
    ("POST /access-token HTTP/1.1", ["Accept: text/html"], 406),
    ("PUT /access-token HTTP/1.1", [], 405),
    ("POST /absent HTTP/1.1", [], 404),
    ("GET /health/live HTTP/1.1", [], 400),
    ("GET /openapi.yaml HTTP/1.1", [], 200),
    ("POST /openapi.yaml HTTP/1.1", [], 405),
]
EARLY_ANSWERS = pytest.mark.parametrize(
    ("line", "fields", "status"), EARLY, ids=[f"{line} {status}" for line, _, status in EARLY]
)
LENGTH = f"Content-Length: {len(LIVE)}"


@EARLY_ANSWERS
@pytest.mark.parametrize("framing", [LENGTH, "Transfer-Encoding: chunked"])
def test_body_that_was_not_asked_for_is_not_waited_for(
    connection: socket.socket, line: str, fields: list[str], status: int, framing: str
) -> None:
    """RFC 9110, 10.1.1: who expects a 100 and is refused may go on with another request."""
    connection.sendall(request(line, *fields, framing, "Expect: 100-continue"))
    answer = Reader(connection).answer()
    assert (answer.status, answer.headers.get("connection")) == (status, "close")
    connection.sendall(LIVE)
    assert received(connection) == b""


@EARLY_ANSWERS
def test_body_that_comes_in_spite_of_an_early_answer_is_never_the_next_request(
    connection: socket.socket, line: str, fields: list[str], status: int
) -> None:
    connection.sendall(request(line, *fields, LENGTH))
    reader = Reader(connection)
    assert reader.answer().status == status
    connection.sendall(LIVE + LIVE.replace(b"/health/live", b"/absent"))
    assert reader.answer().status == 404
    connection.sendall(LAST)
    assert reader.answer().status == 200
    assert reader.rest() == b""


@EARLY_ANSWERS
def test_expected_body_that_came_at_once_leaves_the_connection_good(
    connection: socket.socket, line: str, fields: list[str], status: int
) -> None:
    at_once = request(line, *fields, LENGTH, "Expect: 100-continue", body=LIVE)
    connection.sendall(at_once + LIVE.replace(b"/health/live", b"/absent"))
    reader = Reader(connection)
    assert [reader.answer().status for _ in range(2)] == [status, 404]


def test_body_of_a_good_request_is_asked_for(
    connection: socket.socket, values: dict[str, str]
) -> None:
    """RFC 9110, 10.1.1."""
    head, _, body = debit(values, "Expect: 100-continue").partition(b"\r\n\r\n")
    connection.sendall(head + b"\r\n\r\n")
    reader = Reader(connection)
    assert reader.head() == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(body + LIVE)
    assert [reader.answer().status for _ in range(2)] == [200, 200]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_early_answer_survives_what_its_client_goes_on_to_send(
    connection: socket.socket, version: str
) -> None:
    """RFC 9112, 9.6: a connection closed on unread bytes is reset, and its answer lost."""
    line = f"POST /absent HTTP/{version}"
    connection.sendall(request(line, "Connection: close", "Content-Length: 3000000"))
    for _ in range(10):
        connection.sendall(b"x" * 65_536)
    assert statuses(received(connection)) == [404]


def test_endless_body_of_a_refused_request_ends_its_connection(connection: socket.socket) -> None:
    connection.sendall(request("POST /absent HTTP/1.1", "Transfer-Encoding: chunked"))
    assert Reader(connection).answer().status == 404
    sent = 0
    with contextlib.suppress(ConnectionError):
        while not select.select([connection], [], [], 0)[0]:
            assert sent < 50_000_000, "fifty megabytes for a path that is not there"
            connection.sendall(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
            sent += 65_536
        assert connection.recv(1) == b""


def test_refusal_of_garbage_survives_the_garbage_behind_it(
    connection: socket.socket, values: dict[str, str]
) -> None:
    connection.sendall(debit(values) + b"\x01garbage\r\n\r\n" + b"x" * 500_000)
    answer = received(connection)
    assert statuses(answer) == [200]
    assert b'"success":true' in answer


# ── RFC 9110, 4.2.3 ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("target", ["http://x", "HTTP://x:80", "http://x?a=1", "http://x/"])
def test_absolute_target_without_a_path_is_the_first_page(world: World, target: str) -> None:
    """RFC 9110, 4.2.3."""
    answer = exchange(world.url, request(f"GET {target} HTTP/1.1"), "GET")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
