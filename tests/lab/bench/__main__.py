"""`python -m tests.lab.bench`: the command behind `make bench`."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from models.database.engine import sqlite_module
from tests.lab.bench import in_turns, report
from tests.lab.bench.ground import POSTGRESQL, SQLITE
from tests.lab.bench.load import (
    CONNECTIONS,
    LIMITE,
    WORKLOADS,
    LoadError,
    find_wrk,
)
from tests.lab.bench.page import page
from tests.lab.bench.pgbench import find_pgbench
from tests.lab.bench.report import Json
from tests.lab.bench.run import PARTS, SMALL, Bench, Plan
from tests.lab.bench.servers import (
    BARE,
    CONNEXION,
    FASTAPI,
    FASTAPI_ASYNC,
    GREENLET,
    PEERS,
    PGBENCH,
    POOL,
    THREADS,
    ServerError,
)
from tests.support.contract_client import ROOT
from tests.support.machine import find_binaries, how_to_get
from tests.support.postgresql import PostgresqlError

LARGE = 1_000_000
ON_TWO = ("balance", "debit", "debit_hot", "mixed")
"""What two processes are measured under, too: the whole run takes forty minutes."""

QUICK_WORKLOADS = ("balance", "debit", "refused")
QUICK_PEERS = (CONNEXION, FASTAPI, FASTAPI_ASYNC, BARE, GREENLET, PGBENCH)
RECORD = ROOT / "docs" / "performance.md"
PACKAGES = (
    *("connexion", "fastapi", "flask", "litestar", "msgspec", "gunicorn", "uvicorn"),
    *("sqlalchemy", "psycopg", "asyncpg", "greenlet"),
)


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(prog="make bench ARGS=…", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a look, in under 2 minutes")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, help="of these only")
    parser.add_argument("--databases", nargs="+", choices=(SQLITE, POSTGRESQL))
    parser.add_argument("--peers", nargs="+", choices=PEERS)
    parser.add_argument("--processes", nargs="+", type=int, choices=(1, 2))
    parser.add_argument("--rounds", type=_positive)
    parser.add_argument("--seconds", type=_positive, help="of one round, a whole number")
    parser.add_argument(
        "--large", type=int, help=f"cards, then operations, of the growth part ({LARGE}); 0: none"
    )
    parser.add_argument(
        "--parts", nargs="*", choices=PARTS, help="of the run; none: what else is asked"
    )
    parser.add_argument(
        "--before", metavar="REF", help="measure an earlier commit's server beside this one, too"
    )
    parser.add_argument("--judge", action="store_true", help="exit with 1 when a target is missed")
    return parser.parse_args(arguments)


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("must be a whole number above 0")
    return int(text)


def plan_of(given: argparse.Namespace) -> Plan:
    """What the options ask for."""
    quick = given.quick
    large = given.large if given.large is not None else (0 if quick else LARGE)
    return Plan(
        workloads=given.workloads or (QUICK_WORKLOADS if quick else tuple(WORKLOADS)),
        databases=given.databases or (SQLITE, POSTGRESQL),
        peers=given.peers or (QUICK_PEERS if quick else PEERS),
        processes=given.processes or ((1,) if quick else (1, 2)),
        rounds=given.rounds or (2 if quick else 3),
        seconds=given.seconds or 1,
        judged_rounds=given.rounds or (2 if quick else 6),
        judged_seconds=given.seconds or 1,
        longer=1 if quick or given.rounds else 3,
        large=large,
        starts=0 if quick else 3,
        paced_s=0 if quick else 4,
        crowd=0 if quick else report.CROWD,
        on_two=given.workloads or ON_TWO,
        parts=_parts(given.parts, large),
        before=given.before,
    )


def _parts(given: Sequence[str] | None, large: int) -> Sequence[str]:
    if given is not None:
        return given
    return PARTS if large else PARTS[:1]


def is_whole(given: argparse.Namespace) -> bool:
    """Whether everything is measured, as the record needs it."""
    chosen = (given.workloads, given.databases, given.peers, given.processes)
    lengths = (given.rounds, given.seconds, given.large, given.parts)
    return not given.quick and all(one is None for one in (*chosen, *lengths))


def _machine() -> str:
    system = f"{platform.system()} {platform.release()}"
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return f"{os.cpu_count()} × {line.partition(': ')[2]}, {system}"
    return f"{os.cpu_count()} processors, {system}"


def _how(plan: Plan, load: float) -> list[str]:
    packages = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    text = f"""
Python {platform.python_version()}, SQLite {sqlite_module().sqlite_version}, {packages}.

wrk with {CONNECTIONS} connections, on the machine that it loads, whose load average was {load:.1f} before
the run.

