"""`cynod journal` as an operator runs it: in a shell, in a pipe, from cron, on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, update

from handlers.cli.root import cli
from models.books.demo import seed_demo
from models.carte import cartes
from models.database.bulk import take_ids
from models.database.engine import Database
from models.operation import operations
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
    told = "Journal verified: 6 operations, 6 ecritures, 8 cartes; nothing differs.\n"
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
    counts: dict[str, Any] = {"operations": 6, "ecritures": 6, "cartes": 8}
    unsealed = {"nombre": 0, "operations": 0, "ecritures": 0, "dernier": None, "tete": None}
    counts["sceaux"] = {**unsealed, "operationsDepuis": 6}
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


# ── seal ─────────────────────────────────────────────────────────────────────────────────────────
SEALED = re.compile(
    r"Sealed: 6 operations, 6 ecritures up to (sceau 1 of \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ,"
    r" head ([0-9a-f]{64}))\.\n"
)


def test_seal_prints_a_line_for_a_log_by_which_verify_then_judges(
    cynod: Cynod, demo: Database, tmp_path: Path
) -> None:
    first = cynod("journal", "seal")
    told = SEALED.fullmatch(first.stdout)
    assert (first.returncode, first.stderr) == (0, "")
    assert told is not None
    which, head = told.groups()
    assert _answer(cynod("journal", "seal")) == (0, f"Nothing new since {which}.\n", "")
    log = tmp_path / "seals.log"
    log.write_text(f"Jan  1 02:00:00 host cron: {first.stdout}another line\n", encoding="utf-8")
    right = (
        "Journal verified: 6 operations, 6 ecritures, 8 cartes; nothing differs. Sealed:"
        f" 6 operations, 6 ecritures up to sceau 1, head {head}; 0 operations since.\n"
    )
    assert _answer(cynod("journal", "verify", "--heads", str(log))) == (0, right, "")
    assert _answer(cynod("journal", "verify", "--head", head.upper())) == (0, right, "")
    log.write_text(right, encoding="utf-8")
    assert _answer(cynod("journal", "verify", "--heads", str(log))) == (0, right, "")
    _remove_the_seals(demo)
    lost = f"head {head} was kept, and no sceau has it now"
    rule = "Not so: the sceaux have the heads that were kept elsewhere\n"
    sentence = "cynod: the journal does not hold; the list above says where.\n"
    assert _answer(cynod("journal", "verify", "--heads", str(log))) == (
        1,
        (
            f"{rule}  sceau 1: {lost}: the chain ends before it, at sceau 0, as where the last ones were"
            " removed, or where the database was restored to a point before it\n"
        ),
        sentence,
    )
    assert _answer(cynod("journal", "verify", "--head", head)) == (
        1,
        f"{rule}  sceau of that head: {lost}\n",
        sentence,
    )


@contextmanager
def _as_owner(database: Database) -> Iterator[Connection]:
    """A transaction that no trigger of the seals stands in the way of."""
    with database.transaction() as connection:
        if database.dialect == "postgresql":
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        else:
            for table in ("sceaux", "operations"):
                for verb in ("update", "delete"):
                    connection.exec_driver_sql(f"DROP TRIGGER {table}_append_only_{verb}")
        yield connection


def _remove_the_seals(database: Database) -> None:
    with _as_owner(database) as connection:
        connection.exec_driver_sql("DELETE FROM sceaux")


def test_verify_names_the_row_that_is_not_as_it_was_sealed(demo: Database) -> None:
    assert _invoke(demo, "seal").exit_code == 0
    with _as_owner(demo) as connection:
        (id_,) = connection.exec_driver_sql("SELECT max(id) FROM operations").one()
        connection.exec_driver_sql(f"UPDATE operations SET motif = 'x' WHERE id = {id_}")
    rule = "what is sealed is as it was sealed, and nothing was added to it"
    detail = "sealed by sceau 1, changed since"
    wrong = _invoke(demo, "verify")
    assert (wrong.exit_code, wrong.stdout) == (
        1,
        f"Not so: {rule}\n  operation id {id_}: {detail}\n",
    )
    told = json.loads(_invoke(demo, "verify", "--json").stdout)
    assert told["exact"] is False
    assert told["fautes"] == [
        {"regle": rule, "objet": "operation", "cle": f"id {id_}", "detail": detail}
    ]


def test_seal_says_in_json_what_it_sealed(demo: Database) -> None:
    first = json.loads(_invoke(demo, "seal", "--json").stdout)
    again = json.loads(_invoke(demo, "seal", "--json").stdout)
    made = {"sceaux": 1, "operations": 6, "ecritures": 6}
    assert first == {"sceau": 1, "scelleLe": first["scelleLe"], "tete": first["tete"], **made}
    assert again == {**first, "sceaux": 0, "operations": 0, "ecritures": 0}
    verified = json.loads(_invoke(demo, "verify", "--json").stdout)
    assert verified["sceaux"] == {
        "nombre": 1,
        "operations": 6,
        "ecritures": 6,
        "dernier": 1,
        "tete": first["tete"],
        "operationsDepuis": 0,
    }


def test_seal_of_an_empty_journal_says_so(database: Database) -> None:
    done = _invoke(database, "seal")
    assert (done.exit_code, done.output) == (0, "Nothing to seal.\n")
    empty = {"sceau": None, "scelleLe": None, "tete": None}
    made = {"sceaux": 0, "operations": 0, "ecritures": 0}
    assert json.loads(_invoke(database, "seal", "--json").stdout) == {**empty, **made}


def test_seal_chains_nothing_to_a_seal_that_was_changed(demo: Database) -> None:
    assert _invoke(demo, "seal").exit_code == 0
    with _as_owner(demo) as connection:
        connection.exec_driver_sql("UPDATE sceaux SET operations = 5")
    refused = _invoke(demo, "seal")
    assert (refused.exit_code, refused.stdout, refused.stderr) == (
        1,
        "",
        (
            "cynod: sceau 1 was changed since it was made, and nothing is chained to it;"
            " `cynod journal verify` says more.\n"
        ),
    )


@pytest.mark.only_on("postgresql")
def test_seal_says_that_it_waits_and_gives_up_in_time(
    demo: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYNOD_ATTENTE_S", "1")
    with demo.transaction() as connection:
        take_ids(connection, operations.c.id, 1)
        refused = _invoke(demo, "seal")
    assert (refused.exit_code, refused.stdout, refused.stderr) == (
        1,
        "",
        (
            "cynod: operations are under way; waiting for them to end.\n"
            "cynod: operations under way did not end in time; nothing was sealed, run it again.\n"
        ),
    )


@pytest.mark.parametrize("head", ["", "0", "g" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n"])
def test_what_is_no_head_is_wrong_usage(head: str) -> None:
    refused = CliRunner().invoke(cli, ["journal", "verify", "--head", head])
    assert refused.exit_code == 2
    assert f"{head!r} is not a head, of 64 hexadecimal digits." in refused.stderr


def test_a_file_without_a_head_is_wrong_usage(tmp_path: Path) -> None:
    """A log that was emptied would prove nothing, and pass for a proof."""
    log = tmp_path / "seals.log"
    log.write_bytes(b"cynod: \xff no head here\n")
    refused = CliRunner().invoke(cli, ["journal", "verify", "--heads", str(log)])
    assert refused.exit_code == 2
    assert f"--heads: {log} has no line of `cynod journal seal`." in refused.stderr


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


@contextmanager
def _as_nobody() -> Iterator[None]:
    """Root may write every file: whoever is asked of is somebody else for a moment."""
    if os.geteuid() != 0:
        yield
        return
    os.setreuid(65_534, 0)
    try:
        yield
    finally:
        os.setreuid(0, 0)


def test_export_replaces_no_file_that_its_caller_may_not_write(demo: Database) -> None:
    with TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # that of pytest is closed to others
        file = folder / "journal.hledger"
        file.write_text("kept", encoding="ascii")
        file.chmod(0o444)
        with _as_nobody():
            refused = _invoke(demo, "export", "--output", str(file))
        assert (refused.exit_code, refused.stderr) == (1, f"cynod: {file}: Permission denied.\n")
        assert [one.read_text(encoding="ascii") for one in folder.iterdir()] == ["kept"]


def _lack(monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    """A system that keeps no file without a name, or has no way to name one."""
    if what == "O_TMPFILE":  # the folder itself is opened then, and refused
        monkeypatch.setattr(os, "O_TMPFILE", 0)
        return
    there = Path.exists
    monkeypatch.setattr(Path, "exists", lambda path: not path.is_relative_to(what) and there(path))


@pytest.mark.parametrize("lacks", ["O_TMPFILE", "/proc"])
def test_export_is_whole_or_nothing_where_no_file_can_be_without_a_name(
    demo: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    _lack(monkeypatch, lacks)
    file = tmp_path / "journal.hledger"
    asked = ("export", "--output", str(file))
    assert _invoke(demo, *asked).exit_code == 0
    whole = file.read_text(encoding="ascii")
    assert whole == _invoke(demo, "export").stdout
    assert file.stat().st_mode & 0o777 == 0o600
    with demo.transaction() as connection:
        connection.exec_driver_sql("ALTER TABLE cartes RENAME TO gone")
    assert _invoke(demo, *asked).exit_code == 1
    assert file.read_text(encoding="ascii") == whole
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
    sealed = CliRunner().invoke(cli, ["journal", "seal"])
    assert sealed.stderr.splitlines() == [f"cynod: journal seal: {n} %" for n in (0, 100)]
    assert CliRunner().invoke(cli, ["journal", "seal"]).stderr == ""
    verified = CliRunner().invoke(cli, ["journal", "verify"])
    assert verified.stderr.splitlines()[-2:] == [
        f"cynod: journal verify: sceaux: {n} %" for n in (0, 100)
    ]
    file = tmp_path / "journal.hledger"
    exported = CliRunner().invoke(cli, ["journal", "export", "--output", str(file)])
    assert exported.stderr.splitlines() == [
        f"cynod: journal export: {percent} %" for percent in (18, 37, 56, 75, 93)
    ]
