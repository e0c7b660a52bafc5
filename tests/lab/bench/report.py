"""What the measurements say: ratios, targets, tables, and the record in docs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from tests.lab.bench import before, counted, scale, shown
from tests.lab.bench.load import Round
from tests.lab.bench.office import OFFICE, OFFICE_LISTS
from tests.lab.bench.servers import FASTAPI, FASTAPI_ASYNC, OURS
from tests.lab.bench.shown import Shown

Json = dict[str, Any]


class Target(NamedTuple):
    """What ours over the peer must be at least."""

    workload: str
    database: str
    peer: str
    processes: int
    least: float


TARGETS = (
    Target("balance", "postgresql", "connexion", 1, 3.0),
    Target("balance", "postgresql", "fastapi", 1, 1.3),
    Target("balance", "postgresql", "fastapi-async", 1, 1.2),
    Target("balance", "postgresql", "litestar", 1, 1.0),
    Target("balance", "postgresql", "greenlet", 1, 0.45),
    Target("balance", "sqlite", "connexion", 1, 3.0),
    Target("balance", "sqlite", "fastapi", 1, 2.5),
    Target("balance", "sqlite", "bare", 1, 0.45),
    Target("debit", "postgresql", "connexion", 1, 2.0),
    Target("debit", "postgresql", "fastapi", 1, 1.2),
    Target("debit", "postgresql", "fastapi-async", 1, 1.15),
    Target("debit", "postgresql", "litestar", 1, 1.0),
    Target("debit", "postgresql", "pgbench", 2, 0.55),
    Target("debit", "sqlite", "fastapi", 1, 2.0),
    Target("debit_hot", "postgresql", "fastapi", 1, 1.1),
    Target("debit_hot", "postgresql", "fastapi-async", 1, 1.1),
    Target("list", "postgresql", "fastapi-async", 1, 1.2),
    Target("history", "postgresql", "fastapi-async", 1, 1.2),
    Target("token", "postgresql", "fastapi-async", 1, 1.2),
    Target("mixed", "postgresql", "fastapi-async", 1, 1.2),
    Target("token", "sqlite", "fastapi", 1, 1.8),
    Target("refused", "postgresql", "connexion", 1, 3.0),
    Target("refused", "postgresql", "fastapi", 1, 1.3),
    Target("refused", "sqlite", "connexion", 1, 3.0),
    Target("refused", "sqlite", "fastapi", 1, 1.3),
)


class Limit(NamedTuple):
    """What the cost of a call with much data, over that with little, must be at most."""

    workload: str
    grown: str
    databases: tuple[str, ...]
    most: float


LIMITS = (
    Limit("balance", "cards", ("sqlite", "postgresql"), 1.15),
    Limit("list", "cards", ("sqlite",), 1.2),
    Limit("history", "history", ("sqlite",), 1.15),
    *(Limit(one, OFFICE, ("sqlite", "postgresql"), 1.2) for one in OFFICE_LISTS),
)

VERIFY = 1.2
"""At most: the peak memory of proving a large audit over that of proving a small one."""

GROWTH = 1.15
"""Up to which a cost is shown as the same."""

MEMORY = 1.1
"""At most: the peak of one of our processes over that of one of FastAPI's."""

CROWD = 4
"""Workers of whom the proportional memory is judged."""

SHARE = 1.2
"""At most: a worker's proportional memory over that of one of FastAPI's on a loop, of as many."""

START = 1.2
"""At most: our time from start to ready over FastAPI's."""

NEAR = 0.1
"""How far from what is wanted, on either side of it, a ratio may yet be of the other side by chance."""


def is_judged(workload: str, database: str, processes: int) -> bool:
    """Whether a target is about this: it is then measured for longer."""
    return any(one[:2] == (workload, database) and one.processes == processes for one in TARGETS)


def is_near(measured: float | None, wanted: float | None) -> bool:
    """Whether more rounds may change what is said of a target, be it reached so far or missed."""
    return measured is not None and wanted is not None and abs(measured / wanted - 1) <= NEAR


def ratio(ours: Sequence[float], peer: Sequence[float]) -> float:
    """The ratio of the medians."""
    return statistics.median(ours) / statistics.median(peer)


