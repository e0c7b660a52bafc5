"""When each state of a card can have begun, as its persons' records tell: what money may have met.

A state begins between the moment in which the first request left that may have brought it, and the end of the
first answer that tells of it. Later states bound earlier ones: they follow one another, as the audit says.
"""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate

from tests.lab.proof.acts import AUDIT, DEMANDE, SAISIES, VALIDER
from tests.lab.proof.answers import Answer
from tests.lab.proof.cards import ACTIVE, Passage, check_cards
from tests.lab.proof.record import ANSWERED, UNSENT, Exchange
from tests.lab.proof.registers import Demande, Registers

NEVER = 2**63

Span = tuple[int, int]
"""The earliest and the latest instant at which something can have happened."""


class States:
    """Of one card, change by change: the state after it, and when it can have begun."""

    def __init__(self, first: str, changes: Iterable[tuple[str, Span]]) -> None:
        changes = [(first, (0, 0)), *changes]
        self._statuts = [statut for statut, _ in changes]
        self._earliest = list(accumulate((begun for _, (begun, _) in changes), max))
        known = [known for _, (_, known) in changes]
        self._known_by = list(accumulate(reversed(known), min))[::-1]

    def within(self, start: int, end: int) -> set[str]:
        """The states that the card can have been in at some instant from `start` to `end`."""
        last = bisect_right(self._earliest, end) - 1
        # A state may still hold at `start` unless the next one was known before it.
        first = max(0, bisect_left(self._known_by, start) - 1)
        return set(self._statuts[first : last + 1])


class Clock:
    """When demandes of a run can have taken effect."""

    def __init__(
        self, exchanges: Iterable[Exchange], answers: Iterable[Answer], registers: Registers
    ) -> None:
        self._registers = registers
        self._by_id = {one.demande_id: one for one in registers.demandes}
        self._begun: dict[tuple[str, str], int] = defaultdict(lambda: NEVER)
        for exchange in exchanges:
            if exchange.end != UNSENT and exchange.what in (*SAISIES, VALIDER):
                key = (_part(exchange.what), exchange.reference)
                self._begun[key] = min(self._begun[key], exchange.started)
        self._entered: dict[str, int] = defaultdict(lambda: NEVER)
        self._executed: dict[str, int] = defaultdict(lambda: NEVER)
        for answer in answers:
            if answer.acknowledges and answer.exchange.what != AUDIT:
                self._note(answer)

    def _note(self, answer: Answer) -> None:
        item = answer.item
        known = self._entered, self._executed
        for one in known if item["statut"] == "EXECUTEE" else known[:1]:
            one[item["demandeId"]] = min(one[item["demandeId"]], answer.ended)

    def effect_of(self, row: Demande) -> Span:
        """When a demande was executed. One of before the run was so all along."""
        key = (VALIDER, row.demande_id) if row.requises else (DEMANDE, row.reference)
        begun = self._begun[key]
        if begun == NEVER:
            return 0, 0
        return begun, self._executed[row.demande_id]

    def entry_of(self, row: Demande) -> Span:
        """When a demande was entered."""
        begun = self._begun[DEMANDE, row.reference]
        return (0, 0) if begun == NEVER else (begun, self._entered[row.demande_id])

    def span_of(self, passage: Passage) -> Span:
        """When a change of a card took effect."""
        row = self._by_id.get(passage.line.demande_id or "")
        if row is None:
            return 0, 0
        found = self.effect_of(row)
        if found != (0, 0) or row.requises:
            return found
        # What protects goes before the rest of it, in one transaction: the next row of the audit is the rest.
        following = self._following.get(passage.line.position + 1)
        return found if following is None else self.entry_of(following)

    @cached_property
    def _following(self) -> dict[int, Demande]:
        return {
            line.position: self._by_id[line.demande_id]
            for line in self._registers.audit
            if line.action == "demande.saisie" and line.demande_id in self._by_id
        }


def _part(what: str) -> str:
    return VALIDER if what == VALIDER else DEMANDE


def states_of(clock: Clock, passages: Mapping[str, list[Passage]]) -> dict[str, States]:
    """The states of every card, by its carteId. What was imported began as what can be used."""
    found = {}
    for carte_id, changes in passages.items():
        first = ACTIVE
        if changes:
            avant = changes[0].line.avant
            first = str(avant.get("statut", ACTIVE)) if isinstance(avant, dict) else ""
        timed = [(one.statut, clock.span_of(one)) for one in changes]
        found[carte_id] = States(first, timed)
    return found


@dataclass(frozen=True)
class Beside:
    """What persons did while partners moved money: the states of each card by its number, and when each
    demande can have taken effect."""

    states: Mapping[str, States]
    effects: Mapping[str, Span]


def seen_beside(exchanges: Iterable[Exchange], registers: Registers) -> Beside:
    """Read it from the records of persons; what is wrong there is for the auditor to say."""
    exchanges = list(exchanges)
    answers = [
        Answer(one, json.loads(one.body))
        for one in exchanges
        if (one.end, one.status) == (ANSWERED, 200)
    ]
    clock = Clock(exchanges, answers, registers)
    passages = check_cards(registers, lambda *_: None)
    by_id = states_of(clock, passages)
    return Beside(
        {registers.cartes[carte_id].numero: states for carte_id, states in by_id.items()},
        {one.demande_id: clock.effect_of(one) for one in registers.demandes},
    )
