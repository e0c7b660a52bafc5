"""The last test of this folder: every code that an operation lists was seen, and no other."""

from __future__ import annotations

import pytest

from tests.contract_client import CATALOGUE
from tests.operations.answers import CONTRACT
from tests.operations.conftest import DESELECTED, HERE, Record


def _backend_of(item: pytest.Item) -> str | None:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("backend") if callspec else None


def _left_out(request: pytest.FixtureRequest, record: Record, backend: str) -> str | None:
    """Why the record cannot be whole, or None when the whole folder ran."""
    session = request.session
    mine = [item for item in session.items if item.path.parent == HERE]
    if session.config.stash.get(DESELECTED, False):
        return "a part of the folder was deselected"
    if any("::" in argument for argument in session.config.args):
        return "single tests were named"
    if {item.path for item in mine} != set(HERE.glob("test_*.py")):
        return "not every file of the folder was collected"
    before = {
        item.nodeid
        for item in mine
        if _backend_of(item) == backend and item.nodeid != request.node.nodeid
    }
    if not before <= record.ran:
        return f"{len(before - record.ran)} tests of the folder did not run before this one"
    return None


def test_every_declared_answer_was_seen_and_nothing_else(
    request: pytest.FixtureRequest, backend: str, record: Record
) -> None:
    reason = _left_out(request, record, backend)
    if reason is not None:
        pytest.skip(f"judged only when the whole of tests/operations ran: {reason}")
    declared = {(name, 200, "200") for name in CONTRACT} | {
        (name, CATALOGUE[code]["statut"], code)
        for name, operation in CONTRACT.items()
        for code in operation["x-codes-erreur"]
    }
    never_seen = declared - record.seen[backend]
    assert not never_seen, (
        f"openapi.yaml declares answers that no test of tests/operations received: "
        f"{sorted(never_seen)}; write the test, or take the code from x-codes-erreur."
    )
    assert record.seen[backend] == declared