def spread(ours: Sequence[float], peer: Sequence[float]) -> tuple[float, float]:
    """The least and the greatest ratio of two rounds that followed each other."""
    each = [mine / theirs for mine, theirs in zip(ours, peer, strict=True)]
    return min(each), max(each)


@dataclass
class Series:
    """The rounds of one server under one workload. `fault` says why there are none."""

    workload: str
    database: str
    processes: int
    server: str
    rounds: list[Round] = field(default_factory=list)
    fault: str = ""

    @property
    def place(self) -> Json:
        """What was measured, for a line of the report."""
        return {
            "workload": self.workload,
            "database": self.database,
            "processes": self.processes,
            "server": self.server,
        }

    @property
    def good(self) -> list[Round]:
        """The rounds that are not void."""
        return [one for one in self.rounds if not one.void]

    @property
    def errors(self) -> int:
        """Wrong answers of all rounds; a server that was not measured counts as one."""
        return sum(one.errors for one in self.rounds) + bool(self.fault)

    @property
    def complaint(self) -> str:
        """The first thing that was wrong."""
        return self.fault or next((one.complaint for one in self.rounds if one.complaint), "")

    @property
    def rps(self) -> float | None:
        """The median of requests a second, None without a good round."""
        good = [one.rps for one in self.good]
        return round(statistics.median(good), 1) if good else None

    @property
    def cpu(self) -> float | None:
        """The median of processor seconds for 1,000 requests, None where it was not measured."""
        known = [one.cpu_s_per_1000 for one in self.good if one.cpu_s_per_1000 is not None]
        return round(statistics.median(known), 3) if known else None


def compare(series: Iterable[Series]) -> list[Json]:
    """One result for each peer of each workload. A ratio without a good round is null."""
    found: list[Json] = []
    groups: dict[tuple[str, str, int], dict[str, Series]] = {}
    for one in series:
        groups.setdefault((one.workload, one.database, one.processes), {})[one.server] = one
    for (workload, database, processes), by_server in groups.items():
        ours = by_server[OURS]
        for name, peer in by_server.items():
            if name == OURS:
                continue
            measured = ours.good and peer.good
            value = (
                ratio([one.rps for one in ours.good], [one.rps for one in peer.good])
                if measured
                else None
            )
            pairs = [
                (mine.rps, theirs.rps)
                for mine, theirs in zip(ours.rounds, peer.rounds, strict=False)
                if not mine.void and not theirs.void
            ]
            found.append(
                {
                    "workload": workload,
                    "database": database,
                    "processes": processes,
                    "peer": name,
                    "ours_over_peer": None if value is None else round(value, 3),
                    "spread": [round(one, 3) for one in spread(*zip(*pairs, strict=True))]
                    if pairs
                    else None,
                    "errors": ours.errors + peer.errors,
                    "ours_rps": ours.rps,
                    "peer_rps": peer.rps,
                    "rounds": len(peer.good),
                }
            )
    return found


def throughput(series: Iterable[Series]) -> list[Json]:
    """Requests a second of each server: the median, and each good round."""
    return [
        {
            **one.place,
            "rps": one.rps,
            "rounds": [round(each.rps, 1) for each in one.good],
            "errors": one.errors,
            "complaint": one.complaint,
        }
        for one in series
    ]


def scaling(series: Iterable[Series]) -> list[Json]:
    """Requests a second of two processes of ours over those of one."""
    ours = [one for one in series if one.server == OURS and one.rps is not None]
    known = {(one.workload, one.database, one.processes): one.rps for one in ours}
    return [
        {
            "workload": workload,
            "database": database,
            "one_rps": single,
            "two_rps": double,
            "ratio": round(double / single, 3),
        }
        for (workload, database, processes), single in known.items()
        if processes == 1 and single and (double := known.get((workload, database, 2)))
    ]


def cpu(series: Iterable[Series]) -> list[Json]:
    """Processor seconds of each server for 1,000 requests, the database's own not among them."""
    return [
        {
            **one.place,
            "cpu_s_per_1000": one.cpu,
        }
        for one in series
        if one.cpu is not None
    ]


def _verdict(name: str, wanted: str, value: float | None, *, reached: bool) -> Json:
    return {"target": name, "wanted": wanted, "measured": value, "reached": reached}


def is_undecided(measured: Sequence[Series]) -> bool:
    """Whether a target about these servers is near to what their rounds say."""
    return any(
        is_near(found["ours_over_peer"], target.least)
        for found in compare(measured)
        for target in TARGETS
        if target[:4] == (found["workload"], found["database"], found["peer"], found["processes"])
    )


