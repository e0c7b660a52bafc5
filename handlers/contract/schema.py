"""The contract's schemas, each compiled once at start by jsonschema-rs."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import jsonschema_rs

from handlers.contract.model import (
    JSON_TYPE,
    Contract,
    Json,
    OperationContract,
)

Validator = Callable[[Any], bool]


def json_schema(contract: Contract, schema: Json, *, closed: bool) -> Json:
    """An OpenAPI 3.0 schema as JSON Schema draft 4, `$ref`s kept, `nullable` said in its words.

    `closed` forbids undeclared fields everywhere: what we send holds declared fields only, although
    the contract lets answers grow for the clients' sake.
    """
    components = contract.document.get("components", {}).get("schemas", {})
    # A compiled schema keeps all that it is given: with every component, they were 70 MiB.
    needed: dict[str, Json] = {}
    waiting = [schema]
    while waiting:
        for name in _references(waiting.pop()) - needed.keys():
            needed[name] = components[name]
            waiting.append(components[name])
    return {
        "allOf": [_translate(schema, closed=closed)],
        "components": {
            "schemas": {name: _translate(node, closed=closed) for name, node in needed.items()}
        },
    }


def _references(node: Any) -> set[str]:
    """The names of the schemas that the node refers to itself."""
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    if "$ref" in node:
        return {node["$ref"].rpartition("/")[2]}
    return set().union(*(_references(value) for key, value in node.items() if key != "example"))


_SAID_ELSEWHERE = frozenset(
    {
        "example",
        "description",
        "nullable",
        "format",
        "discriminator",
        "xml",
        "externalDocs",
        "deprecated",
    }
)


def _translate(node: Any, *, closed: bool) -> Any:
    if isinstance(node, list):
        return [_translate(item, closed=closed) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    made: Json = {"enum": [node["x-valeur"]]} if "x-valeur" in node else {}
    for key, value in node.items():
        if key in _SAID_ELSEWHERE or key.startswith("x-"):
            continue
        if key == "properties":
            made[key] = {name: _translate(item, closed=closed) for name, item in value.items()}
        elif key in ("enum", "required", "default"):
            made[key] = value
        else:
            made[key] = _translate(value, closed=closed)
    if node.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    if closed and made.get("type") == "object" and "properties" in made:
        made["additionalProperties"] = False
    return made


@lru_cache(maxsize=512)
def _compile(schema: str) -> Validator:
    """Operations share most of their schemas, those of errors above all: compiled apart, they took
    10 MiB more."""
    return jsonschema_rs.Draft4Validator(json.loads(schema)).is_valid


def compile_schema(contract: Contract, schema: Json, *, closed: bool = False) -> Validator:
    """A compiled check: true when the value fits. Text that is no Unicode never fits.

    Most schemas are asked for by several operations, and by the check of the examples before them.
    """
    key = (id(schema), closed)
    if key not in contract.compiled:
        # With the schema, whose place nothing else can take as long as it is kept.
        contract.compiled[key] = schema, _compile_whole(contract, schema, closed=closed)
    return contract.compiled[key][1]


def _compile_whole(contract: Contract, schema: Json, *, closed: bool) -> Validator:
    is_valid = _compile(json.dumps(json_schema(contract, schema, closed=closed)))

    def check(value: Any) -> bool:
        try:
            return is_valid(value)
        except (UnicodeEncodeError, ValueError):
            return False

    return check


class AnswerCheck:
    """The answers of one operation, closed: only declared statuses and declared fields leave."""

    def __init__(self, contract: Contract, operation: OperationContract) -> None:
        self._by_status = {
            status: compile_schema(contract, response["content"][JSON_TYPE]["schema"], closed=True)
            for status, response in operation.responses.items()
        }
        self.line = _line_check(contract, operation)
        """The check of one item of a success, for answers that are streamed line by line."""

    def fits(self, status: int, body: dict[str, Any]) -> bool:
        """Whether this status is declared and this body fits it."""
        check = self._by_status.get(status)
        return check is not None and check(body)


def _line_check(contract: Contract, operation: OperationContract) -> Validator:
    if set(operation.media_types) <= {JSON_TYPE}:
        return lambda _line: False  # it has no lines
    success = contract.resolve(operation.responses[200]["content"][JSON_TYPE]["schema"])
    data = success.get("properties", {}).get("data", {})
    return compile_schema(contract, data.get("items", {}), closed=True)
