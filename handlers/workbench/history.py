"""The published versions of the contract; what a change owes them: a version, a line in CHANGELOG.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from handlers.contract.lines import LOADER
from handlers.contract.reading import read_published
from handlers.contract.surface import PARTENAIRE, Surface
from handlers.settings import ROOT
from handlers.workbench.diff.accepted import accept, read_accepted
from handlers.workbench.diff.change import (
    ADDITIVE,
    BREAKING,
    TEXT,
    Change,
    worst,
)
from handlers.workbench.diff.compare import compare, read
from handlers.workbench.diff.report import as_changelog

CONTRACT = ROOT / "openapi.yaml"
HISTORY = ROOT / "docs" / "contract"
CHANGELOG = ROOT / "CHANGELOG.md"

_VERSION = re.compile(r"(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)")
_INFO = re.compile(rb"(?m)^info:.*\n(?:(?:[ #].*)?\n)*")
"""The part of a contract that says its version, as a file of YAML has it at its edge."""

_PARTS = {BREAKING: 0, ADDITIVE: 1, TEXT: 2}
_NAMES = ("major", "minor", "patch")

Version = tuple[int, int, int]


class HistoryError(Exception):
    """The history cannot be read, or a version not be published. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class Published:
    """A frozen version."""

    version: Version
    path: Path

    @property
    def name(self) -> str:
        """`1.2.0`."""
        return ".".join(map(str, self.version))


def history_of(surface: Surface) -> Path:
    """The folder of the published versions of a surface: the partners' own, or one below it."""
    return HISTORY if surface is PARTENAIRE else HISTORY / surface.name


@contextmanager
def as_published(contract: Path) -> Iterator[Path]:
    """A file of the contract as it is published: its own, unless it refers to another one.

    Raises ContractError.
    """
    source = read_published(contract)[1]
    if source == contract.read_bytes():
        yield contract
        return
    with TemporaryDirectory() as folder:
        made = Path(folder) / contract.name
        made.write_bytes(source)
        yield made


def parse_version(text: str) -> Version:
    """`1.2.0` -> (1, 2, 0). Raises HistoryError."""
    found = _VERSION.fullmatch(text)
    if found is None:
        raise HistoryError(f"{text!r} is no version: three numbers such as 1.2.0 are.")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def published(history: Path = HISTORY) -> list[Published]:
    """The frozen versions, the oldest first. Raises HistoryError for a file that is not what it says."""
    found = []
    for path in history.glob("*.yaml"):
        version = _version_of(path)
        if version != path.stem:
            raise HistoryError(
                f"{path.name} holds version {version}: a published version is never edited."
            )
        found.append(Published(parse_version(version), path))
    return sorted(found, key=lambda one: one.version)


def _version_of(path: Path) -> str:
    """Its info.version. All of it is read where it is compared, which few of them are."""
    info = _INFO.search(path.read_bytes())
    document = yaml.load(info[0], Loader=LOADER) if info else read(path)  # noqa: S506 - a safe loader
    return str(document["info"]["version"])


def find_version(name: str, history: Path = HISTORY) -> Path:
    """The file of a published version. Raises HistoryError."""
    known = published(history)
    for one in known:
        if one.name == name:
            return one.path
    raise HistoryError(
        f"version {name} is not published; {', '.join(one.name for one in known)} are."
    )


@dataclass(frozen=True, slots=True)
class State:
    """The contract beside the last published version: what changed, and what is wrong with that."""

    last: Published
    version: str
    changes: list[Change]
    same_file: bool
    faults: list[str]


def find_state(
    contract: Path = CONTRACT,
    history: Path = HISTORY,
    changelog: Path = CHANGELOG,
    surface: Surface = PARTENAIRE,
) -> State:
    """Raises ContractError, HistoryError, RedoclyMissing or RedoclyFailed."""
    with as_published(contract) as path:
        return _find_state(path, history, changelog, surface)


