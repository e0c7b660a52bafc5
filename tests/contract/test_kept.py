"""What is kept of a contract is taken for that contract alone, byte for byte."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handlers.contract import kept
from handlers.contract.kept import read_kept
from handlers.contract.reading import load, read_published
from handlers.contract.surface import BASE_CORE, PARTENAIRE, SURFACES, Surface
from handlers.settings import ROOT
from handlers.workbench.generate import HEADER, KEPT, place_of

Kept = dict[str, Any]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The contracts, which a test may edit."""
    for surface in SURFACES.values():
        shutil.copy(ROOT / surface.file, tmp_path)
    return tmp_path


def ask(folder: Path, surface: Surface) -> Any:
    """What is kept of the contract in the folder."""
    path = folder / surface.file
    return read_kept(path, path.read_bytes(), surface)


@pytest.mark.parametrize("surface", SURFACES.values(), ids=SURFACES)
def test_kept_is_what_the_contract_says(folder: Path, surface: Surface) -> None:
    assert ask(folder, surface) == read_published(folder / surface.file)
    said = json.loads(place_of(KEPT, surface).read_text(encoding="utf-8"))
    assert said["note"] == HEADER.format(surface.file).removeprefix("# ")


@pytest.mark.parametrize("edited", [PARTENAIRE, BASE_CORE], ids=lambda one: one.name)
def test_edited_contract_is_read_itself(folder: Path, edited: Surface) -> None:
    """The back office's is made of both files."""
    path = folder / edited.file
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("title: ", "title: Autre ", 1), encoding="utf-8")
    assert ask(folder, edited) is None
    assert ask(folder, BASE_CORE) is None
    assert load(path, surface=edited).document["info"]["title"].startswith("Autre ")


def _say_less(said: Kept) -> None:
    said["document"]["info"]["title"] = "Autre"


def _name_nothing(said: Kept) -> None:
    said["of"] = {}


def _drop(said: Kept) -> None:
    del said["document"]


@pytest.mark.parametrize("edit", [_say_less, _name_nothing, _drop, None])
def test_what_was_edited_where_it_is_kept_is_not_taken(
    folder: Path, monkeypatch: pytest.MonkeyPatch, edit: Callable[[Kept], None] | None
) -> None:
    place = folder / KEPT.relative_to(ROOT)
    place.parent.mkdir()
    monkeypatch.setattr(kept, "_ROOT", folder)
    assert ask(folder, PARTENAIRE) is None, "nothing is kept there yet"
    said = json.loads(KEPT.read_text(encoding="utf-8"))
    place.write_text(json.dumps(said), encoding="utf-8")
    assert ask(folder, PARTENAIRE) is not None
    if edit is None:
        place.write_text("{", encoding="utf-8")
    else:
        edit(said)
        place.write_text(json.dumps(said), encoding="utf-8")
    assert ask(folder, PARTENAIRE) is None
    assert load(folder / PARTENAIRE.file).document["info"]["title"] != "Autre"
