"""Latency at a fixed rate: requests leave when they are due, whether or not those before were answered.

wrk sends as fast as it is answered, and so hides the wait of those that it did not send.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import uuid
from collections.abc import Sequence
from urllib.parse import urlsplit

from tests.lab.bench.ground import Ground
from tests.lab.bench.load import (
    CONNECTIONS,
    REFERENCE,
    Line,
    Workload,
)
from tests.lab.bench.servers import Server

PATIENCE_S = 30.0


def percentile(ordered: Sequence[float], share: int) -> float:
    """The least value that `share` per cent of the values do not exceed."""
    return ordered[max(0, -(-len(ordered) * share // 100) - 1)]


def _bytes(line: Line, host: str, reference: str) -> bytes:
    body = line.body.replace(REFERENCE, reference).encode()
    head = [f"{line.method} {line.target} HTTP/1.1", f"Host: {host}", *line.headers]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


async def _pace(
    server: Server, workload: Workload, lines: list[Line], rate: float, seconds: float
) -> tuple[list[float], int]:
    address = urlsplit(server.url)
    due: asyncio.Queue[float | None] = asyncio.Queue()
    taken: list[float] = []
    wrong = 0
    # The Lua pattern of a workload, as a regular expression.
    fits = re.compile(workload.answer.replace("%s", r"\s").encode()).search
    prefix, numbers = f"P-{uuid.uuid4().hex[:12]}", itertools.count()
    loop = asyncio.get_running_loop()

    async def work() -> None:
        nonlocal wrong
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while (moment := await due.get()) is not None:
            number = next(numbers)
            line = lines[number % len(lines)]
            writer.write(_bytes(line, address.netloc, f"{prefix}-{number}"))
            status, body = await _answer(reader)
            # From when it was due: a server that keeps others waiting is charged for it.
            taken.append(loop.time() - moment)
            wrong += status != workload.status or not fits(body)
        writer.close()

    async def all_of_them() -> None:
        workers = [asyncio.create_task(work()) for _ in range(CONNECTIONS)]
        start = loop.time()
        for number in range(int(rate * seconds)):
            moment = start + number / rate
            await asyncio.sleep(max(0.0, moment - loop.time()))
            due.put_nowait(moment)
        for _ in workers:
            due.put_nowait(None)
        await asyncio.gather(*workers)

    await asyncio.wait_for(all_of_them(), seconds + PATIENCE_S)
    return taken, wrong


def run_paced(
    server: Server, workload: Workload, ground: Ground, rate: float, seconds: float
) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds, and wrong answers. Raises OSError, TimeoutError."""
    lines = workload.lines(ground)
    random.Random(1).shuffle(lines)
    try:
        taken, wrong = asyncio.run(_pace(server, workload, lines, rate, seconds))
    except (asyncio.IncompleteReadError, ValueError) as error:
        raise OSError(f"{server.name}: {error}") from error
    taken.sort()
    told = {f"p{share}": round(percentile(taken, share) * 1000, 2) for share in (50, 95, 99)}
    return {**told, "errors": wrong}
