"""Every `$ref` of the contract: it leads to a component of the kind that is needed there."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Iterator
from typing import Any

from handlers.contract.lines import Place, Problem
from handlers.contract.model import Json
from handlers.contract.view import walk

_KINDS = {
    "parameters": "parameters",
    "responses": "responses",
    "headers": "headers",
    "links": "links",
    "examples": "examples",
    "callbacks": "callbacks",
    "properties": "schemas",
    "allOf": "schemas",
    "oneOf": "schemas",
    "anyOf": "schemas",
}
"""What stands in a list or under the names of such a key."""

_KIND_OF_KEY = {
    "requestBody": "requestBodies",
    "schema": "schemas",
    "items": "schemas",
    "not": "schemas",
    "additionalProperties": "schemas",
}

_SEVERED = "#/severed"


def reference_problems(document: Json) -> Iterator[Problem]:
    """What is wrong with each `$ref`: who refers to what, and what to write."""
    for place, node in walk(document):
        if isinstance(node, dict) and "$ref" in node:
            yield from _problems(document, place, node)


def severed(document: Json, problems: list[Problem]) -> Json:
    """A copy in which the references of these problems lead nowhere, for whoever would follow them."""
    made = copy.deepcopy(document)
    for problem in problems:
        node: Any = made
        for part in problem.place:
            node = node[part]
        node["$ref"] = _SEVERED + str(node["$ref"]).removeprefix("#")
    return made


def _problems(document: Json, place: Place, node: Json) -> Iterator[Problem]:
    pointer, kind = node["$ref"], _needed(place)
    form = f"write #/components/{kind or '<kind>'}/<Name>"
    beside = ", ".join(str(key) for key in node if key != "$ref")
    if beside:
        yield _wrong(
            place, f"has {beside} beside its $ref, which OpenAPI 3.0 ignores; remove one of them."
        )
    if not isinstance(pointer, str):
        yield _wrong(place, f"refers to {pointer!r}, which is no text; {form}.")
        return
    found = pointer.removeprefix("#/components/").split("/")
    if not pointer.startswith("#/components/") or len(found) != 2 or not all(found):
        yield _wrong(place, f"refers to {pointer}, which is no place of a component; {form}.")
        return
    components = document.get("components", {})
    if found[1] not in (components.get(found[0]) or {}):
        kind = kind or found[0]
        near = difflib.get_close_matches(found[1], list(components.get(kind) or {}), 1)
        hint = f"; did you mean #/components/{kind}/{near[0]}?" if near else f"; {form}."
        yield _wrong(place, f"refers to {pointer}, which does not exist{hint}")
    elif kind is not None and kind != found[0]:
        yield _wrong(place, f"refers to {pointer}, which is none of {kind}; {form}.")
    else:
        yield from _circle(document, place, pointer)


def _needed(place: Place) -> str | None:
    """The kind of component that may stand at the place."""
    if len(place) == 3 and place[0] == "components":
        return str(place[1])
    if place and place[-1] in _KIND_OF_KEY and place[-2:-1] != ("properties",):
        return _KIND_OF_KEY[place[-1]]
    return _KINDS.get(place[-2]) if len(place) > 1 else None


def _circle(document: Json, place: Place, pointer: str) -> Iterator[Problem]:
    """A chain of references that comes back to where it began."""
    begin = "#/" + "/".join(map(str, place))
    seen = [begin]
    while pointer not in seen:
        seen.append(pointer)
        node: Any = document
        for part in pointer.removeprefix("#/").split("/"):
            node = node.get(part, {}) if isinstance(node, dict) else {}
        if not isinstance(node, dict) or not isinstance(node.get("$ref"), str):
            return
        pointer = node["$ref"]
    if pointer == begin:
        chain = " → ".join(one.rpartition("/")[2] for one in [*seen, begin])
        yield _wrong(place, f"refers to itself, by {chain}; write one of them out.")


def _wrong(place: Place, text: str) -> Problem:
    return Problem(place, text, " ", inside=("$ref",))
