"""Mutants made by editing the contract: the copy that the tests judge by, or the server's.

A promise that is only made weaker in the copy that judges changes nothing that is sent or asked, so answers
are narrowed there; the server's copy is where their checks are weakened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from functools import partial
from typing import Any

from tests.lab.mutants.mutant import (
    JUDGE,
    SERVER,
    Mutant,
    operation_of,
    own,
    own_answer,
    own_body,
    own_parameter,
    own_response,
)
from tests.lab.mutants.surface import CATALOGUE, DOCUMENT, OPERATIONS, resolve
from tests.support.contract_client import Json

BY_ID = {operation["operationId"]: operation for operation in OPERATIONS.values()}

Path = tuple[str, ...]
Edit = Callable[[Json], None]
Change = Callable[[Json], None]
Find = Callable[[Json], Json]

OTHER_TYPE = {"string": "integer", "integer": "string", "number": "string", "boolean": "string"}


# ── changes of one schema ────────────────────────────────────────────────────────────────────────
def _set(key: str, value: Any) -> Change:
    def change(node: Json) -> None:
        node[key] = value

    return change


def _drop(*keys: str) -> Change:
    def change(node: Json) -> None:
        for key in keys:
            del node[key]

    return change


def _remove(key: str, value: str) -> Change:
    def change(node: Json) -> None:
        node[key] = [item for item in node[key] if item != value]
        if not node[key]:
            del node[key]

    return change


def _append(key: str, value: Any) -> Change:
    def change(node: Json) -> None:
        node[key] = [*node.get(key, ()), value]

    return change


def _change_type(node: Json) -> None:
    example = {"string": "x", "integer": 1}[OTHER_TYPE[node["type"]]]
    for key in ("pattern", "minimum", "maximum", "minLength", "maxLength", "format", "enum"):
        node.pop(key, None)
    node["type"] = OTHER_TYPE[node["type"]]
    node["example"] = example
    if node["type"] == "integer":
        node["format"] = "int64"


def _remove_property(name: str) -> Change:
    def change(node: Json) -> None:
        del node["properties"][name]
        node["required"] = [item for item in node.get("required", []) if item != name]

    return change


def _rename_property(name: str) -> Change:
    def change(node: Json) -> None:
        node["properties"] = {
            f"{key}Autre" if key == name else key: value
            for key, value in node["properties"].items()
        }
        if "required" in node:
            node["required"] = [
                f"{item}Autre" if item == name else item for item in node["required"]
            ]

    return change


def _add_property(*, required: bool) -> Change:
    def change(node: Json) -> None:
        schema = {"type": "string", "description": "Autre.", "example": "x", "maxLength": 64}
        node["properties"]["autre"] = schema
        if required:
            node["required"] = [*node.get("required", []), "autre"]

    return change


_CHANGES_OF_PATTERNS: tuple[tuple[str, str, Callable[[re.Match[str]], str]], ...] = (
    ("shortest +1", r"\{(\d+),(\d+)\}", lambda m: f"{{{int(m[1]) + 1},{m[2]}}}"),
    ("shortest -1", r"\{([1-9]\d*),(\d+)\}", lambda m: f"{{{int(m[1]) - 1},{m[2]}}}"),
    ("longest +1", r"\{(\d+),(\d+)\}", lambda m: f"{{{m[1]},{int(m[2]) + 1}}}"),
    ("longest -1", r"\{(\d+),(\d+)\}", lambda m: f"{{{m[1]},{int(m[2]) - 1}}}"),
    ("length +1", r"\{(\d+)\}", lambda m: f"{{{int(m[1]) + 1}}}"),
    ("9 becomes 8", r"0-9", lambda _: "0-8"),
    ("Z becomes Y", r"A-Z", lambda _: "A-Y"),
    ("a becomes b", r"a-z", lambda _: "b-z"),
    ("one more character", r"0-9", lambda _: "0-9~"),
    ("lower case too", r"0-9A-H", lambda _: "0-9a-hA-H"),
    ("3 becomes 4", r"\[0-3\]", lambda _: "[0-4]"),
    ("another word", r"^\^([a-zA-Z-]+)\$$", lambda m: f"^{m[1]}x$"),
)


def _patterns(pattern: str, *, narrower: bool = False) -> Iterator[tuple[str, str]]:
    """Changed patterns, each with the name of its change."""
    widening = ("shortest -1", "longest +1", "one more character", "lower case too", "3 becomes 4")
    for name, found, by in _CHANGES_OF_PATTERNS:
        changed = re.sub(found, by, pattern, count=1)
        if changed != pattern and not (narrower and name in widening):
            yield name, changed


# ── what answers promise ─────────────────────────────────────────────────────────────────────────
def _leaves(schema: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    """Every schema of an answer or of a body that is no object and no list, with its path."""
    schema = resolve(schema)
    if schema["type"] == "object":
        for name, node in schema.get("properties", {}).items():
            yield from _leaves(node, (*path, name))
    elif schema["type"] == "array":
        yield from _leaves(schema["items"], (*path, "[]"))
    else:
        yield path, schema


def _objects(schema: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    schema = resolve(schema)
    if schema["type"] == "object" and "properties" in schema:
        yield path, schema
        for name, node in schema["properties"].items():
            yield from _objects(node, (*path, name))
    elif schema["type"] == "array":
        yield from _objects(schema["items"], (*path, "[]"))


def _answer(operation: Json) -> Json:
    found: Json = resolve(operation["responses"]["200"])["content"]["application/json"]["schema"]
    return found


def _at_answer(name: str, path: Path, change: Change) -> Edit:
    return lambda document: change(own_answer(document, name, path))


def _narrower(schema: Json) -> Iterator[tuple[str, str, Change]]:
    """Changes of a scalar that answers do not all fit any more."""
    if "enum" not in schema:
        yield "type", f"{schema['type']} becomes {OTHER_TYPE[schema['type']]}", _change_type
    if "pattern" in schema:
        for name, pattern in _patterns(schema["pattern"], narrower=True):
            if name in ("length +1", "another word"):
                yield "pattern", name, _set("pattern", pattern)
    if "minimum" in schema:
        yield "bound", "minimum", _set("minimum", 10**15)
    if "maximum" in schema:
        # Below the least: a value that is always the same is the greatest one too.
        yield "bound", "maximum", _set("maximum", schema["minimum"] - 1)
    if "minLength" in schema:
        yield "bound", "minLength", _set("minLength", 500)
    if "enum" in schema:
        yield "enum", "its value", _set("enum", [not value for value in schema["enum"]])


def answers_judged() -> Iterator[Mutant]:
    """The copy that judges promises other answers than the server gives."""
    for name, operation in BY_ID.items():
        make = partial(Mutant, JUDGE)
        for path, schema in _objects(_answer(operation)):
            where = ".".join(path)
            for field in schema["properties"]:
                place = f"{where}.{field}".lstrip(".")
                for kind, change in (
                    ("answer: field dropped", _remove_property(field)),
                    ("answer: field renamed", _rename_property(field)),
                ):
                    yield make(kind, name, place, _at_answer(name, path, change))
            edit = _at_answer(name, path, _add_property(required=True))
            yield make("answer: field added", name, where or "body", edit)
        for path, schema in _leaves(_answer(operation)):
            where = ".".join(path)
            for kind, what, change in _narrower(schema):
                edit = _at_answer(name, path, change)
                yield make(f"answer: {kind} narrowed", name, f"{where}: {what}", edit)
        yield from _answers_around(name, operation)


def _answers_around(name: str, operation: Json) -> Iterator[Mutant]:
    make = partial(Mutant, JUDGE)
    for status, node in operation["responses"].items():
        if status != "200":
            yield make("status dropped", name, status, _edit_statuses(name, status, None))
            yield make("status changed", name, status, _edit_statuses(name, status, "418"))
        for header in resolve(node)["headers"]:
            edit = partial(_edit_header, name=name, status=status, header=header)
            yield make("header pattern", name, f"{status} {header}", edit)
        edit = partial(_add_header, name=name, status=status)
        yield make("header added", name, status, edit)
    for code in operation["x-codes-erreur"]:
        yield make("code dropped", name, code, partial(_drop_code, name=name, code=code))
    other = next(code for code in CATALOGUE if code not in operation["x-codes-erreur"])
    if CATALOGUE[other]["statut"] == 400:
        yield make("code added", name, other, partial(_add_code, name=name, code=other))
    for language in _languages(operation):
        edit = partial(_edit_message, name=name, language=language)
        yield make("message changed", name, language, edit)


def _edit_statuses(name: str, status: str, other: str | None) -> Edit:
    def edit(document: Json) -> None:
        responses = operation_of(document, name)["responses"]
        kept = responses.pop(status)
        if other is not None:
            responses[other] = kept

    return edit


def _edit_header(document: Json, *, name: str, status: str, header: str) -> None:
    node = own(document, own_response(document, name, status)["headers"], header)
    own(document, node, "schema").clear()
    node["schema"] = {
        "type": "string",
        "description": "Autre.",
        "pattern": "^autre$",
        "example": "autre",
    }
    node["example"] = "autre"


def _add_header(document: Json, *, name: str, status: str) -> None:
    document["components"]["headers"]["Autre"] = {
        "description": "Autre.",
        "required": True,
        "schema": {"type": "string", "description": "Autre.", "example": "x"},
    }
    headers = own_response(document, name, status)["headers"]
    headers["X-Autre"] = {"$ref": "#/components/headers/Autre"}


def _drop_code(document: Json, *, name: str, code: str) -> None:
    operation = operation_of(document, name)
    operation["x-codes-erreur"] = [item for item in operation["x-codes-erreur"] if item != code]
    status = str(CATALOGUE[code]["statut"])
    response = own_response(document, name, status)
    response["x-codes-erreur"] = [item for item in response["x-codes-erreur"] if item != code]
    response["description"] = re.sub(rf"\b{code}\b", "", response["description"])
    _drop_examples(document, response, code)
    if not response["x-codes-erreur"]:
        del operation["responses"][status]
        _forget_unused(document)


def _drop_examples(document: Json, response: Json, code: str) -> None:
    content = response["content"]["application/json"]
    examples = document["components"]["examples"]
    kept = {
        name: node
        for name, node in content["examples"].items()
        if examples[node["$ref"].rpartition("/")[2]]["value"]["code"] != code
    }
    if kept:
        content["examples"] = kept


def _forget_unused(document: Json) -> None:
    responses = document["components"]["responses"]
    for name in [name for name in responses if name.endswith("Mutant")]:
        del responses[name]


def _add_code(document: Json, *, name: str, code: str) -> None:
    operation = operation_of(document, name)
    codes = sorted({*operation["x-codes-erreur"], code}, key=lambda text: (len(text), text))
    operation["x-codes-erreur"] = codes
    response = own_response(document, name, str(CATALOGUE[code]["statut"]))
    response["x-codes-erreur"] = [*response["x-codes-erreur"], code]
    response["description"] += f" {code}."


def _edit_message(document: Json, *, name: str, language: str) -> None:
    # A message that several operations share is changed for this one alone, in each of its cases.
    operation = operation_of(document, name)
    message = deepcopy(resolve(operation["x-message-succes"]))
    for texts in (message, *message.get("cas", ())):
        texts[language] += "!"
    operation["x-message-succes"] = message


def _languages(operation: Json) -> tuple[str, ...]:
    """The languages of an operation's message; none where it has no message."""
    return ("fr", "en") if "x-message-succes" in operation else ()


