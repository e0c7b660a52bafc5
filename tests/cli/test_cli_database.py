"""`cynod backup` and `cynod restore`: nothing that was answered before a backup is missing from it."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from handlers.cli.root import cli
from models import migrate
from models.books.demo import seed_demo
from models.database.backup import BackupError, back_up
from models.database.engine import Database
from models.mouvement import CarteDesignee, Demande, crediter
from models.operation import operations
from models.partenaire import Partenaire
from models.secret import find_by_secret
from tests.support.acteurs import TESTEUR
from tests.support.machine import find_binaries
from tests.support.needs import lack
from tests.support.patience import CALL_S
from tests.support.postgresql import create_database
from tests.support.process import run_cynod, serve

CARTE = CarteDesignee("7019800100009569", "221771234567", "CLI-0001")

Cynod = Callable[..., Result]


def _url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


@pytest.fixture
def demo(database: Database) -> Database:
    """A database with the demo in it."""
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=[], pepper=b"")
    return database


@pytest.fixture
def cynod(demo: Database) -> Cynod:
    """Run a command on the demo's database."""

    def run(*arguments: object, url: str = _url(demo)) -> Result:
        runner = CliRunner(env={"CYNOD_DATABASE_URL": url})
        return runner.invoke(cli, [str(one) for one in arguments], prog_name="cynod")

    return run


def _answer(result: Result) -> tuple[int, str, str]:
    return result.exit_code, result.stdout, result.stderr


def _partenaire(database: Database) -> Partenaire:
    with database.reading() as connection:
        found = find_by_secret(
            connection, "demo-partenaire", "demo-secret", pepper=b"", demo_allowed=True
        ).partenaire
    assert found is not None
    return found


@contextmanager
def _load(database: Database) -> Iterator[list[str]]:
    """Credits by two writers until the block ends: the references that were acknowledged so far."""
    partenaire = _partenaire(database)
    acknowledged: list[str] = []
    ended = threading.Event()
    begun = threading.Barrier(3)

    def credit(writer: int) -> None:
        number = 0
        while not ended.is_set():
            reference = f"W{writer}-{number}"
            with database.transaction() as connection:
                crediter(connection, partenaire, Demande(CARTE, 1, reference))
            acknowledged.append(reference)
            number += 1
            if number == 20:
                begun.wait(CALL_S)

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(credit, writer) for writer in range(2)]
        try:
            begun.wait(CALL_S)
            yield acknowledged
        finally:
            ended.set()
        for writer in writers:
            writer.result(CALL_S)


def _references(url: str) -> set[str]:
    database = Database(url)
    with database.reading() as connection:
        found = set(connection.scalars(select(operations.c.reference)))
    database.close()
    return found


def _keep(folder: Path, sealed: str) -> Path:
    """A log of what `cynod journal seal` printed."""
    log = folder / "seals.log"
    log.write_text(sealed, encoding="utf-8")
    return log


def _assert_sealed(verified: str, sealed: str) -> None:
    """Verify found nothing, and the seal of the demo with the head that was printed when it was made."""
    head = sealed.rpartition(" head ")[2].removesuffix(".\n")
    told = f"nothing differs. Sealed: 6 operations, 6 ecritures up to sceau 1, head {head}; "
    assert told in verified
    assert verified.count("\n") == 1


@pytest.mark.only_on("sqlite")
def test_backup_under_load_holds_all_that_was_acknowledged_and_its_books_are_whole(
    demo: Database, tmp_path: Path
) -> None:
    copy, url = tmp_path / "backup.db", f"sqlite:///{tmp_path / 'restored.db'}"
    sealed = run_cynod("journal", "seal", folder=tmp_path, CYNOD_DATABASE_URL=_url(demo)).stdout
    log = _keep(tmp_path, sealed)
    with _load(demo) as acknowledged:
        before = set(acknowledged)
        done = run_cynod("backup", str(copy), folder=tmp_path, CYNOD_DATABASE_URL=_url(demo))
        meanwhile = set(acknowledged) - before
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"The backup is in {copy}: ")
    assert meanwhile, "the writers went on while the backup was made"
    restored = run_cynod("restore", str(copy), folder=tmp_path, CYNOD_DATABASE_URL=url)
    assert (restored.returncode, restored.stderr) == (0, "")
    assert len(before) >= 40
    assert before <= _references(url)
    verify = ("journal", "verify", "--heads", str(log))
    verified = run_cynod(*verify, folder=tmp_path, CYNOD_DATABASE_URL=url)
    assert (verified.returncode, verified.stderr) == (0, "")
    _assert_sealed(verified.stdout, sealed)


