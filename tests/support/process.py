"""`cynod` as a person runs it: a process of its own, with an environment of its own.

It is forked from one that has imported everything, since every import of it takes a second; afresh, it is
started as a person starts it, which one test of each kind does.
"""

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
from tests.support.nursery import Child, shared
from tests.support.patience import CALL_S, PROGRAM_S

# Whoever runs the tests in the background of a shell gave them a SIGINT that is ignored; a person has not.
_START = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    " from handlers.cli.root import main; sys.exit(main())"
)
CYNOD = (sys.executable, "-c", _START)


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """The environment of a process that lives in `folder`: its database is there, and what it offers."""
    # A person's Python writes its output by blocks, whatever that of the tests does.
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("CYNOD_") and name != "PYTHONUNBUFFERED"
    }
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "HOST": "127.0.0.1",
        "CYNOD_DATABASE_URL": f"sqlite:///{folder / 'cynod.db'}",
        "CYNOD_CLIENTS": str(folder / "clients"),
        **variables,
    }


def forks_slowly(folder: Path, seconds: float) -> dict[str, str]:
    """Variables of a fresh process whose children sleep before they do anything."""
    code = f"import os, time\nos.register_at_fork(after_in_child=lambda: time.sleep({seconds}))\n"
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


def builds_slowly(folder: Path, seconds: float) -> dict[str, str]:
    """Variables of a fresh process whose workers take so long to build what serves."""
    code = (
        "import time\nfrom uvicorn.server import Server\nbuild = Server.__init__\n"
        f"Server.__init__ = lambda *given, **named: (time.sleep({seconds}), build(*given, **named))[1]\n"
    )
    (folder / "sitecustomize.py").write_text(code, encoding="utf-8")
    return {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"}


Process = subprocess.Popen[str] | Child
PIPES = (subprocess.DEVNULL, subprocess.PIPE, subprocess.PIPE)


def start_cynod(
    *arguments: str,
    folder: Path,
    streams: tuple[int, int, int] = PIPES,
    command: tuple[str, ...] | None = None,
    spoil: str = "",
    **variables: str,
) -> Process:
    """A command of cynod that runs; its three streams are what a Popen takes. A `command` such as CYNOD is
    started afresh; any other can be made worse first (`spoil`, as of a nursery)."""
    given = environment(folder, **variables)
    if command is None:
        return shared().start(
            arguments, folder=folder, environment=given, streams=streams, spoil=spoil
        )
    assert not spoil, "what is started afresh is right"
    stdin, stdout, stderr = streams
    return subprocess.Popen(
        [*command, *arguments],
        cwd=folder,
        env=given,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
    )


def finish(
    process: Process, given: str | None = None, *, timeout: float = PROGRAM_S
) -> subprocess.CompletedProcess[str]:
    """Wait for the end of a command, which reads what is `given` if its input is a pipe."""
    with process:
        try:
            said, complained = process.communicate(given, timeout)
        except BaseException:
            process.kill()
            raise
    assert process.returncode is not None
    return subprocess.CompletedProcess("cynod", process.returncode, said, complained)


def run_cynod(
    *arguments: str, folder: Path, timeout: float = PROGRAM_S, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of cynod to its end."""
    started = start_cynod(*arguments, folder=folder, streams=PIPES, command=None, **variables)
    return finish(started, timeout=timeout)


def run_afresh(*arguments: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same in a process that is started as a person starts it."""
    started = start_cynod(*arguments, folder=folder, streams=PIPES, command=CYNOD, **variables)
    return finish(started)


def children_of(pid: int) -> set[int]:
    """The processes that a process started: of a server, its workers."""
    found: set[int] = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        found.update(map(int, file.read_text().split()))
    return found


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class ServerProcess:
    """A running `cynod serve`."""

    process: Process
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
    spoil: str = "",
    verb: str = "serve",
    **variables: str,
) -> Iterator[ServerProcess]:
    """Run `cynod serve ARGUMENTS` on a free port until the block ends; `command` stands for `cynod`."""
    port = free_port()
    log_file = folder / f"serve-{port}.log"
    with (
        log_file.open("w") as log,
        start_cynod(
            *(verb, *arguments),
            folder=folder,
            streams=(subprocess.DEVNULL, subprocess.PIPE, log.fileno()),
            command=command,
            spoil=spoil,
            **{"CYNOD_URL_PUBLIQUE": f"http://127.0.0.1:{port}", **variables, "PORT": str(port)},
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


def _wait_ready(process: Process, url: str, log_file: Path) -> None:
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
