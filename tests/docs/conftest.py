"""A demo server as a person starts it, for the tests of its pages."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.docs.browser import Browser, chromium
from tests.process import serve


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its base URL."""
    with serve("--demo", folder=tmp_path_factory.mktemp("demo")) as server:
        yield server.url


@pytest.fixture(scope="session")
def _chromium() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.fixture
def browser(_chromium: Browser) -> Iterator[Browser]:
    """A browser. A test fails when a page broke its policy, wrote an error, or called another host."""
    _chromium.faults()
    yield _chromium
    assert _chromium.faults() == []
