"""The house's style of schemas: requests closed and bounded, answers whole, everything described."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from handlers.contract.lines import Place, Problem
from handlers.contract.model import Json
from handlers.contract.style import FIELD, RFC_6749_NAMES
from handlers.contract.view import View, holder_of, is_data, is_named_schema

OPEN_BY_RFC_6749 = ("DemandeJeton", "DemandeRevocationJeton", "DemandeIntrospection")
"""The requests that ignore what they do not know, as section 3.2 of the RFC wants."""


OPTIONAL = "x-facultatifs"
"""The fields that an answer may lack, each with the reason: what was published without them, above all."""

COMPOSING = ("allOf", "oneOf", "anyOf", "not", "discriminator")
SCALARS = ("string", "integer", "number", "boolean")


def body_problems(view: View) -> Iterator[Problem]:
    """Bodies and answers are named schemas."""
    for place, node in view.everything:
        is_media = place[-2:-1] == ("content",) and not is_data(place)
        if is_media and "$ref" not in node.get("schema", {}):
            yield Problem(
                (*place, "schema"), "move this schema to components.schemas and refer to it."
            )


def object_problems(view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """Every object is a named schema; nothing is composed."""
    is_object = schema.get("type") == "object" or "properties" in schema
    if is_object and not is_named_schema(place):
        yield Problem(place, "move this object to components.schemas and refer to it.")
    for key in COMPOSING:
        if key in schema:
            yield Problem(
                (*place, key), f"{key} breaks generated clients; name a schema for each case."
            )
    if is_object and is_named_schema(place):
        yield from _direction_problems(view, place, schema)


def _direction_problems(view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """Requests are closed and answers may grow."""
    name = place[2]
    asked, answered = name in view.asked, name in view.answered
    if asked and answered:
        yield Problem(place, "this schema is asked and answered; write one of each.")
    if asked and name not in OPEN_BY_RFC_6749 and schema.get("additionalProperties") is not False:
        yield Problem(place, "this schema is asked: say additionalProperties: false.")
    if name in OPEN_BY_RFC_6749 and "additionalProperties" in schema:
        yield Problem(place, "this schema takes more fields: leave additionalProperties out.")
    if answered and schema.get("additionalProperties") is not True:
        yield Problem(place, "this schema is answered: say additionalProperties: true.")
    if answered:
        yield from _presence_problems(place, schema)
    elif OPTIONAL in schema:
        yield Problem((*place, OPTIONAL), f"only what is answered has {OPTIONAL}.", " ")


def _presence_problems(place: Place, schema: Json) -> Iterator[Problem]:
    """An answer has every field, but those that it says it may lack, each with a reason."""
    required, fields = schema.get("required", []), schema.get("properties", {})
    optional = schema.get(OPTIONAL, {})
    for field in fields:
        if field not in required and field not in optional:
            yield Problem(
                (*place, "properties", field),
                f"this schema is answered, so every property is required: add {field} to its "
                "`required` (nullable: true where it may be unknown).",
            )
    for field in required:
        if field not in fields:
            yield Problem(
                (*place, "required"), f"requires {field}, which is no property of it.", " "
            )
    for field, reason in optional.items():
        if field not in fields or field in required:
            yield Problem((*place, OPTIONAL, field), "is no property that it may lack.", " ")
        elif not isinstance(reason, str) or not reason.strip():
            yield Problem((*place, OPTIONAL, field), "say why an answer may lack it.")


def description_problems(_view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """Every schema is described where it is written, but those of items and of what holds them."""
    if holder_of(place) or place[-1:] == ("items",) or "$ref" in schema:
        return
    if schema.get("description"):
        return
    yield Problem(place, "give it a description.")


def example_problems(view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """Every scalar has an example."""
    if "$ref" in schema or schema.get("type") in ("object", "array") or "example" in schema:
        return
    holder = holder_of(place)
    if holder is None or "example" not in view.components[holder[0]][holder[1]]:
        yield Problem(place, "give it an example.")


def field_problems(_view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """Properties bear names that are variables' names."""
    if is_named_schema(place):
        for name in schema.get("properties", {}):
            if name not in RFC_6749_NAMES and not FIELD.fullmatch(str(name)):
                yield Problem(
                    (*place, "properties", name),
                    f"name {name!r} in lowerCamelCase without accents.",
                )


