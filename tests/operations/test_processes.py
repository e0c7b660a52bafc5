"""With several processes, the tests of one file share one, whatever pytest and xdist make of groups."""

from __future__ import annotations

import pytest


def test_tests_of_a_file_are_one_piece_of_work(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request.config.option, "tx", ["2*popen"])
    hook = request.config.hook.pytest_xdist_make_scheduler
    scheduler = hook(config=request.config, log=None)
    names = [item.nodeid for item in request.session.items]
    mine = {scheduler._split_scope(name) for name in names if "test_processes.py" in name}  # noqa: SLF001
    assert mine == {"tests/operations/test_processes.py"}
