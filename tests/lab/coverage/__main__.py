"""`python -m tests.lab.coverage`: judge the recorded exchanges, write the JSON and the page."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.lab.coverage.cells import Contract, Json
from tests.lab.coverage.observe import Observation, read_exchanges
from tests.lab.coverage.page import render_page
from tests.lab.coverage.recording import (
    CONTRACTS,
    EXCHANGES,
    FUZZ,
    PART,
    SUMMARY,
    WHOLE,
    fingerprint,
)
from tests.lab.coverage.report import Report
from tests.support.contract_client import CONTRACT, ROOT

SHOWN = 40


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge; 1 when an answer that the contract declares was never observed, 2 without a record."""
    options = _parser().parse_args(arguments)
    folder = options.exchanges or _last(options.recorded)
    if folder is None or not (folder / SUMMARY).is_file():
        say("No recorded exchanges: run `make test` first.")
        return 2
    run = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    files = options.contract or CONTRACTS
    observations = [Observation(Contract.read(file)) for file in files]
    _observe(observations, read_exchanges(folder))
    if options.exchanges is None and _is_of(options.recorded / FUZZ, run["contract"]):
        _observe(observations, read_exchanges(options.recorded / FUZZ))
    reports = [Report(one.contract, one, run) for one in observations]
    options.output.mkdir(parents=True, exist_ok=True)
    if options.exchanges is None:
        _tell_later(options.recorded, run)
    _tell_run(run, files)
    for file, report in zip(files, reports, strict=True):
        _tell(report, file, _write(report, file, options.output))
    return 1 if any(report.red for report in reports) else 0


def _observe(observations: Sequence[Observation], exchanges: Iterable[Json]) -> None:
    for exchange in exchanges:
        for one in observations:
            one.add(exchange)


def _write(report: Report, contract: Path, folder: Path) -> Path:
    """The page of a contract, and beside it what programs read."""
    own = "" if contract.name == CONTRACT.name else f"-{contract.stem}"
    page = folder / f"contract-coverage{own}.html"
    text = json.dumps(report.json(), indent=1, ensure_ascii=False)
    page.with_suffix(".json").write_text(text + "\n", encoding="utf-8")
    page.write_text(render_page(report), encoding="utf-8")
    return page


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make contract-coverage", description=__doc__)
    parser.add_argument(
        "--contract", type=Path, action="append", help="another contract; repeatable"
    )
    parser.add_argument("--exchanges", type=Path, help="the folder of one run to judge")
    parser.add_argument("--recorded", type=Path, default=EXCHANGES, help="where runs are kept")
    parser.add_argument("--output", type=Path, default=ROOT / "build")
    return parser


def _last(root: Path) -> Path | None:
    """The last whole run, else the last partial one."""
    return next((root / name for name in (WHOLE, PART) if (root / name / SUMMARY).is_file()), None)


def _is_of(folder: Path, contract: str) -> bool:
    """Whether a run of `make fuzz` ended, on this contract."""
    summary = folder / SUMMARY
    if not summary.is_file():
        return False
    told: dict[str, Any] = json.loads(summary.read_text(encoding="utf-8"))
    return bool(told["contract"] == contract)


def _tell_later(root: Path, run: dict[str, Any]) -> None:
    """Say when the judged run is not the last one: that one was a part, or a test of it failed."""
    summary = root / PART / SUMMARY
    if not run["whole"] or not summary.is_file():
        return
    later = json.loads(summary.read_text(encoding="utf-8"))
    if later["ended"] > run["ended"]:
        say(
            f"Judged is the whole run that ended {run['ended']}, not the later one of "
            f"{later['ended']}, a part ({'; '.join(later['reasons'])}): --exchanges {root / PART}."
        )


def _tell_run(run: Json, contracts: Sequence[Path]) -> None:
    if not run["whole"]:
        say(f"Only a part was judged: {'; '.join(run['reasons'])}.")
    if run["contract"] not in (fingerprint(), fingerprint(*contracts)):
        say("openapi.yaml has changed since the exchanges were recorded: run `make test` again.")


def _tell(report: Report, contract: Path, page: Path) -> None:
    for line in report.red[:SHOWN]:
        say(line)
    if len(report.red) > SHOWN:
        say(f"… and {len(report.red) - SHOWN} more, in the page")
    if report.red:
        say(f"Write the test that provokes it, or take it from {contract.name}.")
    say(f"page: {page}")
    say(f"{report.line} of {contract.name}")


def say(line: str) -> None:
    """Print one line."""
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
