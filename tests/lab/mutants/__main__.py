"""`python -m tests.lab.mutants`: change one thing of the contract at a time; the contract tests must fail."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from tests.lab.mutants.draw import all_mutants, draw
from tests.lab.mutants.mutant import Mutant
from tests.lab.mutants.run import Result, Tree, run_all
from tests.lab.mutants.surface import ENVIRONMENT, SURFACE, SURFACES
from tests.lab.mutants.survivors import REASONS

REPORT = Path("build/mutants.json")
COUNT = 150
SEED = 20261123
SCORE = 95
"""Per cent of the mutants that must be killed by a test, of those that no start-up refuses."""


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--surface",
    type=click.Choice(SURFACES),
    default=SURFACE,
    show_default=True,
    help="Whose contract.",
)
@click.option("--count", default=COUNT, show_default=True, help="How many are drawn.")
@click.option("--seed", default=SEED, show_default=True, help="Of the draw.")
@click.option("--only", default="", help="Draw from those whose name has this text.")
@click.option("--workers", default=2, show_default=True, help="Processes at a time.")
@click.option("--control/--no-control", default=True, help="Run the tests without a change first.")
@click.option("--list", "list_only", is_flag=True, help="Name what is drawn, run nothing.")
@click.option("--report", type=click.Path(path_type=Path), default=REPORT, show_default=True)
def main(
    surface: str,
    count: int,
    seed: int,
    only: str,
    workers: int,
    control: bool,
    list_only: bool,
    report: Path,
) -> None:
    """Judge the contract tests by mutants; exits with 1 below the score, when the control fails or the code
    is changed meanwhile."""
    if surface != SURFACE:
        # What reads a contract has been imported, and has read the other one.
        words = [sys.executable, "-m", "tests.lab.mutants", *sys.argv[1:]]
        os.execve(sys.executable, words, {**os.environ, ENVIRONMENT: surface})  # noqa: S606
    # An end asked for is an end in order too: no fork is left running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    mutants = all_mutants()
    drawn = draw([mutant for mutant in mutants if only in mutant.name], count, seed)
    click.echo(f"{len(drawn)} of {len(mutants)} mutants, seed {seed}")
    if list_only:
        click.echo("\n".join(mutant.name for mutant in drawn))
        return
    started = time.monotonic()
    tree = Tree()
    work: list[Mutant | None] = [*([None] if control else []), *drawn]
    results: list[Result] = []

    def tell(result: Result) -> None:
        results.append(result)
        click.echo(_line(result))

    try:
        run_all(work, workers, tell)
    except SystemExit:
        click.echo("stopped: what follows is of a part of the draw")
    _write(results, seed, report)
    _tell(results, time.monotonic() - started)
    if changed := tree.changed():
        click.echo(f"changed meanwhile, so that these figures are none: {', '.join(changed)}")
    sys.exit(_is_bad(results) or bool(changed))


def _end(result: Result) -> str:
    if result.mutant is None:
        return "control failed" if result.verdict.killed else "control passed"
    if not result.verdict.killed:
        return "SURVIVED"
    return "refused at start" if result.verdict.at_start else "killed"


def _line(result: Result) -> str:
    name = result.mutant.name if result.mutant else f"control, {result.verdict.ran} tests"
    return f"{result.seconds:6.1f} s  {_end(result):16} {name}"


def _score(results: list[Result]) -> tuple[int, int, int]:
    """Killed by tests, survivors, refused at start."""
    ends = Counter(_end(result) for result in results)
    return ends["killed"], ends["SURVIVED"], ends["refused at start"]


def _is_bad(results: list[Result]) -> bool:
    killed, survived, _ = _score(results)
    failed = any(_end(result) == "control failed" for result in results)
    return failed or killed < (killed + survived) * SCORE / 100


def _reason(mutant: Mutant) -> str:
    return next((reason for name, reason in REASONS.items() if name in mutant.name), "")


def _write(results: list[Result], seed: int, report: Path) -> None:
    killed, survived, at_start = _score(results)
    entries = [
        {
            "side": result.mutant.side,
            "kind": result.mutant.kind,
            "operation": result.mutant.operation,
            "place": result.mutant.place,
            "end": _end(result),
            "test": result.verdict.test,
            "failure": result.verdict.reason,
            "reason": _reason(result.mutant) if _end(result) == "SURVIVED" else "",
            "seconds": round(result.seconds, 1),
        }
        for result in results
        if result.mutant is not None
    ]
    controls = [
        {"end": _end(result), "tests": result.verdict.ran, "failures": result.verdict.failures}
        for result in results
        if result.mutant is None
    ]
    body = {
        "seed": seed,
        "killed": killed,
        "survived": survived,
        "refusedAtStart": at_start,
        "score": round(100 * killed / max(1, killed + survived), 1),
        "control": controls,
        "mutants": entries,
    }
    report.parent.mkdir(parents=True, exist_ok=True)
    report.write_text(json.dumps(body, ensure_ascii=False, indent=1), encoding="utf-8")
    click.echo(f"\n{report}")


def _tell(results: list[Result], seconds: float) -> None:
    table = Table("side", "kind", "operation", "place", "end", "by")
    for result in sorted(
        (result for result in results if result.mutant is not None), key=lambda r: r.seconds
    ):
        mutant = result.mutant
        assert mutant is not None
        by = result.verdict.test.rpartition("/")[2] or _reason(mutant)
        table.add_row(mutant.side, mutant.kind, mutant.operation, mutant.place, _end(result), by)
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(table)
    for result in results:
        if result.mutant is None:
            console.print(_line(result), *result.verdict.failures, sep="\n", markup=False)
    killed, survived, at_start = _score(results)
    score = 100 * killed / max(1, killed + survived)
    console.print(
        f"{killed} killed by tests, {survived} survived, {at_start} refused at start: "
        f"score {score:.1f} % in {seconds:.0f} s"
    )


if __name__ == "__main__":
    main()
