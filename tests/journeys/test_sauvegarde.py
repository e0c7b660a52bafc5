"""docs/exploitation/sauvegarde.md, command by command: a minute of PostgreSQL, a file of SQLite."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError

from models import migrate
from models.books.demo import seed_demo
from models.database.engine import Database
from models.mouvement import CarteDesignee, Demande, crediter
from models.operation import operations
from models.secret import find_by_secret
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import ROOT
from tests.support.machine import find_binaries
from tests.support.needs import lack, need
from tests.support.patience import PROGRAM_S
from tests.support.postgresql import PostgresqlServer
from tests.support.process import run_cynod

PAGE = (ROOT / "docs" / "exploitation" / "sauvegarde.md").read_text(encoding="utf-8")
DATA, BACKUPS, LOGS = "/var/lib/postgresql/15/main", "/var/backups/cynod", "/var/log"
DAY, INSTANT = "2026-11-28", "2026-11-28 10:42:00+00"
CARTE = CarteDesignee("7019800100009569", "221771234567", "CLI-0001")


def blocks(title: str, language: str = "sh") -> list[str]:
    """What stands in the fences of a language under a title."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", section, re.S | re.M)
    assert found, f"the page has no {language} under {title}"
    return [re.sub(rf"^{indent}", "", body, flags=re.M) for indent, body in found]


