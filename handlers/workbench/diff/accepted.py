"""Changes that the rules call breaking and that were let through all the same, with their reasons and proofs.

A rule judges a kind of change and cannot know this server: a pattern that refuses what was refused anyway
is narrower all the same. Such a change is declared, by its place and the rule's own words, in
`accepted.toml` beside the published versions. It is then told as accepted, and the rule stays as strict.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from handlers.workbench.diff.change import ADDITIVE, BREAKING, Change

FILE = "accepted.toml"

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Accepted:
    """One change that was let through: since which version, what the rule says of it, why, and the test
    that proves it."""

    since: str
    where: str
    reason: str
    why: str
    proof: str

    def concerns(self, before: str, after: str) -> bool:
        """Whether the change lies between two versions."""
        return _number(before) < _number(self.since) <= _number(after)


def read_accepted(history: Path) -> list[Accepted]:
    """What was let through between the published versions of a folder."""
    path = history / FILE
    if not path.exists():
        return []
    entries = tomllib.loads(path.read_text(encoding="utf-8"))["change"]
    return [Accepted(**entry) for entry in entries]


def accept(
    changes: Iterable[Change], known: Iterable[Accepted], before: str, after: str
) -> list[Change]:
    """The changes, those that were let through between the two versions told as additive."""
    why = {(one.where, one.reason): one.why for one in known if one.concerns(before, after)}
    return [
        replace(change, impact=ADDITIVE, reason=f"{change.reason}; accepted: {why[key]}")
        if change.impact == BREAKING and (key := (change.where, change.reason)) in why
        else change
        for change in changes
    ]


def _number(version: str) -> Version:
    return tuple(int(part) for part in version.split("."))
