"""What an in-process server writes to its log, read while it runs."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest

WAIT_S = 5.0


class Log(io.StringIO):
    """The process's stderr, which can be waited for: a line is written after its answer."""

    def __init__(self) -> None:
        super().__init__()
        self._grown = threading.Condition()

    def write(self, text: str) -> int:
        """Take in, and wake who waits."""
        with self._grown:
            self._grown.notify_all()
            return super().write(text)

    def line_of(self, request_id: str) -> dict[str, Any]:
        """The line of a call, without what differs from run to run."""
        with self._grown:
            assert self._grown.wait_for(lambda: self._find(request_id) is not None, WAIT_S)
        line = self._find(request_id)
        assert line is not None
        assert line.pop("request_id") == request_id
        assert isinstance(line.pop("duree_ms", 0.0), float)
        del line["timestamp"], line["event"], line["level"]
        return line

    def _find(self, request_id: str) -> dict[str, Any] | None:
        lines = [json.loads(text) for text in self.getvalue().splitlines() if text[:1] == "{"]
        told = [
            line
            for line in lines
            if line["event"] == "requete" and line["request_id"] == request_id
        ]
        assert len(told) < 2
        return told[0] if told else None


@contextmanager
def logged() -> Iterator[Log]:
    """What servers of this process write during the block."""
    made = Log()
    with pytest.MonkeyPatch.context() as patch:
        # pytest sets the process's stderr again between a fixture and its test.
        patch.setattr("handlers.edge.logs.sys", SimpleNamespace(stderr=made))
        yield made
