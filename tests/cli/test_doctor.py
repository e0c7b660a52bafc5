"""`cynod doctor`: each check is right where all is right, and wrong where its one thing is wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import redis
from click.testing import CliRunner
from sqlalchemy import make_url, text

from handlers.cli.root import cli
from handlers.contract.surface import PARTENAIRE
from handlers.diagnosis import database as diagnosis
from handlers.diagnosis.constat import ATTENTION, FAUX, OK, Constat, Subject, look
from handlers.diagnosis.database import judge_room, judge_sqlite
from handlers.diagnosis.doctor import CONTROLES, diagnose
from handlers.workbench import history
from models.base import now
from models.books.demo import CONSUMER_KEY, CONSUMER_SECRET, seed_demo
from models.books.scellement import seal
from models.database.engine import Database, sqlite_module
from models.database.state import Room, SqliteState
from models.migrate import expected_revision
from models.mouvement import CarteDesignee, Demande, debiter
from models.secret import find_by_secret
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import DOCUMENT, ROOT
from tests.support.machine import find_sbin
from tests.support.needs import need
from tests.support.patience import CALL_S, wait_until
from tests.support.postgresql import create_database
from tests.support.process import free_port, run_cynod, serve
from tests.support.redis import running_redis
from tests.support.roles import Two, two_roles
from tests.support.world import World

VERSION = DOCUMENT["info"]["version"]
HOLDER = CarteDesignee("7019800100009569", "221771234567", "CLI-0001")
SOON_S = 30.0
"""What a look at three silent neighbours takes at most: each is left after ten seconds."""


class Line(NamedTuple):
    """A check as the JSON has it."""

    etat: str
    constat: str
    a_faire: str | None


Doctor = Callable[..., dict[str, Line]]


def url_of(database: Database) -> str:
    """The address of a database, its password included."""
    return database.url.render_as_string(hide_password=False)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable, no `.env` and no home but the test's own."""
    for name in [one for one in os.environ if one.startswith(("CYNOD_", "PG"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)


def ask(*arguments: str, **variables: str) -> dict[str, Line]:
    """What `cynod doctor --json` says of each check; the exit code and the whole follow from these."""
    done = CliRunner(env=variables).invoke(cli, ["doctor", "--json", *arguments])
    told = json.loads(done.stdout)
    found = {
        one["controle"]: Line(one["etat"], one["constat"], one["aFaire"])
        for one in told["controles"]
    }
    etats = {one.etat for one in found.values()}
    worst = next(etat for etat in (FAUX, ATTENTION, OK) if etat in etats)
    assert (told["etat"], told["version"]) == (worst, VERSION)
    assert done.exit_code == int(worst == FAUX), done.output
    assert all((one.a_faire is None) == (one.etat == OK) for one in found.values())
    return found


@pytest.fixture(scope="module")
def roles(postgresql_url: str) -> Iterator[Two]:
    """A database of two roles, in which each test leaves what it found."""
    with two_roles(postgresql_url) as made:
        yield made


@pytest.fixture
def administrator(postgresql_url: str) -> Iterator[Database]:
    """The maintenance database, as who may do all."""
    made = Database(postgresql_url)
    yield made
    made.close()


@pytest.fixture
def served(backend: str, request: pytest.FixtureRequest) -> Database:
    """A database as a server has it: on PostgreSQL, as the role that serves."""
    if backend == "sqlite":
        database: Database = request.getfixturevalue("database")
        return database
    two: Two = request.getfixturevalue("roles")
    return two.service


@pytest.fixture
def doctor(served: Database) -> Doctor:
    """Asks one check of that database, or some."""

    def look(*only: str, **variables: str) -> dict[str, Line]:
        chosen = [argument for name in only for argument in ("--only", name)]
        return ask(*chosen, CYNOD_DATABASE_URL=url_of(served), **variables)

    return look


# ── right ────────────────────────────────────────────────────────────────────────────────────────
def _expected(served: Database) -> dict[str, str]:
    """What each check says where nothing is wrong."""
    sqlite = served.dialect == "sqlite"
    return {
        "settings": "CYNOD_PEPPER is not set; CYNOD_ENV is development; 1 of N variables set",
        "variables": "every CYNOD_ variable is known",
        "contract": f"openapi.yaml {VERSION} is the published one (sha256 H)",
        "database": f"SQLite V, {served.file}" if sqlite else "PostgreSQL V, UTF8",
        "durability": "journal_mode wal, synchronous FULL, every page is whole"
        if sqlite
        else "fsync and full_page_writes are on, synchronous_commit is on, no standby is waited for",
        "connections": "SQLite: a file has no limit"
        if sqlite
        else "1 process open up to 13, max_connections leaves 197",
        "sessions": "SQLite: set by each connection itself"
        if sqlite
        else "UTC, with deadlines of statements, locks and idle transactions; none of idle sessions",
        "migration": f"at {expected_revision()}, as this version expects",
        "rights": "SQLite: whoever may write the file may do all"
        if sqlite
        else f"{served.url.username} serves, and can alter, truncate or put to sleep nothing",
        "seals": "no operation to seal",
        "standby": "not configured: everything is read where it is written",
        "redis": "not configured: rates are counted by each process alone",
        "provider": "not configured: no person calls",
        "clock": "T" if sqlite else "agrees with the database; T",
        "files": "3 looked at, their owner's alone" if sqlite else "no secret file",
        "proxies": "believed: none, whoever connects is the caller",
    }


def _plain(constat: str) -> str:
    """Without what changes from day to day."""
    for pattern, name in (
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "T"),
        (r"sha256 [0-9a-f]{12}", "sha256 H"),
        (r"(SQLite|PostgreSQL) [0-9.]+", r"\1 V"),
        (r"of \d+ variables", "of N variables"),
    ):
        constat = re.sub(pattern, name, constat)
    return constat


def test_where_all_is_right_each_line_says_so(served: Database) -> None:
    expected = _expected(served)
    env = {"CYNOD_DATABASE_URL": url_of(served)}
    found = ask(**env)
    assert {name: (one.etat, _plain(one.constat)) for name, one in found.items()} == {
        name: (OK, constat) for name, constat in expected.items()
    }
    done = CliRunner(env=env).invoke(cli, ["doctor"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert [_plain(line) for line in done.stdout.splitlines()] == [
        f"ok         {name:<11}  {constat}" for name, constat in expected.items()
    ]


@pytest.mark.only_on("sqlite")
def test_lines_of_what_is_wrong_say_what_to_do_and_the_exit_code_is_1(
    served: Database, tmp_path: Path
) -> None:
    env = {"CYNOD_DATABASE_URL": url_of(served), "CYNOD_DATABSE_URL": "x"}
    secret = tmp_path / "cynod.env"
    secret.write_text("CYNOD_PEPPER=p", encoding="utf-8")
    secret.chmod(0o644)
    only = ("--only", "files", "--only", "variables", "--file", str(secret))
    done = CliRunner(env=env).invoke(cli, ["doctor", *only])
    assert (done.exit_code, done.stdout.splitlines()) == (
        1,
        [
            (
                "attention  variables    CYNOD_DATABSE_URL is not known, nothing reads it:"
                " rename CYNOD_DATABSE_URL to CYNOD_DATABASE_URL"
            ),
            f"faux       files        {secret} is open to everybody (mode 0644): chmod 600 {secret}",
        ],
    )
    assert done.stderr.splitlines()[-1] == "cynod: 1 check found something wrong: files."


def test_a_check_that_does_not_exist_is_wrong_usage() -> None:
    assert CliRunner().invoke(cli, ["doctor", "--only", "weather"]).exit_code == 2


def test_documentation_has_the_table_of_the_checks() -> None:
    page = (ROOT / "docs" / "deploiement.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| check | what must hold |\n|---|---|\n")
    assert table.partition("\n\n")[0] == "\n".join(
        f"| `{name}` | {one.purpose} |" for name, one in CONTROLES.items()
    )


# ── what is set and installed ────────────────────────────────────────────────────────────────────
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("check", "variables", "expected"),
    [
        (
            "settings",
            {"PORT": "http"},
            Line(FAUX, "PORT must be an integer from 0 to 65535", "correct PORT"),
        ),
        (
            "contract",
            {"CYNOD_SURFACES": "partenaires"},
            Line(
                FAUX,
                "CYNOD_SURFACES names partenaires; the surfaces are partenaire, base-core",
                "correct the setting",
            ),
        ),
        (
            "contract",
            {"CYNOD_LIMITES": "lecture=much"},
            Line(
                FAUX,
                "CYNOD_LIMITES: the rate 'much' of class lecture is not like 100/second or 6000/minute",
                "correct the setting",
            ),
        ),
        (
            "contract",
            {"CYNOD_SURFACES": "base-core", "CYNOD_ENV": "production"},
            Line(
                FAUX,
                "CYNOD_SURFACES names base-core, whose callers are persons: set CYNOD_OIDC_EMETTEUR to"
                " the issuer of their tokens",
                "correct the setting",
            ),
        ),
        (
            "provider",
            {"CYNOD_SURFACES": "base-core"},
            Line(
                ATTENTION,
                "base-core takes tokens of this machine's own key",
                "set CYNOD_OIDC_EMETTEUR before production",
            ),
        ),
        (
            "proxies",
            {"CYNOD_PROXIES": "10.0.0.0/8,0.0.0.0/0"},
            Line(
                FAUX,
                "0.0.0.0/0 is believed: anybody there writes his own address",
                "name the addresses of your proxies alone in CYNOD_PROXIES",
            ),
        ),
        (
            "proxies",
            {"CYNOD_PROXIES": "8.8.0.0/16"},
            Line(
                ATTENTION,
                "8.8.0.0/16 is a public network of 65536 addresses",
                "name the addresses of your proxies alone in CYNOD_PROXIES",
            ),
        ),
        (
            "proxies",
            {"CYNOD_ENV": "production", "HOST": "0.0.0.0"},  # noqa: S104 - what is to be told
            Line(
                ATTENTION,
                "no proxy is believed: limits and lists of addresses see the proxy in place of the"
                " caller; 0.0.0.0 listens beyond this machine, in plain HTTP",
                "set CYNOD_PROXIES to the proxy's address; listen on a private address behind the proxy",
            ),
        ),
        (
            "proxies",
            {"CYNOD_ENV": "production", "CYNOD_PROXIES": "127.0.0.1"},
            Line(OK, "believed: 127.0.0.1/32", None),
        ),
        (
            "redis",
            {"CYNOD_REDIS_URL": "http://secret@redis"},
            Line(
                FAUX,
                "CYNOD_REDIS_URL is not a Redis address like redis://host:6379/0",
                "correct CYNOD_REDIS_URL",
            ),
        ),
    ],
)
def test_a_setting_that_is_wrong_is_told(
    doctor: Doctor, check: str, variables: dict[str, str], expected: Line
) -> None:
    if check == "redis":
        # The server says so when it wires its counters, which the contract's check does.
        found = doctor("redis", "contract", **variables)
        assert found["contract"].constat == expected.constat
    else:
        found = doctor(check, **variables)
    assert found[check] == expected


@pytest.mark.only_on("sqlite")
def test_what_stands_on_settings_that_are_wrong_is_not_looked_at(doctor: Doctor) -> None:
    found = doctor(PORT="http")
    left = Line(ATTENTION, "not looked at: settings is wrong", "mend settings first")
    others = {name: one for name, one in found.items() if name not in ("settings", "variables")}
    assert list(found) == list(CONTROLES)
    assert others.keys() >= {"contract", "database", "files", "proxies", "redis", "provider"}
    assert set(others.values()) == {left}


@pytest.mark.only_on("sqlite")
def test_a_pepper_that_is_not_set_is_told_in_production_and_never_shown(doctor: Doctor) -> None:
    without = doctor("settings", CYNOD_ENV="production")["settings"]
    assert without.etat == ATTENTION
    assert without.constat.startswith("CYNOD_PEPPER is not set: stored hashes")
    given = doctor(CYNOD_ENV="production", CYNOD_PEPPER="poivre-secret")
    assert given["settings"].etat == OK
    assert "poivre-secret" not in str(given)


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("environment", "etat"), [("development", ATTENTION), ("production", FAUX)]
)
def test_a_contract_that_was_changed_is_told_and_wrong_in_production(
    doctor: Doctor, tmp_path: Path, environment: str, etat: str
) -> None:
    changed = tmp_path / "openapi.yaml"
    source = (ROOT / "openapi.yaml").read_text(encoding="utf-8")
    changed.write_text(f"{source}\n# changed\n", encoding="utf-8")
    found = doctor("contract", CYNOD_ENV=environment, CYNOD_CONTRACT=str(changed))
    told = f"openapi.yaml {VERSION} was changed since it was checked"
    assert found["contract"] == Line(etat, told, "install the published version again")


@pytest.mark.only_on("sqlite")
def test_a_contract_that_is_broken_is_told(doctor: Doctor, tmp_path: Path) -> None:
    (tmp_path / "openapi.yaml").write_text("openapi: [", encoding="utf-8")
    found = doctor("contract", CYNOD_CONTRACT=str(tmp_path / "openapi.yaml"))["contract"]
    assert (found.etat, found.a_faire) == (FAUX, "run `cynod contract build --check`")
    assert "is not YAML" in found.constat


@pytest.mark.only_on("sqlite")
def test_a_contract_that_was_published_otherwise_or_never_is_told(
    doctor: Doctor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = history.history_of(PARTENAIRE) / f"{VERSION}.yaml"
    monkeypatch.setattr(history, "HISTORY", tmp_path)
    never = doctor("contract")["contract"]
    (tmp_path / frozen.name).write_text(frozen.read_text() + "\n# otherwise\n", encoding="utf-8")
    otherwise = doctor("contract", CYNOD_ENV="production")["contract"]
    assert never[:2] == (ATTENTION, f"openapi.yaml {VERSION} was never published")
    told = f"openapi.yaml {VERSION} is not what was published as {VERSION}"
    assert otherwise[:2] == (FAUX, told)


# ── the database ─────────────────────────────────────────────────────────────────────────────────
@contextmanager
def altered(two: Two, setting: str) -> Iterator[None]:
    """The database with a setting of its own, until the block ends."""
    name, _, value = setting.partition("=")
    place = two.owner.url.database
    try:
        with two.owner.transaction() as connection:
            connection.execute(text(f"ALTER DATABASE {place} SET {name} = {value}"))
        yield
    finally:
        # Whoever made the database read-only cannot write to it in a session of his own.
        with two.owner.reading() as connection:
            connection.execute(text("SET default_transaction_read_only = off"))
            connection.execute(text(f"ALTER DATABASE {place} RESET {name}"))
            connection.invalidate()


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("setting", "check", "etat", "told"),
    [
        (
            "default_transaction_read_only=on",
            "database",
            FAUX,
            "it takes no writes (default_transaction_read_only)",
        ),
        (
            "synchronous_commit=off",
            "durability",
            ATTENTION,
            "it can lose acknowledged operations (synchronous_commit = off)",
        ),
        (
            "idle_session_timeout=60000",
            "sessions",
            ATTENTION,
            "idle_session_timeout is 60000 ms: PostgreSQL closes connections that servers keep",
        ),
    ],
)
def test_a_setting_of_postgresql_that_is_wrong_is_told(
    doctor: Doctor, roles: Two, setting: str, check: str, etat: str, told: str
) -> None:
    with altered(roles, setting):
        found = doctor(check)[check]
        assert found[:2] == (etat, told)
        if check == "durability":
            assert doctor(check, CYNOD_ENV="production")[check].etat == FAUX


@pytest.mark.only_on("postgresql")
def test_a_postgresql_that_is_too_old_is_told(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(diagnosis, "OLDEST_POSTGRESQL", 10**6)
    etat, constat, a_faire = doctor("database")["database"]
    assert (etat, a_faire) == (FAUX, "upgrade it to 15 or newer")
    assert re.fullmatch(r"PostgreSQL \d+\.\d+.* is too old", constat)


@pytest.mark.only_on("postgresql")
@pytest.mark.usefixtures("backend")
def test_a_database_of_another_encoding_is_told(
    postgresql_url: str, administrator: Database
) -> None:
    with administrator.reading() as connection:
        connection.execute(
            text("CREATE DATABASE in_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
        )
    url = make_url(postgresql_url).set(database="in_ascii").render_as_string(hide_password=False)
    found = ask("--only", "database", CYNOD_DATABASE_URL=url)["database"]
    assert found[:2] == (FAUX, "its encoding is SQL_ASCII")


@pytest.mark.only_on("postgresql")
def test_a_role_or_a_server_without_room_for_the_pools_is_told(
    roles: Two, administrator: Database
) -> None:
    def connections(*arguments: str) -> tuple[str, str]:
        url = url_of(roles.service)
        found = ask("--only", "connections", *arguments, CYNOD_DATABASE_URL=url)["connections"]
        return found.etat, found.constat

    assert connections("--workers", "20") == (
        FAUX,
        "20 processes open up to 260, max_connections leaves 197",
    )
    assert connections("--workers", "10")[0] == ATTENTION
    assert connections("--workers", "7")[0] == OK
    with administrator.reading() as connection:
        connection.execute(text(f"ALTER ROLE {roles.service.url.username} CONNECTION LIMIT 12"))
        try:
            assert connections() == (
                FAUX,
                "1 process open up to 13, the role's CONNECTION LIMIT leaves 12",
            )
        finally:
            connection.execute(text(f"ALTER ROLE {roles.service.url.username} CONNECTION LIMIT -1"))


def test_the_smallest_limit_counts() -> None:
    assert judge_room(Room(97, None, 20), 15, 1) == Constat(
        ATTENTION,
        "1 process open up to 15, the database's CONNECTION LIMIT leaves 20",
        "leave room for the servers of the next version beside these, or stop one first",
    )


@pytest.mark.only_on("postgresql")
def test_a_superuser_or_an_owner_that_serves_is_told_and_wrong_in_production(
    database: Database, roles: Two
) -> None:
    owner = roles.owner.url.username
    for one, told in (
        (database, "postgres may do everything: it is a superuser"),
        (
            roles.owner,
            f"{owner} may alter, truncate and drop acces, adresses_vues, agents and 23 more: it owns them",
        ),
    ):
        url = url_of(one)
        found = ask("--only", "rights", CYNOD_DATABASE_URL=url)["rights"]
        assert found[:2] == (ATTENTION, told)
        serious = ask("--only", "rights", CYNOD_DATABASE_URL=url, CYNOD_ENV="production")["rights"]
        assert serious[:2] == (FAUX, told)


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("grant", "told"),
    [
        ("GRANT TRUNCATE ON operations TO {}", "may truncate operations"),
        ("GRANT TRIGGER ON ecritures TO {}", "may put triggers on ecritures"),
        ("GRANT DELETE ON audit TO {}", "may delete from audit"),
        ("GRANT UPDATE (montant) ON ecritures TO {}", "may change ecritures"),
        ("GRANT CREATE ON SCHEMA public TO {}", "may create tables"),
        ("REVOKE SELECT ON sceaux FROM {}", "lacks rights over sceaux"),
        ("REVOKE INSERT ON operations FROM {}", "lacks rights over operations"),
    ],
)
def test_a_right_too_many_or_too_few_of_the_service_is_told(
    doctor: Doctor, roles: Two, grant: str, told: str
) -> None:
    service = str(roles.service.url.username)
    undo = (
        grant.replace("GRANT", "REVOKE").replace(" TO ", " FROM ")
        if grant.startswith("GRANT")
        else grant.replace("REVOKE", "GRANT").replace(" FROM ", " TO ")
    )
    with roles.owner.reading() as connection:
        connection.execute(text(grant.format(service)))
        try:
            found = doctor("rights", CYNOD_ENV="production")["rights"]
        finally:
            connection.execute(text(undo.format(service)))
    assert found == Line(
        FAUX, f"{service} {told}", "run docs/roles.sql as the owner, and serve as cynod_service"
    )
    assert doctor("rights")["rights"].etat == OK


@pytest.mark.only_on("postgresql")
def test_deadlines_and_time_that_a_pooler_drops_are_told(served: Database, tmp_path: Path) -> None:
    with _dropping_options(served, tmp_path) as url:
        found = ask("--only", "sessions", CYNOD_DATABASE_URL=url)["sessions"]
    assert (found.etat, found.constat.split("; ")) == (
        FAUX,
        [
            "sessions are in the time zone Europe/Paris: a pooler drops what they are told",
            *(
                f"{name}_timeout is 0: a pooler drops what sessions are told"
                for name in ("statement", "lock", "idle_in_transaction_session")
            ),
        ],
    )


@contextmanager
def _dropping_options(served: Database, folder: Path) -> Iterator[str]:
    """The database as it is behind a pgbouncer that ignores `options`, and has a time zone of its own."""
    need("pgbouncer")
    program, port = find_sbin("pgbouncer"), free_port()
    assert program is not None, "it is needed"
    place = f"host=127.0.0.1 port={served.url.port} dbname={served.url.database} user=postgres"
    lines = (
        "[databases]",
        f"cynod = {place} connect_query='SET timezone = ''Europe/Paris'''",
        "[pgbouncer]",
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any",
        "ignore_startup_parameters = options",
    )
    file = folder / "pgbouncer.ini"
    file.write_text("\n".join(lines), encoding="utf-8")
    account = ["-u", "nobody"] if os.geteuid() == 0 else []
    with subprocess.Popen([program, *account, str(file)], stderr=subprocess.DEVNULL) as pooler:
        wait_until(lambda: _listens(port), "pgbouncer listens")
        yield f"postgresql://postgres@127.0.0.1:{port}/cynod"
        pooler.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.only_on("sqlite")
def test_a_sqlite_file_that_is_damaged_is_told(served: Database, tmp_path: Path) -> None:
    with served.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=[], pepper=b"")
    served.close()
    assert served.file is not None
    damaged = tmp_path / "damaged.db"
    shutil.copy(served.file, damaged)
    with damaged.open("r+b") as file:
        file.seek(-20 * 4096, os.SEEK_END)  # the last pages: no schema is there
        file.write(b"\xff" * 20 * 4096)
    found = ask("--only", "durability", CYNOD_DATABASE_URL=f"sqlite:///{damaged}")["durability"]
    assert found.etat == FAUX
    assert found.constat.startswith("the file is damaged: ")
    assert found.a_faire == "stop the servers and restore the last backup"


@pytest.mark.parametrize(
    ("state", "etat", "told"),
    [
        (("memory", 2, True, ()), FAUX, "journal_mode is memory, not wal"),
        (("wal", 1, True, ()), FAUX, "synchronous is NORMAL"),
        (("wal", 2, False, ()), FAUX, "foreign_keys is off"),
        (("wal", 2, True, None), ATTENTION, "its pages were not all read within 3 s"),
        (("wal", 3, True, ()), OK, "journal_mode wal, synchronous EXTRA, every page is whole"),
    ],
)
def test_settings_of_sqlite_that_lose_what_was_acknowledged_are_told(
    state: tuple[Any, ...], etat: str, told: str
) -> None:
    found = list(judge_sqlite(SqliteState("3.53.0", *state)))
    assert (found[0].etat, found[0].constat) == (etat, told)


@pytest.mark.only_on("sqlite")
def test_a_database_that_somebody_holds_alone_is_told_in_time(served: Database) -> None:
    served.close()
    assert served.file is not None
    holder = sqlite_module().connect(served.file, isolation_level=None)
    holder.execute("PRAGMA locking_mode = EXCLUSIVE")
    holder.execute("BEGIN EXCLUSIVE")
    try:
        found = ask("--only", "database", CYNOD_DATABASE_URL=url_of(served), CYNOD_ATTENTE_S="1")
    finally:
        holder.close()
    assert found["database"].etat == FAUX
    assert found["database"].constat.endswith("cannot be used: database is locked")


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "mysql://u:mot-secret@h/d",
            "database 'mysql' is not supported; use sqlite or postgresql+psycopg",
        ),
        ("sqlite:////nowhere/cynod.db", "the database /nowhere/cynod.db does not exist"),
    ],
)
def test_an_address_that_leads_nowhere_is_told(url: str, told: str) -> None:
    found = ask(CYNOD_DATABASE_URL=url)
    assert found["database"][:2] == (FAUX, told)
    assert found["seals"].constat == "not looked at: database is wrong"
    assert "mot-secret" not in str(found)


