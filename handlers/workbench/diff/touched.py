"""Whom a change touches: what of the contract it concerns, and which partners used that, by the logs.

A log names operations, optional inputs and media types; it holds no value that was sent and no field that
was read. What a change concerns is therefore looked up as precisely as that allows, and where it is less
than what is told, the answer says "at most" and why.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from handlers.contract.model import METHODS, Json
from handlers.contract.view import is_data, walk
from handlers.workbench.diff.change import BOTH, BREAKING, RECEIVED, SENT, Change
from handlers.workbench.diff.directions import dotted, resolve
from handlers.workbench.usage import Tally, Usage

NO_VALUES = "the logs hold no values"
NO_FIELDS = "the logs do not tell what a client reads of an answer"
NOT_YET = "the logs tell who calls, not who sends this already"
NO_SECRETS = "the logs do not name the fields of secrets"
NO_MORE = "the logs tell who calls, not how"
NO_NAME = "nothing that they name is concerned"
NO_CALLS = "they hold no call of an operation"

_OF_ITSELF = ((), ("deprecated",), ("x-obsolescence",), ("key",))
"""What may follow the place of an operation or an input that is concerned as a whole."""

_HOLDERS = (("paths",), ("parameters",), ("properties",), ("content",))
"""What holds by name or number: what is not found there is new."""


@dataclass(frozen=True, slots=True)
class Part:
    """What of an operation is used: an optional input, or a media type of its answer, else all of it."""

    operation: str
    optional_input: str | None = None
    media_type: str | None = None

    @property
    def label(self) -> str:
        """`getX`, `getX (limite)`, `getX (text/csv)`."""
        name = self.optional_input or self.media_type
        return f"{self.operation} ({name})" if name else self.operation


@dataclass(frozen=True, slots=True)
class Touched:
    """What a change concerns, and who used it, None standing for whoever was not known.

    Where it was used by those `at_most`, that says why, and so does `cannot_tell`. Of `silent` calls the
    logs do not tell which inputs and media type they used: an older server wrote them.
    """

    parts: tuple[Part, ...]
    cannot_tell: str | None
    at_most: str | None
    by_partner: dict[str | None, dict[Part, Tally]]
    silent: int


@dataclass(frozen=True, slots=True)
class Deprecated:
    """What the newer contract marks as deprecated, and when it is withdrawn, where it says so."""

    where: str
    retrait: str | None


Keys = tuple[str, ...]
Found = tuple[Part, str | None]
"""A part that is concerned, and why there may be fewer users of the change than of it."""


class Versions:
    """Two versions of a contract, and what was used of them."""

    def __init__(self, before: Json, after: Json, usage: Usage) -> None:
        self._before, self._after = _Parts(before), _Parts(after)
        self._usage = usage

    def touched_by(self, change: Change) -> Touched:
        """Whom the change reaches."""
        return self._touched(dict(self._concerned(change.where, change.direction)))

    def breaking(self, changes: Sequence[Change]) -> dict[Change, Touched]:
        """Those of the changes that break somebody."""
        return {one: self.touched_by(one) for one in changes if one.impact == BREAKING}

    def deprecated(self) -> dict[Deprecated, Touched]:
        """All that the newer version marks as deprecated."""
        found = {}
        for place, node in walk(self._after.document):
            if isinstance(node, dict) and node.get("deprecated") is True and not is_data(place):
                where = dotted([str(key) for key in place])
                retrait = node.get("x-obsolescence", {}).get("retrait")
                touched = self._touched(dict(self._concerned(f"{where}.deprecated", BOTH)))
                found[Deprecated(where, retrait)] = touched
        return found

    def _concerned(self, where: str, direction: str) -> list[Found]:
        """By what the older version has there: it is what partners were told of."""
        keys, left = self._before.follow(where)
        if keys == ("paths",):
            return list(self._after.at(self._after.follow(where)[0], (), direction))
        keys, left = self._same_parameter(keys, left)
        is_component = keys[:1] == ("components",) and len(keys) == 2
        is_new = bool(left) and (keys[-1:] in _HOLDERS or is_component)
        found = list(self._before.at(keys, left, direction))
        if not is_new:
            return found
        newer = found or self._after.at(*self._after.follow(where), direction)
        return [(Part(part.operation), NOT_YET) for part, _ in newer]

    def _same_parameter(self, keys: Keys, left: Keys) -> tuple[Keys, Keys]:
        """A parameter has a number, which is the older version's for one that is gone, else the newer's."""
        if keys[:1] != ("paths",) or keys[3:4] != ("parameters",) or not (keys[4:] or left):
            return keys, left
        text, *tail = (*keys[4:], *left)
        if not text.isdigit():
            return keys, left
        number = int(text)
        old = self._before.parameters(keys[1], keys[2])
        new = self._after.parameters(keys[1], keys[2])
        if not tail and number < len(old) and old[number] not in new:
            return keys, left
        if number < len(new) and new[number] in old:
            return (*keys[:4], str(old.index(new[number]))), tuple(tail)
        return keys[:4], ("new",)

    def _touched(self, concerned: dict[Part, str | None]) -> Touched:
        by_partner: dict[str | None, dict[Part, Tally]] = {}
        silent = 0
        for part in concerned:
            for partenaire, use in self._usage.by_operation.get(part.operation, {}).items():
                tally: Tally | None = use.all
                if part.optional_input is not None:
                    tally = use.inputs.get(part.optional_input)
                elif part.media_type is not None:
                    tally = use.media.get(part.media_type)
                silent += use.silent if part.optional_input or part.media_type else 0
                if tally is not None:
                    by_partner.setdefault(partenaire, {})[part] = tally
        reasons = [reason for reason in concerned.values() if reason is not None]
        cannot_tell = None if self._usage.calls else NO_CALLS
        return Touched(
            tuple(concerned),
            cannot_tell if concerned else NO_NAME,
            next(iter(reasons), None),
            by_partner,
            silent,
        )


class _Parts:
    """The parts of a version of the contract, found by the places of changes."""

    def __init__(self, document: Json) -> None:
        self.document = document
        self._operations: dict[tuple[str, str], Json] = {
            (path, method): item[method]
            for path, item in document.get("paths", {}).items()
            for method in METHODS
            if method in item
        }

    def follow(self, where: str) -> tuple[Keys, Keys]:
        """The keys that lead to a place, as far as it is there, and what is left of it."""
        node: Any = self.document
        keys: list[str] = []
        while where:
            # The longest that fits: a path may have dots.
            names = map(str, range(len(node)) if isinstance(node, list) else node)
            fitting = [name for name in names if f"{where}.".startswith(f"{name}.")]
            if not fitting:
                break
            key = max(fitting, key=len)
            keys.append(key)
            where = where[len(key) + 1 :]
            node = node[int(key)] if isinstance(node, list) else node[key]
            if not isinstance(node, dict | list):
                break
        return tuple(keys), tuple(where.split(".")) if where else ()

    def parameters(self, path: str, method: str) -> list[str]:
        """The names of an operation's parameters, in their order."""
        operation = self._operations.get((path, method), {})
        return [self._resolved(node).get("name", "") for node in operation.get("parameters", [])]

    def at(self, keys: Keys, left: Keys, direction: str) -> Iterator[Found]:
        """What is concerned by a change at a place."""
        rest = (*keys, *left)
        match rest:
            case ("paths", path, method, *_) if (path, method) in self._operations:
                yield self._in_operation(self._operations[path, method], rest[3:], direction)
            case ("paths", path, *_):
                for (one, _), operation in self._operations.items():
                    if one == path:
                        yield _whole(operation, rest[2:])
            case ("components", "securitySchemes", *_):
                for operation in self._operations.values():
                    if operation.get("security", self.document.get("security")):
                        yield Part(operation["operationId"]), NO_MORE
            case ("components", kind, name, *_):
                yield from self._using(kind, name, rest[3:], direction)
            case _:
                yield from self._otherwise(rest)

    def _in_operation(self, operation: Json, rest: Keys, direction: str) -> Found:
        match rest:
            case ("parameters", number, *tail) if number.isdigit():
                parameter = self._resolved(operation["parameters"][int(number)])
                return _input(operation, parameter["name"], parameter.get("required"), tail)
            case ("responses", status, "content", media, *tail):
                part = self._answer(operation, status, media)
                return part, NO_FIELDS if tail or part.media_type is None else None
        return _whole(operation, rest, NO_FIELDS if direction == RECEIVED else NO_MORE)

    def _otherwise(self, rest: Keys) -> Iterator[Found]:
        """The catalogue and the rate classes reach those that name them; all else reaches all."""
        for operation in self._operations.values():
            match rest:
                case ("x-catalogue-erreurs", code, *_):
                    reaches = code in operation.get("x-codes-erreur", [])
                case ("x-classes-debit", name, *_):
                    reaches = operation.get("x-classe-debit") == name
                case _:
                    reaches = True
            if reaches:
                yield Part(operation["operationId"]), NO_MORE

    # ── components ────────────────────────────────────────────────────────────────────────────────

    def _using(self, kind: str, name: str, rest: Keys, direction: str) -> Iterator[Found]:
        """What refers to a component, itself or through others."""
        key = f"#/components/{kind}/{name}"
        for side, part, references, body in self._pieces:
            if key not in references or direction not in (side, BOTH):
                continue
            if side == RECEIVED:
                yield part, NO_FIELDS
            elif kind == "parameters" and rest in _OF_ITSELF:
                yield part, None
            elif body is not None and rest[:1] == ("properties",) and rest[1:2]:
                field, *tail = rest[1:]
                yield self._field(part.operation, body, field, tail)
            else:
                yield part, _reason(rest)

    @cached_property
    def _pieces(self) -> list[tuple[str, Part, set[str], Json | None]]:
        """Of each operation: inputs and answers, each with all that it refers to. Of a body itself, with its
        schema, this is only what names that."""
        return [piece for one in self._operations.values() for piece in self._pieces_of(one)]

    def _pieces_of(self, operation: Json) -> Iterator[tuple[str, Part, set[str], Json | None]]:
        name = operation["operationId"]
        for node in operation.get("parameters", []):
            parameter = self._resolved(node)
            part, _ = _input(operation, parameter["name"], parameter.get("required"), ())
            yield SENT, part, self._references(node), None
        if "requestBody" in operation:
            content = self._resolved(operation["requestBody"]).get("content", {})
            for media in content.values():
                schema = media.get("schema", {})
                body = self._resolved(schema)
                named = {
                    str(node["$ref"])
                    for node in (operation["requestBody"], schema)
                    if "$ref" in node
                }
                yield SENT, Part(name), named, body
                for field, node in body.get("properties", {}).items():
                    part, _ = self._field(name, body, field, ())
                    yield SENT, part, self._references(node), None
        for status, response in operation.get("responses", {}).items():
            whole = self._resolved(response)
            shared = {str(response["$ref"])} if "$ref" in response else set()
            shared |= self._references({key: one for key, one in whole.items() if key != "content"})
            for media, node in whole.get("content", {}).items():
                part = self._answer(operation, status, media)
                yield RECEIVED, part, self._references(node) | shared, None

    def _field(self, name: str, body: Json, field: str, tail: Sequence[str]) -> Found:
        """A field of a body; who must send it is whoever calls."""
        node = self._resolved(body.get("properties", {}).get(field, {}))
        if field in body.get("required", []):
            return Part(name), _reason(tail)
        if node.get("format") == "password":
            return Part(name), NO_SECRETS
        return Part(name, optional_input=field), _reason(tail)

    def _answer(self, operation: Json, status: str, media: str) -> Part:
        """A media type of a success, where there is a choice: a refusal has but one."""
        offered = self._resolved(operation["responses"][status]).get("content", {})
        choice = media if status == "200" and len(offered) > 1 else None
        return Part(operation["operationId"], media_type=choice)

    def _resolved(self, node: Any) -> Json:
        seen = 0
        while isinstance(node, dict) and "$ref" in node and seen < 20:
            node, seen = resolve(self.document, node["$ref"]), seen + 1
        return node if isinstance(node, dict) else {}

    def _references(self, root: Any) -> set[str]:
        found: set[str] = set()
        waiting = [root]
        while waiting:
            for place, node in walk(waiting.pop()):
                reference = node.get("$ref") if isinstance(node, dict) else None
                if isinstance(reference, str) and reference not in found and not is_data(place):
                    found.add(reference)
                    waiting.append(resolve(self.document, reference))
        return found


def _whole(operation: Json, rest: Sequence[str], reason: str = NO_MORE) -> Found:
    return Part(operation["operationId"]), None if tuple(rest) in _OF_ITSELF else reason


def _input(operation: Json, name: str, required: object, tail: Sequence[str]) -> Found:
    """A parameter; who must send it is whoever calls."""
    part = Part(operation["operationId"], optional_input=None if required else name)
    return part, _reason(tail)


def _reason(tail: Sequence[str]) -> str | None:
    """Why fewer than the users of an input may be concerned by a change at this place of it."""
    if tuple(tail) in _OF_ITSELF:
        return None
    return NOT_YET if tail[-1] == "required" else NO_VALUES
