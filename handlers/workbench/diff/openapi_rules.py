"""The rules of OpenAPI: what a change that Redocly found does to who sends and to who receives.

What is narrower breaks who sends (a value that was taken is refused), what is wider breaks who receives (a
client gets what it was never told of); generated clients check both. What can be neither said breaks both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from handlers.contract.model import Json
from handlers.workbench.diff.change import (
    ADDITIVE,
    BOTH,
    BREAKING,
    RECEIVED,
    SENT,
    TEXT,
    Change,
)
from handlers.workbench.diff.directions import Usage, dotted, follow, resolve, split
from handlers.workbench.diff.patterns import UnknownPattern, compare

NARROWER, WIDER, OTHER, SAME = "narrower", "wider", "other", "same"

_AS_BEFORE = (TEXT, "it means what it meant")

CONSEQUENCES = {
    (SAME, SENT): _AS_BEFORE,
    (SAME, RECEIVED): _AS_BEFORE,
    (NARROWER, SENT): (BREAKING, "what was taken may now be refused"),
    (NARROWER, RECEIVED): (ADDITIVE, "clients receive no more than they were told of"),
    (WIDER, SENT): (ADDITIVE, "more is taken"),
    (WIDER, RECEIVED): (BREAKING, "clients may receive what they were never told of"),
    (OTHER, SENT): (BREAKING, "what clients send may no longer fit"),
    (OTHER, RECEIVED): (BREAKING, "what clients receive may no longer fit"),
}

_ANNOTATIONS = frozenset({"description", "example", "examples", "title", "summary", "externalDocs"})
_LOWER_BOUNDS = frozenset({"minimum", "minLength", "minItems", "minProperties"})
_UPPER_BOUNDS = frozenset({"maximum", "maxLength", "maxItems", "maxProperties"})
_RESTRICTIONS = frozenset({"uniqueItems", "exclusiveMaximum", "exclusiveMinimum"})
_FLAGS = _RESTRICTIONS | {"nullable", "readOnly", "writeOnly", "deprecated"}
"""Left out, they are false."""

_REST = "additionalProperties"
"""True, false or a schema: what Redocly tells as a value, as a schema that comes or goes, or as both."""

_COMBINATIONS = frozenset({"AllOf", "AnyOf", "OneOf"})
_ALTERNATIVES = frozenset({"anyOf", "oneOf"})
_ONE_WAY = {"readOnly": SENT, "writeOnly": RECEIVED}

_ELSEWHERE = frozenset(
    {"SpecExtension", "SecurityRequirement", "SecurityRequirementList", "Tag", "TagList"}
)
"""What cynod_rules judges."""

_NAMES_ELSEWHERE = frozenset(
    {("Info", "version"), ("Operation", "tags"), ("Operation", "security"), ("PathItem", "key")}
)


class Comparison:
    """Judges the changes between two documents."""

    def __init__(self, before: Json, after: Json) -> None:
        self._before, self._after = before, after
        self._usage = Usage(before, after)

    def __call__(self, found: Json) -> Iterator[Change]:
        """The changes that one of Redocly's stands for."""
        kind = found["typeName"]
        at_root = found["path"].startswith("#/servers")
        if kind in _ELSEWHERE or at_root or str(found.get("property", "")).startswith("x-"):
            if kind == "Schema" and found["property"] == "x-code-erreur":
                yield self._change(
                    found, BREAKING, RECEIVED, "a refused value is answered with another code"
                )
            elif kind == "Schema" and found["property"] == "x-valeur":
                yield from self._only_value(found)
            return
        is_schema = kind == "Schema" or kind in _COMBINATIONS
        judged = list(self._schema(found) if is_schema else self._node(found, kind))
        yield from judged
        graver = found["impact"] == "major" and all(one.impact != BREAKING for one in judged)
        if graver and not self._is_known_better(found):
            told = "; ".join(verdict["message"] for verdict in found["verdicts"])
            yield self._change(found, BREAKING, self._usage.direction(found["path"]), told)

    @staticmethod
    def _is_known_better(found: Json) -> bool:
        # Redocly judges a shared schema at the first of its uses.
        kind = found["typeName"]
        return kind == "Schema" or kind in _COMBINATIONS

    def _change(self, found: Json, impact: str, direction: str, reason: str) -> Change:
        return Change(impact, direction, self._where(found), reason)

    @staticmethod
    def _where(found: Json) -> str:
        side: Json = found.get("revision") or found["base"]
        pointer = side["pointer"]
        name = found.get("property")
        tokens = split(pointer)
        if name is not None and tokens[-1:] != [name]:
            tokens.append(name)
        return dotted(tokens)

    # ── schemas ───────────────────────────────────────────────────────────────────────────────────

    def _schema(self, found: Json) -> Iterator[Change]:
        directions = self._usage.directions(found)
        if found["kind"] != "modified":
            yield from self._schema_node(found, directions)
            return
        name = found["property"]
        old, new = found["base"].get("value"), found["revision"].get("value")
        if name in _ANNOTATIONS:
            yield self._change(found, TEXT, BOTH, f"{name} reads otherwise")
        elif name == "default":
            yield from self._default(found, directions, old, new)
        elif name == "deprecated":
            impact, reason = _deprecated(old, new)
            yield self._change(found, impact, BOTH, reason)
        elif name == "key":
            return  # cynod_rules tells that it was renamed: Redocly pairs first what has one name
        elif name in _ONE_WAY and bool(old) != bool(new):
            yield from self._one_way(found, directions)
        elif name == "enum":
            yield from self._related(found, name, *map(_allowed, self._sides(found)))
        elif name == _REST:
            yield from self._related(found, name, *(one.get(name) for one in self._sides(found)))
        else:
            yield from self._related(found, name, old, new)

    def _only_value(self, found: Json) -> Iterator[Change]:
        """`x-valeur` says of a boolean what an `enum` of one value says, without a class for it."""
        schemas = self._sides(found)
        if not any("enum" in schema for schema in schemas):  # else it is told with the enum
            yield from self._related(found, "enum", *map(_allowed, schemas))

    def _sides(self, found: Json) -> tuple[Json, Json]:
        """The schema that changed, as it was and as it is."""
        documents = {"base": self._before, "revision": self._after}
        pointers = {side: found[side]["pointer"] for side in documents}
        schemas = [
            resolve(documents[side], pointer.removesuffix(f"/{found['property']}"))
            for side, pointer in pointers.items()
        ]
        return schemas[0] or {}, schemas[1] or {}

    def _related(self, found: Json, name: str, old: Any, new: Any) -> Iterator[Change]:
        relation = relate(name, old, new)
        change = _told_change(name, old, new)
        for direction in self._usage.directions(found):
            impact, consequence = CONSEQUENCES[relation, direction]
            yield self._change(found, impact, direction, f"{change}: {consequence}")

    def _one_way(self, found: Json, directions: list[str]) -> Iterator[Change]:
        """`readOnly` says that clients do not send it, `writeOnly` that they do not receive it."""
        name = found["property"]
        concerned = _ONE_WAY[name]
        for direction in directions:
            if direction != concerned:
                yield self._change(found, TEXT, direction, f"{name} says nothing of this side")
            elif found["revision"].get("value"):
                yield self._change(found, BREAKING, direction, f"{name}: it is left out here now")
            else:
                yield self._change(found, ADDITIVE, direction, f"no more {name}: it is here too")

    def _default(self, found: Json, directions: list[str], old: Any, new: Any) -> Iterator[Change]:
        for direction in directions:
            if direction == RECEIVED:
                yield self._change(found, TEXT, direction, "a default says nothing of an answer")
            elif old is None:
                yield self._change(
                    found,
                    ADDITIVE,
                    direction,
                    f"who sends nothing is now taken to say {_told(new)}",
                )
            else:
                yield self._change(
                    found,
                    BREAKING,
                    direction,
                    f"default {_told(old)} became {_told(new)}: who sends nothing now says something else",
                )

    def _schema_node(self, found: Json, directions: list[str]) -> Iterator[Change]:
        side = found.get("revision") or found["base"]
        tokens = split(side["pointer"])
        added = found["kind"] == "added"
        if len(tokens) == 3 and tokens[0] == "components":
            # Of a schema that something uses, its users tell.
            yield self._change(found, TEXT, BOTH, f"schema {tokens[-1]} {found['kind']}")
            return
        if tokens[-2:-1] == ["properties"]:
            name = tokens[-1]
            for direction in directions:
                if added:
                    reason = (
                        f"clients may send {name}" if direction == SENT else f"{name} is told too"
                    )
                    yield self._change(found, ADDITIVE, direction, reason)
                else:
                    told = "is refused from now on" if direction == SENT else "is no longer told"
                    yield self._change(found, BREAKING, direction, f"{name} {told}")
            return
        if tokens[-1] == _REST:
            way = split(found["path"])[:-1]
            holders = [follow(document, way) for document in (self._before, self._after)]
            if all(isinstance(one, dict) for one in holders):
                yield from self._related(found, _REST, *(one.get(_REST) for one in holders))
                return
        relation = _relate_part(tokens, found["typeName"], added=added)
        for direction in directions:
            impact, consequence = CONSEQUENCES[relation, direction]
            reason = f"the schema here was {found['kind']}: {consequence}"
            yield self._change(found, impact, direction, reason)

    # ── the rest of OpenAPI ───────────────────────────────────────────────────────────────────────

    def _node(self, found: Json, kind: str) -> Iterator[Change]:
        name = found.get("property")
        if (kind, name) in _NAMES_ELSEWHERE or name == "key":
            return
        if name in _ANNOTATIONS or kind in _TEXTS:
            yield self._change(
                found, TEXT, BOTH, f"{_of(kind)}{name or found['kind']}: another text"
            )
            return
        tokens = split(found["path"])
        if tokens[:1] == ["components"] and len(tokens) == 3 and tokens[1] != "securitySchemes":
            # A part that is for others to use: they tell whom it reaches.
            yield self._change(found, TEXT, BOTH, f"{tokens[-1]} {found['kind']}")
            return
        rule = _RULES.get((kind, found["kind"], name)) or _RULES.get((kind, found["kind"], None))
        direction = self._usage.direction(found["path"])
        if rule is None:
            impact = {"major": BREAKING, "minor": ADDITIVE}.get(found["impact"], TEXT)
            told = "; ".join(verdict["message"] for verdict in found["verdicts"])
            reason = told or " ".join(filter(None, (_WORDS.get(kind, kind), name, found["kind"])))
            yield self._change(found, impact, direction, reason)
            return
        impact, reason = rule(
            found.get("base", {}).get("value"), found.get("revision", {}).get("value")
        )
        if kind in ("PathItem", "Operation", "Server"):
            direction = BOTH
        yield self._change(found, impact, direction, reason)