def test_a_database_before_its_migration_is_told(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if backend == "sqlite":
        url = f"sqlite:///{tmp_path / 'empty.db'}"
        Database(url).create_file()
    else:
        url = create_database(request.getfixturevalue("postgresql_url"), "never_migrated")
    found = ask("--only", "migration", "--only", "seals", CYNOD_DATABASE_URL=url)
    told = f"the database was never migrated and this version needs {expected_revision()}"
    assert found["migration"] == Line(FAUX, told, "run `cynod migrate`")
    assert found["seals"].constat == "not looked at: migration is wrong"


def test_a_database_ahead_of_this_version_is_told(database: Database) -> None:
    ours = expected_revision()
    _change(
        database, f"UPDATE alembic_version SET version_num = '9999', compatible_depuis = '{ours}'"
    )
    found = ask("--only", "migration", CYNOD_DATABASE_URL=url_of(database))["migration"]
    told = f"the database is at migration 9999, ahead of this version ({ours}), which serves on it"
    assert found == Line(ATTENTION, told, "upgrade this server too")


# ── seals ────────────────────────────────────────────────────────────────────────────────────────
def test_seals_that_are_missing_old_or_that_differ_are_told(database: Database) -> None:
    def seals() -> Line:
        return ask("--only", "seals", CYNOD_DATABASE_URL=url_of(database))["seals"]

    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=[], pepper=b"")
    nightly = "run `cynod journal seal` each night (docs/exploitation/systemd)"
    assert seals() == Line(ATTENTION, "6 operations, and nothing is sealed", nightly)
    seal(database, clock=lambda: now() - timedelta(days=3))
    assert seals() == Line(
        OK, "sceau 1 is 3 d 0 h old, 0 operations since; it agrees with its rows", None
    )
    _change(database, "UPDATE sceaux SET jusqu_a = jusqu_a - 1 WHERE numero = 1")
    differs = seals()
    assert (differs.etat, differs.constat.partition(":")[0]) == (FAUX, "sceau 1")


