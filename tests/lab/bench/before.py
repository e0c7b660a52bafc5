"""The same load on this tree and on an earlier commit's, in turns: what a change has cost, or won."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from models.secret import NouveauPartenaire
from tests.lab.bench import shown
from tests.lab.bench.ground import PEPPER, Ground, Size
from tests.lab.bench.load import WORKLOADS, LoadError, Round, debits, run_round
from tests.lab.bench.servers import Server
from tests.lab.bench.shown import Shown
from tests.support.contract_client import ROOT
from tests.support.postgresql import PostgresqlServer
from tests.support.process import CYNOD, environment

Json = dict[str, Any]

CREDIT = replace(WORKLOADS["debit"], name="credit", lines=debits(path="/credit-carte"), peers=())
WORKLOADS_BEFORE = (WORKLOADS["debit"], CREDIT, WORKLOADS["balance"], WORKLOADS["token"])
KEPT = 0.95
"""At least: requests a second of this tree over those of the commit before, where `JUDGED`."""

JUDGED = ("debit", "credit")
VERIFY_S = 120

_MAKE = """
import json, os, sys
from pathlib import Path
from types import SimpleNamespace
from tests.lab.bench.ground import Size, ground
kind, cartes, folder, url = sys.argv[1:]
with ground(kind, Size(int(cartes)), Path(folder), SimpleNamespace(url=url)) as made:
    print(json.dumps([made.url, made.tokens, list(made.pair)]), flush=True)
    os._exit(0)  # the database stays
"""


@dataclass
class Beside:
    """A workload on one kind of database: the rounds of this tree and of the commit before."""

    workload: str
    database: str
    now: list[Round] = field(default_factory=list)
    before: list[Round] = field(default_factory=list)

    def told(self) -> Json:
        """For the report; a ratio without a good round on either side is null."""
        pairs = [
            (mine, theirs)
            for mine, theirs in zip(self.now, self.before, strict=True)
            if not mine.void and not theirs.void
        ]
        now, before = [one for one, _ in pairs], [one for _, one in pairs]
        each = [mine.rps / theirs.rps for mine, theirs in pairs]
        return {
            "workload": self.workload,
            "database": self.database,
            "now_rps": _median([one.rps for one in now]),
            "before_rps": _median([one.rps for one in before]),
            "ratio": _ratio([one.rps for one in now], [one.rps for one in before]),
            "spread": [round(min(each), 3), round(max(each), 3)] if each else None,
            "now_cpu": _median([one.cpu_s_per_1000 or 0 for one in now], 3),
            "before_cpu": _median([one.cpu_s_per_1000 or 0 for one in before], 3),
            "errors": sum(one.errors for one in (*self.now, *self.before)),
        }


def _median(values: Sequence[float], digits: int = 1) -> float | None:
    return round(statistics.median(values), digits) if values else None


def _ratio(now: Sequence[float], before: Sequence[float]) -> float | None:
    return round(statistics.median(now) / statistics.median(before), 3) if now else None


def check_out(ref: str, folder: Path) -> tuple[Path, str]:
    """The tree of a commit in a folder of its own, and the commit's name and subject. Raises LoadError."""
    told = _git("show", "--no-patch", "--format=%h %s", f"{ref}^{{commit}}").decode().strip()
    tree = folder / "before"
    tree.mkdir()
    packed = _git("archive", "--format=tar", f"{ref}^{{commit}}")
    subprocess.run(["tar", "--extract", "--directory", str(tree)], input=packed, check=True)
    return tree, told


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise LoadError(f"--before: {done.stderr.decode().strip()}")
    return done.stdout


def make_ground(
    tree: Path, kind: str, size: Size, folder: Path, cluster: PostgresqlServer | None
) -> Ground:
    """A database as that tree's own code makes it, with as many cards. Raises LoadError."""
    url = cluster.url if cluster is not None else ""
    done = subprocess.run(
        [sys.executable, "-c", _MAKE, kind, str(size.cartes), str(folder), url],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise LoadError(f"--before: its database was not made: {done.stderr.strip()[-500:]}")
    made_url, tokens, pair = json.loads(done.stdout)
    return Ground(kind, made_url, size, tokens, NouveauPartenaire(*pair), cluster)


def compare(
    pairs: Sequence[tuple[Server, Ground]],
    folder: Path,
    rounds: int,
    seconds: int,
    say: Callable[[str], None],
) -> list[Beside]:
    """Each workload on this tree and on the one before, in turns; who is first changes each time."""
    found = []
    for workload in WORKLOADS_BEFORE:
        one = Beside(workload.name, pairs[0][1].kind)
        kept = (one.now, one.before)
        for number in range(rounds + 1):
            turn = list(zip(pairs, kept, strict=True))
            for (server, land), into in turn if number % 2 else reversed(turn):
                measured = run_round(server, workload, land, seconds, folder)
                if number:  # the first warms up
                    into.append(measured)
        told = one.told()
        say(
            f"{one.database}, before and now, {workload.name}: {told['before_rps'] or 0:,.0f}/s,"
            f" {told['now_rps'] or 0:,.0f}/s"
        )
        found.append(one)
    return found


def verify(tree: Path, land: Ground, folder: Path) -> str:
    """What `cynod journal verify` of that tree has against its database, empty when nothing."""
    given = environment(
        folder,
        PYTHONPATH=str(tree),
        CYNOD_DATABASE_URL=land.url,
        CYNOD_PEPPER=PEPPER.decode(),
    )
    done = subprocess.run(
        [*CYNOD, "journal", "verify"],
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        timeout=VERIFY_S,
        check=False,
    )
    return f"{done.stdout}{done.stderr}".strip()[-500:] if done.returncode else ""


def judge(body: Json) -> list[Json]:
    """What moves money is as quick as before."""
    return [
        {
            "target": f"{one['workload']}, {one['database']}, against {body['before']['commit'].split()[0]}",
            "wanted": f"≥ {KEPT}",
            "measured": one["ratio"],
            "reached": one["ratio"] is not None and one["ratio"] >= KEPT and not one["errors"],
        }
        for one in body.get("before", {}).get("rows", [])
        if one["workload"] in JUDGED
    ]


def table(body: Json) -> Shown:
    """Each workload before and now."""
    before = body.get("before", {"commit": "", "rows": []})

    rows = [
        (
            *(one["workload"], one["database"], shown.number(one["ratio"], ".2f")),
            shown.spread(one["spread"]),
            *(shown.number(one["now_rps"], ",.0f"), shown.number(one["before_rps"], ",.0f")),
            *(
                shown.number(one["now_cpu"], ".2f"),
                shown.number(one["before_cpu"], ".2f"),
                str(one["errors"]),
            ),
        )
        for one in before["rows"]
    ]
    columns = (
        *("workload", "database", "now / before", "spread", "now, 1/s", "before, 1/s"),
        *("now, CPU s/1,000", "before, CPU s/1,000", "errors"),
    )
    return Shown(f"Before and now: against {before['commit']}", columns, rows)
