"""A process that has loaded `cynod` and its contract once and forks a child for each command.

A server then starts in a fraction of a second instead of several, so that a proof can kill many. The
child runs `handlers.cli.main` in a process of its own, as the console script does; for some proofs it
is first made worse on purpose (`spoil`, in `tests/lab/proof/spoilt.py` and `tests/lab/proof/broken.py`).

Run as a script, this file is the process; imported, it is its handle.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]


class Nursery:
    """The handle: starts children and tells how they ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CYNOD_", "PG")) and name not in ("HOST", "PORT")
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.proof.nursery"],
            cwd=ROOT,
            env={**kept, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            # Ctrl-C is for the machine, which then ends its children in order.
            start_new_session=True,
        )
        self._ask({"do": "hello"})

    def spawn(
        self,
        arguments: list[str],
        *,
        folder: Path,
        output: Path,
        variables: Mapping[str, str],
        spoil: str = "",
    ) -> int:
        """Run `cynod ARGUMENTS` with these environment variables; the pid."""
        pid: int = self._ask(
            {
                "do": "spawn",
                "arguments": arguments,
                "folder": str(folder),
                "output": str(output),
                "variables": dict(variables),
                "spoil": spoil,
            }
        )
        return pid

    def poll(self, pid: int) -> int | None:
        """The exit code of a child, negative for a signal, or None while it runs."""
        code: int | None = self._ask({"do": "poll", "pid": pid})
        return code

    def wait(self, pid: int, timeout: float = 60) -> int:
        """The exit code of a child once it has ended."""
        deadline = time.monotonic() + timeout
        while (code := self.poll(pid)) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the child {pid} did not end")
            time.sleep(0.01)
        return code

    def run(self, arguments: list[str], *, folder: Path, variables: Mapping[str, str]) -> str:
        """Run a command to its end; what it printed. Raises RuntimeError unless it succeeds."""
        output = folder / "command.log"
        pid = self.spawn(arguments, folder=folder, output=output, variables=variables)
        code = self.wait(pid)
        text = output.read_text(encoding="utf-8")
        output.unlink()
        if code != 0:
            raise RuntimeError(f"cynod {' '.join(arguments)} ended with {code}: {text}")
        return text

    def adopt(self, path: Path) -> None:
        """Have a folder removed, unmounted if need be, when this process ends without doing it."""
        self._ask({"do": "adopt", "path": str(path)})

    def close(self) -> None:
        """End the process and every child that is left."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait(30)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _ask(self, question: dict[str, Any]) -> Any:
        with self._lock:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.write(json.dumps(question) + "\n")
            answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("the process that starts the servers has ended")
        return json.loads(answer)


def _main() -> None:
    # Everything a server needs is loaded here, once; nothing is started before a fork.
    cli = importlib.import_module("handlers.cli.root")
    for name in ("handlers.server", "psycopg", "models.database.engine"):
        importlib.import_module(name)
    _learn_contract()
    gc.freeze()
    children: dict[int, int | None] = {}
    adopted: list[Path] = []
    for line in sys.stdin:
        question = json.loads(line)
        answer: Any = None
        if question["do"] == "spawn":
            pid = os.fork()
            if pid == 0:
                _be_child(cli.main, question)
            children[pid] = None
            answer = pid
        elif question["do"] == "poll":
            answer = _poll(children, question["pid"])
        elif question["do"] == "adopt":
            adopted.append(Path(question["path"]))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
    for pid in list(children):
        if _poll(children, pid) is None:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
    for path in adopted:
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_mount():
        subprocess.run(["umount", "--lazy", path], check=False)
    shutil.rmtree(path, ignore_errors=True)


def _learn_contract() -> None:
    """Read, check and compile the contract once: children find it done."""
    contract = importlib.import_module("handlers.contract.reading")
    checks = importlib.import_module("handlers.edge.checks")
    compiled: dict[tuple[int, str, bool], Any] = {}
    compile_right = checks.compile_schema

    def compile_schema(contract: Any, schema: Any, *, closed: bool = False) -> Any:
        key = (id(contract), json.dumps(schema), closed)
        if key not in compiled:
            compiled[key] = compile_right(contract, schema, closed=closed)
        return compiled[key]

    replace_everywhere("load", contract.load, functools.cache(contract.load))
    replace_everywhere("compile_schema", compile_right, compile_schema)
    settings = importlib.import_module("handlers.settings").Settings(environment="test")
    importlib.import_module("handlers.app").create_app(settings)
    # Connexion checks the document against OpenAPI's own schema: it has just done so.
    specification = importlib.import_module("connexion.spec").Specification
    specification._validate_spec = classmethod(lambda _cls, _spec: None)  # noqa: SLF001


def replace_everywhere(name: str, old: Callable[..., object], new: Callable[..., object]) -> None:
    """Put a function in the place of another wherever the product has imported it."""
    importlib.import_module("handlers.app")
    for module_name, module in list(sys.modules.items()):
        if module_name.startswith(("models", "handlers")) and getattr(module, name, None) is old:
            setattr(module, name, new)


def _poll(children: dict[int, int | None], pid: int) -> int | None:
    if children[pid] is None:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            children[pid] = os.waitstatus_to_exitcode(status)
    return children[pid]


def _be_child(main: Any, question: dict[str, Any]) -> None:
    code = 70
    try:
        os.chdir(question["folder"])
        os.environ.update(question["variables"])
        output = os.open(question["output"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for source, target in ((nothing, 0), (output, 1), (output, 2)):
            os.dup2(source, target)
        if question["spoil"]:
            module, _, name = question["spoil"].partition(":")
            getattr(importlib.import_module(module), name)()
        sys.argv = ["cynod", *question["arguments"]]
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _main()
