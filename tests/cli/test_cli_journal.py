"""`cynod journal` as an operator runs it: in a shell, in a pipe, from cron, on a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import update

from handlers.cli.root import cli
from models.books.demo import seed_demo
from models.carte import cartes
from models.database.engine import Database
from tests.support.acteurs import TESTEUR
from tests.support.patience import CALL_S
from tests.support.process import finish, run_cynod, start_cynod
from tests.support.world import World

CARD = "7019800100009577"
SCOPES = ["soldes:lire", "cartes:crediter", "cartes:debiter"]

Cynod = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def demo(database: Database) -> Database:
    """The demo data."""
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=SCOPES, pepper=b"pepper")
    return database


@pytest.fixture
def cynod(demo: Database, tmp_path: Path) -> Cynod:
    """Run the command on the test's database."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return run_cynod(*arguments, folder=tmp_path, CYNOD_DATABASE_URL=_url(demo))

    return run


def _url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def _answer(result: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return result.returncode, result.stdout, result.stderr


def _spoil(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(update(cartes).where(cartes.c.numero_carte == CARD).values(solde=1))


# ── verify ───────────────────────────────────────────────────────────────────────────────────────
def test_verify_says_in_one_line_that_all_is_right(cynod: Cynod) -> None:
    told = "Journal verified: 6 operations, 6 ecritures, 6 cartes; nothing differs.\n"
    assert _answer(cynod("journal", "verify")) == (0, told, "")


def test_verify_exits_with_1_and_says_what_differs(cynod: Cynod, demo: Database) -> None:
    _spoil(demo)
    assert _answer(cynod("journal", "verify")) == (
        1,
        (
            "Not so: a carte's solde is what its ecritures credit less what they debit\n"
            "  carte 701980******9577: solde 1, ecritures 25000\n"
        ),
        "cynod: the journal does not hold; the list above says where.\n",
    )


def test_verify_says_in_json_what_it_read_and_what_differs(demo: Database) -> None:
    right = _invoke(demo, "verify", "--json")
    told = json.loads(right.stdout)
    assert (right.exit_code, right.stderr, told.pop("secondes") >= 0) == (0, "", True)
    counts = {"operations": 6, "ecritures": 6, "cartes": 6}
    assert told == {"exact": True, **counts, "fautes": [], "reglesTronquees": []}
    _spoil(demo)
    wrong = _invoke(demo, "verify", "--json")
    told = json.loads(wrong.stdout)
    assert (wrong.exit_code, told.pop("secondes") >= 0) == (1, True)
    assert told == {
        "exact": False,
        **counts,
        "fautes": [
            {
                "regle": "a carte's solde is what its ecritures credit less what they debit",
                "objet": "carte",
                "cle": "701980******9577",
                "detail": "solde 1, ecritures 25000",
            }
        ],
        "reglesTronquees": [],
    }


def test_verify_counts_one_of_a_thing_in_the_singular(database: Database) -> None:
    World(database, "").carte(5)
    assert _invoke(database, "verify").stdout == (
        "Journal verified: 1 operation, 1 ecriture, 1 carte; nothing differs.\n"
    )


# ── export ───────────────────────────────────────────────────────────────────────────────────────
def test_export_gives_the_same_text_to_standard_output_and_to_a_file(
    cynod: Cynod, tmp_path: Path
) -> None:
    file = tmp_path / "journal.hledger"
    file.write_text("what was there before", encoding="ascii")
    shown, written = cynod("journal", "export"), cynod("journal", "export", "--output", str(file))
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.endswith("\n; End: 6 operations, 4 comptes, 4 soldes.\n")
    assert _answer(written) == (0, f"6 operations, 4 comptes, 4 soldes are in {file}.\n", "")
    assert file.read_text(encoding="ascii") == shown.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    assert [one.name for one in tmp_path.iterdir() if one.suffix == ".hledger"] == [file.name]
    assert not list(tmp_path.glob(".journal*"))


def _invoke(demo: Database, *arguments: str) -> Result:
    environment_ = {"CYNOD_DATABASE_URL": _url(demo)}
    return CliRunner().invoke(cli, ["journal", *arguments], env=environment_)


def test_export_says_in_json_what_it_wrote_and_where(demo: Database, tmp_path: Path) -> None:
    file = tmp_path / "journal.beancount"
    asked = (
        "export",
        "--from",
        "2021-08-01",
        "--to",
        "2021-08-31",
        "--client",
        "CLI-0002",
        "--json",
    )
    told = {
        "fichier": str(file),
        "format": "beancount",
        "debut": "2021-08-01",
        "fin": "2021-08-31",
        "clientId": "CLI-0002",
        "consumerKey": None,
        "detail": "carte",
        "operations": 1,
        "comptes": 2,
        "soldes": 1,
    }
    options = ("--format", "beancount", "--detail", "carte")
    written = _invoke(demo, *asked, *options, "--output", str(file))
    assert (written.exit_code, json.loads(written.stdout), written.stderr) == (0, told, "")
    # Where the journal itself goes to standard output, what is said of it goes beside it.
    for output in ((), ("--output", "-")):
        shown = _invoke(demo, *asked, *options, *output)
        assert shown.stdout == file.read_text(encoding="utf-8")
        assert json.loads(shown.stderr) == told | {"fichier": None}


def test_export_names_one_of_a_thing_in_the_singular(demo: Database, tmp_path: Path) -> None:
    file = tmp_path / "journal.hledger"
    written = _invoke(demo, "export", "--client", "CLI-0002", "--output", str(file))
    assert written.stdout == f"1 operation, 2 comptes, 1 solde are in {file}.\n"
    text = file.read_text(encoding="ascii")
    assert text.endswith("\n; End: 1 operation, 2 comptes, 1 solde.\n")


def test_export_of_a_period_without_operations_is_a_file_that_says_so(demo: Database) -> None:
    empty = _invoke(demo, "export", "--from", "2022-01-01", "--to", "2022-01-01")
    assert empty.exit_code == 0
    assert empty.stdout.endswith(
        "\n; End: 0 operations, 4 comptes, 4 soldes. Nothing was moved in this period.\n"
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--client", "CLI-9"), "--client: there is no client 'CLI-9'."),
        (("--client", ""), "--client: there is no client ''."),
        (("--partenaire", "x\x00"), "--partenaire: there is no partenaire 'x\\x00'."),
        (
            ("--from", "2026-02-01", "--to", "2026-01-31"),
            "--from 2026-02-01 is after --to 2026-01-31.",
        ),
        *(
            (
                ("--from", day),
                f"Invalid value for '--from': {day!r} is not a day of the form YYYY-MM-DD.",
            )
            for day in ("31/01/2026", "2026-1-5", "20260105", "2026-02-30", "2026-01", "hier", "")
        ),
    ],
)
def test_export_of_what_there_is_not_says_it_and_writes_nothing(
    demo: Database, tmp_path: Path, options: tuple[str, ...], told: str
) -> None:
    refused = _invoke(demo, "export", *options, "--output", str(tmp_path / "journal"))
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert refused.stderr.splitlines()[-1] == f"Error: {told}"
    assert not (tmp_path / "journal").exists()


def test_export_goes_through_a_pipe_that_has_a_name(demo: Database, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen(["cat", fifo], stdout=subprocess.PIPE, text=True) as reader:
        written = _invoke(demo, "export", "--output", str(fifo))
        read, _ = reader.communicate(timeout=CALL_S)
    assert written.exit_code == 0
    assert read == _invoke(demo, "export").stdout
    assert fifo.is_fifo()


def test_export_that_cannot_write_is_one_sentence_and_leaves_nothing(
    cynod: Cynod, tmp_path: Path
) -> None:
    absent = tmp_path / "no" / "journal.hledger"
    told = f"cynod: {absent}: No such file or directory.\n"
    assert _answer(cynod("journal", "export", "--output", str(absent))) == (1, "", told)
    folder = cynod("journal", "export", "--output", str(tmp_path))
    assert _answer(folder) == (1, "", f"cynod: {tmp_path}: Is a directory.\n")
    full = cynod("journal", "export", "--output", "/dev/full")
    assert _answer(full) == (1, "", "cynod: /dev/full: No space left on device.\n")


def test_export_that_fails_keeps_the_file_that_was_there(demo: Database, tmp_path: Path) -> None:
    file = tmp_path / "journal.hledger"
    file.write_text("kept", encoding="ascii")
    with demo.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE cartes RENAME TO gone")
    url = _url(demo)
    arguments = ("journal", "export", "--output", str(file))
    failed = run_cynod(*arguments, folder=tmp_path, CYNOD_DATABASE_URL=url)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert len(failed.stderr.splitlines()) == 1
    assert file.read_text(encoding="ascii") == "kept"
    assert not list(tmp_path.glob(".journal*"))


def test_export_into_a_pipe_that_nobody_reads_ends_silently(demo: Database, tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    started = start_cynod(
        *("journal", "export"),
        folder=tmp_path,
        streams=(subprocess.DEVNULL, writer, subprocess.PIPE),
        CYNOD_DATABASE_URL=_url(demo),
    )
    ended = finish(started)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, "")


def test_wrong_usage_and_a_missing_database_have_their_exit_codes(tmp_path: Path) -> None:
    for arguments in (
        ("verify", "x"),
        ("export", "x"),
        ("export", "--output"),
    ):
        assert run_cynod("journal", *arguments, folder=tmp_path).returncode == 2
    for command in ("verify", "export"):
        assert _answer(run_cynod("journal", command, folder=tmp_path)) == (
            1,
            "",
            (
                f"cynod: the database {tmp_path / 'cynod.db'} does not exist; correct"
                " CYNOD_DATABASE_URL, or run `cynod migrate` to create it.\n"
            ),
        )


# ── progress ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("arguments", [("verify",), ("export", "--output", "journal.hledger")])
def test_progress_is_a_bar_on_a_terminal(
    demo: Database, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    ours, theirs = pty.openpty()
    with start_cynod(
        *("journal", *arguments),
        folder=tmp_path,
        streams=(subprocess.DEVNULL, subprocess.PIPE, theirs),
        CYNOD_DATABASE_URL=_url(demo),
        TERM="xterm",
    ) as process:
        os.close(theirs)
        seen = _read_all(ours)
        shown, _ = process.communicate()
    os.close(ours)
    assert process.returncode == 0
    assert f"journal {arguments[0]}" in seen
    assert len(shown.splitlines()) == 1


def _read_all(descriptor: int) -> str:
    """What a terminal shows until its last writer has gone, which Linux tells by an error."""
    seen = b""
    while True:
        try:
            piece = os.read(descriptor, 4096)
        except OSError:
            piece = b""
        if not piece:
            return seen.decode()
        seen += piece


def test_progress_is_a_line_now_and_then_in_a_log(
    demo: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYNOD_DATABASE_URL", _url(demo))
    monkeypatch.setattr("handlers.cli.shown.INTERVALLE_S", 0)
    monkeypatch.setattr("models.books.exportation.LOT", 3)
    verified = CliRunner().invoke(cli, ["journal", "verify"])
    lines = verified.stderr.splitlines()
    assert (lines[0], lines[-1]) == ("cynod: journal verify: 0 %", "cynod: journal verify: 100 %")
    assert len(verified.stdout.splitlines()) == 1
    file = tmp_path / "journal.hledger"
    exported = CliRunner().invoke(cli, ["journal", "export", "--output", str(file)])
    assert exported.stderr.splitlines() == [
        f"cynod: journal export: {percent} %" for percent in (21, 42, 64, 85)
    ]
