"""The ways in which a request may be right or wrong, as a contract's schemas have them, made into requests.

The values are made from the schemas, so that a new field brings its own tests.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx

from tests.lab.coverage import values
from tests.lab.coverage.cells import BODY, FORM, VALUE, Contract, Field
from tests.support.registry import entry_of
from tests.support.scene import Call, assert_refused

SEPARATE = frozenset({values.VALID, values.ABSENT, values.REPEATED, values.UNDECODABLE})
"""Ways that are no value: each has a test of its own."""


def ids(value: Any) -> str | None:
    """A field is called by its place."""
    return value.place if isinstance(value, Field) else None


class Values:
    """What the operations of a contract take, and in which ways it may be wrong."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.by_name = {one.name: one for one in contract.operations.values()}
        self._ways: dict[tuple[str, str], list[str]] = defaultdict(list)
        for cell in contract.cells():
            if cell.kind == VALUE:
                self._ways[cell.operation, cell.place].append(cell.what)
        every = list(self.by_name.values())
        self.parameters = [(op.name, field) for op in every for field in op.parameters.values()]
        self.form_fields = [
            (op.name, field) for op in every if op.media_type == FORM for field in op.fields
        ]
        self.json_fields = [
            (op.name, field)
            for op in every
            if op.media_type not in (FORM, None)
            for field in op.fields
        ]
        self.edges = [
            (op.name, field, way)
            for op in every
            for field in (*op.parameters.values(), *op.fields)
            for way, _ in values.edges(field.schema)
        ]

    def invalid(self, operation: str, field: Field) -> Iterator[str]:
        """The ways in which a value of a field may be wrong."""
        ways = self._ways[operation, field.place]
        return (way for way in ways if way not in SEPARATE and not values.fits(way))

    def wrong_texts(self, operation: str, call: Call, field: Field) -> Iterator[tuple[str, Call]]:
        """The call with each wrong value of a parameter or of a field of a form, by its way."""
        valid = valid_text(call, field)
        for way in self.invalid(operation, field):
            typed = int(valid) if field.schema["type"] == "integer" else valid
            value = values.sample(field.schema, way, typed) if way != values.EMPTY else ""
            assert values.way_of_text(field.schema, str(value)) == way
            yield way, call.with_values(**{field.name: str(value)})

    def wrong_bodies(self, operation: str, body: Any, field: Field) -> Iterator[tuple[str, Any]]:
        """The body with each wrong value of a field, and without it where it is required, by its way."""
        for way in self.invalid(operation, field):
            yield way, changed(body, place_of(field), way, field)
        if field.required:
            yield values.ABSENT, changed(body, place_of(field), values.ABSENT, field)

    def at_edge(self, operation: str, call: Call, field: Field, way: str) -> Call:
        """The call with a value at an edge of its schema."""
        if field.name in self.by_name[operation].parameters:
            edge = dict(values.edges(field.schema))[way]
            text = str(edge).lower() if isinstance(edge, bool) else str(edge)
            return call.with_values(**{field.name: text})
        body = changed(call.options["json"], place_of(field), way, field)
        return call._replace(options={**call.options, "json": body})


def valid_text(call: Call, field: Field) -> str:
    """A valid text of a parameter or a field: the call's own, or the contract's example."""
    given = call.values.get(field.name)
    if given is None:
        kinds = {"integer": "1", "boolean": "true", "string": field.schema.get("example")}
        write, file = "a valid text of that type into `kinds`", "tests/support/every_value.py"
        given = entry_of(kinds, field.schema["type"], write=write, file=file)
    return str(given)


def assert_refused_by_name(answer: httpx.Response, field: Field, way: str) -> None:
    """Assert that a refusal names the field, or what an object has too much, unless its schema has a code
    of its own."""
    __tracebackhide__ = True
    own = field.schema.get("x-code-erreur")
    assert answer.status_code == 400, f"{field.place} {way}: {answer.text}"
    if own is not None and answer.json()["code"] == own:
        assert_refused(answer, own)
        return
    is_object = field.name and field.schema["type"] == "object"
    surplus = ".surplus" if is_object and way == values.UNDECLARED else ""
    assert_refused(answer, "405", parametre=f"{field.top}{surplus}")


def place_of(field: Field) -> list[str]:
    """The steps to a field from its body: `lignes`, `[]`, `montant`."""
    return field.place.removeprefix(f"{BODY} ").replace("[]", ".[]").split(".")


def changed(body: Any, place: list[str], way: str, field: Field) -> Any:
    """The body with the value at a place (`lignes`, `lignes[]`, `montant`) made invalid in a way."""
    name, *rest = place
    if name == "[]":
        return [changed(body[0], rest, way, field) if rest else _made(body[0], way, field)]
    if rest:
        return {**body, name: changed(body[name], rest, way, field)}
    if way == values.ABSENT:
        return {key: value for key, value in body.items() if key != name}
    valid = body.get(name, field.schema.get("example"))
    return {**body, name: _made(valid, way, field)}


def _made(valid: Any, way: str, field: Field) -> Any:
    if not values.fits(way):
        return values.sample(field.schema, way, valid)
    edge = dict(values.edges(field.schema))[way]
    if way != values.MOST:
        return edge
    if not isinstance(valid[0], dict):
        return valid[:1] * edge
    if "reference" not in valid[0]:
        return valid[:1] * edge
    return [{**valid[0], "reference": f"R-{number}"} for number in range(edge)]


def stretched(text: str, length: int) -> str:
    """The text, cut or repeated in its middle, of this length."""
    if length <= len(text):
        return text[:length]
    middle = len(text) // 2
    return text[:middle] + text[middle] * (length - len(text)) + text[middle:]
