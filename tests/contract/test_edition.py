"""The 3.1 edition: valid in its own words, and the same contract as the hand-written one, by other judges."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema_rs
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from openapi_schema_validator import OAS30Validator, OAS31Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from handlers.cli.root import cli
from handlers.contract.edition import DIALECT, edition_31, edition_31_json
from handlers.contract.lines import Place
from handlers.contract.model import Contract, Json
from handlers.contract.reading import load
from handlers.contract.schema import compile_schema
from handlers.contract.surface import PARTENAIRE, SURFACES
from handlers.contract.view import View
from handlers.workbench.generate import WIRE, generate, place_of
from tests.support.contract_client import ROOT

CONTRACTS = {one.name: load(ROOT / one.file, surface=one) for one in SURFACES.values()}
EDITIONS = {name: edition_31(contract.document) for name, contract in CONTRACTS.items()}
EACH = pytest.mark.parametrize("name", list(CONTRACTS))
PARTNERS = CONTRACTS[PARTENAIRE.name]


# ── valid ────────────────────────────────────────────────────────────────────────────────────────


@EACH
def test_edition_is_valid_openapi_31(name: str) -> None:
    edition = EDITIONS[name]
    assert [error.message for error in OpenAPIV31SpecValidator(edition).iter_errors()] == []
    assert (edition["openapi"], edition["jsonSchemaDialect"]) == ("3.1.0", DIALECT)


@EACH
def test_every_schema_is_of_json_schema_2020_12(name: str) -> None:
    schemas = View(EDITIONS[name]).schemas
    assert len(schemas) == len(View(CONTRACTS[name].document).schemas)
    for place, schema in schemas:
        Draft202012Validator.check_schema(schema)
        left = {"nullable", "example"} & schema.keys()
        assert (place, left, schema.get("exclusiveMinimum")) == (place, set(), None)


@EACH
def test_every_example_fits_its_schema(name: str) -> None:
    for place, schema in View(EDITIONS[name]).schemas:
        fits = _judge_31(name, place)
        for example in schema.get("examples", []):
            assert fits(example), (place, example)


# ── the same contract ────────────────────────────────────────────────────────────────────────────


@EACH
def test_all_but_the_schemas_is_word_for_word_the_contract(name: str) -> None:
    """Operations, parameters, answers, codes, rights, links, examples, texts."""
    document = CONTRACTS[name].document
    written, derived = _without_schemas(document), _without_schemas(EDITIONS[name])
    summary = derived["info"].pop("summary")
    assert " ".join(written["info"]["description"].split()).startswith(summary)
    del derived["jsonSchemaDialect"], derived["openapi"], written["openapi"]
    assert derived == written


def _without_schemas(document: Json) -> Json:
    made = copy.deepcopy(document)
    for place, _ in sorted(View(document).schemas, key=lambda one: len(one[0])):
        holder: Any = made
        for key in place[:-1]:
            holder = holder[key] if holder is not None else None
        if holder is not None:
            holder[place[-1]] = None
    return made


def test_edition_is_the_same_each_time_and_leaves_the_contract_alone() -> None:
    before = copy.deepcopy(PARTNERS.document)
    assert edition_31_json(PARTNERS.document) == edition_31_json(before)
    assert PARTNERS.document == before


@EACH
def test_command_prints_the_edition_that_is_served(name: str) -> None:
    done = CliRunner().invoke(cli, ["contract", "edition", "--surface", name])
    assert (done.exit_code, done.stdout_bytes) == (0, edition_31_json(CONTRACTS[name].document))


@EACH
def test_same_types_are_generated_from_both(name: str, tmp_path: Path) -> None:
    contract = CONTRACTS[name]
    edition = tmp_path / "openapi-3.1.json"
    edition.write_bytes(edition_31_json(contract.document))
    types = place_of(WIRE, contract.surface)
    # What has one value is a constant of 3.1, and a boolean to readers of 3.0, which cannot say it.
    made = re.sub(r"\bLiteral\[(True|False)\]", "bool", generate(edition, contract)[types])
    assert made == types.read_text(encoding="utf-8")


# ── the same judgement ───────────────────────────────────────────────────────────────────────────


@cache
def _registry(name: str) -> jsonschema_rs.Registry:
    return jsonschema_rs.Registry([("urn:edition", EDITIONS[name])])


def _judge_31(name: str, place: Place) -> Callable[[Any], bool]:
    """Whether a value fits the schema at a place of the edition, as 2020-12 reads it."""
    keys = [str(key).replace("~", "~0").replace("/", "~1") for key in place]
    pointer = "/".join(["urn:edition#", *map(quote, keys)])
    return jsonschema_rs.Draft202012Validator({"$ref": pointer}, registry=_registry(name)).is_valid


def _instance(contract: Contract, schema: Json) -> Any:
    """A value of the schema, made of its examples."""
    schema = contract.resolve(schema)
    if "example" in schema:
        return schema["example"]
    if schema.get("type") == "array":
        return [_instance(contract, schema["items"])]
    if schema.get("type") == "object":
        return {
            name: _instance(contract, node) for name, node in schema.get("properties", {}).items()
        }
    return None


OTHERS: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 1.5, 2**31, 2**63, 10**30),
    *("", " ", "x", "é", "0", "x" * 300, "01/01/2021", "FCFA"),
    *([], [None], ["x", "x"], {}, {"x": None}),
)
"""What is put in the place of a part of an instance: of each type, and beside its bounds."""


def _mutations(value: Any) -> Iterator[Any]:
    """The value, and each that differs from it in one place."""
    yield value
    yield from OTHERS
    if isinstance(value, dict):
        yield {**value, "undeclared": 1}
        for key, inner in value.items():
            yield {name: one for name, one in value.items() if name != key}
            yield from ({**value, key: other} for other in _mutations(inner))
    elif isinstance(value, list):
        yield value * 101
        for inner in value[:1]:
            yield from ([other] for other in _mutations(inner))
    elif isinstance(value, str):
        yield from (value[:-1], f"{value}0", f"{value}\n", value.swapcase())
    elif isinstance(value, int) and not isinstance(value, bool):
        yield from (value + 1, value - 1, value + 0.5, str(value))


@EACH
def test_every_schema_judges_alike_in_both(name: str) -> None:
    """Each schema, by instances made of its examples and by those that differ in one place."""
    contract = CONTRACTS[name]
    judged = {True: 0, False: 0}
    for place, schema in View(contract.document).schemas:
        old, new = compile_schema(contract, schema), _judge_31(name, place)
        for value in _mutations(_instance(contract, schema)):
            assert old(value) == new(value), (place, value)
            judged[old(value)] += 1
    assert min(judged.values()) > 100, judged


def test_integer_with_a_point_is_the_one_value_that_31_takes_and_30_does_not() -> None:
    """JSON Schema changed its mind between the two, and has no word for the old one."""
    place = ("components", "schemas", "Montant")
    schema = PARTNERS.document["components"]["schemas"]["Montant"]
    fits = compile_schema(PARTNERS, schema), _judge_31(PARTENAIRE.name, place)
    assert [fit(5000) for fit in fits] == [True, True]
    assert [fit(5000.0) for fit in fits] == [False, True]


SCALARS = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(("", "a", "ab", 0.5))
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=4,
)
ANNOTATIONS = {"description": st.just("A text."), "deprecated": st.booleans(), "example": SCALARS}
BOUND = st.integers(-2, 2)


def _of(kind: str, values: st.SearchStrategy[Any], **more: st.SearchStrategy[Any]) -> Any:
    """Schemas of a type; the values of one that may be null name null, as 3.0.3 wants it."""

    def named(schema: Json) -> Json:
        if schema.get("nullable") and "enum" in schema:
            schema["enum"].append(None)
        return schema

    optional = {
        "nullable": st.booleans(),
        "enum": st.lists(values, min_size=1, max_size=2, unique_by=repr),
    }
    return st.fixed_dictionaries(
        {"type": st.just(kind)}, optional={**optional, **ANNOTATIONS, **more}
    ).map(named)


def _number(kind: str, values: st.SearchStrategy[Any]) -> Any:
    flags = {flag: st.booleans() for flag in ("exclusiveMinimum", "exclusiveMaximum")}
    return _of(kind, values, minimum=BOUND, maximum=BOUND, **flags)


def _composed(inner: st.SearchStrategy[Any]) -> Any:
    members = st.lists(inner, min_size=1, max_size=2)
    fields = st.dictionaries(st.sampled_from(("a", "example", "nullable")), inner, max_size=2)
    return st.one_of(
        _of("array", st.just([]), items=inner, maxItems=BOUND.map(abs)).map(
            lambda one: {"items": {"type": "string"}, **one}
        ),
        _of(
            "object",
            st.just({}),
            properties=fields,
            required=st.just(["a"]),
            additionalProperties=st.booleans() | inner,
        ),
        st.fixed_dictionaries({"allOf": members}),
        st.fixed_dictionaries({"anyOf": members}),
        st.fixed_dictionaries({"oneOf": members}),
    )


SCHEMAS = st.recursive(
    st.one_of(
        _of("string", st.sampled_from(("", "a")), format=st.sampled_from(("date", "x"))),
        _number("integer", st.integers(-1, 1)),
        _number("number", st.sampled_from((0.5, 1))),
        _of("boolean", st.booleans()),
    ),
    _composed,
    max_leaves=4,
)


@given(SCHEMAS, st.lists(VALUES, max_size=8))
@settings(max_examples=100, deadline=None)
def test_any_schema_of_30_judges_alike_in_31(schema: Json, values: list[Any]) -> None:
    """What the contract has not today too, by a validator of each version that is not the server's."""
    derived = _schema_of(schema)
    Draft202012Validator.check_schema(derived)
    old, new = OAS30Validator(schema), OAS31Validator(derived)
    for value in (*values, None, 0, 1, "a", {}):
        assert old.is_valid(value) == new.is_valid(value), (schema, derived, value)


