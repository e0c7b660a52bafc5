"""No answer of the back office leaves off contract: the server says no to each field that is spoilt."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from handlers.edge.runner import OperationRunner
from tests.support.contract_client import Json
from tests.support.office import ALL, CONTRACT, READING, Office
from tests.support.scene import assert_refused
from tests.support.spoilt import Path, spoil, spoils

pytestmark = pytest.mark.only_on("sqlite")  # an answer is checked after its database was asked

resolve = READING.resolve
Envelope = Callable[..., Json]


def schema_of(operation: str) -> Json:
    """The schema of a success."""
    content: Json = resolve(CONTRACT[operation]["responses"]["200"])["content"]
    found: Json = content["application/json"]["schema"]
    return found


@pytest.mark.parametrize("operation", ALL)
def test_spoilt_answer_does_not_leave(
    office: Office, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is put to the check that the answer of one call has to pass; the last one is what is answered."""
    original: Envelope = OperationRunner.__dict__["_envelope"]
    schema, let_out = schema_of(operation), []

    def envelope(self: OperationRunner, *arguments: Any) -> Json:
        spoilt = right = original(self, *arguments)
        assert self._check_answer.fits(200, right)
        for name, path, value in spoils(schema, resolve):
            spoilt = _spoilt(right, schema, path, value)
            if self._check_answer.fits(200, spoilt):
                let_out.append((name, path))
        return spoilt

    ask = office.furnished.ask(operation)
    monkeypatch.setattr(OperationRunner, "_envelope", envelope)
    assert_refused(ask.send(), "9999")
    assert let_out == []


def _spoilt(right: Json, schema: Json, path: Path, value: Any) -> Json:
    body = copy.deepcopy(right)
    spoil(body, schema, resolve, path, value)
    return body
