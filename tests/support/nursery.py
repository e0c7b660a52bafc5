"""A process that has loaded `cynod` and its contract once and forks a child for each command.

A command then starts in a fraction of a second instead of several. The child runs `handlers.cli.main` in
a process of its own, with an environment, a folder and streams of its own, and ends as any interpreter
does, as the console script would; for some proofs it is first made worse on purpose (`spoil`: functions of
`tests/lab/proof/spoilt.py`, `tests/lab/proof/broken.py` or `tests/lab/fuzz/planted.py`).

Run as a script, this file is the process; imported, it is its handle.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import gc
import importlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from tests.support.patience import CALL_S

ROOT = Path(__file__).resolve().parents[2]


class Nursery:
    """The handle: starts children and tells how they ended.

    `bare`, it has loaded the libraries only: a child imports `handlers` from where its PYTHONPATH says.
    """

    def __init__(self, *, bare: bool = False) -> None:
        self._lock = threading.Lock()
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("CYNOD_", "PG")) and name not in ("HOST", "PORT")
        }
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.support.nursery", str(theirs.fileno())),
                    *(["bare"] if bare else []),
                ],
                cwd=ROOT,
                env={**kept, "PYTHONPATH": str(ROOT)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
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
        """Run `cynod ARGUMENTS` with these environment variables beside the usual ones; the pid."""
        question = {"do": "spawn", "variables": dict(variables), "spoil": spoil}
        with (
            Path(os.devnull).open(encoding="ascii") as nothing,
            output.open("a", encoding="utf-8") as file,
        ):
            descriptors = [nothing.fileno(), file.fileno(), file.fileno()]
            return self._fork(question, arguments, folder, descriptors)

    def start(
        self,
        arguments: Sequence[str],
        *,
        folder: Path,
        environment: Mapping[str, str],
        streams: tuple[int, int, int],
        spoil: str = "",
    ) -> Child:
        """Run `cynod ARGUMENTS` in this environment and no other, its three streams as for a Popen."""
        ours: list[IO[str] | None] = []
        theirs: list[int] = []
        with contextlib.ExitStack() as stack:
            for number, wanted in enumerate(streams):
                mine, its = _stream(number, wanted, theirs, stack)
                ours.append(mine)
                theirs.append(its)
            question = {"do": "spawn", "environment": dict(environment), "spoil": spoil}
            pid = self._fork(question, list(arguments), folder, theirs)
        return Child(self, pid, ours)

    def _fork(
        self, question: dict[str, Any], arguments: list[str], folder: Path, descriptors: list[int]
    ) -> int:
        # It is a process's own, and no variable: a new one would have inherited it.
        umask = os.umask(0)
        os.umask(umask)
        question |= {"arguments": arguments, "folder": str(folder), "umask": umask}
        pid: int = self._ask(question, descriptors)
        return pid

    def poll(self, pid: int) -> int | None:
        """The exit code of a child, negative for a signal, or None while it runs."""
        code: int | None = self._ask({"do": "poll", "pid": pid})
        return code

    def wait(self, pid: int, timeout: float = CALL_S) -> int:
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
        self._channel.close()
        self._process.wait(CALL_S)

    def _ask(self, question: dict[str, Any], descriptors: Sequence[int] = ()) -> Any:
        message = json.dumps(question).encode() + b"\n"
        with self._lock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            sent = socket.send_fds(self._channel, [message], descriptors)
            self._channel.sendall(message[sent:])
            answer = b""
            while piece := self._channel.recv(65_536):
                answer += piece
                if answer.endswith(b"\n"):
                    return json.loads(answer)
        raise RuntimeError("the process that starts the servers has ended")


class Child:
    """A command that runs, in the manner of subprocess.Popen."""

    def __init__(self, nursery: Nursery, pid: int, streams: Sequence[IO[str] | None]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self.stdin, self.stdout, self.stderr = streams
        self._nursery = nursery

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        if self.returncode is None:
            self.returncode = self._nursery.poll(self.pid)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code, once it has ended. Raises subprocess.TimeoutExpired."""
        if self.poll() is None:
            _await_end(self.pid, timeout)
        deadline = None if timeout is None else time.monotonic() + timeout
        while (code := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("cynod", timeout or 0)
            time.sleep(0.01)
        return code

    def communicate(
        self, given: str | None = None, timeout: float | None = None
    ) -> tuple[str, str]:
        """What it wrote until its end, on each stream. Raises subprocess.TimeoutExpired."""
        said = ["", ""]

        def read(number: int, stream: IO[str]) -> None:
            said[number] = stream.read()

        readers = [
            threading.Thread(target=read, args=(number, stream), daemon=True)
            for number, stream in enumerate((self.stdout, self.stderr))
            if stream is not None
        ]
        for reader in readers:
            reader.start()
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError), self.stdin:
                self.stdin.write(given or "")
        self.wait(timeout)
        for reader in readers:
            reader.join(timeout)
            if reader.is_alive():
                raise subprocess.TimeoutExpired("cynod", timeout or 0)
        self.close()
        return said[0], said[1]

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """Close this side of its streams."""
        for stream in (self.stdin, self.stdout, self.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
        self.wait()


def _stream(
    number: int, wanted: int, before: list[int], stack: contextlib.ExitStack
) -> tuple[IO[str] | None, int]:
    """Our side of a stream if there is one, and the child's, which is closed with the stack."""
    if wanted == subprocess.PIPE:
        reader, writer = os.pipe()
        ours, theirs = (writer, reader) if number == 0 else (reader, writer)
        stack.callback(os.close, theirs)
        return os.fdopen(ours, "w" if number == 0 else "r", encoding="utf-8"), theirs
    if wanted == subprocess.STDOUT:
        return None, before[1]
    if wanted == subprocess.DEVNULL:
        nothing = os.open(os.devnull, os.O_RDWR)
        stack.callback(os.close, nothing)
        return None, nothing
    return None, wanted


def _await_end(pid: int, timeout: float | None) -> None:
    """Wait for the end of a process that is no child of ours, where the system can tell it."""
    if sys.platform == "linux":
        # Still there when it has ended: only who forked it takes its exit code.
        descriptor = os.pidfd_open(pid)
        select.select([descriptor], [], [], timeout)
        os.close(descriptor)


@functools.cache
def shared() -> Nursery:
    """The nursery of all tests of this process, started by the first that needs it."""
    made = Nursery()
    atexit.register(made.close)
    return made


LIBRARIES = (
    *("connexion", "flask", "uvicorn", "uvicorn.protocols.http.httptools_impl", "httptools"),
    *("uvloop", "httpx", "jsonschema_rs", "limits", "structlog", "click", "rich.console", "orjson"),
    *("sqlalchemy.orm", "sqlalchemy.dialects.postgresql", "sqlalchemy.dialects.sqlite", "alembic"),
    *("alembic.command", "psycopg", "phonenumbers", "yaml", "jinja2", "markdown_it", "pygments"),
    *("openapi_spec_validator", "datamodel_code_generator", "importlib.metadata"),
)
"""What a bare nursery loads."""


def _main() -> Callable[[], None]:
    """Serve the handle until it goes; what there is to do then, here or in a child."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    _load(bare="bare" in sys.argv)
    gc.freeze()
    children: dict[int, int | None] = {}
    adopted: list[Path] = []
    while True:
        question, descriptors = _receive(channel)
        if question is None:
            break
        answer: Any = None
        if question["do"] == "spawn":
            pid = os.fork()
            if pid == 0:
                channel.close()
                return functools.partial(_be_child, question, descriptors)
            children[pid] = None
            answer = pid
        elif question["do"] == "poll":
            answer = _poll(children, question["pid"])
        elif question["do"] == "adopt":
            adopted.append(Path(question["path"]))
        for descriptor in descriptors:
            os.close(descriptor)
        channel.sendall(json.dumps(answer).encode() + b"\n")
    return functools.partial(_end, children, adopted)


def _receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    text, descriptors = b"", []
    while not text.endswith(b"\n"):
        piece, more, _flags, _address = socket.recv_fds(channel, 65_536, 3)
        if not piece:
            return None, []
        text += piece
        descriptors += more
    return json.loads(text), descriptors


def _end(children: dict[int, int | None], adopted: list[Path]) -> None:
    for pid in list(children):
        if _poll(children, pid) is None:
            os.kill(pid, signal.SIGCONT)
            os.kill(pid, signal.SIGKILL)
            # Counted with what this process has used, as the time of any child is.
            os.waitpid(pid, 0)
    for path in adopted:
        _remove(path)


def _remove(path: Path) -> None:
    if path.is_mount():
        subprocess.run(["umount", "--lazy", path], check=False)
    shutil.rmtree(path, ignore_errors=True)


def _load(*, bare: bool) -> None:
    """Import what children need, once; nothing is started before a fork."""
    if bare:
        for name in LIBRARIES:
            with contextlib.suppress(ModuleNotFoundError):
                importlib.import_module(name)
        return
    for name in (
        *("handlers.cli.root", "handlers.server", "handlers.sandbox.mock"),
        *("psycopg", "models.database.engine", "openapi_spec_validator", "alembic.command"),
        # What a server imports when a person calls it first.
        "httpx",
    ):
        importlib.import_module(name)
    for entry in importlib.import_module("handlers.cli.root").COMMANDS.values():
        entry.load()
    _learn_contract()


def _learn_contract() -> None:
    """Read, check and compile the contract once: children find it done."""
    contract = importlib.import_module("handlers.contract.reading")
    surfaces = importlib.import_module("handlers.contract.surface")
    load_right, known = contract.load, {}

    def load(path: Path, *, again: bool = False, surface: Any = surfaces.PARTENAIRE) -> Any:
        # By what the files say: a test may write another contract into the same place.
        if again or not path.is_file():
            return load_right(path, again=again, surface=surface)
        key = surface, *(one.read_bytes() for one in sorted({path, *path.parent.glob("*.yaml")}))
        if key not in known:
            known[key] = load_right(path, surface=surface)
        return known[key]

    replace_everywhere("load", contract.load, load)
    settings = importlib.import_module("handlers.settings").Settings(
        environment="test", surfaces=tuple(surfaces.SURFACES)
    )
    importlib.import_module("handlers.app").create_app(settings)


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


def _measure_to_the_end() -> None:
    """Under `make branches`, a process that dies of the signal that ended it writes down first what it ran:
    uvicorn raises again in a worker what it was told to end by."""
    coverage, raise_signal = sys.modules.get("coverage"), signal.raise_signal
    if coverage is None:
        return

    def save_and_raise(number: int) -> None:
        measured = coverage.Coverage.current()
        if measured is not None:
            measured.save()
        raise_signal(number)

    signal.raise_signal = save_and_raise


def _be_child(question: dict[str, Any], descriptors: list[int]) -> None:
    os.chdir(question["folder"])
    os.umask(question["umask"])
    if "environment" in question:
        os.environ.clear()
    os.environ.update(question.get("variables") or question.get("environment") or {})
    for target, source in enumerate(descriptors):
        os.dup2(source, target)
    for source in descriptors:
        if source > 2:
            os.close(source)
    _open_streams()
    _measure_to_the_end()
    # Whoever runs the tests in the background gave them a SIGINT that is ignored; a person has not.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # As for `python -c`: a process that this one starts has no main module to import first.
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[:0] = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    if question.get("spoil"):
        module, _, names = question["spoil"].partition(":")
        for name in names.split("+"):
            getattr(importlib.import_module(module), name)()
    sys.argv = ["cynod", *question["arguments"]]
    importlib.import_module("handlers.cli.root").main()


def _open_streams() -> None:
    """What the interpreter does at its start, on the descriptors that this process now has."""
    at_once = bool(os.environ.get("PYTHONUNBUFFERED"))
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = open(  # noqa: SIM115 - a descriptor, open until the end
            number,
            "r" if number == 0 else "w",
            encoding="utf-8",
            closefd=False,
            errors="backslashreplace" if number == 2 else "strict",
        )
        if number > 0:
            by_line = at_once or number == 2 or os.isatty(number)
            stream.reconfigure(line_buffering=by_line, write_through=at_once)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


if __name__ == "__main__":
    # What is left to do runs here, so that a child ends as any program does.
    _main()()
