"""`python -m tests.lab.fuzz`: the command behind `make fuzz`."""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.lab.coverage.recording import FUZZ, SUMMARY, fingerprint
from tests.lab.fuzz import report
from tests.lab.fuzz.persons import fuzz_persons
from tests.lab.fuzz.progress import Progress
from tests.lab.fuzz.remote import RemoteRefused, check_address, fuzz_remote
from tests.lab.fuzz.replay import replay
from tests.lab.fuzz.run import Plan, fuzz
from tests.lab.fuzz.stage import POSTGRESQL, SQLITE
from tests.support import exchanges
from tests.support.contract_client import ROOT
from tests.support.machine import find_binaries, how_to_get

OUT = ROOT / "build" / "fuzz"
UNITS = {"s": 1, "m": 60, "h": 3600, "": 1}
ACTING = {POSTGRESQL: "A", SQLITE: "B"}
"""Who makes the generated calls: each partner on one of the databases."""

PASSING: dict[str, str] = {}
"""Declared pairs of operation and code that a run cannot provoke, each with the test that does."""


def duration(text: str) -> int:
    """`90`, `90s`, `30m` or `2h`, in seconds."""
    found = re.fullmatch(r"([0-9]+)([smh]?)", text)
    if not found:
        raise argparse.ArgumentTypeError("give 90s, 30m or 2h")
    return int(found[1]) * UNITS[found[2]]


def parse(arguments: list[str]) -> argparse.Namespace:
    """The options of the command."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.fuzz", description=__doc__)
    parser.add_argument("--time", type=duration, help="how long the generated calls go on: 30m")
    parser.add_argument("--seed", type=int, help="as printed by the run to be done again")
    parser.add_argument("--on", choices=(POSTGRESQL, SQLITE), help="one database only")
    parser.add_argument("--out", type=Path, default=OUT, help="the folder of the reports")
    parser.add_argument("--quick", action="store_true", help="a short run, of under a minute")
    parser.add_argument(
        "--fault", metavar="NAME", help="plant a fault in the servers, to see it found"
    )
    parser.add_argument("--url", help="a deployment to try instead; CYNOD_FUZZ_KEY and _SECRET")
    parser.add_argument("--allow", metavar="HOST", help="the deployment's name, when it may be one")
    parser.add_argument(
        "--replay", type=Path, metavar="FILE", help="a stored failure to send again"
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run; 0 when nothing was found."""
    given = parse(arguments)
    if given.replay:
        return send_again(given.replay)
    seed = given.seed if given.seed is not None else random.SystemRandom().randrange(2**32)
    kinds = [given.on] if given.on else [POSTGRESQL, SQLITE]
    if not given.url and POSTGRESQL in kinds and find_binaries() is None:
        say(how_to_get("postgresql"))
        return 2
    out = given.out.absolute()
    try:
        report.clear(out, seed, ours=out == OUT)
    except OSError as error:
        say(f"fuzz: --out: {error}")
        return 2
    recorded = None if given.url or given.quick or given.fault else prepare_record()
    say(f"make fuzz: seed {seed}, reports in {report.as_typed(out)}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="cynod-fuzz-") as folder, Progress() as progress:
        plan = Plan(
            seed,
            out,
            seconds=given.time,
            fault=given.fault,
            quick=given.quick,
            exchanges=recorded,
            progress=progress,
        )
        if given.url:
            try:
                check_address(given.url, given.allow)
                plan = replace(plan, options=("--rate-limit", "auto"))
                parts = [fuzz_remote(given.url, plan, Path(folder))]
            except RemoteRefused as error:
                say(f"fuzz: {error}")
                return 2
        else:
            # A planted fault is one of the partners' surface.
            persons = None if given.fault else fuzz_persons
            with ThreadPoolExecutor(len(kinds)) as pool:
                runs = [
                    pool.submit(fuzz, kind, ACTING[kind], plan, Path(folder) / kind, persons)
                    for kind in kinds
                ]
                parts = [part for run in runs for part in run.result()]
    if recorded:
        summary = json.dumps({"contract": fingerprint(), "seed": seed})
        (recorded / SUMMARY).write_text(summary, encoding="utf-8")
    for part in parts:
        part.judge(PASSING)
    again = f"make fuzz SEED={seed}" + (f" TIME={given.time}s" if given.time else "")
    again += f" URL={given.url}" if given.url else ""
    again += " QUICK=1" if given.quick else ""
    say(report.write_summary(parts, seed, out, again))
    red = any(part.faults or part.failures for part in parts)
    say(f"{'RED' if red else 'GREEN'} after {time.monotonic() - started:.0f} s; seed {seed}")
    return 1 if red else 0


def prepare_record() -> Path | None:
    """An empty folder for the exchanges of this run, which `make contract-coverage` adds to the tests'."""
    root = os.environ.get(exchanges.FOLDER)
    if not root:
        return None
    folder = Path(root).absolute() / FUZZ
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def send_again(file: Path) -> int:
    """Replay a stored failure; 1 when it is still there."""
    with tempfile.TemporaryDirectory(prefix="cynod-fuzz-") as folder:
        failed, said = replay(file, Path(folder))
    say(said)
    say("STILL THERE" if failed else "GONE")
    return 1 if failed else 0


def say(text: str) -> None:
    """Write a line for whoever runs it."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
