"""How far one PostgreSQL carries: debits as clients grow, what runs out first, and when each measure is due.

`carry` is measured under load, `weigh` is read from the catalogue of a large database; `curve` is what a
call costs as the journal grows. `measures` is arithmetic on the three, written down so that it can be
checked: each line says from which figures it follows.
"""

from __future__ import annotations

import os
import statistics
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from sqlalchemy import make_url

from tests.lab.bench.ground import Ground
from tests.lab.bench.load import WORKLOADS, Round, run_round
from tests.lab.bench.servers import Server, process_tree
from tests.lab.bench.shown import Shown

Json = dict[str, Any]

CLIENTS = (1, 2, 4, 8, 16, 32, 64, 128)
SECONDS = 3
P99_MS = 50.0
"""Up to which a debit is quick."""

BUSY = 0.90
"""Of the processors: more, and they are what runs out."""

HEADROOM = 0.7
"""Share of a machine that calls may take in the long run."""

SAMPLE_S = 0.02
GIB = 1024**3
GROWN = (10_000, 100_000, 1_000_000)
"""Operations of the journals that are compared."""

OF_CURVE = ("balance", "list", "history", "debit")
BY_MONTH = 100_000_000
"""Rows beyond which a table is cut by month, whatever the memory."""

PROJECTED = (1_000_000, 10_000_000, 100_000_000, 1_000_000_000)
JOURNAL = ("operations", "ecritures")
FANOUT = 200
"""Entries of an inner page of a B-tree, for keys of 16 to 32 bytes: so many times the rows, a level more."""


class Step(NamedTuple):
    """Debits with so many clients at once: what was answered, and what the processors did meanwhile."""

    clients: int
    round: Round
    server: float
    """Share of all processors that our processes took."""
    database: float
    """Share that PostgreSQL took."""
    other: float
    """Share of whoever made the load, and of the system."""
    wait: str
    """What PostgreSQL's processes that had work waited for most often: `none` when they ran."""

    @property
    def busy(self) -> float:
        """Share of the processors that was in use."""
        return self.server + self.database + self.other


class Weight(NamedTuple):
    """What the journal of so many operations takes, in bytes."""

    operations: int
    rows: int
    indexes: int
    levels: int
    """Pages from the root to a leaf of its highest index, both included."""


def carry(
    server: Server, land: Ground, folder: Path, clients: Sequence[int] = CLIENTS
) -> list[Step]:
    """Debit many cards with more and more clients, who each wait for an answer before they ask again."""
    assert land.cluster is not None, "it is PostgreSQL that is measured"
    debit = WORKLOADS["debit"]
    run_round(server, debit, land, 1, folder)
    return [_step(server, land.cluster.pid, land, number, folder) for number in clients]


def _step(server: Server, postmaster: int, land: Ground, clients: int, folder: Path) -> Step:
    with _Waits(land.url) as waits:
        idle, mine, theirs = _idle_s(), server.cpu_s(), _cpu_s(postmaster)
        found = run_round(server, WORKLOADS["debit"], land, SECONDS, folder, connections=clients)
        whole = SECONDS * (os.cpu_count() or 1)
        left = min(1.0, (_idle_s() - idle) / whole)
        ours = min(1.0, (server.cpu_s() - mine) / whole)
        database = min(1.0, (_cpu_s(postmaster) - theirs) / whole)
    other = max(0.0, 1 - left - ours - database)
    return Step(clients, found, ours, database, other, waits.usual)