def _schema_of(schema: Json) -> Any:
    document = {"openapi": "3.0.3", "info": {}, "components": {"schemas": {"X": schema}}}
    return edition_31(document)["components"]["schemas"]["X"]


@pytest.mark.parametrize(
    ("written", "derived"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"$ref": "#/components/schemas/Y", "nullable": True, "description": "Unread."},
            {"anyOf": [{"$ref": "#/components/schemas/Y"}, {"type": "null"}]},
        ),
        ({"type": "string", "example": None}, {"type": "string", "examples": [None]}),
        (
            {"minimum": 1, "exclusiveMinimum": True, "maximum": 9, "exclusiveMaximum": False},
            {"exclusiveMinimum": 1, "maximum": 9},
        ),
        ({"exclusiveMaximum": True}, {}),
        ({"type": "string", "format": "byte"}, {"type": "string", "contentEncoding": "base64"}),
        (
            {"type": "string", "format": "binary"},
            {"type": "string", "contentMediaType": "application/octet-stream"},
        ),
        ({"format": "int64", "x-a": {"example": 1}}, {"format": "int64", "x-a": {"example": 1}}),
        (
            {"properties": {"example": {"not": {"nullable": True, "type": "integer"}}}},
            {"properties": {"example": {"not": {"type": ["integer", "null"]}}}},
        ),
        (
            {"default": {"nullable": True}, "enum": [{"example": 1}]},
            {"default": {"nullable": True}, "enum": [{"example": 1}]},
        ),
    ],
)
def test_keyword_of_30_is_said_in_the_words_of_31(written: Json, derived: Json) -> None:
    assert _schema_of(written) == derived


