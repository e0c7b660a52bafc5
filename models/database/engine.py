"""Engine and transactions for a database URL: SQLite (embedded) or PostgreSQL (production)."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, FromClause, create_engine, event, text
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry, QueuePool

from models.database.ends import BEGIN, commit, roll_back_driver, send_commit
from models.database.failures import (
    DatabaseUrlError,
    OccupiedError,
    is_lock_timeout,
    is_unavailable,
)
from models.database.hosts import spell_out
from models.database.prepared import LINE, Kind, Line, SqliteLine, run_command
from models.database.running import forget_running
from models.database.seat import Seat, SharedSeat, take_turn
from models.database.standby import BehindError, Standby
from models.database.waiting import lent, wanted
from models.errors import Refusal

if TYPE_CHECKING:
    from models.database.place import Place, Source

Result = TypeVar("Result")

WAL_SAFE = (3, 51, 3)
"""SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when two connections write and checkpoint at
the same instant (https://sqlite.org/wal.html#walresetbug): no WAL below 3.51.3."""

CHECKPOINT_PAGES = 4_000
"""Pages of SQLite's WAL after which a COMMIT copies them into the file: one that many calls changed is copied
once, and the disk is waited for less often. With some more, whoever reads would look twice for each page: the
index of a WAL is in tables of 4,062."""

LOOK_WAIT_S = 2
"""Of whoever watches a standby: what takes longer is not known."""

_WORTH_TELLING_S = 0.5
"""Of a wait for SQLite's lock: a server's own writes end sooner."""

_AT_ONCE = contextlib.nullcontext()


def create_private(path: Path) -> int:
    """A descriptor of a new file that its owner alone may read, whatever the umask. Raises OSError."""
    descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _hide_from_others(path: Path) -> None:
    if path.stat().st_mode & 0o007:
        path.chmod(0o600)


def sqlite_module() -> ModuleType:
    """The SQLite driver: pysqlite3 bundles a current library, Python's own may link an old one."""
    import sqlite3  # noqa: PLC0415 - a MiB that PostgreSQL does without

    try:
        from pysqlite3 import dbapi2 as bundled  # noqa: PLC0415 - not made for every system
    except ImportError:
        return sqlite3
    return bundled if bundled.sqlite_version_info > sqlite3.sqlite_version_info else sqlite3


class Database:
    """One database: its engine and the only way to a transaction.

    `pool_size` bounds the connections of this process; `wait_s` bounds the wait for one, for a
    lock and for a statement. `standby_url` is that of a standby of PostgreSQL, from which lists may be
    read that are `standby_s` seconds old. Raises DatabaseUrlError.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 10,
        wait_s: int = 10,
        standby_url: str = "",
        standby_s: int = 5,
        introduce: Callable[[Engine], None] = lambda _engine: None,
    ) -> None:
        self.url = _checked_url(url)
        self.dialect = self.url.get_backend_name()
        make = _sqlite_engine if self.dialect == "sqlite" else _postgresql_engine
        self.engine: Engine = make(self.url, pool_size, wait_s)
        event.listen(self.engine, "connect", _line_keeper(self.dialect))
        event.listen(self.engine, "begin", _begin)
        event.listen(self.engine, "commit", send_commit)
        self._introduce = introduce
        introduce(self.engine)
        self._wait_s = wait_s
        self.standby = self._make_standby(standby_url, standby_s) if standby_url else None
        self._writer = threading.Lock() if self.dialect == "sqlite" else None
        # Reads need no transaction: each statement is its own snapshot, and saves BEGIN and COMMIT.
        self._reading: Engine = self.engine.execution_options(cynod_lecture=True)

    @property
    def wait_s(self) -> int:
        """Bounds the wait for what others have under way, in seconds."""
        return self._wait_s

    @property
    def file(self) -> Path | None:
        """The file of a SQLite database, absolute, whether it is there or not; None on PostgreSQL."""
        return None if self.dialect != "sqlite" else Path(self.url.database or "").absolute()

    def create_file(self) -> None:
        """Make the empty SQLite file unless it is there. Nothing else does: a mistyped path is an error.

        Only its owner reads it, whatever the umask: it holds people and their cards. SQLite gives its
        side files the mode of the file. One that everybody could read is taken back from them.
        Raises OSError.
        """
        if self.file is None:
            return
        try:
            os.close(create_private(self.file))
        except FileExistsError:
            for side in ("", "-wal", "-shm", "-journal"):
                with contextlib.suppress(FileNotFoundError):
                    _hide_from_others(Path(f"{self.file}{side}"))

    @property
    def has_places(self) -> bool:
        """Whether its connections can be waited for on an event loop: SQLite waits for nothing but files."""
        return self.dialect == "postgresql"

    def make_places(self, number: int) -> list[Place]:
        """Connections for so many pieces of work at a time, on one event loop: theirs to close there."""
        from models.database.place import Place  # noqa: PLC0415 - psycopg is imported there

        source = self._source(self.url)
        if self.standby is None:
            return [Place(source) for _ in range(number)]
        late = self._source(self.standby.url, cynod_retard=True)
        return [Place(source, Place(late)) for _ in range(number)]

    def _source(self, url: URL, **options: Any) -> Source:
        from models.database.place import Source, loop_engine  # noqa: PLC0415 - as above

        told = (self._introduce,) if url is self.url else ()
        engine = loop_engine(url, _postgresql_options(self._wait_s), *told)
        event.listen(engine, "connect", _line_keeper(self.dialect))
        event.listen(engine, "begin", _begin)
        event.listen(engine, "commit", send_commit)
        return Source(engine, **options)

    def _make_standby(self, given: str, most_s: int) -> Standby:
        url = _checked_url(given)
        if not self.has_places or url.get_backend_name() != self.dialect:
            raise DatabaseUrlError("only PostgreSQL has a standby to read from")
        return Standby(self.url, url, most_s, _postgresql_options(LOOK_WAIT_S))

    def read_late(self, read: Callable[[Connection], Result], instead: Connection) -> Result:
        """What is read from the standby where it is young enough and does not fail, or else `instead`."""
        standby, place = self.standby, lent()
        if standby is not None and place is not None and standby.is_fresh():
            try:
                with place.late as connection:
                    return read(connection)
            except BehindError:
                pass
            except DBAPIError as error:
                if not is_unavailable(error):
                    raise
                standby.leave()
        return read(instead)

    def reading(self, *, together: bool = False) -> contextlib.AbstractContextManager[Connection]:
        """A connection for statements that write nothing: that of its place for work on an event loop.

        For a call that says `together`, its transaction may be one with those of others.
        """
        place: contextlib.AbstractContextManager[Connection] | None = lent()
        if place is None:
            return self._reading.connect()
        return place.joined if together and isinstance(place, SharedSeat) else place

    def make_seat(self) -> Seat:
        """A connection that one thread keeps: to take one from a pool and give it back costs SQLite as much
        as to read a row."""
        return Seat(self._reading)

    def make_shared_seat(
        self, *, is_awaited: Callable[[], bool], tell: Callable[[list[Any]], None]
    ) -> SharedSeat:
        """Such a connection of the thread that writes to SQLite: see SharedSeat."""
        assert self._writer is not None, "who waits for PostgreSQL waits on an event loop"
        return SharedSeat(
            self._reading, self._writer, self._wait_s, is_awaited=is_awaited, tell=tell
        )

    @contextlib.contextmanager
    def exclusive(
        self,
        key: int,
        *,
        waiting: Callable[[], None] = lambda: None,
        changes_schema: bool = False,
    ) -> Iterator[Connection]:
        """A transaction that no other of the same key runs beside, and that may take its time.

        When it has to wait for one, `waiting` is told, and it waits `wait_s` at most. Raises
        OccupiedError.
        """
        with self.transaction(changes_schema=changes_schema, waiting=waiting) as connection:
            if self.dialect == "postgresql":
                _lock_key(connection, key, waiting)
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            yield connection

    def transaction(
        self,
        *,
        on: Connection | None = None,
        together: bool = False,
        changes_schema: bool = False,
        waiting: Callable[[], None] | None = None,
    ) -> contextlib.AbstractContextManager[Connection]:
        """A transaction that commits when the block ends and rolls back when it raises.

        It takes a connection of its own, or happens `on` one that was lent for reading: without
        SQLAlchemy's own idea of a transaction, of which reads have none and which costs a debit sixty
        functions. One that `changes_schema` may rebuild a table that others refer to.

        A COMMIT that fails is followed by a ROLLBACK on the driver's own connection: SQLAlchemy
        takes its transaction for ended and sends none, and on SQLite the next user of the
        connection would then commit the dead work.

        A Refusal that leaves a trace has it written by a transaction of its own, once its own is undone.
        Raises OperationalError where its connection was lost by then.

        One that happens `on` a connection of `reading` may share its COMMIT with others where both say
        `together`: it is then over when its call is.

        `waiting` is told once when another process writes to a SQLite database. Raises
        OccupiedError then, when that lasts.
        """
        if on is None:
            return self._transaction(changes_schema=changes_schema, waiting=waiting)
        place = lent() if together else None
        return place.transaction if isinstance(place, SharedSeat) else self._transaction_on(on)

    @contextlib.contextmanager
    def _transaction_on(self, connection: Connection) -> Iterator[Connection]:
        _check_commits(connection)
        with self._turn(), self._committed(connection, None, partial(send_commit, connection)):
            yield connection

    @contextlib.contextmanager
    def _transaction(
        self, *, changes_schema: bool, waiting: Callable[[], None] | None
    ) -> Iterator[Connection]:
        with self._turn(), contextlib.ExitStack() as stack:
            connection = stack.enter_context(self.reading())
            if changes_schema and self.dialect == "sqlite":
                stack.enter_context(_foreign_keys_later(connection))
            end = connection.begin().commit
            stack.enter_context(self._committed(connection, waiting, end))
            yield connection

    @contextlib.contextmanager
    def _committed(
        self,
        connection: Connection,
        waiting: Callable[[], None] | None,
        end: Callable[[], None],
    ) -> Iterator[None]:
        """BEGIN, what happens inside, and COMMIT; or ROLLBACK."""
        caller = wanted()
        try:
            self._begin(connection, waiting)
            yield
            if caller is not None:
                caller.check()
                caller.is_committing = True
            commit(end)
        except Refusal as refus:
            lost = roll_back_driver(connection)
            if refus.trace is not None:
                if lost is not None:
                    # All of it is undone, and may run again: then it is refused, and leaves its trace.
                    raise lost from refus
                with self._committed(connection, waiting, end):
                    refus.trace(connection)
            raise
        except BaseException:
            roll_back_driver(connection)
            raise
        finally:
            if caller is not None:
                caller.is_committing = False
            forget_running(connection)

    def _begin(self, connection: Connection, waiting: Callable[[], None] | None) -> None:
        if waiting is None or self.dialect != "sqlite":
            run_command(connection, BEGIN[self.dialect], kind=Kind.FIRST)
            return
        began = time.monotonic()
        told = False
        # In small steps: SQLite's own wait hears no signal, and tells nobody.
        run_command(connection, f"PRAGMA busy_timeout = {_STEP_MS}")
        try:
            while not _begin_sqlite(connection):
                waited = time.monotonic() - began
                if waited > self._wait_s:
                    raise OccupiedError
                if not told and waited > _WORTH_TELLING_S:
                    waiting()
                    told = True
        finally:
            run_command(connection, f"PRAGMA busy_timeout = {self._wait_s * 1000}")

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection whose statements all read the database of one instant, and write nothing.

        It may take as long as it needs. On a SQLite library too old for WAL, writers wait for it.
        """
        with self._reading.connect() as connection:
            if self.dialect == "sqlite":
                connection.exec_driver_sql("BEGIN")
            else:
                connection.exec_driver_sql("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                connection.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 0")
                # Everything is read, so the plan that has its first row soonest is not the best.
                connection.exec_driver_sql("SET LOCAL cursor_tuple_fraction = 1")
            yield connection

    def _turn(self) -> contextlib.AbstractContextManager[None]:
        """SQLite has one writer: this process's own writers queue here rather than poll its lock."""
        return _AT_ONCE if self._writer is None else self._queued(self._writer)

    @contextlib.contextmanager
    def _queued(self, writer: threading.Lock) -> Iterator[None]:
        take_turn(writer, self._wait_s)
        try:
            yield
        finally:
            writer.release()

    def close(self) -> None:
        """Close the pooled connections."""
        if self.standby is not None:
            self.standby.close()
        self.engine.dispose()


@contextlib.contextmanager
def _foreign_keys_later(connection: Connection) -> Iterator[None]:
    """SQLite's way to rebuild a table (https://sqlite.org/lang_altertable.html#otheralter): what
    refers to it would be an error while it is gone. The setting changes outside transactions only."""
    driver: Any = connection.connection.dbapi_connection
    driver.execute("PRAGMA foreign_keys = OFF")
    try:
        yield
    finally:
        driver.execute("PRAGMA foreign_keys = ON")


_DURABLE_SETTINGS = text(
    "SELECT name, setting FROM pg_settings"
    " WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names')"
)


def find_durability_gap(connection: Connection) -> str | None:
    """What in the server's settings lets an acknowledged operation be lost, or None.

    On a crash, whatever is not flushed; on a failover, whatever the named standby did not get. SQLite
    is set by this module.
    """
    if connection.dialect.name == "sqlite":
        return None
    found = {row.name: row.setting for row in connection.execute(_DURABLE_SETTINGS)}
    wrong = [name for name in ("fsync", "full_page_writes") if found[name] != "on"]
    too_little = ("off", "local") if found["synchronous_standby_names"] else ("off",)
    if found["synchronous_commit"] in too_little:
        wrong.append("synchronous_commit")
    return ", ".join(f"{name} = {found[name]}" for name in wrong) or None


_STEP_MS = 100


def _begin_sqlite(connection: Connection) -> bool:
    try:
        run_command(connection, BEGIN["sqlite"])
    except DBAPIError as error:
        if "locked" not in str(error.orig):
            raise
        return False
    return True


def _lock_key(connection: Connection, key: int, waiting: Callable[[], None]) -> None:
    """Take PostgreSQL's advisory lock, which the end of the transaction gives back."""
    if connection.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": key}):
        return
    waiting()
    # The lock's own deadline ends the wait: that of statements would not say what it was for.
    connection.execute(text("SET LOCAL statement_timeout = 0"))
    try:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})
    except DBAPIError as error:
        if is_lock_timeout(error):
            raise OccupiedError from None
        raise