# ── what requests may hold, judged or served otherwise ───────────────────────────────────────────
def _request_changes(schema: Json) -> Iterator[tuple[str, str, Change]]:
    """Kind, place and change of every bound, pattern, type and list of a request's value."""
    for key in ("minimum", "maximum", "minLength", "maxLength", "maxItems"):
        if key in schema:
            for step in (-1, 1):
                value = schema[key] + step
                yield "bound", f"{key} {value}", _set(key, value)
    if "pattern" in schema:
        for name, pattern in _patterns(schema["pattern"]):
            yield "pattern", name, _set("pattern", pattern)
    if "enum" in schema:
        # Without its only value, a list of values would be none: nothing would be narrowed.
        if len(schema["enum"]) > 1:
            yield "enum narrowed", schema["enum"][-1], _remove("enum", schema["enum"][-1])
        yield "enum widened", "AUTRE", _append("enum", "AUTRE")
    if "default" in schema:
        default = schema["default"]
        other = not default if isinstance(default, bool) else default - 1
        yield "default", str(default), _set("default", other)


def requests() -> Iterator[Mutant]:
    """Requests that one side takes and the other refuses."""
    for name, operation in BY_ID.items():
        for parameter in map(resolve, operation.get("parameters", [])):
            yield from _parameter(name, parameter)
        if "requestBody" in operation:
            (media_type,) = resolve(operation["requestBody"])["content"].values()
            for path, schema in _objects(media_type["schema"]):
                yield from _body(name, path, schema)
            for path, schema in _all_of_body(media_type["schema"]):
                for kind, what, change in _request_changes(schema):
                    edit = _at_body(name, path, change)
                    for side in (JUDGE, SERVER):
                        if side == JUDGE and "scope" in path:
                            continue
                        yield Mutant(
                            side, f"request: {kind}", name, f"{'.'.join(path)}: {what}", edit
                        )


