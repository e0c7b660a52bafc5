"""The arithmetic of the bench, and what it shows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.bench import report
from tests.bench.load import Round
from tests.bench.report import Series


def series(server: str, *rps: float, errors: int = 0) -> Series:
    """Rounds of this many requests a second."""
    rounds = [Round(one, 1.5, 1, 2, 3, 100, errors) for one in rps]
    return Series("balance", "sqlite", 1, server, rounds)


def test_ratio_is_of_medians_and_spread_of_neighbours() -> None:
    (found,) = report.compare([series("ours", 300, 330, 900), series("fastapi", 100, 220, 200)])
    assert found == {
        "workload": "balance",
        "database": "sqlite",
        "processes": 1,
        "peer": "fastapi",
        "ours_over_peer": 1.65,
        "spread": [1.5, 4.5],
        "errors": 0,
        "ours_rps": 330,
        "peer_rps": 200,
        "ours_cpu_s_per_1000": 1.5,
        "peer_cpu_s_per_1000": 1.5,
    }


def body(value: float, errors: int = 0) -> dict[str, Any]:
    """A run of one workload."""
    made = [series("ours", value), series("fastapi", 1.0, errors=errors)]
    told: dict[str, Any] = {
        "date": "2026-11-23",
        "machine": "a <machine>",
        "how": "quickly",
        "results": report.compare(made),
        "memory": {"sqlite": {"ours": 111, "fastapi": 100}},
        "start": {"sqlite": {"ours": 1.0, "fastapi": 1.0}},
        "growth": [
            {"workload": "balance", "database": "sqlite", "small": 1, "large": 2, "cost": 1.15}
        ],
        "latency": [],
    }
    told["targets"] = report.judge(told)
    return told


@pytest.mark.parametrize(
    ("value", "errors", "good"), [(1.3, 0, True), (1.29, 0, False), (2, 1, False)]
)
def test_target_is_reached_at_its_value_and_without_a_wrong_answer(
    value: float, errors: int, *, good: bool
) -> None:
    first, growth, memory = body(value, errors)["targets"]
    assert (first["target"], first["good"]) == ("balance, sqlite, against fastapi", good)
    assert (growth["good"], memory["good"], memory["value"]) == (True, False, 1.11)


def test_page_and_record_show_every_result_and_stand_alone() -> None:
    shown, record = report.page(body(1.0)), report.markdown(body(1.0))
    assert "a &lt;machine&gt;" in shown
    assert "MISSED" in shown
    assert "balance / fastapi" in shown
    assert "http" not in shown
    assert "| balance | sqlite | 1 | fastapi | 1.00 | 1.00–1.00 |" in record
    json.dumps(body(1.0))