@dataclass
class Bench:
    """Where the page is played: its folders are ours, and so is its database."""

    folder: Path
    url: str
    changes: dict[str, str]
    database: Database = field(init=False)
    said: list[subprocess.CompletedProcess[str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = Database(self.url)

    def credit(self, reference: str) -> None:
        """One operation, acknowledged."""
        with self.database.reading() as connection:
            found = find_by_secret(
                connection, "demo-partenaire", "demo-secret", pepper=b"", demo_allowed=True
            ).partenaire
        assert found is not None
        with self.database.transaction() as connection:
            crediter(connection, found, Demande(CARTE, 1, reference))

    def seed(self) -> None:
        """The demo."""
        migrate.upgrade(self.database)
        with self.database.transaction() as connection:
            seed_demo(connection, TESTEUR, scopes=[], pepper=b"")

    def references(self) -> set[str]:
        """Those of all operations that a partner has asked for since."""
        with self.database.reading() as connection:
            found = connection.scalars(select(operations.c.reference))
            return {one for one in found if one is not None and one.startswith("PITR-")}

    def mine(self, block: str) -> str:
        """The block with the folders of this bench."""
        for old, new in self.changes.items():
            block = block.replace(old, new)
        return block

    def cynod(self, line: str) -> subprocess.CompletedProcess[str]:
        """A line `cynod … [>> FILE]` as an operator runs it."""
        command, _, file = line.partition(" >> ")
        arguments = shlex.split(command)[1:]
        done = run_cynod(*arguments, folder=self.folder, CYNOD_DATABASE_URL=self.url)
        if file:
            with Path(file).open("a", encoding="utf-8") as log:
                log.write(done.stdout)
        self.said.append(done)
        return done

    def play(self, block: str) -> list[subprocess.CompletedProcess[str]]:
        """Each line of a block that is cynod's; the others by the shell."""
        done = []
        for line in self.mine(block).splitlines():
            if line.startswith("cynod "):
                done.append(self.cynod(line))
            else:
                subprocess.run(["bash", "-ec", line], check=True, timeout=PROGRAM_S)
        return done

    def seal(self) -> str:
        """A seal of now, whose line is kept; the line."""
        return self.cynod(f"cynod journal seal >> {self.changes[LOGS]}/cynod-seals.log").stdout


def codes(done: list[subprocess.CompletedProcess[str]]) -> list[int]:
    """How they ended."""
    return [one.returncode for one in done]


# ── SQLite ───────────────────────────────────────────────────────────────────────────────────────
def test_sqlite_is_backed_up_and_restored_by_the_page(tmp_path: Path) -> None:
    bench = Bench(
        tmp_path,
        f"sqlite:///{tmp_path / 'cynod.db'}",
        {BACKUPS: str(tmp_path / "backups"), LOGS: str(tmp_path)},
    )
    (tmp_path / "backups").mkdir()
    bench.seed()
    bench.credit("PITR-1")
    bench.seal()
    backup, restore = blocks("SQLite")
    assert codes(bench.play(backup)) == [0]
    bench.database.close()
    for file in tmp_path.glob("cynod.db*"):
        file.unlink()
    done = bench.play(restore)
    assert codes(done) == [0, 0, 0, 0]
    assert "nothing differs" in done[2].stdout
    assert bench.references() == {"PITR-1"}
    bench.database.close()


# ── PostgreSQL ───────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def programs() -> Path:
    """Those of PostgreSQL."""
    need("postgresql")
    found = find_binaries()
    if found is None or not (found / "pg_verifybackup").exists():
        lack("pg_basebackup and pg_verifybackup are not installed")
    assert found is not None
    return found


@pytest.fixture
def archived(programs: Path) -> Iterator[tuple[PostgresqlServer, Path, dict[str, str]]]:
    """A server that archives as the page says, the folder of its backups, and its settings."""
    server = PostgresqlServer(programs)
    backups = server.data_directory.parent / "backups"
    try:
        (backups / "wal").mkdir(parents=True)
        for folder in (backups, backups / "wal"):
            os.chown(folder, *_owner(server.data_directory))
        (ini,) = blocks("PostgreSQL : archiver", "ini")
        settings = dict(re.findall(r"^(\w+) = '?(.*?)'?$", ini, re.M))
        settings = {k: v.replace(BACKUPS, str(backups)) for k, v in settings.items()}
        server.start(**settings)
        yield server, backups, settings
    finally:
        server.destroy()


def _owner(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_uid, found.st_gid


def _as_postgres(server: PostgresqlServer, programs: Path, commands: str) -> None:
    """Commands on the machine of the database, by the account that it runs as."""
    user, group = _owner(server.data_directory)
    account = {} if user == os.geteuid() else {"user": user, "group": group, "extra_groups": []}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        env={
            "PATH": f"{programs}:/usr/bin:/bin",
            "PGHOST": "127.0.0.1",
            "PGPORT": str(server.port),
            "PGUSER": "postgres",
        },
        cwd=server.data_directory.parent,
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
        **account,  # type: ignore[call-overload]
    )
    assert done.returncode == 0, done.stderr


def _play_on_machine(
    server: PostgresqlServer, programs: Path, commands: str, settings: dict[str, str]
) -> None:
    """The same, where the page stops and starts PostgreSQL."""
    for part in re.split(r"^(systemctl \w+ postgresql)\n", commands, flags=re.M):
        if part == "systemctl stop postgresql":
            server.stop()
        elif part == "systemctl start postgresql":
            server.start(**settings)
        elif part.strip():
            _as_postgres(server, programs, part)


def _wait_promoted(server: PostgresqlServer, database: Database) -> None:
    """Until the recovery has ended, at the instant that was asked for."""
    deadline = time.monotonic() + PROGRAM_S
    while True:
        assert server.is_running, server.log_file.read_text()
        assert time.monotonic() < deadline, server.log_file.read_text()
        try:
            with database.reading() as connection:
                if not connection.scalar(text("SELECT pg_is_in_recovery()")):
                    return
        except OperationalError:
            pass  # it takes no connections yet
        time.sleep(0.02)


def test_postgresql_is_restored_to_a_minute_and_its_seals_tell_the_truth(
    programs: Path,
    archived: tuple[PostgresqlServer, Path, dict[str, str]],
    tmp_path: Path,
) -> None:
    server, backups, settings = archived
    changes = {DATA: str(server.data_directory), BACKUPS: str(backups), LOGS: str(tmp_path)}
    bench = Bench(tmp_path, server.url, changes)
    bench.seed()
    bench.seal()
    (nightly,) = blocks("PostgreSQL : archiver")
    _as_postgres(server, programs, bench.mine(nightly))
    bench.credit("PITR-BEFORE")
    second = bench.seal()
    instant = datetime.now(UTC).isoformat(sep=" ")
    bench.credit("PITR-AFTER")
    third = bench.seal()
    assert "sceau 3" in third
    bench.database.close()

    there, look, again = blocks("PostgreSQL : revenir à une minute")
    bench.changes |= {INSTANT: instant, f"base-{DAY}": f"base-{instant[:10]}"}
    _play_on_machine(server, programs, bench.mine(there), settings)
    _wait_promoted(server, bench.database)
    assert bench.references() == {"PITR-BEFORE"}

    migrated, verified, audited = bench.play(look)
    assert codes([migrated, verified, audited]) == [0, 1, 0]
    head = third.rpartition(" head ")[2].removesuffix(".\n")
    told = (
        f"head {head} was kept, and no sceau has it now: the chain ends before it, at sceau 2, as where the"
        " last ones were removed, or where the database was restored to a point before it"
    )
    rule = "Not so: the sceaux have the heads that were kept elsewhere"
    assert verified.stdout.splitlines() == [rule, f"  sceau 3: {told}"]
    kept = second.rpartition(" head ")[2].removesuffix(".\n")
    proved = bench.cynod(f"cynod journal verify --head {kept}")
    assert (proved.returncode, f"up to sceau 2, head {kept};" in proved.stdout) == (0, True)

    sealed, closed = bench.play(again)
    assert codes([sealed, closed]) == [0, 0]
    assert f"{tmp_path}/cynod-seals.avant-restauration.log" in {str(p) for p in tmp_path.iterdir()}
    bench.credit("PITR-AFTER")  # what a partner sends again happens once
    assert bench.references() == {"PITR-BEFORE", "PITR-AFTER"}
    bench.database.close()
