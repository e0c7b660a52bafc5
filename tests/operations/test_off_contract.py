"""No answer leaves off contract: each field of each success is spoilt in the server, one at a time."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
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

pytestmark = pytest.mark.only_on("sqlite")  # an answer is checked after its database was asked

OTHER: dict[str, Any] = {"string": 1, "integer": "1", "number": "1", "boolean": "oui"}
Path = tuple[str | int, ...]


@pytest.fixture
def scene(standing: Scene) -> Scene:
    """One scene for all: every call is refused, and so changes nothing."""
    return standing


def spoils(schema: Json, path: Path = ()) -> Iterator[tuple[str, Path, Any]]:
    """What is done to a value at a path: its name, the path, and the value, or no value to drop it."""
    schema = resolve(schema)
    if schema["type"] == "object":
        yield "another field", (*path, "surplus"), "x"
        for name, node in schema["properties"].items():
            if name in schema.get("required", []):
                yield "dropped", (*path, name), ...
            yield from spoils(node, (*path, name))
    elif schema["type"] == "array":
        yield "no list", path, {}
        if "minItems" in schema:
            yield "empty", path, []
        yield from spoils(schema["items"], (*path, 0))
    else:
        yield from _scalars(schema, path)


def _scalars(schema: Json, path: Path) -> Iterator[tuple[str, Path, Any]]:
    yield "another type", path, OTHER[schema["type"]]
    if not schema.get("nullable"):
        yield "null", path, None
    if "pattern" in schema:
        yield "unfit", path, f"{schema.get('example') or 'x'} ~"
    if "minLength" in schema:
        yield "too short", path, "x" * (schema["minLength"] - 1)
    if "minimum" in schema:
        yield "too small", path, schema["minimum"] - 1
    if "maximum" in schema:
        yield "too large", path, schema["maximum"] * 2
    if "enum" in schema:
        yield "another value", path, not schema["enum"][0]


def example_of(schema: Json) -> Any:
    """A value of a schema, from its examples."""
    schema = resolve(schema)
    if schema["type"] == "object":
        return {name: example_of(node) for name, node in schema["properties"].items()}
    return [example_of(schema["items"])] if schema["type"] == "array" else schema["example"]


def spoil(body: Json, schema: Json, path: Path, value: Any) -> None:
    """Put a value into a body, in an example of what is not there: an item of an empty list, a field
    that may be left out."""
    node: Any = body
    for part in path[:-1]:
        schema = resolve(schema)
        schema = schema["items"] if isinstance(part, int) else schema["properties"][part]
        if isinstance(part, int) and not node:
            node.append(example_of(schema))
        elif isinstance(part, str) and part not in node:
            node[part] = example_of(schema)
        node = node[part]
    last = path[-1]
    if isinstance(last, int) and not node:
        node.append(None)
    if value is ...:
        del node[last]
    else:
        node[last] = value


CASES = [
    pytest.param(operation, path, value, id=f"{operation}-{'.'.join(map(str, path))}-{name}")
    for operation in ALL
    for name, path, value in spoils(
        resolve(CONTRACT[operation]["responses"]["200"])["content"]["application/json"]["schema"]
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
        spoil(body, schema, path, value)
        return body

    call, caller = scene.call(operation), scene.caller(operation)
    monkeypatch.setattr(OperationRunner, "_envelope", envelope)
    assert_refused(call.send(caller), "9999")


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
    dropped = [path for name, path, _ in spoils(OPTIONAL) if name == "dropped"]
    assert dropped == [("kept",), ("left", "inner")]


def test_every_spoilt_value_is_unfit_whether_the_optional_field_was_there_or_not() -> None:
    validator = OAS30Validator(expand(OPTIONAL, closed=True))
    for body in ({"kept": "a"}, {"kept": "a", "left": {"inner": "b"}}):
        assert validator.is_valid(body)
        for name, path, value in spoils(OPTIONAL):
            spoilt = copy.deepcopy(body)
            spoil(spoilt, OPTIONAL, path, value)
            assert not validator.is_valid(spoilt), (name, path)
