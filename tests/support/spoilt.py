"""Each way in which an answer may be off its contract, made of its schema: what is done to a right one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tests.support.contract_client import Json

OTHER: dict[str, Any] = {"string": 1, "integer": "1", "number": "1", "boolean": "oui"}
Path = tuple[str | int, ...]
Resolve = Callable[[Any], Any]


def spoils(schema: Json, resolve: Resolve, path: Path = ()) -> Iterator[tuple[str, Path, Any]]:
    """What is done to a value at a path: its name, the path, and the value, or no value to drop it."""
    schema = resolve(schema)
    if schema["type"] == "object":
        # What has no field of its own is open: it shows what was asked or recorded.
        if "properties" in schema:
            yield "another field", (*path, "surplus"), "x"
        for name, node in schema.get("properties", {}).items():
            if name in schema.get("required", []):
                yield "dropped", (*path, name), ...
            yield from spoils(node, resolve, (*path, name))
    elif schema["type"] == "array":
        yield "no list", path, {}
        if "minItems" in schema:
            yield "empty", path, []
        yield from spoils(schema["items"], resolve, (*path, 0))
    else:
        yield from _scalars(schema, path)


def _scalars(schema: Json, path: Path) -> Iterator[tuple[str, Path, Any]]:
    yield "another type", path, OTHER[schema["type"]]
    if not schema.get("nullable"):
        yield "null", path, None
    if "pattern" in schema:
        yield "unfit", path, f"{schema.get('example') or 'x'}\x00"
    if "minLength" in schema:
        yield "too short", path, "x" * (schema["minLength"] - 1)
    if "minimum" in schema:
        yield "too small", path, schema["minimum"] - 1
    if "maximum" in schema:
        yield "too large", path, schema["maximum"] * 2
    if "enum" in schema:
        yield "another value", path, not schema["enum"][0]


def example_of(schema: Json, resolve: Resolve) -> Any:
    """A value of a schema, from its examples."""
    schema = resolve(schema)
    if schema["type"] == "object":
        fields = schema.get("properties", {})
        return {name: example_of(node, resolve) for name, node in fields.items()}
    if schema["type"] == "array":
        return [example_of(schema["items"], resolve)]
    return schema["example"]


def spoil(body: Json, schema: Json, resolve: Resolve, path: Path, value: Any) -> None:
    """Put a value into a body, in an example of what is not there: an item of an empty list, a field
    that may be left out."""
    node: Any = body
    for part in path[:-1]:
        schema = resolve(schema)
        schema = schema["items"] if isinstance(part, int) else schema["properties"][part]
        if isinstance(part, int) and not node:
            node.append(example_of(schema, resolve))
        elif isinstance(part, str) and part not in node:
            node[part] = example_of(schema, resolve)
        node = node[part]
    last = path[-1]
    if isinstance(last, int) and not node:
        node.append(None)
    if value is ...:
        del node[last]
    else:
        node[last] = value
