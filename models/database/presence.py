"""Which servers live on a database, and of which version: known to whoever changes its schema.

On PostgreSQL a server is known by the name of its sessions, for as long as it has one; a session that begins
looks at the schema first, and waits for whoever holds it to change it. On SQLite a server holds a lock on a
file beside the database, which the system takes back from a process that ended, however it ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, event, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from models.database.engine import Database, create_private
from models.database.failures import OccupiedError, is_unavailable

TABLE = "alembic_version"
"""Alembic's own, of one row, with a column more: `compatible_depuis`."""

BEFORE = "cynod"
"""The name of every session of 1.5.0 and older, which say nothing more."""

GONE_S = 25
"""After so many seconds PostgreSQL forgets the sessions of a machine that is gone without a word."""

_MARK = "cynod serve"
_SIDE = "-serveur-"
_STEP_S = 0.02
_HOST_LENGTH = 24
"""PostgreSQL cuts the name of a session at 63 bytes."""

_ETAT = text("SELECT * FROM alembic_version")
_ETAT_AS_JSON = "SELECT row_to_json(v) FROM alembic_version v"
_SESSIONS = text(
    "SELECT DISTINCT application_name FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
    " AND (application_name = :before OR application_name LIKE :mark)"
    " ORDER BY application_name"
)


class Serveur(NamedTuple):
    """A server that lives: the version of its contract, the migration of its code, where it runs.

    Of one that is older than this way to be known, both are empty.
    """

    version: str
    revision: str
    machine: str
    pid: int

    @property
    def name(self) -> str:
        """What its sessions are called, and its file says."""
        return f"{_MARK} {self.version} {self.revision} {self.machine} {self.pid}"

    def __str__(self) -> str:
        if not self.version:
            return "a server or a command of version 1.5.0 or older"
        return f"version {self.version} (migration {self.revision}) on {self.machine}, process {self.pid}"


def this_server(version: str, revision: str) -> Serveur:
    """This process, and the workers that it will fork."""
    return Serveur(version, revision, socket.gethostname()[:_HOST_LENGTH], os.getpid())


def read_name(name: str) -> Serveur:
    """The server that has a name."""
    parts = name.removeprefix(_MARK).split()
    if name == BEFORE or len(parts) != 4 or not parts[3].isdecimal():
        return Serveur("", "", "", 0)
    return Serveur(parts[0], parts[1], parts[2], int(parts[3]))


class Etat(NamedTuple):
    """Where a schema stands: its migration, and the oldest one whose code may serve on it, if it says."""

    revision: str | None
    compatible_depuis: str | None

    def serves(self, revision: str) -> bool:
        """Whether code of this revision can serve on it."""
        if self.revision is None or self.revision == revision:
            return self.revision == revision
        return self.compatible_depuis is not None and (
            self.compatible_depuis <= revision < self.revision
        )


def read_etat(connection: Connection) -> Etat:
    """Where the schema stands: one statement, for readiness checks."""
    try:
        # Any column: a database that this version has not migrated yet has one only.
        row = connection.execute(_ETAT).mappings().first()
    except (ProgrammingError, OperationalError) as error:
        if is_unavailable(error):
            raise
        row = None  # no such table: a database that was never migrated
    if row is None:
        return Etat(None, None)
    return Etat(str(row["version_num"]), row.get("compatible_depuis"))


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────
def introduce(engine: Engine, serveur: Serveur) -> None:
    """Have each session of the engine say whose it is, and look at the schema before anything else.

    One that finds a schema on which this version cannot serve is an OperationalError, as a database that
    is away: nothing is done on it.
    """
    if engine.dialect.name != "postgresql":
        return
    keepalives = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"

    def tell(_dialect: Any, _record: Any, _args: list[Any], options: dict[str, Any]) -> None:
        options["application_name"] = serveur.name
        # PostgreSQL's own are two hours: a server that vanished would stand in the way of a migration.
        options["options"] = f"{options.get('options', '')} {keepalives}".strip()

    def look(driver: Any, _record: Any) -> None:
        try:
            etat = _look(driver)
            if not etat.serves(serveur.revision):
                raise driver_errors().OperationalError(
                    f"the database is at migration {etat.revision}, on which {serveur.revision} cannot serve"
                )
        except BaseException:
            driver.close()  # SQLAlchemy leaves it open
            raise

    event.listen(engine, "do_connect", tell)
    event.listen(engine, "connect", look)


def _look(driver: Any) -> Etat:
    """The name is known before this waits for whoever changes the schema: either he sees this session, or
    this session sees what he has changed."""
    try:
        row = driver.execute(_ETAT_AS_JSON).fetchone()
    except driver_errors().UndefinedTable:
        row = None
    told = {} if row is None else row[0]
    return Etat(told.get("version_num"), told.get("compatible_depuis"))


def driver_errors() -> Any:
    """psycopg's errors: imported where PostgreSQL is used only."""
    from psycopg import errors  # noqa: PLC0415 - a tenth of a second, which SQLite need not wait for

    return errors


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────
@contextlib.contextmanager
def enlisted(database: Database, serveur: Serveur) -> Iterator[None]:
    """Known for the block, with every process that is forked in it. Raises OSError."""
    if database.file is None:
        yield
        return
    path = Path(f"{database.file}{_SIDE}{serveur.pid}")
    path.unlink(missing_ok=True)  # of a process that had this number and was killed
    descriptor = create_private(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, serveur.name.encode())
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(descriptor)


@contextlib.contextmanager
def held(database: Database, *, alone: bool) -> Iterator[None]:
    """For the block no server becomes known to who looks `alone`, and nobody looks while one does.

    The lock is the folder's: one on the database's own file would take SQLite's away when it is closed.
    PostgreSQL has its own (`introduce`). Raises OccupiedError, OSError.
    """
    if database.file is None:
        yield
        return
    descriptor = os.open(database.file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH, database.wait_s)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, kind: int, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise OccupiedError from None
            time.sleep(_STEP_S)
        else:
            return


def find_serveurs(database: Database, connection: Connection) -> list[Serveur]:
    """The servers that live on the database, beside this process."""
    if database.file is None:
        # Within a transaction PostgreSQL shows the sessions as they were when it was first asked.
        connection.execute(text("SELECT pg_stat_clear_snapshot()"))
        names = {"before": BEFORE, "mark": f"{_MARK} %"}
        return [read_name(name) for name in connection.scalars(_SESSIONS, names)]
    pattern = f"{database.file.name}{_SIDE}*"
    found = [_read_file(path) for path in sorted(database.file.parent.glob(pattern))]
    return [one for one in found if one is not None]


def _read_file(path: Path) -> Serveur | None:
    """Whose file it is; that of a server which ended without a word is removed."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return read_name(os.read(descriptor, 200).decode())
    else:
        path.unlink(missing_ok=True)
        return None
    finally:
        os.close(descriptor)
