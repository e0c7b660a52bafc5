"""Changes of the contract, told: as text, as Markdown, as JSON, and as a draft for the changelog."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from handlers.workbench.diff.change import (
    BREAKING,
    IMPACTS,
    TEXT,
    Change,
    worst,
)
from handlers.workbench.diff.touched import Deprecated
from handlers.workbench.diff.usage_report import (
    Told,
    logs_line,
    logs_values,
    told_lines,
    told_rows,
    told_values,
)

_HEADINGS = {"breaking": "Breaking", "additive": "Additive", "text": "Text"}
_SIDES = {"sent": "what clients send", "received": "what clients receive", "both": "both sides"}

FORMATS = ("text", "markdown", "json")


def as_text(old: str, new: str, changes: Sequence[Change], told: Told | None = None) -> str:
    """For a terminal."""
    lines = []
    for impact in IMPACTS:
        for change in (one for one in changes if one.impact == impact):
            lines.append(f"{impact:<8}  {change.where}")
            lines.append(f"          {_SIDES[change.direction]}: {change.reason}")
            if told is not None and change in told.breaking:
                lines += [f"          {line}" for line in told_lines(told.breaking[change])]
    if told is not None:
        for one, touched in told.deprecated.items():
            lines.append(f"deprecated  {_marked(one)}")
            lines += [f"          {line}" for line in told_lines(touched)]
        lines.append(logs_line(told.usage))
    lines.append(f"{old} -> {new}: {_count(changes)}.")
    return "\n".join(lines)


def as_markdown(old: str, new: str, changes: Sequence[Change], told: Told | None = None) -> str:
    """For a page or a review: one table an impact, and one of whom they touch."""
    lines = [f"# {old} → {new}", "", f"{_count(changes)}.".capitalize()]
    for impact in IMPACTS:
        found = [one for one in changes if one.impact == impact]
        if found:
            lines += ["", f"## {_HEADINGS[impact]}", "", "| where | side | what |", "|---|---|---|"]
            lines += [
                f"| `{_cell(one.where)}` | {_SIDES[one.direction]} | {_cell(one.reason)} |"
                for one in found
            ]
    if told is not None:
        lines += ["", "## Whom it touches", "", *_touched_table(told), "", logs_line(told.usage)]
    return "\n".join(lines)


def _touched_table(told: Told) -> Iterator[str]:
    yield "| where | partner | calls | last | of |"
    yield "|---|---|---|---|---|"
    named = [(f"`{one.where}`", touched) for one, touched in told.breaking.items()]
    named += [
        (f"`{_marked(one)}`, deprecated", touched) for one, touched in told.deprecated.items()
    ]
    for where, touched in named:
        for row in told_rows(where, touched):
            yield f"| {' | '.join(map(_cell, row))} |"


def as_json(old: str, new: str, changes: Sequence[Change], told: Told | None = None) -> str:
    """For a program."""
    values: dict[str, Any] = {
        "old": old,
        "new": new,
        "impact": worst(list(changes)),
        "changes": [_change_values(one, told) for one in changes],
    }
    if told is not None:
        values["deprecated"] = [
            {"where": one.where, "withdrawn": one.retrait, "usage": told_values(touched)}
            for one, touched in told.deprecated.items()
        ]
        values["logs"] = logs_values(told.usage)
    return json.dumps(values, ensure_ascii=False, indent=2)


def _change_values(change: Change, told: Told | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "impact": change.impact,
        "direction": change.direction,
        "where": change.where,
        "reason": change.reason,
    }
    if told is not None and change in told.breaking:
        values["usage"] = told_values(told.breaking[change])
    return values


def _marked(one: Deprecated) -> str:
    return f"{one.where}, withdrawn {one.retrait}" if one.retrait else one.where


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
