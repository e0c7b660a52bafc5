"""Servers make themselves known; a migration that needs a stop finds the older ones, and no other."""

from __future__ import annotations

import ast
import contextlib
import os
import re
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError

from models import migrate
from models.database.engine import Database
from models.database.failures import is_unavailable
from models.database.presence import (
    Serveur,
    enlisted,
    find_serveurs,
    introduce,
    this_server,
)
from models.errors import ServiceIndisponible
from tests.support.contract_client import ROOT
from tests.support.patience import CALL_S
from tests.support.roles import two_roles

NewDatabase = Callable[[], Database]

HEAD = migrate.expected_revision()
OLD, NEW = Serveur("1.4.0", "0011", "hote-1", 4711), Serveur("1.5.0", HEAD, "hote-2", 4712)
VERSIONS = ROOT / "models" / "migrations" / "versions"


def url_of(database: Database) -> str:
    """Its address, whole."""
    return database.url.render_as_string(hide_password=False)


@contextlib.contextmanager
def living(database: Database, serveur: Serveur) -> Iterator[Database]:
    """The database as a server has it that lives."""
    own = Database(url_of(database), introduce=partial(introduce, serveur=serveur))
    try:
        with enlisted(own, serveur):
            with own.reading() as connection:
                connection.execute(text("SELECT 1"))
            yield own
    finally:
        own.close()


def servers_of(database: Database) -> list[Serveur]:
    """Those that are found."""
    with database.reading() as connection:
        return find_serveurs(database, connection)


@pytest.fixture
def at_0011(new_database: NewDatabase) -> Database:
    """A database to which a migration is to come that needs a stop."""
    database = new_database()
    migrate.upgrade(database, "0011")
    return database


def test_migration_that_needs_a_stop_is_refused_while_an_older_server_lives(
    at_0011: Database,
) -> None:
    with living(at_0011, OLD):
        with pytest.raises(migrate.OlderServersError) as refused:
            migrate.upgrade(at_0011, "0012")
        assert migrate.plan_upgrade(at_0011).in_the_way == [OLD]
        with at_0011.reading() as connection:
            assert migrate.read_revision(connection) == "0011", "nothing was changed"
    assert migrate.describe_older_servers(refused.value) == (
        "migration 0012 needs a stop, and servers of an older version live: version 1.4.0 (migration 0011) on"
        " hote-1, process 4711. Stop them (`systemctl stop cynod`, or SIGTERM to the process), run `cynod"
        " migrate` again, then start this version; those of a machine that is gone are forgotten after 25 s."
        " Nothing was migrated."
    )
    assert migrate.upgrade(at_0011), "who has just ended is waited for"
    with living(at_0011, NEW):
        assert servers_of(at_0011) == [NEW]
        assert not migrate.upgrade(at_0011), "a server of this very version is in nobody's way"


def test_server_that_comes_while_a_migration_looks_is_found(shared_database: Database) -> None:
    with shared_database.transaction() as connection:
        assert NEW not in find_serveurs(shared_database, connection)
        with living(shared_database, NEW):
            assert NEW in find_serveurs(shared_database, connection)


def test_expand_migration_is_made_beside_older_servers_which_go_on(
    new_database: NewDatabase,
) -> None:
    database, old = new_database(), Serveur("1.4.0", "0007", "hote-1", 4711)
    migrate.upgrade(database, "0007")
    with living(database, old) as theirs:
        assert migrate.upgrade(database, "0008")
        theirs.engine.dispose()  # its next session looks at the schema again
        with theirs.reading() as connection:
            assert connection.scalar(text("SELECT count(*) FROM operations")) == 0
            etat = connection.execute(text("SELECT * FROM alembic_version")).one()
        assert tuple(etat) == ("0008", "0007")
        with pytest.raises(migrate.OlderServersError, match=str(old.version)):
            migrate.upgrade(database)


@pytest.mark.only_on("postgresql")
def test_server_of_before_this_is_found_too(at_0011: Database) -> None:
    before = create_engine(at_0011.url, connect_args={"application_name": "cynod"})
    with before.connect():
        with pytest.raises(migrate.OlderServersError) as refused:
            migrate.upgrade(at_0011)
        assert str(refused.value) == "a server or a command of version 1.5.0 or older"
    before.dispose()
    assert migrate.upgrade(at_0011)


