"""Where the books lie: a SQLite file, a PostgreSQL database, a pair with a standby, a small disk."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import os
import resource
import shutil
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import psycopg
from psycopg import sql

from tests.support.machine import TOOLS, find_binaries, how_to_get
from tests.support.postgresql import PostgresqlServer

SQLITE, POSTGRESQL = "sqlite", "postgresql"


class Place(Protocol):
    """A database that a stage plays on."""

    kind: str
    url: str
    folders: Sequence[Path]
    """What is left on the disk when nobody closes the place."""

    @property
    def judged_url(self) -> str:
        """Where the judge reads."""

    def open(self) -> None:
        """Make the database."""

    @property
    def family(self) -> object:
        """Places of one family can begin as copies of one another; None for one without family."""

    def copy(self, other: Any) -> None:
        """Make the database, as a copy of one of the family that nobody uses now."""

    def heal(self) -> None:
        """Undo whatever was done to it."""

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """Hold, from outside, what every operation on the hot card needs."""

    def close(self) -> None:
        """Remove it."""


class SqlitePlace:
    """A file in a folder of its own."""

    kind = SQLITE

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="cynod-proof-sqlite-"))
        self.url = self.judged_url = f"sqlite:///{self.folder / 'cynod.db'}"
        self.folders: Sequence[Path] = [self.folder]

    def open(self) -> None:
        """`cynod migrate` makes the file."""

    @property
    def family(self) -> object:
        """Files are copied anywhere."""
        return SQLITE

    def copy(self, other: Any) -> None:
        """Copy the file."""
        assert isinstance(other, SqlitePlace)
        shutil.copy(other.folder / "cynod.db", self.folder)

    def heal(self) -> None:
        """A file heals by itself."""

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """The one write lock."""
        driver: Any = importlib.import_module("pysqlite3.dbapi2")
        path = self.url.removeprefix("sqlite:///")
        holder = driver.connect(path, isolation_level=None, timeout=30)
        try:
            holder.execute("BEGIN IMMEDIATE")
            yield
            holder.execute("ROLLBACK")
        finally:
            holder.close()

    def close(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)


class PostgresqlPlace:
    """A new database of a server, which may be shared with others."""

    kind = POSTGRESQL
    host = "127.0.0.1"

    def __init__(self, server: PostgresqlServer) -> None:
        self.server = server
        self.name = f"proof_{uuid.uuid4().hex[:12]}"
        self.url = f"postgresql+psycopg://postgres@{self.host}:{server.port}/{self.name}"
        # A server has a watcher that removes its folder.
        self.folders: Sequence[Path] = []

    @property
    def judged_url(self) -> str:
        """An address for PostgreSQL's own library."""
        return f"postgresql://postgres@{self.host}:{self.server.port}/{self.name}"

    @property
    def maintenance(self) -> str:
        """The database from which others are made."""
        return f"postgresql://postgres@{self.host}:{self.server.port}/postgres"

    def open(self) -> None:
        """Create the database."""
        with psycopg.connect(self.maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self.name)))

    @property
    def family(self) -> object:
        """The databases of one server."""
        return self.server

    def copy(self, other: Any) -> None:
        """Create the database from the other."""
        assert isinstance(other, PostgresqlPlace)
        names = sql.Identifier(self.name), sql.Identifier(other.name)
        with psycopg.connect(self.maintenance, autocommit=True) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(*names))
            # PostgreSQL 15 forgets, when it is killed before its next checkpoint, what the sequences of a
            # copied database have given since: ids that are taken would be given again.
            connection.execute("CHECKPOINT")

    def heal(self) -> None:
        """Let it run."""
        self.server.resume()
        if not self.server.is_running:
            self.server.start()

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """The row of the hot card."""
        with psycopg.connect(self.judged_url) as connection:
            connection.execute("SELECT id FROM cartes ORDER BY id LIMIT 1 FOR UPDATE")
            yield
            connection.rollback()

    def close(self) -> None:
        """The server's owner removes it with all its databases."""


