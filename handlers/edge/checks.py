"""Checks of requests and answers against the contract, compiled once at start.

Connexion as it comes builds a validator and deep-copies its schema on every request
(validators/parameter.py, validators/json.py); here each schema is compiled once by jsonschema-rs.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Any, NoReturn
from urllib.parse import unquote_to_bytes

import jsonschema_rs

from handlers.contract.reading import (
    Body,
    Contract,
    Json,
    OperationContract,
    snake_case,
)
from handlers.edge.errors import EdgeRefusal
from models.errors import ParametreInvalide

Validator = Callable[[Any], bool]

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9_.-]")
_DIGITS = re.compile(r"[0-9](?:[^0-9A-Za-z]{0,3}[0-9]){6,}")


def plain_name(name: str) -> str:
    """A name sent by the caller, made fit to be shown in a text: short, ASCII, no card number."""
    return _DIGITS.sub("…", _NOT_PLAIN.sub("?", name[:64])) or "?"


def json_schema(contract: Contract, schema: Json, *, closed: bool) -> Json:
    """An OpenAPI 3.0 schema as JSON Schema draft 4, `$ref`s kept, `nullable` said in its words.

    `closed` forbids undeclared fields everywhere: what we send holds declared fields only, although
    the contract lets answers grow for the clients' sake.
    """
    components = contract.document.get("components", {}).get("schemas", {})
    # A compiled schema keeps all that it is given: with every component, they were 70 MiB.
    needed: dict[str, Json] = {}
    waiting = [schema]
    while waiting:
        for name in _references(waiting.pop()) - needed.keys():
            needed[name] = components[name]
            waiting.append(components[name])
    return {
        "allOf": [_translate(schema, closed=closed)],
        "components": {
            "schemas": {name: _translate(node, closed=closed) for name, node in needed.items()}
        },
    }


def _references(node: Any) -> set[str]:
    """The names of the schemas that the node refers to itself."""
    if isinstance(node, list):
        return set().union(*map(_references, node))
    if not isinstance(node, dict):
        return set()
    if "$ref" in node:
        return {node["$ref"].rpartition("/")[2]}
    return set().union(*(_references(value) for key, value in node.items() if key != "example"))


_SAID_ELSEWHERE = frozenset(
    {
        "example",
        "description",
        "nullable",
        "format",
        "discriminator",
        "xml",
        "externalDocs",
        "deprecated",
    }
)


def _translate(node: Any, *, closed: bool) -> Any:
    if isinstance(node, list):
        return [_translate(item, closed=closed) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return {"$ref": node["$ref"]}
    made: Json = {}
    for key, value in node.items():
        if key in _SAID_ELSEWHERE or key.startswith("x-"):
            continue
        if key == "properties":
            made[key] = {name: _translate(item, closed=closed) for name, item in value.items()}
        elif key in ("enum", "required", "default"):
            made[key] = value
        else:
            made[key] = _translate(value, closed=closed)
    if node.get("nullable") and "type" in made:
        made["type"] = [made["type"], "null"]
    if closed and made.get("type") == "object" and "properties" in made:
        made["additionalProperties"] = False
    return made


@lru_cache(maxsize=512)
def _compile(schema: str) -> Validator:
    """Operations share most of their schemas, those of errors above all: compiled apart, they took
    10 MiB more."""
    return jsonschema_rs.Draft4Validator(json.loads(schema)).is_valid


def compile_schema(contract: Contract, schema: Json, *, closed: bool = False) -> Validator:
    """A compiled check: true when the value fits. Text that is no Unicode never fits."""
    is_valid = _compile(json.dumps(json_schema(contract, schema, closed=closed)))

    def check(value: Any) -> bool:
        try:
            return is_valid(value)
        except (UnicodeEncodeError, ValueError):
            return False

    return check


class ParameterCheck:
    """The query and path parameters of one operation: bytes in, handler arguments out."""

    def __init__(self, contract: Contract, operation: OperationContract) -> None:
        self._fields = [
            (
                parameter["name"],
                snake_case(parameter["name"]),
                parameter["in"] == "path",
                bool(parameter.get("required")),
                _converter(contract.resolve(parameter["schema"])),
                compile_schema(contract, parameter["schema"]),
                contract.resolve(parameter["schema"]).get("default"),
            )
            for parameter in operation.parameters
        ]
        self._query_names = frozenset(name for name, _, in_path, *_ in self._fields if not in_path)
        schema: Json = {
            "type": "object",
            "properties": {p["name"]: p["schema"] for p in operation.parameters},
        }
        self._all_fit = compile_schema(contract, schema)

    def __call__(self, query: bytes, path: Mapping[str, str]) -> dict[str, Any]:
        """The handler's keyword arguments. Raises ParametreInvalide, or EdgeRefusal for bad encoding."""
        given, faulty = _parse_pairs(query)
        given.update(path)
        values: dict[str, Any] = {}
        arguments: dict[str, Any] = {}
        for name, argument, _, required, convert, _, default in self._fields:
            if name in faulty:
                raise ParametreInvalide(name)
            text = given.get(name)
            if text is None:
                if required:
                    raise ParametreInvalide(name)
                arguments[argument] = default
                continue
            value = convert(text)
            if value is None:
                raise ParametreInvalide(name)
            values[name] = arguments[argument] = value
        if not self._all_fit(values):
            self._refuse(values)
        if len(given) != len(values) or faulty:
            unknown = next(name for name in (*given, *faulty) if name not in values)
            raise ParametreInvalide(plain_name(unknown))
        return arguments

    def _refuse(self, values: dict[str, Any]) -> NoReturn:
        for name, _, _, _, _, fits, _ in self._fields:
            if name in values and not fits(values[name]):
                raise ParametreInvalide(name)
        raise AssertionError("a set of parameters is unfit although each one fits")


