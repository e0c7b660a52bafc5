"""`python -m tests.lab.proof`: break servers and databases under load, and judge the books."""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.lab.proof.answers import WRONG, Verdict
from tests.lab.proof.faults import FAULTS, Fault, servers_on
from tests.lab.proof.places import POSTGRESQL, SQLITE, NotPossibleHereError
from tests.lab.proof.run import Proof, prove
from tests.lab.proof.stage import staged
from tests.support.needs import REQUIRED
from tests.support.nursery import Nursery

REPORT = Path("build/proof.json")
COLUMNS = (
    *("fault", "database", "sent", "acknowledged", "refused", "unknown"),
    *("lost", "doubled", "wrong", "verdict"),
)
NAMES = [fault.name for fault in FAULTS]


@click.command(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Faults: " + "; ".join(f"{fault.name}: {fault.summary}" for fault in FAULTS) + ".",
)
@click.option("--only", multiple=True, type=click.Choice(NAMES), help="This fault; repeatable.")
@click.option("--database", multiple=True, type=click.Choice([POSTGRESQL, SQLITE]))
@click.option("--seconds", default=15.0, show_default=True, help="Load of each proof.")
@click.option("--seed", default="", help="Of every choice of the clients. [default: a new one]")
@click.option("--report", type=click.Path(path_type=Path), default=REPORT, show_default=True)
def main(
    only: tuple[str, ...], database: tuple[str, ...], seconds: float, seed: str, report: Path
) -> None:
    """Break servers and databases while clients move money; prove that nothing is lost or doubled.

    Prints a line per proof, writes all of it to the report, and exits with 1 when a proof fails.
    """
    # An end asked for is an end in order too: nothing is left running, mounted or on the disk.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    seed = seed or str(random.randrange(10**6))
    click.echo(f"seed {seed}, {seconds:g} s of load each")
    started = time.monotonic()
    nursery = Nursery()
    proofs = []
    try:
        for fault in FAULTS:
            for kind in fault.places:
                if (not only or fault.name in only) and (not database or kind in database):
                    proof = _try(nursery, fault, kind, seconds, seed)
                    proofs.append(proof)
                    _tell(proof)
    finally:
        nursery.close()
    report.parent.mkdir(parents=True, exist_ok=True)
    document = {"seed": seed, "seconds": seconds, "proofs": [proof.as_json() for proof in proofs]}
    report.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    table = Table(*COLUMNS)
    for proof in proofs:
        table.add_row(*proof.row)
    Console(width=120).print(table)
    click.echo(f"{time.monotonic() - started:.0f} s; all of it in {report}")
    missing = REQUIRED in os.environ and any(proof.not_played for proof in proofs)
    sys.exit(0 if proofs and all(proof.ok for proof in proofs) and not missing else 1)


def _try(nursery: Nursery, fault: Fault, kind: str, seconds: float, seed: str) -> Proof:
    try:
        return _run(nursery, fault, kind, seconds, seed)
    except NotPossibleHereError as error:
        return Proof(fault.name, kind, seconds, seed, Verdict(), not_played=str(error))
    except Exception as error:  # noqa: BLE001 - the other proofs are still worth their time
        verdict = Verdict()
        verdict.findings[WRONG].append(f"no verdict, {type(error).__name__}: {error}")
        return Proof(fault.name, kind, seconds, seed, verdict)


def _run(nursery: Nursery, fault: Fault, kind: str, seconds: float, seed: str) -> Proof:
    with staged(
        fault.places[kind](),
        nursery,
        servers=servers_on(kind),
        spoil=fault.spoil,
        settings=fault.settings,
        hurried=fault.hurried,
    ) as stage:
        return prove(stage, fault, seconds=seconds, seed=seed)


def _tell(proof: Proof) -> None:
    click.echo("  ".join(proof.row))
    if proof.not_played:
        click.echo(f"    not played: {proof.not_played}")
    for kind, texts in proof.verdict.all_findings.items():
        for text in texts[:10]:
            click.echo(f"    {kind}: {text}")
        if len(texts) > 10:
            click.echo(f"    {kind}: and {len(texts) - 10} more")


if __name__ == "__main__":
    main()
