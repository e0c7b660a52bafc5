"""A PostgreSQL server for the tests: made in a temporary directory, durable, and easy to break.

Nothing here knows the application. Run as a script, this file is the watcher that removes a server
whose tests died without doing so.
"""

import atexit
import contextlib
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final, Literal

import psycopg
from psycopg import sql
from sqlalchemy import make_url

from tests.support.machine import find_binaries, how_to_get

StopMode = Literal["smart", "fast", "immediate"]

TIMEOUT_S: Final = 120.0
POLL_S: Final = 0.01
DELETION_S: Final = 1.0
"""How long the deletion of a server's files is waited for: those of hundreds of databases take half a minute,
in which others may work."""

STOP_SIGNALS: Final[dict[StopMode, signal.Signals]] = {
    "smart": signal.SIGTERM,
    "fast": signal.SIGINT,
    "immediate": signal.SIGQUIT,
}
SETTINGS: Final = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    # What is acknowledged must survive a crash: the tests prove it, so nothing is traded for speed.
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    # A killed server leaves its shared memory in the directory that is deleted, not in the system.
    "dynamic_shared_memory_type": "mmap",
}


_left_to_end: list[subprocess.Popen[bytes]] = []
"""Watchers that outlive their servers: Python warns of a process that runs and that nobody knows."""


class PostgresqlError(RuntimeError):
    """The server could not be made, started or stopped; the message ends with its log."""