def _converter(schema: Json) -> Callable[[str], Any]:
    if schema.get("type") == "integer":
        return lambda text: int(text) if _INTEGER.fullmatch(text) else None
    if schema.get("type") == "boolean":
        return {"true": True, "false": False}.get
    return lambda text: text


def _parse_pairs(raw: bytes) -> tuple[dict[str, str], set[str]]:
    """Decode `a=b&c=d`: the pairs, and the names that are repeated or whose value is not UTF-8."""
    pairs: dict[str, str] = {}
    faulty: set[str] = set()
    if not raw:
        return pairs, faulty
    for part in raw.split(b"&"):
        if not part:
            continue
        raw_name, _, raw_value = part.partition(b"=")
        try:
            name = _decode(raw_name)
        except UnicodeDecodeError:
            raise EdgeRefusal("1002") from None
        try:
            value = _decode(raw_value)
        except UnicodeDecodeError:
            faulty.add(name)
            continue
        if name in pairs:
            faulty.add(name)
        pairs[name] = value
    return pairs, faulty


def _decode(raw: bytes) -> str:
    if b"+" in raw:
        raw = raw.replace(b"+", b" ")
    if b"%" in raw:
        raw = unquote_to_bytes(raw)
    return raw.decode("utf-8")


class BodyCheck:
    """The body of one operation: bytes in, a dictionary that fits the contract out."""

    def __init__(self, contract: Contract, body: Body) -> None:
        schema = contract.resolve(body.schema)
        self.media_type = body.media_type.encode("ascii")
        self._fits = compile_schema(contract, body.schema)
        self._fields = {
            name: compile_schema(contract, node) for name, node in schema["properties"].items()
        }
        ignores_others = schema.get("additionalProperties") is not False
        self._parse = _parse_json
        if body.media_type != "application/json":
            known = frozenset(self._fields) if ignores_others else None
            self._parse = partial(_parse_form, known=known)
        self._required = frozenset(schema.get("required", []))
        self._codes = {
            name: node["x-code-erreur"]
            for name, node in schema["properties"].items()
            if "x-code-erreur" in node
        }

    def __call__(self, raw: bytes) -> dict[str, Any]:
        """The parsed body. Raises ParametreInvalide naming the field, or EdgeRefusal."""
        body = self._parse(raw)
        if not self._fits(body):
            self._refuse(body)
        return body

    def _refuse(self, body: dict[str, Any]) -> NoReturn:
        for name, fits in self._fields.items():
            if name not in body:
                if name in self._required:
                    raise ParametreInvalide(name)
            elif not fits(body[name]):
                if name in self._codes:
                    raise EdgeRefusal(self._codes[name], parametre=name)
                raise ParametreInvalide(name)
        unknown = next((name for name in body if name not in self._fields), None)
        if unknown is not None:
            raise ParametreInvalide(plain_name(unknown))
        raise AssertionError("a body is unfit although each of its fields fits")


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


def _parse_json(raw: bytes) -> dict[str, Any]:
    """Strict JSON: UTF-8, no repeated key, no NaN, no infinity, bounded depth and digits."""
    try:
        body = _DECODER.decode(raw.decode("utf-8"))
    except (ValueError, RecursionError):
        # ValueError covers bad UTF-8, bad JSON, our refusals and integers of thousands of digits.
        raise EdgeRefusal("1001") from None
    if not isinstance(body, dict):
        raise EdgeRefusal("1001")
    return body


def _parse_form(raw: bytes, *, known: frozenset[str] | None) -> dict[str, Any]:
    """An URL-encoded form. A repeated or undecodable field is that field's refusal.

    A field without a value is as if it were not there, and so is one that is not `known` when those
    are told (RFC 6749, 3.2): repeated or not, nothing is read of it.
    """
    try:
        pairs, faulty = _parse_pairs(raw)
    except EdgeRefusal:
        raise EdgeRefusal("1001") from None
    for name in faulty if known is None else faulty & known:
        raise ParametreInvalide(plain_name(name))
    return {
        name: value for name, value in pairs.items() if value and (known is None or name in known)
    }


class AnswerCheck:
    """The answers of one operation, closed: only declared statuses and declared fields leave."""

    def __init__(self, contract: Contract, operation: OperationContract) -> None:
        self._by_status = {
            status: compile_schema(
                contract, response["content"]["application/json"]["schema"], closed=True
            )
            for status, response in operation.responses.items()
        }
        success = contract.resolve(
            operation.responses[200]["content"]["application/json"]["schema"]
        )
        data = success.get("properties", {}).get("data", {})
        self.line = compile_schema(contract, data.get("items", {}), closed=True)
        """The check of one item of a success, for answers that are streamed line by line."""

    def fits(self, status: int, body: dict[str, Any]) -> bool:
        """Whether this status is declared and this body fits it."""
        check = self._by_status.get(status)
        return check is not None and check(body)
