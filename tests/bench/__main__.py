"""`python -m tests.bench`: the command behind `make bench`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import report
from tests.bench.ground import PEPPER, POSTGRESQL, SQLITE, Ground, ground
from tests.bench.load import WORKLOADS, LoadError, Round, Workload, find_wrk, run_round
from tests.bench.paced import run_paced
from tests.bench.pgbench import run_pgbench
from tests.bench.report import Json, Series
from tests.bench.same import check_same
from tests.bench.servers import OURS, PEERS, Server, serve
from tests.contract_client import ROOT
from tests.process import run_cynod

SMALL, LARGE = 1_000, 1_000_000
PACE = 60.0
"""Requests a second of the latency part: what every peer can serve."""

QUICK = ("balance", "debit", "refused")


class JournalFault(RuntimeError):
    """`cynod journal verify` found something after a money workload."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look, in under 2 minutes")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, help="of these only")
    parser.add_argument("--databases", nargs="+", choices=(SQLITE, POSTGRESQL))
    parser.add_argument("--peers", nargs="+", choices=PEERS)
    parser.add_argument("--processes", nargs="+", type=int, choices=(1, 2))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float, help="of one round")
    parser.add_argument(
        "--large", type=int, default=LARGE, help="cards of the growth part; 0: none"
    )
    parser.add_argument("--judge", action="store_true", help="exit with 1 when a target is missed")
    parser.add_argument("--record", action="store_true", help="write docs/performance.md")
    given = parser.parse_args(arguments)
    quick = given.quick
    given.workloads = given.workloads or (QUICK if quick else tuple(WORKLOADS))
    given.databases = given.databases or (SQLITE, POSTGRESQL)
    given.peers = given.peers or PEERS
    given.processes = given.processes or ((1,) if quick else (1, 2))
    given.rounds = given.rounds or (2 if quick else 5)
    given.seconds = given.seconds or (1 if quick else 3)
    given.large = 0 if quick else given.large
    return given


