"""The further clients are made without a warning, and play the story of the others against the live server.

`make clients ALL=1` runs it by its name; `make test` does not find it, as it takes minutes.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from models.database.engine import Database
from tests.lab.clients.generators import PYTHON, make_of_published, run, warnings_of
from tests.lab.clients.more.generating import MORE, STORIES, TOOLS, make_more
from tests.lab.clients.test_clients import (
    PLAYERS,
    VERSIONS_BEFORE,
    play_the_story,
    tomorrow,
)
from tests.support.contract_client import DOCUMENT
from tests.support.needs import need
from tests.support.world import World

__all__ = ["tomorrow"]

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    need("node", "java", "php")


@pytest.mark.parametrize("name", MORE)
def test_client_is_made_without_a_warning_and_names_what_the_contract_names(name: str) -> None:
    folder = make_more(name)
    assert warnings_of(name, (folder / "generation.log").read_text(encoding="utf-8")) == []
    files = [
        path for path in folder.glob(MORE[name].sources) if path.name not in STORIES.get(name, ())
    ]
    plain = "\n".join(path.read_text(encoding="utf-8") for path in files)
    plain = plain.replace("_", "").lower()
    schemas = [
        schema
        for schema, node in DOCUMENT["components"]["schemas"].items()
        if node.get("type") == "object"
    ]
    operations = [
        one["operationId"] for item in DOCUMENT["paths"].values() for one in item.values()
    ]
    wanted = operations if MORE[name].operations else schemas
    assert [one for one in wanted if one.lower() not in plain] == []


@pytest.mark.parametrize("name", STORIES)
def test_further_client_plays_the_whole_story(
    name: str, world: World, tomorrow: str, shared_database: Database
) -> None:
    folder = make_more(name)
    player = {"ruby": ruby, "datamodel-code-generator": python}.get(name, typescript)
    play_the_story(player, folder, world, tomorrow, shared_database)


@pytest.mark.parametrize("version", VERSIONS_BEFORE)
@pytest.mark.parametrize("name", PLAYERS)
def test_every_client_generated_before_plays_its_story(
    name: str, version: str, world: World, tomorrow: str, shared_database: Database
) -> None:
    folder = make_of_published(name, version)
    play_the_story(PLAYERS[name], folder, world, tomorrow, shared_database)


def typescript(folder: Path, environment: dict[str, str]) -> str:
    """tsc strict over what the story uses, then the story, in one file."""
    binaries, story = TOOLS / "node_modules" / ".bin", f"{folder.name}.ts"
    config = {"extends": "../../tsconfig.json", "include": [story]}
    (folder / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
    run([str(binaries / "tsc"), "-p", "."], cwd=folder)
    bundle = ("--bundle", "--platform=node", "--format=esm", "--packages=external")
    run([str(binaries / "esbuild"), story, *bundle, "--outfile=story.mjs"], cwd=folder)
    return run(["node", "story.mjs"], cwd=folder, **environment)


def ruby(folder: Path, environment: dict[str, str]) -> str:
    """The story, over the libraries of Debian."""
    if shutil.which("ruby") is None:
        pytest.skip("no ruby; on Debian and Ubuntu: apt-get install ruby ruby-typhoeus")
    return run(["ruby", "-Ilib", "story.rb"], cwd=folder, **environment)


def python(folder: Path, environment: dict[str, str]) -> str:
    """The story: what is generated is told apart by pydantic as it reads, not by mypy."""
    return run([str(PYTHON), "story.py"], cwd=folder, **environment)