def test_schemas_are_found_wherever_they_stand_and_nowhere_else() -> None:
    """In headers, callbacks, encodings, webhooks; not in examples, nor under a name that looks like one."""
    null, told = {"type": "string", "nullable": True}, {"type": ["string", "null"]}

    def document(one: Json, *, version: str, webhooks: str) -> Json:
        media = {"multipart/form-data": {"schema": one, "encoding": {"a": {"headers": {"B": one}}}}}
        media["multipart/form-data"]["encoding"]["a"]["headers"]["B"] = {"schema": one}
        item = {
            "parameters": [{"name": "schema", "in": "query", "schema": one, "example": None}],
            "post": {
                "requestBody": {"content": media},
                "responses": {"200": {"headers": {"schema": {"schema": one}}, "content": media}},
                "callbacks": {"done": {"{$url}": {"post": {"requestBody": {"content": media}}}}},
            },
        }
        return {
            "openapi": version,
            "info": {"license": {"name": "LicenseRef-CYNOD"}},
            "paths": {"/a": item, "x-note": {"schema": null}},
            webhooks: {"paid": {"post": {"requestBody": {"$ref": "#/components/requestBodies/B"}}}},
            "components": {
                "headers": {"schema": {"schema": one}},
                "requestBodies": {"B": {"content": media}},
                "examples": {"schema": {"value": {"schema": null}}},
                "x-kept": {"schema": null},
            },
        }

    written = document(null, version="3.0.3", webhooks="x-webhooks")
    written["components"]["requestBodies"]["C"] = {
        "$ref": "#/components/requestBodies/B",
        "description": "3.0 reads nothing beside a reference.",
    }
    expected = document(told, version="3.1.0", webhooks="webhooks")
    expected["components"]["requestBodies"]["C"] = {"$ref": "#/components/requestBodies/B"}
    licence = {"name": "LicenseRef-CYNOD", "identifier": "LicenseRef-CYNOD"}
    expected |= {"info": {"license": licence}, "jsonSchemaDialect": DIALECT}
    assert edition_31(written) == expected