def _all_of_body(schema: Json, path: Path = ()) -> Iterator[tuple[Path, Json]]:
    schema = resolve(schema)
    if schema["type"] == "object":
        for name, node in schema.get("properties", {}).items():
            yield from _all_of_body(node, (*path, name))
        return
    yield path, schema
    if schema["type"] == "array":
        yield from _all_of_body(schema["items"], (*path, "[]"))


def _at_body(name: str, path: Path, change: Change) -> Edit:
    return lambda document: change(own_body(document, name, path))


def _parameter(name: str, parameter: Json) -> Iterator[Mutant]:
    field = parameter["name"]

    def at(change: Change) -> Edit:
        return lambda document: change(own_parameter(document, name, field))

    def at_schema(change: Change) -> Edit:
        return lambda document: change(
            own(document, own_parameter(document, name, field), "schema")
        )

    def dropped(document: Json) -> None:
        node = own_parameter(document, name, field)
        node["name"] = f"{field}Autre"

    flipped = "optional" if parameter["required"] else "required"
    for side in (JUDGE, SERVER):
        edit = at(_set("required", not parameter["required"]))
        yield Mutant(side, f"request: parameter made {flipped}", name, field, edit)
        for kind, what, change in _request_changes(resolve(parameter["schema"])):
            if kind == "default" and side == JUDGE:
                continue
            yield Mutant(side, f"request: {kind}", name, f"{field}: {what}", at_schema(change))
    yield Mutant(JUDGE, "request: parameter renamed", name, field, dropped)


