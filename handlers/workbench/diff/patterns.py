"""Whether one pattern takes all that another takes, found by deriving both, character by character.

A derivative is what a pattern still asks after a character (Brzozowski, 1964). Two patterns are walked
side by side through all that they can still ask; patterns of a contract have few such states.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

MAX_STATES = 20_000
"""Pairs of states that are walked before it is said that nothing can be said."""

END = 0x110000
"""One more than the last character."""


class UnknownPattern(ValueError):
    """A pattern says what is not read here: a class like `\\d`, a look-ahead, no anchors."""


class Chars(NamedTuple):
    """One character of these ranges, ends included. No range: nothing fits."""

    ranges: tuple[tuple[int, int], ...]


class Cat(NamedTuple):
    """One after the other."""

    first: Node
    rest: Node


class Alt(NamedTuple):
    """One of these."""

    options: frozenset[Node]


class Repeat(NamedTuple):
    """So many times; `high` None is without end."""

    of: Node
    low: int
    high: int | None


class Empty(NamedTuple):
    """Nothing more, which fits the end."""

    mark: str = "empty"


Node = Chars | Cat | Alt | Repeat | Empty
NEVER, EMPTY = Chars(()), Empty()


def compare(one: str, other: str) -> tuple[bool, bool]:
    """Whether each of two patterns takes all that the other takes. Raises UnknownPattern."""
    start = _Reader(one).read(), _Reader(other).read()
    letters = sorted({0, *_edges(start[0]), *_edges(start[1])})
    seen, waiting = {start}, [start]
    one_takes_all, other_takes_all = True, True
    while waiting and (one_takes_all or other_takes_all):
        left, right = waiting.pop()
        one_takes_all &= _may_end(left) or not _may_end(right)
        other_takes_all &= _may_end(right) or not _may_end(left)
        for letter in letters:
            after = _derive(left, letter), _derive(right, letter)
            if after not in seen:
                seen.add(after)
                waiting.append(after)
        if len(seen) > MAX_STATES:
            raise UnknownPattern("it has too many states")
    return one_takes_all, other_takes_all


def _edges(node: Node) -> Iterator[int]:
    """Where ranges begin and end: characters between two edges are all alike."""
    if isinstance(node, Chars):
        yield from (edge for low, high in node.ranges for edge in (low, high + 1) if edge < END)
    elif isinstance(node, Cat):
        yield from (*_edges(node.first), *_edges(node.rest))
    elif isinstance(node, Alt):
        yield from (edge for option in node.options for edge in _edges(option))
    elif isinstance(node, Repeat):
        yield from _edges(node.of)


def _cat(first: Node, rest: Node) -> Node:
    if NEVER in (first, rest):
        return NEVER
    if first == EMPTY:
        return rest
    if rest == EMPTY:
        return first
    return _cat(first.first, _cat(first.rest, rest)) if isinstance(first, Cat) else Cat(first, rest)


def _alt(*nodes: Node) -> Node:
    flat = {one for node in nodes for one in (node.options if isinstance(node, Alt) else (node,))}
    flat.discard(NEVER)
    if not flat:
        return NEVER
    return flat.pop() if len(flat) == 1 else Alt(frozenset(flat))


def _repeat(of: Node, low: int, high: int | None) -> Node:
    if high == 0 or of == EMPTY:
        return EMPTY
    return of if (low, high) == (1, 1) else Repeat(of, low, high)


@lru_cache(maxsize=4096)
def _may_end(node: Node) -> bool:
    if isinstance(node, Cat):
        return _may_end(node.first) and _may_end(node.rest)
    if isinstance(node, Alt):
        return any(_may_end(option) for option in node.options)
    if isinstance(node, Repeat):
        return node.low == 0 or _may_end(node.of)
    return isinstance(node, Empty)


@lru_cache(maxsize=65_536)
def _derive(node: Node, letter: int) -> Node:
    """What is still asked after the letter."""
    if isinstance(node, Chars):
        return EMPTY if any(low <= letter <= high for low, high in node.ranges) else NEVER
    if isinstance(node, Cat):
        after = _cat(_derive(node.first, letter), node.rest)
        return _alt(after, _derive(node.rest, letter)) if _may_end(node.first) else after
    if isinstance(node, Alt):
        return _alt(*(_derive(option, letter) for option in node.options))
    if isinstance(node, Repeat):
        fewer = None if node.high is None else node.high - 1
        return _cat(_derive(node.of, letter), _repeat(node.of, max(node.low - 1, 0), fewer))
    return NEVER


class _Reader:
    """Reads the patterns that a contract may have: see handlers.contract.style for them."""

    def __init__(self, pattern: str) -> None:
        if not (pattern.startswith("^") and pattern.endswith("$")):
            raise UnknownPattern("it is not anchored")
        self._left = pattern[1:-1]

    def read(self) -> Node:
        node = self._alternatives()
        if self._left:
            raise UnknownPattern(f"what is {self._left[:10]!r}?")
        return node

    def _take(self, text: str) -> bool:
        taken = self._left.startswith(text)
        self._left = self._left[len(text) :] if taken else self._left
        return taken

    def _next(self) -> str:
        if not self._left:
            raise UnknownPattern("it ends too early")
        char, self._left = self._left[0], self._left[1:]
        return char

    def _alternatives(self) -> Node:
        node = self._sequence()
        while self._take("|"):
            node = _alt(node, self._sequence())
        return node

    def _sequence(self) -> Node:
        node: Node = EMPTY
        while self._left and self._left[0] not in "|)":
            node = _cat(node, self._times(self._atom()))
        return node

    def _times(self, node: Node) -> Node:
        bounds = re.match(r"\*|\+|\?|\{(\d+)(,?)(\d*)\}", self._left)
        if bounds is None:
            return node
        self._left = self._left[bounds.end() :]
        if self._left[:1] in ("?", "+", "*", "{"):
            raise UnknownPattern("it is repeated twice, lazily or possessively")
        if bounds[1] is None:
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[bounds[0]]
            return _repeat(node, low, high)
        low = int(bounds[1])
        return _repeat(node, low, (int(bounds[3]) if bounds[3] else None) if bounds[2] else low)

    def _atom(self) -> Node:
        if self._take("(?:") or (not self._left.startswith("(?") and self._take("(")):
            node = self._alternatives()
            if not self._take(")"):
                raise UnknownPattern("a parenthesis stays open")
            return node
        if self._take("["):
            return self._set()
        char = self._next()
        if char in "^$.()*+?{":
            raise UnknownPattern(f"what is {char}?")
        return _one(self._escaped() if char == "\\" else ord(char))

    def _escaped(self) -> int:
        char = self._next()
        if char == "u":
            digits, self._left = self._left[:4], self._left[4:]
            if not re.fullmatch("[0-9A-Fa-f]{4}", digits):
                raise UnknownPattern("\\u wants four digits")
            return int(digits, 16)
        if char.isalnum():
            raise UnknownPattern(f"what is \\{char}?")
        return ord(char)

    def _set(self) -> Node:
        negated, ranges = self._take("^"), []
        while not self._take("]"):
            low = high = self._member()
            if self._left.startswith("-") and not self._left.startswith("-]"):
                self._next()
                high = self._member()
            ranges.append((low, high))
        return Chars(tuple(_complement(sorted(ranges)) if negated else sorted(ranges)))

    def _member(self) -> int:
        char = self._next()
        return self._escaped() if char == "\\" else ord(char)


def _one(char: int) -> Chars:
    return Chars(((char, char),))


def _complement(ranges: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    free = 0
    for low, high in ranges:
        if low > free:
            yield free, low - 1
        free = max(free, high + 1)
    if free < END:
        yield free, END - 1
