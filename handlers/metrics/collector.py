"""What Prometheus is told: the rows of the shared memory summed, and what the database and the disk say."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from handlers.metrics import table
from handlers.metrics.memory import Histogram, Row
from handlers.metrics.recorder import POOLS, ROOMS, TICK_S, Recorder, buckets, total
from handlers.metrics.table import Kind, Metric
from handlers.metrics.verifications import Result

_FAMILIES = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily}

Values = Mapping[tuple[str, ...], float]


class Waiting(NamedTuple):
    """Demandes of a type that nobody has validated yet: how many, and the age of the oldest."""

    number: int
    oldest_s: float


class Told(NamedTuple):
    """What the database told; None when it did not answer."""

    pending: Mapping[str, Waiting] | None


class Collected(Collector):
    """A collector of prometheus_client."""

    def __init__(
        self,
        recorder: Recorder,
        ask_database: Callable[[], Told],
        read_results: Callable[[], Mapping[str, Result]],
    ) -> None:
        self._recorder = recorder
        self._ask_database = ask_database
        self._read_results = read_results

    def collect(self) -> Iterator[Family]:
        """The families of the table, in its order."""
        rows = self._recorder.rows()
        found = {
            **self._of_calls(rows),
            **self._of_processes(rows),
            **self._of_the_database(),
            **self._of_verifications(),
        }
        histograms = self._histograms()
        for metric in table.METRICS:
            if metric.kind is Kind.HISTOGRAM:
                yield _histogram(metric, rows, histograms[metric])
            elif found[metric] is not None:
                yield _family(metric, found[metric])

    def _histograms(self) -> Mapping[Metric, Mapping[tuple[str, ...], Histogram]]:
        recorder = self._recorder
        return {
            table.CALLS: {tuple(one): where for one, where in recorder.calls.items()},
            table.STATEMENTS: {(name,): where for name, where in recorder.statements.items()},
            table.LOOP_DELAY: {(): recorder.delay},
        }

    def _of_calls(self, rows: Sequence[Row]) -> dict[Metric, Values]:
        recorder = self._recorder
        calls = {one: buckets(rows, where)[0][-1] for one, where in recorder.calls.items()}
        failed: dict[tuple[str, ...], float] = {
            (one.code,): 0.0 for one in calls if one.status.startswith("5")
        }
        for one, number in calls.items():
            if (one.code,) in failed:
                failed[one.code,] += number
        issuing = {
            name
            for contract in recorder.contracts
            for name, operation in contract.operations.items()
            if operation.issues_tokens
        }
        tokens = sum(calls[one] for one in calls if one.operation in issuing and one.code == "200")
        return {
            table.FAILED: failed,
            table.TOKENS: {(): tokens},
            table.RETRIED: _summed(rows, recorder.retried),
            table.REPLAYED: _summed(rows, recorder.replayed),
            table.LIMITED: _summed(rows, recorder.limited),
            table.UNKNOWN_COMMITS: {(): total(rows, recorder.unknown_commits)},
        }

    def _of_processes(self, rows: Sequence[Row]) -> dict[Metric, Values]:
        recorder, now = self._recorder, time.monotonic()
        alive = [row for row in rows if row[recorder.alive]]
        stalled = [now - row[recorder.ticked_at] - TICK_S for row in alive]
        connections: dict[tuple[str, ...], float] = {
            (pool, state): total(alive, where[pool])
            for pool in POOLS
            for state, where in (("used", recorder.used), ("idle", recorder.idle))
        }
        return {
            table.ACTIVE: {(): total(alive, recorder.active)},
            table.WAITING: _summed(alive, recorder.waiting),
            table.OLDEST: {
                (room,): max((row[recorder.oldest[room]] for row in alive), default=0.0)
                for room in ROOMS
            },
            table.CONNECTIONS: connections,
            table.CONNECTIONS_MAX: _summed(alive, recorder.most),
            table.LOOP_STALLED: {(): max([0.0, *stalled])},
            table.WORKERS: {(): len(alive)},
            table.WORKERS_STARTED: {(): total(rows, recorder.started)},
            table.CONTRACT: {
                (one.surface.name, one.version, one.sha256): 1.0 for one in recorder.contracts
            },
        }

    def _of_the_database(self) -> dict[Metric, Values]:
        pending = self._ask_database().pending
        told = pending or {}
        return {
            table.DATABASE_UP: {(): float(pending is not None)},
            table.PENDING: {(name,): float(one.number) for name, one in told.items()},
            table.PENDING_OLDEST: {(name,): one.oldest_s for name, one in told.items()},
        }

    def _of_verifications(self) -> dict[Metric, Values]:
        results = self._read_results()
        return {
            table.VERIFIED: {(name,): float(one.success) for name, one in results.items()},
            table.VERIFIED_AT: {(name,): one.at for name, one in results.items()},
        }


def _summed(rows: Sequence[Row], places: Mapping[str, int]) -> Values:
    return {(name,): total(rows, at) for name, at in places.items()}


def _family(metric: Metric, values: Values) -> Family:
    family: Any = _FAMILIES[metric.kind](metric.name, metric.sentence, labels=metric.labels)
    for labels, value in values.items():
        family.add_metric(labels, value)
    made: Family = family
    return made


def _histogram(
    metric: Metric,
    rows: Sequence[Row],
    places: Mapping[tuple[str, ...], Histogram],
) -> Family:
    """Of those that were ever observed: most operations end in three ways of fifteen."""
    family = HistogramMetricFamily(metric.name, metric.sentence, labels=metric.labels)
    for labels, where in places.items():
        counted, summed = buckets(rows, where)
        if counted[-1]:
            edges = [*map(str, where.bounds), "+Inf"]
            family.add_metric(labels, list(zip(edges, counted, strict=True)), summed)
    return family
