"""Whom changes touch, told: as text, as Markdown, as values for JSON; and the table of who uses what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from handlers.workbench.diff.change import Change
from handlers.workbench.diff.touched import Deprecated, Part, Touched
from handlers.workbench.usage import Tally, Usage, Use

SHOWN_PARTS = 4
"""Parts that a line of text names; a shared schema has dozens."""

UNKNOWN = "unknown callers"

COLUMNS = ("operation", "partner", "used", "calls", "refused", "last")


@dataclass(frozen=True, slots=True)
class Told:
    """What the logs tell of a comparison."""

    usage: Usage
    breaking: Mapping[Change, Touched]
    deprecated: Mapping[Deprecated, Touched]


def told_lines(touched: Touched) -> Iterator[str]:
    """Who used it, a sentence a partner; then what the logs cannot tell."""
    if touched.cannot_tell:
        yield f"the logs cannot tell who uses it: {touched.cannot_tell}"
        return
    by = "used at most by" if touched.at_most else "used by"
    for partenaire, by_part in _most_first(touched):
        total = _sum(by_part)
        last = f", last {total.last}" if total.last else ""
        yield f"{by} {partenaire or UNKNOWN}, {count(total.calls, 'call')}{last}: {_labels(by_part)}"
    if not touched.by_partner:
        yield f"used by nobody in these logs: {_labels(touched.parts)}"
    elif touched.at_most:
        yield f"at most: {touched.at_most}"
    if touched.silent:
        yield f"of {count(touched.silent, 'call')} the logs cannot tell: an older server wrote them"


def told_values(touched: Touched) -> dict[str, Any]:
    """The same for a program."""
    return {
        "parts": [asdict(part) for part in touched.parts],
        "cannot_tell": touched.cannot_tell,
        "at_most": touched.at_most,
        "silent_calls": touched.silent,
        "partners": [
            {
                "partner": partenaire,
                **_values(_sum(by_part)),
                "parts": [{**asdict(part), **_values(one)} for part, one in by_part.items()],
            }
            for partenaire, by_part in _most_first(touched)
        ],
    }


def told_rows(where: str, touched: Touched) -> Iterator[tuple[str, ...]]:
    """The same for a table: place, partner, calls, last, of what."""
    if touched.cannot_tell:
        yield where, "unknown", touched.cannot_tell, "-", "-"
        return
    for partenaire, by_part in _most_first(touched):
        total = _sum(by_part)
        calls = f"at most {total.calls}" if touched.at_most else str(total.calls)
        yield where, partenaire or UNKNOWN, calls, total.last or "-", _labels(by_part)
    if not touched.by_partner:
        yield where, "nobody in these logs", "0", "-", _labels(touched.parts)
    if touched.silent:
        yield where, "unknown", f"{touched.silent} not told", "-", _labels(touched.parts)


def logs_line(usage: Usage) -> str:
    """What was read, and what could not be."""
    period = f" from {usage.first} to {usage.last}" if usage.first else ""
    read = f"{count(usage.files, 'log')}, {count(usage.lines, 'line')}"
    counted = {
        "that are no JSON": usage.unreadable,
        "that tell of no call of an operation": usage.others,
        "of an older server, without optional inputs and media types": usage.silent,
        "of more partners and operations than can be told apart": usage.dropped,
    }
    lines = [f"{read}: {count(usage.calls, 'call')}{period}."]
    lines += [f"Lines {what}: {number}." for what, number in counted.items() if number]
    lines += [
        f"{log} is damaged or ends too early: what is before is counted." for log in usage.cut
    ]
    return "\n".join(lines)


def logs_values(usage: Usage) -> dict[str, Any]:
    """The same for a program."""
    return {
        "files": usage.files,
        "lines": usage.lines,
        "calls": usage.calls,
        "first": usage.first or None,
        "last": usage.last or None,
        "not_json": usage.unreadable,
        "of_no_operation": usage.others,
        "silent_calls": usage.silent,
        "dropped_calls": usage.dropped,
        "damaged": usage.cut,
    }


def usage_rows(usage: Usage) -> list[tuple[object, ...]]:
    """The table of who uses what: a row for an operation and a partner, and one for each that they used."""
    rows: list[tuple[object, ...]] = []
    for operation, partenaire, use in _in_order(usage):
        of = (operation, partenaire)
        rows.append((*of, None, use.all.calls, use.refused, use.all.last or None))
        for tallies in (use.inputs, use.media):
            for name, tally in sorted(tallies.items()):
                rows.append((*of, name, tally.calls, None, tally.last or None))
    return rows


def usage_values(usage: Usage) -> dict[str, Any]:
    """The same for a program, with what was read."""
    uses = [
        {
            "operation": operation,
            "partner": partenaire,
            **_values(use.all),
            "refused": use.refused,
            "silent_calls": use.silent,
            "optional_inputs": {name: _values(one) for name, one in sorted(use.inputs.items())},
            "media_types": {name: _values(one) for name, one in sorted(use.media.items())},
        }
        for operation, partenaire, use in _in_order(usage)
    ]
    return {"logs": logs_values(usage), "usage": uses}


def _in_order(usage: Usage) -> Iterator[tuple[str, str | None, Use]]:
    for operation, by_partner in sorted(usage.by_operation.items()):
        for partenaire, use in sorted(by_partner.items(), key=lambda one: one[0] or ""):
            yield operation, partenaire, use


def _most_first(touched: Touched) -> list[tuple[str | None, dict[Part, Tally]]]:
    def rank(one: tuple[str | None, dict[Part, Tally]]) -> tuple[int, bool, str]:
        partenaire, by_part = one
        return -_sum(by_part).calls, partenaire is None, partenaire or ""

    return sorted(touched.by_partner.items(), key=rank)


def _sum(by_part: Mapping[Part, Tally]) -> Tally:
    sum_ = Tally()
    for tally in by_part.values():
        sum_.merge(tally)
    return sum_


def _values(tally: Tally) -> dict[str, Any]:
    return {"calls": tally.calls, "last": tally.last or None}


def _labels(parts: Iterable[Part]) -> str:
    labels = [part.label for part in parts]
    more = len(labels) - SHOWN_PARTS
    return ", ".join(labels[:SHOWN_PARTS]) + (f" and {more} more" if more > 0 else "")


def count(number: int, thing: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