class Bench:
    """One run."""

    def __init__(self, given: argparse.Namespace, folder: Path) -> None:
        self.given = given
        self.folder = folder
        self.series: list[Series] = []
        self.body: Json = {"latency": [], "memory": {}, "start": {}, "growth": []}

    def run(self) -> Json:
        """Measure everything that was asked for."""
        for kind in self.given.databases:
            with ground(kind, SMALL, self.folder) as land:
                for processes in self.given.processes:
                    self._measure(land, processes)
        if self.given.large:
            for kind in self.given.databases:
                self._grow(kind)
        self.body["results"] = report.compare(self.series)
        self.body["targets"] = report.judge(self.body)
        return self.body

    @contextlib.contextmanager
    def _servers(self, land: Ground, processes: int) -> Iterator[dict[str, Server]]:
        with contextlib.ExitStack() as stack:
            yield {
                name: stack.enter_context(serve(name, land, processes, self.folder))
                for name in (OURS, *self.given.peers)
            }

    def _measure(self, land: Ground, processes: int) -> None:
        with self._servers(land, processes) as servers:
            for name in self.given.workloads:
                workload = WORKLOADS[name]
                mine = [servers[peer] for peer in workload.peers if peer in servers]
                for peer in mine:
                    check_same(servers[OURS], peer, workload, land)
                self._rounds(land, processes, workload, [servers[OURS], *mine])
                if workload.money:
                    self._verify(land)
            if processes == 1:
                self._ask(land, servers)

    def _rounds(
        self, land: Ground, processes: int, workload: Workload, servers: list[Server]
    ) -> None:
        series = {
            server.name: Series(workload.name, land.kind, processes, server.name)
            for server in servers
        }
        limit = workload.name in ("debit", "debit_hot") and land.kind == POSTGRESQL
        if limit and not self.given.quick:
            series["pgbench"] = Series(workload.name, land.kind, processes, "pgbench")
        for server in servers:
            run_round(server, workload, land, 1, self.folder, seed=0)
        for number in range(1, self.given.rounds + 1):
            for server in servers:
                series[server.name].rounds.append(
                    run_round(server, workload, land, self.given.seconds, self.folder, number)
                )
            if "pgbench" in series:
                hot = workload.name == "debit_hot"
                tps = run_pgbench(land, self.given.seconds, self.folder, hot=hot)
                series["pgbench"].rounds.append(Round(tps, 0, 0, 0, 0, 0, 0))
        self.series += series.values()
        told = ", ".join(f"{s.server} {statistics.median(s.rps):,.0f}/s" for s in series.values())
        say(f"{land.kind}, {processes} process(es), {workload.name}: {told}")

    def _verify(self, land: Ground) -> None:
        result = run_cynod(
            *("journal", "verify"),
            folder=self.folder,
            timeout=600,
            CYNOD_DATABASE_URL=land.url,
            CYNOD_PEPPER=PEPPER.decode(),
        )
        if result.returncode:
            raise JournalFault(f"cynod journal verify: {result.stdout}{result.stderr}"[-1500:])

    def _ask(self, land: Ground, servers: dict[str, Server]) -> None:
        """Latency at a pace, memory, and time to start."""
        if not self.given.quick:
            for name in ("balance", "debit"):
                workload = WORKLOADS[name]
                for server in servers.values():
                    if server.name == OURS or server.name in workload.peers:
                        found = run_paced(server, workload, land, PACE, 2 * self.given.seconds)
                        place = {"workload": name, "database": land.kind, "server": server.name}
                        self.body["latency"].append({**place, "rate": PACE, **found})
        self.body["memory"][land.kind] = {
            name: round(server.peak_mib(), 1) for name, server in servers.items()
        }
        self.body["start"][land.kind] = {
            name: round(server.ready_after_s, 2) for name, server in servers.items()
        }

    def _grow(self, kind: str) -> None:
        """The processor's cost of a call with many cards and operations, against that with few."""
        with contextlib.ExitStack() as stack:
            servers = []
            for count in (SMALL, self.given.large):
                land = stack.enter_context(ground(kind, count, self.folder))
                server = stack.enter_context(serve(OURS, land, 1, self.folder))
                servers.append((land, server))
            for name in ("balance", "list", "debit"):
                costs: list[list[float]] = [[], []]
                for number in range(self.given.rounds + 1):
                    for place, (land, server) in enumerate(servers):
                        found = run_round(
                            server,
                            WORKLOADS[name],
                            land,
                            self.given.seconds if number else 1,
                            self.folder,
                            number,
                        )
                        if number:
                            costs[place].append(1 / found.rps)
                cost = statistics.median(costs[1]) / statistics.median(costs[0])
                self.body["growth"].append(
                    {
                        "workload": name,
                        "database": kind,
                        "small": SMALL,
                        "large": self.given.large,
                        "cost": round(cost, 3),
                    }
                )
                say(f"{kind}, {self.given.large:,} cards, {name}: {cost:.2f} × the cost")


def _machine() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{os.cpu_count()} × {line.partition(': ')[2]}, Linux {platform.release()}"
    return f"{os.cpu_count()} processors, {platform.system()} {platform.release()}"


def _how(given: argparse.Namespace) -> str:
    return (
        f"Python {platform.python_version()}; wrk with 16 connections on the same machine; {given.rounds}"
        f" rounds of {given.seconds:g} s, interleaved; {SMALL:,} cards; pools of 10 connections; commits are"
        " flushed to disk; every answer counted; the journal verified after each workload that moves money."
    )


def main(arguments: list[str]) -> int:
    """Measure; 0 unless an answer was wrong, the journal differs or, with --judge, a target was missed."""
    given = parse(arguments)
    try:
        find_wrk()
    except LoadError as error:
        say(f"bench: {error}")
        return 2
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cynod-bench-") as made:
        try:
            body = Bench(given, Path(made)).run()
        except (LoadError, JournalFault, RuntimeError, subprocess.TimeoutExpired) as error:
            say(f"bench: {error}")
            return 1
    body = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "machine": _machine(),
        "how": _how(given),
        **body,
    }
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(body, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    target.with_suffix(".html").write_text(report.page(body), encoding="utf-8")
    if given.record:
        text = report.markdown(body)
        (ROOT / "docs" / "performance.md").write_text(text, encoding="utf-8")
    _print(body)
    say(f"{target}, {target.with_suffix('.html')}: {time.monotonic() - started:.0f} s")
    wrong = any(one["errors"] for one in body["results"])
    missed = given.judge and not all(one["good"] for one in body["targets"])
    return int(wrong or missed)


def _print(body: Json) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    for title, columns, rows in report.tables(body):
        table = Table(*columns, title=title, title_justify="left")
        for row in rows:
            table.add_row(*row)
        console.print(table)


def say(text: str) -> None:
    """Write a line for whoever runs it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
