"""One run of Schemathesis against one server, and what is looked at after it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tests.lab.fuzz import explain, provoke, report
from tests.lab.fuzz.land import Land
from tests.lab.fuzz.progress import Progress
from tests.lab.fuzz.report import Part, Veil
from tests.lab.fuzz.stage import (
    POSTGRESQL,
    SQLITE,
    Stage,
    stage,
)
from tests.lab.fuzz.walk import walk_all
from tests.support import exchanges
from tests.support.contract_client import ROOT

CONFIG = "tests/lab/fuzz/schemathesis.toml"
HOOKS = "tests/lab/fuzz/schemathesis_hooks.py"

CHAINS_S = 20
"""Seconds of more chains, after a run that has no time of its own: one pass of them is often short."""


QUICK_PHASES = {POSTGRESQL: "examples,stateful", SQLITE: "examples,coverage,fuzzing"}
"""What a short run tries on each database: between them everything, once. Every declared code is asked
for on PostgreSQL, every limit walked up to on both."""

QUICK_EXAMPLES = {"max-examples = 15": "max-examples = 6", "max-examples = 80": "max-examples = 15"}
"""Settings that a short run lowers."""


@dataclass(frozen=True)
class Plan:
    """How long and how deep a run goes."""

    seed: int
    out: Path
    seconds: int | None = None
    fault: str | None = None
    options: Sequence[str] = ()
    provoked: bool = True
    whole: bool = True
    quick: bool = False
    exchanges: Path | None = None
    """Where the exchanges go that `make contract-coverage` reads; nowhere with a planted fault."""

    progress: Progress = field(default_factory=Progress)


def fuzz(
    kind: str,
    acting: str,
    plan: Plan,
    folder: Path,
    then: Callable[[str, Stage, Plan, Path], Part] | None = None,
) -> list[Part]:
    """Make a database of this kind, serve it, try it, look at the books and the log. `then` is what is
    tried on that database afterwards, of another server."""
    started = time.monotonic()
    every_code = plan.provoked and not (plan.quick and kind == SQLITE)
    asked = plan.whole and every_code
    part = Part(kind, acting, whole=plan.whole and not plan.quick, asked=asked)
    say = partial(plan.progress.at, kind)
    plan_of_others = plan
    if plan.quick:
        plan = replace(plan, options=[*plan.options, "--phases", QUICK_PHASES[kind]])
    with ExitStack() as outer, ExitStack() as stack:
        say("making its database")
        made = outer.enter_context(stage(kind, folder / "stage"))
        server = stack.enter_context(made.serve(fault=plan.fault))
        land = made.land(server.url, plan.seed, acting)
        say("generated calls", server.log_file)
        run_schemathesis(part, land, plan, folder)
        if plan.seconds is None and part.whole:
            say("more chains")
            chains = ("--phases", "stateful", "--max-time", str(CHAINS_S))
            more = replace(plan, seed=plan.seed + 1, options=chains)
            # Who turns secrets over has another one than it was given.
            manager = replace(land.managers[0], secret=part.record["manager"])
            land.managers[0] = manager
            ledger = folder / "ledger.json"
            run_schemathesis(part, land, more, folder / "chains", "chains-", ledger)
        veil = Veil(land, part.record.get("tokens", []))
        logs = []
        if plan.provoked:
            say("to every limit and solde")
            walk_all(part, land, veil, plan.out / "failures")
        log = server.log
        check_alarms(part, log, veil)
        if every_code:
            say("every declared code")
            logs = provoke.provoke_all(part, made, server, land, veil, plan.out / "failures")
        say("its log and its books")
        if part.failures:
            explain.explain(part, made, plan.fault, acting, log, veil)
        check_secrecy(part, [server.log, *logs], land)
        check_books(part, made)
        say("done")
        part.seconds = time.monotonic() - started
        stack.close()
        others = [then(kind, made, plan_of_others, folder / "then")] if then else []
    return [part, *others]


def write_auth(land: Land, path: Path) -> None:
    """The partners, as Schemathesis logs them in."""
    entries = [
        {
            "name": name,
            "loginEndpointAuth": {
                "endpoint": "/access-token",
                "verb": "POST",
                "contentType": "application/x-www-form-urlencoded",
                "payloadRaw": "grant_type=client_credentials"
                f"&client_id={one.key}&client_secret={one.secret}",
                "token": {
                    "extractFrom": "body",
                    "extractSelector": "/access_token",
                    "sendIn": "header",
                    "sendName": "Authorization",
                    "sendTemplate": "Bearer {token}",
                },
            },
        }
        for name, one in zip(("acting", "other"), land.partenaires, strict=False)
    ]
    path.touch(mode=0o600)
    path.write_text(json.dumps({"auth": entries}), encoding="utf-8")


CACHE = """
[cache]
# Where a failure is stored for `make fuzz FILE=…`. It lies in the folder of one run.
directory = "{folder}/cache"
"""
"""What a run adds to the settings."""

AUTH = """
[auth.wfc]
# Two partners: the first makes the calls, neither may see what is the other's.
path = "{folder}/auth.json"
user = "acting"
{peers}
"""
"""What a run of partners adds too."""


def write_config(land: Land, folder: Path, *, quick: bool = False) -> str:
    """The settings of a run, in its own folder, and the partners that they log in."""
    write_auth(land, folder / "auth.json")
    # Of one partner alone nothing can be hidden from another.
    peers = 'peers = ["acting", "other"]' if len(land.partenaires) > 1 else ""
    text = (ROOT / CONFIG).read_text(encoding="utf-8")
    text = _lowered(text, quick)
    file = folder / "schemathesis.toml"
    added = CACHE.format(folder=folder) + AUTH.format(folder=folder, peers=peers)
    file.write_text(text + added, encoding="utf-8")
    return str(file)


def _lowered(text: str, quick: bool) -> str:
    for whole, fewer in QUICK_EXAMPLES.items() if quick else ():
        text = text.replace(whole, fewer)
    return text


def environment_of(land: Land, folder: Path, ledger: Path | None = None) -> dict[str, str]:
    """What the hooks read. No exchange is recorded unless it is asked for."""
    land.write(folder / "land.json")
    return {
        **{name: value for name, value in os.environ.items() if name != exchanges.FOLDER},
        "PYTHONPATH": str(ROOT),
        "CYNOD_FUZZ_LAND": str(folder / "land.json"),
        "CYNOD_FUZZ_RECORD": str(folder / "record.json"),
        "CYNOD_FUZZ_LEDGER": str(ledger or folder / "ledger.json"),
        "COLUMNS": "120",
        # The order of sets decides what is generated next.
        "PYTHONHASHSEED": "0",
    }


def _recording(part: Part, plan: Plan) -> dict[str, str]:
    """What has tests/support/exchanges.py record, under a name that tells the database."""
    if plan.exchanges is None:
        return {}
    test = f"tests/lab/fuzz/[{part.name}] (call)"
    return {exchanges.FOLDER: str(plan.exchanges), "PYTEST_CURRENT_TEST": test}


def run_schemathesis(
    part: Part,
    land: Land,
    plan: Plan,
    folder: Path,
    prefix: str = "",
    ledger: Path | None = None,
) -> None:
    """Run it to its end; its record, its reports and its failures go where they belong. `ledger` is the
    book of the run before it on the same server, to go on with."""
    folder.mkdir(parents=True, exist_ok=True)
    config = write_config(land, folder, quick=plan.quick)
    if len(land.partenaires) == 1:
        part.notes.append(
            "object_level_authorization did not run: it needs a second partner (CYNOD_FUZZ_KEY_2)"
        )
    variables = environment_of(land, folder, ledger)
    _run(part, land, plan, folder, f"{land.url}/openapi.yaml", config, variables, prefix)


def run_hooked(
    part: Part,
    land: Land,
    plan: Plan,
    folder: Path,
    place: str,
    hooks: str,
    variables: Mapping[str, str],
) -> None:
    """The same for another contract, served at `place`, whose hooks log in and read these variables."""
    config = write_hooked(folder, hooks, quick=plan.quick)
    _run(part, land, plan, folder, place, config, {**environment_of(land, folder), **variables})


def write_hooked(folder: Path, hooks: str, *, quick: bool = False) -> str:
    """The settings of a run with other hooks, in its own folder."""
    text = (ROOT / CONFIG).read_text(encoding="utf-8").replace(HOOKS, hooks)
    file = folder / "schemathesis.toml"
    file.write_text(_lowered(text, quick) + CACHE.format(folder=folder), encoding="utf-8")
    return str(file)


def _run(
    part: Part,
    land: Land,
    plan: Plan,
    folder: Path,
    place: str,
    config: str,
    variables: Mapping[str, str],
    prefix: str = "",
) -> None:
    reports = folder / "reports"
    arguments = [
        *(sys.executable, "-m", "schemathesis.cli", "--config-file", config),
        *("run", place, "--no-color", "--checks", "all"),
        *("--seed", str(plan.seed), "--report", "junit,har,html"),
        *("--report-junit-path", str(reports / f"{prefix}junit.xml")),
        *("--report-har-path", str(reports / f"{prefix}har.json")),
        *("--report-html-path", str(reports / f"{prefix}html")),
        *(("--max-time", str(plan.seconds)) if plan.seconds else ()),
        *plan.options,
    ]
    result = subprocess.run(
        arguments,
        cwd=ROOT,
        env={**variables, **_recording(part, plan)},
        capture_output=True,
        text=True,
        check=False,
    )
    record = folder / "record.json"
    if record.exists():
        part.add(json.loads(record.read_text(encoding="utf-8")))
    reports.mkdir(parents=True, exist_ok=True)
    # What it names lies in a folder that is gone after the run.
    said = (result.stdout + result.stderr).replace(str(reports), str(plan.out / part.name))
    said = said.replace(config, CONFIG)
    said = said.replace(f"{folder}/cache/crashes/", f"{plan.out}/failures/{part.name}-")
    (reports / f"{prefix}schemathesis.txt").write_text(said, encoding="utf-8")
    veil = Veil(land, part.record.get("tokens", []))
    veil.hide_tree(reports, plan.out / part.name)
    report.store_failures(part, folder / "cache" / "crashes", veil, plan.out / "failures")
    if result.returncode != 0 and not part.failures:
        tail = veil.hide(said[-1500:])
        part.faults.append(f"Schemathesis ended with {result.returncode}: {tail}")
    elif not part.record:
        part.faults.append("Schemathesis left no record of what it did")


def check_alarms(part: Part, log: str, veil: Veil) -> None:
    """The log of the generated calls tells of requests, of no fault and no warning."""
    told = explain.summary(log)
    if told:
        part.faults.append(veil.hide(told))


def check_secrecy(part: Part, logs: Sequence[str], land: Land) -> None:
    """No log holds a full card number, a secret or a token."""
    numbers = {carte.numero for carte in land.cartes}
    secrets = {*land.secrets, *part.record.get("tokens", [])}
    for log in logs:
        if any(number in log for number in numbers):
            part.faults.append("a server's log holds a full card number")
        if any(secret in log for secret in secrets):
            part.faults.append("a server's log holds a secret or a token")


def check_books(part: Part, made: Stage) -> None:
    """The journal is balanced."""
    result = made.cynod("journal", "verify")
    said = (result.stdout + result.stderr).strip()
    if result.returncode == 0:
        part.notes.append(said)
    else:
        part.faults.append(f"cynod journal verify: {said[:600]}")
