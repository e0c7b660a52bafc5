"""What recorded exchanges show of a contract, and where they contradict it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from tests.lab.coverage import values
from tests.lab.coverage.cells import (
    ANSWER,
    BODY,
    EXAMPLE,
    FORM,
    HEADER,
    MEDIA,
    NOT_AN_OBJECT,
    OTHER_METHOD,
    OTHER_TYPE,
    QUERY,
    TOO_LARGE,
    UNKNOWN_PATH,
    UNREADABLE,
    VALUE,
    Cell,
    Contract,
    Field,
    Operation,
)
from tests.support.exchanges import shape, star

Json = dict[str, Any]

TEST_KINDS = (
    ("tests/operations/", "operations"),
    ("tests/base_core/", "operations"),
    ("tests/edge/test_raw_requests", "raw bytes"),
    ("tests/lab/fuzz/", "Schemathesis"),
    ("tests/edge/", "edge"),
    ("tests/contract/", "contract"),
    ("tests/journeys/test_state_machine", "state machine"),
    ("tests/lab/proof/", "faults under load"),
    ("tests/journeys/", "journeys"),
    ("tests/cli/", "journeys"),
    ("tests/sandbox/", "journeys"),
)
_DATABASE = re.compile(r"\[(?:.*-)?(sqlite|postgresql)\b")
_AS_UNDERSTOOD = frozenset({"405", "1001", "1002"})
_PAGES = re.compile(r"/(ui(/.*)?|openapi(\.yaml|(-3\.1)?\.json))")


@cache
def kind_of(test: str) -> str:
    """The kind of test that a test is, by where it lives."""
    return next((kind for prefix, kind in TEST_KINDS if test.startswith(prefix)), "other")


@cache
def database_of(test: str) -> str | None:
    """The kind of database that a test says it runs on."""
    found = _DATABASE.search(test)
    return found[1] if found else None


def read_exchanges(folder: Path) -> Iterator[Json]:
    """Every exchange of a folder. A line that a killed process left half written is passed over."""
    for file in sorted(folder.glob("*.jsonl")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                if line.endswith("}\n"):
                    yield json.loads(line)


@dataclass
class Seen:
    """How a cell was observed: how often, by which kinds of test, on which databases; one request."""

    kinds: Counter[str] = field(default_factory=Counter)
    databases: set[str] = field(default_factory=set)
    exchange: Json | None = None
    rank: tuple[bool, bool, int, int] = (True, True, 0, 0)

    def add(self, kind: str, database: str | None, exchange: Json) -> None:
        """Add one exchange; kept to be shown is one that can be sent as it is told, else the plainest."""
        self.kinds[kind] += 1
        if database:
            self.databases.add(database)
        body = exchange["body"]
        size = len(body) if isinstance(body, str) else 10_000
        rank = (
            exchange["masked"],
            kind != "operations",
            size + 100 * len(exchange["headers"]),
            len(exchange["test"]),
        )
        if self.exchange is None or rank < self.rank:
            self.exchange, self.rank = exchange, rank


class Observation:
    """Everything that a set of exchanges shows of one contract."""

    def __init__(self, contract: Contract) -> None:
        self.contract = contract
        self.seen: dict[Cell, Seen] = {}
        self.undeclared: dict[Cell, Seen] = {}
        self.accepted: dict[Cell, Seen] = {}
        self.count = 0
        self.kinds: Counter[str] = Counter()
        self.databases: set[str] = set()
        self._declared = frozenset(contract.cells())
        self._spelling = {c.what.lower(): c.what for c in self._declared if c.kind == HEADER}
        texts = contract.catalogue["405"]["message"].values()
        patterns = (re.escape(text).replace(r"\{parametre\}", "(.*)") for text in texts)
        self._naming = [re.compile(pattern) for pattern in patterns]
        refusal = contract.document["components"].get("schemas", {}).get("Refus", {})
        self._left_out = frozenset(refusal.get("x-facultatifs", ()))
        self._shapes: dict[tuple[str, str, str], list[tuple[Cell, Any]]] = {}
        for operation in contract.operations.values():
            for cell, example in operation.examples.items():
                if cell.place.isdecimal():
                    key = (cell.operation, cell.place, _code(example))
                    self._shapes.setdefault(key, []).append((cell, _example_shape(example)))

    def add_all(self, exchanges: Iterable[Json]) -> Observation:
        """Add exchanges."""
        for exchange in exchanges:
            self.add(exchange)
        return self

    def add(self, exchange: Json) -> None:
        """Add one exchange, unless it is another contract's."""
        if self.contract.has(exchange["path"]):
            self._add(exchange)

    def _add(self, exchange: Json) -> None:
        kind, database = kind_of(exchange["test"]), database_of(exchange["test"])
        exchange["masked"] = _is_masked(exchange)
        self.count += 1
        self.kinds[kind] += 1
        if database and kind == "operations":
            self.databases.add(database)
        operation = self.contract.operations.get((exchange["method"], exchange["path"]))
        if operation is None:
            for cell in self._outside(exchange):
                _note(self.seen, cell, kind, database, exchange)
            return
        for cell in self._answer(operation.name, exchange):
            # Headers and media types that nothing declares are the client fixture's to judge.
            if cell in self._declared:
                _note(self.seen, cell, kind, database, exchange)
            elif cell.kind == ANSWER:
                _note(self.undeclared, cell, kind, database, exchange)
        for cell in self._request(operation, exchange):
            _note(self.seen, cell, kind, database, exchange)
        if exchange["status"] == 200:
            for cell in self._broken(operation, exchange):
                _note(self.accepted, cell, kind, database, exchange)

    def _outside(self, exchange: Json) -> Iterator[Cell]:
        known = exchange["path"] in self.contract.paths
        if not known and _PAGES.fullmatch(exchange["path"]):
            return
        if exchange["status"] == (405 if known else 404):
            yield from self._answer(OTHER_METHOD if known else UNKNOWN_PATH, exchange)

    def _answer(self, name: str, exchange: Json) -> Iterator[Cell]:
        status = str(exchange["status"])
        if exchange["code"] is not None:
            yield Cell(ANSWER, name, status, str(exchange["code"]))
        for header in exchange["answer_headers"]:
            yield Cell(HEADER, name, status, self._spelling.get(header, header))
        if exchange["media_type"]:
            yield Cell(MEDIA, name, status, exchange["media_type"])

    # ── requests ──────────────────────────────────────────────────────────────────────────────────

    def _request(self, operation: Operation, exchange: Json) -> Iterator[Cell]:
        code = exchange["code"]
        named = self._named(exchange) if code == "405" else None
        given, faulty = _pairs(exchange["query"])
        fields = {each.name for each in operation.fields}
        surplus = (given.keys() | faulty.keys()) - operation.parameters.keys()
        if named is not None and surplus and named not in operation.parameters.keys() | fields:
            yield Cell(VALUE, operation.name, QUERY, values.UNDECLARED)
        for parameter in operation.parameters.values():
            for way in _ways(parameter, given, faulty):
                yield from self._judged(operation, parameter, way, exchange, named)
            yield from _parameter_example(operation, parameter, given, exchange)
        if operation.media_type is not None:
            yield from self._body(operation, exchange, named)
        key = (operation.name, str(exchange["status"]), str(code))
        for cell, form in self._shapes.get(key, ()):
            if _contains(form, self._told(form, exchange)):
                yield cell

    def _told(self, form: Any, exchange: Json) -> Any:
        """The form of an answer; of a refusal, without what its example may leave out."""
        seen = exchange["shape"]
        if exchange["status"] == 200 or not isinstance(seen, dict):
            return seen
        return {
            name: value
            for name, value in seen.items()
            if name in form or name not in self._left_out
        }

    def _named(self, exchange: Json) -> str | None:
        for pattern in self._naming:
            found = pattern.fullmatch(exchange["message"] or "")
            if found:
                return found[1]
        return None

    def _judged(
        self, operation: Operation, field: Field, way: str, exchange: Json, named: str | None
    ) -> Iterator[Cell]:
        """The field's cell, when the answer is the one that the contract calls for."""
        if not _is_fault(field, way):
            shown = exchange["status"] == 200
        else:
            own = field.schema.get("x-code-erreur")
            shown = named == field.top or (own is not None and exchange["code"] == own)
            if way == values.UNDECLARED and named is not None:
                shown = shown or named.startswith(f"{field.top}.")
        if shown:
            yield Cell(VALUE, operation.name, field.place, way)

    def _broken(self, operation: Operation, exchange: Json) -> Iterator[Cell]:
        """Values that break the contract in a request that succeeded."""
        given, faulty = _pairs(exchange["query"])
        for parameter in operation.parameters.values():
            way = _ways(parameter, given, faulty)[0]
            if _is_fault(parameter, way):
                yield Cell(VALUE, operation.name, parameter.place, way)
        body = exchange["body"]
        if operation.media_type is None or not isinstance(body, str) or not body:
            return
        for each, way in self._field_ways(operation, body):
            if _is_fault(each, way):
                yield Cell(VALUE, operation.name, each.place, way)

    def _body(self, operation: Operation, exchange: Json, named: str | None) -> Iterator[Cell]:
        body, code = exchange["body"], exchange["code"]
        name = operation.name
        if code == "1006":
            yield Cell(VALUE, name, BODY, TOO_LARGE)
        if code == "1007":
            yield Cell(VALUE, name, BODY, OTHER_TYPE)
        if code == "1001" and isinstance(body, str):
            yield Cell(VALUE, name, BODY, _unreadable(operation, body))
        if not isinstance(body, str) or (code != "405" and exchange["status"] != 200):
            own = {f.schema.get("x-code-erreur") for f in operation.fields} - {None}
            if not isinstance(body, str) or code not in own:
                return
        found = list(self._field_ways(operation, body))
        tops = {each.top for each in operation.fields}
        holder = (named or "").partition(".")[0]
        if named is not None and holder not in tops and not exchange["query"]:
            yield Cell(VALUE, name, BODY, values.UNDECLARED)
        for each, way in found:
            faults = [w for f, w in found if f.top == each.top and _is_fault(f, w)]
            # Of several faults in one list nobody can tell which was refused.
            if _is_fault(each, way) and len(faults) > 1:
                continue
            yield from self._judged(operation, each, way, exchange, named)
        yield from _body_examples(operation, body, exchange)

    def _field_ways(self, operation: Operation, body: str) -> Iterator[tuple[Field, str]]:
        if operation.media_type == FORM:
            given, faulty = _pairs(body)
            for each in operation.fields:
                yield from ((each, way) for way in _ways(each, given, faulty))
            return
        value = _json(body)
        if isinstance(value, dict):
            yield from _object_ways(operation.fields, operation.body, value, BODY)


