"""A request that begins to come and does not end has a bound of its own, like every other wait."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx
import pytest
from sqlalchemy import text

from models.database.engine import Database
from tests.support.live import GRACE_S, serving, settings_for
from tests.support.patience import CALL_S
from tests.support.raw import LIVE, Reader, debit, values_of
from tests.support.world import World

DEADLINE_S = 1
SLACK_S = 8
"""A busy machine looks at a deadline later than it passes; who knows nothing of it waits for ten seconds."""


@pytest.fixture(scope="module")
def url(shared_database: Database) -> Iterator[str]:
    """A server that waits a second for the rest of a request."""
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    with serving(replace(settings, deadline_s=DEADLINE_S)) as base:
        yield base


@pytest.fixture
def whole(world: World) -> bytes:
    """A debit of one franc."""
    carte = world.carte(10_000)
    return debit(values_of(world, carte, world.partenaire([carte.membre.client_id])))


@contextlib.contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """A connection to the server."""
    address = httpx.URL(url)
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as made:
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield made


def told(url: str, *parts: bytes) -> tuple[list[tuple[int, str | None]], float]:
    """Send these parts and no more: the answers' statuses and codes until the server ends the connection,
    and how many seconds that took."""
    with connected(url) as connection:
        began = time.monotonic()
        with contextlib.suppress(ConnectionError):  # refused before a busy machine sent all
            for part in parts:
                connection.sendall(part)
                time.sleep(0.05)
        reader, answers = Reader(connection), []
        with contextlib.suppress(AssertionError):  # the reader's, at the end of the connection
            while True:
                answer = reader.answer()
                answers.append((answer.status, json.loads(answer.body).get("code")))
        return answers, time.monotonic() - began


@pytest.mark.usefixtures("lingering")
def test_request_that_stays_unfinished_is_refused_and_ends_its_connection(
    url: str, whole: bytes
) -> None:
    head, _, body = whole.partition(b"\r\n\r\n")
    ask = head.replace(b"/debit-carte", b"/absent")
    cases = {
        "half a head": ((head[:40],), [(400, "1002")]),
        "a head in drops": (tuple(head[at : at + 9] for at in range(0, 90, 9)), [(400, "1002")]),
        "no body": ((head + b"\r\n\r\n",), [(400, "1002")]),
        "half a body": ((head + b"\r\n\r\n", body[: len(body) // 2]), [(400, "1002")]),
        "all but a byte": ((whole[:-1],), [(400, "1002")]),
        "half a body behind a whole request": ((LIVE + whole[:-1],), [(200, None), (400, "1002")]),
        "half a body that nobody reads": ((ask + b"\r\n\r\n",), [(404, "1003")]),
    }
    with ThreadPoolExecutor(len(cases)) as pool:
        running = {name: pool.submit(told, url, *parts) for name, (parts, _) in cases.items()}
        for name, (_, expected) in cases.items():
            answers, seconds = running[name].result()
            plain = [(status, None if status == 200 else code) for status, code in answers]
            assert plain == expected, name
            # A loop wakes for a timer of this very millisecond, or a hair before.
            assert DEADLINE_S - 0.05 < seconds < DEADLINE_S + SLACK_S, name
    # Nothing was done under its reference: the whole request is a new one.
    with connected(url) as connection:
        connection.sendall(whole)
        answer = Reader(connection).answer()
    assert (answer.status, answer.headers.get("idempotent-replayed")) == (200, None)
    assert json.loads(answer.body)["data"][0]["soldeOnline"] == 9_999


def test_time_of_a_request_begins_with_its_turn(
    shared_database: Database, whole: bytes, world: World
) -> None:
    """A connection that is idle, or whose server does not read because it is busy, is not late."""
    head, _, body = whole.partition(b"\r\n\r\n")
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    settings = replace(settings, deadline_s=CALL_S, wait_s=60)
    with serving(settings, request_s=DEADLINE_S) as url, connected(url) as connection:
        reader = Reader(connection)
        connection.sendall(LIVE)
        assert reader.answer().status == 200
        time.sleep(DEADLINE_S + 0.2)
        first = whole.replace(b'"reference":"', b'"reference":"A', 1)
        assert first != whole
        first = first.replace(
            b"Content-Length: %d" % len(body), b"Content-Length: %d" % (len(body) + 1)
        )
        with world.database.transaction() as held:
            # The first request waits for what this holds, and the second for its turn.
            held.execute(text("UPDATE cartes SET solde = solde"))
            connection.sendall(first + head + b"\r\n\r\n")
            time.sleep(DEADLINE_S + 0.2)
            connection.sendall(body)
        assert [reader.answer().status for _ in range(2)] == [200, 200]


def test_server_told_to_end_waits_no_longer_than_that_for_half_a_body(
    shared_database: Database, whole: bytes
) -> None:
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    with contextlib.ExitStack() as stack:
        with serving(replace(settings, deadline_s=DEADLINE_S)) as base:
            half = stack.enter_context(connected(base))
            half.sendall(LIVE + whole[:-1])
            reader = Reader(half)
            assert reader.answer().status == 200
            began = time.monotonic()
        assert time.monotonic() - began < GRACE_S
        assert reader.answer().status == 400