MAX_UNANSWERED = 20
"""COMMITs that may wait for an answer which did not come in time; with more, nothing is begun."""


def count_unanswered(connection: Connection) -> int:
    """How many COMMITs of this process the server has not answered in time, and not yet since."""
    driver = connection.connection.dbapi_connection
    found = getattr(driver, "unanswered", None)
    return 0 if found is None else len(found)


def _check_commits(connection: Connection) -> None:
    if count_unanswered(connection) > MAX_UNANSWERED:
        raise PoolTimeoutError("the server answers no COMMIT")


def _checked_url(given: str) -> URL:
    try:
        url = make_url(spell_out(given))
    except ArgumentError:
        raise DatabaseUrlError(
            "not a database URL; expected sqlite:///path or postgresql+psycopg://user@host/name"
        ) from None
    if url.drivername in ("postgresql", "postgres"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        if not url.database or url.database == ":memory:":
            raise DatabaseUrlError("the SQLite database must be a file: sqlite:///path")
        if "uri" in url.query:
            raise DatabaseUrlError("the SQLite database must be a plain path: sqlite:///path")
        return url
    if url.drivername == "postgresql+psycopg":
        return url
    raise DatabaseUrlError(
        f"database {url.drivername!r} is not supported; use sqlite or postgresql+psycopg"
    )


def _begin(connection: Connection) -> None:
    """What SQLAlchemy begins is begun here: the drivers are told to begin nothing by themselves."""
    if not connection.get_execution_options().get("cynod_lecture"):
        run_command(connection, BEGIN[connection.dialect.name])


def _line_keeper(dialect: str) -> Callable[[Any, ConnectionPoolEntry], None]:
    """Gives each new connection what the statements of models.database.prepared run on."""
    line: Callable[[Any], Line] = SqliteLine
    if dialect == "postgresql":
        # psycopg takes a tenth of a second to import, which SQLite need not wait for.
        from models.database.libpq import PostgresqlLine  # noqa: PLC0415

        line = PostgresqlLine

    def keep(driver: Any, record: ConnectionPoolEntry) -> None:
        record.info[LINE] = line(driver)

    return keep


class _HintingCompiler(SQLiteCompiler):
    """Writes what `Select.with_hint` says of a table, INDEXED BY, which SQLAlchemy's own leaves out."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:  # noqa: ARG002
        """See SQLAlchemy: what follows the name of the table."""
        return text


def _sqlite_engine(url: URL, pool_size: int, wait_s: int) -> Engine:
    module = sqlite_module()
    journal_mode = "WAL" if module.sqlite_version_info >= WAL_SAFE else "DELETE"
    engine = create_engine(
        url,
        module=module,
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=wait_s,
        hide_parameters=True,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": wait_s},
    )

    engine.dialect.statement_compiler = _HintingCompiler

    @event.listens_for(engine, "do_connect")
    def open_existing(
        _dialect: Any, _record: Any, args: list[Any], options: dict[str, Any]
    ) -> None:
        # SQLite's own habit is to make the file that is not there.
        args[0] = f"{Path(args[0]).absolute().as_uri()}?mode=rw"
        options["uri"] = True

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA journal_mode = {journal_mode}")
        cursor.execute("PRAGMA synchronous = FULL")
        cursor.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        cursor.execute("PRAGMA foreign_keys = ON")
        cursor.execute("PRAGMA trusted_schema = OFF")
        # Without it a REPLACE removes rows of the journal without firing their DELETE triggers.
        cursor.execute("PRAGMA recursive_triggers = ON")
        cursor.close()

    return engine


def _postgresql_engine(url: URL, pool_size: int, wait_s: int) -> Engine:
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=wait_s,
        hide_parameters=True,
        # The driver would begin a transaction for each read, and have to be told so each time.
        isolation_level="AUTOCOMMIT",
        connect_args=_postgresql_options(wait_s),
    )


def _postgresql_options(wait_s: int) -> dict[str, Any]:
    wait_ms = wait_s * 1000
    return {
        # It would drop all prepared statements after a ROLLBACK, those of models.database.prepared too.
        "prepare_threshold": None,
        "connect_timeout": min(wait_s, 5),
        # A server that is gone without a word is found out, by an idle connection too.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": wait_ms,
        "application_name": "cynod command",
        "options": (
            f"-c statement_timeout={wait_ms} -c lock_timeout={wait_ms}"
            f" -c idle_in_transaction_session_timeout={wait_ms * 2} -c timezone=UTC"
        ),
    }


def describe_error(database: Database, error: BaseException) -> str:
    """One sentence for a database that cannot be used: which one, why, without its password."""
    cause = str(getattr(error, "orig", None) or error).strip() or type(error).__name__
    # The query may hold a password too.
    shown = database.url.set(query={}).render_as_string(hide_password=True)
    return f"the database {shown} cannot be used: {cause.splitlines()[0][:200]}."


def is_missing(database: Database) -> bool:
    """Whether a SQLite database has no file: its path is mistyped, or it was never migrated."""
    return database.file is not None and not database.file.exists()


def describe_missing(database: Database) -> str:
    """One sentence for it."""
    return (
        f"the database {database.file} does not exist; correct CYNOD_DATABASE_URL, or run"
        " `cynod migrate` to create it."
    )
