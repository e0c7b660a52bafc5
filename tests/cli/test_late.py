"""What a server imports of libraries and never uses is imported by whoever does use it."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from handlers.cli.late import late
from tests.support.contract_client import ROOT
from tests.support.patience import PROGRAM_S

BOOK = """
PAGES = 7

def read(first, *, last):
    return [first, last]

class Book:
    title = "Livre"
"""

READER = """
import {0}
from {0} import Book, read

def between(first, last):
    return read(first, last=last)
"""


@pytest.fixture
def names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A module, and one that takes names of it."""
    monkeypatch.syspath_prepend(tmp_path)
    book, reader = f"book_{tmp_path.name}", f"reader_{tmp_path.name}"
    (tmp_path / f"{book}.py").write_text(BOOK, encoding="utf-8")
    (tmp_path / f"{reader}.py").write_text(READER.format(book), encoding="utf-8")
    return book, reader


def test_what_is_taken_of_a_module_imports_it_when_it_is_used(names: tuple[str, str]) -> None:
    book, name = names
    with late([book]):
        reader = importlib.import_module(name)
    assert book not in sys.modules
    assert reader.between(1, 9) == [1, 9]
    assert (reader.Book.title, reader.Book().title) == ("Livre", "Livre")
    assert getattr(reader, book).PAGES == 7
    assert importlib.import_module(book).Book is getattr(reader, book).Book


def test_what_is_used_at_once_is_imported_at_once(names: tuple[str, str], tmp_path: Path) -> None:
    book, name = names
    with (tmp_path / f"{name}.py").open("a", encoding="utf-8") as file:
        file.write("\nclass Novel(Book):\n    pages = between(1, 2)\n")
    with late([book]):
        reader = importlib.import_module(name)
        itself = importlib.import_module(book)
    assert issubclass(reader.Novel, itself.Book)
    assert reader.Novel.pages == [1, 2]


def test_module_that_is_there_already_is_left_alone(names: tuple[str, str]) -> None:
    book, name = names
    itself = importlib.import_module(book)
    with late([book]):
        reader = importlib.import_module(name)
    assert reader.Book is itself.Book
    assert sys.modules[book] is itself


def test_module_that_is_not_installed_is_as_absent_as_before() -> None:
    with late(["no_such_module"]), pytest.raises(ModuleNotFoundError):
        importlib.import_module("no_such_module")


SERVER = """
import io, sys
from handlers.cli.late import LATE, late
with late() as finder:
    from handlers import server
print("not asked for:", sorted({*LATE} - {*finder.asked}))
from handlers.app import create_app
from handlers.contracts import load_contracts
from handlers.edge.logs import configure_logs
from handlers.settings import read_settings
settings = read_settings()
configure_logs(settings)
app = create_app(settings, contracts=load_contracts(settings))
server.server_config(app, settings).load()
print("imported:", sorted({*LATE} & sys.modules.keys()))
with app.test_client() as client:
    print(client.get("/health/live").status_code)
import structlog
try:
    1 / 0
except ZeroDivisionError:
    told = io.StringIO()
    structlog.dev.rich_traceback(told, sys.exc_info())
print("ZeroDivisionError" in told.getvalue(), "rich" in sys.modules)
"""


def test_server_needs_none_of_it_and_each_is_there_for_who_does(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVER],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )
    assert done.stdout.splitlines() == ["not asked for: []", "imported: []", "200", "True True"], (
        done.stderr
    )