{plan.rounds} rounds of {plan.seconds} s, {plan.judged_rounds} of {plan.judged_seconds} s for what a target
is about, and as many more, up to {plan.longer} times that, while a ratio is within a tenth of what is wanted,
on either side of it. Servers are in turn in each, after a warm-up. A ratio is of medians, its spread of
rounds that followed each other.

Every answer's status and body are looked at; a wrong one voids its round. Before, each peer answered a
sample as ours does, field by field.

After each workload that moves money, `cynod journal verify` judged the database that all of them wrote
into.

{SMALL.cartes:,} cards, and as the hot one another for each server, who alone passes the old versions that
its crowd leaves of that row; {THREADS} threads of ours and of Flask's, FastAPI's and Connexion's own pools of
threads; {POOL} database connections for each process; commits are flushed to disk.

ours: `cynod serve` as it ships, with its logs, limits that count and never refuse, and both validations.
connexion: FlaskApp, strict, answers validated. fastapi: pydantic models in and out, endpoints in threads.
flask: under gunicorn, checks by hand, answers not validated.

On PostgreSQL alone: fastapi-async, the same models, `async def` endpoints, asyncpg with SQL by hand;
litestar, msgspec structs in and out, asyncpg too. A request of either has one connection, given back without
asyncpg's reset, and sends the statements that the others send.

Limits, not peers: greenlet, on PostgreSQL, an ASGI function with the same SQL and no checks, a greenlet
for each call over libpq's calls that do not wait; bare, on SQLite, such a function that asks the database
from threads as the others do; bare-loop, the same on the event loop, which a slow database would stop whole;
pgbench, the statements of our debit, taken from PostgreSQL's log.

As data grow on SQLite, whose calls run in threads, each server is kept on one processor: whether its threads
wake one another across processors weighs more than the data do.

Lists of the back office: pages of {LIMITE} lines at even distances, and searches, in a database of
1,000 clients, membres, demandes and rows of the audit, and in one of {plan.large:,} membres and rows of the
audit, a tenth as many clients and demandes. A reading of the audit writes a row of it.

CPU is the server's processes' alone, not the database's.

Metrics: two applications of one process on one processor, without and with them, do {in_turns.CALLS} calls
each by turns, {in_turns.PAIRS} times: the median of what the turns differ by, over the CPU of a balance under
load. To it is added what all processes of a server take more with metrics while nobody calls it: the parent,
and the one that tells Prometheus, among them.
"""
    if plan.before is not None:
        text += """
Before and now: each tree's own server, on a database that its own code made and filled alike; who is first
changes from round to round.
"""
    return [" ".join(part.split()) for part in text.strip().split("\n\n")]


def _missing_tool(plan: Plan) -> str | None:
    try:
        find_wrk()
        if POSTGRESQL in plan.databases:
            if find_binaries() is None:
                return how_to_get("postgresql")
            if PGBENCH in plan.peers:
                find_pgbench()
    except LoadError as error:
        return str(error)
    return None


def main(arguments: list[str]) -> int:
    """Measure; 0 unless an answer was wrong, the books differ or, with --judge, a target was missed."""
    given = parse(arguments)
    plan = plan_of(given)
    missing = _missing_tool(plan)
    if missing:
        say(f"bench: {missing}")
        return 2
    # As Ctrl-C does: servers and databases are ended on the way out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    started, load = time.monotonic(), os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="cynod-bench-") as made:
        try:
            found = Bench(plan, Path(made), say).run()
        except (ServerError, PostgresqlError) as error:
            say(f"bench: {error}")
            return 1
    body = {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": _machine(),
        "how": _how(plan, load),
        "whole": is_whole(given),
        **found,
    }
    _write(body)
    _print(body)
    say(f"build/bench.json, build/bench.html: {time.monotonic() - started:.0f} s")
    missed = given.judge and not all(one["reached"] for one in body["targets"])
    return int(bool(body["faults"]) or missed)


def _write(body: Json) -> None:
    folder = ROOT / "build"
    folder.mkdir(exist_ok=True)
    text = json.dumps(body, indent=1, ensure_ascii=False) + "\n"
    (folder / "bench.json").write_text(text, encoding="utf-8")
    (folder / "bench.html").write_text(page(body), encoding="utf-8")
    if body["whole"]:
        RECORD.write_text(report.markdown(body), encoding="utf-8")


def _print(body: Json) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    for shown in report.tables(body):
        table = Table(*shown.columns, title=shown.title, title_justify="left")
        for row in shown.rows:
            table.add_row(*row)
        console.print(table)


def say(text: str) -> None:
    """Write a line for whoever runs it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
