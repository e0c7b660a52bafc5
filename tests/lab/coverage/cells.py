"""What the contract declares, as cells that an exchange can show."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.lab.coverage import values
from tests.support.contract_client import BASE_CORE_PREFIX, CONTRACT, read_contract
from tests.support.exchanges import mask, sanitise

Json = dict[str, Any]

ANSWER, VALUE, HEADER, MEDIA, EXAMPLE = "answer", "value", "header", "media type", "example"
KINDS = {
    ANSWER: "operation × status × code",
    VALUE: "parameters and fields: absent, valid, each way of being invalid",
    HEADER: "response headers",
    MEDIA: "media types of answers",
    EXAMPLE: "examples",
}
UNKNOWN_PATH, OTHER_METHOD = "(unknown path)", "(other method)"
BODY, QUERY = "body", "query"
UNREADABLE, NOT_AN_OBJECT = "unreadable", "not an object"
TOO_LARGE, OTHER_TYPE = "too large", "other media type"
FORM = "application/x-www-form-urlencoded"


def is_base_core(path: str) -> bool:
    """Whether a path is under the prefix of the back office."""
    return path.startswith(f"{BASE_CORE_PREFIX}/")


class Cell(NamedTuple):
    """One thing that the contract declares: of which kind, on which operation, where, what."""

    kind: str
    operation: str
    place: str
    what: str


@dataclass(frozen=True)
class Field:
    """A parameter, a field of a body, or an item of a list in it. `top` is what a refusal names."""

    place: str
    name: str
    schema: Json
    required: bool
    top: str


@dataclass(frozen=True)
class Operation:
    """What one operation declares, its references resolved."""

    name: str
    method: str
    path: str
    parameters: dict[str, Field]
    media_type: str | None
    body: Json
    fields: tuple[Field, ...]
    codes: dict[str, int]
    responses: dict[int, Json]
    examples: dict[Cell, Any] = field(default_factory=dict)


class Contract:
    """A contract, read for what can be observed of it."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self.catalogue = {entry["code"]: entry for entry in document["x-catalogue-erreurs"]}
        self.operations: dict[tuple[str, str], Operation] = {}
        for path, item in document["paths"].items():
            for method, node in item.items():
                made = self._operation(method.upper(), path, node)
                self.operations[made.method, path] = made
        self.paths = {path for _, path in self.operations}
        self.is_base_core = all(is_base_core(path) for path in self.paths)

    @classmethod
    def read(cls, path: Path = CONTRACT) -> Contract:
        """Read a file."""
        return cls(read_contract(path))

    def has(self, path: str) -> bool:
        """Whether the path of a request is this contract's to answer, known to it or not."""
        return is_base_core(path) == self.is_base_core

    def resolve(self, node: Any) -> Any:
        """The node, or what its `$ref` designates."""
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def _operation(self, method: str, path: str, node: Json) -> Operation:
        name = node["operationId"]
        parameters, examples = {}, {}
        for parameter in map(self.resolve, node.get("parameters", [])):
            schema = self.resolve(parameter["schema"])
            called = parameter["name"]
            place = f"{QUERY} {called}"
            required = parameter.get("required", False)
            parameters[called] = Field(place, called, schema, required, called)
            example = parameter.get("example", schema.get("example"))
            if example is not None:
                text = str(example).lower() if isinstance(example, bool) else str(example)
                examples[Cell(EXAMPLE, name, place, "request")] = mask(text)
        media_type, body = None, {}
        if "requestBody" in node:
            ((media_type, content),) = self.resolve(node["requestBody"])["content"].items()
            body = self.resolve(content["schema"])
            for called, example in content["examples"].items():
                value = json.loads(sanitise(json.dumps(self.resolve(example)["value"])))
                examples[Cell(EXAMPLE, name, BODY, called)] = value
        responses = {int(s): self.resolve(r) for s, r in node["responses"].items()}
        for status, response in responses.items():
            for content in response["content"].values():
                for called, example in content["examples"].items():
                    value = self.resolve(example)["value"]
                    examples[Cell(EXAMPLE, name, str(status), called)] = value
        return Operation(
            name,
            method,
            path,
            parameters,
            media_type,
            body,
            tuple(self.fields(body)) if body else (),
            {code: self.catalogue[code]["statut"] for code in node["x-codes-erreur"]},
            responses,
            examples,
        )

    def fields(self, schema: Json, prefix: str = "", top: str = "") -> Iterator[Field]:
        """The fields of an object, and those of the objects and of the items of the lists in it."""
        for name, node in schema["properties"].items():
            resolved, path = self.resolve(node), f"{prefix}{name}"
            # A refusal names a field of an object with its path, and one of a list by the list.
            named = top or path
            required = name in schema.get("required", [])
            yield Field(f"{BODY} {path}", name, resolved, required, named)
            if resolved["type"] == "object" and "properties" in resolved:
                yield from self.fields(resolved, f"{path}.", top)
            if resolved["type"] == "array":
                item = self.resolve(resolved["items"])
                yield Field(f"{BODY} {path}[]", "", item, False, named)
                if item["type"] == "object":
                    yield from self.fields(item, f"{path}[].", named)

    def cells(self) -> list[Cell]:
        """Everything that can be observed, operation by operation."""
        made = [cell for operation in self.operations.values() for cell in _cells(operation)]
        shared = self.document["components"]["responses"]
        for name, key, status in (
            (UNKNOWN_PATH, "RessourceInconnue", 404),
            (OTHER_METHOD, "MethodeInterdite", 405),
        ):
            if key in shared:
                made += [Cell(ANSWER, name, str(status), c) for c in shared[key]["x-codes-erreur"]]
                made += _answer_cells(name, status, shared[key])
        return made


def _cells(operation: Operation) -> Iterator[Cell]:
    name = operation.name
    yield Cell(ANSWER, name, "200", "200")
    for code, status in operation.codes.items():
        yield Cell(ANSWER, name, str(status), code)
    for status, response in operation.responses.items():
        if status != 200 and status not in operation.codes.values():
            # A status that no code travels under cannot be observed: it shows as missing.
            yield Cell(ANSWER, name, str(status), "no code")
        yield from _answer_cells(name, status, response)
    yield Cell(VALUE, name, QUERY, values.UNDECLARED)
    for parameter in operation.parameters.values():
        yield from _field_cells(name, parameter, text=True)
    if operation.media_type is not None:
        yield from _body_cells(operation)
    yield from operation.examples


def _answer_cells(name: str, status: int, response: Json) -> Iterator[Cell]:
    for header in response.get("headers", {}):
        yield Cell(HEADER, name, str(status), header)
    for media_type in response["content"]:
        yield Cell(MEDIA, name, str(status), media_type)


def _field_cells(operation: str, field: Field, *, text: bool) -> Iterator[Cell]:
    # An item of a list is there or not as its list says.
    presence = [values.ABSENT, values.VALID] if field.name else []
    edges = [way for way, _ in values.edges(field.schema)]
    for way in [*presence, *edges, *values.ways(field.schema, text=text)]:
        yield Cell(VALUE, operation, field.place, way)


def _body_cells(operation: Operation) -> Iterator[Cell]:
    text = operation.media_type == FORM
    bad = [] if text else [values.ABSENT, NOT_AN_OBJECT]
    if operation.body.get("additionalProperties") is False:
        bad.append(values.UNDECLARED)
    for way in [*bad, UNREADABLE, TOO_LARGE, OTHER_TYPE]:
        yield Cell(VALUE, operation.name, BODY, way)
    for each in operation.fields:
        yield from _field_cells(operation.name, each, text=text)
