"""`cynod contract diff` as a maintainer meets it: what it prints, and its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner

from handlers.cli import contract as contract_cli
from handlers.cli.root import cli
from handlers.contract.rules import check_openapi
from handlers.workbench.diff.redocly import RedoclyMissing, kept_running
from handlers.workbench.history import HISTORY
from tests.support.contract_client import CONTRACT
from tests.support.needs import lack
from tests.support.process import run_cynod

FIELD = '        unite: {$ref: "#/components/schemas/Unite"}\n'
MORE = '        canal: {type: string, description: Canal., example: "WEB"}\n'
PLACE = "components.schemas.SoldeCarte.properties.canal"


@pytest.fixture(scope="module")
def _comparing() -> Iterator[None]:
    """One process of Node.js for all comparisons; a file that was found valid is not validated again."""
    passed: set[bytes] = set()

    def check_once(document: Any, name: str) -> None:
        key = orjson.dumps(document)
        if key not in passed:
            check_openapi(document, name)
            passed.add(key)

    with pytest.MonkeyPatch.context() as patch, ExitStack() as stack:
        try:
            stack.enter_context(kept_running())
        except RedoclyMissing as error:
            lack(str(error))
        patch.setattr(contract_cli, "check_openapi", check_once)
        yield


@pytest.fixture(scope="module")
def files(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, str]:
    """A contract without a field, and the same with it."""
    request.getfixturevalue("_comparing")
    folder = tmp_path_factory.mktemp("contracts")
    text = CONTRACT.read_text(encoding="utf-8")
    without, with_it = folder / "without.yaml", folder / "with.yaml"
    without.write_text(text, encoding="utf-8")
    assert FIELD in text
    with_it.write_text(text.replace(FIELD, FIELD + MORE, 1), encoding="utf-8")
    return str(without), str(with_it)


def diff(*arguments: str, **variables: str) -> tuple[int, str, str]:
    """Exit code and both streams."""
    done = CliRunner(env=variables).invoke(cli, ["contract", "diff", *arguments], prog_name="cynod")
    return done.exit_code, done.stdout, done.stderr


def test_addition_is_told_and_is_no_failure(files: tuple[str, str], tmp_path: Path) -> None:
    """By a process of its own, which starts its own Redocly."""
    done = run_cynod("contract", "diff", *files, folder=tmp_path)
    expected = (
        0,
        (
            f"additive  {PLACE}\n          what clients receive: canal is told too\n"
            "without.yaml -> with.yaml: 0 breaking, 1 additive, 0 text.\n"
        ),
        "",
    )
    assert (done.returncode, done.stdout, done.stderr) == expected
    assert diff(*files) == expected


def test_break_is_told_and_fails(files: tuple[str, str]) -> None:
    code, said, told = diff(*reversed(files))
    assert (code, told) == (1, "")
    assert said == (
        f"breaking  {PLACE}\n          what clients receive: canal is no longer told\n"
        "with.yaml -> without.yaml: 1 breaking, 0 additive, 0 text.\n"
    )


def test_same_contract_has_no_change(files: tuple[str, str]) -> None:
    code, said, _ = diff(files[0], files[0])
    assert (code, said) == (0, "without.yaml -> without.yaml: nothing changed.\n")


def test_changes_are_told_to_a_program(files: tuple[str, str]) -> None:
    code, said, _ = diff(*reversed(files), "--format", "json")
    assert (code, json.loads(said)) == (
        1,
        {
            "old": "with.yaml",
            "new": "without.yaml",
            "impact": "breaking",
            "changes": [
                {
                    "impact": "breaking",
                    "direction": "received",
                    "where": PLACE,
                    "reason": "canal is no longer told",
                }
            ],
        },
    )


def test_changes_are_told_as_markdown(files: tuple[str, str]) -> None:
    code, said, _ = diff(*files, "--format", "markdown")
    assert code == 0
    assert said.splitlines()[-5:] == [
        "## Additive",
        "",
        "| where | side | what |",
        "|---|---|---|",
        f"| `{PLACE}` | what clients receive | canal is told too |",
    ]


def test_published_versions_have_names(files: tuple[str, str]) -> None:
    assert files
    code, said, _ = diff("1.0.0", "1.1.0")
    assert (code, said.splitlines()[-1].partition(":")[0]) == (0, "1.0.0 -> 1.1.0")
    known = ", ".join(sorted(path.stem for path in HISTORY.glob("*.yaml")))
    assert diff("0.9.0") == (
        1,
        "",
        f"cynod: version 0.9.0 is not published; {known} are.\n",
    )


def test_what_needs_node_says_so_where_it_is_missing(tmp_path: Path) -> None:
    done = run_cynod("contract", "diff", "1.0.0", "1.1.0", folder=tmp_path, PATH="/nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(
        "cynod: Node.js is not installed here (Debian: apt-get install nodejs npm)"
    )
    checked = run_cynod("contract", "check", folder=tmp_path, PATH="/nowhere")
    assert (checked.returncode, "Node.js is not installed here" in checked.stderr) == (1, True)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: [", "other.yaml is not YAML at line 2: did not find expected node content."),
        ("- 1", "other.yaml is not an OpenAPI document."),
        ("openapi: 3.0.3", "other.yaml is not valid OpenAPI 3.0: "),
    ],
)
def test_file_that_is_no_contract_is_refused_in_a_sentence(
    content: str, told: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(content, encoding="utf-8")
    for pair in ((str(other), "1.1.0"), ("1.1.0", str(other))):
        code, said, refused = diff(*pair)
        assert (code, said, refused.count("\n")) == (1, "", 1)
        assert refused.startswith(f"cynod: {told}")
