"""Where nginx runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.proxy.nginx import make_certificate


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where nginx runs, with a certificate."""
    made = tmp_path_factory.mktemp("nginx")
    make_certificate(made)
    return made
