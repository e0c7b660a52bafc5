"""What watches a process while it serves: its metrics and its traces, begun and ended with its event loop."""

from __future__ import annotations

import time
from collections.abc import Sequence

from handlers.edge.rooms import Rooms
from handlers.edge.traces import Tracing
from handlers.metrics.recorder import Recorder
from models.database import observed
from models.database.waiting import Wanted


class _Both:
    """Tells two what the database tells one."""

    def __init__(self, observers: Sequence[observed.Observer]) -> None:
        self._observers = observers

    def statement(self, asked: observed.Asked) -> None:
        """See models.database.observed.Observer."""
        for one in self._observers:
            one.statement(asked)

    def shared(self, asked: observed.Asked, callers: Sequence[Wanted]) -> None:
        """See models.database.observed.Observer."""
        for one in self._observers:
            one.shared(asked, callers)

    def commit_unknown(self) -> None:
        """See models.database.observed.Observer."""
        for one in self._observers:
            one.commit_unknown()


class Watching:
    """Nothing, where a server was told of neither."""

    def __init__(self, recorder: Recorder | None, tracing: Tracing | None) -> None:
        self._recorder = recorder
        self._tracing = tracing

    def start(self, rooms: Rooms) -> None:
        """The event loop runs, in the process that serves: what has threads has them from now on."""
        observers: list[observed.Observer] = []
        if self._recorder is not None:
            self._recorder.start(lambda: [room.state(time.monotonic()) for room in rooms])
            observers.append(self._recorder)
        if self._tracing is not None:
            self._tracing.start()
            observers.append(self._tracing)
        if observers:
            observed.observe(observers[0] if len(observers) == 1 else _Both(observers))

    def stop(self) -> None:
        """Nothing is served any more."""
        if self._recorder is not None:
            self._recorder.stop()
        if self._tracing is not None:
            self._tracing.stop()
        if self._recorder is not None or self._tracing is not None:
            observed.observe(None)