@pytest.mark.only_on("postgresql")
def test_session_on_a_schema_where_its_version_cannot_serve_does_nothing(
    shared_database: Database,
) -> None:
    old = Database(url_of(shared_database), introduce=partial(introduce, serveur=OLD))
    with pytest.raises(DBAPIError) as refused, old.reading():
        pass
    old.close()
    assert is_unavailable(refused.value)
    assert (
        str(refused.value.orig) == "the database is at migration 0012, on which 0011 cannot serve"
    )


@pytest.mark.only_on("postgresql")
def test_session_that_begins_during_a_migration_waits_and_sees_what_it_changed(
    at_0011: Database,
) -> None:
    late = Database(url_of(at_0011), introduce=partial(introduce, serveur=OLD))
    with ThreadPoolExecutor(1) as pool, at_0011.transaction() as connection:
        connection.execute(text("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE"))
        session = pool.submit(late.engine.connect)
        waits = (
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE application_name = :name AND wait_event = 'relation'"
        )
        with at_0011.reading() as other:
            while not other.scalar(text(waits), {"name": OLD.name}):
                assert not session.done()
        assert servers_of(at_0011) == [OLD], "known before it may do anything"
        change = "UPDATE alembic_version SET version_num = '0012', compatible_depuis = '0012'"
        connection.execute(text(change))
        connection.execute(text("COMMIT"))
        with pytest.raises(DBAPIError, match="on which 0011 cannot serve"):
            session.result(CALL_S)
        connection.execute(text("BEGIN"))
    late.close()


@pytest.mark.only_on("postgresql")
def test_machine_that_vanished_is_forgotten_after_25_seconds(shared_database: Database) -> None:
    with living(shared_database, NEW) as own, own.reading() as connection:
        settings = ("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count")
        shown = [connection.scalar(text(f"SHOW {name}")) for name in settings]
    assert shown == ["10", "5", "3"]


@pytest.mark.only_on("postgresql")
def test_owner_of_the_tables_finds_the_servers_of_another_role(postgresql_url: str) -> None:
    with two_roles(postgresql_url) as two, living(two.service, NEW):
        assert servers_of(two.owner) == [NEW]


@pytest.mark.only_on("sqlite")
def test_server_that_was_killed_is_forgotten_at_once(at_0011: Database) -> None:
    ready, write = os.pipe()
    child = os.fork()
    if child == 0:
        with enlisted(at_0011, OLD):
            os.write(write, b".")
            signal.pause()
    assert os.read(ready, 1) == b"."
    os.close(ready)
    os.close(write)
    assert servers_of(at_0011) == [OLD]
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert at_0011.file is not None
    left = Path(f"{at_0011.file}-serveur-4711")
    assert left.read_text() == OLD.name
    assert left.stat().st_mode & 0o777 == 0o600
    assert servers_of(at_0011) == []
    assert not left.exists()
    assert migrate.upgrade(at_0011)


def test_name_of_a_session_is_whole() -> None:
    """PostgreSQL cuts it at 63 bytes."""
    longest = this_server("10.10.10", "0123")._replace(machine="x" * 24, pid=4_194_304)
    assert len(longest.name) <= 63


GAPS = {
    (
        "0011",
        None,
    ): "the database is at migration 0011 and this version needs 0012; run `cynod migrate`.",
    ("0012", None): None,
    ("0013", "0012"): None,
    ("0013", "0013"): (
        "the database is at migration 0013, which serves versions from 0013 on, and this one is 0012; start"
        " the version that migrated it."
    ),
    ("0013", None): (
        "the database is at migration 0013, which serves versions from 0013 on, and this one is 0012; start"
        " the version that migrated it."
    ),
}


@pytest.mark.parametrize(("etat", "told"), GAPS.items(), ids=lambda one: str(one)[:16])
def test_version_says_whether_it_can_serve(
    shared_database: Database,
    monkeypatch: pytest.MonkeyPatch,
    etat: tuple[str, str | None],
    told: str | None,
) -> None:
    monkeypatch.setattr(migrate, "expected_revision", lambda: "0012")
    with shared_database.engine.connect() as connection:
        transaction = connection.begin()
        change = "UPDATE alembic_version SET version_num = :revision, compatible_depuis = :since"
        connection.execute(text(change), {"revision": etat[0], "since": etat[1]})
        assert migrate.describe_gap(connection) == told
        with contextlib.nullcontext() if told is None else pytest.raises(ServiceIndisponible):
            migrate.check_current(connection)
        ahead = migrate.describe_advance(connection)
        transaction.rollback()
    assert ahead == (
        "the database is at migration 0013, ahead of this version (0012), which serves on it"
        if etat == ("0013", "0012")
        else None
    )


