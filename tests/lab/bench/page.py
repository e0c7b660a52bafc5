"""The page with plots: one file that needs nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

from tests.lab.bench.report import (
    GROWTH,
    MISSED,
    REACHED,
    TARGETS,
    Json,
    find_limit,
    tables,
)
from tests.lab.bench.servers import OURS

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1c2430}
h2{margin-top:2.5rem}table{border-collapse:collapse;font-size:13px}
th,td{padding:.25rem .6rem;text-align:left;border-bottom:1px solid #dde3ea}th{background:#f3f6f9}
.bad{color:#b3261e;font-weight:600}.good{color:#1b7f5c;font-weight:600}
figure{margin:0 0 1.5rem;overflow-x:auto}figcaption{font-weight:600}.wide{overflow-x:auto}
.plots{display:flex;flex-wrap:wrap;gap:1rem 2rem}
"""
GREEN, GREY, BLUE, RED, INK = "#1b7f5c", "#9aa3af", "#3567b0", "#b3261e", "#1c2430"

WIDTH, LEFT, RIGHT, LINE = 560, 190, 70, 22


class Bar(NamedTuple):
    """One bar: its label, its value, the range that it was seen in, a mark that it should reach."""

    label: str
    value: float
    span: tuple[float, float] | None = None
    colour: str = GREY
    mark: float | None = None
    form: str = ",.0f"


def bars(caption: str, rows: Sequence[Bar], *, line: tuple[float, str] | None = None) -> str:
    """A figure of horizontal bars, with a dashed line through all of them."""
    if not rows:
        return ""
    top = max(
        *(max(one.value, one.mark or 0, *(one.span or ())) for one in rows), line[0] if line else 0
    )
    top = top or 1.0
    height = LINE * len(rows) + 32

    def x(value: float) -> float:
        return LEFT + value / top * (WIDTH - LEFT - RIGHT)

    made = []
    for number, one in enumerate(rows):
        y = 8 + number * LINE
        made.append(
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end" font-size="12">{escape(one.label)}</text>'
            f'<rect x="{LEFT}" y="{y + 3}" width="{max(0.0, x(one.value) - LEFT):.1f}" height="13"'
            f' fill="{one.colour}"/>'
        )
        if one.span:
            low, high = (x(value) for value in one.span)
            made.append(
                f'<path d="M{low:.1f} {y + 9.5}H{high:.1f}M{low:.1f} {y + 6}v7M{high:.1f} {y + 6}v7"'
                f' stroke="{INK}" fill="none"/>'
            )
        if one.mark is not None:
            made.append(
                f'<path d="M{x(one.mark):.1f} {y}v19" stroke="{RED}" stroke-width="2"/>'
                f"<title>wanted: {one.mark:g}</title>"
            )
        end = x(max(one.value, one.mark or 0, *(one.span or (0,))))
        made.append(
            f'<text x="{end + 6:.1f}" y="{y + 13}" font-size="12">{one.value:{one.form}}</text>'
        )
    if line:
        at = x(line[0])
        made.append(
            f'<path d="M{at:.1f} 4V{height - 20}" stroke="{RED}" stroke-dasharray="3 3"/>'
            f'<text x="{at:.1f}" y="{height - 6}" font-size="11" text-anchor="middle"'
            f' fill="{RED}">{escape(line[1])}</text>'
        )
    return (
        f"<figure><figcaption>{escape(caption)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img"'
        f' aria-label="{escape(caption)}">{"".join(made)}</svg></figure>'
    )


def _place(database: str, processes: int) -> str:
    return f"{database}, {processes} process{'es' if processes > 1 else ''}"


def _ratios(body: Json, database: str, processes: int) -> str:
    wanted = {
        (one.workload, one.peer): one.least
        for one in TARGETS
        if (one.database, one.processes) == (database, processes)
    }
    rows = [
        Bar(
            f"{one['workload']} / {one['peer']}",
            one["ours_over_peer"],
            tuple(one["spread"]) if one["spread"] else None,
            GREEN if one["ours_over_peer"] >= 1 else GREY,
            wanted.get((one["workload"], one["peer"])),
            ".2f",
        )
        for one in body["results"]
        if (one["database"], one["processes"]) == (database, processes)
        and one["ours_over_peer"] is not None
    ]
    caption = f"{_place(database, processes)}: ours over the peer (solid red: wanted)"
    return bars(caption, rows, line=(1, "as quick"))


