"""Changes of the contract, told: as text, as Markdown, as JSON, and as a draft for the changelog."""

from __future__ import annotations

import json
from collections.abc import Sequence

from handlers.workbench.diff.change import (
    BREAKING,
    IMPACTS,
    TEXT,
    Change,
    worst,
)

_HEADINGS = {"breaking": "Breaking", "additive": "Additive", "text": "Text"}
_SIDES = {"sent": "what clients send", "received": "what clients receive", "both": "both sides"}

FORMATS = ("text", "markdown", "json")


def as_text(old: str, new: str, changes: Sequence[Change]) -> str:
    """For a terminal."""
    lines = []
    for impact in IMPACTS:
        for change in (one for one in changes if one.impact == impact):
            lines.append(f"{impact:<8}  {change.where}")
            lines.append(f"          {_SIDES[change.direction]}: {change.reason}")
    lines.append(f"{old} -> {new}: {_count(changes)}.")
    return "\n".join(lines)


def as_markdown(old: str, new: str, changes: Sequence[Change]) -> str:
    """For a page or a review: one table an impact."""
    lines = [f"# {old} → {new}", "", f"{_count(changes)}.".capitalize()]
    for impact in IMPACTS:
        found = [one for one in changes if one.impact == impact]
        if found:
            lines += ["", f"## {_HEADINGS[impact]}", "", "| where | side | what |", "|---|---|---|"]
            lines += [
                f"| `{_cell(one.where)}` | {_SIDES[one.direction]} | {_cell(one.reason)} |"
                for one in found
            ]
    return "\n".join(lines)


def as_json(old: str, new: str, changes: Sequence[Change]) -> str:
    """For a program."""
    return json.dumps(
        {
            "old": old,
            "new": new,
            "impact": worst(list(changes)),
            "changes": [
                {
                    "impact": one.impact,
                    "direction": one.direction,
                    "where": one.where,
                    "reason": one.reason,
                }
                for one in changes
            ],
        },
        ensure_ascii=False,
        indent=2,
    )


def as_changelog(version: str, changes: Sequence[Change]) -> str:
    """A draft of the section of a version: what breaks first; of texts only their number."""
    lines = [f"## {version}", ""]
    for change in changes:
        if change.impact != TEXT:
            mark = "**Breaking** " if change.impact == BREAKING else ""
            lines.append(f"- {mark}`{change.where}`: {change.reason}.")
    texts = sum(change.impact == TEXT for change in changes)
    if texts:
        lines.append(
            f"- {texts} text{'s' if texts > 1 else ''} changed; nothing sent or received does."
        )
    return "\n".join(lines) + "\n"


def _count(changes: Sequence[Change]) -> str:
    counts = [f"{sum(one.impact == impact for one in changes)} {impact}" for impact in IMPACTS]
    return ", ".join(counts) if changes else "nothing changed"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
