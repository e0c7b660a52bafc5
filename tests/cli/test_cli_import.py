"""`cynod import` as an operator meets it: files that cannot be written, interruptions, what it tells."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from handlers.cli.root import cli
from models.books.importation import import_cartes
from models.books.rows import COLUMNS, UNTERMINATED
from models.carte import cartes
from models.database.engine import Database
from models.database.failures import CommitUnknownError
from models.membre import membres
from tests.support.patience import CALL_S
from tests.support.process import finish, start_cynod

HEADER = ",".join(COLUMNS)
SOLDE = "it must be an integer of francs from 0 to 9007199254740991"

Cynod = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]


def _url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


@pytest.fixture
def cynod(database: Database) -> Cynod:
    """Run a command on the test's database, in this process."""

    def run(*arguments: Any) -> Result:
        runner = CliRunner(env={"CYNOD_DATABASE_URL": _url(database)})
        return runner.invoke(cli, [str(one) for one in arguments], prog_name="cynod")

    return run


@pytest.fixture
def process(database: Database, tmp_path: Path) -> Process:
    """Run a command on the test's database, in a process with pipes and devices of its own."""

    def run(
        *arguments: Any, given: str | None = None, stdout: int = subprocess.PIPE
    ) -> subprocess.CompletedProcess[str]:
        stdin = subprocess.DEVNULL if given is None else subprocess.PIPE
        started = start_cynod(
            *(str(one) for one in arguments),
            folder=tmp_path,
            streams=(stdin, stdout, subprocess.PIPE),
            CYNOD_DATABASE_URL=_url(database),
        )
        return finish(started, given)

    return run


def _row(number: int, solde: str = "5000", telephone: str | None = None) -> str:
    return (
        f"CLI-0001,Société,M{number},Ndiaye,Fatou,,{telephone or f'22177{number:07d}'},,,"
        f"7019800{number:09d},18/07/2029,ACTIVE,{solde}"
    )