def _throughput(body: Json, workload: str, database: str, processes: int) -> str:
    rows = [
        Bar(
            one["server"],
            one["rps"],
            (min(one["rounds"]), max(one["rounds"])),
            GREEN if one["server"] == OURS else GREY,
        )
        for one in body["throughput"]
        if (one["workload"], one["database"], one["processes"]) == (workload, database, processes)
        and one["rps"] is not None
    ]
    return bars(f"{workload}, {_place(database, processes)}: requests a second", rows)


def _latency(body: Json) -> list[str]:
    made = []
    for place in dict.fromkeys(
        (one["workload"], one["database"], one["rate"]) for one in body["latency"]
    ):
        rows = [
            Bar(
                f"{one['server']} {share}",
                one[share],
                colour=(GREEN if one["server"] == OURS else GREY) if share == "p50" else BLUE,
                form=",.1f",
            )
            for one in body["latency"]
            if (one["workload"], one["database"], one["rate"]) == place
            for share in ("p50", "p95", "p99")
        ]
        made.append(bars(f"{place[0]}, {place[1]}, {place[2]:.0f}/s: milliseconds", rows))
    return made


def _memory(body: Json) -> list[str]:
    places = dict.fromkeys((one["database"], one["processes"]) for one in body["memory"])
    return [
        bars(
            f"{_place(*place)}: peak of the largest, MiB",
            [
                Bar(one["server"], one["peak_mib"], colour=GREEN if one["server"] == OURS else GREY)
                for one in body["memory"]
                if (one["database"], one["processes"]) == place
            ],
        )
        for place in places
    ]


def _growth(body: Json) -> str:
    rows = [
        Bar(
            f"{one['workload']}, {one['database']}, {one['grown']}",
            one["cost"],
            tuple(one["spread"]) if one["spread"] else None,
            GREEN if one["cost"] <= GROWTH else GREY,
            find_limit(one["workload"], one["grown"], one["database"]),
            ".2f",
        )
        for one in body["growth"]
        if one["cost"] is not None
    ]
    return bars("Cost of a call with much data over that with little", rows, line=(1, "the same"))


def page(body: Json) -> str:
    """All plots, then all tables."""
    places = dict.fromkeys((one["database"], one["processes"]) for one in body["results"])
    each = dict.fromkeys(
        (one["workload"], one["database"], one["processes"]) for one in body["throughput"]
    )
    sections = [
        ("Ratios", [_ratios(body, *place) for place in places]),
        ("Throughput", [_throughput(body, *place) for place in each]),
        ("Latency", _latency(body)),
        ("Memory", _memory(body)),
        ("Growth", [_growth(body)]),
    ]
    parts = [
        "<!doctype html><html lang=en><meta charset=utf-8><title>CYNOD API: bench</title>",
        '<meta name=viewport content="width=device-width, initial-scale=1">',
        f"<style>{STYLE}</style><h1>CYNOD API: bench</h1>",
        f"<p>{escape(body['date'])}, {escape(body['machine'])}.</p><ul>",
        *(f"<li>{escape(line)}</li>" for line in body["how"]),
        "</ul>",
    ]
    shown = tables(body)
    parts += [_table(one.title, one.columns, one.rows) for one in shown[:1]]
    for title, figures in sections:
        if any(figures):
            parts.append(f"<h2>{title}</h2><div class=plots>{''.join(figures)}</div>")
    parts += [_table(one.title, one.columns, one.rows) for one in shown[1:]]
    return "\n".join(parts) + "\n"


def _table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    classes = {REACHED: " class=good", MISSED: " class=bad"}
    head = "".join(f"<th scope=col>{escape(column)}" for column in columns)
    lines = "".join(
        "<tr>" + "".join(f"<td{classes.get(cell, '')}>{escape(cell)}" for cell in row)
        for row in rows
    )
    return f"<h2>{escape(title)}</h2><div class=wide><table><tr>{head}{lines}</table></div>"
