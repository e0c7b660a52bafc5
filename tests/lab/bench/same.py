"""Before a server is measured: it answers what ours answers."""

from __future__ import annotations

import random
import uuid
from typing import Any

import httpx

from tests.lab.bench.ground import Ground
from tests.lab.bench.load import REFERENCE, Line, Workload
from tests.lab.bench.servers import Server

VOLATILE = frozenset({"numeroOperation", "reference", "dateOperation", "access_token", "requestId"})
"""What differs between two right answers to the same request."""

MOVED = frozenset({"soldeOnline", "dateSolde", "message"})
"""What differs besides when the first of the two moved money."""

SAMPLE = 6


def ask(client: httpx.Client, server: Server, line: Line, reference: str) -> tuple[int, Any]:
    """Send the request to the server: status and body."""
    headers = dict(header.split(": ", 1) for header in line.headers)
    body = line.body.replace(REFERENCE, reference)
    answer = client.request(
        line.method, server.url + line.target, headers=headers, content=body.encode()
    )
    try:
        return answer.status_code, answer.json()
    except ValueError:
        return answer.status_code, answer.text


def plain(value: Any, *, money: bool) -> Any:
    """The answer without what differs between two right ones, the order of its fields kept."""
    if isinstance(value, dict):
        own = VOLATILE | (MOVED if money else frozenset())
        return [
            (name, None if name in own else plain(item, money=money))
            for name, item in value.items()
        ]
    if isinstance(value, list):
        return [plain(item, money=money) for item in value]
    return value


def find_difference(ours: Server, peer: Server, workload: Workload, ground: Ground) -> str | None:
    """What the peer answers otherwise than ours to a sample of the requests, or None.

    Where money moves, also: either answers a reference of the other's as its first answer was.
    """
    chance = random.Random(1)
    lines = chance.choices(workload.lines(ground), k=SAMPLE)
    with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501 - no TLS is asked for
        for line in lines:
            one, two = f"S-{uuid.uuid4().hex}", f"S-{uuid.uuid4().hex}"
            expected, found = ask(client, ours, line, one), ask(client, peer, line, two)
            statuses = (workload.status, workload.status)
            bodies = [plain(body, money=workload.money) for _, body in (expected, found)]
            if (expected[0], found[0]) != statuses or bodies[0] != bodies[1]:
                return f"{line.method} {line.target}: {_told(peer, found)}, {_told(ours, expected)}"
            if REFERENCE not in line.body:
                continue
            again = ask(client, peer, line, one)
            if again != expected:
                return f"replay of {line.target}: {_told(peer, again)}, {_told(ours, expected)}"
    return None


def _told(server: Server, answer: tuple[int, Any]) -> str:
    return f"{server.name} answers {answer[0]} {answer[1]}"
