"""A pytest plugin for one run of the contract tests against one mutant, inside a process of its own."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from handlers.contract.model import ContractError
from tests.lab.mutants.surface import IS_BASE_CORE
from tests.support.contract_client import ROOT

HTTP = "tests/operations"
EDGE = "tests/edge"
BASE_CORE = "tests/base_core"
STATIC = tuple(
    f"tests/contract/{name}.py" for name in ("test_catalogue", "test_style", "test_examples")
)
SUITE = (BASE_CORE,) if IS_BASE_CORE else (HTTP, EDGE, *STATIC)
"""The contract tests. Those of the start, of the pages and of the generated file compare whole files, which
any edit fails; Schemathesis and the journeys start processes that a mutant does not reach."""


WHOLE = (
    "test_contract_is_served_byte_for_byte",
    "test_back_office_passes_what_a_person_may_read",
)
"""They compare whole files too, or their hashes: every edit fails them, whatever it breaks."""


@dataclass
class Verdict:
    """What the tests said of one mutant."""

    killed: bool = False
    at_start: bool = False
    test: str = ""
    reason: str = ""
    ran: int = 0
    failures: list[str] = field(default_factory=list)


class Judge:
    """Runs the likeliest tests first and stops at the first failure."""

    def __init__(self, operation: str, path: str, kind: str, *, stop: bool) -> None:
        self.verdict = Verdict()
        self._operation = operation
        self._words = re.compile(rf"{re.escape(operation)}\b|\"{re.escape(path)}\"")
        self._kind = kind
        self._stop = stop
        self._texts: dict[Path, bool] = {}

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """One kind of database, the tests of the operation first, those without a server last."""
        kept = [
            item
            for item in items
            if "postgresql" not in str(self._parameters(item)) and not item.name.startswith(WHOLE)
        ]
        # Not through pytest's hook for deselected tests: the record of tests/operations is whole.
        items[:] = sorted(kept, key=self._rank)

    @staticmethod
    def _parameters(item: pytest.Item) -> Any:
        callspec = getattr(item, "callspec", None)
        return callspec.params.get("backend", "") if callspec else ""

    def _rank(self, item: pytest.Item) -> tuple[bool, ...]:
        file = item.path.relative_to(ROOT).as_posix()
        if item.path not in self._texts:
            text = item.path.read_text(encoding="utf-8")
            self._texts[item.path] = bool(self._words.search(text))
        if self._kind.startswith("catalogue") and "test_catalogue_is" in item.name:
            return (False,)
        named = re.search(rf"\b{self._operation}\b", item.name) is not None
        return file in STATIC, not named, not self._texts[item.path]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note a failure."""
        self.verdict.ran += report.when == "call"

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
        """Take the first failure for the verdict."""
        report = yield
        if report.failed and call.excinfo is not None:
            self._note(item.nodeid, call.excinfo.value)
            if self._stop:
                item.session.shouldfail = "killed"
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Any:
        """A module that reads the contract when it is imported may refuse it."""
        report = yield
        call = getattr(report, "call", None)
        if report.failed and call is not None and call.excinfo is not None:
            self._note(collector.nodeid, call.excinfo.value.__cause__ or call.excinfo.value)
        return report

    def _note(self, test: str, error: BaseException) -> None:
        text = f"{type(error).__name__}: {error}".strip().splitlines()
        reason = next((line for line in text if line.strip()), "")[:300]
        self.verdict.failures.append(f"{test}: {reason}")
        at_start = isinstance(error, ContractError) or "ContractError" in str(error)
        # A refusal at the start gives way to a failure of a test that a server was there to answer.
        if not self.verdict.killed or (self.verdict.at_start and not at_start):
            self.verdict.killed = True
            self.verdict.at_start = at_start
            self.verdict.test = test
            self.verdict.reason = reason
