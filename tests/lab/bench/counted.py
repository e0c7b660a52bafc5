"""What metrics cost a call: two servers of ours on one database, of which one counts."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.bench import shown
from tests.lab.bench.ground import SQLITE, Ground
from tests.lab.bench.load import WORKLOADS, Round, run_round
from tests.lab.bench.servers import OURS, serve
from tests.lab.bench.shown import Shown
from tests.support.process import free_port

Json = dict[str, Any]

METRICS = 1.02
"""At most: processor time of a balance with metrics over that without, of all processes of the server."""

ROUNDS, SECONDS = 40, 1
"""Many short ones: rounds that follow each other meet the same machine, and the median of many such pairs
tells less than a hundredth, which no pair does."""


def _with_metrics() -> Mapping[str, str]:
    return {"CYNOD_METRIQUES": f"127.0.0.1:{free_port()}"}


def measure(land: Ground, folder: Path, rounds: int = ROUNDS) -> Json:
    """A balance without and with metrics, in turns; who is first changes each time. Raises ServerError."""
    workload = WORKLOADS["balance"]
    pairs: list[tuple[Round, Round]] = []
    with (
        serve(OURS, land, 1, folder) as without,
        serve(OURS, land, 1, folder, _with_metrics()) as counted,
    ):
        if land.kind == SQLITE:  # as data grow, too: chance would weigh more than metrics
            without.stay()
            counted.stay()
        for number in range(rounds + 1):
            turn = (without, counted) if number % 2 else (counted, without)
            first, second = (run_round(one, workload, land, SECONDS, folder) for one in turn)
            if number:  # the first warms up
                pairs.append((first, second) if number % 2 else (second, first))
    return told(land.kind, pairs)


def told(database: str, pairs: Sequence[tuple[Round, Round]]) -> Json:
    """For the report: seconds of a processor for 1,000 calls; a cost without a good pair is null."""
    good = [
        (without.cpu_s_per_1000, counted.cpu_s_per_1000)
        for without, counted in pairs
        if not without.void and not counted.void
    ]
    each = [counted / without for without, counted in good if without and counted is not None]
    return {
        "database": database,
        "without_cpu": _median([one for one, _ in good]),
        "counted_cpu": _median([one for _, one in good]),
        "cost": _median(each),
        "spread": [round(min(each), 3), round(max(each), 3)] if each else None,
        "pairs": len(each),
        "errors": sum(one.errors for pair in pairs for one in pair),
    }


def _median(values: Sequence[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return round(statistics.median(known), 3) if known else None


def judge(body: Json) -> list[Json]:
    """Who is watched by night is as quick by day."""
    return [
        {
            "target": f"processor time of a balance with metrics, {one['database']}",
            "wanted": f"≤ {METRICS}",
            "measured": one["cost"],
            "reached": one["cost"] is not None and one["cost"] <= METRICS and not one["errors"],
        }
        for one in body.get("counted", [])
    ]


def table(body: Json) -> Shown:
    """A line for each kind of database."""
    rows = [
        (
            *(one["database"], shown.number(one["cost"], ".3f"), shown.spread(one["spread"])),
            *(shown.number(one[name], ".3f") for name in ("without_cpu", "counted_cpu")),
            *(str(one["pairs"]), str(one["errors"])),
        )
        for one in body.get("counted", [])
    ]
    columns = (
        *("database", "with / without", "spread", "without, CPU s/1,000", "with, CPU s/1,000"),
        *("pairs of rounds", "errors"),
    )
    return Shown("Metrics: a balance with them over one without", columns, rows)