def _body(name: str, path: Path, schema: Json) -> Iterator[Mutant]:
    where = ".".join(path) or "body"
    for field in schema.get("required", []):
        for side in (JUDGE, SERVER):
            edit = _at_body(name, path, _remove("required", field))
            yield Mutant(side, "request: field made optional", name, f"{where}.{field}", edit)
    for field in schema["properties"]:
        if field not in schema.get("required", []):
            for side in (JUDGE, SERVER):
                edit = _at_body(name, path, _append("required", field))
                yield Mutant(side, "request: field made required", name, f"{where}.{field}", edit)
            edit = _at_body(name, path, _remove_property(field))
            yield Mutant(SERVER, "request: field dropped", name, f"{where}.{field}", edit)
    # A field more means nothing where those that are unknown are ignored.
    if schema.get("additionalProperties") is False:
        edit = _at_body(name, path, _add_property(required=False))
        for side in (JUDGE, SERVER):
            yield Mutant(side, "request: field added", name, where, edit)
    if path:
        edit = _at_body(name, path, _set("additionalProperties", True))
        yield Mutant(SERVER, "request: object opened", name, where, edit)


# ── rights, codes, texts and limits of the server ────────────────────────────────────────────────
def rights() -> Iterator[Mutant]:
    """Other rights, on both sides."""
    for name, operation in BY_ID.items():
        needs = [need["oauth2"] for need in operation["security"] if "oauth2" in need]
        if not needs:
            continue
        edit = _at_operation(name, _set("security", []))
        yield Mutant(SERVER, "security removed", name, "security", edit)
        for side in (JUDGE, SERVER):
            for scope in needs[0]:
                edit = partial(_edit_scopes, name=name, drop=scope, add=None)
                yield Mutant(side, "scope removed", name, scope, edit)
            other = "soldes:lire" if "soldes:lire" not in needs[0] else "cartes:lire"
            edit = partial(_edit_scopes, name=name, drop=None, add=other)
            yield Mutant(side, "scope added", name, other, edit)


def _at_operation(name: str, change: Change) -> Edit:
    return lambda document: change(operation_of(document, name))


