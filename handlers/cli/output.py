"""Files that a command writes: whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, TextIO

from handlers.cli.common import Refused


class Output:
    """A file that a command writes, whole or not at all; or a pipe, a device, which is written through.

    A file is written beside its path and takes its place by `publish`. Until then nobody sees it, and
    where the system can keep a file without a name, nothing is left of it even by `kill -9`.
    """

    def __init__(self, path: Path, *, encoding: str = "utf-8") -> None:
        """Raises OSError when it cannot be written, or is a folder."""
        self.path = path
        self.is_standard_output = str(path) == "-" or _is_open_as(path, 1)
        self._target: Path | None = None
        self._hidden: Path | None = None
        if self.is_standard_output or _is_open_as(path, 2):
            # Opened again, what a shell redirects to a file would be written from its start.
            descriptor = os.dup(1 if self.is_standard_output else 2)
        elif _is_written_through(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
        else:
            self._target = _check_replaceable(path)
            descriptor = self._open_beside(self._target)
        self.file: TextIO = os.fdopen(descriptor, "w", encoding=encoding, newline="")

    def _open_beside(self, target: Path) -> int:
        try:
            if not Path("/proc/self/fd").exists():
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            descriptor = os.open(target.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:
            descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            self._hidden = Path(name)
        os.fchmod(descriptor, 0o600)
        return descriptor

    def settle(self) -> None:
        """Make sure that all of it is kept, before what depends on it is done. Raises OSError."""
        self.file.flush()
        if self._target is not None:
            os.fsync(self.file.fileno())
            if self._hidden is None:
                self._hidden = self._give_name(self._target)

    def _give_name(self, target: Path) -> Path:
        hidden = target.with_name(f".{target.name}.{os.urandom(6).hex()}")
        # Linux's way to name a file that has none: open(2), at O_TMPFILE.
        # Python follows the link only when it is given a folder, which an absolute path then ignores.
        number = self.file.fileno()
        os.link(f"/proc/self/fd/{number}", hidden, src_dir_fd=number, follow_symlinks=True)
        return hidden

    def publish(self) -> None:
        """Put the settled file in its place. Raises OSError when that cannot be taken any more."""
        self.file.close()
        if self._target is not None and self._hidden is not None:
            self._hidden.replace(self._target)
            self._hidden = None

    def keep(self) -> Path:
        """Where the settled file is when it could not be published: it stays there."""
        kept, self._hidden = self._hidden, None
        return kept or self.path

    def discard(self) -> None:
        """Leave nothing of a file that was not published."""
        with contextlib.suppress(OSError):
            self.file.close()
        if self._hidden is not None:
            self._hidden.unlink(missing_ok=True)


def _is_open_as(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _check_replaceable(path: Path) -> Path:
    """The file that the path stands for, behind links. Raises OSError when nobody may replace it."""
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return target


def _is_written_through(path: Path) -> bool:
    """Whether it is a pipe, a device, or what a name like /dev/fd/3 stands for."""
    if not path.exists():
        return False
    named_by_system = path.absolute().parts[1:2] in (("dev",), ("proc",))
    return not path.is_dir() and (named_by_system or not path.is_file())


@contextlib.contextmanager
def output_to(path: Path, *, encoding: str = "utf-8") -> Iterator[Output]:
    """The output of a block that writes it: published when the block succeeds, else nothing is left.

    Refused when it cannot be written.
    """
    try:
        output = Output(path, encoding=encoding)
        try:
            yield output
            output.settle()
            output.publish()
        finally:
            output.discard()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}.") from None


class Sortie(NamedTuple):
    """Where an export goes: what writes to it, and its name when that is a file."""

    write: Callable[[str], object]
    file: Path | None


@contextlib.contextmanager
def opened(output: Path | None) -> Iterator[Sortie]:
    """The output, or standard output. In UTF-8 whatever the locale."""
    if output in (None, Path("-")):
        stream: IO[bytes] = sys.stdout.buffer
        yield Sortie(lambda piece: stream.write(piece.encode()), None)
        stream.flush()  # here, where a failure is told, and not when the interpreter has ended all else
        return
    with output_to(output) as made:
        yield Sortie(made.file.write, None if made.is_standard_output else output)