def _note(
    into: dict[Cell, Seen], cell: Cell, kind: str, database: str | None, exchange: Json
) -> None:
    seen = into.get(cell)
    if seen is None:
        seen = into[cell] = Seen()
    seen.add(kind, database, exchange)


def _is_masked(exchange: Json) -> bool:
    """Whether the request names a card whose number was not recorded."""
    query, body = exchange["query"], exchange["body"]
    if not isinstance(body, str):
        return True
    return "00" in query + body and (star(query) != query or star(body) != body)


def _is_fault(field: Field, way: str) -> bool:
    return not values.fits(way) and (way != values.ABSENT or field.required)


def _object_ways(
    fields: Iterable[Field], schema: Json, value: Json, prefix: str
) -> Iterator[tuple[Field, str]]:
    """Each field of an object and of the objects in its lists, with the way of its value."""
    by_place = {each.place: each for each in fields}
    separator = " " if prefix == BODY else "."
    for name in schema["properties"]:
        each = by_place[f"{prefix}{separator}{name}"]
        if name not in value:
            yield each, values.ABSENT
            continue
        way = values.way_of(each.schema, value[name])
        if way == values.VALID:
            found = values.ways_of_valid(each.schema, value[name])
            yield from ((each, shown) for shown in found)
        else:
            yield each, way
        if way == values.VALID and "properties" in each.schema and value[name] is not None:
            yield from _object_ways(fields, each.schema, value[name], each.place)
        item = by_place.get(f"{each.place}[]")
        if item is None or way != values.VALID:
            continue
        shown: set[tuple[str, str]] = set()
        for entry in value[name]:
            way = values.way_of(item.schema, entry)
            if way != values.VALID:
                shown.add((item.place, way))
            elif item.schema["type"] == "object":
                inner = _object_ways(fields, item.schema, entry, item.place)
                shown |= {(each.place, way) for each, way in inner}
            else:
                found = values.ways_of_valid(item.schema, entry)
                shown |= {(item.place, way) for way in found if way != values.VALID}
        for place, way in sorted(shown):
            yield by_place[place], way


