"""Who uses what of the contract, told by the server's own log: one JSON line a call, of which the operation,
the partner, the optional inputs, the media type and the moment are read.

However long the logs are, the memory that they take is bounded: only names and counts are kept, and no more
names than `MAX_PAIRS` and `MAX_NAMES`. What could not be kept or read is counted, and told.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, cast

import orjson

EVENT = "requete"
MAX_LINE = 1_048_576
"""Bytes of a line that are read; a longer one is no line of ours."""

MAX_PAIRS = 100_000
"""Pairs of an operation and a partner that are told apart."""

MAX_NAMES = 100
"""Optional inputs of an operation that are told apart."""

MAX_NAME = 100
PROGRESS_LINES = 10_000

_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?Z")
_GZIP = b"\x1f\x8b"

Progress = Callable[[int, int], None]


@dataclass(slots=True)
class Tally:
    """How often, and when last, as text that sorts as time does."""

    calls: int = 0
    last: str = ""

    def add(self, moment: str) -> None:
        """Count one more."""
        self.calls += 1
        self.last = max(self.last, moment)

    def merge(self, other: Tally) -> None:
        """Count what the other has counted."""
        self.calls += other.calls
        self.last = max(self.last, other.last)


@dataclass(slots=True)
class Use:
    """What a partner did with an operation.

    Of `refused` calls some came so far that their inputs were checked. Of `silent` ones the log does not
    tell inputs: an older server wrote them.
    """

    all: Tally = field(default_factory=Tally)
    refused: int = 0
    silent: int = 0
    inputs: dict[str, Tally] = field(default_factory=dict)
    media: dict[str, Tally] = field(default_factory=dict)


@dataclass(slots=True)
class Usage:
    """What was read of logs: by operation and partner, None where no partner was known."""

    files: int = 0
    lines: int = 0
    calls: int = 0
    unreadable: int = 0
    """Lines that are no JSON, or too long."""
    others: int = 0
    """Lines that tell of something else, and calls of no operation."""
    dropped: int = 0
    """Calls of more operations and partners than are told apart."""
    cut: list[str] = field(default_factory=list)
    """Compressed files whose end is missing or damaged."""
    first: str = ""
    last: str = ""
    silent: int = 0
    by_operation: dict[str, dict[str | None, Use]] = field(default_factory=dict)
    pairs: int = 0
    """How many uses that holds."""

    def add(self, line: bytes) -> None:
        """Take in a line of a log."""
        self.lines += 1
        try:
            told = orjson.loads(line)
        except orjson.JSONDecodeError:
            self.unreadable += 1
            return
        operation = _name(told.get("operation")) if isinstance(told, dict) else None
        if operation is None or told.get("event") != EVENT:
            self.others += 1
            return
        use = self._use(operation, _name(told.get("partenaire")))
        if use is None:
            self.dropped += 1
            return
        self.calls += 1
        moment = _moment(told.get("timestamp"))
        if moment:
            self.first = min(self.first or moment, moment)
            self.last = max(self.last, moment)
        use.all.add(moment)
        use.refused += _is_refusal(told.get("statut"))
        if "facultatifs" not in told:
            self.silent += 1
            use.silent += 1
            return
        names = told["facultatifs"]
        for name in names if isinstance(names, list) else ():
            _count(use.inputs, _name(name), moment)
        _count(use.media, _name(told.get("media")), moment)

    def _use(self, operation: str, partenaire: str | None) -> Use | None:
        use = self.by_operation.get(operation, {}).get(partenaire)
        if use is None and self.pairs < MAX_PAIRS:
            self.pairs += 1
            use = self.by_operation.setdefault(operation, {})[partenaire] = Use()
        return use


def _name(value: Any) -> str | None:
    return value if isinstance(value, str) and 0 < len(value) <= MAX_NAME else None


def _is_refusal(statut: Any) -> bool:
    return isinstance(statut, int) and statut >= 400


def _moment(timestamp: Any) -> str:
    found = _MOMENT.fullmatch(timestamp) if isinstance(timestamp, str) else None
    return f"{found[1]}Z" if found else ""


def _count(tallies: dict[str, Tally], name: str | None, moment: str) -> None:
    if name is None:
        return
    tally = tallies.get(name)
    if tally is None:
        if len(tallies) >= MAX_NAMES:
            return
        tally = tallies[name] = Tally()
    tally.add(moment)


def read_usage(logs: Sequence[str], tell: Progress) -> Usage:
    """Read logs, compressed by gzip or not, `-` for standard input. Raises OSError.

    `tell` is told now and then how many bytes were read, and of how many; or, where nobody knows how many
    there are, how many lines, and of 0.
    """
    sizes = [_size(log) for log in logs]
    total = sum(sizes) if all(sizes) else 0
    usage, before = Usage(files=len(logs)), 0
    for log, size in zip(logs, sizes, strict=True):
        with _opened(log) as raw:
            for line in _lines(raw, log, usage):
                usage.add(line)
                if usage.lines % PROGRESS_LINES == 0:
                    tell(before + raw.tell() if total else usage.lines, total)
        before += size
    return usage


def _size(log: str) -> int:
    """Bytes of a file, 0 of what is none."""
    return 0 if log == "-" else Path(log).stat().st_size


@contextlib.contextmanager
def _opened(log: str) -> Iterator[IO[bytes]]:
    if log == "-":
        yield sys.stdin.buffer
    else:
        with Path(log).open("rb") as file:
            yield file


def _lines(raw: IO[bytes], log: str, usage: Usage) -> Iterator[bytes]:
    """The lines that are not empty; of one that is too long, its beginning, which is no JSON."""
    reader = io.BufferedReader(cast("io.RawIOBase", raw))  # it needs `readinto` only
    try:
        is_compressed = reader.peek(len(_GZIP)).startswith(_GZIP)
        source: Any = gzip.GzipFile(fileobj=reader) if is_compressed else reader
        while line := source.readline(MAX_LINE):
            rest = line
            while len(rest) == MAX_LINE and not rest.endswith(b"\n"):
                rest = source.readline(MAX_LINE)
            if not line.isspace():
                yield line
    except (EOFError, gzip.BadGzipFile, zlib.error):
        usage.cut.append(log)
    finally:
        reader.detach()  # it would close what others opened
