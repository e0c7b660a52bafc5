"""What metrics cost a balance: what a call does more with them, and what a server does of itself."""

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
from tests.lab.bench.ground import Ground
from tests.lab.bench.servers import OURS, ServerError, serve
from tests.lab.bench.shown import Shown
from tests.support.process import free_port

Json = dict[str, Any]

METRICS = 1.02
"""At most: processor time of a balance with metrics over that without, of all processes of the server."""

PATIENCE_S = 600

IDLE_S = 10
"""How long servers are looked at that nobody calls."""


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
    return told(land.kind, _take_turns(land, pairs), idle[1] - idle[0])


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


def told(database: str, pairs: Sequence[tuple[float, float]], idle: float) -> Json:
    """For the report. `pairs` are processor seconds of as many calls; `idle` is what share of a processor a
    server with metrics takes more while nobody calls: a server that has nothing left loses as many calls."""
    ratios = [counted / without for without, counted in pairs]
    calls = statistics.median(ratios)
    return {
        "database": database,
        "without_us": _microseconds([one for one, _ in pairs]),
        "counted_us": _microseconds([one for _, one in pairs]),
        "calls": round(calls, 4),
        "idle": round(idle, 4),
        "cost": round(calls + idle, 3),
        "middle": [round(one, 3) for one in statistics.quantiles(ratios, n=4)[::2]],
        "pairs": len(pairs),
    }


def _microseconds(turns: Sequence[float]) -> float:
    return round(statistics.median(turns) / in_turns.CALLS * 1e6, 1)


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
            *(one["database"], f"{one['cost']:.3f}", f"{one['calls']:.4f}"),
            *(shown.spread(one["middle"]), f"{one['idle']:.4f}"),
            *(f"{one['without_us']:.1f}", f"{one['counted_us']:.1f}", str(one["pairs"])),
        )
        for one in body.get("counted", [])
    ]
    columns = (
        *("database", "with / without", "of calls", "middle half", "idle, of a processor"),
        *("without, CPU µs", "with, CPU µs", "pairs of turns"),
    )
    return Shown("Metrics: a balance with them over one without", columns, rows)
