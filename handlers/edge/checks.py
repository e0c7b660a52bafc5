"""Checks of what a request brings against the contract, compiled once at start.

Connexion as it comes builds a validator and deep-copies its schema on every request
(validators/parameter.py, validators/json.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.contract.model import (
    JSON_TYPE,
    Body,
    Contract,
    Json,
    OperationContract,
    snake_case,
)
from handlers.contract.schema import compile_schema
from handlers.edge.faults import MAX_FAULTS, PARAMETRE, Fault
from handlers.edge.parsing import converter, parse_form, parse_json, parse_pairs, plain_name
from handlers.edge.places import Locator
from handlers.edge.refusals import EntreesInvalides


class ParameterCheck:
    """The query and path parameters of one operation: bytes in, handler arguments out."""

    def __init__(self, contract: Contract, operation: OperationContract) -> None:
        self._fields = {
            parameter["name"]: (
                Fault(PARAMETRE, parameter["name"], "405"),
                snake_case(parameter["name"]),
                bool(parameter.get("required")),
                converter(contract.resolve(parameter["schema"])),
                compile_schema(contract, parameter["schema"]),
                contract.resolve(parameter["schema"]).get("default"),
            )
            for parameter in operation.parameters
        }
        schema: Json = {
            "type": "object",
            "properties": {p["name"]: p["schema"] for p in operation.parameters},
        }
        required = [p["name"] for p in operation.parameters if p.get("required")]
        if required:  # draft 4 wants one at least
            schema["required"] = required
        self._all_fit = compile_schema(contract, schema)

    def __call__(self, query: bytes, path: Mapping[str, str]) -> dict[str, Any]:
        """The handler's keyword arguments. Raises EntreesInvalides, or RequeteMalFormee for bad encoding."""
        given, faulty = parse_pairs(query)
        given.update(path)
        values: dict[str, Any] = {}
        arguments: dict[str, Any] = {}
        for name, (_, argument, _, convert, _, default) in self._fields.items():
            text = given.get(name)
            if text is None:
                arguments[argument] = default
                continue
            values[name] = arguments[argument] = convert(text)
        if faulty or len(given) != len(values) or not self._all_fit(values):
            raise EntreesInvalides(self._locate(given, faulty, values))
        return arguments

    def _locate(
        self, given: Mapping[str, str], faulty: Mapping[str, None], values: Mapping[str, Any]
    ) -> list[Fault]:
        """The first places that are wrong: those that are declared, in their order, and then others."""
        found: list[Fault] = []
        for name, (fault, _, required, _, fits, _) in self._fields.items():
            is_wrong = not fits(values[name]) if name in values else required
            if is_wrong or name in faulty:
                found.append(fault)
        for name in {**given, **faulty}:
            if len(found) >= MAX_FAULTS:
                break
            if name not in self._fields:
                found.append(Fault(PARAMETRE, plain_name(name), "405"))
        return found[:MAX_FAULTS]


class BodyCheck:
    """The body of one operation: bytes in, a dictionary that fits the contract out."""

    def __init__(self, contract: Contract, body: Body) -> None:
        schema = contract.resolve(body.schema)
        self._fits = compile_schema(contract, body.schema)
        self._locate = Locator(contract, body.schema).locate
        ignores_others = schema.get("additionalProperties") is not False
        self._known = frozenset(schema["properties"]) if ignores_others else None
        self._is_form = body.media_type != JSON_TYPE

    def __call__(self, raw: bytes) -> dict[str, Any]:
        """The parsed body. Raises EntreesInvalides with the places that are wrong, or CorpsIllisible."""
        body: dict[str, Any]
        if self._is_form:
            body, faulty = parse_form(raw, known=self._known)
        else:
            body, faulty = parse_json(raw), {}
        if faulty or not self._fits(body):
            raise EntreesInvalides(self._locate(body, faulty))
        return body
