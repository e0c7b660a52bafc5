"""What a run is doing, said every few seconds: nobody waits before a silent terminal."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from types import TracebackType

EVERY_S = 8


class Progress:
    """Says where each part of a run is, until it is left."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._doing: dict[str, str] = {}
        self._logs: dict[str, Path] = {}
        self._started = time.monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._say, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._ended.set()
        self._thread.join()

    def at(self, part: str, doing: str, log: Path | None = None) -> None:
        """Note what a part of the run begins; a server's log tells how many requests it answered."""
        self._doing[part] = doing
        if log is not None:
            self._logs[part] = log

    def _say(self) -> None:
        while not self._ended.wait(self._every_s):
            parts = ", ".join(self._line(part) for part in list(self._doing))
            sys.stdout.write(f"  {time.monotonic() - self._started:4.0f} s: {parts}\n")
            sys.stdout.flush()

    def _line(self, part: str) -> str:
        log = self._logs.get(part)
        if log is None:
            return f"{part}: {self._doing[part]}"
        with log.open("rb") as lines:
            requests = sum(b'"event":"requete"' in line for line in lines)
        return f"{part}: {self._doing[part]} ({requests} requests)"
