"""What a mutant is, and how a part of the contract becomes one operation's own."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.support.contract_client import Json

JUDGE = "contract"
"""The contract copy that the tests judge by is changed; the server runs the true one."""

SERVER = "server"
"""The server is changed, by its contract or by its code; the tests judge by the true contract."""


@dataclass(frozen=True)
class Mutant:
    """One change. `edit` changes a contract; `patch` changes the code of a running process."""

    side: str
    kind: str
    operation: str
    place: str
    edit: Callable[[Json], None] | None = None
    patch: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        """The name that finds it again."""
        return f"{self.side}: {self.kind}: {self.operation}: {self.place}"


def operation_of(document: Json, operation_id: str) -> Json:
    """The operation of this id."""
    for item in document["paths"].values():
        for operation in item.values():
            if operation["operationId"] == operation_id:
                found: Json = operation
                return found
    raise KeyError(operation_id)


def count_references(node: Any, reference: str) -> int:
    """How many times a part of the document is referred to."""
    if isinstance(node, dict):
        own = int(node.get("$ref") == reference)
        return own + sum(count_references(value, reference) for value in node.values())
    if isinstance(node, list):
        return sum(count_references(value, reference) for value in node)
    return 0


def own(document: Json, holder: Any, key: Any) -> Json:
    """The object at `holder[key]`, to be changed without changing it for others.

    A shared component becomes a component of its own, named like the contract's others: the style of the
    contract must not be what kills the mutant.
    """
    node: Json = holder[key]
    if "$ref" not in node:
        return node
    _, _, kind, name = node["$ref"].split("/")
    named: Json = document["components"][kind]
    if count_references(document, node["$ref"]) > 1:
        made = f"{name}Mutant"
        while made in named:
            made += "X"
        named[made] = copy.deepcopy(named[name])
        holder[key] = {"$ref": f"#/components/{kind}/{made}"}
        name = made
    found: Json = named[name]
    return found


def own_parameter(document: Json, operation_id: str, name: str) -> Json:
    """A parameter of one operation."""
    parameters = operation_of(document, operation_id)["parameters"]
    for number, node in enumerate(parameters):
        target = node
        if "$ref" in node:
            target = document["components"]["parameters"][node["$ref"].rpartition("/")[2]]
        if target["name"] == name:
            return own(document, parameters, number)
    raise KeyError(name)


def own_response(document: Json, operation_id: str, status: str) -> Json:
    """A response of one operation."""
    return own(document, operation_of(document, operation_id)["responses"], status)


def own_answer(document: Json, operation_id: str, path: tuple[str, ...]) -> Json:
    """The schema at a path of properties in the success of one operation; `[]` is the item of a list."""
    media_type = own_response(document, operation_id, "200")["content"]["application/json"]
    return _own_at(document, media_type, path)


def own_body(document: Json, operation_id: str, path: tuple[str, ...]) -> Json:
    """The schema at a path of properties in the request body of one operation."""
    body = own(document, operation_of(document, operation_id), "requestBody")
    (media_type,) = body["content"].values()
    return _own_at(document, media_type, path)


def _own_at(document: Json, media_type: Json, path: tuple[str, ...]) -> Json:
    node = own(document, media_type, "schema")
    for part in path:
        node = (
            own(document, node, "items")
            if part == "[]"
            else own(document, node["properties"], part)
        )
    return node