def test_a_seal_of_days_ago_that_operations_followed_is_told(database: Database) -> None:
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=["cartes:debiter"], pepper=b"")
    seal(database, clock=lambda: now() - timedelta(days=3))
    with database.transaction() as connection:
        found = find_by_secret(
            connection, CONSUMER_KEY, CONSUMER_SECRET, pepper=b"", demo_allowed=True
        ).partenaire
        assert found is not None
        debiter(connection, found, Demande(HOLDER, 1, "D1"))
    seals = ask("--only", "seals", CYNOD_DATABASE_URL=url_of(database))["seals"]
    nightly = "run `cynod journal seal` each night (docs/exploitation/systemd)"
    assert seals == Line(ATTENTION, "sceau 1 is 3 d 0 h old, 1 operations since", nightly)


def test_a_seal_of_days_ago_is_told_when_operations_followed_and_a_changed_row_of_it_too(
    database: Database,
) -> None:
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=[], pepper=b"")
    seal(database, clock=lambda: now() - timedelta(days=3))
    _change(
        database,
        "UPDATE operations SET montant = montant + 1 WHERE id = (SELECT min(id) FROM operations)",
    )
    found = ask("--only", "seals", CYNOD_DATABASE_URL=url_of(database))["seals"]
    assert found.etat == FAUX
    assert re.fullmatch(r"operation id \d+: sealed by sceau 1, changed since", found.constat)


