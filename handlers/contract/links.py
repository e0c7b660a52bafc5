"""The `links` of the contract: each must lead to an operation, with values that are really there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from handlers.contract.lines import Place, Problem

Json = dict[str, Any]

_EXPRESSION = re.compile(
    r"\$request\.query\.(?P<query>\w+)"
    r"|\$request\.body#(?P<request>/.+)"
    r"|\$response\.body#(?P<response>/.+)"
)


@dataclass(frozen=True, slots=True)
class Linked:
    """What links need to know of an operation."""

    operation_id: str
    place: Place
    parameters: frozenset[str]
    body: Json | None
    responses: Mapping[int, Json]


def link_problems(operations: list[Linked], resolve: Callable[[Json], Json]) -> Iterator[Problem]:
    """What is wrong with the links of the operations, each with its place."""
    targets = {operation.operation_id: operation for operation in operations}
    for source in operations:
        for status, response in source.responses.items():
            for name, node in response.get("links", {}).items():
                for problem in _problems(source, response, resolve(node), targets, resolve):
                    yield Problem(
                        source.place,
                        f"response {status}, link {name}: {problem}",
                        inside=("responses", str(status), "links", name),
                    )


def _problems(
    source: Linked,
    response: Json,
    link: Json,
    targets: Mapping[str, Linked],
    resolve: Callable[[Json], Json],
) -> Iterator[str]:
    if not link.get("description"):
        yield "it has no description."
    target = targets.get(link.get("operationId", ""))
    if target is None:
        yield f"operationId {link.get('operationId')!r} is no operation."
        return
    for name in sorted(link.get("parameters", {}).keys() - target.parameters):
        yield f"{target.operation_id} has no parameter {name}."
    body = link.get("x-corps", {})
    fields = resolve(target.body)["properties"] if target.body else {}
    for name in sorted(body.keys() - fields.keys()):
        yield f"the body of {target.operation_id} has no field {name}."
    for expression in _expressions([link.get("parameters", {}), body]):
        if not _is_there(source, response, expression, resolve):
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
    source: Linked, response: Json, expression: str, resolve: Callable[[Json], Json]
) -> bool:
    found = _EXPRESSION.fullmatch(expression)
    if found is None:
        return False
    if found["query"]:
        return found["query"] in source.parameters
    if found["request"]:
        return source.body is not None and _has(source.body, found["request"], resolve)
    return _has(response["content"]["application/json"]["schema"], found["response"], resolve)


def _has(schema: Json, pointer: str, resolve: Callable[[Json], Json]) -> bool:
    """Whether the schema describes what the JSON pointer designates."""
    for part in pointer[1:].split("/"):
        schema = resolve(schema)
        inner = schema.get("items") if part.isdecimal() else schema.get("properties", {}).get(part)
        if inner is None:
            return False
        schema = inner
    return True