# ── what a migration may call itself ─────────────────────────────────────────────────────────────
ADDS = {"create_table", "create_index", "add_column", "execute", "get_bind", "f"}
"""What an `expand` migration calls of Alembic's `op`; what it executes only adds too."""
ONLY_ADDS = re.compile(
    r"(INSERT INTO|CREATE (TRIGGER|FUNCTION|INDEX|TABLE)|UPDATE \w+ SET)", re.ASCII
)


def _upgrade_of(tree: ast.Module) -> list[ast.FunctionDef]:
    """The function `upgrade`, and those of the file that it calls, at any depth."""
    functions = {one.name: one for one in tree.body if isinstance(one, ast.FunctionDef)}
    found, wanted = [], ["upgrade"]
    while wanted:
        function = functions.pop(wanted.pop(), None)
        if function is not None:
            found.append(function)
            wanted += [one.id for one in ast.walk(function) if isinstance(one, ast.Name)]
    return found


def _kind_of(tree: ast.Module) -> str | None:
    told = [
        one.value.value
        for one in tree.body
        if isinstance(one, ast.Assign)
        and isinstance(one.targets[0], ast.Name)
        and one.targets[0].id == "kind"
        and isinstance(one.value, ast.Constant)
    ]
    return str(told[0]) if len(told) == 1 else None


def find_breaches(source: str) -> list[str]:
    """What speaks against the kind that a migration says it is."""
    tree = ast.parse(source)
    kind = _kind_of(tree)
    if kind not in (migrate.EXPAND, migrate.STOP):
        return [
            'write `kind = "expand"` or `kind = "stop"` under depends_on (docs/architecture.md)'
        ]
    if kind == migrate.STOP:
        return []
    breaches = []
    for call in (one for function in _upgrade_of(tree) for one in ast.walk(function)):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute):
            continue
        if not isinstance(call.func.value, ast.Name) or call.func.value.id != "op":
            continue
        told = "".join(str(one.value) for one in ast.walk(call) if isinstance(one, ast.Constant))
        if call.func.attr not in ADDS:
            breaches.append(f"op.{call.func.attr} takes something from servers of before")
        elif call.func.attr == "execute" and not ONLY_ADDS.match(told):
            breaches.append(f"{told[:30]!r} does more than add")
        elif call.func.attr == "add_column" and not {"nullable", "server_default"} & {
            one.arg for one in ast.walk(call) if isinstance(one, ast.keyword)
        }:
            breaches.append("a new column is nullable or has a server default")
    return breaches


@pytest.mark.parametrize("file", sorted(VERSIONS.glob("0*.py")), ids=lambda file: file.stem)
def test_migration_says_what_it_needs_and_keeps_to_it(file: Path) -> None:
    assert find_breaches(file.read_text(encoding="utf-8")) == []


BREACHES = {
    '    op.drop_column("cartes", "solde")': "op.drop_column takes something from servers of before",
    '    op.execute("ALTER TABLE cartes DROP solde")': "'ALTER TABLE cartes DROP solde' does more than add",
    '    op.add_column("cartes", sa.Column("x", sa.Integer()))': (
        "a new column is nullable or has a server default"
    ),
    "    _more()\n\n\ndef _more():\n    op.alter_column()": (
        "op.alter_column takes something from servers of before"
    ),
}


@pytest.mark.parametrize(("body", "told"), BREACHES.items(), ids=range(len(BREACHES)))
def test_expand_migration_that_takes_something_is_found(body: str, told: str) -> None:
    assert find_breaches(f'kind = "expand"\n\n\ndef upgrade():\n{body}\n') == [told]
    assert find_breaches(f'kind = "stop"\n\n\ndef upgrade():\n{body}\n') == []
    (asked,) = find_breaches(f"def upgrade():\n{body}\n")
    assert asked.startswith("write `kind")
