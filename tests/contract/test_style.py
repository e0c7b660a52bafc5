"""The style of the contract: what generated clients need, and what the project decided.

The rules are handlers/contract's, which `make contract` and the server's start tell. Here each of them
is seen to fail on a small mistake, with the line and the sentence that a maintainer reads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from handlers.contract import check
from handlers.contract.lines import read_yaml, tell
from handlers.contract.model import ContractError
from handlers.contract.reading import load
from handlers.contract.style import UNUSED_ON_PURPOSE
from tests.support.contract_client import CONTRACT, DOCUMENT

TEXT = CONTRACT.read_text(encoding="utf-8")
MISTAKES: list[dict[str, str]] = yaml.safe_load(
    Path(__file__).with_name("mistakes.yaml").read_text(encoding="utf-8")
)


def planted(*pairs: tuple[str, str]) -> str:
    """The contract with texts replaced, each where it stands first."""
    text = TEXT
    for old, new in pairs:
        assert old in text, f"openapi.yaml no longer has {old!r}: plant the mistake elsewhere."
        text = text.replace(old, new, 1)
    return text


def told(text: str) -> list[str]:
    """What is told of a contract, with the text of each line in place of its number."""
    document, lines, found = read_yaml(text.encode())
    return with_lines(
        text, tell(check.find_problems(document, lines, found), "openapi.yaml", lines)
    )


def with_lines(text: str, problems: str) -> list[str]:
    """`openapi.yaml:12: place: sentence` -> `text of line 12 <- place: sentence`."""
    numbered = text.splitlines()
    said = []
    for problem in problems.splitlines():
        mark, _, sentence = problem.removeprefix("openapi.yaml:").partition(" ")
        said.append(f"{numbered[int(mark.removesuffix(':')) - 1].strip()} <- {sentence}")
    return said


def refused(tmp_path: Path, text: str) -> str:
    """What is told of a file, as the server's start and `cynod contract build` do."""
    path = tmp_path / "openapi.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ContractError) as error:
        load(path)
    return str(error.value)


def test_the_contract_has_no_problem() -> None:
    load(CONTRACT, again=True)


def test_what_is_unused_on_purpose_is_still_unused() -> None:
    used = {f"{kind}/{name}" for kind, named in DOCUMENT["components"].items() for name in named}
    stale = {
        name for name in UNUSED_ON_PURPOSE if name not in used or f'"#/components/{name}"' in TEXT
    }
    assert not stale, f"{stale} is used or gone: remove it from UNUSED_ON_PURPOSE."


def test_the_changelog_has_the_version_of_the_contract() -> None:
    version = DOCUMENT["info"]["version"]
    changelog = (CONTRACT.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {version}\n" in changelog, f"CHANGELOG.md: add a section `## {version}`."


@pytest.mark.parametrize("one", MISTAKES, ids=lambda one: one["mistake"])
def test_each_rule_is_red_on_a_small_mistake(
    one: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # What OpenAPI itself says has its own tests, and takes two thirds of the time.
    monkeypatch.setattr(check, "openapi_problems", lambda *_, **__: ())
    assert f"{one['line']} <- {one['told']}" in told(planted((one["replace"], one["by"])))


def test_a_maintainer_reads_everything_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = planted(
        ('openapi: "3.0.3"', 'openapi: "3.0.3"\nopenapi: "3.0.3"'),
        ("      summary: Le service est prêt\n", ""),
        ('"1005", "5001", "9999"]', '"1005", "9999"]'),
        ('      description: Nombre maximal d\'éléments de la page.\n', ""),
        ('      pattern: "^[0-9]{12,19}$"', "      pattern: '^\\d{12,19}$'"),
        ('unite: {$ref: "#/components/schemas/Unite"}\n', 'unite: {$ref: "#/components/schemas/Unité"}\n'),
        ('message: "Liste des cartes"', 'message: "Les cartes"'),
        ("    nom: TypeAutorisationRefuse\n", "    nom: typeAutorisationRefuse\n"),
    )  # fmt: skip
    problems = refused(tmp_path, text)
    assert all(line.startswith("openapi.yaml:") for line in problems.splitlines())
    numbers = [int(line.split(":")[1].split()[0]) for line in problems.splitlines()]
    assert numbers == sorted(numbers)
    expected = Path(__file__).with_name("told.txt").read_text(encoding="utf-8")
    assert "\n".join(with_lines(text, problems)) + "\n" == expected


def test_a_contract_that_was_built_is_not_judged_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server of it starts without the rules, and without lines."""

    def judged(*_arguments: Any) -> None:
        raise AssertionError("it was judged again")

    monkeypatch.setattr(check, "find_problems", judged)
    load(CONTRACT)
    with pytest.raises(AssertionError, match="judged again"):
        load(CONTRACT, again=True)