def _write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return path


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A file with a good and a bad row."""
    return _write(tmp_path / "cards.csv", _row(1), _row(2, solde="?"))


REJECTS = [
    [*COLUMNS, "ligne", "colonne", "motif"],
    [*_row(2, solde="?").split(","), "3", "solde", SOLDE],
]


def _count(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(cartes)).scalar_one()


def _hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


# ── the file of rejects ──────────────────────────────────────────────────────────────────────────
def test_rejects_on_a_full_disk_leave_nothing_imported(
    process: Process, database: Database, mixed: Path
) -> None:
    done = process("import", mixed, "--skip-bad", "/dev/full")
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        "cynod: /dev/full: No space left on device. Nothing was imported.\n",
    )
    assert _count(database) == 0
    assert Path("/dev/full").is_char_device()


@pytest.mark.parametrize("full", ["write", "name"])
def test_rejects_that_the_disk_cannot_keep_leave_nothing_imported(
    cynod: Cynod,
    database: Database,
    mixed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    full: str,
) -> None:
    """As /dev/full, on a file system: no test may fill the disk of whoever runs it."""

    def fail(*_arguments: Any, **_more: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    rejects = tmp_path / "rejects.csv"
    rejects.write_text("kept", encoding="utf-8")
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync" if full == "write" else "link", fail)
        result = cynod("import", mixed, "--skip-bad", rejects)
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        f"cynod: {rejects}: No space left on device. Nothing was imported.\n",
    )
    assert _count(database) == 0
    assert rejects.read_text(encoding="utf-8") == "kept"
    assert _hidden(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "told"),
    [("", "Is a directory"), ("no/rejects.csv", "No such file or directory")],
)
def test_rejects_that_cannot_be_a_file_leave_nothing_imported(
    cynod: Cynod, database: Database, mixed: Path, tmp_path: Path, name: str, told: str
) -> None:
    rejects = tmp_path / name
    result = cynod("import", mixed, "--skip-bad", rejects)
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        f"cynod: {rejects}: {told}.\n",
    )
    assert _count(database) == 0
    assert _hidden(tmp_path) == []


def test_rejects_may_not_be_the_source_by_any_name(
    cynod: Cynod, database: Database, mixed: Path, tmp_path: Path
) -> None:
    content = mixed.read_bytes()
    link, hard = tmp_path / "link.csv", tmp_path / "hard.csv"
    link.symlink_to(mixed)
    hard.hardlink_to(mixed)
    for rejects in (mixed, link, hard):
        result = cynod("import", mixed, "--skip-bad", rejects)
        assert (result.exit_code, result.stderr) == (
            1,
            "cynod: REJECTS.csv must be another file than FILE.csv.\n",
        )
    assert mixed.read_bytes() == content
    assert _count(database) == 0


@pytest.mark.parametrize("name", ["/dev/stdout", "-", "link"])
@pytest.mark.parametrize("to_file", [False, True])
def test_rejects_go_through_standard_output_and_the_summary_beside_it(
    process: Process, database: Database, mixed: Path, tmp_path: Path, name: str, *, to_file: bool
) -> None:
    if name == "link":
        name = str(tmp_path / "link")
        Path(name).symlink_to("/dev/stdout")
    if to_file:
        with (tmp_path / "out").open("w") as out:
            out.write("before\n")
            out.flush()
            done = process("import", mixed, "--skip-bad", name, stdout=out.fileno())
        before, _, text = (tmp_path / "out").read_text().partition("\n")
        assert before == "before"
    else:
        done = process("import", mixed, "--skip-bad", name)
        text = done.stdout
    assert done.returncode == 0
    assert list(csv.reader(text.splitlines())) == REJECTS
    assert done.stderr.splitlines()[0] == (
        "1 new, 0 unchanged, 1 rejected; 1 new client, 1 new membre."
    )
    assert _count(database) == 1
    assert Path("/dev/stdout").is_symlink()


def test_rejects_go_through_a_fifo_and_a_link_stays_one(
    process: Process, mixed: Path, tmp_path: Path
) -> None:
    fifo, target, link = tmp_path / "fifo", tmp_path / "target.csv", tmp_path / "link.csv"
    os.mkfifo(fifo)
    link.symlink_to(target)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(fifo.read_text(encoding="utf-8")))
    reader.start()
    assert process("import", mixed, "--skip-bad", fifo).returncode == 0
    reader.join(CALL_S)
    assert fifo.is_fifo()
    assert list(csv.reader(read[0].splitlines())) == REJECTS
    assert process("import", mixed, "--skip-bad", link).returncode == 0
    assert link.is_symlink()
    assert list(csv.reader(target.read_text(encoding="utf-8").splitlines())) == REJECTS
    assert target.stat().st_mode & 0o777 == 0o600


def test_rejects_into_a_pipe_that_nobody_reads_leave_nothing_imported(
    process: Process, database: Database, mixed: Path
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = process("import", mixed, "--skip-bad", "-", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "cynod: -: Broken pipe. Nothing was imported.\n")
    assert _count(database) == 0


def test_rejects_are_kept_and_named_when_their_place_is_taken_meanwhile(
    cynod: Cynod, database: Database, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rejects = tmp_path / "rejects.csv"
    imported = import_cartes

    def import_then_take(*arguments: Any, **more: Any) -> Any:
        summary = imported(*arguments, **more)
        rejects.mkdir()
        return summary

    monkeypatch.setattr("handlers.cli.importation.import_cartes", import_then_take)
    result = cynod("import", mixed, "--skip-bad", rejects)
    assert result.exit_code == 0
    told = result.stdout.splitlines()[-1]
    kept = Path(told.removeprefix("The rejected rows are in ").removesuffix("."))
    assert kept.parent == tmp_path
    assert list(csv.reader(kept.read_text(encoding="utf-8").splitlines())) == REJECTS
    assert _count(database) == 1


def test_rejects_are_kept_when_nobody_knows_whether_the_import_was_committed(
    cynod: Cynod, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = import_cartes

    def import_then_lose(*arguments: Any, **more: Any) -> Any:
        imported(*arguments, **more)
        raise CommitUnknownError

    monkeypatch.setattr("handlers.cli.importation.import_cartes", import_then_lose)
    rejects = tmp_path / "rejects.csv"
    result = cynod("import", mixed, "--skip-bad", rejects)
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        (
            "cynod: the connection to the database broke at the very end: all was imported, or"
            " nothing. Import the file again: what is there is left as it is. The rejected rows are"
            f" in {rejects}.\n"
        ),
    )
    assert list(csv.reader(rejects.read_text(encoding="utf-8").splitlines())) == REJECTS


# ── interruptions ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)],
    ids=["ctrl-c", "sigterm", "kill"],
)
def test_an_import_that_is_interrupted_leaves_nothing_and_says_so(
    database: Database, mixed: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with database.transaction() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(80596408685140)")
        started = start_cynod(
            *("import", str(mixed), "--skip-bad", "rejects.csv"),
            folder=tmp_path,
            CYNOD_DATABASE_URL=_url(database),
        )
        assert started.stderr is not None
        assert "waiting for it to end" in started.stderr.readline()
        started.send_signal(number)
        out, rest = started.communicate(timeout=CALL_S)
    told = "" if number == signal.SIGKILL else "cynod: interrupted: nothing was imported.\n"
    assert (started.returncode, out, rest) == (code, "", told)
    assert [path.name for path in tmp_path.glob("*rejects*")] == []
    assert _hidden(tmp_path) == []
    assert _count(database) == 0


# ── the source ───────────────────────────────────────────────────────────────────────────────────
def test_standard_input_is_a_source(process: Process, database: Database) -> None:
    done = process("import", "-", given=f"{HEADER}\n{_row(1)}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("1 new, 0 unchanged; 1 new client, 1 new membre.\n")
    assert _count(database) == 1


def test_a_cut_file_is_refused_and_the_option_that_takes_it_is_named(
    cynod: Cynod, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "cards.csv"
    file.write_text(f"{HEADER}\n{_row(1)}\n{_row(2, solde='500')}", encoding="utf-8")
    result = cynod("import", file)
    told = f"cynod: {file}, line 3: {UNTERMINATED}. Nothing was imported.\n"
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", told)
    assert "--last-row-unterminated" in told
    assert _count(database) == 0
    assert cynod("import", file, "--last-row-unterminated").exit_code == 0
    assert _count(database) == 2
    whole = _write(tmp_path / "whole.csv", _row(1), _row(2, solde="50000"))
    result = cynod("import", whole)
    assert (result.exit_code, result.stderr) == (
        1,
        (
            f"cynod: {whole}, line 3, column solde: the card is already known, opened with 500, not"
            " with 50000. Nothing was imported.\n"
        ),
    )


def test_a_file_that_grows_while_it_is_read_is_refused(
    cynod: Cynod, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = _write(tmp_path / "cards.csv", _row(1))
    size = file.stat().st_size
    imported = import_cartes

    def grow_then_import(*arguments: Any, **more: Any) -> Any:
        with file.open("a", encoding="utf-8") as more_rows:
            more_rows.write(f"{_row(2)}\n")
        return imported(*arguments, **more)

    monkeypatch.setattr("handlers.cli.importation.import_cartes", grow_then_import)
    result = cynod("import", file)
    assert (result.exit_code, result.stdout, result.stderr) == (
        1,
        "",
        (
            f"cynod: {file} is still being written: it had {size} bytes, now"
            f" {file.stat().st_size}. Nothing was imported.\n"
        ),
    )
    assert _count(database) == 0


# ── what is told ─────────────────────────────────────────────────────────────────────────────────
def test_all_bad_rows_are_told_at_most_twenty_with_their_number(
    cynod: Cynod, tmp_path: Path
) -> None:
    file = _write(tmp_path / "cards.csv", _row(1), *(_row(n, solde="?") for n in range(2, 24)))
    result = cynod("import", file)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        *(f"{file}, line {n}, column solde: {SOLDE}." for n in range(3, 23)),
        f"cynod: {file}, 22 bad rows, of which the first 20 are told. Nothing was imported.",
    ]


def test_a_dry_run_tells_all_and_changes_nothing(
    cynod: Cynod, database: Database, mixed: Path, tmp_path: Path
) -> None:
    rejects = tmp_path / "rejects.csv"
    result = cynod("import", mixed, "--dry-run", "--skip-bad", rejects)
    assert result.exit_code == 0
    assert result.stdout.splitlines()[0] == (
        "Nothing was changed; an import would give: 1 new, 0 unchanged, 1 rejected; 1 new client,"
        " 1 new membre."
    )
    assert list(csv.reader(rejects.read_text(encoding="utf-8").splitlines())) == REJECTS
    assert cynod("import", mixed, "--dry-run").exit_code == 1
    assert _count(database) == 0


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_file_without_a_good_row_exits_with_1(
    cynod: Cynod, tmp_path: Path, options: tuple[str, ...]
) -> None:
    file, rejects = _write(tmp_path / "cards.csv", _row(1, solde="?")), tmp_path / "rejects.csv"
    result = cynod("import", file, "--skip-bad", rejects, *options)
    told = "cynod: every row was rejected; nothing was imported.\n"
    assert (result.exit_code, result.stderr) == (1, told)
    assert len(rejects.read_text(encoding="utf-8").splitlines()) == 2
    if options:
        assert json.loads(result.stdout)["imported"] is False


def test_a_header_alone_is_no_failure(cynod: Cynod, tmp_path: Path) -> None:
    result = cynod("import", _write(tmp_path / "cards.csv"), "--json")
    assert (result.exit_code, json.loads(result.stdout)["imported"]) == (0, True)


def test_json_tells_what_was_imported(cynod: Cynod, mixed: Path, tmp_path: Path) -> None:
    rejects = tmp_path / "rejects.csv"
    result = cynod("import", mixed, "--skip-bad", rejects, "--json")
    answer = json.loads(result.stdout)
    assert answer.pop("seconds") >= 0
    assert (result.exit_code, result.stderr, answer) == (
        0,
        "",
        {
            "imported": True,
            "dryRun": False,
            "rows": 2,
            "new": 1,
            "unchanged": 0,
            "rejected": 1,
            "newClients": 1,
            "newMembres": 1,
            "newReseau": None,
            "clientsElsewhere": 0,
            "rejects": str(rejects),
            "unusualTelephones": 0,
            "suggestedTelephones": [],
        },
    )


def test_json_tells_the_bad_rows(cynod: Cynod, mixed: Path) -> None:
    result = cynod("import", mixed, "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (
        1,
        {
            "imported": False,
            "rejected": 1,
            "badRows": [{"line": 3, "column": "solde", "reason": SOLDE}],
        },
    )
    assert result.stderr.startswith(f"cynod: {mixed}, line 3, column solde: {SOLDE}.")


# ── telephones ───────────────────────────────────────────────────────────────────────────────────
def test_telephones_in_several_forms_are_told_with_the_suggested_one(
    cynod: Cynod, database: Database, tmp_path: Path
) -> None:
    forms = ["+221771234567", "221771234560", "00221771234568", "771234569"]
    rows = [_row(number, telephone=form) for number, form in enumerate(forms, 1)]
    file = _write(tmp_path / "cards.csv", *rows)
    dry = cynod("import", file, "--dry-run")
    assert (dry.exit_code, dry.stderr) == (
        0,
        (
            "cynod: warning: 3 telephones not written as country code and digits, by which partners"
            " find a holder: line 2, 4, 5. +221771234567 would be 221771234567;"
            " --normalise-telephones writes that form.\n"
        ),
    )
    normal = cynod("import", file, "--normalise-telephones")
    assert (normal.exit_code, normal.stderr) == (0, "")
    with database.reading() as connection:
        stored = connection.scalars(select(membres.c.wallet_id).order_by(membres.c.membre_id)).all()
    assert stored == ["221771234567", "221771234560", "221771234568", "221771234569"]


def test_a_region_that_is_no_country_is_wrong_usage(cynod: Cynod, mixed: Path) -> None:
    result = cynod("import", mixed, "--region", "Sénégal")
    assert result.exit_code == 2
    assert "'Sénégal' is no country, as SN or ML are." in result.stderr


# ── réseaux ──────────────────────────────────────────────────────────────────────────────────────
def test_clients_that_are_elsewhere_are_told(cynod: Cynod, tmp_path: Path) -> None:
    known = _write(tmp_path / "known.csv", _row(1))
    assert cynod("import", known).exit_code == 0
    other = _row(2).replace("CLI-0001", "CLI-0002")
    more = _write(tmp_path / "more.csv", _row(3), other)
    result = cynod("import", more, "--reseau", "RES-1")
    assert (result.exit_code, result.stderr) == (
        0,
        (
            "cynod: warning: 1 client known before, and not in the réseau RES-1: CLI-0001. They stay"
            " where they are; the back office moves them.\n"
        ),
    )
    assert result.stdout.startswith(
        "2 new, 0 unchanged; 1 new client, 2 new membres, the new réseau RES-1."
    )


def test_reseau_that_cannot_be_named_is_wrong_usage(cynod: Cynod, mixed: Path) -> None:
    result = cynod("import", mixed, "--reseau", "Réseau du Nord")
    assert result.exit_code == 2
    assert "'Réseau du Nord' is no reseauId" in result.stderr
