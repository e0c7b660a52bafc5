"""The database: its settings, its room, its roles, its migration, its seals."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from handlers.diagnosis.constat import Constat, Subject, doubtful, right, wrong
from handlers.settings import Settings
from models import migrate
from models.books.controle import verify_last_seal
from models.database.engine import (
    WAL_SAFE,
    Database,
    describe_missing,
    find_durability_gap,
    is_missing,
    sqlite_module,
)
from models.database.failures import DatabaseUrlError
from models.database.state import (
    Room,
    SqliteState,
    read_postgresql_settings,
    read_rights,
    read_room,
    read_sqlite,
)
from models.schema import metadata

WAIT_S = 3
"""Longest wait for a connection or a statement of a check, below the longest that a check may take."""

PAGES_S = 3.0
"""How long the pages of a SQLite file are read."""

OLDEST_POSTGRESQL = 130_000
"""Older ones are not maintained any more, and no test runs on them."""

FOR_GOOD = ("operations", "ecritures", "sceaux", "audit")
"""Tables to which rows are added, and in which none is ever changed."""

BESIDE = 2
"""Connections of a process beside its pool: one for probes, one that notes once a day which secrets serve."""

NIGHT = timedelta(hours=26)
"""The age of the last seal in the worst moment of a day, with a long night."""

_ROLES = "run docs/roles.sql as the owner, and serve as cynod_service"
_DURABLE = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def check_database(subject: Subject) -> Iterator[Constat]:
    """That it is there and answers, in a version and an encoding that are served."""
    try:
        database = _open(subject.read())
    except DatabaseUrlError as error:
        yield wrong(str(error).removesuffix("."), "correct CYNOD_DATABASE_URL")
        return
    if is_missing(database):
        database.close()
        yield wrong(
            describe_missing(database).partition(";")[0],
            "correct CYNOD_DATABASE_URL, or run `cynod migrate`",
        )
        return
    subject.database = database
    with database.reading() as connection:
        if database.dialect == "sqlite":
            version = connection.exec_driver_sql("SELECT sqlite_version()").scalar_one()
            yield right(f"SQLite {version}, {database.file}")
            return
        told = read_postgresql_settings(connection)
    if int(told["server_version_num"]) < OLDEST_POSTGRESQL:
        yield wrong(f"PostgreSQL {told['server_version']} is too old", "upgrade it to 15 or newer")
    if told["server_encoding"] != "UTF8":
        yield wrong(
            f"its encoding is {told['server_encoding']}",
            "make the database anew with ENCODING 'UTF8' and restore it",
        )
    if told["default_transaction_read_only"] == "on":
        yield wrong("it takes no writes (default_transaction_read_only)", "name the primary")
    yield right(f"PostgreSQL {told['server_version'].split()[0]}, UTF8")


def _open(settings: Settings) -> Database:
    """The database, with short waits. Raises DatabaseUrlError."""
    wait_s = min(settings.wait_s, WAIT_S)
    database = Database(settings.database_url, pool_size=2, wait_s=wait_s)
    if database.dialect == "sqlite":
        return database
    # What a database of no encoding tells would be no text, and so not even be told.
    url = database.url.update_query_dict({"client_encoding": "utf8"})
    return Database(url.render_as_string(hide_password=False), pool_size=2, wait_s=wait_s)


def check_durability(subject: Subject) -> Iterator[Constat]:
    """That what is acknowledged is kept, and what is kept is whole."""
    database = subject.opened()
    with database.reading() as connection:
        if database.dialect == "sqlite":
            yield from judge_sqlite(read_sqlite(connection, PAGES_S))
            return
        gap = find_durability_gap(connection)
        told = read_postgresql_settings(connection)
    if gap is not None:
        yield subject.in_production(
            f"it can lose acknowledged operations ({gap})", "set them on again in postgresql.conf"
        )
    standby = told["synchronous_standby_names"]
    yield right(
        f"fsync and full_page_writes are on, synchronous_commit is {told['synchronous_commit']}, "
        + (f"standby {standby}" if standby else "no standby is waited for")
    )


def judge_sqlite(state: SqliteState) -> Iterator[Constat]:
    """How SQLite keeps what it acknowledges, and its pages."""
    wanted = "wal" if sqlite_module().sqlite_version_info >= WAL_SAFE else "delete"
    if state.journal_mode != wanted:
        yield wrong(
            f"journal_mode is {state.journal_mode}, not {wanted}",
            "put the file on a local disk, and end what else holds it",
        )
    if _DURABLE.get(state.synchronous) not in ("FULL", "EXTRA"):
        yield wrong(
            f"synchronous is {_DURABLE.get(state.synchronous, state.synchronous)}",
            "serve by this program alone",
        )
    if not state.foreign_keys:
        yield wrong("foreign_keys is off", "serve by this program alone")
    if state.faults is None:
        yield doubtful(
            f"its pages were not all read within {PAGES_S:.0f} s",
            "run `cynod backup`, which reads them all",
        )
    elif state.faults:
        yield wrong(
            f"the file is damaged: {state.faults[0][:200]}",
            "stop the servers and restore the last backup",
        )
    mode = _DURABLE.get(state.synchronous)
    yield right(f"journal_mode {state.journal_mode}, synchronous {mode}, every page is whole")


def check_connections(subject: Subject) -> Iterator[Constat]:
    """That the pools of all processes find room."""
    database, settings = subject.opened(), subject.read()
    if database.dialect == "sqlite":
        if subject.workers > 1:
            yield right(f"SQLite: {subject.workers} processes take turns to write")
            return
        yield right("SQLite: a file has no limit")
        return
    with database.reading() as connection:
        room = read_room(connection)
    needed = subject.workers * (settings.pool_size + BESIDE)
    yield judge_room(room, needed, subject.workers)


def judge_room(room: Room, needed: int, workers: int) -> Constat:
    """The connections that are needed, and those that there are."""
    limits = {
        "max_connections": room.server,
        "the role's CONNECTION LIMIT": room.role,
        "the database's CONNECTION LIMIT": room.database,
    }
    least = min((left, name) for name, left in limits.items() if left is not None)
    told = (
        f"{workers} process{'es'[: 2 * (workers > 1)]} open up to {needed}, "
        f"{least[1]} leaves {room.connections}"
    )
    if needed > room.connections:
        return wrong(told, "raise it, lower CYNOD_POOL_SIZE or start fewer workers")
    if 2 * needed > room.connections:
        return doubtful(
            told, "leave room for the servers of the next version beside these, or stop one first"
        )
    return right(told)


def check_sessions(subject: Subject) -> Iterator[Constat]:
    """That what every connection is told of deadlines and of time arrives, through a pooler too."""
    database = subject.opened()
    if database.dialect == "sqlite":
        yield right("SQLite: set by each connection itself")
        return
    with database.reading() as connection:
        told = read_postgresql_settings(connection)
    if told["TimeZone"] not in ("UTC", "Etc/UTC", "GMT"):
        yield wrong(
            f"sessions are in the time zone {told['TimeZone']}: a pooler drops what they are told",
            "ALTER ROLE … SET timezone = 'UTC'",
        )
    for name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        if told[name] == "0":
            yield doubtful(
                f"{name} is 0: a pooler drops what sessions are told", f"ALTER ROLE … SET {name}"
            )
    for name in ("idle_session_timeout", "transaction_timeout"):
        if told.get(name, "0") != "0":
            yield doubtful(
                f"{name} is {told[name]} ms: PostgreSQL closes connections that servers keep",
                f"ALTER ROLE … SET {name} = 0",
            )
    yield right(
        "UTC, with deadlines of statements, locks and idle transactions; none of idle sessions"
    )


def check_rights(subject: Subject) -> Iterator[Constat]:
    """That the role can do a server's work, and nothing to what is written for good."""
    database = subject.opened()
    if database.dialect == "sqlite":
        yield right("SQLite: whoever may write the file may do all")
        return
    with database.reading() as connection:
        rights = read_rights(connection, [*metadata.tables, "alembic_version"], FOR_GOOD)
    if rights.lacks:
        yield wrong(f"{rights.role} lacks rights over {', '.join(rights.lacks)}", _ROLES)
    for one in rights.may:
        yield subject.in_production(f"{rights.role} may {one}", _ROLES)
    yield right(f"{rights.role} serves, and can alter, truncate or put to sleep nothing")


