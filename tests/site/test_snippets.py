"""The pages' snippets, taken from them and run: each language sends each operation to a live server.

One program per language: its preparation, then the snippets of all operations, as a reader would paste
them. Only the address is replaced.
"""

from __future__ import annotations

import html
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from handlers.site.snippets import EXAMPLE_ADDRESS
from tests.support.contract_client import DOCUMENT, OPERATIONS, ROOT, Json, resolve
from tests.support.needs import lack, need
from tests.support.patience import CALL_S, PROGRAM_S
from tests.support.process import serve

pytestmark = pytest.mark.xdist_group("docs-snippets")

NODE = ROOT / "build" / "docs-node"


def _first_success(operation_id: str) -> tuple[str, Json]:
    """The first example of an operation's success: its name and its value."""
    content = BY_ID[operation_id]["responses"]["200"]["content"]["application/json"]
    name, node = next(iter(content["examples"].items()))
    return name, resolve(node)["value"]


BY_ID = {raw["operationId"]: raw for raw in OPERATIONS.values()}
ORDER = [
    step["operation"]
    for step in DOCUMENT["x-parcours"]
    if step["exemple"] == _first_success(step["operation"])[0]
]
"""The story of the examples, as far as each call succeeds: its snippet is the first example's."""

ENDING = ["introspecterJeton", "revoquerJeton"]
"""Played alone: the last ends the token by the pair, to which the story has put an end before."""

CALLED = [name for name in ORDER if name not in ("accessToken", "revoquerJeton")]
"""Those that have a snippet after the preparation, which is the page of the tokens."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A demo whose cards nobody has used."""
    with serve("--demo", folder=tmp_path) as running:
        yield running.url


@pytest.fixture(scope="module")
def pages(demo: str) -> dict[str, str]:
    """The first page under an empty name, and those of the operations."""
    with httpx.Client(base_url=demo, trust_env=False, timeout=CALL_S) as client:
        return {"": client.get("/").text} | {
            name: client.get(f"/doc/{name}.html").text for name in ORDER
        }


def _code(page: str, name: str) -> str:
    found = re.search(
        rf'<div class="volet" data-langage="{name}">.*?<pre[^>]*><code>(.*?)</code>', page, re.S
    )
    assert found
    return html.unescape(re.sub(r"</?span[^>]*>", "", found[1]))


def _preparation(pages: dict[str, str], language: str, server: str) -> str:
    """What precedes each snippet, and addresses the server."""
    preparation = _code(pages[""], language)
    assert EXAMPLE_ADDRESS in preparation
    assert _code(pages["accessToken"], language) == preparation
    return preparation.replace(EXAMPLE_ADDRESS, server)


def _run(folder: Path, *command: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        # French texts are read as they are sent, whatever the machine's language is.
        "LC_ALL": "C.UTF-8",
        "CONSUMER_KEY": "demo-partenaire",
        "CONSUMER_SECRET": "demo-secret",
    }
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def _curl(folder: Path, preparation: str, calls: list[str]) -> str:
    need("curl")
    text = "\n\necho; echo ----\n".join(["set -euo pipefail\n" + preparation, *calls])
    (folder / "appels.sh").write_text(text)
    return _run(folder, "bash", "appels.sh")


def _python(folder: Path, preparation: str, calls: list[str]) -> str:
    (folder / "appels.py").write_text("\n\nprint('----')\n".join([preparation, *calls]))
    return _run(folder, sys.executable, "appels.py")


def _typescript(folder: Path, preparation: str, calls: list[str]) -> str:
    need("node")
    if not (NODE / "node_modules" / ".bin" / "tsc").exists():
        lack("no TypeScript: make test installs it, with npm")
    blocks = "\n".join(f"console.log('----');\n{{\n{call}\n}}" for call in calls)
    (folder / "appels.mts").write_text(f"{preparation}\n{blocks}\nexport {{}};\n")
    (folder / "node_modules").symlink_to(NODE / "node_modules")
    options = (
        "--strict --target es2022 --module nodenext --types node --skipLibCheck --noEmitOnError"
    )
    assert (
        _run(folder, str(NODE / "node_modules" / ".bin" / "tsc"), *options.split(), "appels.mts")
        == ""
    )
    return _run(folder, "node", "appels.mjs")


def _java(folder: Path, preparation: str, calls: list[str]) -> str:
    need("java")
    declared, _, begun = preparation.partition("// Dans le programme :\n")
    blocks = "\n".join(f'System.out.println("----");\n{{\n{call}\n}}' for call in calls)
    header = "class Appels { public static void main(String[] arguments) throws Exception {"
    main = f"{header}\n{begun}\n{blocks}\n}} }}"
    # The first class of a single file is the one that is run.
    imports = "".join(re.findall(r"^import .*\n", declared, re.M))
    (folder / "Appels.java").write_text(f"{imports}{main}\n{declared.replace(imports, '')}")
    return _run(
        folder,
        "java",
        "-Xshare:auto",
        "-XX:TieredStopAtLevel=1",
        "-Dfile.encoding=UTF-8",
        "-Dstdout.encoding=UTF-8",
        "Appels.java",
    )


def _php(folder: Path, preparation: str, calls: list[str]) -> str:
    need("php")
    text = '\n\necho "----\\n";\n'.join([f"<?php\n{preparation}", *calls])
    (folder / "appels.php").write_text(text)
    return _run(folder, "php", "appels.php")


PROGRAMS: dict[str, Callable[[Path, str, list[str]], str]] = {
    "curl": _curl,
    "python": _python,
    "typescript": _typescript,
    "java": _java,
    "php": _php,
}


@pytest.mark.parametrize("language", PROGRAMS)
def test_snippets_of_the_page_run_as_pasted(
    server: str, demo: str, pages: dict[str, str], tmp_path: Path, language: str
) -> None:
    for place, address, names in (("story", server, CALLED), ("ending", demo, ENDING)):
        folder = tmp_path / place
        folder.mkdir()
        preparation = _preparation(pages, language, address)
        calls = [_code(pages[name], language) for name in names]
        said = PROGRAMS[language](folder, preparation, calls).split("----\n")[1:]
        for name, text in zip(names, said, strict=True):
            _assert_told(name, re.sub(r"\s+", " ", text))


def _assert_told(name: str, plain: str) -> None:
    """What the program printed of the answer is what the example says."""
    example = _first_success(name)[1]
    # What OAuth's own answers say depends on the address of the server.
    texts = [example[key] for key in ("message", "statut") if key in example] or [*example]
    for told in texts:
        assert " ".join(told.split()) in plain, name
    # An unknown token would be told so, and PHP prints true as 1.
    for field in {"success", "active"} & example.keys():
        assert re.search(rf"{field}\W+(true|1)\b", plain, re.I), (name, plain)


def test_every_language_of_the_page_is_run(demo: str) -> None:
    page = httpx.get(demo, trust_env=False, timeout=CALL_S).text
    shown = re.findall(r'<input type="radio" name="preparation" id="[^"]*" value="(\w+)"', page)
    assert shown == list(PROGRAMS)


def test_the_page_of_a_copy_addresses_production() -> None:
    assert DOCUMENT["servers"][0]["url"] == EXAMPLE_ADDRESS
