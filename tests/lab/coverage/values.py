"""The ways in which a value breaks its schema: which there are, which one a value shows, a value of each."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from typing import Any

Json = dict[str, Any]
Resolve = Callable[[Any], Any]

VALID, ABSENT, REPEATED, UNDECODABLE = "valid", "absent", "repeated", "undecodable"
EMPTY, NULL, WRONG_TYPE, FRACTION = "empty", "null", "wrong type", "fraction"
TOO_SHORT, TOO_LONG, PATTERN, ENUM = "too short", "too long", "pattern broken", "not in enum"
BELOW, ABOVE = "below minimum", "above maximum"
LEAST, GREATEST, MOST = "valid, the minimum", "valid, the maximum", "valid, the most items"
TOO_FEW, TOO_MANY, UNDECLARED = "too few items", "too many items", "undeclared field"

BOOLEANS = {"true": True, "false": False}
"""The texts of a boolean in a query."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_PARSER = import_module("re._parser")  # of the standard library, which has no types for it


@cache
def _pattern(pattern: str) -> re.Pattern[str]:
    # Python's `$` lets a line end through, ECMA 262's does not.
    return re.compile(re.sub(r"\$$", r"\\Z", pattern))


@cache
def parts_of(pattern: str) -> Any:
    """A pattern as Python's own parser reads it: each part with its kind and what that is made of."""
    return _PARSER.parse(pattern)


@cache
def _width(pattern: str) -> tuple[int, float]:
    low, high = parts_of(pattern).getwidth()
    return low, math.inf if high > 100_000 else high


def lengths(schema: Json) -> tuple[int, float]:
    """The least and the greatest length of a text that fits, as limits and pattern say them."""
    low, high = _width(schema["pattern"]) if "pattern" in schema else (0, math.inf)
    return max(low, schema.get("minLength", 0)), min(high, schema.get("maxLength", math.inf))


def ways(schema: Json, *, text: bool) -> list[str]:
    """The ways of being invalid that a schema has; `text` when values travel as text (query, form)."""
    made = [REPEATED, UNDECODABLE] if text else [WRONG_TYPE]
    if not text and not schema.get("nullable"):
        made.append(NULL)
    kind = schema["type"]
    if kind == "string":
        return made + _string_ways(schema)
    if kind == "boolean" and text:
        return [*made, EMPTY, WRONG_TYPE]
    if kind in ("integer", "number"):
        if text:
            made += [EMPTY, WRONG_TYPE]
        if kind == "integer":
            made.append(FRACTION)
        return made + [
            way for key, way in (("minimum", BELOW), ("maximum", ABOVE)) if key in schema
        ]
    if kind == "array":
        limits = (("minItems", TOO_FEW), ("maxItems", TOO_MANY))
        return made + [way for key, way in limits if key in schema]
    if kind == "object" and schema.get("additionalProperties") is False:
        made.append(UNDECLARED)
    return made


def edges(schema: Json) -> Iterator[tuple[str, Any]]:
    """The valid values at which a server that compares otherwise than its contract shows it.

    Each with its name; the value of MOST is the number of items.
    """
    if schema["type"] == "integer":
        limits = (("minimum", LEAST), ("maximum", GREATEST))
        yield from ((way, schema[key]) for key, way in limits if key in schema)
    if schema["type"] == "array" and "maxItems" in schema:
        yield MOST, schema["maxItems"]
    if schema["type"] == "boolean":
        yield from ((f"{VALID}, {json.dumps(value)}", value) for value in (True, False))
    if len(schema.get("enum", ())) > 1:
        yield from ((f"{VALID}, {value}", value) for value in schema["enum"])


def fits(way: str) -> bool:
    """Whether a way is that of a valid value."""
    return way.startswith(VALID)


def ways_of_valid(schema: Json, value: Any) -> list[str]:
    """VALID, and the edges at which a valid value lies."""
    place = len(value) if isinstance(value, list) else value
    return [VALID, *(way for way, edge in edges(schema) if place == edge)]


