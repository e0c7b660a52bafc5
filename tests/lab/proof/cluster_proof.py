"""`python -m tests.lab.proof.cluster_proof`: fail a PostgreSQL cluster over under load, and judge the books.

It plays in namespaces of its own, into which it goes by itself.
"""

from __future__ import annotations

import contextlib
import json
import random
import signal
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from tests.lab.proof.answers import DOUBLED, LOST, WRONG, Verdict
from tests.lab.proof.cluster import Cluster, alone
from tests.lab.proof.cluster_faults import CLUSTER_FAULTS, IN_SHORT, ClusterFault
from tests.lab.proof.places import NotPossibleHereError
from tests.lab.proof.run import prove
from tests.lab.proof.stage import Stage
from tests.support.nursery import Nursery

REPORT = Path("build/proof-cluster.json")
COLUMNS = (
    *("fault", "sent", "acknowledged", "unknown", "lost", "doubled", "wrong"),
    *("without service", "verdict"),
)
SETTINGS = {"CYNOD_REDIS_URL": "redis://127.0.0.1:6379/0"}
NAMES = [fault.name for fault in CLUSTER_FAULTS]


class ClusterStage(Stage):
    """A stage on a cluster, whose servers each take another way to the primary."""

    place: Cluster

    def variables_of(self, number: int) -> Mapping[str, str]:
        """See Stage."""
        urls = self.place.urls
        return {**self.variables, "CYNOD_DATABASE_URL": urls[number % len(urls)]}


@dataclass(frozen=True)
class Line:
    """What one fault did."""

    fault: str
    summary: str
    verdict: Verdict
    silence_s: float

    @property
    def row(self) -> list[str]:
        """The line of the table."""
        verdict = self.verdict
        numbers = verdict.sent, verdict.acknowledged, verdict.unknown, *verdict.counts()
        result = "ok" if verdict.ok else "FAULT"
        return [self.fault, *map(str, numbers), f"{self.silence_s:.1f} s", result]

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        lost, doubled, wrong = self.verdict.counts()
        figures = {LOST: lost, DOUBLED: doubled, WRONG: wrong}
        return {**asdict(self), **figures, "ok": self.verdict.ok}


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Faults: " + "; ".join(f"{one.name}: {one.summary}" for one in CLUSTER_FAULTS) + ".",
)
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="This fault; repeatable.")
@click.option("--seconds", default=15.0, show_default=True, help="Load of each, at the least.")
@click.option("--seed", default="", help="Of every choice of the clients. [default: a new one]")
@click.option("--report", type=click.Path(path_type=Path), default=REPORT, show_default=True)
@click.option("--persons/--no-persons", default=True, help="Whether persons work beside partners.")
@click.option("--short", is_flag=True, help="One kill and one switchover, as the tests play it.")
@click.option("--inside", is_flag=True, hidden=True)
def main(
    only: tuple[str, ...],
    seconds: float,
    seed: str,
    report: Path,
    *,
    persons: bool,
    short: bool,
    inside: bool,
) -> None:
    """Fail a cluster of three PostgreSQL nodes over while clients move money.

    Prints a line per fault, writes all of it to the report, and exits with 1 when one fails: when anything
    is lost or doubled, or the service is not back by itself within 30 seconds.
    """
    if not inside:
        _go_inside()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = seed or str(random.randrange(10**6))
    click.echo(f"seed {seed}, {seconds:g} s of load each at the least")
    started = time.monotonic()
    faults = [fault for fault in CLUSTER_FAULTS if not only or fault.name in only]
    if short:
        faults = [IN_SHORT]
    lines = _play(faults, seconds, seed, persons=persons)
    report.parent.mkdir(parents=True, exist_ok=True)
    document = {"seed": seed, "seconds": seconds, "proofs": [line.as_json() for line in lines]}
    report.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    table = Table(*COLUMNS)
    for line in lines:
        table.add_row(*line.row)
    Console(width=120).print(table)
    click.echo(f"{time.monotonic() - started:.0f} s; all of it in {report}")
    sys.exit(0 if lines and all(line.verdict.ok for line in lines) else 1)


def _go_inside() -> None:
    """Run the same in namespaces of its own, and end as it ends."""
    # An end asked for is an end in order too: nothing is left running or on the disk.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with alone(__spec__.name, [*sys.argv[1:], "--inside"]) as process:
            sys.exit(process.wait())
    except NotPossibleHereError as error:
        raise click.ClickException(f"not played: {error}") from None


def _play(faults: list[ClusterFault], seconds: float, seed: str, *, persons: bool) -> list[Line]:
    """Each on the same cluster, whole again before the next, and on a world that nobody has used."""
    has_clocks = any(fault.name == "clock-skew" for fault in faults)
    cluster = Cluster(has_clocks=has_clocks)
    try:
        with ThreadPoolExecutor(1) as pool:
            starting = pool.submit(Nursery)
            cluster.form()
            nursery = starting.result()
        with contextlib.closing(nursery):
            return _play_on(cluster, nursery, faults, seconds, seed, persons=persons)
    finally:
        cluster.end()


def _play_on(
    cluster: Cluster,
    nursery: Nursery,
    faults: list[ClusterFault],
    seconds: float,
    seed: str,
    *,
    persons: bool,
) -> list[Line]:
    model = ClusterStage(cluster, nursery, servers=0, settings=SETTINGS, office=persons)
    lines = []
    try:
        model.open_model()
        cluster.keep()
        for fault in faults:
            line = _try(ClusterStage(
                *(cluster, nursery),
                servers=len(cluster.urls), settings=SETTINGS, model=model, office=persons,
            ), fault, seconds, seed)  # fmt: skip
            lines.append(line)
            _tell(line)
    finally:
        model.close()
    return lines


def _try(stage: ClusterStage, fault: ClusterFault, seconds: float, seed: str) -> Line:
    silences: dict[str, float] = {}
    try:
        stage.place.heal()
        stage.open()
        verdict = prove(stage, fault.as_fault(silences), seconds=seconds, seed=seed).verdict
    except Exception as error:  # noqa: BLE001 - the others are still worth their time
        verdict = Verdict()
        verdict.findings[WRONG].append(f"no verdict, {type(error).__name__}: {error}")
    finally:
        stage.close()
    return Line(fault.name, fault.summary, verdict, silences.get(fault.name, 0.0))


def _tell(line: Line) -> None:
    click.echo("  ".join(line.row))
    for kind, texts in line.verdict.all_findings.items():
        for text in texts[:10]:
            click.echo(f"    {kind}: {text}")


if __name__ == "__main__":
    main()