def check_migration(subject: Subject) -> Iterator[Constat]:
    """That the database is where this version can serve on it."""
    with subject.opened().reading() as connection:
        gap = migrate.describe_gap(connection)
        ahead = migrate.describe_advance(connection)
        revision = migrate.read_revision(connection)
    if gap is not None:
        constat, _, a_faire = gap.removesuffix(".").partition("; ")
        yield wrong(constat, a_faire)
    elif ahead is not None:
        yield doubtful(ahead, "upgrade this server too")
    yield right(f"at {revision}, as this version expects")


def check_seals(subject: Subject) -> Iterator[Constat]:
    """That the journal is sealed each night, and the last seal agrees with its rows."""
    with subject.opened().snapshot() as connection:
        last, control = verify_last_seal(connection)
    for fault in control.faults[:1]:
        yield wrong(
            f"{fault.sujet}: {fault.detail}",
            "run `cynod journal verify --heads LOG`, and keep all logs",
        )
    nightly = "run `cynod journal seal` each night (docs/exploitation/systemd)"
    if last is None:
        if control.depuis:
            yield doubtful(f"{control.depuis} operations, and nothing is sealed", nightly)
        yield right("no operation to seal")
        return
    age = subject.clock() - last.instant
    told = f"sceau {last.numero} is {_hours(age)} old, {control.depuis} operations since"
    if age > NIGHT and control.depuis:
        yield doubtful(told, nightly)
    yield right(f"{told}; it agrees with its rows")


def _hours(age: timedelta) -> str:
    hours = int(age.total_seconds() // 3600)
    return f"{hours // 24} d {hours % 24} h" if hours >= 48 else f"{hours} h"
