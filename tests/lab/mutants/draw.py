"""All mutants, and a draw of them by kind, operation and seed."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator

from tests.lab.mutants import edits, patches
from tests.lab.mutants.mutant import Mutant
from tests.lab.mutants.surface import IS_BASE_CORE, OPERATIONS

_EVERYWHERE = (
    edits.answers_judged,
    edits.requests,
    edits.rights,
    edits.catalogue,
    edits.limits,
    edits.weaker_answers,
    patches.answers,
    patches.codes,
    patches.headers,
    patches.requests,
)
_OF_PARTNERS = (patches.rights, patches.handlers)
"""They change functions of partners' operations by name."""

SOURCES = _EVERYWHERE if IS_BASE_CORE else (*_EVERYWHERE, *_OF_PARTNERS)


def all_mutants() -> list[Mutant]:
    """Every mutant, in an order that does not change."""
    return [mutant for source in SOURCES for mutant in source()]


def draw(mutants: Iterable[Mutant], count: int, seed: int) -> list[Mutant]:
    """`count` mutants: one of every kind in turn, the operation that was drawn least before the others."""
    chance = random.Random(seed)
    by_kind: dict[tuple[str, str], list[Mutant]] = defaultdict(list)
    for mutant in mutants:
        by_kind[mutant.side, mutant.kind].append(mutant)
    drawn: list[Mutant] = []
    for kind in _in_turn(list(by_kind), chance):
        left = by_kind[kind]
        if len(drawn) == count or not any(by_kind.values()):
            break
        if left:
            times = defaultdict(int, dict.fromkeys(_operations(), 0))
            for mutant in drawn:
                times[mutant.operation] += 1
            chosen = min(left, key=lambda m: (times[m.operation], chance.random()))
            left.remove(chosen)
            drawn.append(chosen)
    return drawn


def _operations() -> list[str]:
    return [operation["operationId"] for operation in OPERATIONS.values()]


def _in_turn(kinds: list[tuple[str, str]], chance: random.Random) -> Iterator[tuple[str, str]]:
    while True:
        chance.shuffle(kinds)
        yield from kinds
