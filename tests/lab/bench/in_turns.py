"""`python -m tests.lab.bench.in_turns`: balances without and with metrics, by turns in one process.

Two servers alike differ by two hundredths as long as they live, by where their memory happened to lie, and
one from second to second by what else the machine does: more than metrics cost. Here both are applications of
one process, some hundred calls each by turns, and whatever else there is meets both.

It reads what to ask from its input, and writes the processor seconds of each turn.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import uvloop

from handlers.app import create_app
from handlers.edge.bridge import CynodApp
from handlers.edge.logs import configure_logs
from handlers.settings import Address, Settings
from models.database import observed
from tests.lab.bench.ground import PEPPER, Ground
from tests.lab.bench.servers import CLASSES, THREADS

PAIRS, CALLS, AT_ONCE = 400, 160, 16
LIMIT = "100000000/second"


def asked(land: Ground) -> dict[str, Any]:
    """What this process is told of a database."""
    tokens = land.tokens
    calls = [
        (carte.query, tokens[number % len(tokens)]) for number, carte in enumerate(land.cartes)
    ]
    return {"url": land.url, "calls": calls}


class Application:
    """An application of this process that answers balances."""

    def __init__(self, settings: Settings, calls: Sequence[tuple[str, str]]) -> None:
        self.app: CynodApp = create_app(settings)
        self._calls = [
            (query.encode(), f"Bearer {token}".encode("ascii")) for query, token in calls
        ]
        self._number = 0
        self._told: asyncio.Queue[Any] = asyncio.Queue()
        self._said: asyncio.Queue[Any] = asyncio.Queue()

    async def start(self) -> asyncio.Task[None]:
        """Have it begin as a server would; the task of its life."""
        lifespan = {"type": "lifespan", "asgi": {"version": "3.0"}}
        life = asyncio.ensure_future(self.app(lifespan, self._told.get, self._said.put))
        await self._say("startup")
        return life

    async def stop(self, life: asyncio.Task[None]) -> None:
        """Have it end in order."""
        await self._say("shutdown")
        await life

    async def _say(self, word: str) -> None:
        await self._told.put({"type": f"lifespan.{word}"})
        answer = await self._said.get()
        assert answer["type"] == f"lifespan.{word}.complete", answer

    async def turn(self) -> float:
        """Processor seconds of some calls, and of what is added to the numbers by them."""
        recorder = self.app.recorder
        observed.observe(recorder)
        began = time.process_time()
        for _ in range(CALLS // AT_ONCE):
            await asyncio.gather(*(self._call() for _ in range(AT_ONCE)))
        if recorder is not None:
            recorder.add()
        return time.process_time() - began

    async def _call(self) -> None:
        self._number += 1
        query, bearer = self._calls[self._number % len(self._calls)]
        body = [{"type": "http.request", "body": b"", "more_body": False}]
        sent: list[Any] = []

        async def receive() -> Any:
            return body.pop() if body else await asyncio.get_running_loop().create_future()

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": "GET",
            "scheme": "http",
            "root_path": "",
            "path": "/get-solde-carte",
            "raw_path": b"/get-solde-carte",
            "query_string": query,
            "headers": [(b"host", b"bench"), (b"authorization", bearer)],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
            "extensions": {},
        }
        await self.app(scope, receive, send)
        assert sent[0]["status"] == 200, sent


async def _measure(given: dict[str, Any]) -> list[tuple[float, float]]:
    without = Settings(
        environment="test",
        database_url=given["url"],
        pepper=PEPPER,
        log_format="json",
        pool_size=THREADS,
        limites=dict.fromkeys(CLASSES, LIMIT),
    )
    configure_logs(without)
    applications = [
        Application(settings, given["calls"])
        for settings in (without, replace(without, metriques=Address("127.0.0.1", 0)))
    ]
    lives = [await one.start() for one in applications]
    pairs = []
    for number in range(given["pairs"] + 1):
        turns = applications[:: 1 if number % 2 else -1]
        first, second = [await one.turn() for one in turns]
        if number:  # the first warms up
            pairs.append((first, second) if number % 2 else (second, first))
    for one, life in zip(applications, lives, strict=True):
        await one.stop(life)
    return pairs


def main() -> int:
    """Read, measure, write."""
    given = json.load(sys.stdin)
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        pairs = runner.run(_measure(given))
    json.dump(pairs, sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main())
