"""A table of a report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple


class Shown(NamedTuple):
    """A table to be read."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
