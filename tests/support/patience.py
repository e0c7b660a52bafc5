"""How long the tests wait before they call a wait endless. A slow machine is no fault.

Each was taken on a machine at load 20, where what needs a second takes twenty; none delays a success.
What a test measures on purpose (a deadline that the server must keep) is not here.
"""

from __future__ import annotations

import time
from collections.abc import Callable

CALL_S = 120
"""An answer, a server's start, a page."""

PROGRAM_S = 900
"""A program from its start to its end: a compiler, a browser's tests, a command of cynod."""

TEST_S = 1_800
"""A test that runs several of them, in the folders that tests/conftest.py names."""


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait until it holds; `what` says what is wrong when it never does."""
    until = time.monotonic() + CALL_S
    while not condition():
        assert time.monotonic() < until, what
        time.sleep(0.05)