def _change(database: Database, statement: str) -> None:
    """Change what is written for good, as the owner of the tables can."""
    with database.transaction() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        else:
            for name in (
                connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'"))
                .scalars()
                .all()
            ):
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql(statement)


# ── the clock ────────────────────────────────────────────────────────────────────────────────────
def clock_of(database: Database, ahead: timedelta, **variables: str) -> Constat:
    """What the check of the clock says on a machine whose clock is wrong."""
    environ = {"CYNOD_DATABASE_URL": url_of(database), **variables}
    subject = Subject(environ=environ, clock=lambda: now() + ahead)
    return dict(diagnose(subject, ["clock", "migration", "provider"]))["clock"]


@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("ahead", "etat", "told"),
    [
        (timedelta(seconds=1), OK, r"agrees with the database; .*"),
        (timedelta(seconds=10), ATTENTION, r"(9\.9|10\.0) s ahead of the database"),
        (timedelta(hours=-1), FAUX, r"(3600\.0|3599\.9) s behind the database"),
    ],
)
def test_a_clock_that_is_not_the_databases_is_told(
    served: Database, ahead: timedelta, etat: str, told: str
) -> None:
    found = clock_of(served, ahead)
    assert found.etat == etat
    assert re.fullmatch(told, found.constat)