class OwnServer(PostgresqlPlace):
    """A database on a server of its own."""

    def __init__(self) -> None:
        super().__init__(new_postgresql())

    @property
    def family(self) -> object:
        """It is alone on its server."""
        return None

    def open(self) -> None:
        """Start the server, create the database."""
        self.server.start()
        super().open()

    def close(self) -> None:
        """Remove the server."""
        self.server.destroy()


class Standby(PostgresqlServer):
    """A server that follows another, made from a copy of it."""

    def __init__(self, binaries: Path, primary: PostgresqlServer) -> None:
        self._primary = primary
        super().__init__(binaries)

    def _initialise(self) -> None:
        arguments = [str(self._binaries / "pg_basebackup"), "-D", str(self.data_directory)]
        arguments += ["-h", "127.0.0.1", "-p", str(self._primary.port), "-U", "postgres"]
        arguments += ["--write-recovery-conf", "--wal-method=stream", "--checkpoint=fast"]
        with self.log_file.open("ab") as log:
            status = self._spawn(arguments, log).wait(60)
        if status != 0:
            self.destroy()
            raise RuntimeError(f"pg_basebackup ended with {status}")
        self.data_directory.chmod(0o700)


class Pair(PostgresqlPlace):
    """A primary and its synchronous standby; servers know both and use the one that can write."""

    def __init__(self) -> None:
        super().__init__(new_postgresql())
        self.primary = self.server
        self.standby: Standby | None = None

    @property
    def family(self) -> object:
        """It is alone on its servers."""
        return None

    def open(self) -> None:
        """Start both, and let the primary acknowledge nothing that the standby has not."""
        self.primary.start()
        super().open()
        self.standby = Standby(_binaries(), self.primary)
        self.standby.start()
        with psycopg.connect(self.maintenance, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
            deadline = time.monotonic() + 30
            states = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
            while connection.execute(states).fetchone() != (1,):
                if time.monotonic() > deadline:
                    raise RuntimeError("the standby does not follow")
                time.sleep(0.05)
        hosts = f"host=127.0.0.1:{self.primary.port}&host=127.0.0.1:{self.standby.port}"
        self.url = (
            f"postgresql+psycopg://postgres@/{self.name}?{hosts}&target_session_attrs=read-write"
        )

    def fail_over(self) -> None:
        """The primary dies, the standby takes its place."""
        assert self.standby is not None
        self.primary.kill9()
        self.standby.resume()
        address = f"postgresql://postgres@127.0.0.1:{self.standby.port}/postgres"
        with psycopg.connect(address, autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote(true, 30)").fetchone() == (True,)
        self.server = self.standby

    def close(self) -> None:
        """Remove both."""
        for server in (self.standby, self.primary):
            if server is not None:
                server.resume()
                server.destroy()


class NotPossibleHereError(RuntimeError):
    """This machine does not allow what a fault needs."""


class Far(OwnServer):
    """A database on a server behind a network, which can lose what it carries.

    The server runs in a network namespace. That ends with it, and takes the cable along.
    """

    # RFC 2544 sets them aside for the measuring of networks: nobody has one.
    host, _near = "198.18.79.2", "198.18.79.1"

    def __init__(self) -> None:
        if not TOOLS["ip"].is_here():
            raise NotPossibleHereError(how_to_get("ip"))
        if os.geteuid() != 0:
            raise NotPossibleHereError("only root can have a network of its own")
        super().__init__()
        self._inside = ThreadPoolExecutor(1)
        if self._inside.submit(_leave_network).result() != 0:
            self.close()
            raise NotPossibleHereError("this machine allows no other network than its own")

    def open(self) -> None:
        """Start the server at the other end of a new cable, create the database."""
        with (self.server.data_directory / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {self._near}/32 trust\n")
        self._inside.submit(self.server.start, listen_addresses="*").result()
        ends = f"cy{self.server.port}a", f"cy{self.server.port}b"
        _ip(
            "link",
            "add",
            ends[0],
            "type",
            "veth",
            "peer",
            "name",
            ends[1],
            "netns",
            str(self.server.pid),
        )
        _lay(ends[0], self._near)
        self._inside.submit(_lay, ends[1], self.host).result()
        PostgresqlPlace.open(self)

    def drop(self) -> None:
        """Lose what the server sends from now on."""
        self._inside.submit(_ip, "route", "replace", "blackhole", f"{self._near}/32").result()

    def pass_on(self) -> None:
        """Lose nothing any more."""
        self._inside.submit(_ip, "route", "del", "blackhole", f"{self._near}/32").result()

    def close(self) -> None:
        """Remove the server, and with it the namespace."""
        super().close()
        self._inside.shutdown()


def _leave_network() -> int:
    """Give this thread, and what it starts, a network of its own. 0 when it has one."""
    new_network = 0x40000000  # CLONE_NEWNET, which Python names from 3.12 on
    result: int = ctypes.CDLL(None).unshare(new_network)
    return result


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def _lay(end: str, address: str) -> None:
    _ip("address", "add", f"{address}/30", "dev", end)
    _ip("link", "set", end, "up")


class SmallDisk:
    """A file system of a few megabytes, mounted on a folder, that can be filled and emptied."""

    def __init__(self, folder: Path, size_mb: int) -> None:
        self.folder = folder
        self._filler = folder / "filler"
        if os.geteuid() == 0 and shutil.which("mount") is not None:
            folder.mkdir(parents=True, exist_ok=True)
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size_mb}m,mode=755", "tmpfs", str(folder)],
                check=False,
                capture_output=True,
            )
            self.is_mounted = done.returncode == 0
        else:
            self.is_mounted = False

    def fill(self) -> None:
        """Leave no byte."""
        block = bytes(4096)
        with self._filler.open("ab", buffering=0) as filler, contextlib.suppress(OSError):
            while True:
                filler.write(block)

    def empty(self) -> None:
        """Give the room back."""
        self._filler.unlink(missing_ok=True)

    def unmount(self) -> None:
        """Remove the file system."""
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", str(self.folder)], check=False)
            self.is_mounted = False


class SmallSqlite(SqlitePlace):
    """A file on a small disk; without the right to mount one, a limit on the size of files."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = SmallDisk(self.folder, 8)
        self._limited: list[int] = []

    def fill(self, pids: list[int]) -> None:
        """No write succeeds any more."""
        if self.disk.is_mounted:
            self.disk.fill()
            return
        for pid in pids:
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
        self._limited = pids

    def heal(self) -> None:
        """Give the room back."""
        self.disk.empty()
        for pid in self._limited:
            with contextlib.suppress(ProcessLookupError):
                unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
                resource.prlimit(pid, resource.RLIMIT_FSIZE, unlimited)
        self._limited = []

    def close(self) -> None:
        """Remove the disk."""
        self.disk.unmount()
        super().close()


class SmallPostgresql(OwnServer):
    """A server whose data directory is on a small disk.

    A limit on the size of its files would not do: it is not what a full disk tells PostgreSQL.
    """

    def __init__(self) -> None:
        super().__init__()
        data = self.server.data_directory
        self.folders = [data, data.parent]
        aside = data.with_name("aside")
        data.rename(aside)
        self.disk = SmallDisk(data, 192)
        if not self.disk.is_mounted:
            self.server.destroy()
            raise NotPossibleHereError("only root, where it may mount, can give a small disk")
        owner = aside.stat()
        shutil.copytree(aside, data, dirs_exist_ok=True, symlinks=True)
        for path in [data, *data.rglob("*")]:
            os.chown(path, owner.st_uid, owner.st_gid)
        data.chmod(0o700)
        shutil.rmtree(aside)

    def fill(self, _pids: list[int]) -> None:
        """No byte is left."""
        self.disk.fill()

    def heal(self) -> None:
        """Give the room back; a server that gave up starts again."""
        self.disk.empty()
        super().heal()

    def close(self) -> None:
        """Remove the server, then the disk."""
        self.disk.empty()
        if self.server.is_running:
            self.server.stop()
        self.disk.unmount()
        super().close()


def new_postgresql() -> PostgresqlServer:
    """A server that does not run yet."""
    return PostgresqlServer(_binaries())


def _binaries() -> Path:
    binaries = find_binaries()
    if binaries is None:
        raise RuntimeError("PostgreSQL is not installed")
    return binaries
