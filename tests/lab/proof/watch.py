"""How servers are, asked without a pause from a process of its own, which no client of the load delays.

`python -m tests.lab.proof.watch PORT:PID...` writes a line for each question until its standard input ends.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

LIVE, READY = "/health/live", "/health/ready"
PAUSE_S = {LIVE: 0.02, READY: 0.05}
PATIENCE_S = 10.0


class Seen(NamedTuple):
    """One question and its answer: None where nobody took the connection, or no answer came. Times are
    the monotonic clock's nanoseconds of one machine."""

    port: int
    path: str
    asked: int
    answered: int
    status: int | None
    held_up: int
    """Nanoseconds in which the machine ran others, although the server or the watch could have run."""

    @property
    def wall_seconds(self) -> float:
        """How long the answer took."""
        return (self.answered - self.asked) / 1e9

    @property
    def seconds(self) -> float:
        """As much of that as the server answers for."""
        return max(0.0, self.wall_seconds - self.held_up / 1e9)


def _held_up(pid: int) -> int:
    total = 0
    for task in (str(pid), "thread-self"):
        with contextlib.suppress(OSError):  # it has ended, or this system does not tell
            total += int(Path("/proc", task, "schedstat").read_text(encoding="ascii").split()[1])
    return total


def _ask(port: int, pid: int, path: str) -> Seen:
    status, before, asked = None, _held_up(pid), time.monotonic_ns()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    with contextlib.suppress(OSError, http.client.HTTPException):
        connection.request("GET", path)
        status = connection.getresponse().status
    connection.close()
    return Seen(port, path, asked, time.monotonic_ns(), status, _held_up(pid) - before)


def _watch(port: int, pid: int, path: str) -> None:
    while True:
        sys.stdout.write(json.dumps(_ask(port, pid, path)) + "\n")
        time.sleep(PAUSE_S[path])


class Watch:
    """What a watching process has written so far."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def seen(self) -> list[Seen]:
        """Every question that has an answer, in the order of the answers."""
        whole, _, _ = self._file.read_text(encoding="utf-8").rpartition("\n")
        return [Seen(*json.loads(line)) for line in whole.splitlines()]


@contextlib.contextmanager
def watching(servers: Mapping[int, int], file: Path) -> Iterator[Watch]:
    """Watch these servers, pids by ports, for the block; what is seen goes to the file."""
    with file.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", __name__, *(f"{port}:{pid}" for port, pid in servers.items())],
            stdin=subprocess.PIPE,
            stdout=output,
            cwd=Path(__file__).parents[3],
        )
    watch = Watch(file)
    try:
        while not watch.seen():
            if process.poll() is not None:
                raise RuntimeError("the watch ended by itself")
            time.sleep(0.01)
        yield watch
    finally:
        process.communicate()


def main(*servers: str) -> None:
    """Watch until the standard input ends."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # it is a text stream
    for server in servers:
        port, pid = map(int, server.split(":"))
        for path in PAUSE_S:
            threading.Thread(target=_watch, args=(port, pid, path), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main(*sys.argv[1:])
