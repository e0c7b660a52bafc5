"""Bring a database to the revision that this code expects, or say where it stands."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DBAPIError

from models.database.engine import Database, count_unanswered
from models.database.failures import OccupiedError, is_lock_timeout
from models.database.presence import GONE_S, TABLE, Serveur, find_serveurs, held, read_etat
from models.errors import ServiceIndisponible

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

_LOCK = 0x43594E4F44  # "CYNOD": PostgreSQL's advisory lock of a running migration.


_SCRIPTS = Path(__file__).parent / "migrations"

EXPAND, STOP = "expand", "stop"
"""What a migration is (its `kind`): servers of before may go on serving while it runs and after it, or may
not. docs/architecture.md says how to tell."""

ENDS_S = 0.5
"""How long a server that has just ended may still be seen: its sessions take a moment to go."""


class MigrationError(Exception):
    """A migration cannot be run; the text is Alembic's."""


# A server only compares revisions, and never needs Alembic.


def _config() -> Config:
    from alembic.config import Config  # noqa: PLC0415 - 8 MiB

    config = Config()
    config.set_main_option("script_location", str(_SCRIPTS))
    return config


@cache
def expected_revision() -> str:
    """The newest revision in the code: scripts are named after their revisions, in their order."""
    return max(file.name.partition("_")[0] for file in (_SCRIPTS / "versions").glob("[0-9]*_*.py"))


def current_revision(connection: Connection) -> str | None:
    """The database's revision, None when it was never migrated."""
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415 - as above

    return MigrationContext.configure(connection).get_current_revision()


def check_current(connection: Connection) -> None:
    """Raises ServiceIndisponible unless this code can serve on the database, and commits."""
    if not read_etat(connection).serves(expected_revision()) or count_unanswered(connection):
        raise ServiceIndisponible


def is_current(connection: Connection) -> bool:
    """Whether the database stands at the expected revision."""
    return read_revision(connection) == expected_revision()


def read_revision(connection: Connection) -> str | None:
    """The revision that the database bears, None when it was never migrated, without Alembic."""
    return read_etat(connection).revision


def describe_gap(connection: Connection) -> str | None:
    """Why this code cannot serve on the database, and what to do, in one sentence; None when it can.

    It can where the database stands at its own revision, or ahead of it by migrations that are all `expand`.
    """
    etat, ours = read_etat(connection), expected_revision()
    if etat.serves(ours):
        return None
    if etat.revision is None or etat.revision < ours:
        at = "was never migrated" if etat.revision is None else f"is at migration {etat.revision}"
        return f"the database {at} and this version needs {ours}; run `cynod migrate`."
    since = etat.compatible_depuis or etat.revision
    return (
        f"the database is at migration {etat.revision}, which serves versions from {since} on, and this one"
        f" is {ours}; start the version that migrated it."
    )


def describe_advance(connection: Connection) -> str | None:
    """That the database is ahead of this code, which serves on it all the same; None when it is not."""
    if is_current(connection) or describe_gap(connection) is not None:
        return None
    etat, ours = read_etat(connection), expected_revision()
    return f"the database is at migration {etat.revision}, ahead of this version ({ours}), which serves on it"


class Etape(NamedTuple):
    """A migration that is to come: `kind` is EXPAND or STOP."""

    revision: str
    words: str
    kind: str


class Plan(NamedTuple):
    """What an upgrade would do now, and which servers live on the database."""

    before: str | None
    etapes: list[Etape]
    serveurs: list[Serveur]

    @property
    def stop(self) -> Etape | None:
        """The last step beside which no server of before may live."""
        return next((one for one in reversed(self.etapes) if one.kind == STOP), None)

    @property
    def in_the_way(self) -> list[Serveur]:
        """The servers that must have ended first."""
        if self.stop is None or self.before is None:
            return []
        return [one for one in self.serveurs if one.revision < self.stop.revision]


