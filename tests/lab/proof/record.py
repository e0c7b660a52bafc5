"""What one client sent and saw: an append-only file, one JSON line per event.

A line is written before a request leaves and one after its end, so that a record cut short still
tells what may have been executed.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]

ANSWERED, UNANSWERED, UNSENT = "answered", "unanswered", "unsent"
"""How an exchange ended: an answer was read, none was, or the request never left."""

CREDIT, DEBIT, TRANSFERT, ANNULATION = "CREDIT", "DEBIT", "TRANSFERT", "ANNULATION"
SPECIAL = "TRANSFERT_SPECIAL"
CLOTURE, QUESTION = "CLOTURE", "QUESTION"
"""What a request asks: an operation by its type, to close a reference, or what became of one."""

MONEY = frozenset({CREDIT, DEBIT, TRANSFERT, ANNULATION})


@dataclass(frozen=True)
class Exchange:
    """One request and its end. Times are the monotonic clock's nanoseconds of one machine."""

    who: str
    partner: str
    what: str
    reference: str
    content: Json
    way: str
    port: int
    phase: str
    started: int
    sent: int | None
    ended: int | None
    end: str
    cause: str
    status: int | None
    headers: Json
    body: str

    @property
    def key(self) -> tuple[str, str]:
        """What a reference means: it belongs to its partner."""
        return self.partner, self.reference

    @property
    def fingerprint(self) -> str:
        """What tells a repeat from another operation of the same reference."""
        return json.dumps([self.what, self.content], sort_keys=True)


class Recorder:
    """Writes one client's record."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self._file = (folder / f"{name}.jsonl").open("a", encoding="utf-8", buffering=1)
        self._number = 0

    def begin(self, **request: Any) -> int:
        """Write that a request is about to leave; the number by which `end` continues it."""
        self._number += 1
        self._write({"n": self._number, "started": time.monotonic_ns(), **request})
        return self._number

    def end(self, number: int, **seen: Any) -> None:
        """Write how it ended."""
        self._write({"n": number, "ended": time.monotonic_ns(), **seen})

    def _write(self, line: Json) -> None:
        self._file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def read_records(folder: Path) -> list[Exchange]:
    """Every exchange of every record of the folder, in the order of their starts."""
    return sorted(
        (exchange for path in folder.glob("*.jsonl") for exchange in _read(path)),
        key=lambda exchange: exchange.started,
    )


def _read(path: Path) -> Iterator[Exchange]:
    begun: dict[int, Json] = {}
    unfinished = {"ended": None, "sent": None, "end": UNANSWERED, "cause": "no end on record"}
    nothing: Json = {"status": None, "headers": {}, "body": ""}
    for text in path.read_text(encoding="utf-8").splitlines():
        line = json.loads(text)
        number = line.pop("n")
        if number not in begun:
            begun[number] = line
        else:
            yield Exchange(who=path.stem, **{**nothing, **begun.pop(number), **line})
    for line in begun.values():
        yield Exchange(who=path.stem, **{**nothing, **unfinished, **line})


@dataclass
class Moments:
    """Instants that the judge must know of, in nanoseconds of the monotonic clock."""

    told_to_end: list[tuple[int, int]] = field(default_factory=list)
    """By its port, when a server was told to end."""
    frozen: list[tuple[int, int]] = field(default_factory=list)
    """From when to when the database could do nothing at all."""
    waited: list[tuple[int, int, int]] = field(default_factory=list)
    """From when to when the database let calls wait, and how long one may then take at most."""
    expired: int | None = None
    """When the last task began that ends what has waited too long, and was not disturbed."""
    epoch: int = field(default_factory=lambda: time.time_ns() - time.monotonic_ns())
    """What makes an instant of this clock one of the registers."""
