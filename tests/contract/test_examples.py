"""Examples that are true, and two readings of every schema that agree.

The examples are judged by another validator than the server's; then both judge generated values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any
from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS30Validator

from handlers.contract.model import snake_case
from handlers.contract.reading import load
from handlers.contract.schema import compile_schema
from handlers.edge.checks import BodyCheck, ParameterCheck
from models.errors import Refusal
from tests.support.contract_client import (
    CATALOGUE,
    CONTRACT,
    DOCUMENT,
    OPERATIONS,
    Json,
    check_places,
    expand,
    resolve,
)

SERVED = load(CONTRACT)
BY_ID = {operation["operationId"]: operation for operation in OPERATIONS.values()}
SCHEMAS: Json = DOCUMENT["components"]["schemas"]


# ── examples ──────────────────────────────────────────────────────────────────────────────────────


def _media_types() -> Iterator[tuple[str, str | None, Json]]:
    """Place, operationId for a success, and media type object of everything that has examples."""
    for name, operation in BY_ID.items():
        for media_type in operation["responses"]["200"]["content"].values():
            yield f"{name} 200", name, media_type
        if "requestBody" in operation:
            for media_type in resolve(operation["requestBody"])["content"].values():
                yield f"{name} request", None, media_type
    for name, response in DOCUMENT["components"]["responses"].items():
        for media_type in response["content"].values():
            yield f"components.responses.{name}", None, media_type


def _examples() -> list[Any]:
    return [
        pytest.param(media_type["schema"], resolve(example)["value"], id=f"{where}: {name}")
        for where, _, media_type in _media_types()
        for name, example in media_type["examples"].items()
    ]


@cache
def _judge(text: str, *, closed: bool) -> Any:
    """The other validator, for a schema as JSON text.

    It reads patterns with Python's re, where `$` lets a newline through and ECMA 262's does not.
    """
    schema = expand(json.loads(text), closed=closed)
    return OAS30Validator(_with_ends(schema))


def _with_ends(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_ends(item) for item in node]
    if not isinstance(node, dict):
        return node
    return {
        key: re.sub(r"\$$", r"\\Z", value) if key == "pattern" and isinstance(value, str)
        else _with_ends(value)
        for key, value in node.items()
    }  # fmt: skip


def _faults(schema: Json, value: Any) -> list[str]:
    judge = _judge(json.dumps(schema), closed=True)
    return [
        f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
        for error in judge.iter_errors(value)
    ]


@pytest.mark.parametrize(("schema", "value"), _examples())
def test_example_fits_its_schema(schema: Json, value: Any) -> None:
    assert _faults(schema, value) == [], "openapi.yaml: correct the example or its schema."


def _scalar_examples() -> Iterator[tuple[str, Json, Any]]:
    for name, schema in SCHEMAS.items():
        if "example" in schema:
            yield name, schema, schema["example"]
        for field, node in schema.get("properties", {}).items():
            if "example" in node:
                yield f"{name}.{field}", node, node["example"]
    for kind in ("parameters", "headers"):
        for name, node in DOCUMENT["components"][kind].items():
            if "example" in node:
                yield f"{kind}.{name}", node["schema"], node["example"]


@pytest.mark.parametrize(
    ("schema", "value"), [pytest.param(s, v, id=where) for where, s, v in _scalar_examples()]
)
def test_example_of_a_field_fits_it(schema: Json, value: Any) -> None:
    assert _faults(schema, value) == [], "openapi.yaml: correct the example or its schema."


@pytest.mark.parametrize("name", DOCUMENT["components"]["responses"])
def test_error_examples_are_what_the_catalogue_says(name: str) -> None:
    response = DOCUMENT["components"]["responses"][name]
    content = response["content"]["application/json"]
    for example in content["examples"].values():
        value = dict(resolve(example)["value"])
        code = value["code"]
        if "erreurs" in value:
            check_places(name, response["x-codes-erreur"], value)
        for located in ("requestId", "documentation", "erreurs"):
            value.pop(located, None)
        assert code in response["x-codes-erreur"], f"openapi.yaml, {name}: it does not carry {code}"
        entry = CATALOGUE[code]
        text = re.escape(entry["message"]["fr"]).replace(r"\{parametre\}", r"\w+")
        text = text.replace(r"\{reste\}", r"[0-9]+ FCFA")
        assert re.fullmatch(text, value["message"]), f"openapi.yaml, {name}: text of code {code}"
        assert value == {
            **({"error": entry["oauth"]} if content["schema"]["$ref"].endswith("Jeton") else {}),
            "success": False,
            "code": code,
            "message": value["message"],
            "debugMessage": None if "debugMessage" in entry else value["message"],
            # What is left of a limit is told to programs too, and which change of state is impossible.
            "moreInfo": value["moreInfo"]
            if "{reste}" in entry["message"]["fr"] or code == "3006"
            else None,
        }


def test_example_of_the_catalogue_is_an_extract_of_it() -> None:
    for item in DOCUMENT["components"]["examples"]["CodesErreur"]["value"]["data"]:
        entry = CATALOGUE[item["code"]]
        assert item == {
            **{key: entry[key] for key in ("code", "nom", "message", "conseil", "reessayer")},
            "statutHttp": entry["statut"],
        }


@pytest.mark.parametrize(
    ("operation_id", "example"),
    [
        pytest.param(operation_id, resolve(example)["value"], id=f"{operation_id}: {name}")
        for _, operation_id, media_type in _media_types()
        if operation_id is not None and resolve(media_type["schema"])["type"] == "object"
        for name, example in media_type["examples"].items()
    ],
)
def test_success_examples_say_the_message_of_their_operation(
    operation_id: str, example: Json
) -> None:
    template = BY_ID[operation_id].get("x-message-succes")
    if template is None:
        assert "message" not in example
        return
    fields = example["data"][0] if "data" in example else example
    assert example["message"] == template["fr"].format(**fields)
    assert template["en"].format(**fields)


@pytest.mark.parametrize(
    ("operation_id", "name"),
    [
        (operation_id, name)
        for operation_id, operation in BY_ID.items()
        if "requestBody" in operation
        for name in next(iter(resolve(operation["requestBody"])["content"].values()))["examples"]
    ],
)
def test_request_examples_are_accepted(operation_id: str, name: str) -> None:
    operation = SERVED.operations[operation_id]
    assert operation.body is not None
    content = resolve(BY_ID[operation_id]["requestBody"])["content"][operation.body.media_type]
    value = resolve(content["examples"][name])["value"]
    is_json = operation.body.media_type == "application/json"
    raw = json.dumps(value) if is_json else urlencode(value)
    assert BodyCheck(SERVED, operation.body)(raw.encode()) == value


@pytest.mark.parametrize("operation_id", [name for name in BY_ID if BY_ID[name].get("parameters")])
def test_parameter_examples_are_accepted(operation_id: str) -> None:
    operation = SERVED.operations[operation_id]
    values = {
        node["name"]: node.get("example", resolve(node["schema"]).get("example"))
        for node in operation.parameters
    }
    check = ParameterCheck(SERVED, operation)
    arguments = check(urlencode(values).encode(), {})
    assert arguments == {snake_case(name): value for name, value in values.items()}


# ── the server's checks against another reading of the same schema ────────────────────────────────

ALPHABET = st.characters(exclude_categories=["Cs"])
TEXT = st.text(ALPHABET, max_size=20)
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    TEXT,
    st.lists(st.integers(), max_size=2),
    st.dictionaries(TEXT, st.integers(), max_size=2),
)

QUIET = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


def _fitting(schema: Json, *, drawn: bool = True) -> st.SearchStrategy[Any]:
    """Values that fit a schema of the kinds that the contract has.

    A text of a pattern is dear to draw: in what has many, unless `drawn`, it is one of a few.
    """
    schema = resolve(schema)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    if "x-valeur" in schema:
        return st.just(schema["x-valeur"])
    made = _BY_TYPE[schema["type"]](schema, drawn)
    return st.none() | made if schema.get("nullable") else made


def _inner(schema: Json, drawn: bool) -> st.SearchStrategy[Any]:
    schema = resolve(schema)
    if drawn or "pattern" not in schema or "enum" in schema:
        return _fitting(schema, drawn=drawn)
    made = st.sampled_from(_texts(json.dumps(schema)))
    return st.none() | made if schema.get("nullable") else made


@cache
def _texts(schema: str) -> list[str]:
    """A few texts of a pattern; the test of the schema by itself draws more."""
    texts: list[str] = []

    @settings(QUIET, max_examples=12)
    @given(_strings(json.loads(schema), True))
    def keep(text: str) -> None:
        texts.append(text)

    keep()
    return sorted(set(texts))


def _strings(schema: Json, _drawn: bool) -> st.SearchStrategy[Any]:
    low, high = schema.get("minLength", 0), schema.get("maxLength", 300)
    if "pattern" not in schema:
        return st.text(ALPHABET, min_size=low, max_size=min(high, 40))
    texts = st.from_regex(re.compile(schema["pattern"]), fullmatch=True, alphabet=ALPHABET)
    return texts.filter(lambda text: low <= len(text) <= high)


def _numbers(schema: Json, _drawn: bool) -> st.SearchStrategy[Any]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if schema["type"] == "integer":
        return st.integers(low, high)
    return st.floats(low, high, allow_nan=False, allow_infinity=False)


def _objects(schema: Json, drawn: bool) -> st.SearchStrategy[Any]:
    fields = {name: _inner(node, drawn) for name, node in schema["properties"].items()}
    required = schema.get("required", [])
    optional = {name: fields[name] for name in fields if name not in required}
    return st.fixed_dictionaries({name: fields[name] for name in required}, optional=optional)


def _arrays(schema: Json, drawn: bool) -> st.SearchStrategy[Any]:
    low = schema.get("minItems", 0)
    high = min(schema.get("maxItems", 3), max(low, 3))
    return st.lists(_inner(schema["items"], drawn), min_size=low, max_size=high)


_BY_TYPE = {
    "string": _strings,
    "integer": _numbers,
    "number": _numbers,
    "boolean": lambda _schema, _drawn: st.booleans(),
    "object": _objects,
    "array": _arrays,
}


def _boundary(schema: Json) -> st.SearchStrategy[Any]:
    """Numbers at and beside the limits of a schema, and integers written as floats."""
    limits = [schema[key] for key in ("minimum", "maximum") if key in schema] or [0]
    near = [limit + step for limit in limits for step in (-1, 0, 1)]
    return st.sampled_from([*near, *[float(value) for value in near], near[0] + 0.5])


@st.composite
def _values(draw: st.DrawFn, schema: Json, fitting: st.SearchStrategy[Any]) -> Any:
    """A fitting value, mostly with one thing in it changed."""
    value = draw(fitting)
    if draw(st.integers(0, 4)) == 0:
        return value
    return draw(_changed(resolve(schema), value))


@st.composite
def _changed(draw: st.DrawFn, schema: Json, value: Any) -> Any:
    if isinstance(value, dict) and draw(st.integers(0, 4)):
        return draw(_changed_object(schema, value))
    if isinstance(value, list) and value and draw(st.integers(0, 4)):
        number = draw(st.integers(0, len(value) - 1))
        inner = draw(_changed(resolve(schema["items"]), value[number]))
        return [*value[:number], inner, *value[number + 1 :], *draw(st.sampled_from([[], value]))]
    if isinstance(value, str) and draw(st.integers(0, 4)):
        return draw(_changed_text(value))
    if isinstance(value, int | float) and draw(st.booleans()):
        return draw(_boundary(schema))
    return draw(JUNK)


@st.composite
def _changed_object(draw: st.DrawFn, schema: Json, value: Json) -> Json:
    made = dict(value)
    act = draw(st.sampled_from(["change", "change", "change", "drop", "add"]))
    if act == "add":
        made[draw(TEXT)] = draw(JUNK)
    elif made:
        name = draw(st.sampled_from(sorted(made)))
        if act == "drop":
            del made[name]
        else:
            made[name] = draw(_changed(resolve(schema["properties"][name]), made[name]))
    return made


@st.composite
def _changed_text(draw: st.DrawFn, text: str) -> str:
    at = draw(st.integers(0, len(text)))
    added = draw(
        st.sampled_from(["\n", "\r", "\x00", " ", "٣", "é", "A", "0", "-", "\u2028", "😀"])
    )
    return draw(
        st.sampled_from(
            [text + "\n", "\n" + text, text[:at] + added + text[at:], text[:at], text * 30, ""]
        )
    )


ROOTS = [
    *[
        pytest.param({"$ref": f"#/components/schemas/{name}"}, closed, id=f"{name}-{kind}")
        for name, schema in SCHEMAS.items()
        for closed, kind in ((False, "as declared"), (True, "closed"))
        if not closed or schema.get("additionalProperties") is True
    ],
    *[
        pytest.param(node["schema"], False, id=f"parameter {name}")
        for name, node in DOCUMENT["components"]["parameters"].items()
        if "$ref" not in node["schema"]
    ],
]


@pytest.mark.parametrize(("schema", "closed"), ROOTS)
def test_checks_agree_with_another_validator(schema: Json, closed: bool) -> None:
    served = compile_schema(SERVED, schema, closed=closed)
    judge = _judge(json.dumps(schema), closed=closed)
    seen: set[bool] = set()

    @QUIET
    @given(_values(schema, _fitting(schema, drawn=False)))
    def agree(value: Any) -> None:
        expected = judge.is_valid(value)
        seen.add(expected)
        assert served(value) is expected, f"the server says {not expected} of {value!r}"

    agree()
    assert seen == {True, False}, "the values generated were all good or all bad"


@pytest.mark.fuzz
@pytest.mark.parametrize(("schema", "closed"), ROOTS)
def test_checks_agree_with_another_validator_at_length(schema: Json, closed: bool) -> None:
    served = compile_schema(SERVED, schema, closed=closed)
    judge = _judge(json.dumps(schema), closed=closed)

    @settings(max_examples=500, deadline=None, suppress_health_check=list(HealthCheck))
    @given(_values(schema, _fitting(schema)))
    def agree(value: Any) -> None:
        expected = judge.is_valid(value)
        assert served(value) is expected, f"the server says {not expected} of {value!r}"

    agree()


@pytest.mark.parametrize("operation_id", [name for name in BY_ID if BY_ID[name].get("parameters")])
def test_query_is_accepted_exactly_when_its_parameters_fit(operation_id: str) -> None:
    operation = SERVED.operations[operation_id]
    check = ParameterCheck(SERVED, operation)
    nodes = {node["name"]: node for node in operation.parameters}
    schema = {
        "type": "object",
        "properties": {name: node["schema"] for name, node in nodes.items()},
        "required": [name for name, node in nodes.items() if node["required"]],
        "additionalProperties": False,
    }
    judge = _judge(json.dumps(schema), closed=False)

    @QUIET
    @given(_values(schema, _fitting(schema, drawn=False)))
    def agree(values: Any) -> None:
        assume(isinstance(values, dict))
        texts = {
            name: value if isinstance(value, str) else repr(value) for name, value in values.items()
        }
        read = {
            name: int(text)
            if resolve(nodes.get(name, {}).get("schema", {})).get("type") == "integer"
            and re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", text)
            else text
            for name, text in texts.items()
        }
        assert _accepts(check, urlencode(texts).encode(), {}) is judge.is_valid(read), texts

    agree()


@pytest.mark.parametrize("operation_id", [name for name in BY_ID if "requestBody" in BY_ID[name]])
def test_body_is_accepted_exactly_when_it_fits(operation_id: str) -> None:
    operation = SERVED.operations[operation_id]
    assert operation.body is not None
    check = BodyCheck(SERVED, operation.body)
    schema = operation.body.schema
    judge = _judge(json.dumps(schema), closed=False)
    is_json = operation.body.media_type == "application/json"

    @QUIET
    @given(_values(schema, _fitting(schema, drawn=False)))
    def agree(value: Any) -> None:
        if not is_json:
            assume(isinstance(value, dict))
            value = {
                name: node if isinstance(node, str) else repr(node) for name, node in value.items()
            }
        raw = json.dumps(value) if is_json else urlencode(value)
        assert _accepts(check, raw.encode()) is judge.is_valid(value), value

    agree()


def _accepts(check: Any, *arguments: Any) -> bool:
    try:
        check(*arguments)
    except Refusal:
        return False
    return True


@pytest.mark.parametrize("name", [name for name in SCHEMAS if "pattern" in SCHEMAS[name]])
def test_patterns_match_the_whole_text(name: str) -> None:
    """`$` is the end of the text, not of its last line, and a digit is ASCII."""
    served = compile_schema(SERVED, {"$ref": f"#/components/schemas/{name}"})
    example = SCHEMAS[name]["example"]
    assert served(example)
    for bad in (example + "\n", example + "\r\n", "\n" + example, example + "\n" + example):
        assert not served(bad), f"{name} lets {bad!r} through"
    free_text = SCHEMAS[name]["pattern"].startswith("^[^")
    assert served(example + "٣") is free_text


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_text_that_is_no_unicode_never_fits(text: str) -> None:
    """PostgreSQL and UTF-8 cannot hold lone surrogates, which JSON can spell."""
    for name in ("Message", "Reference", "DemandeMouvement"):
        served = compile_schema(SERVED, {"$ref": f"#/components/schemas/{name}"})
        assert not served(text)
        assert not served({"motif": text})