def _allowed(schema: Json) -> Any:
    """The values that an `enum` lists, or `x-valeur` alone; None when any will do."""
    return [schema["x-valeur"]] if "x-valeur" in schema else schema.get("enum")


def relate(name: str, old: Any, new: Any) -> str:
    """Whether a keyword of a schema became narrower, wider or something else; None is its absence."""
    if name in _FLAGS and bool(old) == bool(new):
        return SAME
    rule = _RELATIONS.get(name)
    if rule is not None:
        return rule(old, new)
    if name in _RESTRICTIONS:
        return NARROWER if new else WIDER
    if name in _LOWER_BOUNDS | _UPPER_BOUNDS:
        if old is None or new is None:
            return NARROWER if old is None else WIDER
        return NARROWER if (new > old) == (name in _LOWER_BOUNDS) else WIDER
    return OTHER


def _relate_part(tokens: list[str], kind: str, *, added: bool) -> str:
    """What a schema does that comes into another or leaves it: one more alternative is wider, whatever
    else must hold too is narrower."""
    if kind in _COMBINATIONS:
        return NARROWER if added else WIDER
    if tokens[-2:-1] and tokens[-2] in _ALTERNATIVES:
        return WIDER if added else NARROWER
    if tokens[-2:-1] == ["allOf"] or tokens[-1] in ("items", "not"):
        return NARROWER if added else WIDER
    return OTHER