def _string_ways(schema: Json) -> list[str]:
    low, high = lengths(schema)
    made = [EMPTY] if low or "enum" in schema else []
    if "enum" in schema:
        return [*made, ENUM]
    if low > 1:
        made.append(TOO_SHORT)
    if high < math.inf:
        made.append(TOO_LONG)
    return [*made, PATTERN] if "pattern" in schema else made


def way_of_text(schema: Json, value: str) -> str:
    """VALID, or the way in which a text of a query or a form breaks its schema."""
    if schema["type"] in ("integer", "number"):
        if not value:
            return EMPTY
        if _INTEGER.fullmatch(value):
            # Longer than any limit, and than what Python reads as a number.
            return _number_way(schema, int(value[:40]))
        return FRACTION if re.fullmatch(r"-?[0-9]+\.[0-9]+", value) else WRONG_TYPE
    if schema["type"] == "boolean" and value not in BOOLEANS:
        return WRONG_TYPE if value else EMPTY
    return _string_way(schema, value)


def way_of(schema: Json, value: Any) -> str:
    """VALID, or the way in which a JSON value itself, not what it holds, breaks its schema."""
    if value is None:
        return VALID if schema.get("nullable") else NULL
    kind = schema["type"]
    if not isinstance(value, _PYTHON[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return WRONG_TYPE
    if kind == "integer" and isinstance(value, float):
        return FRACTION
    judge = _JUDGES.get(kind)
    return judge(schema, value) if judge else VALID


def _string_way(schema: Json, value: str) -> str:
    low, high = lengths(schema)
    if not value and (low or "enum" in schema):
        return EMPTY
    if "enum" in schema:
        return VALID if value in schema["enum"] else ENUM
    if len(value) < low:
        return TOO_SHORT
    if len(value) > high:
        return TOO_LONG
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        return PATTERN
    return VALID


def _number_way(schema: Json, value: float) -> str:
    if "minimum" in schema and value < schema["minimum"]:
        return BELOW
    return ABOVE if "maximum" in schema and value > schema["maximum"] else VALID


def _array_way(schema: Json, value: list[Any]) -> str:
    if len(value) < schema.get("minItems", 0):
        return TOO_FEW
    return TOO_MANY if len(value) > schema.get("maxItems", math.inf) else VALID


def _object_way(schema: Json, value: Json) -> str:
    closed = schema.get("additionalProperties") is False
    return UNDECLARED if closed and value.keys() - schema["properties"].keys() else VALID


_PYTHON: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_JUDGES: dict[str, Callable[[Json, Any], str]] = {
    "string": _string_way,
    "integer": _number_way,
    "number": _number_way,
    "array": _array_way,
    "object": _object_way,
}


def sample(schema: Json, way: str, valid: Any) -> Any:
    """A value that breaks the schema in this way, made from a valid one. REPEATED and such have none."""
    low, high = lengths(schema) if schema["type"] == "string" else (0, math.inf)
    simple: dict[str, Callable[[], Any]] = {
        EMPTY: lambda: "",
        NULL: lambda: None,
        WRONG_TYPE: lambda: 12 if schema["type"] == "string" else "text",
        FRACTION: lambda: 1.5,
        TOO_SHORT: lambda: valid[: low - 1],
        TOO_LONG: lambda: valid.ljust(int(high) + 1, valid[-1]),
        ENUM: lambda: "SURPLUS",
        BELOW: lambda: schema["minimum"] - 1,
        ABOVE: lambda: schema["maximum"] + 1,
        TOO_FEW: list,
        TOO_MANY: lambda: valid * (schema["maxItems"] + 1),
        UNDECLARED: lambda: {**valid, "surplus": "1"},
        PATTERN: lambda: _off_pattern(schema, valid),
    }
    value = simple[way]()
    shown = way_of(schema, value)
    if shown != way:
        raise ValueError(f"{value!r} shows {shown!r}, not {way!r}, of {schema}")
    return value


def _off_pattern(schema: Json, valid: str) -> str:
    texts = (valid[:-1] + character for character in ("é", "\n", "\x00"))
    return next(text for text in texts if way_of(schema, text) == PATTERN)
