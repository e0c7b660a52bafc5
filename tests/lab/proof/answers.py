"""What was answered, what a run proves, and what holds of any answer, whatever it was about.

- it is a declared one, and none is a success or a refusal that nothing justifies;
- a server told to end answers what it had been sent; nothing is told while the database is frozen;
- while the database lets calls wait, each is answered soon after its deadline.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from functools import cached_property

from tests.lab.proof.record import ANSWERED, Exchange, Json, Moments

LOST, DOUBLED, WRONG = "lost", "doubled", "wrong"

ENVELOPE = {"success", "code", "message", "debugMessage", "moreInfo"}

PATIENCE_NS = 250_000_000
"""What was sent this long before a server is told to end must be answered: it has been read by then."""


Findings = dict[str, list[str]]


@dataclass
class Verdict:
    """What a run proved. `findings` are sentences by kind; anything there fails it."""

    sent: int = 0
    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    unknown_executed: int = 0
    expired: int = 0
    exchanges: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    findings: Findings = field(default_factory=lambda: {LOST: [], DOUBLED: [], WRONG: []})
    back_office: Verdict | None = None
    """What was proved beside it of persons and demandes."""

    @property
    def all_findings(self) -> Findings:
        """Those of the back office too."""
        beside = {} if self.back_office is None else self.back_office.findings
        return {kind: [*texts, *beside.get(kind, [])] for kind, texts in self.findings.items()}

    @property
    def ok(self) -> bool:
        """Nothing found, and enough happened for that to mean something."""
        return not any(self.all_findings.values()) and self.acknowledged > 0

    def counts(self) -> tuple[int, int, int]:
        """Lost, doubled, wrong."""
        found = self.all_findings
        return len(found[LOST]), len(found[DOUBLED]), len(found[WRONG])


@dataclass(frozen=True)
class Answer:
    """An exchange that was answered, its body read."""

    exchange: Exchange
    body: Json

    @property
    def acknowledges(self) -> bool:
        return self.exchange.status == 200

    @property
    def refuses(self) -> bool:
        return self.exchange.status is not None and 400 <= self.exchange.status < 500

    @property
    def code(self) -> str:
        return str(self.body.get("code"))

    @cached_property
    def item(self) -> Json:
        """The one element of `data`."""
        data = self.body["data"]
        assert isinstance(data, list)
        first: Json = data[0]
        return first

    @property
    def replayed(self) -> bool:
        return "idempotent-replayed" in self.exchange.headers

    @property
    def ended(self) -> int:
        assert self.exchange.ended is not None
        return self.exchange.ended


Find = Callable[[str, str], None]
"""Takes a finding: its kind, and a sentence."""


def describe(exchange: Exchange) -> str:
    """What was asked, and how it was answered."""
    return f"{exchange.what} {exchange.reference} answered {exchange.status}"


def read_answer(exchange: Exchange, refusals: Collection[str], find: Find) -> Answer | None:
    """The answer of an exchange that has one; None of one that is not as declared, which is a finding.

    `refusals` are the codes that this load can truly meet there: any other is a false one.
    """
    where = describe(exchange)
    try:
        body = json.loads(exchange.body)
    except ValueError:
        find(WRONG, f"{where} with a body that is no JSON: {exchange.body[:80]!r}")
        return None
    answer = Answer(exchange, body)
    if answer.acknowledges:
        if body.get("success") is not True or body.get("code") != 200:
            find(WRONG, f"{where} with success {body.get('success')!r}")
            return None
        return answer
    if not body.keys() >= ENVELOPE or body["success"] is not False:
        find(WRONG, f"{where} without the envelope: {exchange.body[:80]!r}")
        return None
    _check_status(answer, refusals, find)
    return answer


def _check_status(answer: Answer, refusals: Collection[str], find: Find) -> None:
    exchange, where = answer.exchange, describe(answer.exchange)
    if exchange.status == 503:
        if not str(exchange.headers.get("retry-after", "")).isdecimal():
            find(WRONG, f"{where} without Retry-After")
    elif exchange.status == 500:
        find(WRONG, f"{where} ({answer.code}): a fault of the database is a 503")
    elif not answer.refuses:
        find(WRONG, f"{where}, which is not declared")
    elif answer.code not in refusals:
        find(WRONG, f"{where} ({answer.code}), which nothing here justifies")


# ── time ─────────────────────────────────────────────────────────────────────────────────────────
def check_times(
    exchanges: Iterable[Exchange], answers: Iterable[Answer], moments: Moments, find: Find
) -> None:
    """What was done to servers and database at these moments was felt as it should be."""
    exchanges, answers = list(exchanges), list(answers)
    for port, instant in moments.told_to_end:
        _check_orderly_end(exchanges, port, instant, find)
    for start, end in moments.frozen:
        _check_frozen(answers, start, end, find)
    for start, end, most in moments.waited:
        _check_waits(exchanges, start, end, most, find)


def _check_orderly_end(exchanges: list[Exchange], port: int, instant: int, find: Find) -> None:
    """What a server had been sent before it was told to end was answered."""
    for exchange in exchanges:
        if exchange.port != port or exchange.way != "whole" or exchange.sent is None:
            continue
        before = exchange.sent < instant - PATIENCE_NS
        running = exchange.ended is None or exchange.ended > instant
        # A client that gave up was not dropped: a server that ends drops by closing.
        dropped = exchange.end != ANSWERED and exchange.cause != TimeoutError.__name__
        if before and running and dropped:
            early = (instant - exchange.sent) // 1_000_000
            find(
                WRONG,
                f"{exchange.reference} was sent {early} ms before its server was told to end"
                f" and got no answer ({exchange.cause})",
            )


def _check_frozen(answers: list[Answer], start: int, end: int, find: Find) -> None:
    """Whoever asked and was answered while the database was frozen was told to come again."""
    for answer in answers:
        exchange = answer.exchange
        if start < exchange.started and answer.ended < end and exchange.status != 503:
            find(WRONG, f"{describe(exchange)} ({answer.code}) while the database was frozen")


def _check_waits(exchanges: list[Exchange], start: int, end: int, most: int, find: Find) -> None:
    """Whoever sent a request while calls had to wait, and was patient, had an answer in time."""
    for exchange in exchanges:
        if exchange.way != "whole" or exchange.sent is None or exchange.ended is None:
            continue
        took = exchange.ended - exchange.sent
        if start < exchange.sent < end and took > most:
            where = f"{exchange.what} {exchange.reference}"
            find(WRONG, f"{where} waited {took // 1_000_000} ms, {exchange.end}")