class _Waits:
    """Asks again and again what PostgreSQL's processes that have work wait for."""

    _ASKED = (
        "SELECT coalesce(wait_event_type || ':' || wait_event, 'none') FROM pg_stat_activity"
        " WHERE state = 'active' AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )

    def __init__(self, url: str) -> None:
        self._url = make_url(url).set(drivername="postgresql").render_as_string(False)
        self._counted: Counter[str] = Counter()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> _Waits:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _ask(self) -> None:
        with psycopg.connect(self._url, autocommit=True) as connection:
            while not self._ended.wait(SAMPLE_S):
                self._counted.update(name for (name,) in connection.execute(self._ASKED))

    @property
    def usual(self) -> str:
        """The most frequent."""
        return max(self._counted, key=self._counted.__getitem__, default="none")


TICKS = os.sysconf("SC_CLK_TCK")


def _idle_s() -> float:
    """Seconds in which processors had nothing to do, waiting for a disk among them."""
    fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()
    return (int(fields[4]) + int(fields[5])) / TICKS


def _cpu_s(postmaster: int) -> float:
    """Processor seconds of a PostgreSQL server, those of its processes that ended among them."""
    total = 0
    for number, pid in enumerate(process_tree(postmaster)):
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
        except OSError:
            continue
        fields = text.rpartition(")")[2].split()
        total += sum(map(int, fields[11:13] if number else fields[11:15]))
    return total / TICKS


def weigh(land: Ground) -> Weight:
    """What the journal of this database takes."""
    url = make_url(land.url).set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pageinspect")
        rows, indexes = 0, 0
        for table in JOURNAL:
            told = connection.execute(
                "SELECT pg_table_size(%s::regclass), pg_indexes_size(%s::regclass)", (table, table)
            ).fetchone()
            assert told is not None, "a table has a size"
            rows, indexes = rows + told[0], indexes + told[1]
        highest = connection.execute(
            "SELECT max((bt_metap(indexrelid::regclass::text)).level) + 1 FROM pg_index"
            " WHERE indrelid = ANY (%s::regclass[])",
            (list(JOURNAL),),
        ).fetchone()
        assert highest is not None, "an aggregate has a row"
    return Weight(land.size.operations, rows, indexes, highest[0])


def curve(
    lands: Sequence[Ground], servers: Sequence[Server], folder: Path, rounds: int
) -> list[dict[str, list[Round]]]:
    """Rounds of a second of each call, on each of the databases in turn."""
    kept: list[dict[str, list[Round]]] = [{name: [] for name in OF_CURVE} for _ in lands]
    for name in OF_CURVE:
        for number in range(rounds + 1):
            for land, server, mine in zip(lands, servers, kept, strict=True):
                found = run_round(server, WORKLOADS[name], land, 1, folder)
                if number:  # the first one warms
                    mine[name].append(found)
    return kept


def costs(kept: Sequence[Mapping[str, Sequence[Round]]]) -> list[dict[str, float]]:
    """What each call costs, over what it costs on the first database. NaN where no round was good."""
    rates = [{name: _rate(rounds) for name, rounds in each.items()} for each in kept]
    return [
        {name: rates[0][name] / rate if rate else float("nan") for name, rate in each.items()}
        for each in rates
    ]


def _rate(rounds: Sequence[Round]) -> float:
    good = [one.rps for one in rounds if not one.void]
    return statistics.median(good) if good else 0.0


def page_over_debit(rounds: Mapping[str, Sequence[Round]]) -> float | None:
    """What a page of a list costs over a debit."""
    page, debit = _rate(rounds["list"]), _rate(rounds["debit"])
    return debit / page if page and debit else None


# ── what follows ─────────────────────────────────────────────────────────────────────────────────
def quickest(steps: Sequence[Step]) -> Step | None:
    """The step of most debits a second among those that were quick, None when none was."""
    quick = [one for one in steps if not one.round.void and one.round.p99_ms < P99_MS]
    return max(quick, key=lambda one: one.round.rps, default=None)


def runs_out(steps: Sequence[Step]) -> str:
    """What is hit first: where most were served, the processors or what PostgreSQL waited for."""
    best = max(steps, key=lambda one: one.round.rps)
    at = f"with {best.clients} clients"
    if best.busy >= BUSY:
        most = "PostgreSQL" if best.database > best.server else "the servers of the API"
        return f"the processors, {best.busy:.0%} in use {at}, most by {most}"
    return f"{best.wait}, for which PostgreSQL waits {at}"


def per_debit_ms(steps: Sequence[Step]) -> tuple[float, float]:
    """Processor milliseconds of a debit: the servers', and PostgreSQL's, where most were served."""
    best = max(steps, key=lambda one: one.round.rps)
    whole = 1000 * (os.cpu_count() or 1) / best.round.rps
    return best.server * whole, best.database * whole


def project(weight: Weight, operations: int) -> Weight:
    """The same journal with so many operations, none of which was ever removed."""
    times = operations / weight.operations
    levels, grown = weight.levels, times
    while grown >= FANOUT:
        levels, grown = levels + 1, grown / FANOUT
    return Weight(
        operations,
        round(weight.rows * times),
        round(weight.indexes * times),
        levels,
    )


class _Measure(NamedTuple):
    name: str
    due: str
    because: str


def measures(
    steps: Sequence[Step], weight: Weight, cost_of_a_page: float | None, memory: int
) -> list[_Measure]:
    """What to do as a programme grows, the first due first but for the last, which counts years.

    `cost_of_a_page` is that of a page of a list over that of a debit; `memory` is in bytes.
    """
    ours, database = per_debit_ms(steps)
    processors = os.cpu_count() or 1
    index = weight.indexes / weight.operations
    fits = int(memory / 2 / index)
    carried = processors * 1000 / database
    lines = [
        _Measure(
            "API servers on machines of their own",
            f"above {quickest_rps(steps):,.0f} debits a second",
            f"a debit takes {ours:.2f} ms of a processor in our servers, {database:.2f} in PostgreSQL,"
            f" which alone on these {processors} would carry {carried:,.0f} a second",
        ),
        _Measure(
            "a PostgreSQL with more processors",
            f"above {carried * HEADROOM:,.0f} debits a second for {processors} of them",
            "seven tenths of what they carry: vacuum, lists and the peak of a day have the rest",
        ),
    ]
    if cost_of_a_page is not None:
        page = cost_of_a_page * (ours + database)
        lines.append(
            _Measure(
                "lists and histories from a standby: CYNOD_LECTURE_URL",
                f"above {(1 - HEADROOM) * processors * 1000 / page:,.0f} pages a second",
                f"a page costs {cost_of_a_page:.2f} of a debit: three tenths of the processors are theirs",
            )
        )
    index = weight.indexes / weight.operations
    fits = int(memory / 2 / index)
    lines.append(
        _Measure(
            "`operations` and `ecritures` by month",
            f"above {min(fits, BY_MONTH):,} operations",
            f"{index:,.0f} bytes of indexes for each: those of {fits:,} fill half of the memory here, and a"
            f" debit then waits for a disk; beyond {BY_MONTH:,} a table is unwieldy to vacuum and to restore",
        )
    )
    return lines


def quickest_rps(steps: Sequence[Step]) -> float:
    """Debits a second of the quickest step; of the slowest of all, when none was quick."""
    best = quickest(steps)
    return best.round.rps if best else min(one.round.rps for one in steps)


def tables(body: Mapping[str, Json]) -> list[Shown]:
    """What there is to read of `body["scale"]`, in the order of the questions."""
    found = body.get("scale")
    if not found:
        return []
    steps = [_read_step(one) for one in found["carry"]]
    weight = Weight(**found["weight"])
    best = quickest(steps)
    carried = "none" if best is None else f"{best.round.rps:,.0f} with {best.clients} clients"
    return [
        Shown(
            f"What one PostgreSQL carries on this machine: {carried} at p99 < {P99_MS:.0f} ms;"
            f" what runs out first: {runs_out(steps)}",
            (
                *("clients", "debits, 1/s", "p50, ms", "p99, ms", "our processor", "PostgreSQL's"),
                *("the load's", "PostgreSQL waits for", "errors"),
            ),
            [
                (
                    *(str(one.clients), f"{one.round.rps:,.0f}", f"{one.round.p50_ms:.1f}"),
                    *(f"{one.round.p99_ms:.1f}", f"{one.server:.0%}", f"{one.database:.0%}"),
                    *(f"{one.other:.0%}", one.wait, str(one.round.errors)),
                )
                for one in steps
            ],
        ),
        Shown(
            "Cost of a call as the journal grows, PostgreSQL, over that of the smallest",
            ("operations", *found["curve"][0]["cost"]),
            [
                (f"{one['operations']:,}", *(f"{cost:.2f}" for cost in one["cost"].values()))
                for one in found["curve"]
            ],
        ),
        Shown(
            f"The journal, weighed at {weight.operations:,} operations and projected",
            (
                *("operations", "rows, GiB", "indexes, GiB", "levels"),
                "days at the rate above",
            ),
            [
                (
                    *(f"{one.operations:,}", f"{one.rows / GIB:.1f}", f"{one.indexes / GIB:.1f}"),
                    *(str(one.levels), f"{one.operations / quickest_rps(steps) / 86_400:,.1f}"),
                )
                for one in (project(weight, number) for number in PROJECTED)
            ],
        ),
        Shown(
            "When each measure is due",
            ("measure", "due", "for"),
            measures(steps, weight, found["page"], found["memory"]),
        ),
    ]


def _read_step(told: Json) -> Step:
    return Step(**{**told, "round": Round(**told["round"])})


def write_step(step: Step) -> Json:
    """As it stands in build/bench.json."""
    return {**step._asdict(), "round": vars(step.round)}
