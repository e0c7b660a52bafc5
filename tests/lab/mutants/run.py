"""Runs the contract tests once per mutant, each in a fork of a process that has paid for the imports."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pytest

from handlers.settings import Settings
from tests.lab.mutants.mutant import JUDGE, Mutant
from tests.lab.mutants.plugin import SUITE, Judge, Verdict
from tests.lab.mutants.surface import IS_BASE_CORE, READING, judge_by
from tests.support.contract_client import CONTRACT, ROOT

TIMEOUT_S = 900
SHORT = 12
"""The digits of the hash that X-Contract-Version has."""

MEMORY = Path("/dev/shm")  # noqa: S108 - databases that nobody needs after the run
OPTIONS = (
    *("-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", "--tb=short"),
    # Imported before the fork, which is why the fork is cheap.
    *("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"),
    *("--timeout", "60"),
)


@dataclass
class Result:
    """A mutant, what became of it, and how long that took."""

    mutant: Mutant | None
    verdict: Verdict
    seconds: float


class Tree:
    """The code that is judged and the tests: what of it was changed since this was made."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._then = self._read()

    def _read(self) -> dict[str, int]:
        return {
            file.relative_to(self._root).as_posix(): file.stat().st_mtime_ns
            for folder in ("handlers", "models", "tests")
            for file in (self._root / folder).rglob("*.py")
        }

    def changed(self) -> list[str]:
        """The files that are others now: half of a change makes a server fail, which kills any mutant."""
        now = self._read()
        return sorted(
            name for name in now.keys() | self._then.keys() if now.get(name) != self._then.get(name)
        )


Tell = Callable[[Result], None]
Judging = Callable[[Mutant | None, Path], Verdict]


def run_all(mutants: list[Mutant | None], workers: int, tell: Tell) -> None:
    """Tell each result as it comes. None is the control: no change, and no stop at a failure.

    A mutant of the contract that judges must be there before the tests are collected, since they read it;
    those of the server are forked after that, which is quicker.
    """
    # Python's own files are kept, or pytest would write each test again for each mutant.
    sys.dont_write_bytecode = False
    early = [mutant for mutant in mutants if mutant is None or mutant.side == JUDGE]
    late = [mutant for mutant in mutants if mutant not in early]
    run_forks(early, workers, tell, _judge_by_mutant)
    if late:
        with tempfile.TemporaryDirectory() as folder:
            pytest.main(
                [*SUITE, *OPTIONS, "--capture=no", f"--basetemp={Path(folder) / 'tests'}"],
                plugins=[_Late(late, workers, tell)],
            )


class _Late:
    """A pytest plugin: in place of running the tests once, run them in a fork for each mutant."""

    def __init__(self, mutants: list[Mutant | None], workers: int, tell: Tell) -> None:
        self._mutants = mutants
        self._workers = workers
        self._tell = tell

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Fork for each mutant."""

        def judge(mutant: Mutant | None, place: Path) -> Verdict:
            return _judge_server(session, mutant, place)

        run_forks(self._mutants, self._workers, self._tell, judge)
        return True


def run_forks(mutants: list[Mutant | None], workers: int, tell: Tell, judge: Judging) -> None:
    """Judge each mutant in a fork of this process, `workers` at a time."""
    waiting = list(reversed(mutants))
    running: dict[int, tuple[Mutant | None, Path, float]] = {}
    memory = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="mutants-", dir=memory) as folder:
        try:
            while waiting or running:
                while waiting and len(running) < workers:
                    mutant = waiting.pop()
                    place = Path(tempfile.mkdtemp(dir=folder))
                    running[_start(mutant, place, judge)] = (mutant, place, time.monotonic())
                _collect(running, tell)
                time.sleep(0.02)
        finally:
            for process in running:
                _kill(process)


def _collect(running: dict[int, tuple[Mutant | None, Path, float]], tell: Tell) -> None:
    for process, (mutant, place, started) in list(running.items()):
        seconds = time.monotonic() - started
        if seconds > TIMEOUT_S and mutant is not None:
            _kill(process)
        elif os.waitpid(process, os.WNOHANG) == (0, 0):
            continue
        del running[process]
        tell(Result(mutant, _read(place), seconds))
        shutil.rmtree(place, ignore_errors=True)


def _read(place: Path) -> Verdict:
    file = place / "verdict.json"
    if file.exists():
        return Verdict(**json.loads(file.read_text(encoding="utf-8")))
    output = (place / "output.txt").read_text(encoding="utf-8", errors="replace")
    return Verdict(reason=f"no verdict: {output[-500:]}")


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process, signal.SIGKILL)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(process, 0)


def _start(mutant: Mutant | None, place: Path, judge: Judging) -> int:
    """Fork a process that judges the mutant. There is one thread here, so that a fork is whole."""
    sys.stdout.flush()
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        os.setsid()
        _redirect(place / "output.txt")
        verdict = judge(mutant, place)
        part = place / "verdict.part"
        part.write_text(json.dumps(asdict(verdict), ensure_ascii=False), encoding="utf-8")
        part.rename(place / "verdict.json")
        status = 0
    except BaseException as error:  # noqa: BLE001 - the fork must end here, whatever happens
        os.write(2, repr(error).encode())
    finally:
        os._exit(status)


def _redirect(file: Path) -> None:
    target = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    for stream in (1, 2):
        os.dup2(target, stream)


def _judge_by_mutant(mutant: Mutant | None, place: Path) -> Verdict:
    """Run the tests, not imported yet, by another contract. The control's server reads it too."""
    contract = _write(mutant, place)
    judge_by(contract)
    if mutant is None:
        _serve_by(contract)
    plugin = Judge(*_place_of(mutant), stop=mutant is not None)
    served = contract if mutant is None else ROOT / READING.file
    pytest.main(
        [*SUITE, *OPTIONS, f"--basetemp={place / 'tmp'}"],
        plugins=[plugin, _SameHash(contract, served)],
    )
    return plugin.verdict


