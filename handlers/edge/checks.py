"""Checks of what a request brings against the contract, compiled once at start.

Connexion as it comes builds a validator and deep-copies its schema on every request
(validators/parameter.py, validators/json.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, NoReturn

from handlers.contract.model import (
    Body,
    Contract,
    Json,
    OperationContract,
    snake_case,
)
from handlers.contract.schema import compile_schema
from handlers.edge.parsing import converter, parse_form, parse_json, parse_pairs, plain_name
from handlers.edge.refusals import FieldRefusal
from models.errors import ParametreInvalide


class ParameterCheck:
    """The query and path parameters of one operation: bytes in, handler arguments out."""

    def __init__(self, contract: Contract, operation: OperationContract) -> None:
        self._fields = [
            (
                parameter["name"],
                snake_case(parameter["name"]),
                bool(parameter.get("required")),
                converter(contract.resolve(parameter["schema"])),
                compile_schema(contract, parameter["schema"]),
                contract.resolve(parameter["schema"]).get("default"),
            )
            for parameter in operation.parameters
        ]
        schema: Json = {
            "type": "object",
            "properties": {p["name"]: p["schema"] for p in operation.parameters},
        }
        self._all_fit = compile_schema(contract, schema)

    def __call__(self, query: bytes, path: Mapping[str, str]) -> dict[str, Any]:
        """The handler's keyword arguments. Raises ParametreInvalide, or EdgeRefusal for bad encoding."""
        given, faulty = parse_pairs(query)
        given.update(path)
        values: dict[str, Any] = {}
        arguments: dict[str, Any] = {}
        for name, argument, required, convert, _, default in self._fields:
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
        for name, _, _, _, fits, _ in self._fields:
            if name in values and not fits(values[name]):
                raise ParametreInvalide(name)
        raise AssertionError("a set of parameters is unfit although each one fits")


class BodyCheck:
    """The body of one operation: bytes in, a dictionary that fits the contract out."""

    def __init__(self, contract: Contract, body: Body) -> None:
        schema = contract.resolve(body.schema)
        self._fits = compile_schema(contract, body.schema)
        self._fields = {
            name: compile_schema(contract, node) for name, node in schema["properties"].items()
        }
        ignores_others = schema.get("additionalProperties") is not False
        self._parse = parse_json
        if body.media_type != "application/json":
            known = frozenset(self._fields) if ignores_others else None
            self._parse = partial(parse_form, known=known)
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
                    raise FieldRefusal(self._codes[name], name)
                raise ParametreInvalide(name)
        unknown = next((name for name in body if name not in self._fields), None)
        if unknown is not None:
            raise ParametreInvalide(plain_name(unknown))
        raise AssertionError("a body is unfit although each of its fields fits")
