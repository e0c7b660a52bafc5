"""Which parts of a contract clients send, and which they receive."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from handlers.contract.model import METHODS, Json
from handlers.workbench.diff.change import BOTH, RECEIVED, SENT


def split(pointer: str) -> list[str]:
    """The tokens of a JSON pointer such as `#/paths/~1a/get`."""
    parts = pointer.removeprefix("#").strip("/").split("/")
    return [part.replace("~1", "/").replace("~0", "~") for part in parts if part]


def dotted(tokens: list[str]) -> str:
    """A place in the YAML, as the tests and the start-up messages name it."""
    return ".".join(tokens)


class Usage:
    """Of two versions of a contract: what uses each named schema, in either of them."""

    def __init__(self, before: Json, after: Json) -> None:
        self._before, self._after = before, after
        self._schemas: dict[str, set[str]] = {}
        for document in (before, after):
            for direction, root in _roots(document):
                for name in _reached(document, root):
                    self._schemas.setdefault(name, set()).add(direction)

    def direction(self, path: str) -> str:
        """What a place outside the schemas is for: `sent`, `received` or `both`."""
        tokens = split(path)
        if "responses" in tokens or "headers" in tokens:
            return RECEIVED
        if {"parameters", "requestBody", "requestBodies", "securitySchemes"} & set(tokens):
            return SENT
        return BOTH

    def directions(self, found: Json) -> list[str]:
        """What a schema that changed is for, `sent` before `received`; both when nothing uses it."""
        owner = self._owner(found)
        if owner is not None:
            return sorted(self._schemas.get(owner, {SENT, RECEIVED}), reverse=True)
        direction = self.direction(found["path"])
        return [SENT, RECEIVED] if direction == BOTH else [direction]

    def _owner(self, found: Json) -> str | None:
        """The named schema that says what changed, None when it is said in place."""
        names = {
            _component(found[side]["pointer"]) for side in ("base", "revision") if side in found
        }
        if len(names) == 1:
            return names.pop()
        # A reference points elsewhere now: what changed is the schema that has it.
        return self._last_component(split(found["path"]))

    def _last_component(self, tokens: list[str]) -> str | None:
        node: Any = self._before
        owner: str | None = None
        for token in tokens:
            while isinstance(node, dict) and "$ref" in node:
                owner = _component(node["$ref"])
                node = resolve(self._before, node["$ref"])
            if isinstance(node, list):
                node = node[int(token)] if int(token) < len(node) else None
            else:
                node = (node or {}).get(token)
        return owner


def _component(pointer: str) -> str | None:
    tokens = split(pointer)
    return tokens[2] if tokens[:2] == ["components", "schemas"] and len(tokens) > 2 else None


def resolve(document: Json, reference: str) -> Any:
    """What a reference such as `#/components/schemas/Refus` names, None when there is none such."""
    node: Any = document
    for token in split(reference):
        node = node.get(token) if isinstance(node, dict) else None
    return node


def follow(document: Json, tokens: list[str]) -> Any:
    """What stands at the end of a way that leads through references, None when there is no such way.

    Nor through lists: what stood there at the same number may be another thing.
    """
    node: Any = document
    for token in tokens:
        node = node.get(token) if isinstance(node, dict) else None
        while isinstance(node, dict) and "$ref" in node:
            node = resolve(document, node["$ref"])
    return node


def _roots(document: Json) -> Iterator[tuple[str, Any]]:
    for item in document.get("paths", {}).values():
        yield SENT, item.get("parameters", [])
        for method in METHODS:
            operation = item.get(method, {})
            yield SENT, [operation.get("parameters", []), operation.get("requestBody", {})]
            yield RECEIVED, operation.get("responses", {})


def _reached(document: Json, root: Any) -> set[str]:
    """The named schemas that a part of the contract uses."""
    names: set[str] = set()
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            reference = node.get("$ref")
            if isinstance(reference, str):
                if reference not in seen:
                    seen.add(reference)
                    name = _component(reference)
                    names |= {name} if name else set()
                    waiting.append(resolve(document, reference))
                continue
            waiting.extend(
                value for key, value in node.items() if key not in ("example", "examples", "links")
            )
    return names
