"""Latency at a fixed rate: requests leave when they are due, whether or not those before were answered."""

from __future__ import annotations

import asyncio
import random
from urllib.parse import urlsplit

from tests.bench.ground import Ground
from tests.bench.load import CONNECTIONS, Line, Workload
from tests.bench.servers import Server


def _bytes(line: Line, host: str, number: int) -> bytes:
    body = line.body.replace("@REF@", f"P-{random.randrange(2**62):x}-{number}").encode()
    head = [f"{line.method} {line.target} HTTP/1.1", f"Host: {host}", *line.headers]
    if body:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*head, "", ""]).encode() + body


async def _answer(reader: asyncio.StreamReader) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length: ")[2].split(b"\r\n", 1)[0])
    await reader.readexactly(length)


async def _pace(server: Server, lines: list[Line], rate: float, seconds: float) -> list[float]:
    address = urlsplit(server.url)
    due: asyncio.Queue[float | None] = asyncio.Queue()
    taken: list[float] = []
    loop = asyncio.get_running_loop()

    async def work(number: int) -> None:
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        while (moment := await due.get()) is not None:
            line = lines[len(taken) % len(lines)]
            writer.write(_bytes(line, address.netloc, number))
            await _answer(reader)
            # From when it was due: a server that keeps others waiting is charged for it.
            taken.append(loop.time() - moment)
        writer.close()

    workers = [asyncio.create_task(work(number)) for number in range(CONNECTIONS)]
    start = loop.time()
    for number in range(int(rate * seconds)):
        moment = start + number / rate
        await asyncio.sleep(max(0.0, moment - loop.time()))
        due.put_nowait(moment)
    for _ in workers:
        due.put_nowait(None)
    await asyncio.gather(*workers)
    return taken


def run_paced(
    server: Server, workload: Workload, ground: Ground, rate: float, seconds: float
) -> dict[str, float]:
    """p50, p95 and p99 in milliseconds."""
    lines = workload.lines(ground, random.Random(1))
    taken = sorted(asyncio.run(_pace(server, lines, rate, seconds)))
    return {
        f"p{share}": round(taken[min(len(taken) - 1, len(taken) * share // 100)] * 1000, 2)
        for share in (50, 95, 99)
    }
