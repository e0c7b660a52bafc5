"""The PostgreSQL server that the tests run for themselves."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import warnings

import pytest

from tests.support import postgresql
from tests.support.needs import need
from tests.support.patience import CALL_S
from tests.support.postgresql import running_server


def test_server_whose_files_are_slow_to_delete_ends_without_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need("postgresql")
    kept: list[subprocess.Popen[bytes]] = []
    monkeypatch.setattr(postgresql, "_left_to_end", kept)
    with running_server() as server:
        watcher = server._watcher.pid  # noqa: SLF001 - nobody else knows who deletes the files
        folder = server.data_directory
        os.kill(watcher, signal.SIGSTOP)
        monkeypatch.setattr(postgresql, "DELETION_S", 0.1)
    del server
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gc.collect()
    assert [each.pid for each in kept] == [watcher]
    os.kill(watcher, signal.SIGCONT)
    assert kept[0].wait(CALL_S) == 0
    assert not folder.exists()
