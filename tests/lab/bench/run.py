"""One run: databases, servers, rounds in turn, and the books after each workload that moves money."""

from __future__ import annotations

import contextlib
import os
import statistics
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab.bench import before, counted, report, scale
from tests.lab.bench.ground import (
    PEPPER,
    POSTGRESQL,
    SQLITE,
    Ground,
    Size,
    ground,
)
from tests.lab.bench.load import (
    WORKLOADS,
    LoadError,
    Round,
    Workload,
    of_server,
    run_round,
)
from tests.lab.bench.office import FEW, OFFICE, OFFICE_WORKLOADS, many, office, verify_audit
from tests.lab.bench.paced import run_paced
from tests.lab.bench.pgbench import Script, capture, run_pgbench
from tests.lab.bench.report import Json, Series
from tests.lab.bench.same import find_difference
from tests.lab.bench.servers import (
    FASTAPI_ASYNC,
    OURS,
    PGBENCH,
    Server,
    ServerError,
    is_on,
    serve,
)
from tests.support.postgresql import PostgresqlServer, running_server
from tests.support.process import run_cynod

SMALL = Size(1_000)
SHORT = Size(80, debits=24)
"""2,000 operations: as few as fill a page of each card's history, as the many do."""

DEEP = 500
"""Of the operations of a large history, one in so many thousand is of the first card."""

PACED = ("balance", "debit")
GROWN = ("balance", "list", "debit")
CROWDED = ("balance", "debit")
CROWD_S = 2
"""Of each of these, before the memory of several workers is asked."""

WARM_S = 1
VERIFY_S = 900

PEERS_PART, METRICS_PART, GROWTH_PART = "peers", "metrics", "growth"
OFFICE_PART, SCALE_PART = "office", "scale"
PARTS = (PEERS_PART, METRICS_PART, GROWTH_PART, OFFICE_PART, SCALE_PART)
"""What may be measured by itself: beside the peers, what metrics cost, as partners' data grow, as the back
office's do, how far one PostgreSQL carries."""


@dataclass(frozen=True)
class Plan:
    """What to measure, and for how long. `judged` is what targets are about."""

    workloads: Sequence[str]
    databases: Sequence[str]
    peers: Sequence[str]
    processes: Sequence[int]
    rounds: int
    seconds: int
    judged_rounds: int
    judged_seconds: int
    longer: int
    """How often so many rounds are measured, at most, while a target is near to what they say."""
    large: int
    starts: int
    paced_s: float
    crowd: int
    on_two: Sequence[str]
    """Workloads that two processes are measured under, too."""
    parts: Sequence[str]
    before: str | None
    """A commit to compare with."""

    def has(self, workload: str, processes: int) -> bool:
        """Whether so many processes are measured under it."""
        return processes == 1 or workload in self.on_two

    def lengths(self, workload: str, database: str, processes: int) -> tuple[int, int]:
        """Rounds, and seconds of each."""
        if report.is_judged(workload, database, processes):
            return self.judged_rounds, self.judged_seconds
        return self.rounds, self.seconds


def _cost(rounds: tuple[list[Round], list[Round]]) -> float | None:
    """Of a call on the large one, over that of a call on the small one."""
    small, large = ([one.rps for one in each if not one.void] for each in rounds)
    return round(report.ratio(small, large), 3) if small and large else None


