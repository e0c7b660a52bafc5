"""Servers of a run: ours and the peers, each a tree of processes whose time and memory can be asked."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.lab.bench.ground import PEPPER, POSTGRESQL, SQLITE, Ground
from tests.support.process import CYNOD, environment, free_port

OURS = "ours"
CONNEXION, FASTAPI, FLASK = "connexion", "fastapi", "flask"
FASTAPI_ASYNC, LITESTAR = "fastapi-async", "litestar"
BARE, BARE_LOOP, GREENLET, PGBENCH = "bare", "bare-loop", "greenlet", "pgbench"
PEERS = (
    *(CONNEXION, FASTAPI, FLASK, FASTAPI_ASYNC, LITESTAR),
    *(BARE, BARE_LOOP, GREENLET, PGBENCH),
)
ONLY_ON = {
    **dict.fromkeys((FASTAPI_ASYNC, LITESTAR, GREENLET, PGBENCH), POSTGRESQL),
    **dict.fromkeys((BARE, BARE_LOOP), SQLITE),
}
"""Those that one kind of database has."""

POOL = 12
"""Connections of each process: ours has 11 for its operations and one for its probes."""

THREADS = 11


CLASSES = ("lecture", "ecriture", "jeton")
"""Rate classes of partners' calls."""


def unlimited(*classes: str) -> str:
    """Limits that count each call of these classes, and refuse none."""
    return ",".join(f"{one}=100000000/second" for one in classes)


PATIENCE_S = 90


class ServerError(RuntimeError):
    """A server did not become ready."""


def is_on(name: str, kind: str) -> bool:
    """Whether the server is measured on this kind of database."""
    return ONLY_ON.get(name, kind) == kind


def process_tree(root: int) -> list[int]:
    """The process, first, and all under it."""
    found, waiting = [], [root]
    while waiting:
        pid = waiting.pop()
        found.append(pid)
        for task in Path(f"/proc/{pid}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                waiting += map(int, task.read_text().split())
    return found


@dataclass(frozen=True)
class Memory:
    """Of the process that has most, in MiB: the most it ever had, and what is its own share now."""

    peak_mib: float
    pss_mib: float


@dataclass
class Server:
    """A running server."""

    name: str
    url: str
    process: subprocess.Popen[bytes]
    ready_after_s: float

    def processes(self) -> list[int]:
        """The process and all under it."""
        return process_tree(self.process.pid)

    def cpu_s(self) -> float:
        """Processor seconds of the process and all under it, so far."""
        total = 0.0
        for pid in self.processes():
            with contextlib.suppress(OSError):
                # Its own clock, as clock_getcpuclockid(3) makes it: /proc tells hundredths of a second.
                total += time.clock_gettime((~pid << 3) | 2)
        return total

    def stay(self) -> None:
        """Keep all of it on one processor. Threads of Python that wake one another across processors take
        twice the time for a call, or not, as chance has it."""
        one = {max(os.sched_getaffinity(0))}
        for pid in self.processes():
            for task in Path(f"/proc/{pid}/task").iterdir():
                os.sched_setaffinity(int(task.name), one)

    def memory(self) -> Memory:
        """Of its largest process."""
        return Memory(self._largest("status", "VmHWM"), self._largest("smaps_rollup", "Pss"))

    def _largest(self, file: str, name: str) -> float:
        found = [0]
        for pid in self.processes():
            with contextlib.suppress(OSError):
                lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
                found += [int(line.split()[1]) for line in lines if line.startswith(f"{name}:")]
        return round(max(found) / 1024, 1)


def _command(name: str, port: int, workers: int) -> list[str]:
    if name == OURS:
        return [*CYNOD, "serve", "--workers", str(workers)]
    if name == FLASK:
        return [
            *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread"),
            *("--threads", str(THREADS), "--keep-alive", "75", "--access-logfile", "-"),
            *("--workers", str(workers), "--bind", f"127.0.0.1:{port}"),
            "tests.lab.bench.peers.flask_peer:app",
        ]
    module = BARE if name == BARE_LOOP else name.replace("-", "_")
    return [sys.executable, "-m", f"tests.lab.bench.peers.{module}_peer"]


@contextlib.contextmanager
def serve(
    name: str,
    ground: Ground,
    workers: int,
    folder: Path,
    variables: Mapping[str, str] | None = None,
) -> Iterator[Server]:
    """A server on the ground's database; yields when it is ready. Raises ServerError."""
    port = free_port()
    given = environment(
        folder,
        CYNOD_DATABASE_URL=ground.url,
        CYNOD_PEPPER=PEPPER.decode(),
        CYNOD_LOG_FORMAT="json",
        CYNOD_POOL_SIZE=str(THREADS),
        BENCH_POOL=str(POOL),
        BENCH_BARE="loop" if name == BARE_LOOP else "threads",
        PORT=str(port),
        WORKERS=str(workers),
        **{"CYNOD_LIMITES": unlimited(*CLASSES), **(variables or {})},
    )
    log = folder / f"{name}-{port}.log"
    # As `make` leaves it: modules are compiled, so that a start does not compile them again.
    given.pop("PYTHONDONTWRITEBYTECODE", None)
    started = time.monotonic()
    with (
        log.open("wb") as output,
        subprocess.Popen(
            _command(name, port, workers),
            cwd=folder,
            env=given,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_ready(process, url, log)
            yield Server(name, url, process, round(time.monotonic() - started, 3))
        finally:
            _end(process)
            log.unlink(missing_ok=True)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: uvicorn's parent may be gone before its children."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _wait_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    with httpx.Client(trust_env=False, verify=False) as client:  # noqa: S501 - no TLS is asked for
        while True:
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(f"{url} is not served: {log.read_text()[-2000:]}")
            with contextlib.suppress(httpx.HTTPError):
                if client.get(f"{url}/health/ready").status_code == 200:
                    return
            time.sleep(0.01)
