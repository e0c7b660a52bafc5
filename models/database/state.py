"""What a database says of itself: its settings, its room for connections, what its role may do, its files.

Read for `cynod doctor` alone; what is right and wrong of it is judged elsewhere.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, text
from sqlalchemy.exc import DBAPIError

POSTGRESQL_SETTINGS = (
    *("server_version_num", "server_version", "server_encoding", "TimeZone"),
    *("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"),
    *("idle_session_timeout", "transaction_timeout", "default_transaction_read_only"),
    *("synchronous_commit", "synchronous_standby_names", "fsync", "full_page_writes"),
)

_SETTINGS = text("SELECT name, setting FROM pg_settings WHERE name IN :names").bindparams(
    bindparam("names", expanding=True)
)


def read_postgresql_settings(connection: Connection) -> Mapping[str, str]:
    """The settings of this session by name, in PostgreSQL's base units: times in milliseconds.

    One that this version of PostgreSQL has not is not there.
    """
    rows = connection.execute(_SETTINGS, {"names": list(POSTGRESQL_SETTINGS)})
    return {row.name: row.setting for row in rows}


class Room(NamedTuple):
    """How many connections PostgreSQL gives to this role and to this database; None is without a limit."""

    server: int
    role: int | None
    database: int | None

    @property
    def connections(self) -> int:
        """The smallest of the three."""
        return min(limit for limit in self if limit is not None)


_ROOM = text(
    "SELECT current_setting('max_connections')::int"
    " - current_setting('superuser_reserved_connections')::int"
    " - coalesce(current_setting('reserved_connections', true)::int, 0) AS server,"
    " nullif(rolconnlimit, -1) AS role, nullif(datconnlimit, -1) AS database"
    " FROM pg_roles, pg_database WHERE rolname = current_user AND datname = current_database()"
)


def read_room(connection: Connection) -> Room:
    """What PostgreSQL's limits leave to those who are no superusers."""
    return Room(*connection.execute(_ROOM).one())


class Rights(NamedTuple):
    """What a role of PostgreSQL may do beyond a server's work, and what it lacks for it.

    `may` are phrases that follow "may"; `lacks` are tables that it cannot read, or not add rows to.
    """

    role: str
    may: Sequence[str]
    lacks: Sequence[str]


_OF_TABLES = text(
    "SELECT c.relname AS name, pg_has_role(c.relowner, 'USAGE') AS owned,"
    " has_table_privilege(c.oid, 'TRUNCATE') AS truncates,"
    " has_table_privilege(c.oid, 'TRIGGER') AS triggers,"
    " has_table_privilege(c.oid, 'DELETE') AS deletes,"
    " has_any_column_privilege(c.oid, 'UPDATE') AS updates,"
    " has_table_privilege(c.oid, 'SELECT') AS reads, has_table_privilege(c.oid, 'INSERT') AS adds"
    " FROM pg_class c WHERE c.relname IN :names AND c.relkind IN ('r', 'p')"
    " AND pg_table_is_visible(c.oid) ORDER BY c.relname"
).bindparams(bindparam("names", expanding=True))

_OF_ROLE = text(
    "SELECT current_user AS name, rolsuper AS super,"
    " has_schema_privilege(current_schema(), 'CREATE') AS creates"
    " FROM pg_roles WHERE rolname = current_user"
)

_SLEEP = text("SELECT has_parameter_privilege('session_replication_role', 'SET')")
_SINCE_PARAMETERS_HAVE_RIGHTS = 150_000


def read_rights(connection: Connection, tables: Sequence[str], for_good: Sequence[str]) -> Rights:
    """The rights of PostgreSQL's current role over the tables; those `for_good` are only ever added to."""
    role = connection.execute(_OF_ROLE).one()
    rows = connection.execute(_OF_TABLES, {"names": list(tables)}).all()
    may = []
    if role.super:
        may.append("do everything: it is a superuser")
    elif owned := [row.name for row in rows if row.owned]:
        may.append(f"alter, truncate and drop {_some(owned)}: it owns them")
    else:
        written = [row for row in rows if row.name in for_good]
        for verb, names in (
            ("truncate", [row.name for row in rows if row.truncates]),
            ("put triggers on", [row.name for row in rows if row.triggers]),
            ("delete from", [row.name for row in written if row.deletes]),
            ("change", [row.name for row in written if row.updates]),
        ):
            if names:
                may.append(f"{verb} {_some(names)}")
        if role.creates:
            may.append("create tables")
        if _may_sleep(connection):
            may.append("put triggers to sleep")
    lacks = [row.name for row in rows if not (row.reads and (row.adds or row.name not in for_good))]
    return Rights(role.name, may, lacks)


def _may_sleep(connection: Connection) -> bool:
    version = connection.scalar(text("SELECT current_setting('server_version_num')::int")) or 0
    return version >= _SINCE_PARAMETERS_HAVE_RIGHTS and bool(connection.scalar(_SLEEP))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def read_clock(connection: Connection) -> datetime | None:
    """PostgreSQL's clock; None of SQLite, which has ours."""
    if connection.dialect.name == "sqlite":
        return None
    told: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return told.astimezone(UTC)


class SqliteState(NamedTuple):
    """How SQLite keeps what it acknowledges, and what is wrong with its pages.

    `faults` is None where the whole file could not be read in time.
    """

    version: str
    journal_mode: str
    synchronous: int
    foreign_keys: bool
    faults: Sequence[str] | None


MAX_FAULTS = 5


def read_sqlite(connection: Connection, seconds: float) -> SqliteState:
    """The state of a connection as every other one of this program has it, and of the file, whose pages are
    read for so many seconds at most."""

    def ask(pragma: str) -> Any:
        return connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one()

    version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
    return SqliteState(
        version,
        str(ask("journal_mode")),
        int(ask("synchronous")),
        bool(ask("foreign_keys")),
        _check_pages(connection, seconds),
    )


def _check_pages(connection: Connection, seconds: float) -> Sequence[str] | None:
    with _interrupted_after(connection, seconds):
        try:
            told = connection.exec_driver_sql(f"PRAGMA quick_check({MAX_FAULTS})").scalars().all()
        except DBAPIError as error:
            if "interrupted" in str(error.orig):
                return None
            return [str(error.orig)]
    return [] if told == ["ok"] else [line for one in told for line in str(one).splitlines()]


@contextmanager
def _interrupted_after(connection: Connection, seconds: float) -> Iterator[None]:
    driver: Any = connection.connection.driver_connection
    timer = threading.Timer(seconds, driver.interrupt)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
