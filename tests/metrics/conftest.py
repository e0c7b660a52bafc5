"""A server of two processes that counts, one for all tests of a module and a kind of database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.counting import Counting, counting
from tests.support.scenes import NewUrl


@pytest.fixture(scope="module")
def counted(
    new_database_url: NewUrl, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Counting]:
    """The demo, on a database of its own."""
    with counting(new_database_url(), tmp_path_factory.mktemp("counted")) as server:
        yield server