def _relate_sets(old: set[Any], new: set[Any]) -> str:
    """Of allowed values: fewer are narrower."""
    if new == old:
        return SAME
    if new < old:
        return NARROWER
    return WIDER if old < new else OTHER


def _relate_type(old: Any, new: Any) -> str:
    values = {
        "number": {"number", "integer"},
        None: {"any", "number", "integer", "string", "boolean"},
    }
    return _relate_sets(values.get(old, {old}), values.get(new, {new}))


def _relate_enum(old: Any, new: Any) -> str:
    if old is None or new is None:
        return NARROWER if old is None else WIDER
    return _relate_sets({str(value) for value in old}, {str(value) for value in new})


def _relate_required(old: Any, new: Any) -> str:
    # More that must be there is narrower.
    return _relate_sets(set(new or []), set(old or []))


def _relate_pattern(old: Any, new: Any) -> str:
    if old is None or new is None:
        return NARROWER if old is None else WIDER
    try:
        old_takes_all, new_takes_all = compare(old, new)
    except UnknownPattern:
        return OTHER
    if new_takes_all:
        return SAME if old_takes_all else WIDER
    return NARROWER if old_takes_all else OTHER


def _relate_nullable(_old: Any, new: Any) -> str:
    return WIDER if new else NARROWER