def _edit_scopes(document: Json, *, name: str, drop: str | None, add: str | None) -> None:
    (need,) = [need for need in operation_of(document, name)["security"] if "oauth2" in need]
    need["oauth2"] = [scope for scope in need["oauth2"] if scope != drop]
    if add is not None:
        need["oauth2"].append(add)


def catalogue() -> Iterator[Mutant]:
    """Other texts, statuses and advice of a code, on both sides; its first operation is named."""
    for number, entry in enumerate(DOCUMENT["x-catalogue-erreurs"]):
        code = entry["code"]
        name = next(
            (name for name, node in BY_ID.items() if code in node["x-codes-erreur"]), "routes"
        )
        for language in ("fr", "en"):
            edit = partial(_edit_text, number=number, field="message", language=language)
            for side in (JUDGE, SERVER):
                yield Mutant(side, "catalogue: text", name, f"{code} {language}", edit)
        edit = partial(_edit_text, number=number, field="conseil", language="fr")
        yield Mutant(SERVER, "catalogue: advice", name, code, edit)
        edit = partial(_edit_entry, number=number, key="reessayer", value=not entry["reessayer"])
        yield Mutant(SERVER, "catalogue: retry", name, code, edit)
        edit = partial(_edit_entry, number=number, key="statut", value=409)
        yield Mutant(JUDGE, "catalogue: status", name, code, edit)
        # No other operation answers in the words of RFC 6749.
        if "oauth" in entry and "accessToken" in BY_ID:
            edit = partial(_edit_entry, number=number, key="oauth", value="server_error")
            yield Mutant(SERVER, "catalogue: error of RFC 6749", "accessToken", code, edit)


def _edit_text(document: Json, *, number: int, field: str, language: str) -> None:
    document["x-catalogue-erreurs"][number][field][language] += " !"


def _edit_entry(document: Json, *, number: int, key: str, value: Any) -> None:
    document["x-catalogue-erreurs"][number][key] = value


def limits() -> Iterator[Mutant]:
    """What the server allows an operation otherwise than the contract says."""
    for name, operation in BY_ID.items():
        if operation["x-classe-debit"] != "libre":
            edit = _at_operation(name, _set("x-classe-debit", "libre"))
            yield Mutant(SERVER, "rate class", name, "libre", edit)
        if "requestBody" in operation:
            for step in (-1, 1):
                size = operation.get("x-corps-maximal", 65_536) + step
                edit = _at_operation(name, _set("x-corps-maximal", size))
                yield Mutant(SERVER, "size of the body", name, str(size), edit)
        if operation["x-classe-debit"] == "ecriture":
            edit = _at_operation(name, _set("x-lecture-seule", True))
            yield Mutant(SERVER, "made read only", name, "x-lecture-seule", edit)
        for language in _languages(operation):
            edit = partial(_edit_message, name=name, language=language)
            yield Mutant(SERVER, "message changed", name, language, edit)
        for code in operation["x-codes-erreur"]:
            edit = partial(_drop_code, name=name, code=code)
            yield Mutant(SERVER, "code dropped", name, code, edit)


# ── checks of answers that the server makes weaker ───────────────────────────────────────────────
def weaker_answers() -> Iterator[Mutant]:
    """The server would let out what the contract does not declare."""
    for name, operation in BY_ID.items():
        for path, schema in _objects(_answer(operation)):
            where = ".".join(path) or "body"
            for field in schema.get("required", []):
                edit = _at_answer(name, path, _remove("required", field))
                yield Mutant(
                    SERVER, "check of the answer: field optional", name, f"{where}.{field}", edit
                )
            edit = _at_answer(name, path, _add_property(required=False))
            yield Mutant(SERVER, "check of the answer: field added", name, where, edit)
        for path, schema in _leaves(_answer(operation)):
            where = ".".join(path)
            keys = [key for key in ("pattern", "minimum", "maximum", "minLength") if key in schema]
            for key in keys:
                edit = _at_answer(name, path, _drop(key))
                yield Mutant(
                    SERVER, "check of the answer: bound dropped", name, f"{where}: {key}", edit
                )
            if "nullable" not in schema and "enum" not in schema:
                edit = _at_answer(name, path, _set("nullable", True))
                yield Mutant(SERVER, "check of the answer: null", name, where, edit)
