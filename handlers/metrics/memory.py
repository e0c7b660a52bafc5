"""Numbers that the processes of a server share: a row each, which that process alone writes.

The memory is made before the processes are forked and belongs to none of them: one that is killed leaves what
it has counted, and the next in its row goes on from there. prometheus_client has a mode for several processes
too; it writes into files, one more for each process that ever lived, and takes some microseconds an
observation, where a call of the shortest operations has five of them and a budget of 2 % for all.
"""

from __future__ import annotations

import mmap
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeAlias

ROWS = 128
"""The parent's, and one for each process; whoever has more of them does not count the rest."""

_BYTES = 8

Row: TypeAlias = "memoryview[float]"
"""The numbers of one process."""


class Histogram(NamedTuple):
    """Where a histogram stands in a row: a number for each bucket, then the sum."""

    at: int
    bounds: Sequence[float]
    sum_at: int


class Layout:
    """What stands where in a row. Nothing is added once the memory is made."""

    def __init__(self) -> None:
        self.width = 0

    def number(self) -> int:
        """A place for one number."""
        self.width += 1
        return self.width - 1

    def numbers(self, names: Iterable[str]) -> Mapping[str, int]:
        """A place for each."""
        return {name: self.number() for name in names}

    def histogram(self, bounds: Sequence[float]) -> Histogram:
        """A place for a histogram."""
        at = self.width
        self.width += len(bounds) + 2
        return Histogram(at, bounds, self.width - 1)


class Memory:
    """The rows. A page of it takes memory once it is written to."""

    def __init__(self, layout: Layout) -> None:
        self._width = layout.width
        self._bytes = mmap.mmap(-1, ROWS * self._width * _BYTES)
        self._all = memoryview(self._bytes).cast("d")

    def row(self, number: int) -> Row:
        """The numbers of a row."""
        return self._all[number * self._width : (number + 1) * self._width]


def observe(row: Row, histogram: Histogram, value: float) -> None:
    """Count a value."""
    at, bounds, sum_at = histogram
    row[at + bisect_left(bounds, value)] += 1.0
    row[sum_at] += value


def observe_all(row: Row, histogram: Histogram, values: Sequence[float]) -> None:
    """Count several values, each for less than one alone."""
    at, bounds, sum_at = histogram
    for bucket, count in Counter(map(partial(bisect_left, bounds), values)).items():
        row[at + bucket] += count
    row[sum_at] += sum(values)
