"""Requests as bytes on a socket, where an HTTP client would mend or hide them."""

from __future__ import annotations

import contextlib
import json
import re
import select
import socket
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from models.database.engine import Database
from tests.support.contract_client import OPERATIONS, check_exchange
from tests.support.patience import CALL_S
from tests.support.raw import (
    LAST,
    LIVE,
    REQUESTS,
    Answer,
    Reader,
    bytes_of,
    converse,
    debit,
    exchange,
    read_answer,
    request_bytes,
    values_of,
)
from tests.support.world import Carte, World, new_number

pytestmark = pytest.mark.usefixtures("lingering")

ENVELOPE = {"success", "code", "message", "debugMessage", "moreInfo"}
LOCATED = {"requestId", "documentation", "erreurs"}


@pytest.fixture
def carte(world: World) -> Carte:
    """A card with money on it."""
    return world.carte(10_000)


def test_the_file_has_enough_requests_and_no_name_twice() -> None:
    names = [case["name"] for case in REQUESTS]
    assert len(names) >= 320
    assert len(set(names)) == len(names)


class Untouched:
    """A card that nobody has moved yet, and what requests name of it and of its partner."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._made: tuple[Carte, dict[str, str]] | None = None

    def take(self) -> tuple[Carte, dict[str, str]]:
        """They are the next one's too once they are given back."""
        made, self._made = self._made, None
        if made is None:
            carte = self._world.carte(10_000)
            pair = self._world.partenaire([carte.membre.client_id])
            made = carte, values_of(self._world, carte, pair)
        return made

    def give_back(self, carte: Carte, values: dict[str, str]) -> None:
        """The card is as it was."""
        self._made = carte, {**values, "reference": f"R-{new_number()}"}


@pytest.fixture(scope="module")
def untouched(shared_database: Database, server_url: str) -> Iterator[Untouched]:
    """One card for all requests that move nothing, as most of them must."""
    world = World(shared_database, server_url)
    yield Untouched(world)
    world.close()


@pytest.mark.parametrize("case", REQUESTS, ids=[case["name"] for case in REQUESTS])
def test_raw_request_gets_its_declared_answer(
    world: World, untouched: Untouched, case: dict[str, Any]
) -> None:
    carte, values = untouched.take()
    request = request_bytes(case, values)
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
    if place in OPERATIONS or method == b"HEAD" or answer.status in (404, 405):
        check_exchange(*place, answer.status, answer.headers, answer.body)
    elif answer.status >= 400:
        told = json.loads(answer.body)
        assert set(told) == ENVELOPE | LOCATED
        assert told["requestId"] == answer.headers["x-request-id"]
    if place == ("POST", "/debit-carte") and answer.status == 200:
        assert world.journal(carte) == [("OUVERTURE", 10_000), ("DEBIT", 1)]
        assert world.solde(carte) == 9_999
    else:
        assert world.solde(carte) == 10_000
        assert world.journal(carte) == [("OUVERTURE", 10_000)]
        untouched.give_back(carte, values)


def test_connection_is_good_for_the_next_request_after_a_refusal(
    world: World, carte: Carte
) -> None:
    pair = world.partenaire([carte.membre.client_id])
    values = values_of(world, carte, pair)
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
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as connection:
        for case in refused:
            request = request_bytes(case, values)
            method = request.split(b" ", 1)[0].decode()
            connection.sendall(request)
            assert Answer(read_answer(connection, method), method).status == case["status"]
            connection.sendall(request_bytes(good, values))
            assert Answer(read_answer(connection, "GET"), "GET").status == 200, case["name"]


def test_pipelined_requests_are_answered_in_order(world: World, carte: Carte) -> None:
    pair = world.partenaire([carte.membre.client_id])
    values = values_of(world, carte, pair)
    good = next(case for case in REQUESTS if case["name"] == "a balance")
    unknown = next(case for case in REQUESTS if case["name"] == "a trailing slash is another path")
    both = request_bytes(unknown, values) + request_bytes(good, values)
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as connection:
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
    values = values_of(world, carte, world.partenaire([carte.membre.client_id]))
    inner = request_bytes(REQUESTS[0], values)
    for head in ("Content-Type: text/plain", "Content-Type: application/json\nAccept: text/html"):
        text = f"POST /debit-carte HTTP/1.1\nHost: x\nAuthorization: Basic {{basic}}\n{head}"
        outer = request_bytes({"head": text, "body": inner.decode("latin-1")}, values)
        answers = converse(world, [outer, LIVE])
        assert [answer.status for answer in answers] in ([415, 200], [406, 200])


def test_two_debits_sent_at_once_are_both_done_and_answered_in_order(
    world: World, carte: Carte
) -> None:
    pair = world.partenaire([carte.membre.client_id])
    debits = [debit(values_of(world, carte, pair)) for _ in range(2)]
    answers = converse(world, [b"".join(debits)], count=2)
    soldes = [json.loads(answer.body)["data"][0]["soldeOnline"] for answer in answers]
    assert soldes == [9_999, 9_998]
    assert world.solde(carte) == 9_998


def test_request_in_single_bytes_is_one_request(world: World, carte: Carte) -> None:
    request = debit(values_of(world, carte, world.partenaire([carte.membre.client_id])))
    (answer,) = converse(world, [bytes([byte]) for byte in request], count=1)
    assert answer.status == 200
    assert world.solde(carte) == 9_999


