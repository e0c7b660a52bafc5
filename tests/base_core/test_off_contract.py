"""No answer of the back office leaves off contract: the server says no to each field that is spoilt, and yes
to what the contract's own examples make."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from handlers.edge.runner import OperationRunner
from tests.support.contract_client import Json, judge_by
from tests.support.office import ALL, CONTRACT, READING, Office
from tests.support.scene import assert_refused
from tests.support.spoilt import Path, example_of, spoil, spoils

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
    schema = schema_of(operation)
    bad, good = list(spoils(schema, resolve)), example_of(schema, resolve)
    said: list[tuple[bool, str, Path]] = []

    def envelope(self: OperationRunner, *arguments: Any) -> Json:
        spoilt = right = original(self, *arguments)
        for name, body in (("right", right), ("example", good)):
            said.append((self._check_answer.fits(200, body), name, ()))
        for name, path, value in bad:
            spoilt = _spoilt(right, schema, path, value)
            said.append((self._check_answer.fits(200, spoilt), name, path))
        return spoilt

    ask = office.furnished.ask(operation)
    monkeypatch.setattr(OperationRunner, "_envelope", envelope)
    assert_refused(ask.send(), "9999")
    assert [one[1:] for one in said if one[0]] == [("right", ()), ("example", ())]
    assert len(said) == 2 + len(bad)
    assert judge_by(READING.expand(schema, closed=True)).is_valid(good)


def _spoilt(right: Json, schema: Json, path: Path, value: Any) -> Json:
    body = copy.deepcopy(right)
    spoil(body, schema, resolve, path, value)
    return body
