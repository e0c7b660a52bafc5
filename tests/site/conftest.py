"""A demo server as a person starts it, for the tests of its pages."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from handlers.contract.reading import load
from tests.site.browser import Browser, chromium
from tests.support.contract_client import CONTRACT
from tests.support.process import serve


@pytest.fixture(scope="session")
def clients(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of clients: two of this contract, one of another of the same version, one cut short."""
    folder = tmp_path_factory.mktemp("clients")
    contract = load(CONTRACT)
    marks = dict.fromkeys(("java", "python-httpx", "go"), contract.served_version)
    for name, mark in {**marks, "php": f"{contract.version}+0123456789ab"}.items():
        file = folder / f"cynod-{name}-{contract.version}.zip"
        with zipfile.ZipFile(file, "w") as package:
            package.comment = mark.encode()
            package.writestr("README.md", f"{name} " * 1000)
        if name == "go":
            file.write_bytes(file.read_bytes()[:-40])
    return folder


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, clients: Path) -> Iterator[str]:
    """Its base URL."""
    folder = tmp_path_factory.mktemp("demo")
    with serve("--demo", folder=folder, CYNOD_CLIENTS=str(clients)) as server:
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
