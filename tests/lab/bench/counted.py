"""What metrics cost a balance: what a call does more with them, and what a server does of itself, over what a
balance costs a server without them."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab.bench import in_turns, shown
from tests.lab.bench.ground import SQLITE, Ground
from tests.lab.bench.load import WORKLOADS, run_round
from tests.lab.bench.servers import OURS, ServerError, serve
from tests.lab.bench.shown import Shown
from tests.support.process import free_port

Json = dict[str, Any]

METRICS = 1.02
"""At most: processor time of a balance with metrics over that without, of all processes of the server."""

PATIENCE_S = 600

IDLE_S = 10
"""How long servers are looked at that nobody calls."""

ROUNDS, SECONDS = 3, 3
"""What tells what a balance costs."""


def _with_metrics() -> Mapping[str, str]:
    return {"CYNOD_METRIQUES": f"127.0.0.1:{free_port()}"}


def measure(land: Ground, folder: Path, pairs: int = in_turns.PAIRS) -> Json:
    """A balance without and with metrics. Raises ServerError."""
    with (
        serve(OURS, land, 1, folder) as without,
        serve(OURS, land, 1, folder, _with_metrics()) as counted,
    ):
        time.sleep(1)
        servers = (without, counted)
        began = [one.cpu_s() for one in servers]
        time.sleep(IDLE_S)
        idle = [(one.cpu_s() - at) / IDLE_S for one, at in zip(servers, began, strict=True)]
        if land.kind == SQLITE:  # as data grow, too: chance would weigh more than metrics
            without.stay()
        rounds = [
            run_round(without, WORKLOADS["balance"], land, SECONDS, folder) for _ in range(ROUNDS)
        ]
    served = [one.cpu_s_per_1000 for one in rounds if one.cpu_s_per_1000 and not one.void]
    if not served:
        raise ServerError(f"no balance was answered well: {rounds[0].complaint}")
    balance_us = statistics.median(served) * 1000
    return told(land.kind, _take_turns(land, pairs), balance_us, idle[1] - idle[0])


def _take_turns(land: Ground, pairs: int) -> list[tuple[float, float]]:
    ended = subprocess.run(
        [sys.executable, "-m", in_turns.__name__],
        input=json.dumps({**in_turns.asked(land), "pairs": pairs}),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    if ended.returncode:
        raise ServerError(f"calls by turns: {ended.stderr[-2000:]}")
    return [(without, counted) for without, counted in json.loads(ended.stdout)]


def told(
    database: str, pairs: Sequence[tuple[float, float]], balance_us: float, idle: float
) -> Json:
    """For the report.

    `pairs` are processor seconds of as many calls; `balance_us` is what one costs a server; `idle` is what
    share of a processor a server with metrics takes more while nobody calls: it can answer as many fewer.
    """
    more = [1e6 * (counted - without) / in_turns.CALLS for without, counted in pairs]
    cost = 1 + statistics.median(more) / balance_us + idle
    return {
        "database": database,
        "balance_us": round(balance_us, 1),
        "more_us": round(statistics.median(more), 2),
        "middle": [round(one, 2) for one in statistics.quantiles(more, n=4)[::2]],
        "idle": round(idle, 4),
        "cost": round(cost, 3),
        "pairs": len(pairs),
    }


def judge(body: Json) -> list[Json]:
    """Who is watched by night is as quick by day."""
    return [
        {
            "target": f"processor time of a balance with metrics, {one['database']}",
            "wanted": f"≤ {METRICS}",
            "measured": one["cost"],
            "reached": one["cost"] <= METRICS,
        }
        for one in body.get("counted", [])
    ]


def table(body: Json) -> Shown:
    """A line for each kind of database."""
    rows = [
        (
            *(one["database"], f"{one['cost']:.3f}", f"{one['balance_us']:.0f}"),
            *(f"{one['more_us']:.2f}", shown.spread(one["middle"])),
            *(f"{one['idle']:.4f}", str(one["pairs"])),
        )
        for one in body.get("counted", [])
    ]
    columns = (
        *("database", "with / without", "a balance, CPU µs", "more with metrics, CPU µs"),
        *("middle half", "more while idle, of a processor", "pairs of turns"),
    )
    return Shown("Metrics: a balance with them over one without", columns, rows)