@pytest.mark.only_on("postgresql")
def test_pg_dump_under_load_as_it_is_told_holds_all_that_was_acknowledged(
    demo: Database, cynod: Cynod, postgresql_url: str, tmp_path: Path
) -> None:
    programs = find_binaries()
    if programs is None or not (programs / "pg_dump").exists():
        lack("pg_dump and pg_restore are not installed")
    dump = tmp_path / "a dump"
    told = "cynod: PostgreSQL has its own program for this, which asks for the password itself: "
    path = f"{programs}{os.pathsep}{os.environ['PATH']}"

    def play(result: Result) -> None:
        assert (result.exit_code, result.stdout) == (1, "")
        command = result.stderr.removeprefix(told)
        assert command != result.stderr
        subprocess.run(shlex.split(command), env={**os.environ, "PATH": path}, check=True)

    url = create_database(postgresql_url, f"restored_{os.urandom(6).hex()}", template="template0")
    sealed = cynod("journal", "seal").stdout
    log = _keep(tmp_path, sealed)
    with _load(demo) as acknowledged:
        before = set(acknowledged)
        play(cynod("backup", dump))
    play(cynod("restore", dump, url=url))
    assert len(before) >= 40
    assert before <= _references(url)
    verified = cynod("journal", "verify", "--heads", log, url=url)
    assert (verified.exit_code, verified.stderr) == (0, "")
    _assert_sealed(verified.stdout, sealed)


@pytest.mark.only_on("sqlite")
def test_backup_of_a_served_database_is_served_as_it_was(tmp_path: Path) -> None:
    with serve("--demo", folder=tmp_path):
        assert run_cynod("backup", "copy.db", folder=tmp_path).returncode == 0
    url = f"sqlite:///{tmp_path / 'copy.db'}"
    with serve(folder=tmp_path, CYNOD_DATABASE_URL=url) as server:
        assert server.stop() == 0