def pattern_problems(_view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """Patterns are anchored and say their characters, in words that all languages know."""
    if "pattern" not in schema:
        return
    pattern, at = schema["pattern"], (*place, "pattern")
    if not (pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$")):
        yield Problem(at, "write ^…$ around the pattern.")
    if re.search(r"\\[dDwWsSbBpPAZz]", pattern):
        yield Problem(at, "write characters, such as [0-9], in place of \\d, \\w, \\s.")
    if "|" in re.sub(r"\[[^\]]*\]|\([^()]*\)", "", pattern):
        yield Problem(at, "put alternatives in parentheses: ^(a|b)$.")
    if not pattern.isascii():
        yield Problem(at, "write a character beyond ASCII as \\uXXXX.")
    try:
        re.compile(pattern)
    except re.error as error:
        yield Problem(at, f"the pattern is no regular expression: {error}.")


def null_problems(_view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """Null is allowed on plain scalars only."""
    if "nullable" not in schema:
        return
    at = (*place, "nullable")
    if schema["nullable"] is not True:
        yield Problem(at, "leave nullable out.")
    if schema.get("type") not in SCALARS:
        yield Problem(at, "nullable needs an inline scalar type.")
    if "enum" in schema:
        yield Problem(at, "an enum cannot be nullable.")
    if is_named_schema(place):
        yield Problem(at, "say nullable where the property is, not in a shared schema.")


def format_problems(_view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """Numbers say their format; nothing checks the format of a text."""
    kind, form = schema.get("type"), schema.get("format")
    if kind == "integer" and form not in ("int32", "int64"):
        yield Problem(place, "say format: int64 (amounts) or int32.")
    if kind == "integer" and form == "int32" and schema.get("maximum", 0) >= 2**31:
        yield Problem(place, "its maximum needs format: int64.")
    if kind == "number" and form != "double":
        yield Problem(place, "say format: double; only the original document's numbers are.")
    if kind == "string" and form not in (None, "password"):
        yield Problem(place, f"nothing checks format: {form}; write a pattern.")


def bound_problems(view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """What a client sends is bounded."""
    if not _is_parameter(place) and not (
        place[:2] == ("components", "schemas") and place[2] in view.sent
    ):
        return
    kind = schema.get("type")
    if kind in ("integer", "number") and not {"minimum", "maximum"} <= schema.keys():
        yield Problem(place, "give it a minimum and a maximum.")
    endless = re.search(r"[*+]", re.sub(r"\[[^\]]*\]", "", schema.get("pattern", "*")))
    if kind == "string" and endless and not {"maxLength", "enum"} & schema.keys():
        yield Problem(place, "bound its length in the pattern or by maxLength.")
    if kind == "array" and "maxItems" not in schema:
        yield Problem(place, "give it maxItems.")


def enum_problems(view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """A new value of an enum breaks generated clients: a list in the description of an answer does not."""
    if "enum" not in schema or _is_parameter(place):
        return
    if schema.get("type") == "boolean":
        yield Problem(
            (*place, "enum"),
            "write x-valeur in place of the enum of a boolean: a class of enums is generated from it, "
            "whose members are all true to Python.",
        )
        return
    if not (place[:2] == ("components", "schemas") and place[2] in view.sent):
        yield Problem((*place, "enum"), "list the values in its description, not in an enum.")


def value_problems(_view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """The one value of a boolean is a boolean, and no schema is named for it."""
    if "x-valeur" not in schema:
        return
    if schema.get("type") != "boolean" or not isinstance(schema["x-valeur"], bool):
        yield Problem((*place, "x-valeur"), "x-valeur is true or false, of a boolean.")
    if is_named_schema(place):
        yield Problem((*place, "x-valeur"), "say x-valeur where the property is.")


def date_problems(_view: View, place: Place, schema: Json) -> Iterator[Problem]:
    """The pattern of a day takes the days of a calendar: what it takes and the server refuses misleads."""
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or re.fullmatch(pattern, "abcdefghij"):
        return  # a text of any kind
    for form, known in _DAYS.items():
        if re.fullmatch(pattern, known) and any(
            re.fullmatch(pattern, form.format(day, month)) for day, month in _NEVER
        ):
            yield Problem(
                (*place, "pattern"),
                "write days as (0[1-9]|[12][0-9]|3[01]) and months as (0[1-9]|1[0-2]).",
            )


_DAYS = {
    "{}/{}/2026": "23/11/2026",
    "{}-{}-2026": "23-11-2026",
    "{}-{}-2026 08:30:00": "23-11-2026 08:30:00",
}
"""How the contract writes a day or an instant, and one of each."""

_NEVER = (("00", "11"), ("32", "11"), ("39", "11"), ("23", "00"), ("23", "13"), ("23", "19"))


def _is_parameter(place: Place) -> bool:
    return place[:2] == ("components", "parameters") or "parameters" in place[2:4]


WHOLE: tuple[Callable[[View], Iterator[Problem]], ...] = (body_problems,)
OF_SCHEMAS: tuple[Callable[[View, Place, Json], Iterator[Problem]], ...] = (
    object_problems,
    description_problems,
    example_problems,
    field_problems,
    pattern_problems,
    null_problems,
    format_problems,
    bound_problems,
    enum_problems,
    value_problems,
    date_problems,
)