class _SameHash:
    """A pytest plugin: the tests that are collected expect the hash of the contract that is served."""

    def __init__(self, judged: Path, served: Path) -> None:
        self._judged = judged
        self._served = served

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Once they are imported, and know a hash."""
        expect_hash(items, self._judged, self._served)


def expect_hash(items: list[pytest.Item], judged: Path, served: Path) -> None:
    """Give the modules of the tests, which know the hash of one contract, that of another.

    Whatever is changed in a contract changes its hash. A test that compares it would fail for every
    mutant, and says nothing of the promise that was broken: it must not be what kills.
    """
    old, new = (hashlib.sha256(file.read_bytes()).hexdigest() for file in (judged, served))
    for module in {item.module for item in items if isinstance(item, pytest.Function)}:
        for name, value in list(vars(module).items()):
            if isinstance(value, str) and old[:SHORT] in value:
                setattr(module, name, value.replace(old, new).replace(old[:SHORT], new[:SHORT]))


def _judge_server(session: pytest.Session, mutant: Mutant | None, place: Path) -> Verdict:
    """Run the tests that are collected already against another server."""
    assert mutant is not None
    if mutant.edit is not None:
        contract = _write(mutant, place)
        _serve_by(contract)
        expect_hash(session.items, ROOT / READING.file, contract)
    else:
        assert mutant.patch is not None
        mutant.patch()
    plugin = Judge(*_place_of(mutant), stop=True)
    plugin.pytest_collection_modifyitems(session.items)
    return run_collected(session, plugin, place)


def run_collected(session: pytest.Session, plugin: Judge, place: Path) -> Verdict:
    """Run the tests that are collected, in their order, in this fork; its files go to `place`."""
    session.config.pluginmanager.register(plugin)
    factory = session.config.__dict__["_tmp_path_factory"]
    (place / "tmp").mkdir()
    factory.__dict__["_basetemp"] = place / "tmp"
    for number, item in enumerate(session.items):
        following = session.items[number + 1] if number + 1 < len(session.items) else None
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.shouldfail:
            break
    return plugin.verdict


def _write(mutant: Mutant | None, place: Path) -> Path:
    """The contract that the mutant makes, in a file. Of the control, it shows what writing it changes."""
    document: dict[str, Any] = copy.deepcopy(READING.document)
    if mutant is not None and mutant.edit is not None:
        mutant.edit(document)
    file = place / READING.file
    # JSON is YAML, and quicker to read.
    file.write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
    # The test that compares both versions looks beside the contract, and so does the other surface.
    shutil.copy(ROOT / "CHANGELOG.md", place)
    if IS_BASE_CORE:
        shutil.copy(CONTRACT, place)
    return file


def _serve_by(contract: Path) -> None:
    defaults = Settings.__init__.__kwdefaults__
    assert defaults is not None
    defaults["contract"] = contract.with_name(CONTRACT.name)


def _place_of(mutant: Mutant | None) -> tuple[str, str, str]:
    """The operation of a mutant, its path and the kind of the mutant."""
    for (_, path), operation in READING.operations.items():
        if mutant is not None and operation["operationId"] == mutant.operation:
            return mutant.operation, path, mutant.kind
    return "none", "none", mutant.kind if mutant else ""
