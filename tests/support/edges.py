"""Values at the edges of a schema and just beyond them, each with the places at which it does not fit.

A text is made from its pattern, part by part: each alternative, each number of repetitions, and in the place
of each class of characters those that are just inside it, just outside, and others that are near.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tests.lab.coverage import values
from tests.support.contract_client import Json, Reading
from tests.support.every_value import stretched

SIGNS = "09azAZGHJ/:@[`{~ ._-+!#%()?;|49\u00e9\u0663"
"""First and last of the usual classes of characters, their neighbours, and others that are near."""

ENDLESS = 1_000
"""A repetition of more is bounded by the length of the whole text."""


class Case(NamedTuple):
    """A value, and the places in it that do not fit; its own is the empty one."""

    value: Any
    places: frozenset[str]


# ── texts of a pattern ───────────────────────────────────────────────────────────────────────────
class _Sign(NamedTuple):
    """A character of a text, which part of the pattern it is of, what it takes at its ends, and its kind."""

    text: str
    part: tuple[int, ...]
    edges: str
    kind: str


_Text = tuple[_Sign, ...]


def _around(low: int, high: int) -> str:
    return "".join(chr(one) for one in (low - 1, low, high, high + 1) if one >= 0)


def _class(items: Sequence[Any], part: tuple[int, ...]) -> _Sign:
    ranges = [
        (value, value) if str(kind) == "LITERAL" else value
        for kind, value in items
        if str(kind) != "NEGATE"
    ]
    negated = str(items[0][0]) == "NEGATE"
    edges = "".join(_around(low, high) for low, high in ranges)
    return _Sign("a" if negated else chr(ranges[0][0]), part, edges, edges)


def _ways(tree: Iterable[Any], least: int, part: tuple[int, ...] = ()) -> list[_Text]:
    """Texts along a pattern: the plainest, and for each of its parts those that take another way there."""
    plainest: list[_Text] = []
    others: list[tuple[int, _Text]] = []
    for number, (kind, value) in enumerate(tree):
        first, *rest = _ways_of(str(kind), value, least, (*part, number))
        plainest.append(first)
        others += [(number, one) for one in rest]
    made = [sum(plainest, ())]
    made += [sum((*plainest[:at], one, *plainest[at + 1 :]), ()) for at, one in others]
    return made


def _ways_of(kind: str, value: Any, least: int, part: tuple[int, ...]) -> list[_Text]:
    if kind == "AT":
        return [()]
    if kind == "LITERAL":
        return [(_Sign(chr(value), part, _around(value, value), kind),)]
    if kind == "IN":
        return [(_class(value, part),)]
    if kind == "SUBPATTERN":
        return _ways(value[-1], least, part)
    if kind == "BRANCH":
        _, branches = value
        return [
            one
            for number, branch in enumerate(branches)
            for one in _ways(branch, least, (*part, number))
        ]
    assert kind == "MAX_REPEAT", f"say in {__file__} what a text of {kind} is"
    low, high, inner = value
    first, *rest = _ways(inner, least, part)
    endless = high > ENDLESS
    usual = max(1, low, least if endless else 0)
    counts = (low - 1, low) if endless else (low - 1, low, high, high + 1)
    return [
        first * usual,
        *(one * usual for one in rest),
        *(first * count for count in dict.fromkeys(counts) if count >= 0 and count != usual),
    ]


def _written(text: _Text) -> str:
    return "".join(sign.text for sign in text)


def _of_pattern(pattern: str, least: int) -> Iterator[str]:
    """Texts that are taken or refused by one part of a pattern alone. Each class of characters is tried with
    all signs once, and with its ends wherever it stands."""
    parts, kinds = set(), set()
    for way in _ways(values.parts_of(pattern), least):
        yield _written(way)
        for at, sign in reversed(list(enumerate(way))):
            if sign.part in parts:
                continue
            before, after = _written(way[:at]), _written(way[at + 1 :])
            tried = sign.edges if sign.kind in kinds else sign.edges + SIGNS
            parts.add(sign.part)
            kinds.add(sign.kind)
            yield from (f"{before}{one}{after}" for one in tried)


# ── cases of a schema ────────────────────────────────────────────────────────────────────────────
class Edges:
    """The cases of the schemas of one contract."""

    def __init__(self, reading: Reading) -> None:
        self._resolve = reading.resolve
        self.words = sorted(_words(reading.document))

    def cases(self, schema: Json, valid: Any) -> list[Case]:
        """The cases of a schema, from a value that fits it."""
        schema = self._resolve(schema)
        if schema["type"] == "object":
            return list(self._of_object(schema, valid))
        if schema["type"] == "array":
            return list(self._of_list(schema, valid))
        made = dict.fromkeys(self._scalars(schema, valid))
        fits = [values.way_of(schema, one) == values.VALID for one in made]
        return [
            Case(one, frozenset(() if fit else ("",))) for one, fit in zip(made, fits, strict=True)
        ]

    def of_fields(self, fields: dict[str, Json], valid: Json) -> Iterator[Case]:
        """Each time another case of every field, all at once."""
        by_name = {
            name: self.cases(schema, valid.get(name, self._resolve(schema).get("example")))
            for name, schema in fields.items()
        }
        for number in range(max(map(len, by_name.values()), default=0)):
            given = {name: cases[number] for name, cases in by_name.items() if number < len(cases)}
            yield Case(
                {**valid, **{name: one.value for name, one in given.items()}},
                frozenset(
                    f"{name}{place if place[:1] in ('', '[') else f'.{place}'}"
                    for name, one in given.items()
                    for place in one.places
                ),
            )

    def _of_object(self, schema: Json, valid: Json) -> Iterator[Case]:
        yield from self.of_fields(schema["properties"], valid)
        if schema.get("additionalProperties") is False:
            yield Case({**valid, "surplus": "1"}, frozenset({"surplus"}))

    def _of_list(self, schema: Json, valid: list[Any]) -> Iterator[Case]:
        low, high = schema.get("minItems", 0), schema["maxItems"]
        for count in (low - 1, low, high, high + 1):
            if count >= 0:
                wrong = not low <= count <= high
                yield Case(valid[:1] * count, frozenset({""} if wrong else ()))
        for one in self.cases(schema["items"], valid[0]):
            places = (f".{place}" if place else "" for place in one.places)
            yield Case([one.value], frozenset(f"[0]{place}" for place in places))

    def _scalars(self, schema: Json, valid: Any) -> Iterator[Any]:
        if schema["type"] == "integer":
            low, high = schema["minimum"], schema["maximum"]
            yield from (low - 1, low, high, high + 1)
        elif schema["type"] == "boolean":
            yield from (True, False)
        elif "enum" in schema:
            yield from (*schema["enum"], *self.words)
            yield from (
                near for one in schema["enum"] for near in (one.lower(), one[:-1], f"{one}S")
            )
        else:
            yield from _of_pattern(schema.get("pattern", ""), schema.get("minLength", 0))
            low, high = values.lengths(schema)
            ends = {low - 1, low, high, high + 1}
            written = valid or "a"
            yield from (stretched(written, int(end)) for end in sorted(ends) if 0 <= end < ENDLESS)


def _words(node: Any) -> Iterator[str]:
    """The words of every list of values of a contract."""
    if isinstance(node, dict):
        if isinstance(node.get("enum"), list):
            yield from (one for one in node["enum"] if isinstance(one, str))
        for child in node.values():
            yield from _words(child)
    elif isinstance(node, list):
        for child in node:
            yield from _words(child)