def test_operations_that_are_still_to_come_are_told(database: Database) -> None:
    World(database, "").carte(1000, date_solde=now())
    found = clock_of(database, timedelta(hours=-2))
    assert found.etat == FAUX
    told = r"the newest operation is of [-0-9T:]+Z, which is still to come"
    assert re.fullmatch(told, found.constat.split("; ")[-1])
    assert clock_of(database, timedelta()).etat == OK


# ── files ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.only_on("sqlite")
def test_files_that_others_may_read_or_replace_are_told(
    served: Database, doctor: Doctor, tmp_path: Path
) -> None:
    file = served.file
    assert file is not None
    assert doctor("files")["files"].etat == OK
    for mode, etat in ((0o604, FAUX), (0o640, OK), (0o600, OK)):
        file.chmod(mode)
        assert doctor("files")["files"].etat == etat, oct(mode)
    for name, mode, who in ((".env", 0o644, "everybody"), ("cynod-agents.pem", 0o640, "its group")):
        secret = tmp_path / name
        secret.write_text("secret", encoding="utf-8")
        secret.chmod(mode)
        told = f"{name} is open to {who} (mode {mode:04o})"
        assert doctor("files")["files"] == Line(FAUX, told, f"chmod 600 {name}")
        secret.unlink()
    kept = file.parent.stat().st_mode
    file.parent.chmod(0o777)
    assert doctor("files")["files"].a_faire == f"chmod o-w {file.parent}"
    file.parent.chmod(kept)
    missing = ask("--only", "files", "--file", "gone.env", CYNOD_DATABASE_URL=url_of(served))
    assert missing["files"][:2] == (FAUX, "gone.env does not exist")


