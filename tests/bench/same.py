"""Before a server is measured: it answers what ours answers."""

from __future__ import annotations

import random
import uuid
from typing import Any

import httpx

from tests.bench.ground import Ground
from tests.bench.load import Line, LoadError, Workload
from tests.bench.servers import Server

OF_ITS_OWN = frozenset(
    {"numeroOperation", "reference", "dateOperation", "dateSolde", "soldeOnline", "access_token"}
)
"""What differs between two right answers to the same request."""

SAMPLE = 5


def _ask(client: httpx.Client, server: Server, line: Line) -> tuple[int, Any]:
    headers = dict(header.split(": ", 1) for header in line.headers)
    body = line.body.replace("@REF@", f"S-{uuid.uuid4().hex}")
    answer = client.request(
        line.method, server.url + line.target, headers=headers, content=body.encode()
    )
    return answer.status_code, answer.json()


def _plain(value: Any, *, money: bool, refused: bool) -> Any:
    """What must be equal of two answers. Connexion has words of its own for what it refuses."""
    if refused:
        return None
    if isinstance(value, dict):
        own = OF_ITS_OWN | ({"message"} if money else set())
        return {
            name: _plain(item, money=money, refused=refused)
            for name, item in value.items()
            if name not in own
        }
    if isinstance(value, list):
        return [_plain(item, money=money, refused=refused) for item in value]
    return value


def check_same(ours: Server, peer: Server, workload: Workload, ground: Ground) -> None:
    """Raise LoadError when the peer answers something else than ours."""
    chance = random.Random(1)
    lines = chance.choices(workload.lines(ground, chance), k=SAMPLE)
    with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501 - no TLS is asked for
        for line in lines:
            (status, expected), (other, found) = (
                _ask(client, server, line) for server in (ours, peer)
            )
            expected, found = (
                _plain(body, money=workload.money, refused=workload.refused)
                for body in (expected, found)
            )
            if (status, expected) != (other, found):
                raise LoadError(
                    f"{peer.name} answers {line.method} {line.target.partition('?')[0]} with {other}"
                    f" {found}, ours with {status} {expected}"
                )
