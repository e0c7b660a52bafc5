"""How every command behaves: versions, mistyped variables, interruptions, answers of machines."""

from __future__ import annotations

import inspect
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from handlers.cli.root import COMMANDS, cli
from handlers.settings import OTHER_VARIABLES, VARIABLES, find_unknown_variables
from models.books.importation import COLUMNS
from models.database.engine import Database
from models.migrate import expected_revision
from tests.support.contract_client import DOCUMENT, ROOT
from tests.support.patience import CALL_S
from tests.support.process import Process, run_cynod, start_cynod


def _answer(result: Result) -> tuple[int, str, str]:
    return result.exit_code, result.stdout, result.stderr


# ── versions ─────────────────────────────────────────────────────────────────────────────────────
def test_version_is_the_programs_and_the_contracts() -> None:
    version = re.findall(r'^version = "(.*)"', (ROOT / "pyproject.toml").read_text(), re.M)[0]
    told = f"cynod {version}, contract {DOCUMENT['info']['version']}\n"
    assert _answer(CliRunner().invoke(cli, ["--version"])) == (0, told, "")


# ── the table of commands ────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", COMMANDS)
def test_table_of_commands_says_what_each_says_of_itself(name: str) -> None:
    command = COMMANDS[name].load()
    assert (command.name, command.get_short_help_str(300)) == (name, COMMANDS[name].summary)


def test_version_and_help_import_no_database_and_no_framework() -> None:
    """They are asked by people who wait, and by completion at every key."""
    for argument in ("--version", "--help"):
        program = (
            "import sys; from handlers.cli.root import cli\n"
            f"cli([{argument!r}], standalone_mode=False)\n"
            "print(sorted({'sqlalchemy', 'connexion', 'rich', 'psycopg'} & sys.modules.keys()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=CALL_S,
            check=False,
        )
        assert done.stdout.splitlines()[-1:] == ["[]"], done


# ── variables ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("CYNOD_DATABSE_URL", "is not known; did you mean CYNOD_DATABASE_URL?"),
        ("CYNOD_DATABASE", "is not known; did you mean CYNOD_DATABASE_URL?"),
        ("cynod_env", "is not known; did you mean CYNOD_ENV?"),
        ("CYNOD_PROXY", "is not known; did you mean CYNOD_PROXIES?"),
        ("CYNOD_COLOUR", "is not known; nothing reads it."),
    ],
)
def test_a_variable_that_nothing_reads_is_told_and_what_it_resembles(
    tmp_path: Path, name: str, told: str
) -> None:
    variables = {name: "x", "CYNOD_DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}"}
    result = CliRunner(env=variables).invoke(cli, ["migrate"])
    assert _answer(result) == (
        0,
        f"Migrated to {expected_revision()}.\n",
        f"cynod: {name} {told}\n",
    )


def test_serve_tells_a_variable_that_nothing_reads_too(tmp_path: Path) -> None:
    done = run_cynod("serve", folder=tmp_path, CYNOD_ATENTE_S="3")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        "cynod: CYNOD_ATENTE_S is not known; did you mean CYNOD_ATTENTE_S?"
    )


def test_every_variable_that_the_code_or_the_documentation_names_is_known() -> None:
    sources = [*(ROOT / "handlers").rglob("*.py"), *(ROOT / "models").rglob("*.py")]
    sources += [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    named = {
        name
        for path in sources
        for name in re.findall(r"\bCYNOD_[A-Z_]*[A-Z]\b", path.read_text(encoding="utf-8"))
    }
    assert named > OTHER_VARIABLES
    assert find_unknown_variables(dict.fromkeys(named, "")) == {}


def test_documentation_has_the_table_of_the_settings() -> None:
    """The whole of it: what `read_settings` reads, takes when nothing is set, and is for."""
    page = (ROOT / "docs" / "deploiement.md").read_text(encoding="utf-8")
    _, _, table = page.partition("| variable | default | what it does |\n|---|---|---|\n")
    table, _, _ = table.partition("\n\n")
    assert table == "\n".join(
        f"| `{one.name}` | {_told(one.default)} | {one.sentence} |" for one in VARIABLES
    )


def _told(default: Any) -> str:
    if isinstance(default, Path):
        default = default.relative_to(ROOT)
    if isinstance(default, tuple):
        default = ",".join(default)
    return f"`{default}`" if default or default == 0 else "empty"


def test_help_of_serve_names_every_setting() -> None:
    named = re.findall(r"\b(?:CYNOD_[A-Z_]+|HOST|PORT)\b", _variables("serve"))
    assert sorted(named) == sorted(one.name for one in VARIABLES)


def _variables(name: str) -> str:
    """What the help of a command says after `Variables:`, up to the next heading."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    found = re.search(r"Variables:(.*?)(?:\n\w|$)", inspect.cleandoc(command.help or ""), re.DOTALL)
    assert found is not None, f"{name}: its help names no variables."
    return found[1]


# ── JSON ─────────────────────────────────────────────────────────────────────────────────────────
def test_migrate_and_seed_answer_machines(tmp_path: Path) -> None:
    run = CliRunner(env={"CYNOD_DATABASE_URL": f"sqlite:///{tmp_path / 'a.db'}"})
    answers = [
        json.loads(run.invoke(cli, arguments).stdout)
        for arguments in (
            ["migrate", "--json"],
            ["migrate", "--json"],
            ["seed", "--demo", "--json"],
        )
    ]
    assert answers == [
        {"revision": expected_revision(), "changed": True},
        {"revision": expected_revision(), "changed": False},
        {"consumerKey": "demo-partenaire", "consumerSecret": "demo-secret"},
    ]


# ── one at a time ────────────────────────────────────────────────────────────────────────────────
LOCKS = {"migrate": 0x43594E4F44, "import": 0x494D504F5254}


@contextmanager
def _running(database: Database, command: str) -> Iterator[None]:
    """Another process's import or migration."""
    with database.transaction() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:id)"), {"id": LOCKS[command]})
        yield


