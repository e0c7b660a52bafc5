"""Redocly CLI, which compares and lints contracts: found where `make` installs it, run without network."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from handlers.settings import ROOT

CONFIG = ROOT / "tests" / "contract" / "redocly.yaml"
PROGRAM = ROOT / "build" / "node" / "node_modules" / "@redocly" / "cli" / "bin" / "cli.js"
MANY = Path(__file__).with_name("redocly_many.mjs")
ENTRY = PROGRAM.parents[1] / "lib" / "index.js"
TIMEOUT_S = 600

_QUIET = {
    "REDOCLY_TELEMETRY": "off",
    "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true",
    "REDOCLY_SUPPRESS_NOTIFICATIONS": "true",
    "NO_COLOR": "1",
}


class RedoclyMissing(Exception):
    """Node.js or Redocly CLI is not installed; the text says how to get it."""


class RedoclyFailed(Exception):
    """It ran and gave no report; the text is what it said."""


_many: ContextVar[subprocess.Popen[str] | None] = ContextVar("redocly_many", default=None)


@contextmanager
def kept_running() -> Iterator[None]:
    """Comparisons of the block share one process and take an eighth of the time. Raises RedoclyMissing."""
    command = [_node(), str(MANY), str(ENTRY), str(CONFIG), str(TIMEOUT_S)]
    with subprocess.Popen(  # noqa: S603 - our own program, arguments as a list
        command,
        env={**os.environ, **_QUIET},
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        token = _many.set(process)
        try:
            yield
        finally:
            _many.reset(token)
            process.terminate()


def find_changes(old: Path, new: Path) -> list[dict[str, Any]]:
    """The `changes` of `redocly diff`. Raises RedoclyMissing or RedoclyFailed."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        if not _ask_many(old, new, report):
            done = _run("diff", str(old), str(new), "--format", "json", "--output", str(report))
            if not report.exists():
                raise RedoclyFailed(_said(done))
        changes: list[dict[str, Any]] = json.loads(report.read_text(encoding="utf-8"))["changes"]
    return changes


def lint(contract: Path) -> str:
    """What `redocly lint` finds, empty when nothing. Raises RedoclyMissing or RedoclyFailed."""
    done = _run("lint", str(contract), "--format", "json")
    try:
        problems = json.loads(done.stdout)["problems"]
    except (ValueError, KeyError):
        raise RedoclyFailed(_said(done)) from None
    return "\n".join(
        f"{problem['location'][0].get('pointer', '#/')}: {problem['message']} ({problem['ruleId']})"
        for problem in problems
    )


def _ask_many(old: Path, new: Path, report: Path) -> bool:
    """Whether a process that is kept running wrote the report; when it failed, it cannot say why."""
    process = _many.get()
    if process is None or process.stdin is None or process.stdout is None:
        return False
    process.stdin.write(json.dumps([str(old), str(new), str(report)]) + "\n")
    process.stdin.flush()
    return process.stdout.readline() == "done\n"


def _node() -> str:
    node = shutil.which("node")
    if node is None:
        raise RedoclyMissing(
            "Node.js is not installed here (Debian: apt-get install nodejs npm), so nothing can be compared "
            "with a published version and Redocly cannot lint."
        )
    if not PROGRAM.exists():
        raise RedoclyMissing(
            "Redocly CLI is not installed here; `make contract` installs it into build/node, from npm."
        )
    return node


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603 - our own program, arguments as a list
        [_node(), str(PROGRAM), *arguments, "--config", str(CONFIG)],
        env={**os.environ, **_QUIET},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    # Its announcements stand in frames.
    told = [line for line in lines if not line.lstrip().startswith(("║", "╔", "╚"))]
    return f"redocly ended with {done.returncode}: " + " ".join(told)[:500]