def _pairs(raw: str) -> tuple[dict[str, str], dict[str, str]]:
    """`a=b&c=d` as it travelled: values by name, and the faulty names with what is wrong."""
    given: dict[str, str] = {}
    faulty: dict[str, str] = {}
    for part in raw.split("&"):
        if not part:
            continue
        name, _, value = part.replace("+", " ").partition("=")
        try:
            called = unquote_to_bytes(name.encode("latin-1")).decode("utf-8")
        except UnicodeDecodeError:
            continue
        try:
            text = unquote_to_bytes(value.encode("latin-1")).decode("utf-8")
        except UnicodeDecodeError:
            faulty[called] = values.UNDECODABLE
            continue
        if called in given:
            faulty[called] = values.REPEATED
        given[called] = text
    return given, faulty


def _ways(field: Field, given: dict[str, str], faulty: dict[str, str]) -> list[str]:
    """The way of a text, and when it is valid the edges at which it lies."""
    if field.name in faulty:
        return [faulty[field.name]]
    if field.name not in given:
        return [values.ABSENT]
    text = given[field.name]
    way = values.way_of_text(field.schema, text)
    if way != values.VALID:
        return [way]
    typed: dict[str, Any] = {"integer": int, "boolean": values.BOOLEANS.get}
    return values.ways_of_valid(field.schema, typed.get(field.schema["type"], str)(text))