class PostgresqlServer:
    """One server: its address, its place, and the accidents that can be done to it."""

    def __init__(self, binaries: Path) -> None:
        """Make the data directory; nothing runs before `start`."""
        self._binaries = binaries
        self._account = _find_account()
        self._environment = _clean_environment()
        self._process: subprocess.Popen[bytes] | None = None
        self._paused: list[int] = []
        self._owner = os.getpid()
        self._directory = Path(tempfile.mkdtemp(prefix="cynod-postgresql-"))
        self._watcher = _start_watcher(self._directory)
        self.data_directory = self._directory / "data"
        self.log_file = self._directory / "server.log"
        self.port = _find_free_port()
        # The watcher covers a death without warning; this covers an exit that forgot the server.
        atexit.register(self.destroy)
        if self._account is not None:
            os.chown(self._directory, *self._account)
        self._initialise()

    @property
    def url(self) -> str:
        """The address of the maintenance database, for SQLAlchemy. A restart keeps it."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """The process that is parent of all the server's others."""
        if self._process is None or not self.is_running:
            message = "The server does not run."
            raise PostgresqlError(message)
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, **more: str) -> None:
        """Start and wait until connections are taken, recovery after a crash included. `more` are settings
        beside those that every server has."""
        if self.is_running:
            message = "The server runs already."
            raise PostgresqlError(message)
        arguments = [str(self._binaries / "postgres"), "-D", str(self.data_directory)]
        settings = SETTINGS | {
            "port": str(self.port),
            "unix_socket_directories": str(self._directory),
            **more,
        }
        for name, value in settings.items():
            arguments += ["-c", f"{name}={value}"]
        with self.log_file.open("ab") as log:
            self._process = self._spawn(arguments, log)
        self._tell_watcher()
        _wait_until(self._is_ready_or_dead, "PostgreSQL was not ready in time", self.log_file)
        if not self.is_running:
            self._forget_process()
            raise PostgresqlError(_describe("PostgreSQL stopped while it started", self.log_file))

    def stop(self, mode: StopMode = "fast") -> None:
        """Shut down and wait for the end: `immediate` leaves recovery to the next start."""
        self.resume()
        os.kill(self.pid, STOP_SIGNALS[mode])
        _wait_until(lambda: not self.is_running, "PostgreSQL did not stop in time", self.log_file)
        self._forget_process()

    def kill9(self) -> None:
        """Kill every process of the server at once: no shutdown, no word to its clients."""
        _kill_tree(self.pid)
        if self._process is not None:
            self._process.wait(TIMEOUT_S)
        self._forget_process()

    def pause(self) -> None:
        """Freeze every process of the server: connections stay open, nobody answers."""
        self._paused = _freeze_tree(self.pid)

    def resume(self) -> None:
        """Undo `pause`; without effect on a server that is not paused."""
        for pid in self._paused:
            _send(pid, signal.SIGCONT)
        self._paused = []

    def destroy(self) -> None:
        """Stop the server, whatever its state, and delete its directory. May be called twice."""
        # A fork inherits this object and its exit hook, but not the server.
        if os.getpid() != self._owner:
            return
        atexit.unregister(self.destroy)
        if self.is_running:
            try:
                # Nothing of it will be read again: no checkpoint of hundreds of databases.
                self.stop("immediate")
            except PostgresqlError:
                self.kill9()
        self._forget_process()
        if self._watcher.stdin is not None and not self._watcher.stdin.closed:
            self._watcher.stdin.close()
        # It deletes the directory, however long hundreds of databases take.
        try:
            self._watcher.wait(DELETION_S)
        except subprocess.TimeoutExpired:
            _left_to_end.append(self._watcher)

    def _initialise(self) -> None:
        arguments = [
            str(self._binaries / "initdb"),
            f"--pgdata={self.data_directory}",
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            # Before the first start there is nothing to lose; the server itself does sync.
            "--no-sync",
        ]
        with self.log_file.open("ab") as log:
            status = self._spawn(arguments, log).wait(TIMEOUT_S)
        if status != 0:
            message = _describe(f"initdb ended with status {status}", self.log_file)
            self.destroy()
            raise PostgresqlError(message)

    def _spawn(self, arguments: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        user, group = self._account or (None, None)
        return subprocess.Popen(
            arguments,
            user=user,
            group=group,
            extra_groups=None if self._account is None else [],
            env=self._environment,
            cwd=self._directory,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            # Ctrl-C is meant for the tests, which still need the server to clean up after it.
            start_new_session=True,
        )

    def _is_ready_or_dead(self) -> bool:
        if not self.is_running:
            return True
        # The file of a server that crashed is still there until the new one replaces it.
        lines = _read_lines(self.data_directory / "postmaster.pid")
        return len(lines) > 7 and lines[0] == str(self.pid) and lines[7].strip() == "ready"

    def _forget_process(self) -> None:
        self._process = None
        self._paused = []
        self._tell_watcher()

    def _tell_watcher(self) -> None:
        pid = 0 if self._process is None else self._process.pid
        if self._watcher.stdin is not None and not self._watcher.stdin.closed:
            # A watcher that was killed is no reason to fail a test: the exit hook is still there.
            with contextlib.suppress(BrokenPipeError):
                self._watcher.stdin.write(b"%d\n" % pid)


@contextlib.contextmanager
def running_server(**more: str) -> Iterator[PostgresqlServer]:
    """Run a server of its own for the block: the handle with which tests inject faults. `more` are settings
    beside those that every server has."""
    binaries = find_binaries()
    if binaries is None:
        raise PostgresqlError(how_to_get("postgresql"))
    server = PostgresqlServer(binaries)
    try:
        server.start(**more)
        yield server
    finally:
        server.destroy()


@contextlib.contextmanager
def temporary_server() -> Iterator[str]:
    """Run a server for the block and give its URL, for tests that need no more than that."""
    with running_server() as server:
        yield server.url


def create_database(server_url: str, name: str, *, template: str = "template1") -> str:
    """Create a database as a copy of `template` and return its URL; it must not exist yet."""
    url = make_url(server_url)
    address = url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return url.set(database=name).render_as_string(hide_password=False)


def _find_account() -> tuple[int, int] | None:
    """Return whom to run as: PostgreSQL refuses root, and only root can be somebody else."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            account = pwd.getpwnam(name)
            return account.pw_uid, account.pw_gid
    message = "PostgreSQL does not run as root, and there is no account postgres or nobody."
    raise PostgresqlError(message)


def _clean_environment() -> dict[str, str]:
    """Return this environment without what would change the server (PGDATA, PGPORT, locale...)."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "LC_", "LANG"))}
    return kept | {"LC_ALL": "C", "TZ": "UTC"}


def _find_free_port() -> int:
    # Below the ports that systems give to clients: a restart must find the same one still free.
    for port in random.sample(range(15_000, 30_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    message = "None of 100 ports was free for PostgreSQL."
    raise PostgresqlError(message)


def _wait_until(condition: Callable[[], bool], complaint: str, log_file: Path) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        if time.monotonic() > deadline:
            raise PostgresqlError(_describe(complaint, log_file))
        time.sleep(POLL_S)


def _describe(complaint: str, log_file: Path) -> str:
    return "\n".join([f"{complaint}. The end of its log:", *_read_lines(log_file)[-20:]])


def _read_lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def _list_processes() -> dict[int, tuple[int, str]]:
    """Return the parent and the state letter of each process of the system."""
    if not Path("/proc/self/stat").exists():
        answer = subprocess.run(
            ["ps", "-A", "-o", "pid=,ppid=,stat="], capture_output=True, text=True, check=True
        )
        rows = (line.split() for line in answer.stdout.splitlines())
        return {int(pid): (int(parent), state[0]) for pid, parent, state in rows}
    processes = {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        # A process may end between the listing and the reading.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            # The name stands in parentheses and may hold anything, parentheses too.
            state, parent = file.read_text(errors="replace").rpartition(")")[2].split()[:2]
            processes[int(file.parent.name)] = (int(parent), state)
    return processes


def _freeze_tree(pid: int) -> list[int]:
    """Freeze a server, the parent first so that it makes no more children; return all the pids."""
    _send(pid, signal.SIGSTOP)
    children = [child for child, (parent, _) in _list_processes().items() if parent == pid]
    for child in children:
        _send(child, signal.SIGSTOP)
    return [*children, pid]


def _kill_tree(pid: int) -> None:
    """Kill a server and wait until all of it is gone: what is left would forbid a new start."""
    pids = _freeze_tree(pid)
    for each in pids:
        _send(each, signal.SIGKILL)
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        processes = _list_processes()
        # A zombie holds nothing any more, and in a container nobody may ever collect it.
        if all(processes.get(each, (0, "Z"))[1] == "Z" for each in pids):
            return
        time.sleep(POLL_S)


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _start_watcher(directory: Path) -> subprocess.Popen[bytes]:
    """Start the process that outlives this one, even after a SIGKILL, and then cleans up.

    Its standard input tells it the pid of the server, and by its end that this process is dead.
    """
    return subprocess.Popen(
        # -P: the folder of this file must not stand in front of the libraries.
        [sys.executable, "-P", __file__, str(directory)],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        bufsize=0,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Ctrl-C and `timeout` signal the whole group; the watcher must survive both.
        start_new_session=True,
    )


def _watch(directory: Path) -> None:
    pid = 0
    for line in sys.stdin:
        pid = int(line)
    if pid:
        _kill_tree(pid)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    _watch(Path(sys.argv[1]))