@pytest.mark.only_on("sqlite")
def test_a_key_of_demonstrations_in_production_is_told(doctor: Doctor, tmp_path: Path) -> None:
    key = tmp_path / "cynod-agents.pem"
    key.touch(mode=0o600)
    found = doctor("files", CYNOD_ENV="production")["files"]
    assert found[:2] == (ATTENTION, "cynod-agents.pem is of no use in production")


@pytest.mark.only_on("postgresql")
def test_passwords_of_postgresql_that_others_may_read_are_told(
    doctor: Doctor, tmp_path: Path
) -> None:
    passwords = tmp_path / "passwords"
    passwords.touch(mode=0o644)
    passwords.chmod(0o644)
    told = f"{passwords} is open to everybody (mode 0644)"
    assert doctor("files", PGPASSFILE=str(passwords))["files"][:2] == (FAUX, told)
    passwords.chmod(0o600)
    assert doctor("files", PGPASSFILE=str(passwords))["files"].etat == OK


# ── neighbours ───────────────────────────────────────────────────────────────────────────────────
@pytest.mark.only_on("sqlite")
def test_redis_is_right_while_it_keeps_what_it_counts(doctor: Doctor, tmp_path: Path) -> None:
    with running_redis(tmp_path) as url:
        right = doctor("redis", CYNOD_REDIS_URL=url)["redis"]
        with redis.Redis.from_url(url) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
        forgets = doctor("redis", CYNOD_REDIS_URL=url)["redis"]
    away = doctor("redis", CYNOD_REDIS_URL=url.replace("redis://", "redis://u:mot-secret@"))[
        "redis"
    ]
    assert right.etat == OK
    assert re.fullmatch(r"Redis [0-9.]+ answers, maxmemory-policy noeviction", right.constat)
    assert forgets == Line(
        FAUX,
        "Redis forgets counters when its memory is full (maxmemory-policy allkeys-lru)",
        "CONFIG SET maxmemory-policy noeviction",
    )
    assert away == Line(
        FAUX,
        "Redis does not answer: ConnectionError",
        "start it, or correct CYNOD_REDIS_URL: without it nothing is limited",
    )