def _json(body: str) -> Any:
    try:
        return json.loads(body.encode("latin-1"))
    except (ValueError, RecursionError):
        return None


def _unreadable(operation: Operation, body: str) -> str:
    if not body.strip():
        return values.ABSENT
    if operation.media_type != FORM:
        try:
            value = json.loads(body.encode("latin-1"))
        except (ValueError, RecursionError):
            return UNREADABLE
        if not isinstance(value, dict):
            return NOT_AN_OBJECT
    return UNREADABLE


def _parameter_example(
    operation: Operation, parameter: Field, given: dict[str, str], exchange: Json
) -> Iterator[Cell]:
    cell = Cell(EXAMPLE, operation.name, parameter.place, "request")
    understood = exchange["status"] == 200 or (
        exchange["status"] == 400 and exchange["code"] not in _AS_UNDERSTOOD
    )
    if understood and given.get(parameter.name) == operation.examples.get(cell, object()):
        yield cell


def _body_examples(operation: Operation, body: str, exchange: Json) -> Iterator[Cell]:
    if exchange["status"] != 200:
        return
    value = _pairs(body)[0] if operation.media_type == FORM else _json(body)
    for cell, example in operation.examples.items():
        if cell.place == BODY and _anywhere(value) == _anywhere(example):
            yield cell


_GIVEN = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}|[0-9a-f]{64}")
"""What a server names a demande, and what was asked by it: the same call names another one on each server."""


def _anywhere(body: Any) -> Any:
    """A body, in which what its server has named is not told."""
    if not isinstance(body, dict):
        return body
    return {
        name: "<given>" if isinstance(value, str) and _GIVEN.fullmatch(value) else value
        for name, value in body.items()
    }


def _code(example: Any) -> str:
    if not isinstance(example, dict):
        return "200"
    code = example.get("code", 200)
    return str(code)


def _example_shape(example: Any) -> Any:
    if isinstance(example, str):
        first, _, rest = example.partition("\r\n")
        return {"csv": first, "lines": bool(rest)}
    return shape(example)


def _contains(wanted: Any, seen: Any) -> bool:
    """Whether an answer has the form of an example; a list may hold other forms too."""
    if isinstance(wanted, dict):
        return (
            isinstance(seen, dict)
            and wanted.keys() == seen.keys()
            and all(_contains(wanted[name], seen[name]) for name in wanted)
        )
    if isinstance(wanted, list):
        return isinstance(seen, list) and all(
            any(_contains(form, other) for other in seen) for form in wanted
        )
    return bool(wanted == seen)