def _relate_additional(old: Any, new: Any) -> str:
    old, new = (True if value in (None, {}) else value for value in (old, new))
    if old == new:
        return SAME
    # From all to some to none; what differs inside a schema is told of its parts.
    return NARROWER if new is False or old is True else WIDER


def _relate_multiple(old: Any, new: Any) -> str:
    if old is None or new is None:
        return NARROWER if old is None else WIDER
    if new % old == 0:
        return NARROWER
    return WIDER if old % new == 0 else OTHER


_RELATIONS: dict[str, Callable[[Any, Any], str]] = {
    "type": _relate_type,
    "enum": _relate_enum,
    "required": _relate_required,
    "pattern": _relate_pattern,
    "nullable": _relate_nullable,
    _REST: _relate_additional,
    "multipleOf": _relate_multiple,
}


def _told(value: Any) -> str:
    if value is None:
        return "(none)"
    if isinstance(value, dict):
        return "a schema"
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _told_change(name: str, old: Any, new: Any) -> str:
    if isinstance(old, list) or isinstance(new, list):
        was, now = old or [], new or []
        more = [value for value in now if value not in was]
        less = [value for value in was if value not in now]
        told = [f"{_told(more)} added"] if more else []
        told += [f"{_told(less)} removed"] if less else []
        return f"{name}: {', '.join(told) or 'another order'}"
    return f"{name} {_told(old)} became {_told(new)}"


def _of(kind: str) -> str:
    return f"{kind} " if kind in _TEXTS else ""


_WORDS = {
    "CallbacksMap": "calls back",
    "HeadersMap": "headers",
    "MediaTypesMap": "media types",
    "ParameterList": "parameters",
    "SchemaProperties": "fields",
    "ServerList": "servers",
}
"""What Redocly names for itself."""