def judge(body: Json) -> list[Json]:
    """Each target of which this run measured something, and whether it was reached."""
    found: list[Json] = []
    for target in TARGETS:
        for result in body["results"]:
            place = (result["workload"], result["database"], result["peer"], result["processes"])
            if place != target[:4]:
                continue
            value = result["ours_over_peer"]
            reached = value is not None and value >= target.least and not result["errors"]
            name = f"{target.workload}, {target.database}, against {target.peer}"
            if target.processes > 1:
                name += f", {target.processes} processes"
            found.append(_verdict(name, f"≥ {target.least}", value, reached=reached))
    grown = [*_judge_growth(body), *_judge_verify(body)]
    alone = [*_judge_memory(body), *_judge_start(body), *counted.judge(body)]
    return [*found, *grown, *alone, *before.judge(body)]


def find_limit(workload: str, grown: str, database: str) -> float | None:
    """What the cost of this growth must be at most, None where nothing is said."""
    return next(
        (
            one.most
            for one in LIMITS
            if (one.workload, one.grown) == (workload, grown) and database in one.databases
        ),
        None,
    )


def _judge_growth(body: Json) -> list[Json]:
    found = []
    for growth in body.get("growth", []):
        most = find_limit(growth["workload"], growth["grown"], growth["database"])
        if most is None:
            continue
        what = "operations" if growth["grown"] == "history" else growth["grown"]
        name = f"cost of {growth['workload']} at {growth['large']:,} {what}, {growth['database']}"
        cost = growth["cost"]
        reached = cost is not None and cost <= most and not growth["errors"]
        found.append(_verdict(name, f"≤ {most}", cost, reached=reached))
    return found


def _judge_verify(body: Json) -> list[Json]:
    """The proof of the audit holds no more of many rows than of few."""
    found = []
    for database in dict.fromkeys(one["database"] for one in body.get("audit", [])):
        proofs = [one for one in body["audit"] if one["database"] == database]
        value = round(proofs[-1]["peak_mib"] / proofs[0]["peak_mib"], 3)
        reached = value <= VERIFY and not any(one["complaint"] for one in proofs)
        name = f"memory of audit verify at {proofs[-1]['rows']:,} rows, {database}"
        found.append(_verdict(name, f"≤ {VERIFY}", value, reached=reached))
    return found


def _judge_memory(body: Json) -> list[Json]:
    memory = body.get("memory", [])
    one = [each for each in memory if each["processes"] == 1]
    crowd = [each for each in memory if each["processes"] == CROWD]
    share = f"proportional memory of a worker of {CROWD}"
    return [
        *_judge_cost("peak memory of a process", one, "peak_mib", FASTAPI, MEMORY),
        *_judge_cost(share, crowd, "pss_mib", FASTAPI_ASYNC, SHARE),
    ]


def _judge_start(body: Json) -> list[Json]:
    return _judge_cost("start to ready", body.get("start", []), "median_s", FASTAPI, START)


def _judge_cost(what: str, lines: Sequence[Json], name: str, peer: str, most: float) -> list[Json]:
    """What ours has of `name` over what the peer has, on each kind of database."""
    known = {(one["database"], one["server"]): one[name] for one in lines}
    found = []
    for database in dict.fromkeys(database for database, _ in known):
        if (database, OURS) in known and (database, peer) in known:
            value = round(known[database, OURS] / known[database, peer], 3)
            told = f"{what} against {peer}, {database}"
            found.append(_verdict(told, f"≤ {most}", value, reached=value <= most))
    return found


# ── text ─────────────────────────────────────────────────────────────────────────────────────────
REACHED, MISSED = "✓", "✗ missed"