def _start(database: Database, folder: Path, *arguments: str) -> Process:
    url = database.url.render_as_string(hide_password=False)
    return start_cynod(*arguments, folder=folder, CYNOD_DATABASE_URL=url, CYNOD_ATTENTE_S="2")


def _cards(folder: Path) -> str:
    file = folder / "cards.csv"
    file.write_text(
        f"{','.join(COLUMNS)}\nC1,N,M1,N,P,,221770000001,,,7019800000000001,18/07/2029,ACTIVE,5\n",
        encoding="utf-8",
    )
    return str(file)


WAITING = {
    ("postgresql", "migrate"): "cynod: another migration is running; waiting for it to end.\n",
    ("postgresql", "import"): "cynod: another import is running; waiting for it to end.\n",
    (
        "sqlite",
        "migrate",
    ): "cynod: another process writes to the database; waiting for it to end.\n",
    ("sqlite", "import"): "cynod: another process writes to the database; waiting for it to end.\n",
}


@pytest.mark.parametrize(
    ("command", "done"), [("migrate", "Already at"), ("import", "1 new, 0 unchanged;")]
)
def test_a_second_of_its_kind_waits_for_the_first_and_says_so(
    database: Database, tmp_path: Path, command: str, done: str
) -> None:
    arguments = [command] if command == "migrate" else [command, _cards(tmp_path)]
    with _running(database, command):
        process = _start(database, tmp_path, *arguments)
        assert process.stderr is not None
        assert process.stderr.readline() == WAITING[database.dialect, command]
    out, rest = process.communicate(timeout=CALL_S)
    assert (process.returncode, rest) == (0, "")
    assert out.startswith(done)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            "migrate",
            (
                "cynod: another migration is running, or a server is busy with what it changes;"
                " nothing was migrated.\n"
            ),
        ),
        (
            "import",
            (
                "cynod: another import is running, or a server writes all the time; nothing was"
                " imported.\n"
            ),
        ),
    ],
)
def test_a_second_of_its_kind_waits_no_longer_than_it_was_told(
    database: Database, tmp_path: Path, command: str, told: str
) -> None:
    arguments = [command] if command == "migrate" else [command, _cards(tmp_path)]
    with _running(database, command):
        process = _start(database, tmp_path, *arguments)
        out, rest = process.communicate(timeout=CALL_S)
    assert (process.returncode, out, rest) == (1, "", WAITING[database.dialect, command] + told)


# ── interruptions ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["ctrl-c", "sigterm"]
)
def test_a_migration_that_is_interrupted_says_that_nothing_was_migrated(
    database: Database, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    with _running(database, "migrate"):
        process = _start(database, tmp_path, "migrate")
        assert process.stderr is not None
        waiting = process.stderr.readline()
        process.send_signal(number)
        out, rest = process.communicate(timeout=CALL_S)
    assert waiting == WAITING[database.dialect, "migrate"]
    assert (process.returncode, out, rest) == (
        code,
        "",
        "cynod: interrupted: nothing was migrated.\n",
    )


def test_a_question_that_is_not_answered_with_yes_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    @click.command()
    def ask() -> None:
        click.confirm("Sure?", abort=True)

    monkeypatch.setitem(cli.commands, "ask", ask)
    results: list[Any] = [CliRunner().invoke(cli, ["ask"], input=said) for said in ("n\n", "")]
    assert [one.exit_code for one in results] == [1, 1]
    for one in results:
        assert one.stderr.splitlines()[-1] == "cynod: not confirmed: nothing was changed."
        assert "Aborted" not in one.output
