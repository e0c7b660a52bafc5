"""Bytes of a request into values: query, form, strict JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

from handlers.contract.model import (
    Json,
)
from handlers.edge.refusals import CorpsIllisible, EdgeRefusal, RequeteMalFormee

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")


_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]")


_DIGITS = re.compile(r"[0-9](?:[^0-9A-Za-z]{0,3}[0-9]){6,}")


MAX_NAME = 40
"""Characters of a name that are shown whole. Secrets and tokens of ours have 43, and somebody may have sent
one in the place of a name."""

START = 8
"""Characters that are shown of a longer one."""


def plain_name(name: str) -> str:
    """A name sent by the caller, made fit to be shown in a text: short, ASCII, no card number, no secret."""
    shown = name if len(name) <= MAX_NAME else f"{name[:START]}..."
    return _DIGITS.sub("…", _NOT_PLAIN.sub("?", shown)) or "?"


def converter(schema: Json) -> Callable[[str], Any]:
    """What makes a parameter's value of its text: None when it is none of that type."""
    if schema.get("type") == "integer":
        return lambda text: int(text) if _INTEGER.fullmatch(text) else None
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get
    return str


Pairs = tuple[dict[str, str], dict[str, None]]


def parse_pairs(raw: bytes) -> Pairs:
    """Decode `a=b&c=d`: the pairs, and the names that are repeated or whose value is not UTF-8, in order.

    Raises EdgeRefusal for a name that is not.
    """
    pairs: dict[str, str] = {}
    faulty: dict[str, None] = {}
    if not raw:
        return pairs, faulty
    if raw.isascii() and b"%" not in raw and b"+" not in raw:
        return _parse_plain(raw.decode("ascii"))
    for part in raw.split(b"&"):
        if not part:
            continue
        raw_name, _, raw_value = part.partition(b"=")
        try:
            name = _decode(raw_name)
        except UnicodeDecodeError:
            raise RequeteMalFormee from None
        try:
            value = _decode(raw_value)
        except UnicodeDecodeError:
            faulty[name] = None
            continue
        if name in pairs:
            faulty[name] = None
        pairs[name] = value
    return pairs, faulty


def _parse_plain(text: str) -> Pairs:
    """As above, of a text in which nothing is encoded."""
    pairs: dict[str, str] = {}
    faulty: dict[str, None] = {}
    for part in text.split("&"):
        if part:
            name, _, value = part.partition("=")
            if name in pairs:
                faulty[name] = None
            pairs[name] = value
    return pairs, faulty


def _decode(raw: bytes) -> str:
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    return raw.decode("utf-8")


class _Refused(ValueError):
    """JSON that Python reads and the contract does not admit."""


def _refuse_constant(name: str) -> NoReturn:
    raise _Refused(name)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _Refused("repeated key")
    return made


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _Refused("number out of range")
    return value


_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite
)


def parse_json(raw: bytes) -> dict[str, Any]:
    """Strict JSON: UTF-8, no repeated key, no NaN, no infinity, bounded depth and digits."""
    try:
        body = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        # ValueError covers bad UTF-8, bad JSON, our refusals and integers of thousands of digits.
        raise CorpsIllisible from None
    if not isinstance(body, dict):
        raise CorpsIllisible
    return body


def parse_form(raw: bytes, *, known: frozenset[str] | None) -> Pairs:
    """An URL-encoded form: its fields, and the names of those that are repeated or not UTF-8.

    A field without a value is as if it were not there, and so is one that is not `known` when those
    are told (RFC 6749, 3.2): repeated or not, nothing is read of it.
    """
    try:
        pairs, faulty = parse_pairs(raw)
    except EdgeRefusal:
        raise CorpsIllisible from None
    fields = {
        name: value for name, value in pairs.items() if value and (known is None or name in known)
    }
    if faulty and known is not None:
        faulty = {name: None for name in faulty if name in known}
    return fields, faulty
