"""Who writes what, as SQLite itself tells of each statement that it compiles.

Every operation and every command that writes is played on connections that are watched. The rule is the
architecture's: what a card holds, and every ecriture, is written by models/journal/ alone.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from sqlalchemy import Engine, event

from tests.support.contract_client import ROOT
from tests.support.plays import play_commands, play_demandes, play_operations
from tests.support.scene import Scene
from tests.support.scenes import NewWorld
from tests.support.world import PEPPER
from tests.support.writes import MACHINERY, read_writes

JOURNAL = "models/journal/"
MONEY = {"cartes.solde", "cartes.version", "cartes.date_solde"}
"""And whole rows of cartes, and all of ecritures."""

INSERT, DELETE, UPDATE, ALLOWED = 18, 9, 23, 0
"""Of https://sqlite.org/c3ref/c_alter_table.html."""


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


@pytest.mark.only_on("sqlite")
def test_only_the_journal_writes_ecritures_and_what_a_card_holds(
    own_world: NewWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYNOD_PEPPER", PEPPER.decode())
    with _watched() as found, own_world() as world:
        url = world.database.url.render_as_string(hide_password=False)
        monkeypatch.setenv("CYNOD_DATABASE_URL", url)
        play_commands(tmp_path)
        play_operations(Scene(world))
        play_demandes(world.database)
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
