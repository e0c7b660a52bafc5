"""A document as YAML: the same bytes for the same content, whatever release of a library is installed.

What is made of two files is hashed and published, so no library may lay its lines out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")

# YAML 1.1 reads them as something else than text.
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})

# JSON writes them as they are; YAML would end a line at some, and refuses others.
_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")

_CONTROL = re.compile("[\x00-\x09\x0b-\x1f]")


def as_yaml(document: dict[str, Any]) -> str:
    """The document, two spaces a level, in the order of its keys. Raises ValueError for what is no JSON."""
    return "\n".join(_mapping(document, "")) + "\n"


def _mapping(node: dict[Any, Any], pad: str) -> Iterator[str]:
    for key, value in node.items():
        yield from _value(f"{pad}{_key(key)}:", value, pad)


def _value(head: str, value: Any, pad: str) -> Iterator[str]:
    """The lines of a value behind `head`, which ends in a colon."""
    if isinstance(value, dict) and value and not _is_reference(value):
        yield head
        yield from _mapping(value, pad + "  ")
    elif isinstance(value, list) and any(isinstance(item, dict | list) for item in value):
        yield head
        yield from _sequence(value, pad + "  ")
    elif isinstance(value, str) and _is_block(value):
        yield f"{head} {'|' if value.endswith(chr(10)) else '|-'}"
        for line in value.removesuffix("\n").split("\n"):
            yield f"{pad}  {line}" if line else ""
    else:
        yield f"{head} {_flow(value)}"


def _sequence(node: list[Any], pad: str) -> Iterator[str]:
    for item in node:
        if isinstance(item, dict) and item and not _is_reference(item):
            first, *rest = _mapping(item, pad + "  ")
            yield f"{pad}- {first[len(pad) + 2 :]}"
            yield from rest
        elif isinstance(item, list) and any(isinstance(one, dict | list) for one in item):
            yield f"{pad}-"
            yield from _sequence(item, pad + "  ")
        else:
            yield f"{pad}- {_flow(item)}"


def _is_reference(node: dict[Any, Any]) -> bool:
    return list(node) == ["$ref"] and isinstance(node["$ref"], str)


def _is_block(text: str) -> bool:
    """Whether it reads the same as lines of its own."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and bool(lines[0] and lines[-1])
        and not lines[0].startswith(" ")
        and not any(line.endswith(" ") for line in lines)
        and not _CONTROL.search(text)
        and not _UNSEEN.search(text)
    )


def _key(key: Any) -> str:
    if isinstance(key, str) and _PLAIN_KEY.fullmatch(key) and key.lower() not in _WORDS:
        return key
    return _flow(key)


def _flow(value: Any) -> str:
    """A value without lines of its own."""
    if isinstance(value, dict) and _is_reference(value):
        return f"{{$ref: {_flow(value['$ref'])}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    if isinstance(value, float):
        text = json.dumps(value, allow_nan=False)
        # YAML 1.1 takes a power for a number behind a point only.
        return text.replace("e", ".0e") if "e" in text and "." not in text else text
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if value is None or isinstance(value, bool | int) or value == {}:
        return json.dumps(value)
    raise ValueError(f"{value!r} is no value of JSON; write it between quotes")
