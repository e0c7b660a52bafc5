"""`cynod` as a person runs it: a process of its own, with an environment of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.contract_client import ROOT
from tests.support.patience import CALL_S, PROGRAM_S

# Whoever runs the tests in the background of a shell gave them a SIGINT that is ignored; a person has not.
_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " from handlers.cli.root import main; sys.exit(main())"
)
CYNOD = (sys.executable, "-c", _START)


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """The environment of a process that lives in `folder`: its database is there, and what it offers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("CYNOD_")}
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "HOST": "127.0.0.1",
        "CYNOD_DATABASE_URL": f"sqlite:///{folder / 'cynod.db'}",
        "CYNOD_CLIENTS": str(folder / "clients"),
        **variables,
    }


def run_cynod(
    *arguments: str, folder: Path, timeout: float = PROGRAM_S, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of cynod to its end."""
    return subprocess.run(
        [*CYNOD, *arguments],
        cwd=folder,
        env=environment(folder, **variables),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class ServerProcess:
    """A running `cynod serve`."""

    process: subprocess.Popen[str]
    url: str
    log_file: Path
    ready_after_s: float
    """Processor time from the command to readiness: what it takes on a machine that has nothing else."""

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the exit code."""
        self.process.send_signal(number)
        return self.process.wait(CALL_S)

    @property
    def log(self) -> str:
        """What the process wrote on stderr so far."""
        return self.log_file.read_text()


@contextmanager
def serve(
    *arguments: str,
    folder: Path,
    command: tuple[str, ...] | None = None,
    verb: str = "serve",
    **variables: str,
) -> Iterator[ServerProcess]:
    """Run `cynod serve ARGUMENTS` on a free port until the block ends; `command` stands for `cynod`."""
    port = free_port()
    log_file = folder / f"serve-{port}.log"
    with (
        log_file.open("w") as log,
        subprocess.Popen(
            [*(command or CYNOD), verb, *arguments],
            cwd=folder,
            env=environment(folder, PORT=str(port), **variables),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            url = f"http://127.0.0.1:{port}"
            _wait_ready(process, url, log_file)
            yield ServerProcess(process, url, log_file, _processor_time(process.pid))
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(CALL_S)
                except subprocess.TimeoutExpired:
                    process.kill()


def _processor_time(pid: int) -> float:
    """Seconds that a process and its dead children have computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def _wait_ready(process: subprocess.Popen[str], url: str, log_file: Path) -> None:
    deadline = time.monotonic() + CALL_S
    # One client for all: each would read the certificates again, and take that time from the server.
    with httpx.Client(trust_env=False, timeout=CALL_S) as client:
        while True:
            assert process.poll() is None, f"cynod serve ended: {log_file.read_text()}"
            assert time.monotonic() < deadline, "cynod serve did not become ready"
            try:
                if client.get(f"{url}/health/ready").status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            time.sleep(0.02)
