"""What time does while persons work: the task that ends demandes runs again and again, and is killed."""

from __future__ import annotations

import threading
import time
from types import TracebackType

from tests.lab.proof.stage import Stage

EVERY_S = 0.2


class Passing:
    """Runs the task beside the load, until it is told to stop; then once more, undisturbed."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._faults: list[BaseException] = []

    def __enter__(self) -> Passing:
        if self._stage.is_hurried:
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopped.set()
        if self._stage.is_hurried:
            self._thread.join(60)
        if self._faults and error is None:
            raise self._faults[0]

    def end(self) -> None:
        """End what has waited too long, with nobody to hinder it."""
        if self._stage.is_hurried:
            begun = time.monotonic_ns()
            self._stage.end_demandes()
            self._stage.moments.expired = begun

    def _run(self) -> None:
        number = 0
        try:
            while not self._stopped.wait(EVERY_S):
                # Two at once do no harm.
                self._stage.try_to_end_demandes(tasks=1 + number % 2)
                number += 1
        except BaseException as error:  # noqa: BLE001 - told to whoever stops the load
            self._faults.append(error)