@pytest.mark.only_on("sqlite")
def test_processes_that_count_alone_are_told(served: Database) -> None:
    found = ask("--only", "redis", "--workers", "4", CYNOD_DATABASE_URL=url_of(served))["redis"]
    assert found == Line(ATTENTION, "each of 4 processes counts rates alone", "set CYNOD_REDIS_URL")


@pytest.mark.only_on("sqlite")
def test_the_provider_is_found_has_keys_and_our_time(served: Database, doctor: Doctor) -> None:
    from tests.support.provider import running_provider  # noqa: PLC0415 - it takes seconds

    with running_provider() as provider:
        right = doctor("provider", "clock", CYNOD_OIDC_EMETTEUR=provider.url)
        other = doctor("provider", CYNOD_OIDC_EMETTEUR=f"{provider.url}/")["provider"]
        late = clock_of(served, timedelta(minutes=-5), CYNOD_OIDC_EMETTEUR=provider.url)
    away = doctor("provider", CYNOD_OIDC_EMETTEUR=provider.url)["provider"]
    assert right["provider"] == Line(OK, f"{provider.url} publishes 1 signing key", None)
    assert right["clock"].constat.startswith("agrees with the OpenID provider; ")
    assert other[:2] == (FAUX, f"{provider.url}/: the discovery document is of another issuer")
    assert (late.etat, late.a_faire) == (FAUX, "set the clocks by NTP")
    assert re.fullmatch(r"(299|300)\.\d s behind the OpenID provider", late.constat)
    assert away.etat == FAUX
    assert away.constat.endswith("ConnectError")


