"""The pytest plugin that keeps the exchanges of one run, and says whether the run was whole."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support import exchanges
from tests.support.contract_client import BASE_CORE_CONTRACT, CONTRACT, ROOT

CONTRACTS = (CONTRACT, BASE_CORE_CONTRACT)
EXCHANGES = ROOT / "build" / "exchanges"
WHOLE, PART = "whole", "part"
"""Where the last whole run is kept, and the last partial one; neither spoils the other."""

FUZZ = "fuzz"
"""Where the last `make fuzz` is kept."""

RUNNING = "run-"
"""Before the number of the process whose run is not over."""

SUMMARY = "run.json"
ORDINARY = "not fuzz"
"""The selection that pyproject.toml makes."""

WITHOUT_EXCHANGES = ("tests/models/",)
"""Folders whose tests send no request: a run without them is whole all the same."""


def fingerprint(*contracts: Path) -> str:
    """What tells one text of the contracts from another; of all that are served when none is named."""
    digest = hashlib.sha256()
    for contract in contracts or CONTRACTS:
        digest.update(contract.read_bytes())
    return digest.hexdigest()[:16]


class Recording:
    """Registered when CYNOD_EXCHANGES names the folder that keeps runs."""

    def __init__(self, root: Path) -> None:
        self._root = root.absolute()
        self._folder = self._root / f"{RUNNING}{os.getpid()}"
        for left in self._root.glob(f"{RUNNING}*"):
            # A run that was killed never kept what it wrote.
            if left == self._folder or not _runs(int(left.name.removeprefix(RUNNING))):
                shutil.rmtree(left, ignore_errors=True)
        self._folder.mkdir(parents=True)
        os.environ[exchanges.FOLDER] = str(self._folder)
        self._outcomes: dict[str, int] = {}
        self._ran: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count outcomes."""
        if report.when == "call" or report.outcome != "passed":
            self._outcomes[report.outcome] = self._outcomes.get(report.outcome, 0) + 1
            self._ran.add(report.nodeid)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Keep the exchanges as the last whole run, or as the last partial one."""
        exchanges.close_all()
        os.environ[exchanges.FOLDER] = str(self._root)
        reasons = self._reasons(session)
        summary = {
            "whole": not reasons,
            "reasons": reasons,
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
            "contract": fingerprint(),
            "outcomes": self._outcomes,
        }
        text = json.dumps(summary, indent=1, ensure_ascii=False)
        (self._folder / SUMMARY).write_text(text, encoding="utf-8")
        target = self._root / (PART if reasons else WHOLE)
        shutil.rmtree(target, ignore_errors=True)
        self._folder.rename(target)

    def _reasons(self, session: pytest.Session) -> list[str]:
        """Why the run cannot have shown everything; nothing when it was whole."""
        config, reasons = session.config, []
        # With several processes, this one collects nothing: only what ran is known.
        if config.option.keyword or config.option.markexpr not in ("", ORDINARY):
            reasons.append("tests were selected by name or marker")
        if any("::" in argument for argument in config.args):
            reasons.append("single tests were named")
        if config.getoption("deselect", None) or config.getoption("lf", default=False):
            reasons.append("tests were left out by --deselect or --last-failed")
        missing = _files() - {ROOT / nodeid.partition("::")[0] for nodeid in self._ran}
        if missing:
            names = sorted(str(path.relative_to(ROOT)) for path in missing)
            reasons.append(f"{len(names)} test files did not run, such as {names[0]}")
        if session.shouldstop or session.shouldfail or session.exitstatus > 1:
            reasons.append("the run was cut short")
        if self._outcomes.get("failed"):
            reasons.append(f"{self._outcomes['failed']} tests failed")
        return reasons


def _runs(number: int) -> bool:
    """Whether a process of this number runs."""
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _files() -> set[Path]:
    files = (path for path in (ROOT / "tests").rglob("test_*.py"))
    return {
        path
        for path in files
        if not str(path.relative_to(ROOT)).startswith((*WITHOUT_EXCHANGES, "tests/lab/bench/"))
        and not _only_fuzz(path)
    }


def _only_fuzz(path: Path) -> bool:
    """Whether `make fuzz` alone runs the tests of a file: each is marked, or all at once."""
    text = path.read_text(encoding="utf-8")
    tests = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]
    marks = [[ast.unparse(mark) for mark in test.decorator_list] for test in tests]
    marked = bool(marks) and all("pytest.mark.fuzz" in each for each in marks)
    return marked or "pytestmark = pytest.mark.fuzz" in text
