"""The `links` of the contract: each must lead to an operation, with values that are really there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handlers.edge.contract import Contract, Json, OperationContract

_EXPRESSION = re.compile(
    r"\$request\.query\.(?P<query>\w+)"
    r"|\$request\.body#(?P<request>/.+)"
    r"|\$response\.body#(?P<response>/.+)"
)


def link_problems(contract: Contract) -> Iterator[str]:
    """What is wrong with the links of every operation, each with its place."""
    for operation in contract.operations.values():
        for status, response in operation.responses.items():
            for name, node in response.get("links", {}).items():
                for problem in _problems(contract, operation, response, contract.resolve(node)):
                    yield f"{operation.where}: response {status}, link {name}: {problem}"


def _problems(
    contract: Contract, source: OperationContract, response: Json, link: Json
) -> Iterator[str]:
    if not link.get("description"):
        yield "it has no description."
    target = contract.operations.get(link.get("operationId", ""))
    if target is None:
        yield f"operationId {link.get('operationId')!r} is no operation."
        return
    known = {parameter["name"] for parameter in target.parameters}
    for name in sorted(link.get("parameters", {}).keys() - known):
        yield f"{target.operation_id} has no parameter {name}."
    body = link.get("requestBody", {})
    fields = contract.resolve(target.body.schema)["properties"] if target.body else {}
    for name in sorted(body.keys() - fields.keys()):
        yield f"the body of {target.operation_id} has no field {name}."
    for expression in _expressions([link.get("parameters", {}), body]):
        if not _is_there(contract, source, response, expression):
            yield f"{expression} designates nothing that the call sends or receives."


def _expressions(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _expressions(item)
    elif isinstance(node, str) and node.startswith("$"):
        yield node


def _is_there(
    contract: Contract, source: OperationContract, response: Json, expression: str
) -> bool:
    found = _EXPRESSION.fullmatch(expression)
    if found is None:
        return False
    if found["query"]:
        return any(parameter["name"] == found["query"] for parameter in source.parameters)
    if found["request"]:
        return source.body is not None and _has(contract, source.body.schema, found["request"])
    return _has(contract, response["content"]["application/json"]["schema"], found["response"])


def _has(contract: Contract, schema: Json, pointer: str) -> bool:
    """Whether the schema describes what the JSON pointer designates."""
    for part in pointer[1:].split("/"):
        schema = contract.resolve(schema)
        inner = schema.get("items") if part.isdecimal() else schema.get("properties", {}).get(part)
        if inner is None:
            return False
        schema = inner
    return True