class Bench:
    """Measures what a plan says. What goes wrong is kept in `faults`, and the rest goes on."""

    def __init__(self, plan: Plan, folder: Path, say: Callable[[str], None]) -> None:
        self.plan = plan
        self.folder = folder
        self.say = say
        self.series: list[Series] = []
        self.faults: list[str] = []
        self.body: Json = {
            name: [] for name in ("latency", "memory", "start", "counted", "growth", "audit")
        }

    def run(self) -> Json:
        """The results."""
        with contextlib.ExitStack() as stack:
            cluster = (
                stack.enter_context(running_server()) if POSTGRESQL in self.plan.databases else None
            )
            parts = self.plan.parts
            for kind in self.plan.databases:
                if PEERS_PART in parts:
                    self._compare(kind, cluster)
                if METRICS_PART in parts:
                    self._count(kind, cluster)
                if GROWTH_PART in parts:
                    self._grow(kind, cluster)
                if OFFICE_PART in parts:
                    self._grow_office(kind, cluster)
            if SCALE_PART in parts and cluster is not None:
                self._scale(cluster)
            if self.plan.before is not None:
                self._look_back(self.plan.before, cluster)
        self.body["results"] = report.compare(self.series)
        self.body["throughput"] = report.throughput(self.series)
        self.body["cpu"] = report.cpu(self.series)
        self.body["scaling"] = report.scaling(self.series)
        self.body["targets"] = report.judge(self.body)
        self.body["faults"] = self.faults
        return self.body

    # ── beside the peers ─────────────────────────────────────────────────────────────────────────
    def _compare(self, kind: str, cluster: PostgresqlServer | None) -> None:
        with ground(kind, SMALL, self.folder, cluster) as land:
            script = self._script(land)
            for processes in self.plan.processes:
                with self._servers(land, processes) as servers:
                    for name in self.plan.workloads:
                        if WORKLOADS[name].peers_on(kind) and self.plan.has(name, processes):
                            self._workload(land, processes, WORKLOADS[name], servers, script)
                    self._ask_memory(land, processes, servers)
                    if processes == min(self.plan.processes) and self.plan.paced_s:
                        self._ask_latency(land, servers)
            self._ask_start(land)
            self._ask_crowd(land)

    def _script(self, land: Ground) -> Script | None:
        wanted = PGBENCH in self.plan.peers and land.kind == POSTGRESQL
        if not wanted or not any(PGBENCH in WORKLOADS[name].peers for name in self.plan.workloads):
            return None
        try:
            script = capture(land, self.folder)
        except LoadError as error:
            self._fault(f"pgbench: {error}")
            return None
        self.say(f"{land.kind}: a debit is {script.statements} statements")
        self.body["debit_statements"] = script.statements
        return script

    @contextlib.contextmanager
    def _servers(self, land: Ground, processes: int) -> Iterator[dict[str, Server]]:
        used = {
            peer for name in self.plan.workloads for peer in WORKLOADS[name].peers_on(land.kind)
        }
        peers = [name for name in self.plan.peers if name in used and name != PGBENCH]
        with contextlib.ExitStack() as stack:
            servers = {OURS: stack.enter_context(serve(OURS, land, processes, self.folder))}
            for name in peers:
                try:
                    servers[name] = stack.enter_context(serve(name, land, processes, self.folder))
                except ServerError as error:
                    self._fault(f"{name}, {land.kind}, {processes} process(es): {error}")
            yield servers

    def _workload(
        self,
        land: Ground,
        processes: int,
        workload: Workload,
        servers: dict[str, Server],
        script: Script | None,
    ) -> None:
        measured = []
        for name in (OURS, *workload.peers):
            if name not in servers and not (name == PGBENCH and script):
                continue
            one = Series(workload.name, land.kind, processes, name)
            self.series.append(one)
            if name not in (OURS, PGBENCH):
                difference = find_difference(servers[OURS], servers[name], workload, land)
                one.fault = difference or ""
            if not one.fault:
                measured.append(one)
                self._round(land, workload, one, servers, script, WARM_S)
        self._measure(land, workload, measured, servers, script)
        place = f"{land.kind}, {processes} process(es), {workload.name}"
        told = ", ".join(f"{one.server} {one.rps or 0:,.0f}/s" for one in measured)
        self.say(f"{place}: {told}")
        for one in self.series:
            if (one.workload, one.database, one.processes) == (
                workload.name,
                land.kind,
                processes,
            ) and one.errors:
                self._fault(f"{place}, {one.server}: {one.errors} errors, {one.complaint}")
        if workload.money:
            self._verify(land, f"{workload.name}, {land.kind}, {processes} process(es)")

    def _measure(
        self,
        land: Ground,
        workload: Workload,
        measured: Sequence[Series],
        servers: dict[str, Server],
        script: Script | None,
    ) -> None:
        rounds, seconds = self.plan.lengths(workload.name, land.kind, measured[0].processes)
        for _ in range(self.plan.longer):
            for _ in range(rounds):
                for one in measured:
                    found = self._round(land, workload, one, servers, script, seconds)
                    one.rounds.append(found)
            if not report.is_undecided(measured):
                break

    def _round(
        self,
        land: Ground,
        workload: Workload,
        series: Series,
        servers: dict[str, Server],
        script: Script | None,
        seconds: int,
    ) -> Round:
        land = of_server(land, series.server)
        if series.server != PGBENCH:
            return run_round(servers[series.server], workload, land, seconds, self.folder)
        assert script is not None
        try:
            hot = workload.name == "debit_hot"
            tps = run_pgbench(script, land, seconds, self.folder, hot=hot)
        except LoadError as error:
            return Round(0, errors=1, complaint=str(error))
        return Round(tps, requests=round(tps * seconds))

    def _verify(self, land: Ground, after: str) -> None:
        try:
            result = run_cynod(
                *("journal", "verify"),
                folder=self.folder,
                timeout=VERIFY_S,
                CYNOD_DATABASE_URL=land.url,
                CYNOD_PEPPER=PEPPER.decode(),
            )
        except subprocess.TimeoutExpired:
            self._fault(f"cynod journal verify after {after}: not done in {VERIFY_S} s")
            return
        if result.returncode:
            told = f"{result.stdout}{result.stderr}".strip()[-1000:]
            self._fault(f"cynod journal verify after {after}: {told}")

    def _fault(self, text: str) -> None:
        self.faults.append(text)
        self.say(f"FAULT: {text}")

    # ── each server by itself ────────────────────────────────────────────────────────────────────
    def _ask_memory(self, land: Ground, processes: int, servers: dict[str, Server]) -> None:
        for name, server in servers.items():
            found = server.memory()
            self.body["memory"].append(
                {
                    "database": land.kind,
                    "processes": processes,
                    "server": name,
                    "peak_mib": found.peak_mib,
                    "pss_mib": found.pss_mib,
                }
            )

    def _ask_crowd(self, land: Ground) -> None:
        """Memory of ours and of FastAPI's on a loop, when several workers share what they can."""
        wanted = self.plan.crowd and FASTAPI_ASYNC in self.plan.peers
        if not wanted or not is_on(FASTAPI_ASYNC, land.kind):
            return
        for name in (OURS, FASTAPI_ASYNC):
            try:
                with serve(name, land, self.plan.crowd, self.folder) as server:
                    for workload in CROWDED:
                        run_round(server, WORKLOADS[workload], land, CROWD_S, self.folder)
                    self._ask_memory(land, self.plan.crowd, {name: server})
            except ServerError as error:
                self._fault(f"{name}, {land.kind}, {self.plan.crowd} processes: {error}")
        self._verify(land, f"memory of {self.plan.crowd} workers, {land.kind}")

    def _ask_latency(self, land: Ground, servers: dict[str, Server]) -> None:
        """At half of what the slowest of them can do, the same for all."""
        for name in PACED:
            known = {
                one.server: one.rps
                for one in self.series
                if (one.workload, one.database) == (name, land.kind)
                and one.processes == min(self.plan.processes)
                and one.server in servers
                and one.rps
            }
            if not known:
                continue
            rate = max(10, round(min(filter(None, known.values())) / 2, -1))
            for server in known:
                try:
                    found = run_paced(
                        servers[server], WORKLOADS[name], land, rate, self.plan.paced_s
                    )
                except (OSError, TimeoutError) as error:
                    self._fault(f"latency of {name}, {land.kind}, {server}: {error!r}")
                    continue
                place = {"workload": name, "database": land.kind, "server": server, "rate": rate}
                self.body["latency"].append({**place, **found})
                if found["errors"]:
                    self._fault(f"latency of {name}, {land.kind}, {server}: wrong answers")
            if WORKLOADS[name].money:
                self._verify(land, f"latency of {name}, {land.kind}")

    def _count(self, kind: str, cluster: PostgresqlServer | None) -> None:
        with ground(kind, SMALL, self.folder, cluster) as land:
            try:
                found = counted.measure(land, self.folder)
            except ServerError as error:
                self._fault(f"metrics, {kind}: {error}")
                return
        self.body["counted"].append(found)
        self.say(f"{kind}, a balance with metrics over one without: {found['cost']}")

    def _ask_start(self, land: Ground) -> None:
        for name in (OURS, *self.plan.peers):
            if name == PGBENCH or not is_on(name, land.kind):
                continue
            taken = []
            # One that does not start was told of already; a quick look has no time for starts.
            with contextlib.suppress(ServerError):
                for _ in range(self.plan.starts):
                    with serve(name, land, 1, self.folder) as server:
                        taken.append(server.ready_after_s)
            if taken:
                self.body["start"].append(
                    {
                        "database": land.kind,
                        "server": name,
                        "median_s": round(statistics.median(taken), 3),
                        "least_s": round(min(taken), 3),
                        "most_s": round(max(taken), 3),
                    }
                )

    # ── as data grows ────────────────────────────────────────────────────────────────────────────
    def _grow(self, kind: str, cluster: PostgresqlServer | None) -> None:
        large = self.plan.large
        deep = large * DEEP // 1_000
        history = Size(SMALL.cartes, debits=(large - deep) // SMALL.cartes, deep=deep)
        self._grow_to(kind, cluster, "cards", Size(large), GROWN)
        self._grow_to(kind, cluster, "history", history, (*GROWN, "history"))

    def _grow_to(
        self,
        kind: str,
        cluster: PostgresqlServer | None,
        grown: str,
        size: Size,
        names: Sequence[str],
    ) -> None:
        few = SMALL if grown == "cards" else SHORT
        amounts = [one.cartes if grown == "cards" else one.operations for one in (few, size)]
        with contextlib.ExitStack() as stack:
            lands = [
                stack.enter_context(ground(kind, one, self.folder, cluster)) for one in (few, size)
            ]
            servers = [stack.enter_context(serve(OURS, land, 1, self.folder)) for land in lands]
            for name in names:
                rounds = self._in_turn(lands, servers, WORKLOADS[name], grown)
                self._add_growth(kind, grown, name, amounts, rounds)
            for land in lands:
                self._verify(land, f"growth of {grown}, {kind}")

    def _in_turn(
        self, lands: Sequence[Ground], servers: Sequence[Server], workload: Workload, grown: str
    ) -> tuple[list[Round], list[Round]]:
        """Rounds of the small one and of the large one, after a warm-up of each."""
        rounds: tuple[list[Round], list[Round]] = ([], [])
        kind = lands[0].kind
        limit = report.find_limit(workload.name, grown, kind)

        def take() -> list[Round]:
            each = zip(lands, servers, strict=True)
            return [
                run_round(server, workload, land, self.plan.seconds, self.folder)
                for land, server in each
            ]

        if kind == SQLITE:
            for server in servers:
                server.stay()
        take()
        for _ in range(self.plan.longer):
            for _ in range(self.plan.judged_rounds):
                for kept, found in zip(rounds, take(), strict=True):
                    kept.append(found)
            if not report.is_near(_cost(rounds), limit):
                break
        return rounds

    def _scale(self, cluster: PostgresqlServer) -> None:
        """How far one PostgreSQL carries."""
        sizes = [Size(SMALL.cartes, debits=number // SMALL.cartes - 1) for number in scale.GROWN]
        with contextlib.ExitStack() as stack:
            lands = [
                stack.enter_context(ground(POSTGRESQL, one, self.folder, cluster)) for one in sizes
            ]
            with contextlib.ExitStack() as served:
                servers = [
                    served.enter_context(serve(OURS, land, 1, self.folder)) for land in lands
                ]
                kept = scale.curve(lands, servers, self.folder, self.plan.rounds)
            with serve(OURS, lands[0], os.cpu_count() or 1, self.folder) as server:
                steps = scale.carry(server, lands[0], self.folder)
            weight = scale.weigh(lands[-1])
            for land in lands:
                self._verify(land, f"scale, {land.size.operations:,} operations")
        rounds = [one for each in kept for found in each.values() for one in found]
        for one in (*(step.round for step in steps), *rounds):
            if one.errors:
                self._fault(f"scale: {one.errors} errors, {one.complaint}")
        self.body["scale"] = {
            "carry": [scale.write_step(one) for one in steps],
            "curve": [
                {"operations": land.size.operations, "cost": cost}
                for land, cost in zip(lands, scale.costs(kept), strict=True)
            ],
            "weight": weight._asdict(),
            "page": scale.page_over_debit(kept[-1]),
            "memory": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
        }
        self.say(
            f"scale: {scale.quickest_rps(steps):,.0f} debits a second; {scale.runs_out(steps)}"
        )

    def _grow_office(self, kind: str, cluster: PostgresqlServer | None) -> None:
        """Lists of the back office, and the proof of its audit."""
        with contextlib.ExitStack() as stack:
            lands = [
                stack.enter_context(office(kind, size, self.folder, cluster))
                for size in (FEW, many(self.plan.large))
            ]
            amounts = [land.rows.audit for land in lands]
            with contextlib.ExitStack() as served:
                servers = [
                    served.enter_context(serve(OURS, land, 1, self.folder, land.variables))
                    for land in lands
                ]
                for workload in OFFICE_WORKLOADS:
                    rounds = self._in_turn(lands, servers, workload, OFFICE)
                    self._add_growth(kind, OFFICE, workload.name, amounts, rounds)
            proofs = [verify_audit(land, self.folder) for land in lands]
        self.body["audit"] += proofs
        for found in proofs:
            told = f"{kind}, cynod audit verify of {found['rows']:,} rows"
            self.say(f"{told}: {found['seconds']} s, {found['peak_mib']} MiB")
            if found["complaint"]:
                self._fault(f"{told}: {found['complaint']}")

    def _look_back(self, ref: str, cluster: PostgresqlServer | None) -> None:
        """This tree beside an earlier commit's, on both kinds of database."""
        try:
            tree, commit = before.check_out(ref, self.folder)
        except LoadError as error:
            self._fault(str(error))
            return
        rows: list[Json] = []
        for kind in self.plan.databases:
            try:
                then = before.make_ground(tree, kind, SMALL, self.folder, cluster)
                with (
                    ground(kind, SMALL, self.folder, cluster) as land,
                    serve(OURS, land, 1, self.folder) as now,
                    serve(OURS, then, 1, self.folder, {"PYTHONPATH": str(tree)}) as old,
                ):
                    found = before.compare(
                        ((now, land), (old, then)),
                        self.folder,
                        self.plan.judged_rounds,
                        self.plan.judged_seconds,
                        self.say,
                    )
                    rows += [one.told() for one in found]
                    self._verify(land, f"before and now, {kind}")
                complaint = before.verify(tree, then, self.folder)
            except (LoadError, ServerError) as error:
                complaint = str(error)
            if complaint:
                self._fault(f"{commit}, {kind}: {complaint}")
        self.body["before"] = {"commit": commit, "rows": rows}
        for one in rows:
            if one["errors"]:
                self._fault(f"before and now, {one['database']}, {one['workload']}: wrong answers")

    def _add_growth(
        self,
        kind: str,
        grown: str,
        name: str,
        amounts: Sequence[int],
        rounds: tuple[list[Round], list[Round]],
    ) -> None:
        errors = sum(one.errors for each in rounds for one in each)
        pairs = [
            (few.rps, many.rps)
            for few, many in zip(*rounds, strict=True)
            if not few.void and not many.void
        ]
        cost = _cost(rounds)
        self.body["growth"].append(
            {
                "workload": name,
                "database": kind,
                "grown": grown,
                "small": amounts[0],
                "large": amounts[1],
                "cost": cost,
                "spread": [round(one, 3) for one in report.spread(*zip(*pairs, strict=True))]
                if pairs
                else None,
                "errors": errors,
            }
        )
        if errors:
            told = next((one.complaint for each in rounds for one in each if one.complaint), "")
            self._fault(f"growth of {grown}, {kind}, {name}: {errors} errors, {told}")
        self.say(f"{kind}, {grown} to {amounts[1]:,}, {name}: {cost} × the cost")
