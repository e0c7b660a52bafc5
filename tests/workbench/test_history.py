"""Published versions stay as they are; a change owes a version that says how grave it is, and a line."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

from handlers.cli import contract as contract_cli
from handlers.workbench.diff.redocly import RedoclyMissing, kept_running
from handlers.workbench.history import (
    CHANGELOG,
    CONTRACT,
    HISTORY,
    HistoryError,
    find_state,
    next_version,
    parse_version,
    publish,
    published,
    section,
)
from tests.support.needs import lack

TEXT_CHANGE = ("Solde d'une carte", "Le solde d'une carte")
UNITE = '        unite: {$ref: "#/components/schemas/Unite"}\n'
CANAL = '        canal: {type: string, description: Canal., example: "WEB"}\n'
ADDITION = (UNITE, UNITE + CANAL)
BREAK = ("      operationId: mesDroits\n      tags", "      operationId: mesPlafonds\n      tags")

Files = tuple[Path, Path, Path]


@pytest.fixture(scope="module")
def redocly() -> Iterator[None]:
    """One process for the comparisons of the file."""
    try:
        with kept_running():
            yield
    except RedoclyMissing as error:
        lack(str(error))


@pytest.fixture
def files(request: pytest.FixtureRequest, tmp_path: Path) -> Files:
    """A contract, its history with that very version, and its changelog."""
    request.getfixturevalue("redocly")
    contract, history = tmp_path / "openapi.yaml", tmp_path / "history"
    history.mkdir()
    text = CONTRACT.read_text(encoding="utf-8")
    version = text.partition('version: "')[2].partition('"')[0]
    text = text.replace(f'version: "{version}"', 'version: "1.1.0"', 1)
    contract.write_text(text, encoding="utf-8")
    (history / "1.1.0.yaml").write_text(text, encoding="utf-8")
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(
        "# Changelog\n\nWhat changed.\n\n## 1.1.0\n\n- Before.\n", encoding="utf-8"
    )
    return contract, history, changelog


def edit(path: Path, *pairs: tuple[str, str]) -> None:
    """Replace texts of a file, each there."""
    text = path.read_text(encoding="utf-8")
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text, encoding="utf-8")


def version(name: str) -> tuple[str, str]:
    """The edit that gives the contract another version."""
    return 'version: "1.1.0"', f'version: "{name}"'


def test_published_versions_are_what_their_names_say() -> None:
    assert [one.name for one in published()] == sorted(
        (path.stem for path in HISTORY.glob("*.yaml")), key=parse_version
    )


@pytest.mark.usefixtures("redocly")
def test_contract_owes_nothing() -> None:
    """The one rule that each commit must keep; the text says what to do."""
    assert find_state().faults == []


def test_each_published_version_has_its_lines() -> None:
    text = CHANGELOG.read_text(encoding="utf-8")
    assert [one.name for one in published() if not section(text, one.name)] == []


def test_unchanged_contract_owes_nothing(files: Files) -> None:
    state = find_state(*files)
    assert (state.changes, state.faults) == ([], [])


def test_comment_owes_nothing(files: Files) -> None:
    edit(files[0], ("openapi:", "# A comment.\nopenapi:"))
    state = find_state(*files)
    assert (state.changes, state.faults) == ([], [])


def test_word_that_no_caller_sees_owes_nothing(files: Files) -> None:
    edit(files[0], ("      x-sonde: true\n", ""))
    state = find_state(*files)
    assert (state.changes, state.faults) == ([], [])


@pytest.mark.parametrize(
    ("change", "impact", "wanted", "part"),
    [
        (TEXT_CHANGE, "text", "1.1.1", "patch"),
        (ADDITION, "additive", "1.2.0", "minor"),
        (BREAK, "breaking", "2.0.0", "major"),
    ],
)
def test_change_needs_a_version_and_a_line(
    files: Files, change: tuple[str, str], impact: str, wanted: str, part: str
) -> None:
    contract, _, changelog = files
    edit(contract, change)
    assert find_state(*files).faults[0] == (
        "openapi.yaml differs from 1.1.0, which is published, and calls itself 1.1.0: its info.version "
        f"must be {wanted} or later."
    )
    edit(contract, version(wanted))
    assert find_state(*files).faults == [
        f"CHANGELOG.md has no line for {wanted}: write what changed under `## {wanted}`."
    ]
    edit(changelog, ("## 1.1.0", f"## {wanted}\n\n- A change.\n\n## 1.1.0"))
    assert find_state(*files).faults == []
    if impact != "text":
        edit(contract, (f'version: "{wanted}"', 'version: "1.1.1"'))
        edit(changelog, (f"## {wanted}", "## 1.1.1"))
        (fault,) = find_state(*files).faults
        assert fault == (
            f"a change since 1.1.0 is {impact}: info.version 1.1.1 must be {wanted} or later, another "
            f"{part} version."
        )


def test_version_below_the_published_one_is_refused(files: Files) -> None:
    edit(files[0], TEXT_CHANGE, version("1.0.9"))
    assert find_state(*files).faults[0].endswith("its info.version must be 1.1.1 or later.")


def test_heading_without_a_line_is_no_line(files: Files) -> None:
    contract, _, changelog = files
    edit(contract, TEXT_CHANGE, version("1.1.1"))
    edit(changelog, ("## 1.1.0", "## 1.1.1\n\n## 1.1.0"))
    assert find_state(*files).faults == [
        "CHANGELOG.md has no line for 1.1.1: write what changed under `## 1.1.1`."
    ]


def test_publishing_freezes_the_contract_and_drafts_its_section(files: Files) -> None:
    contract, history, changelog = files
    edit(contract, ADDITION, version("1.2.0"))
    assert publish(*files) == (history / "1.2.0.yaml", True)
    assert (history / "1.2.0.yaml").read_bytes() == contract.read_bytes()
    assert changelog.read_text(encoding="utf-8") == (
        "# Changelog\n\nWhat changed.\n\n## 1.2.0\n\n- `components.schemas.SoldeCarte.properties.canal`:"
        " canal is told too.\n\n## 1.1.0\n\n- Before.\n"
    )
    assert find_state(*files).faults == []


def test_publishing_keeps_the_lines_that_a_person_wrote(files: Files) -> None:
    contract, history, changelog = files
    edit(contract, ADDITION, version("1.2.0"))
    edit(changelog, ("## 1.1.0", "## 1.2.0\n\n- Written by hand.\n\n## 1.1.0"))
    assert publish(*files) == (history / "1.2.0.yaml", False)
    assert section(changelog.read_text(encoding="utf-8"), "1.2.0") == ["- Written by hand."]


def test_command_says_what_it_froze_and_whether_a_draft_waits_for_a_person(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract, history, changelog = files
    monkeypatch.setattr(contract_cli, "CONTRACT", contract)
    monkeypatch.setattr(contract_cli, "history_of", lambda _surface: history)
    monkeypatch.setattr(contract_cli, "freeze", partial(publish, changelog=changelog))
    text = CONTRACT.read_text(encoding="utf-8")
    own = text.partition('version: "')[2].partition('"')[0]

    def published_as(name: str) -> tuple[int, str]:
        contract.write_text(text.replace(own, name), encoding="utf-8")
        done = CliRunner().invoke(contract_cli.contract, ["publish"])
        return done.exit_code, done.output

    draft = "CHANGELOG.md has a draft for 1.1.1: say it for partners, in French.\n"
    assert published_as("1.1.1") == (0, f"1.1.1.yaml written.\n{draft}")
    edit(changelog, ("## 1.1.1", "## 1.1.2\n\n- Written by hand.\n\n## 1.1.1"))
    assert published_as("1.1.2") == (0, "1.1.2.yaml written.\n")
    told = "cynod: version 1.1.2 is published already, as it is.\n"
    assert published_as("1.1.2") == (1, told)


def test_breaking_change_is_not_published_as_a_minor_version(files: Files) -> None:
    contract, history, _ = files
    edit(contract, BREAK, version("1.2.0"))
    with pytest.raises(HistoryError, match=r"must be 2\.0\.0 or later, another major version"):
        publish(*files)
    assert [path.name for path in history.iterdir()] == ["1.1.0.yaml"]


def test_published_version_is_not_published_again(files: Files) -> None:
    with pytest.raises(HistoryError, match=r"version 1\.1\.0 is published already, as it is"):
        publish(*files)
    edit(files[0], TEXT_CHANGE)
    with pytest.raises(HistoryError, match=r"must be 1\.1\.1 or later"):
        publish(*files)


def test_published_file_that_was_edited_is_refused(files: Files) -> None:
    edit(files[1] / "1.1.0.yaml", version("1.1.5"))
    with pytest.raises(HistoryError, match="a published version is never edited"):
        find_state(*files)


def test_first_version_needs_no_other(tmp_path: Path) -> None:
    history, changelog = tmp_path / "history", tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changelog\n", encoding="utf-8")
    path, drafted = publish(CONTRACT, history, changelog)
    assert (path.read_bytes(), drafted) == (CONTRACT.read_bytes(), True)
    assert changelog.read_text(encoding="utf-8") == (
        f"# Changelog\n\n## {path.stem}\n\n- First version.\n"
    )


@pytest.mark.parametrize(
    ("impact", "expected"), [("text", "1.4.3"), ("additive", "1.5.0"), ("breaking", "2.0.0")]
)
def test_next_version_says_how_grave_a_change_is(impact: str, expected: str) -> None:
    assert next_version((1, 4, 2), impact) == expected


@pytest.mark.parametrize("name", ["1.2", "1.2.x", "v1.2.0", "1.02.0", "1.2.0-rc1", ""])
def test_what_is_no_version_is_refused(name: str) -> None:
    with pytest.raises(HistoryError, match="is no version"):
        parse_version(name)