@pytest.mark.only_on("sqlite")
def test_backup_is_one_file_of_its_owners_whatever_the_umask(cynod: Cynod, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    folder.mkdir()
    before = os.umask(0)
    try:
        result = cynod("backup", folder / "b.db", "--json")
        again = cynod("restore", folder / "b.db", "--json", url=f"sqlite:///{folder / 'c.db'}")
    finally:
        os.umask(before)
    size = (folder / "b.db").stat().st_size
    held = {"bytes": size, "operations": 6, "revision": migrate.expected_revision()}
    told = {"file": str(folder / "b.db"), **held, "current": True}
    assert (result.exit_code, json.loads(result.stdout)) == (0, told)
    assert (again.exit_code, json.loads(again.stdout)) == (0, told)
    modes = {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}
    assert modes == {"b.db": 0o600, "c.db": 0o600}


@pytest.mark.only_on("sqlite")
def test_backup_and_restore_replace_nothing(cynod: Cynod, demo: Database, tmp_path: Path) -> None:
    assert cynod("backup", tmp_path / "b.db").exit_code == 0
    link, other = tmp_path / "link.db", tmp_path / "other.db"
    link.symlink_to(tmp_path / "nowhere.db")
    for target in (tmp_path / "b.db", link, tmp_path):
        told = f"cynod: {target} exists already, and is never replaced.\n"
        assert _answer(cynod("backup", target)) == (1, "", told)
    told = f"cynod: {demo.file} exists already, and is never replaced.\n"
    assert _answer(cynod("restore", tmp_path / "b.db")) == (1, "", told)
    (tmp_path / "other.db-wal").write_bytes(b"")
    told = f"cynod: {other}-wal is left of another database, and would spoil this one.\n"
    assert _answer(cynod("restore", tmp_path / "b.db", url=f"sqlite:///{other}")) == (1, "", told)
    assert not list(tmp_path.glob(".*"))
    assert not other.exists()


@pytest.mark.only_on("sqlite")
def test_what_cannot_be_backed_up_or_restored_is_named(cynod: Cynod, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new.db'}"
    absent = cynod("backup", tmp_path / "b.db", url=url)
    assert absent.exit_code == 1
    assert f"the database {tmp_path / 'new.db'} does not exist" in absent.stderr
    nowhere = tmp_path / "no" / "b.db"
    told = f"cynod: {nowhere}: No such file or directory.\n"
    assert _answer(cynod("backup", nowhere)) == (1, "", told)
    assert _answer(cynod("restore", nowhere, url=url)) == (1, "", told)
    text = tmp_path / "text.db"
    text.write_text("not a database", encoding="utf-8")
    told = "cynod: the copy failed: file is not a database.\n"
    assert _answer(cynod("restore", text, url=url)) == (1, "", told)
    text.write_bytes(b"")
    told = f"cynod: {text} is no database of this program.\n"
    assert _answer(cynod("restore", text, url=url)) == (1, "", told)
    assert not (tmp_path / "new.db").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.only_on("sqlite")
def test_a_copy_with_a_damaged_page_is_no_backup(cynod: Cynod, tmp_path: Path) -> None:
    copy = tmp_path / "b.db"
    assert cynod("backup", copy).exit_code == 0
    with copy.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(4096))
    result = cynod("restore", copy, url=f"sqlite:///{tmp_path / 'new.db'}")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("cynod: the copy")
    assert not (tmp_path / "new.db").exists()
    assert not list(tmp_path.glob(".*"))


@pytest.mark.only_on("sqlite")
def test_a_backup_of_an_older_version_is_restored_and_told_to_migrate(
    cynod: Cynod, tmp_path: Path
) -> None:
    old = Database(f"sqlite:///{tmp_path / 'old.db'}")
    migrate.upgrade(old, "0001")
    old.close()
    result = cynod("backup", tmp_path / "b.db", url=f"sqlite:///{tmp_path / 'old.db'}")
    size = (tmp_path / "b.db").stat().st_size
    assert _answer(result) == (
        0,
        (
            f"The backup is in {tmp_path / 'b.db'}: 0 operations, {size} bytes, checked.\n"
            "It is at migration 0001; run `cynod migrate` before it is served.\n"
        ),
        "",
    )


@pytest.mark.only_on("sqlite")
def test_a_backup_that_is_interrupted_leaves_nothing(demo: Database, tmp_path: Path) -> None:
    def stop(_done: int, _total: int) -> None:
        raise KeyboardInterrupt

    folder = tmp_path / "backups"
    folder.mkdir()
    with pytest.raises(KeyboardInterrupt):
        back_up(demo, folder / "b.db", stop)
    assert not list(folder.iterdir())
    assert not list(tmp_path.glob(".*"))
    with demo.transaction() as connection:
        crediter(connection, _partenaire(demo), Demande(CARTE, 1, "AFTER"))


@pytest.mark.only_on("sqlite")
def test_two_backups_to_one_file_at_once_are_one_and_a_refusal(
    demo: Database, tmp_path: Path
) -> None:
    taken = tmp_path / "b.db"

    def take(_done: int, _total: int) -> None:
        taken.write_bytes(b"the other's")

    with pytest.raises(BackupError, match="never replaced"):
        back_up(demo, taken, take)
    assert taken.read_bytes() == b"the other's"


@pytest.mark.only_on("postgresql")
def test_the_commands_told_for_postgresql_show_no_password(tmp_path: Path) -> None:
    url = "postgresql+psycopg://cynod:tres-secret@db.example:5433/cynod?password=autre-secret"
    done = run_cynod("backup", "b.dump", folder=tmp_path, CYNOD_DATABASE_URL=url)
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        (
            "cynod: PostgreSQL has its own program for this, which asks for the password itself:"
            " pg_dump --format=custom --file=b.dump postgresql://cynod@db.example:5433/cynod\n"
        ),
    )
