"""The OpenAPI 3.1 edition of a contract, derived from its document: the same contract in the words of JSON
Schema 2020-12, for the tools that read no other.

Nobody writes it. What the two versions of OpenAPI say differently is said once, in the tables below;
all else is the document's own.

One thing it cannot say: 5000.0 was no integer of the JSON Schema that 3.0 is made of, and is one of
2020-12. The server keeps to 3.0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from handlers.contract.model import METHODS, Json

VERSION = "3.1.0"
DIALECT = "https://spec.openapis.org/oas/3.1/dialect/base"

_ONE, _LIST, _NAMED = "one", "list", "named"

_WHERE: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "document": {
        "paths": (_NAMED, "path"),
        "webhooks": (_NAMED, "path"),
        "components": (_ONE, "components"),
    },
    "components": {
        "schemas": (_NAMED, "schema"),
        "responses": (_NAMED, "response"),
        "parameters": (_NAMED, "parameter"),
        "requestBodies": (_NAMED, "body"),
        "headers": (_NAMED, "parameter"),
        "callbacks": (_NAMED, "callback"),
    },
    "path": {
        "parameters": (_LIST, "parameter"),
        **dict.fromkeys((*METHODS, "options", "head", "trace"), (_ONE, "operation")),
    },
    "operation": {
        "parameters": (_LIST, "parameter"),
        "requestBody": (_ONE, "body"),
        "responses": (_NAMED, "response"),
        "callbacks": (_NAMED, "callback"),
    },
    "body": {"content": (_NAMED, "media")},
    "response": {"headers": (_NAMED, "parameter"), "content": (_NAMED, "media")},
    "parameter": {"schema": (_ONE, "schema"), "content": (_NAMED, "media")},
    "media": {"schema": (_ONE, "schema"), "encoding": (_NAMED, "encoding")},
    "encoding": {"headers": (_NAMED, "parameter")},
}
"""Where schemas are found: of each kind of object, the fields that lead to one, and what is there. An
example may hold a field `schema` too, and is none."""


def edition_31(document: Json) -> Json:
    """The document of the 3.1 edition. The given one, which is OpenAPI 3.0, stays as it is.

    `x-webhooks`, by which 3.0 tells of calls that go the other way, becomes `webhooks`.
    """
    made: Json = {"openapi": VERSION}
    for key, value in document.items():
        if key == "info":
            made |= {"info": _info(value), "jsonSchemaDialect": DIALECT}
        elif key == "x-webhooks":
            made["webhooks"] = value
        elif key != "openapi":
            made[key] = value
    derived: Json = _convert("document", made)
    return derived


def edition_31_json(document: Json) -> bytes:
    """The same as it is served: the same bytes of the same document."""
    return orjson.dumps(edition_31(document))


def _convert(kind: str, node: Any) -> Any:
    if kind == "schema":
        return _schema(node)
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        # What stands beside a reference means nothing in 3.0, and would in 3.1.
        return {"$ref": node["$ref"]}
    if kind == "callback":
        return _each(_NAMED, "path", node)
    fields = _WHERE[kind]
    return {
        key: _each(*fields[key], value) if key in fields else value for key, value in node.items()
    }


def _each(how: str, kind: str, node: Any) -> Any:
    if how == _LIST:
        return [_convert(kind, item) for item in node]
    if how == _NAMED:
        return {
            # The names of paths and answers may be extensions, which are no object of OpenAPI.
            name: value if name.startswith("x-") else _convert(kind, value)
            for name, value in node.items()
        }
    return _convert(kind, node)


# ── info ──────────────────────────────────────────────────────────────────────────────────────────

_SENTENCE = re.compile(r"\s*([^#\s].{0,198}?[.!?])(?=\s|$)", re.DOTALL)
_SPDX = re.compile(r"[A-Za-z0-9.+-]+")


def _info(info: Json) -> Json:
    """`summary` is the first sentence of the description, and `license.identifier` a licence's name that
    is one of SPDX: it excludes `url`."""
    made = dict(info)
    sentence = _SENTENCE.match(info.get("description", ""))
    if "summary" not in made and sentence:
        made["summary"] = " ".join(sentence[1].split())
    licence = info.get("license", {})
    if licence and "url" not in licence and _SPDX.fullmatch(licence["name"]):
        made["license"] = {"identifier": licence["name"], **licence}
    return made


# ── schemas ───────────────────────────────────────────────────────────────────────────────────────

_EXCLUSIVE = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}
_INCLUSIVE = {bound: flag for flag, bound in _EXCLUSIVE.items()}
_FORMATS = {
    "byte": {"contentEncoding": "base64"},
    "binary": {"contentMediaType": "application/octet-stream"},
}


def _schema(node: Any) -> Any:
    if not isinstance(node, dict):
        return node  # `additionalProperties: false`
    if "$ref" in node:
        made: Json = {"$ref": node["$ref"]}
    else:
        made = {}
        for key, value in node.items():
            say = _SAID.get(key)
            made |= {key: value} if say is None else say(key, value, node)
    return _or_null(made) if node.get("nullable") is True else made


def _or_null(made: Json) -> Json:
    """The schema that admits null too: by its type, and its values where they are listed."""
    if "type" not in made:
        return {"anyOf": [made, {"type": "null"}]}
    wider = {**made, "type": [made["type"], "null"]}
    if "enum" in made and None not in made["enum"]:
        wider["enum"] = [*made["enum"], None]
    return wider


def _say_bound(key: str, value: Any, node: Json) -> Json:
    """`minimum`, unless it is excluded: then `exclusiveMinimum` says it."""
    return {} if node.get(_INCLUSIVE[key]) is True else {key: value}


def _say_exclusive(key: str, value: Any, node: Json) -> Json:
    bound = _EXCLUSIVE[key]
    return {key: node[bound]} if value is True and bound in node else {}


_Say = Callable[[str, Any, Json], Json]

_SAID: dict[str, _Say] = {
    "nullable": lambda _key, _value, _node: {},
    "example": lambda _key, value, _node: {"examples": [value]},
    "format": lambda key, value, _node: _FORMATS.get(value, {key: value}),
    "x-valeur": lambda _key, value, _node: {"const": value},
    **dict.fromkeys(_INCLUSIVE, _say_bound),
    **dict.fromkeys(_EXCLUSIVE, _say_exclusive),
    **dict.fromkeys(
        ("items", "additionalProperties", "not"),
        lambda key, value, _node: {key: _schema(value)},
    ),
    **dict.fromkeys(
        ("allOf", "anyOf", "oneOf"),
        lambda key, value, _node: {key: [_schema(item) for item in value]},
    ),
    "properties": lambda key, value, _node: {
        key: {name: _schema(item) for name, item in value.items()}
    },
}
"""The keywords of 3.0 that 3.1 says otherwise, or that hold schemas."""
