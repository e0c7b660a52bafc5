"""What differs between two contracts and no rule named: a value of an example, a link, an unknown extension.

Nothing may change unseen: a change that is not told asks for no version and for no line of the changelog.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from handlers.contract.model import Json
from handlers.workbench.diff.change import BOTH, TEXT, Change
from handlers.workbench.diff.directions import dotted, resolve

_VERSION = ("info", "version")
_WHOLE = frozenset({"value", "example", "x-corps"})
"""What is told as one change, whatever differs inside."""

_UNSEEN = frozenset({"x-sonde"})
"""Words that say how a server keeps itself, of which no caller can see anything."""

_OWN_NAMES = frozenset({("servers",), ("tags",), ("x-catalogue-erreurs",)})
"""Lists whose changes are named by what they list."""


def unnamed_changes(before: Json, after: Json, named: Sequence[Change]) -> Iterator[Change]:
    """A text change for each place that differs where none of `named` is, above or below it."""
    places = {change.where for change in named}
    above = {place[:end] for place in places for end in _ends(place)}
    for place in _differences(before, after, ()):
        where = dotted(list(place))
        told = where in above or any(where[:end] in places for end in _ends(where))
        if not told and not _is_renamed(before, after, place):
            yield Change(TEXT, BOTH, where, "reads otherwise")


def _ends(where: str) -> Iterator[int]:
    """Where a place ends, and each that it is in."""
    yield len(where)
    yield from (at for at, letter in enumerate(where) if letter == ".")


def _differences(old: Any, new: Any, place: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if old == new or place == _VERSION:
        return
    is_whole = place in _OWN_NAMES or _WHOLE.intersection(place[-1:])
    if isinstance(old, dict) and isinstance(new, dict) and not is_whole:
        for key in dict.fromkeys((*old, *new)):
            if key in _UNSEEN:
                continue
            yield from _differences(old.get(key), new.get(key), (*place, str(key)))
    else:
        yield place


def _is_renamed(before: Json, after: Json, place: tuple[str, ...]) -> bool:
    """Whether a reference changed because what it names has another name, which is told once."""
    if place[-1] != "$ref":
        return False
    reference: Any = before
    for key in place:
        reference = reference.get(key) if isinstance(reference, dict) else None
    return isinstance(reference, str) and resolve(after, reference) is None