def _find_state(contract: Path, history: Path, changelog: Path, surface: Surface) -> State:
    known = published(history)
    if not known:
        raise HistoryError(
            f"{history.name}/ has no published version; `cynod contract publish` makes one."
        )
    last = known[-1]
    version = str(read(contract)["info"]["version"])
    same_file = contract.read_bytes() == last.path.read_bytes()
    changes = [] if same_file else compare(last.path, contract)
    changes = accept(changes, read_accepted(history), last.name, version)
    faults = [] if same_file else list(_faults(last, version, changes, changelog, surface))
    return State(last, version, changes, same_file, faults)


def _faults(
    last: Published, version: str, changes: list[Change], changelog: Path, surface: Surface
) -> Iterator[str]:
    now = parse_version(version)
    impact = worst(changes)
    if impact is None and now == last.version:
        return  # comments, layout, words that no caller sees
    if now <= last.version:
        yield (
            f"{surface.file} differs from {last.name}, which is published, and calls itself {version}: "
            f"its info.version must be {next_version(last.version, impact or TEXT)} or later."
        )
    elif impact is not None and now < parse_version(next_version(last.version, impact)):
        part = _NAMES[_PARTS[impact]]
        yield (
            f"a change since {last.name} is {impact}: info.version {version} must be "
            f"{next_version(last.version, impact)} or later, another {part} version."
        )
    heading = surface.heading(version)
    if not section(changelog.read_text(encoding="utf-8"), heading):
        yield f"CHANGELOG.md has no line for {heading}: write what changed under `## {heading}`."


def next_version(version: Version, impact: str) -> str:
    """The smallest version that such a change may have."""
    part = _PARTS[impact]
    numbers = [*version[:part], version[part] + 1, *([0] * (2 - part))]
    return ".".join(map(str, numbers))


def section(changelog: str, heading: str) -> list[str]:
    """The lines under `## heading` that say something."""
    lines: list[str] = []
    inside = False
    for line in changelog.splitlines():
        if line.startswith("## "):
            inside = line[3:].strip() == heading
        elif inside and line.strip():
            lines.append(line)
    return lines


def publish(
    contract: Path = CONTRACT,
    history: Path = HISTORY,
    changelog: Path = CHANGELOG,
    surface: Surface = PARTENAIRE,
) -> tuple[Path, bool]:
    """Freeze the contract as its version, self-contained. The new file, and whether CHANGELOG.md was given
    a draft.

    Raises ContractError, HistoryError when it owes something else, RedoclyMissing or RedoclyFailed.
    """
    with as_published(contract) as path:
        return _publish(path, history, changelog, surface)


def _publish(contract: Path, history: Path, changelog: Path, surface: Surface) -> tuple[Path, bool]:
    version = str(read(contract)["info"]["version"])
    heading = surface.heading(version)
    target = history / f"{version}.yaml"
    drafted = False
    text = changelog.read_text(encoding="utf-8") if changelog.exists() else "# Changelog\n"
    if published(history):
        state = _find_state(contract, history, changelog, surface)
        if state.same_file:
            raise HistoryError(f"version {version} is published already, as it is.")
        if not section(text, heading) and parse_version(version) > state.last.version:
            draft = as_changelog(heading, state.changes)
            changelog.write_text(_with_section(text, draft), encoding="utf-8")
            drafted = True
            state = _find_state(contract, history, changelog, surface)
        if state.faults:
            raise HistoryError(state.faults[0])
    elif not section(text, heading):
        changelog.write_text(
            _with_section(text, f"## {heading}\n\n- First version.\n"), encoding="utf-8"
        )
        drafted = True
    history.mkdir(parents=True, exist_ok=True)
    target.write_bytes(contract.read_bytes())
    return target, drafted


def _with_section(text: str, draft: str) -> str:
    """The changelog with the section before the first of the others."""
    head, mark, rest = text.partition("\n## ")
    return f"{head.rstrip()}\n\n{draft.rstrip()}\n" + (f"\n## {rest}" if mark else "")
