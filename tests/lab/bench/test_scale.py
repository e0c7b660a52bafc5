"""What follows from the figures of one PostgreSQL, and what is told of them."""

from __future__ import annotations

import os

import pytest

from tests.lab.bench import scale
from tests.lab.bench.load import Round
from tests.lab.bench.scale import GIB, Step, Weight

PROCESSORS = os.cpu_count() or 1
WEIGHT = Weight(1_000_000, GIB // 4, GIB // 2, 3)


def step(
    clients: int, rps: float, p99_ms: float, *, other: float = 0.1, wait: str = "IO:WALSync"
) -> Step:
    """Our processes and PostgreSQL take two tenths each."""
    return Step(clients, Round(rps, None, 1, 2, p99_ms, 100), 0.2, 0.2, other, wait)


STEPS = [step(1, 100, 9), step(2, 190, 49), step(4, 250, 51), step(8, 240, 200)]


def test_a_debit_that_is_late_does_not_count() -> None:
    best = scale.quickest(STEPS)
    assert best is not None
    assert best.clients == 2
    assert scale.quickest(STEPS[2:]) is None


def test_round_with_a_wrong_answer_carries_nothing() -> None:
    wrong = STEPS[1]._replace(round=Round(900, None, 1, 2, 3, 100, errors=1))
    assert scale.quickest([STEPS[0], wrong]) == STEPS[0]


@pytest.mark.parametrize(
    ("other", "wait", "told"),
    [
        (0.1, "IO:WALSync", "IO:WALSync, for which PostgreSQL waits with 4 clients"),
        (
            *(0.55, "none"),
            "the processors, 95% in use with 4 clients, most by the servers of the API",
        ),
    ],
)
def test_what_runs_out_is_what_most_debits_meet(other: float, wait: str, told: str) -> None:
    assert scale.runs_out([STEPS[0], step(4, 250, 51, other=other, wait=wait)]) == told


@pytest.mark.parametrize(
    ("operations", "levels"), [(1_000_000, 3), (100_000_000, 3), (200_000_000, 4), (10**12, 5)]
)
def test_journal_grows_as_its_operations_and_its_indexes_by_levels(
    operations: int, levels: int
) -> None:
    times = operations // 1_000_000
    assert scale.project(WEIGHT, operations) == (
        *(operations, GIB // 4 * times, GIB // 2 * times, levels),
    )


def test_each_measure_is_due_where_its_figures_say() -> None:
    # With most clients served, 250 debits took two tenths of the processors of PostgreSQL.
    carried = 250 / 0.2
    index = GIB / 2 / 1_000_000
    due = [one.due for one in scale.measures(STEPS, WEIGHT, 0.5, 8 * GIB)]
    pages = 0.3 * 250 / (0.5 * 0.4)
    assert due == [
        "above 190 debits a second",
        f"above {carried * 0.7:,.0f} debits a second for {PROCESSORS} of them",
        f"above {pages:,.0f} pages a second",
        f"above {int(4 * GIB / index):,} operations",
    ]
    assert scale.measures(STEPS, WEIGHT, None, 10**15)[-1].due == "above 100,000,000 operations"


def test_cost_is_over_that_of_the_smallest() -> None:
    kept = [
        {name: [Round(rps, requests=1)] for name in scale.OF_CURVE} for rps in (200.0, 100.0, 400.0)
    ]
    kept[2]["list"] = [Round(1, requests=1, errors=1)]
    assert [one["debit"] for one in scale.costs(kept)] == [1.0, 2.0, 0.5]
    assert scale.costs(kept)[2]["list"] != scale.costs(kept)[2]["list"]  # not a number
    assert scale.page_over_debit(kept[2]) is None
    kept[0]["list"] = [Round(50, requests=1)]
    assert scale.page_over_debit(kept[0]) == 4.0


def test_report_says_all_of_it() -> None:
    body = {
        "scale": {
            "carry": [scale.write_step(one) for one in STEPS],
            "curve": [{"operations": 10_000, "cost": {"debit": 1.0}}],
            "weight": WEIGHT._asdict(),
            "page": 0.5,
            "memory": 8 * GIB,
        }
    }
    carried, curve, weighed, due = scale.tables(body)
    assert carried.title == (
        "What one PostgreSQL carries on this machine: 190 with 2 clients at p99 < 50 ms; what runs"
        " out first: IO:WALSync, for which PostgreSQL waits with 4 clients"
    )
    assert carried.rows[1] == ("2", "190", "1.0", "49.0", "20%", "20%", "10%", "IO:WALSync", "0")
    assert curve.rows == [("10,000", "1.00")]
    assert weighed.rows[2] == ("100,000,000", "25.0", "50.0", "3", "6.1")
    assert len(due.rows) == 4
    assert scale.tables({}) == []
