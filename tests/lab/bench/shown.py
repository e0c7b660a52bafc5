"""A table of a report, and what stands in its cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Shown(NamedTuple):
    """A table to be read."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def number(value: float | None, form: str) -> str:
    """A figure, or a dash for what was not measured."""
    return "–" if value is None else format(value, form)


def spread(pair: Sequence[float] | None) -> str:
    """The least and the greatest of several."""
    return f"{pair[0]:.2f}–{pair[1]:.2f}" if pair else "–"
