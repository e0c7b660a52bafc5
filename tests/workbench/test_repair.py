"""`cynod contract build --fix` writes into the YAML what the machine knows, and nothing else."""

from __future__ import annotations

import difflib
import shutil
from functools import cache
from pathlib import Path

import pytest
from click.testing import CliRunner

from handlers.cli import contract as contract_cli
from handlers.cli.contract import contract
from handlers.contract.bundle import read_whole
from handlers.contract.check import find_problems
from handlers.contract.lines import read_yaml, tell
from handlers.contract.reading import read_document
from handlers.contract.surface import BASE_CORE
from handlers.workbench import repair as workbench_repair
from handlers.workbench.repair import repair
from tests.contract.test_mistakes import TEXT, planted
from tests.support.contract_client import BASE_CORE_CONTRACT, DOCUMENT, Json

VERSION = DOCUMENT["info"]["version"]
CONFORME = "paths./conformite.get.responses.200.content.application/json.examples.conforme.value"

READY = '["405", "1002", "1005", "5001", "9999"]\n      x-classe'
ERRORS = (
    '        "413": {$ref: "#/components/responses/CorpsTropGrand"}\n'
    '        "415": {$ref: "#/components/responses/TypeContenuRefuse"}\n'
)
"""Of the first operation that has a body."""

ENDED = (
    "      summary: Solde d'une carte\n",
    (
        "      summary: Solde d'une carte\n      deprecated: true\n"
        '      x-obsolescence: {depuis: "2026-12-01", retrait: "2027-12-01"}\n'
    ),
)

MORE = '"3002", "3003",\n        '
REPAIRED: dict[str, tuple[tuple[str, str], list[str]]] = {
    "codes that the server can always answer": (
        (READY, READY.replace('"1002", ', "").replace(', "9999"', "")),
        ["paths./health/ready.get.x-codes-erreur: 1002, 9999 added."],
    ),
    "codes in disorder": (
        (READY, READY.replace('"405", "1002", "1005"', '"1005", "405", "1002", "405"')),
        ["paths./health/ready.get.x-codes-erreur: sorted, each code once."],
    ),
    "codes in disorder on more than a line": (
        (
            '"3001", "3002", "3003",\n         "3004", "3005"',
            '"3004", "3002", "3003",\n         "3001", "3005"',
        ),
        ["paths./check-card-validity.get.x-codes-erreur: sorted, each code once."],
    ),
    "responses of the statuses of codes": (
        (ERRORS, ""),
        [
            "paths./credit-carte.post.responses.413: CorpsTropGrand added.",
            "paths./credit-carte.post.responses.415: TypeContenuRefuse added.",
        ],
    ),
    "keys in disorder": (
        (
            "      tags: [sante]\n      summary: Le service est prêt\n",
            "      summary: Le service est prêt\n      tags: [sante]\n",
        ),
        ["paths./health/ready.get: its keys are put in order."],
    ),
    "responses in disorder": (
        (ERRORS, "".join(reversed(ERRORS.splitlines(keepends=True)))),
        ["paths./credit-carte.post.responses: the responses are sorted by status."],
    ),
    "another message of a success": (
        ('message: "Ce serveur suit la version', 'message: "Ce serveur sert la version'),
        [f"{CONFORME}.message: 'Ce serveur suit la version {VERSION} du contrat' written."],
    ),
    "codes of a shared response in disorder": (
        ('["405", "1001", "1002", "2102", "2103"]', '["2103", "405", "1001", "1002", "2102"]'),
        ["components.responses.JetonRefuse.x-codes-erreur: sorted, each code once."],
    ),
}


def said(told: list[str]) -> list[str]:
    """The sentences without file and line."""
    return [one.split(": ", 1)[1] for one in told]


@pytest.mark.parametrize("wrong", REPAIRED)
def test_what_the_machine_knows_is_written_back(wrong: str) -> None:
    mistake, edits = REPAIRED[wrong]
    broken = planted(mistake)
    assert broken != TEXT
    fixed, told = repair(broken)
    assert (fixed, said(told)) == (TEXT, edits)


def test_another_version_is_written_wherever_examples_show_it() -> None:
    """And a contract of one version says no other."""
    fixed, told = repair(planted((f'  version: "{VERSION}"', '  version: "9.0.0"')))
    # What says since when something is so keeps its version.
    since = "d'avant la version "
    assert fixed == TEXT.replace(VERSION, "9.0.0").replace(f"{since}9.0.0", f"{since}{VERSION}")
    assert len(told) == 4


def test_a_contract_that_is_right_is_left_as_it_is() -> None:
    assert repair(TEXT) == (TEXT, [])


LIVE = TEXT[TEXT.index("  /health/live:\n") : TEXT.index("  /health/ready:\n")]
LEFT = {
    "no contract": "- a\n",
    "a key that is given twice": planted(
        REPAIRED["codes in disorder"][0], ('openapi: "3.0.3"', 'openapi: "3.0.3"\nopenapi: "3.0.3"')
    ),
    "a status that no shared response has": planted(
        (READY, READY.replace('"5001"', '"2001", "5001"'))
    ),
    "responses in one line, in disorder": planted(
        (
            LIVE[LIVE.index("      responses:\n") :],
            (
                '      responses: {"500": {$ref: "#/components/responses/ErreurSysteme"}, '
                '"400": {$ref: "#/components/responses/RequeteInvalide"}, '
                '"406": {$ref: "#/components/responses/NonAcceptable"}}\n\n'
            ),
        )
    ),
}


