"""What a machine may lack, on which the other tests run all the same."""

from __future__ import annotations

import os
from typing import NoReturn

import pytest

REQUIRED = "CYNOD_TEST_REQUIRE_POSTGRESQL"
"""Set where everything must be tested, as in CI: skipped, a test would prove nothing there."""


def lack(what: str) -> NoReturn:
    """Skip the test that asks, or fail it where everything must be tested."""
    if os.environ.get(REQUIRED):
        pytest.fail(what)
    pytest.skip(what)
