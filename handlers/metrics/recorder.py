"""Counts what happens in one process of the server, in that process's row of the shared memory.

A call only notes what happened. The next look at the event loop adds it to the numbers, some hundred calls at
once: the code and the data that this needs are fetched once for all of them, which is most of its cost.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from handlers.contract.model import Contract
from handlers.contract.together import merge_rate_classes
from handlers.metrics.memory import ROWS, Histogram, Layout, Memory, Row, observe, observe_all
from handlers.metrics.table import CALL_BOUNDS, DELAY_BOUNDS, STATEMENT_BOUNDS
from models.database import observed
from models.database.prepared import name_statements
from models.database.waiting import Wanted

OTHER = observed.OTHER

TICK_S = 0.1
"""Between two looks at the event loop and at what waits. What a process noted since the last one goes with it
when it is killed."""

PARENT = 0
"""The row of whoever starts the processes."""

ROOMS = ("reads", "writes", "probes")
POOLS = ("operations", "probes")


class Series(NamedTuple):
    """The calls of one operation that ended one way."""

    operation: str
    method: str
    status: str
    code: str


Ended = tuple[str, str, float]
"""A call that was answered: its operation, a code of the catalogue (or 200, or a page with its HTTP status),
and its seconds."""


class RoomState(NamedTuple):
    """What is under way in a room, and what waits for a turn there."""

    active: int
    waiting: int
    oldest_s: float
    used: int
    idle: int
    most: int


Sample = Callable[[], Sequence[RoomState]]
"""What tells the states of the ROOMS."""


class Recorder:
    """Counts for one process; before it is given a row, for the parent."""

    def __init__(self, contracts: Sequence[Contract]) -> None:
        """The statements of whatever was imported by now are told apart by their names."""
        layout = Layout()
        self.contracts = contracts
        self.alive = layout.number()
        self.ticked_at = layout.number()
        self.active = layout.number()
        self.waiting = layout.numbers(ROOMS)
        self.oldest = layout.numbers(ROOMS)
        self.used, self.idle, self.most = (layout.numbers(POOLS) for _ in range(3))
        self._gauges = range(self.alive, layout.width)
        self.started = layout.number()
        self._highest = layout.number()
        self.unknown_commits = layout.number()
        operations = [one for contract in contracts for one in contract.operations.values()]
        self.retried = layout.numbers(one.operation_id for one in operations)
        self.replayed = layout.numbers(one.operation_id for one in operations)
        self.limited = layout.numbers(merge_rate_classes(contracts))
        self.delay = layout.histogram(DELAY_BOUNDS)
        self.statements = {
            name: layout.histogram(STATEMENT_BOUNDS)
            for name in {OTHER, *observed.COMMANDS, *name_statements(), *observed.summaries()}
        }
        self.calls = {one: layout.histogram(CALL_BOUNDS) for one in sorted(_series(contracts))}
        self._by_end = {(one.operation, one.code): where for one, where in self.calls.items()}
        self._layout = layout
        self._memory = Memory(layout)
        self._row = self._memory.row(PARENT)
        self._lock = threading.Lock()
        self._ended: deque[Ended] = deque()
        self._asked: deque[observed.Asked] = deque()
        self.call_ended: Callable[[Ended], object] = self._ended.append
        """A call was answered."""
        self.statement: Callable[[observed.Asked], object] = self._asked.append
        """See models.database.observed.Observer. Threads of SQLite call it too."""
        self._handle: asyncio.TimerHandle | None = None
        self._sample: Sample = tuple

    # Of the parent, which forks

    def claim(self, number: int) -> None:
        """A process of this row starts. What those count for whom no row is left is told nobody."""
        parent = self._memory.row(PARENT)
        parent[self.started] += 1.0
        parent[self._highest] = max(parent[self._highest], min(number, ROWS - 1))

    def release(self, number: int) -> None:
        """The process of a row has ended: what it counted stays, what it was doing is no more."""
        if number < ROWS:
            self._forget(self._memory.row(number))

    def _forget(self, row: Row) -> None:
        for at in self._gauges:
            row[at] = 0.0

    def rows(self) -> list[Row]:
        """Every row that was ever used, the parent's first."""
        highest = int(self._memory.row(PARENT)[self._highest])
        return [self._memory.row(number) for number in range(highest + 1)]

    # Of a process

    def attach(self, number: int) -> None:
        """Count in this row from now on."""
        memory = self._memory if number < ROWS else Memory(self._layout)
        self._row = memory.row(number if number < ROWS else PARENT)
        self._lock = threading.Lock()  # a fork copies a lock as it was
        self._ended.clear()
        self._asked.clear()
        self._forget(self._row)

    def start(self, sample: Sample) -> None:
        """Look at the event loop, which has begun to serve, and at what waits there."""
        self._sample = sample
        self._row[self.alive] = 1.0
        self._row[self.ticked_at] = time.monotonic()
        self._next(asyncio.get_running_loop())

    def stop(self) -> None:
        """Nothing is served any more."""
        if self._handle is not None:
            self._handle.cancel()
        self.add()
        self._forget(self._row)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._handle = loop.call_later(TICK_S, self._tick, loop, loop.time() + TICK_S)

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self.add()
        row = self._row
        observe(row, self.delay, max(0.0, loop.time() - due))
        row[self.ticked_at] = time.monotonic()
        states = dict(zip(ROOMS, self._sample(), strict=True))
        row[self.active] = sum(one.active for one in states.values())
        for name, state in states.items():
            row[self.waiting[name]] = state.waiting
            row[self.oldest[name]] = state.oldest_s
        probes = states.pop("probes")
        self._tell_pool("operations", states.values())
        self._tell_pool("probes", [probes])
        self._next(loop)

    def _tell_pool(self, name: str, states: Iterable[RoomState]) -> None:
        found = list(states)
        self._row[self.used[name]] = sum(one.used for one in found)
        self._row[self.idle[name]] = sum(one.idle for one in found)
        self._row[self.most[name]] = sum(one.most for one in found)

    def add(self) -> None:
        """Add what was noted to the numbers: a call after its statements. On the event loop alone."""
        row, other = self._row, self.statements[OTHER]
        statements: defaultdict[str, list[float]] = defaultdict(list)
        calls: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
        for _ in range(len(self._ended)):
            operation, code, seconds = self._ended.popleft()
            calls[operation, code].append(seconds)
        for _ in range(len(self._asked)):
            name, began, ended = self._asked.popleft()
            statements[name].append(ended - began)
        for name, taken in statements.items():
            observe_all(row, self.statements.get(name, other), taken)
        other = self._by_end[OTHER, OTHER]
        for end, taken in calls.items():
            observe_all(row, self._by_end.get(end, other), taken)

    def shared(self, asked: observed.Asked, _callers: Sequence[Wanted]) -> None:
        """See models.database.observed.Observer. It was done once."""
        self.statement(asked)

    def retry(self, operation: str) -> None:
        """A call runs again."""
        with self._lock:  # it may be a thread's, as the next three
            self._row[self.retried[operation]] += 1.0

    def replay(self, operation: str) -> None:
        """A call was given the first one's answer."""
        with self._lock:
            self._row[self.replayed[operation]] += 1.0

    def limit(self, rate_class: str) -> None:
        """A call was refused by the limit of its class."""
        with self._lock:
            self._row[self.limited[rate_class]] += 1.0

    def commit_unknown(self) -> None:
        """See models.database.observed.Observer."""
        with self._lock:
            self._row[self.unknown_commits] += 1.0


def _series(contracts: Sequence[Contract]) -> set[Series]:
    """Every way in which a call may end: pages and what is no operation are of none."""
    found = {Series(OTHER, OTHER, OTHER, OTHER)}
    found |= {Series(OTHER, OTHER, code, code) for code in ("200", "304")}
    for contract in contracts:
        statuses = {code: str(entry.statut) for code, entry in contract.catalogue.items()}
        found |= {Series(OTHER, OTHER, status, code) for code, status in statuses.items()}
        for name, operation in contract.operations.items():
            method = operation.method.upper()
            found.add(Series(name, method, "200", "200"))
            found |= {Series(name, method, statuses[code], code) for code in operation.codes}
    return found


def total(rows: Sequence[Row], at: int) -> float:
    """The sum of a number over the rows."""
    return sum(row[at] for row in rows)


def buckets(rows: Sequence[Row], histogram: Histogram) -> tuple[list[float], float]:
    """The counts of its buckets over the rows, each with those below it, and the sum of what was seen."""
    counted, found = 0.0, []
    for at in range(histogram.at, histogram.sum_at):
        counted += total(rows, at)
        found.append(counted)
    return found, total(rows, histogram.sum_at)