def test_request_that_stays_half_does_nothing(world: World, carte: Carte) -> None:
    request = debit(values_of(world, carte, world.partenaire([carte.membre.client_id])))
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as connection:
        connection.sendall(LIVE + request[:-1])
        assert Reader(connection).answer().status == 200
    assert world.anonymous().get("/health/ready").status_code == 200
    assert world.journal(carte) == [("OUVERTURE", 10_000)]


def test_language_of_a_refusal_is_the_caller_s(world: World) -> None:
    french, english = "Ressource inconnue", "Unknown resource"
    for given, text in (
        ("", french), ("fr", french), ("en", english), ("EN-gb", english), ("de, en;q=0.1", english),
        (", ".join(["de"] * 200) + ", en", english), ("de;a=\", en\"", french), ("en;q=inf", english),
        ("de\r\nAccept-Language: en", english),
        ("en;q=0", french), ("en;q=0.5, fr;q=0.6", french), ("*", french), ("\x7e;q=;;,", french),
    ):  # fmt: skip
        head = f"GET /absent HTTP/1.1\r\nHost: x\r\nAccept-Language: {given}\r\n\r\n"
        assert json.loads(exchange(world.url, head.encode(), "GET").body)["message"] == text, given


# ── on the wire ──────────────────────────────────────────────────────────────────────────────────

_H2C = "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__"


def test_offer_of_http2_does_not_lose_the_body(world: World, carte: Carte) -> None:
    values = values_of(world, carte, world.partenaire([carte.membre.client_id]))
    (answer,) = converse(world, [debit(values, _H2C)])
    assert answer.status == 200


def test_body_beside_an_offer_of_http2_is_not_the_next_request(world: World, carte: Carte) -> None:
    values = values_of(world, carte, world.partenaire([carte.membre.client_id]))
    inner = request_bytes(REQUESTS[0], values)
    head = f"POST /debit-carte HTTP/1.1\nHost: x\nContent-Type: application/json\n{_H2C}"
    outer = request_bytes({"head": head, "body": inner.decode("latin-1")}, values)
    cut = len(outer) - len(inner)
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as connection:
        reader = Reader(connection)
        connection.sendall(LIVE + outer[:cut])
        assert reader.answer().status == 200
        # The server has read the head, which says that a body follows.
        connection.sendall(inner + LAST)
        assert [reader.answer().status for _ in range(2)] == [401, 200]
        assert reader.rest() == b""


@pytest.mark.parametrize("field", ["Authorization: Bearer {token}", "Content-Type: text/plain"])
def test_trailers_are_not_headers(world: World, carte: Carte, field: str) -> None:
    values = values_of(world, carte, world.partenaire([carte.membre.client_id]))
    by_trailer = field.startswith("Authorization")
    case = next(case for case in REQUESTS if case["name"] == "a chunked body")
    head = "\n".join(
        line
        for line in case["head"].splitlines()
        if not (by_trailer and line.startswith("Authorization"))
    )
    request = request_bytes({**case, "head": head}, values)
    request = request.removesuffix(b"\r\n") + bytes_of(field, values).strip() + b"\r\n\r\n"
    (answer,) = converse(world, [request])
    assert answer.status == (401 if by_trailer else 200)


def test_garbage_after_a_debit_does_not_take_its_answer(world: World, carte: Carte) -> None:
    values = values_of(world, carte, world.partenaire([carte.membre.client_id]))
    answer = converse(world, [debit(values) + b"\x01garbage\r\n\r\n"], count=1)[0]
    assert answer.status == 200, "the debit is done, but its caller reads a refusal"


def test_endless_header_is_refused(world: World) -> None:
    address = httpx.URL(world.url)
    sent = 0
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\nX-A: ")
        with contextlib.suppress(ConnectionError):
            # What the system keeps for a server that does not read is some megabytes.
            while not select.select([connection], [], [], 0)[0]:
                assert sent < 50_000_000, "fifty megabytes of one header were taken in"
                sent += connection.send(b"a" * 10_000)
        assert Reader(connection).answer().status == 400


def test_long_body_in_many_packets_is_no_endless_head(world: World, carte: Carte) -> None:
    values = values_of(world, carte, world.partenaire([carte.membre.client_id]))
    case = next(case for case in REQUESTS if case["name"] == "Content-Encoding identity")
    padded = {**case, "body": case["body"].replace(",", "," + " " * 12_000)}
    for cut in (100, 1_000, 30_000):
        request = request_bytes(padded, {**values, "reference": f"R-{new_number()}"})
        assert len(request) > 48_000
        answers = converse(world, [request[:cut], request[cut:], LIVE, LIVE], count=3)
        assert [answer.status for answer in answers] == [200, 200, 200]


def test_expectation_of_http_1_0_is_ignored(world: World, carte: Carte) -> None:
    values = values_of(world, carte, world.partenaire([carte.membre.client_id]))
    request = debit(values, "Expect: 100-continue").replace(b"HTTP/1.1", b"HTTP/1.0", 1)
    address = httpx.URL(world.url)
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as connection:
        connection.sendall(request)
        assert not connection.recv(65_536).startswith(b"HTTP/1.1 100")


def test_answer_to_garbage_bears_the_common_headers(world: World) -> None:
    answer = exchange(world.url, b"garbage\r\n\r\n", "GET")
    assert (answer.status, answer.headers["cache-control"]) == (400, "no-store")
    assert answer.headers.get("x-content-type-options") == "nosniff"