@pytest.mark.parametrize("text", LEFT.values(), ids=LEFT)
def test_what_has_no_place_of_its_own_is_left_to_its_author(text: str) -> None:
    assert repair(text) == (text, [])


def test_a_line_that_says_the_version_twice_is_left_to_its_author() -> None:
    line = f"La version du contrat {VERSION}."
    broken = planted(
        ("La version du contrat.", line), (f'  version: "{VERSION}"', '  version: "9.0.0"')
    )
    fixed, told = repair(broken)
    (left,) = [one for one in fixed.splitlines() if line in one]
    assert left in broken.splitlines()
    assert len(told) == 3


def test_one_run_makes_a_bounded_number_of_edits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbench_repair, "MAX_EDITS", 1)
    broken = planted((ERRORS, ""))
    first, told = repair(broken)
    assert said(told) == ["paths./credit-carte.post.responses.413: CorpsTropGrand added."]
    assert repair(first)[0] == TEXT


def test_an_operation_that_ends_is_given_its_headers_and_then_is_right() -> None:
    broken = planted(ENDED)
    fixed, told = repair(broken)
    place = "paths./get-solde-carte.get"
    assert said(told) == [
        *(
            f"{where}: {name} added."
            for name in ("Deprecation", "Sunset", "Link")
            for where in ("components.headers", f"{place}.responses.200.headers")
        ),
        f"{place}: its keys are put in order.",
    ]
    document, lines, found = read_yaml(fixed.encode())
    assert tell(find_problems(document, lines, found), "openapi.yaml", lines) == ""
    assert repair(fixed) == (fixed, []), "a second run finds nothing to do"


def test_comments_stay_with_what_they_are_about() -> None:
    broken = planted(
        (
            "      tags: [sante]\n      summary: Le service est prêt\n",
            (
                "      # Pour la supervision.\n      summary: Le service est prêt # oui\n"
                "      tags: [sante] # une\n"
            ),
        )
    )
    fixed, _ = repair(broken)
    changed = [
        line for line in difflib.ndiff(broken.splitlines(), fixed.splitlines()) if line[0] in "+-"
    ]
    assert changed == ["+       tags: [sante] # une", "-       tags: [sante] # une"]
    # A list of codes with a comment is its author's.
    commented = planted((READY, READY.replace('"1002", ', "").replace("]\n", "] # mot\n")))
    assert repair(commented) == (commented, [])


def test_what_only_a_person_knows_is_left_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "openapi.yaml"
    shutil.copy(BASE_CORE_CONTRACT, tmp_path)
    path.write_text(
        planted(REPAIRED["codes in disorder"][0], ("      summary: Le service est prêt\n", "")),
        encoding="utf-8",
    )
    monkeypatch.setattr(contract_cli, "CONTRACT", path)
    before = path.read_text(encoding="utf-8")
    refused = CliRunner().invoke(contract, ["build"])
    assert path.read_text(encoding="utf-8") == before, "edited only when asked"
    begin = 1 + before.splitlines().index("  /health/ready:")
    numbers = [begin + 1, begin + 7]
    place = "paths./health/ready.get"
    disorder = f"{place}.x-codes-erreur: sort x-codes-erreur, each code once."
    absent = f"openapi.yaml:{numbers[0]}: {place} lacks `summary`; every operation declares it."
    assert refused.output == f"Error: {absent}\nopenapi.yaml:{numbers[1]}: {disorder}\n"
    fixed = CliRunner().invoke(contract, ["build", "--fix"])
    assert fixed.exit_code == 1
    assert fixed.output == (
        "openapi.yaml: nothing to fix without you.\n"
        "base-core.yaml: nothing to fix without you.\n"
        f"Error: {absent}\nopenapi.yaml:{numbers[1]}: {disorder}\n"
    )


def test_check_and_fix_exclude_each_other() -> None:
    refused = CliRunner().invoke(contract, ["build", "--check", "--fix"])
    assert refused.exit_code == 2
    assert "--check writes nothing, --fix does: give one of them." in refused.output


@pytest.mark.parametrize(
    "lost",
    [
        '"1002", ',
        '        "429": {$ref: "openapi.yaml#/components/responses/TropDeRequetes"}\n',
        '        "401": {$ref: "#/components/responses/PersonneNonAuthentifiee"}\n',
    ],
)
def test_what_a_contract_takes_from_another_file_is_known_and_named_there(lost: str) -> None:
    text = BASE_CORE_CONTRACT.read_text(encoding="utf-8")
    assert lost in text
    others = cache(read_document)

    def join(document: Json) -> Json:
        own = BASE_CORE_CONTRACT
        return read_whole(own, lambda one: (document, b"") if one == own else others(one))[0]

    fixed, told = repair(
        text.replace(lost, "", 1), BASE_CORE_CONTRACT.name, surface=BASE_CORE, join=join
    )
    assert (fixed, len(told)) == (text, 1)