_TEXTS = frozenset(
    {
        "Info",
        "Contact",
        "License",
        "Example",
        "ExamplesMap",
        "Link",
        "LinksMap",
        "ExternalDocs",
        "Logo",
    }
)

Rule = Callable[[Any, Any], tuple[str, str]]


def _always(impact: str, reason: str) -> Rule:
    return lambda _old, _new: (impact, reason)


def _parameter_added(_old: Any, new: Any) -> tuple[str, str]:
    if isinstance(new, dict) and new.get("required"):
        return BREAKING, f"{new.get('name')} must be sent"
    return ADDITIVE, f"{new.get('name') if isinstance(new, dict) else 'a parameter'} may be sent"


def _required(old: Any, new: Any) -> tuple[str, str]:
    if bool(old) == bool(new):
        return _AS_BEFORE
    return (BREAKING, "must be sent") if new else (ADDITIVE, "may be left out")


def _promised(old: Any, new: Any) -> tuple[str, str]:
    if bool(old) == bool(new):
        return _AS_BEFORE
    return (ADDITIVE, "is always told") if new else (BREAKING, "may be absent")


def _renamed(old: Any, new: Any) -> tuple[str, str]:
    return BREAKING, f"{_told(old)} became {_told(new)}"


def _deprecated(old: Any, new: Any) -> tuple[str, str]:
    if bool(old) == bool(new):
        return _AS_BEFORE
    return (ADDITIVE, "deprecated") if new else (TEXT, "no longer deprecated")


def _body_added(_old: Any, new: Any) -> tuple[str, str]:
    if isinstance(new, dict) and not new.get("required"):
        return ADDITIVE, "a body may be sent"
    return BREAKING, "a body must be sent"


_RULES: dict[tuple[str, str, str | None], Rule] = {
    ("PathItem", "removed", None): _always(BREAKING, "the path is gone"),
    ("PathItem", "added", None): _always(ADDITIVE, "a new path"),
    ("Operation", "removed", None): _always(BREAKING, "the operation is gone"),
    ("Operation", "added", None): _always(ADDITIVE, "a new operation"),
    ("Operation", "modified", "operationId"): _renamed,
    ("Operation", "modified", "deprecated"): _deprecated,
    ("Parameter", "added", None): _parameter_added,
    ("Parameter", "removed", None): _always(BREAKING, "the parameter is refused from now on"),
    ("Parameter", "modified", "name"): _renamed,
    ("Parameter", "modified", "in"): _renamed,
    ("Parameter", "modified", "required"): _required,
    ("Parameter", "modified", "deprecated"): _deprecated,
    ("Parameter", "modified", None): _renamed,
    ("RequestBody", "added", None): _body_added,
    ("RequestBody", "removed", None): _always(BREAKING, "the body is refused from now on"),
    ("RequestBody", "modified", "required"): _required,
    ("MediaType", "added", None): _always(ADDITIVE, "another media type"),
    ("MediaType", "removed", None): _always(BREAKING, "the media type is gone"),
    ("Responses", "removed", None): _always(BREAKING, "every status is gone"),
    ("Response", "added", None): _always(ADDITIVE, "another status may be answered"),
    ("Response", "removed", None): _always(BREAKING, "the status is gone"),
    ("Header", "added", None): _always(ADDITIVE, "another header"),
    ("Header", "removed", None): _always(BREAKING, "the header is gone"),
    ("Header", "modified", "required"): _promised,
    ("Server", "added", None): _always(ADDITIVE, "another server"),
    ("Server", "removed", None): _always(BREAKING, "the server is gone"),
    ("Server", "modified", "url"): _renamed,
    ("SecurityScheme", "added", None): _always(ADDITIVE, "another way to authenticate"),
    ("SecurityScheme", "removed", None): _always(BREAKING, "the way to authenticate is gone"),
    ("SecurityScheme", "modified", None): _renamed,
    ("ClientCredentials", "modified", "tokenUrl"): _renamed,
}
