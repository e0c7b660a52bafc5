"""The contract as its rules look at it: its operations, schemas and components, each with its place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from handlers.contract.lines import Place
from handlers.contract.model import METHODS, Json
from handlers.contract.surface import PARTENAIRE, Surface

_SUBSCHEMA_KEYS = (
    "properties",
    "items",
    "additionalProperties",
    "allOf",
    "oneOf",
    "anyOf",
    "not",
)

_DATA = frozenset({"example", "examples", "default"})


def walk(node: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Everything, with its place, in the order of the file."""
    # A generator within a generator for each level would pass each part on through all levels above it.
    waiting = [(place, node)]
    while waiting:
        found = waiting.pop()
        yield found
        place, node = found
        if isinstance(node, dict):
            waiting += [((*place, key), value) for key, value in reversed(node.items())]
        elif isinstance(node, list):
            waiting += [((*place, at), node[at]) for at in reversed(range(len(node)))]


def is_data(place: Place) -> bool:
    """Whether this is inside an example, a catalogue text or another value that is no schema."""
    return any(part in _DATA or str(part).startswith("x-") for part in place)


def is_named_schema(place: Place) -> bool:
    """Whether the place is `components.schemas.<Name>`."""
    return len(place) == 3 and place[:2] == ("components", "schemas")


def holder_of(place: Place) -> tuple[str, str] | None:
    """The header or the parameter of components whose `schema` stands at the place."""
    if len(place) == 4 and place[0] == "components" and place[3] == "schema":
        return (place[1], place[2]) if place[1] in ("headers", "parameters") else None
    return None


@dataclass(frozen=True, slots=True)
class Declared:
    """An operation as it is written."""

    place: Place
    path: str
    method: str
    raw: Json

    @property
    def name(self) -> str:
        """Its operationId."""
        return str(self.raw.get("operationId"))

    @property
    def by_person(self) -> bool:
        """Whether a person calls it."""
        return any("agent" in need for need in self.raw.get("security", []))


class View:
    """A document, with what its rules ask of it worked out once."""

    def __init__(self, document: Json, surface: Surface = PARTENAIRE) -> None:
        self.document = document
        self.surface = surface
        self.components: Json = {
            kind: named
            for kind, named in _mapping(document.get("components")).items()
            if isinstance(named, dict)
        }

    def resolve(self, node: Any) -> Any:
        """The node, or what its `$ref` designates. Raises KeyError."""
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def named(self, kind: str) -> Iterator[tuple[Place, str, Json]]:
        """The components of a kind."""
        for name, node in self.components.get(kind, {}).items():
            if not isinstance(node, dict):
                continue  # told as what is no OpenAPI
            yield ("components", kind, name), name, node

    @cached_property
    def operations(self) -> list[Declared]:
        """Every operation, in the order of the file."""
        return [
            Declared(("paths", path, method), path, method, item[method])
            for path, item in _mapping(self.document.get("paths")).items()
            if isinstance(item, dict)
            for method in item
            if method in METHODS and isinstance(item[method], dict)
        ]

    @cached_property
    def by_id(self) -> dict[str, Declared]:
        """The same, by operationId."""
        return {one.name: one for one in self.operations}

    @cached_property
    def catalogue(self) -> dict[str, Json]:
        """The entries of the catalogue, by code."""
        entries = self.document.get("x-catalogue-erreurs", [])
        return {
            entry["code"]: entry for entry in entries if isinstance(entry, dict) and "code" in entry
        }

    @cached_property
    def everything(self) -> list[tuple[Place, Any]]:
        """Each part of the document with its place: most rules look at all of them."""
        return list(walk(self.document))

    @cached_property
    def schemas(self) -> list[tuple[Place, Json]]:
        """Every schema, named or not."""
        return [
            inner
            for place, node in self.everything
            if isinstance(node, dict) and not is_data(place)
            if is_named_schema(place) or place[-1:] == ("schema",)
            for inner in _under(place, node)
        ]

    @cached_property
    def asked(self) -> set[str]:
        """The names of the schemas that request bodies use."""
        return self.reachable([one.raw.get("requestBody", {}) for one in self.operations])

    @cached_property
    def answered(self) -> set[str]:
        """The names of the schemas that answers use."""
        return self.reachable(
            [one.raw.get("responses", {}) for one in self.operations]
            + [self.components.get("responses", {})]
        )

    @cached_property
    def sent(self) -> set[str]:
        """The names of the schemas of what clients send: bodies and parameters."""
        return self.asked | self.reachable(
            [
                self.components.get("parameters", {}),
                [one.raw.get("parameters", []) for one in self.operations],
            ]
        )

    def reachable(self, root: Any) -> set[str]:
        """The names of the schemas that a part of the contract uses."""
        followed: set[str] = set()
        waiting = [root]
        while waiting:
            for _, node in walk(waiting.pop()):
                if isinstance(node, dict) and "$ref" in node:
                    reference = str(node["$ref"])
                    if reference in followed:
                        continue
                    followed.add(reference)
                    try:
                        waiting.append(self.resolve(node))
                    except (LookupError, TypeError):
                        continue  # told as a reference that leads nowhere
        return {one.rpartition("/")[2] for one in followed if "/schemas/" in one}


def _mapping(node: Any) -> Json:
    return node if isinstance(node, dict) else {}


def _under(place: Place, schema: Any) -> Iterator[tuple[Place, Json]]:
    if not isinstance(schema, dict):
        return  # told as what is no OpenAPI
    yield place, schema
    for key in _SUBSCHEMA_KEYS:
        inner = schema.get(key)
        if key == "properties" and isinstance(inner, dict):
            for name, node in inner.items():
                yield from _under((*place, key, name), node)
        elif isinstance(inner, dict):
            yield from _under((*place, key), inner)
        elif isinstance(inner, list):
            for number, node in enumerate(inner):
                yield from _under((*place, key, number), node)