class OlderServersError(Exception):
    """Servers live of a version that cannot serve on what was asked for; nothing was changed."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(", ".join(map(str, plan.in_the_way)))
        self.plan = plan


def describe_older_servers(error: OlderServersError) -> str:
    """One sentence for it: which servers live, and what to do."""
    stop = error.plan.stop
    assert stop is not None
    return (
        f"migration {stop.revision} needs a stop, and servers of an older version live: {error}. Stop"
        " them (`systemctl stop cynod`, or SIGTERM to the process), run `cynod migrate` again, then start"
        " this version;"
        f" those of a machine that is gone are forgotten after {GONE_S} s. Nothing was migrated."
    )


def plan_upgrade(database: Database) -> Plan:
    """What `upgrade` would do. Writes nothing. Raises MigrationError."""
    from alembic.util import CommandError  # noqa: PLC0415 - as above

    with database.reading() as connection:
        try:
            return _plan(database, connection, "head")
        except CommandError as error:
            raise MigrationError(str(error)) from None


def _plan(database: Database, connection: Connection, revision: str) -> Plan:
    before = current_revision(
        connection
    )  # in a transaction: a table that is not there must not end it
    scripts = _scripts()
    if before is not None:
        scripts.get_revision(before)  # one that it does not know is told in words here only
    found = list(scripts.iterate_revisions(revision, before or "base"))
    etapes = [Etape(one.revision, one.doc, one.module.kind) for one in reversed(found)]
    return Plan(before, etapes, find_serveurs(database, connection))


def _scripts() -> ScriptDirectory:
    from alembic.script import ScriptDirectory  # noqa: PLC0415 - as above

    return ScriptDirectory.from_config(_config())


def upgrade(
    database: Database, revision: str = "head", *, waiting: Callable[[], None] = lambda: None
) -> bool:
    """Migrate up to `revision`. True when something changed. Two callers at once wait for each other.

    A SQLite file that is not there is made. `waiting` is told when another holds the database.
    Raises MigrationError, OccupiedError, OlderServersError, OSError.
    """
    database.create_file()
    return _run(database, revision, up=True, waiting=waiting)


def downgrade(database: Database, revision: str) -> bool:
    """Migrate down to `revision` (`base` for an empty database). True when something changed."""
    return _run(database, revision, up=False, waiting=lambda: None)


def _run(database: Database, revision: str, *, up: bool, waiting: Callable[[], None]) -> bool:
    from alembic import command  # noqa: PLC0415 - as above
    from alembic.util import CommandError  # noqa: PLC0415 - as above

    with (
        contextlib.ExitStack() as until_committed,
        database.exclusive(_LOCK, waiting=waiting, changes_schema=True) as connection,
    ):
        if database.dialect == "postgresql":
            # An ALTER that waits behind a long reader would make everyone wait behind it.
            connection.execute(text("SET LOCAL lock_timeout = '5s'"))
        before = current_revision(connection)
        config = _config()
        config.attributes["connection"] = connection
        try:
            if up:
                _check_servers(database, connection, revision, until_committed)
            (command.upgrade if up else command.downgrade)(config, revision)
            _note_compatible(connection)
        except CommandError as error:
            raise MigrationError(str(error)) from None
        except DBAPIError as error:
            if is_lock_timeout(error):
                raise OccupiedError from None
            raise
        if database.dialect == "sqlite":
            astray = connection.execute(text("PRAGMA foreign_key_check")).all()
            assert not astray, "a migration leaves every reference whole"
        return current_revision(connection) != before


def _check_servers(
    database: Database, connection: Connection, revision: str, until_committed: contextlib.ExitStack
) -> None:
    """Raises OlderServersError when one lives beside which the migration cannot be; none comes meanwhile."""
    plan = _plan(database, connection, revision)
    if plan.stop is None or plan.before is None:
        return
    deadline = time.monotonic() + ENDS_S
    while plan.in_the_way:
        # They serve meanwhile; on SQLite their writes wait.
        if time.monotonic() > deadline:
            raise OlderServersError(plan)
        time.sleep(0.02)
        plan = plan._replace(serveurs=find_serveurs(database, connection))
    until_committed.enter_context(held(database, alone=True))
    if database.dialect == "postgresql":
        # A session that begins from here on waits, and then sees what was changed.
        connection.execute(text(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE"))
    plan = plan._replace(serveurs=find_serveurs(database, connection))
    if plan.in_the_way:
        raise OlderServersError(plan)


def _note_compatible(connection: Connection) -> None:
    """Say beside the revision which code can serve on it, to code that does not know it."""
    etat = read_etat(connection)
    if etat.revision is None:
        return
    steps = _scripts().iterate_revisions(etat.revision, "base")
    since = next(one.revision for one in steps if one.module.kind == STOP)
    if since == etat.compatible_depuis:
        return
    if "compatible_depuis" not in {one["name"] for one in inspect(connection).get_columns(TABLE)}:
        connection.execute(text(f"ALTER TABLE {TABLE} ADD COLUMN compatible_depuis VARCHAR(32)"))
    connection.execute(text(f"UPDATE {TABLE} SET compatible_depuis = :since"), {"since": since})  # noqa: S608 - our name
