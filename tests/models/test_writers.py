"""Who writes what, as SQLite itself tells of each statement that it compiles.

Every operation and every command that writes is played on connections that are watched. The rule is the
architecture's: what a card holds, and every ecriture, is written by models/journal/ alone.
"""

from __future__ import annotations

import ast
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from click.testing import CliRunner
from sqlalchemy import Engine, event

from handlers.cli.root import cli
from models.books.demo import CONSUMER_KEY
from models.books.rows import COLUMNS
from tests.support.contract_client import ROOT
from tests.support.scene import ALL, Scene
from tests.support.scenes import NewWorld
from tests.support.world import PEPPER
from tests.support.writes import MACHINERY, read_writes

JOURNAL = "models/journal/"
MONEY = {"cartes.solde", "cartes.version", "cartes.date_solde"}
"""And whole rows of cartes, and all of ecritures."""

INSERT, DELETE, UPDATE, ALLOWED = 18, 9, 23, 0
"""Of https://sqlite.org/c3ref/c_alter_table.html."""

CARD = "7019800100009569"


def _writer() -> str | None:
    """The file of the core or the edge that has this statement run, None when a test does."""
    frame: FrameType | None = sys._getframe(2)  # noqa: SLF001 - the documented way to the caller, inspect's is slow
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and ".venv" not in path.parts:
            name = path.relative_to(ROOT).as_posix()
            if not name.startswith("models/database/"):
                return name if name.startswith(("models/", "handlers/")) else None
        frame = frame.f_back
    return None


@contextmanager
def _watched() -> Iterator[dict[str, set[str]]]:
    """What each file writes, by every connection that is opened meanwhile: tables, columns when updated."""
    found: dict[str, set[str]] = {}

    def note(action: int, table: str | None, column: str | None, *_more: Any) -> int:
        if action in (INSERT, DELETE, UPDATE) and (writer := _writer()) is not None:
            written = f"{table}.{column}" if action == UPDATE else str(table)
            found.setdefault(writer, set()).add(written)
        return ALLOWED

    def forget_nothing(_dialect: Any, _record: Any, _args: Any, options: dict[str, Any]) -> None:
        options["cached_statements"] = 0  # so that each statement is compiled each time

    def watch(driver: Any, _record: Any) -> None:
        driver.set_authorizer(note)

    event.listen(Engine, "do_connect", forget_nothing)
    event.listen(Engine, "connect", watch)
    try:
        yield found
    finally:
        event.remove(Engine, "do_connect", forget_nothing)
        event.remove(Engine, "connect", watch)


def _run(*arguments: str) -> str:
    """Run a command that succeeds; what it prints."""
    result = CliRunner().invoke(cli, list(arguments), prog_name="cynod")
    assert result.exit_code == 0, result.output
    return result.stdout


def _play_commands(folder: Path) -> None:
    _run("seed", "--demo")
    row = "CLI-9,Société,M9,Ndiaye,Fatou,,221779999999,,,7019800900000009,18/07/2029,ACTIVE,500"
    file = folder / "cards.csv"
    file.write_text("\n".join([",".join(COLUMNS), row, ""]), encoding="utf-8")
    _run("import", str(file))
    whose = ("--client", "CLI-9", "--scope", "soldes:lire", "--json")
    key = json.loads(_run("partenaire", "create", "--nom", "X", *whose))["consumerKey"]
    _run("partenaire", "rotate", key)
    for subject in (("--partenaire", CONSUMER_KEY), ("--carte", CARD)):
        limit = (*subject, "--type", "DEBIT", "--periode", "MOIS")
        _run("plafond", "set", *limit, "--montant", "5000")
        _run("plafond", "remove", *limit)
    _run("partenaire", "jetons", key, "--revoquer", "--yes")
    _run("partenaire", "revoke", key, "--yes")


def _play_operations(scene: Scene) -> None:
    """Each operation once as it succeeds, under a limit of the partner, and a movement reversed."""
    for type_ in ("CREDIT", "DEBIT"):
        whose = ("--partenaire", scene.pair.consumer_key)
        _run("plafond", "set", *whose, "--type", type_, "--periode", "MOIS", "--nombre", "9")
    for name in ALL:
        answer = scene.call(name).send(scene.caller(name))
        assert answer.status_code == 200, answer.text
    scene.api.post("/debit-carte", json=scene.carte.mouvement(1, "D"))
    undone = {"referenceOrigine": "D", "reference": "D2"}
    assert scene.api.post("/annuler-operation", json=undone).status_code == 200


@pytest.mark.only_on("sqlite")
def test_only_the_journal_writes_ecritures_and_what_a_card_holds(
    own_world: NewWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYNOD_PEPPER", PEPPER.decode())
    with _watched() as found, own_world() as world:
        url = world.database.url.render_as_string(hide_password=False)
        monkeypatch.setenv("CYNOD_DATABASE_URL", url)
        _play_commands(tmp_path)
        _play_operations(Scene(world))
    wrong = {
        f"{writer} writes {what}"
        for writer, written in found.items()
        if not writer.startswith((JOURNAL, "models/migrations/"))
        for what in written
        if what in MONEY | {"cartes", "ecritures"} or what.startswith("ecritures.")
    }
    assert not wrong, "only models/journal/ does, call it"
    assert set(found) >= MONEY_WRITERS.keys()
    assert all(found[writer] >= written for writer, written in MONEY_WRITERS.items())
    unplayed = set(_who_may_write()) - set(found)
    assert not unplayed, "play here the operation or the command by which these write"


MONEY_WRITERS = {
    "models/journal/ecriture.py": {"ecritures", *MONEY},
    "models/journal/ouverture.py": {"ecritures", "cartes"},
    "models/plafond.py": {"cartes.plafonnee"},
}
"""What must have been seen, were nothing else: the watch does see."""


def _who_may_write() -> Iterator[str]:
    """The files in which something is written."""
    for room in ("handlers", "models"):
        for path in sorted((ROOT / room).rglob("*.py")):
            name = path.relative_to(ROOT).as_posix()
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if not name.startswith(MACHINERY) and any(True for _ in read_writes(name, tree)):
                yield name
