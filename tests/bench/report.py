"""What the measurements say: ratios, targets, JSON, a table, a page, and the record in docs."""

from __future__ import annotations

import html
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.bench.load import Round

Json = dict[str, Any]

TARGETS: tuple[tuple[str, str, str, int | None, float], ...] = (
    ("balance", "postgresql", "connexion", 1, 3.0),
    ("balance", "postgresql", "fastapi", 1, 1.3),
    ("balance", "postgresql", "bare", 1, 0.45),
    ("balance", "sqlite", "connexion", 1, 3.0),
    ("balance", "sqlite", "fastapi", 1, 1.3),
    ("balance", "sqlite", "bare", 1, 0.45),
    ("debit", "postgresql", "connexion", 1, 2.0),
    ("debit", "postgresql", "fastapi", 1, 1.2),
    ("debit", "postgresql", "pgbench", 2, 0.35),
    ("debit_hot", "postgresql", "fastapi", 1, 1.1),
    ("refused", "postgresql", "connexion", 1, 3.0),
    ("refused", "postgresql", "fastapi", 1, 1.3),
    ("refused", "sqlite", "connexion", 1, 3.0),
    ("refused", "sqlite", "fastapi", 1, 1.3),
)
"""Workload, database, peer, processes, and what ours over the peer must be at least."""

GROWTH, MEMORY = 1.15, 1.1
"""At most: the cost of a balance at a million cards against a thousand; our peak over FastAPI's."""


def ratio(ours: Sequence[float], peer: Sequence[float]) -> float:
    """The ratio of the medians."""
    return statistics.median(ours) / statistics.median(peer)


def spread(ours: Sequence[float], peer: Sequence[float]) -> tuple[float, float]:
    """The least and the greatest ratio of two rounds that followed each other."""
    each = [mine / theirs for mine, theirs in zip(ours, peer, strict=True)]
    return min(each), max(each)


@dataclass
class Series:
    """The rounds of one server under one workload."""

    workload: str
    database: str
    processes: int
    server: str
    rounds: list[Round] = field(default_factory=list)

    @property
    def rps(self) -> list[float]:
        """Requests a second, by round."""
        return [one.rps for one in self.rounds]

    @property
    def errors(self) -> int:
        """Wrong answers of all rounds."""
        return sum(one.errors for one in self.rounds)


def compare(series: Iterable[Series]) -> list[Json]:
    """One result for each peer of each workload."""
    found: list[Json] = []
    groups: dict[tuple[str, str, int], dict[str, Series]] = {}
    for one in series:
        groups.setdefault((one.workload, one.database, one.processes), {})[one.server] = one
    for (workload, database, processes), by_server in groups.items():
        ours = by_server["ours"]
        for name, peer in by_server.items():
            if name == "ours":
                continue
            low, high = spread(ours.rps, peer.rps)
            found.append(
                {
                    "workload": workload,
                    "database": database,
                    "processes": processes,
                    "peer": name,
                    "ours_over_peer": round(ratio(ours.rps, peer.rps), 3),
                    "spread": [round(low, 3), round(high, 3)],
                    "errors": ours.errors + peer.errors,
                    "ours_rps": round(statistics.median(ours.rps), 1),
                    "peer_rps": round(statistics.median(peer.rps), 1),
                    "ours_cpu_s_per_1000": _cpu(ours),
                    "peer_cpu_s_per_1000": _cpu(peer),
                }
            )
    return found


def _cpu(series: Series) -> float:
    return round(statistics.median(one.cpu_s_per_1000 for one in series.rounds), 3)


def judge(body: Json) -> list[Json]:
    """Each target that this run measured, and whether it was reached."""
    found: list[Json] = []
    for workload, database, peer, processes, least in TARGETS:
        for result in body["results"]:
            place = (result["workload"], result["database"], result["peer"], result["processes"])
            if place == (workload, database, peer, processes):
                name = f"{workload}, {database}, against {peer}"
                value = result["ours_over_peer"]
                good = value >= least and not result["errors"]
                found.append({"target": name, "at": f"≥ {least}", "value": value, "good": good})
    for growth in body.get("growth", []):
        name = f"cost of a balance at {growth['large']:,} cards, {growth['database']}"
        value = growth["cost"]
        good = value <= GROWTH
        found.append({"target": name, "at": f"≤ {GROWTH}", "value": value, "good": good})
    memory = body.get("memory", {})
    for database, peaks in memory.items():
        if "fastapi" in peaks:
            value = round(peaks["ours"] / peaks["fastapi"], 3)
            name = f"peak memory of a process against fastapi, {database}"
            good = value <= MEMORY
            found.append({"target": name, "at": f"≤ {MEMORY}", "value": value, "good": good})
    return found