def _of_peers(body: Json) -> Shown:
    costs = {
        (one["workload"], one["database"], one["processes"], one["server"]): one["cpu_s_per_1000"]
        for one in body["cpu"]
    }
    rows = []
    for one in body["results"]:
        place = (one["workload"], one["database"], one["processes"])
        rows.append(
            (
                *(one["workload"], one["database"], str(one["processes"]), one["peer"]),
                shown.number(one["ours_over_peer"], ".2f"),
                shown.spread(one["spread"]),
                shown.number(one["ours_rps"], ",.0f"),
                shown.number(one["peer_rps"], ",.0f"),
                shown.number(costs.get((*place, OURS)), ".2f"),
                shown.number(costs.get((*place, one["peer"])), ".2f"),
                str(one["errors"]),
            )
        )
    columns = (
        *("workload", "database", "processes", "peer", "ours / peer", "spread"),
        *("ours, 1/s", "peer, 1/s", "ours, CPU s/1,000", "peer, CPU s/1,000", "errors"),
    )
    return Shown("Throughput: ours over the peer", columns, rows)


def tables(body: Json) -> list[Shown]:
    """Everything measured, what was not left out."""
    made = [
        Shown(
            "Targets",
            ("target", "wanted", "measured", ""),
            [
                (
                    *(one["target"], one["wanted"], shown.number(one["measured"], ".3f")),
                    REACHED if one["reached"] else MISSED,
                )
                for one in body["targets"]
            ],
        ),
        Shown("Faults", ("what was wrong",), [(one,) for one in body["faults"]]),
        _of_peers(body),
        Shown(
            "Two processes of ours over one",
            ("workload", "database", "two / one", "one, 1/s", "two, 1/s"),
            [
                (
                    *(one["workload"], one["database"], shown.number(one["ratio"], ".2f")),
                    *(shown.number(one[name], ",.0f") for name in ("one_rps", "two_rps")),
                )
                for one in body["scaling"]
            ],
        ),
        Shown(
            "Latency at a fixed rate, in milliseconds from when each request was due",
            ("workload", "database", "server", "rate, 1/s", "p50", "p95", "p99", "errors"),
            [
                (
                    *(one["workload"], one["database"], one["server"], f"{one['rate']:.0f}"),
                    *(shown.number(one[share], ".1f") for share in ("p50", "p95", "p99")),
                    str(one["errors"]),
                )
                for one in body["latency"]
            ],
        ),
        Shown(
            "Memory of the largest process, in MiB, after its load",
            ("database", "processes", "server", "peak resident", "proportional share"),
            [
                (
                    *(one["database"], str(one["processes"]), one["server"]),
                    *(f"{one['peak_mib']:.0f}", f"{one['pss_mib']:.0f}"),
                )
                for one in body["memory"]
            ],
        ),
        Shown(
            "From start to ready, in seconds",
            ("database", "server", "median", "least", "most"),
            [
                (
                    *(one["database"], one["server"]),
                    *(f"{one[name]:.2f}" for name in ("median_s", "least_s", "most_s")),
                )
                for one in body["start"]
            ],
        ),
        Shown(
            "Cost of a call as data grows",
            ("workload", "database", "what grew", "from", "to", "cost", "spread", "errors"),
            [
                (
                    *(one["workload"], one["database"], one["grown"]),
                    *(f"{one['small']:,}", f"{one['large']:,}", shown.number(one["cost"], ".2f")),
                    shown.spread(one["spread"]),
                    str(one["errors"]),
                )
                for one in body["growth"]
            ],
        ),
        Shown(
            "Proof of the audit, by `cynod audit verify`",
            ("database", "rows", "seconds", "CPU s", "peak, MiB", "lines of progress"),
            [
                (
                    *(one["database"], f"{one['rows']:,}", f"{one['seconds']:.1f}"),
                    *(f"{one['cpu_s']:.1f}", f"{one['peak_mib']:.0f}"),
                    str(len(one["progress"])),
                )
                for one in body.get("audit", [])
            ],
        ),
    ]
    return [
        table
        for table in (*made, counted.table(body), *scale.tables(body), before.table(body))
        if table.rows
    ]


def markdown(body: Json) -> str:
    """docs/performance.md."""
    parts = [
        "# Performance",
        "",
        "Written by `make bench`; do not edit. Ratios compare medians of interleaved rounds of one run; the",
        "absolute figures are of one machine on one day.",
        "",
        f"{body['date']}, {body['machine']}.",
        "",
        "## How it is measured",
        "",
        *(f"- {line}" for line in body["how"]),
    ]
    for table in tables(body):
        parts += ["", f"## {table.title}", "", f"| {' | '.join(table.columns)} |"]
        parts.append("|---" * len(table.columns) + "|")
        parts += [f"| {' | '.join(row)} |" for row in table.rows]
    return "\n".join(parts) + "\n"
