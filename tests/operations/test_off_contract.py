"""No answer leaves off contract: each field of each success is spoilt in the server, one at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from openapi_schema_validator import OAS30Validator

from handlers.edge.runner import OperationRunner
from tests.support.contract_client import Json, expand, resolve
from tests.support.scene import (
    ALL,
    CONTRACT,
    Scene,
    assert_refused,
)
from tests.support.spoilt import Path, example_of, spoil, spoils

pytestmark = pytest.mark.only_on("sqlite")  # an answer is checked after its database was asked


@pytest.fixture
def scene(standing: Scene) -> Scene:
    """One scene for all: every call is refused, and so changes nothing."""
    return standing


CASES = [
    pytest.param(operation, path, value, id=f"{operation}-{'.'.join(map(str, path))}-{name}")
    for operation in ALL
    for name, path, value in spoils(
        resolve(CONTRACT[operation]["responses"]["200"])["content"]["application/json"]["schema"],
        resolve,
    )
]


@pytest.mark.parametrize(("operation", "path", "value"), CASES)
def test_spoilt_answer_does_not_leave(
    scene: Scene, operation: str, path: Path, value: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    original: Callable[..., Json] = OperationRunner.__dict__["_envelope"]
    schema = CONTRACT[operation]["responses"]["200"]["content"]["application/json"]["schema"]

    def envelope(self: OperationRunner, *arguments: Any) -> Json:
        body = copy.deepcopy(original(self, *arguments))
        spoil(body, schema, resolve, path, value)
        return body

    call, caller = scene.call(operation), scene.caller(operation)
    monkeypatch.setattr(OperationRunner, "_envelope", envelope)
    assert_refused(call.send(caller), "9999")


@pytest.mark.parametrize("operation", ALL)
def test_answer_that_the_contract_s_examples_make_leaves(
    scene: Scene, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is null or empty in all other answers is right here, by the server's check and by the tests'."""
    schema = CONTRACT[operation]["responses"]["200"]["content"]["application/json"]["schema"]
    example = example_of(schema, resolve)
    call, caller = scene.call(operation), scene.caller(operation)
    monkeypatch.setattr(OperationRunner, "_envelope", lambda *_: example)
    answer = call.send(caller)
    assert (answer.status_code, answer.json()) == (200, example)


# ── a field that answers may leave out, of which the contract has none today ──────────────────────
OPTIONAL: Json = {
    "type": "object",
    "required": ["kept"],
    "properties": {
        "kept": {"type": "string", "example": "x"},
        "left": {
            "type": "object",
            "required": ["inner"],
            "properties": {"inner": {"type": "string", "example": "y"}},
        },
    },
}


def test_only_what_is_required_is_dropped() -> None:
    dropped = [path for name, path, _ in spoils(OPTIONAL, resolve) if name == "dropped"]
    assert dropped == [("kept",), ("left", "inner")]


def test_every_spoilt_value_is_unfit_whether_the_optional_field_was_there_or_not() -> None:
    validator = OAS30Validator(expand(OPTIONAL, closed=True))
    for body in ({"kept": "a"}, {"kept": "a", "left": {"inner": "b"}}):
        assert validator.is_valid(body)
        for name, path, value in spoils(OPTIONAL, resolve):
            spoilt = copy.deepcopy(body)
            spoil(spoilt, OPTIONAL, resolve, path, value)
            assert not validator.is_valid(spoilt), (name, path)
