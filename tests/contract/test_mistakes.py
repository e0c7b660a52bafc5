"""Each rule of the contract fails on a small mistake, and says the line and what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from handlers.contract import check
from handlers.contract.lines import read_yaml, tell
from handlers.contract.model import ContractError
from handlers.contract.reading import load
from tests.support.contract_client import CONTRACT

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

    def judged(*_arguments: Any, **_named: Any) -> None:
        raise AssertionError("it was judged again")

    monkeypatch.setattr(check, "find_problems", judged)
    load(CONTRACT)
    with pytest.raises(AssertionError, match="judged again"):
        load(CONTRACT, again=True)
