"""Finds the places where a request is wrong, for its refusal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from types import MappingProxyType
from typing import Any

from handlers.contract.model import Contract, Json, OperationContract
from handlers.contract.schema import compile_schema
from handlers.edge.call import Call
from handlers.edge.faults import CORPS, ENTETE, MAX_FAULTS, PARAMETRE, WHOLE, Fault
from handlers.edge.parsing import plain_name

NONE: Mapping[str, None] = MappingProxyType({})


class Locator:
    """Finds where a value departs from its schema, in the order of the contract.

    jsonschema-rs tells all errors by itself, but makes each of them, with the value in its text, before it
    gives the first: for 80 kB of empty lines that is a second. Here it is asked of one part after the other
    whether it fits, and of none after the last place that is told.
    """

    def __init__(self, contract: Contract, schema: Json) -> None:
        node = contract.resolve(schema)
        self.fits = compile_schema(contract, schema)
        self._fields = {
            name: (Locator(contract, child), child.get("x-code-erreur", "405"))
            for name, child in node.get("properties", {}).items()
        }
        self._required = frozenset(node.get("required", ()))
        self._items = Locator(contract, node["items"]) if "items" in node else None
        self._lengths = node.get("minItems", 0), node.get("maxItems", float("inf"))

    def locate(self, body: Any, repeated: Mapping[str, None] = NONE) -> list[Fault]:
        """The first places of a body that does not fit, or whose fields of these names are `repeated`."""
        found = self.places(body, "", "405", repeated)
        return [Fault(CORPS, place or WHOLE, code) for place, code in islice(found, MAX_FAULTS)]

    def places(
        self, value: Any, place: str, code: str, repeated: Mapping[str, None] = NONE
    ) -> Iterator[tuple[str, str]]:
        """Each place inside with its code; the value's own where no part of it is at fault."""
        is_outside = True
        for found in self._inner_places(value, place, repeated):
            is_outside = False
            yield found
        if is_outside:
            yield place, code

    def _inner_places(
        self, value: Any, place: str, repeated: Mapping[str, None]
    ) -> Iterator[tuple[str, str]]:
        if isinstance(value, dict) and self._fields:
            yield from self._field_places(value, f"{place}." if place else "", repeated)
        elif isinstance(value, list) and self._items is not None:
            least, most = self._lengths
            if least <= len(value) <= most:
                for number, item in enumerate(value):
                    if not self._items.fits(item):
                        yield from self._items.places(item, f"{place}[{number}]", "405")

    def _field_places(
        self, value: Json, inside: str, repeated: Mapping[str, None]
    ) -> Iterator[tuple[str, str]]:
        for name, (field, code) in self._fields.items():
            if name in repeated:
                yield inside + name, "405"
            elif name not in value:
                if name in self._required:
                    yield inside + name, "405"
            elif not field.fits(value[name]):
                yield from field.places(value[name], inside + name, code)
        for name in (*value, *repeated):
            if name not in self._fields:
                yield inside + plain_name(name), "405"


_OF_CODES: Mapping[str, tuple[str, str]] = {
    "1001": (CORPS, WHOLE),
    "1005": (ENTETE, "Accept"),
    "1006": (CORPS, WHOLE),
    "1007": (ENTETE, "Content-Type"),
    "2001": (ENTETE, "Authorization"),
    "2002": (ENTETE, "Authorization"),
    "2003": (ENTETE, "Authorization"),
}
"""The place of each code that has one in every request."""

_PAIR = "2101"
"""Of a token's request: the pair stands in its form, or in a header."""

_INPUTS: Mapping[str, str] = {
    _PAIR: "client_id",
    "2103": "scope",
    "4001": "montant",
    "4002": "reference",
    "4003": "montant",
    "4005": "reference",
    "4011": "montant",
}
"""The name of what a code is about, where the operation takes it."""


class Places:
    """Tells the place of a refusal that names one input, or none."""

    def __init__(self, contract: Contract) -> None:
        self._inputs = {
            name: _inputs_of(contract, operation) for name, operation in contract.operations.items()
        }

    def faults(self, code: str, name: str | None, call: Call) -> list[Fault]:
        """The one place that the code is about, or that a refusal `name`s; empty where there is none."""
        place = _OF_CODES.get(code)
        if code == _PAIR and call.headers.get(b"authorization", b"")[:6].lower() == b"basic ":
            place = ENTETE, "Authorization"
        if place is None:
            about = name or _INPUTS.get(code)
            inputs = self._inputs[call.operation.operation_id] if call.operation else {}
            if about is None or (about not in inputs and name is None):
                return []
            place = inputs.get(about, PARAMETRE), about
        return [Fault(*place, code)]


def _inputs_of(contract: Contract, operation: OperationContract) -> dict[str, str]:
    """Where each name that the operation takes stands."""
    fields = contract.resolve(operation.body.schema)["properties"] if operation.body else ()
    inputs = dict.fromkeys(fields, CORPS)
    return inputs | dict.fromkeys([one["name"] for one in operation.parameters], PARAMETRE)
