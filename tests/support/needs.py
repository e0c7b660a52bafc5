"""What a machine may lack, on which the other tests run all the same."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

from tests.support.machine import TOOLS, how_to_get

REQUIRED = "CYNOD_TEST_REQUIRE_POSTGRESQL"
"""Set where everything must be tested, as in CI: skipped, a test would prove nothing there."""


def lack(what: str) -> NoReturn:
    """Skip the test that asks, or fail it where everything must be tested."""
    if os.environ.get(REQUIRED):
        pytest.fail(what)
    pytest.skip(what)


def need(*names: str) -> None:
    """Leave out the test that asks, unless the machine has these tools of `tests.support.machine.TOOLS`."""
    for name in names:
        if not TOOLS[name].is_here():
            lack(how_to_get(name))