# ── bounds ───────────────────────────────────────────────────────────────────────────────────────
@contextmanager
def silent() -> Iterator[int]:
    """A port that takes connections and answers none."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield listener.getsockname()[1]


def test_a_check_that_does_not_end_is_left() -> None:
    ended = threading.Event()

    def wait(_subject: Subject) -> Iterator[Constat]:
        ended.wait(CALL_S)
        yield Constat(OK, "late")

    try:
        assert look(wait, Subject(), 0.05) == Constat(
            FAUX, "no answer within 0 s", "find out what does not answer"
        )
    finally:
        ended.set()


def test_what_never_answers_is_told_within_seconds_without_its_password() -> None:
    with silent() as port:
        began = time.monotonic()
        found = ask(
            CYNOD_DATABASE_URL=f"postgresql://cynod:mot-secret@127.0.0.1:{port}/cynod?sslmode=disable",
            CYNOD_REDIS_URL=f"redis://:mot-secret@127.0.0.1:{port}/0",
            CYNOD_OIDC_EMETTEUR=f"http://127.0.0.1:{port}",
        )
        took = time.monotonic() - began
    assert {name for name, one in found.items() if one.etat == FAUX} == {
        "database",
        "redis",
        "provider",
    }
    assert "mot-secret" not in str(found)
    assert took < SOON_S


# ── serve --check ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.only_on("sqlite")
def test_serve_refuses_to_start_with_the_lines_of_what_is_wrong(
    served: Database, tmp_path: Path
) -> None:
    url, proxies = url_of(served), "0.0.0.0/0"
    done, told = (
        run_cynod(*command, folder=tmp_path, CYNOD_DATABASE_URL=url, CYNOD_PROXIES=proxies)
        for command in (("serve", "--check"), ("doctor",))
    )
    assert (done.returncode, done.stdout, told.returncode) == (1, "", 1)
    *lines, refused = done.stderr.splitlines()
    assert [_plain(line) for line in lines] == [_plain(line) for line in told.stdout.splitlines()]
    assert refused == "cynod: not started: 1 check found something wrong: proxies."


def test_serve_starts_when_nothing_is_wrong_and_says_what_it_looked_at(
    served: Database, tmp_path: Path
) -> None:
    with serve("--check", folder=tmp_path, CYNOD_DATABASE_URL=url_of(served)) as server:
        lines = server.log.splitlines()[: len(CONTROLES)]
        assert server.stop() == 0
    assert [line.split()[:2] for line in lines] == [[OK, name] for name in CONTROLES]


def test_serve_looks_at_no_demo() -> None:
    done = CliRunner().invoke(cli, ["serve", "--check", "--demo"])
    assert done.exit_code == 2
    assert "--check looks at an installation, which --demo only makes." in done.stderr