# ── text ─────────────────────────────────────────────────────────────────────────────────────────
def tables(body: Json) -> list[tuple[str, list[str], list[list[str]]]]:
    """Title, columns and rows of everything measured."""
    made = [
        (
            "Targets",
            ["target", "wanted", "measured", ""],
            [
                [
                    one["target"],
                    one["at"],
                    f"{one['value']:.2f}",
                    "reached" if one["good"] else "MISSED",
                ]
                for one in body["targets"]
            ],
        ),
        (
            "Throughput: ours over the peer",
            [
                *("workload", "database", "processes", "peer", "ratio", "spread"),
                *("ours/s", "peer/s", "ours CPU s/1,000", "peer CPU s/1,000", "errors"),
            ],
            [
                [
                    one["workload"],
                    one["database"],
                    str(one["processes"]),
                    one["peer"],
                    f"{one['ours_over_peer']:.2f}",
                    f"{one['spread'][0]:.2f}–{one['spread'][1]:.2f}",
                    f"{one['ours_rps']:,.0f}",
                    f"{one['peer_rps']:,.0f}",
                    f"{one['ours_cpu_s_per_1000']:.2f}",
                    f"{one['peer_cpu_s_per_1000']:.2f}",
                    str(one["errors"]),
                ]
                for one in body["results"]
            ],
        ),
    ]
    if body.get("latency"):
        made.append(
            (
                "Latency at a fixed rate, milliseconds",
                ["workload", "database", "server", "rate/s", "p50", "p95", "p99"],
                [
                    [
                        one["workload"],
                        one["database"],
                        one["server"],
                        f"{one['rate']:.0f}",
                        *(f"{one[share]:.1f}" for share in ("p50", "p95", "p99")),
                    ]
                    for one in body["latency"]
                ],
            )
        )
    if body.get("memory"):
        made.append(
            (
                "Peak memory of a process (MiB) and time from start to ready (s)",
                ["database", "server", "peak", "start"],
                [
                    [database, name, f"{peak:.0f}", f"{body['start'][database][name]:.2f}"]
                    for database, peaks in body["memory"].items()
                    for name, peak in peaks.items()
                ],
            )
        )
    if body.get("growth"):
        made.append(
            (
                "Cost as data grows",
                ["workload", "database", "cards and operations", "cost of one against the small"],
                [
                    [
                        one["workload"],
                        one["database"],
                        f"{one['small']:,} → {one['large']:,}",
                        f"{one['cost']:.2f}",
                    ]
                    for one in body["growth"]
                ],
            )
        )
    return made


def markdown(body: Json) -> str:
    """docs/performance.md."""
    parts = [
        "# Performance",
        "",
        "Written by `make bench`; do not edit. Ratios compare medians of interleaved rounds of one run: the",
        "absolute figures are of one machine on one day.",
        "",
        f"{body['date']}, {body['machine']}. {body['how']}",
    ]
    for title, columns, rows in tables(body):
        parts += ["", f"## {title}", "", f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"]
        parts += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(parts) + "\n"


STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:76rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
table{border-collapse:collapse;margin:.5rem 0 2rem;font-size:13px}th,td{padding:.25rem .6rem;text-align:left;
border-bottom:1px solid #dde3ea}th{background:#f3f6f9}.bad{color:#b3261e;font-weight:600}
figure{margin:0 0 1.5rem;overflow-x:auto}figcaption{font-weight:600}
.wide{overflow-x:auto}
"""


def page(body: Json) -> str:
    """One page with plots, that needs nothing else."""
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>CYNOD API: bench</title>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style><h1>CYNOD API: bench</h1>",
        f"<p>{html.escape(body['date'])}, {html.escape(body['machine'])}. {html.escape(body['how'])}</p>",
    ]
    places = dict.fromkeys((one["database"], one["processes"]) for one in body["results"])
    for database, processes in places:
        parts.append(_plot(body["results"], database, processes))
    for title, columns, rows in tables(body):
        head = "".join(f"<th scope=col>{html.escape(column)}" for column in columns)
        lines = "".join(
            "<tr>"
            + "".join(
                f"<td{' class=bad' if cell == 'MISSED' else ''}>{html.escape(cell)}" for cell in row
            )
            for row in rows
        )
        parts.append(
            f"<h2>{html.escape(title)}</h2><div class=wide><table><tr>{head}{lines}</table></div>"
        )
    return "\n".join(parts) + "\n"


def _plot(results: list[Json], database: str, processes: int) -> str:
    """Bars of our throughput over each peer's; the line is at one."""
    mine = [one for one in results if (one["database"], one["processes"]) == (database, processes)]
    top: float = max([1.2, *(one["spread"][1] for one in mine)])
    width, left, line = 620, 200, 22
    height = line * len(mine) + 30

    def x(value: float) -> float:
        return left + value / top * (width - left - 60)

    bars = []
    for number, one in enumerate(mine):
        y = 10 + number * line
        value, (low, high) = one["ours_over_peer"], one["spread"]
        colour = "#1b7f5c" if value >= 1 else "#8a93a0"
        bars.append(
            f'<text x="{left - 8}" y="{y + 13}" text-anchor="end" font-size="12">'
            f"{one['workload']} / {one['peer']}</text>"
            f'<rect x="{left}" y="{y + 2}" width="{x(value) - left:.1f}" height="14" fill="{colour}"/>'
            f'<line x1="{x(low):.1f}" x2="{x(high):.1f}" y1="{y + 9}" y2="{y + 9}" stroke="#1c2430"/>'
            f'<text x="{x(high) + 6:.1f}" y="{y + 13}" font-size="12">{value:.2f}</text>'
        )
    one_x = x(1)
    caption = f"{database}, {processes} process{'es' if processes > 1 else ''}: ours over the peer"
    return (
        f"<figure><figcaption>{caption}</figcaption>"
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{caption}">{"".join(bars)}'
        f'<line x1="{one_x:.1f}" x2="{one_x:.1f}" y1="4" y2="{height - 20}" stroke="#b3261e" '
        f'stroke-dasharray="3 3"/><text x="{one_x:.1f}" y="{height - 6}" font-size="11" '
        f'text-anchor="middle" fill="#b3261e">as quick</text></svg></figure>'
    )
