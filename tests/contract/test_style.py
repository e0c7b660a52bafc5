"""The style of the contract: what generated clients need, and what the project decided.

Each failure names the place in openapi.yaml and what to write there.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from openapi_spec_validator import OpenAPIV30SpecValidator

from tests.support.contract_client import (
    CATALOGUE,
    CONTRACT,
    DOCUMENT,
    OPERATIONS,
    Json,
    resolve,
)

COMPONENTS: Json = DOCUMENT["components"]
BY_ID = {operation["operationId"]: operation for operation in OPERATIONS.values()}

ATTESTED_CODES = {
    "405": "Paramètre {parametre} manquant ou invalide",
    "412": "Utilisateur inexistant ou invalide",
    "9999": "Erreur système",
}

RFC_6749_NAMES = frozenset(
    {"grant_type", "client_id", "client_secret", "access_token", "token_type", "expires_in"}
)
"""Names that RFC 6749 gives, so that any OAuth 2 client can ask for a token."""

UNUSED_ON_PURPOSE = {
    "responses/RessourceInconnue": "answers a path that no operation has",
    "responses/MethodeInterdite": "answers a method that no operation has",
}

SUBSCHEMA_KEYS = ("properties", "items", "additionalProperties", "allOf", "oneOf", "anyOf", "not")


def _report(problems: list[str]) -> None:
    assert not problems, "\n" + "\n".join(f"openapi.yaml: {problem}" for problem in problems)


def _walk(node: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    yield where, node
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _walk(value, f"{where}.{key}" if where else str(key))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from _walk(value, f"{where}[{number}]")


def _is_data(where: str) -> bool:
    """Whether this is inside an example, a catalogue text or another value that is no schema."""
    return bool(re.search(r"(^|\.)(examples?|x-[a-z-]+|default)(\.|\[|$)", where))


def _schemas_under(where: str, schema: Json) -> Iterator[tuple[str, Json]]:
    yield where, schema
    for key in SUBSCHEMA_KEYS:
        inner = schema.get(key)
        if key == "properties":
            for name, node in (inner or {}).items():
                yield from _schemas_under(f"{where}.{name}", node)
        elif isinstance(inner, dict):
            yield from _schemas_under(f"{where}.{key}", inner)
        elif isinstance(inner, list):
            for number, node in enumerate(inner):
                yield from _schemas_under(f"{where}.{key}[{number}]", node)


def _schemas() -> Iterator[tuple[str, Json]]:
    """Every schema of the contract, named or not, with its place."""
    for where, node in _walk(DOCUMENT):
        if _is_data(where) or not isinstance(node, dict):
            continue
        if re.fullmatch(r"components\.schemas\.\w+", where) or where.endswith(".schema"):
            yield from _schemas_under(where, node)


def _component_of(where: str) -> str:
    """The name of the shared schema that a place is in, empty when it is in none."""
    found = re.match(r"components\.schemas\.(\w+)", where)
    return found[1] if found else ""


def _reachable(root: Any) -> set[str]:
    """The names of the schemas that a part of the contract uses."""
    found: set[str] = set()
    waiting = [root]
    while waiting:
        for _, node in _walk(waiting.pop()):
            if isinstance(node, dict) and "$ref" in node:
                if "/schemas/" in node["$ref"]:
                    name = node["$ref"].rpartition("/")[2]
                    if name in found:
                        continue
                    found.add(name)
                waiting.append(resolve(node))
    return found


def _placeholders(text: str) -> list[str]:
    return sorted(
        f"{{{name}:{spec}}}" for _, name, spec, _ in string.Formatter().parse(text) if name
    )


# ── the file ──────────────────────────────────────────────────────────────────────────────────────


class _Core(yaml.SafeLoader):
    """YAML 1.2's core schema, which newer tools read, and no repeated key."""


_Core.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
):
    _Core.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), list(_first)
    )


def _construct_int(_loader: _Core, node: yaml.ScalarNode) -> int:
    text = node.value
    return int(text, 0) if text[:2] in ("0o", "0x") else int(text)


def _construct_unique(loader: _Core, node: yaml.MappingNode) -> Json:
    made: Json = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        assert key not in made, f"openapi.yaml:{key_node.start_mark.line + 1}: repeated key {key!r}"
        made[key] = loader.construct_object(value_node, deep=True)
    return made


_Core.add_constructor("tag:yaml.org,2002:int", _construct_int)
_Core.add_constructor("tag:yaml.org,2002:map", _construct_unique)

AMBIGUOUS = re.compile(
    r"y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[0-9]+(:[0-9]+)+|0[0-9]+|0o[0-7]+|[0-9]+_[0-9_]*"
)


def test_yaml_1_1_and_yaml_1_2_read_the_same_and_no_key_is_repeated() -> None:
    newer = yaml.load(CONTRACT.read_bytes(), Loader=_Core)  # noqa: S506 - a SafeLoader
    older = dict(_walk(DOCUMENT))
    problems = [
        f"{where} is {older.get(where)!r} in YAML 1.1 and {value!r} in YAML 1.2; quote it."
        for where, value in _walk(newer)
        if not isinstance(value, dict | list) and repr(older.get(where)) != repr(value)
    ]
    _report(problems)
    assert repr(newer) == repr(DOCUMENT)


def test_ambiguous_words_and_dates_are_quoted() -> None:
    tokens = yaml.scan(CONTRACT.read_text(encoding="utf-8"))
    _report(
        [
            f"line {token.start_mark.line + 1}: quote {token.value!r}."
            for token in tokens
            if isinstance(token, yaml.ScalarToken)
            and token.plain
            and AMBIGUOUS.fullmatch(token.value)
        ]
    )


def test_every_key_is_a_string() -> None:
    _report(
        [
            f"{where}: quote the key {key!r}."
            for where, node in _walk(DOCUMENT)
            if isinstance(node, dict)
            for key in node
            if not isinstance(key, str)
        ]
    )


def test_file_is_valid_openapi_3_0_3() -> None:
    assert DOCUMENT["openapi"] == "3.0.3", "openapi.yaml: Connexion serves OpenAPI 3.0.3 only."
    errors = OpenAPIV30SpecValidator(DOCUMENT).iter_errors()
    _report([f"{'.'.join(map(str, error.absolute_path))}: {error.message}" for error in errors])


def test_every_reference_resolves() -> None:
    problems = []
    for where, node in _walk(DOCUMENT):
        if isinstance(node, dict) and "$ref" in node:
            try:
                resolve(node)
            except (KeyError, TypeError):
                problems.append(f"{where} refers to {node['$ref']}, which does not exist.")
            if len(node) > 1:
                problems.append(f"{where} has keys beside its $ref; OpenAPI 3.0 ignores them.")
    _report(problems)


def test_every_component_is_used() -> None:
    used = {
        node["$ref"].removeprefix("#/components/")
        for _, node in _walk(DOCUMENT)
        if isinstance(node, dict) and "$ref" in node
    }
    declared = {
        f"{kind}/{name}"
        for kind, named in COMPONENTS.items()
        if kind != "securitySchemes"
        for name in named
    }
    unused = declared - used
    _report(
        [
            f"components/{name} is used by nothing; remove it."
            for name in unused - UNUSED_ON_PURPOSE.keys()
        ]
    )
    stale = UNUSED_ON_PURPOSE.keys() - unused
    assert not stale, f"{stale} is used or gone: remove it from UNUSED_ON_PURPOSE."


def test_components_are_named_in_upper_camel_case() -> None:
    _report(
        [
            f"components.{kind}.{name}: name it in UpperCamelCase without accents."
            for kind, named in COMPONENTS.items()
            if kind != "securitySchemes"
            for name in named
            if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", name)
        ]
    )


# ── operations ────────────────────────────────────────────────────────────────────────────────────


def test_operation_ids_are_unique_and_in_lower_camel_case() -> None:
    assert len(BY_ID) == len(OPERATIONS), "openapi.yaml: an operationId is used twice."
    _report(
        [
            f"{path}: name the operation in lowerCamelCase, not {operation['operationId']!r}."
            for (_, path), operation in OPERATIONS.items()
            if not re.fullmatch(r"[a-z][a-z0-9]*([A-Z][a-z0-9]*)*", operation["operationId"])
        ]
    )


def test_every_operation_has_one_tag_that_the_root_describes() -> None:
    described = [tag["name"] for tag in DOCUMENT["tags"]]
    problems = [
        f"{name} needs exactly one of the tags {described}."
        for name, operation in BY_ID.items()
        if len(operation["tags"]) != 1 or operation["tags"][0] not in described
    ]
    used = {operation["tags"][0] for operation in BY_ID.values()}
    problems += [
        f"the tag {tag} has no operation; remove it." for tag in described if tag not in used
    ]
    _report(problems)


def test_summaries_fit_a_menu_and_descriptions_say_preconditions_and_effect() -> None:
    problems = []
    for name, operation in BY_ID.items():
        if not 0 < len(operation["summary"]) < 60:
            problems.append(f"{name}: write a summary of less than 60 characters.")
        problems += [
            f"{name}: its description must say {words!r}."
            for words in ("**Préconditions**", "**Effet sur le solde**")
            if words not in operation["description"]
        ]
    _report(problems)


def test_every_operation_declares_security_and_a_secured_one_names_its_scope() -> None:
    scopes = COMPONENTS["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]["scopes"]
    problems, used = [], set()
    for name, operation in BY_ID.items():
        if "security" not in operation:
            problems.append(f"{name}: declare security ([] for a public operation).")
            continue
        for need in operation["security"]:
            used.update(need.get("oauth2", []))
            if len(need) > 1:
                problems.append(f"{name}: name one scheme per entry of security.")
        public = not operation["security"] or {} in operation["security"]
        schemes = [scheme for need in operation["security"] for scheme in need]
        if not public and schemes != ["oauth2", "basic"]:
            problems.append(f"{name}: security must be oauth2 with its scope, then basic.")
    problems += [f"scope {scope} is used by no operation." for scope in scopes.keys() - used]
    problems += [f"scope {scope} is not in securitySchemes." for scope in used - scopes.keys()]
    _report(problems)


def test_a_success_says_its_message_with_the_same_fields_in_both_languages() -> None:
    problems = []
    for name, operation in BY_ID.items():
        message = operation.get("x-message-succes")
        answer = resolve(operation["responses"]["200"]["content"]["application/json"]["schema"])
        if (message is None) != ("message" not in answer["properties"]):
            problems.append(f"{name}: give x-message-succes exactly when the answer has a message.")
        if message is None:
            continue
        if _placeholders(message["fr"]) != _placeholders(message["en"]):
            problems.append(f"{name}: x-message-succes must have the same fields in fr and en.")
        data = answer["properties"].get("data")
        fields = resolve(data["items"])["properties"] if data else answer["properties"]
        problems += [
            f"{name}: x-message-succes names {field}, which its answer has not."
            for _, field, _, _ in string.Formatter().parse(message["fr"])
            if field and field not in fields
        ]
    _report(problems)


def test_parameters_are_shared_and_have_an_example() -> None:
    problems = [
        f"{path}: move the parameter {parameter['name']} to components.parameters."
        for (_, path), operation in OPERATIONS.items()
        for parameter in operation.get("parameters", [])
        if "$ref" not in parameter
    ]
    problems += [
        f"components.parameters.{name}: give an example."
        for name, parameter in COMPONENTS["parameters"].items()
        if "example" not in parameter and "example" not in resolve(parameter["schema"])
    ]
    _report(problems)


# ── answers ───────────────────────────────────────────────────────────────────────────────────────


def test_errors_are_shared_and_successes_are_not() -> None:
    _report(
        [
            f"{name}: response {status} must be "
            + ("written in place." if status == "200" else "a $ref to components.responses.")
            for name, operation in BY_ID.items()
            for status, response in operation["responses"].items()
            if ("$ref" in response) is (status == "200")
        ]
    )


def test_errors_have_a_body_and_an_example() -> None:
    problems = []
    for name, response in COMPONENTS["responses"].items():
        where = f"components.responses.{name}"
        content = response.get("content", {})
        if list(content) != ["application/json"]:
            problems.append(f"{where}: give it a body in application/json.")
            continue
        schema = content["application/json"]["schema"].get("$ref", "").rpartition("/")[2]
        if schema not in ("Refus", "RefusJeton"):
            problems.append(f"{where}: its schema must be Refus or RefusJeton.")
        if not content["application/json"].get("examples"):
            problems.append(f"{where}: give at least one example.")
    _report(problems)


def test_errors_list_their_codes_and_their_descriptions_name_them() -> None:
    problems = []
    for name, response in COMPONENTS["responses"].items():
        where = f"components.responses.{name}"
        codes = response.get("x-codes-erreur", [])
        if len({CATALOGUE[code]["statut"] for code in codes}) != 1:
            problems.append(f"{where}: list in x-codes-erreur the codes of one HTTP status.")
        words = re.findall(r"\b[0-9]{3,4}\b", response["description"])
        named = [word for word in words if word in CATALOGUE]
        if sorted(named) != sorted(codes):
            problems.append(f"{where}: its description must name the codes {codes}, not {named}.")
    _report(problems)


def test_declared_statuses_are_those_of_the_codes() -> None:
    problems = []
    for name, operation in BY_ID.items():
        codes = operation["x-codes-erreur"]
        if codes != sorted(codes, key=lambda code: (len(code), code)) or len(set(codes)) < len(
            codes
        ):
            problems.append(f"{name}: sort x-codes-erreur, each code once.")
        carried = {str(CATALOGUE[code]["statut"]) for code in codes}
        declared = set(operation["responses"]) - {"200"}
        if carried != declared:
            problems.append(f"{name}: its codes need {sorted(carried)}, it has {sorted(declared)}.")
        listed = [
            code
            for status in declared
            for code in resolve(operation["responses"][status])["x-codes-erreur"]
        ]
        if sorted(listed) != sorted(codes):
            problems.append(f"{name}: its responses carry {sorted(listed)}, not {sorted(codes)}.")
    _report(problems)


def test_every_answer_declares_the_headers_that_it_carries() -> None:
    wanted = {
        "401": "WWW-Authenticate",
        "405": "Allow",
        "429": "Retry-After",
        "503": "Retry-After",
    }
    answers = [
        (f"components.responses.{name}", str(CATALOGUE[node["x-codes-erreur"][0]]["statut"]), node)
        for name, node in COMPONENTS["responses"].items()
    ]
    answers += [(name, "200", operation["responses"]["200"]) for name, operation in BY_ID.items()]
    _report(
        [
            f"{where}: declare the header {header}, required."
            for where, status, response in answers
            for header in ("X-Request-Id", "X-Contract-Version", wanted.get(status))
            if header and not resolve(response["headers"].get(header, {})).get("required")
        ]
    )


# ── schemas ───────────────────────────────────────────────────────────────────────────────────────


def test_every_object_is_a_named_schema() -> None:
    _report(
        [
            f"{where}: move this object to components.schemas and refer to it."
            for where, schema in _schemas()
            if schema.get("type") == "object" or "properties" in schema
            if not re.fullmatch(r"components\.schemas\.\w+", where)
        ]
    )


def test_bodies_and_answers_are_named_schemas() -> None:
    _report(
        [
            f"{where}: refer to a schema of components.schemas."
            for where, node in _walk(DOCUMENT)
            if re.search(r"\.content\.[^.]+$", where) and not _is_data(where)
            if "$ref" not in node["schema"]
        ]
    )


OPEN_BY_RFC_6749 = "DemandeJeton"
"""The one request that ignores what it does not know, as section 3.2 of the RFC wants."""


def test_requests_are_closed_and_answers_may_grow() -> None:
    asked = _reachable([operation.get("requestBody", {}) for operation in BY_ID.values()])
    answered = _reachable(
        [operation["responses"] for operation in BY_ID.values()] + [COMPONENTS["responses"]]
    )
    problems = []
    for name, schema in COMPONENTS["schemas"].items():
        if schema.get("type") != "object":
            continue
        if name in asked and name in answered:
            problems.append(f"schema {name} is asked and answered; write one of each.")
        closed = schema.get("additionalProperties") is False
        if name in asked and name != OPEN_BY_RFC_6749 and not closed:
            problems.append(f"schema {name} is asked: say additionalProperties: false.")
        if name == OPEN_BY_RFC_6749 and "additionalProperties" in schema:
            problems.append(f"schema {name} takes more fields: leave additionalProperties out.")
        if name in answered and schema.get("additionalProperties") is not True:
            problems.append(f"schema {name} is answered: say additionalProperties: true.")
        if name in answered and set(schema["required"]) != set(schema["properties"]):
            problems.append(f"schema {name} is answered: every property is required.")
    _report(problems)


def test_every_schema_is_described() -> None:
    problems = [
        f"{where}: give it a description."
        for where, schema in _schemas()
        if not resolve(schema).get("description")
        and not where.endswith(".items")
        and not re.fullmatch(r"components\.(headers|parameters)\.\w+\.schema", where)
    ]
    for kind in ("parameters", "headers", "responses", "requestBodies", "securitySchemes"):
        problems += [
            f"components.{kind}.{name}: give it a description."
            for name, node in COMPONENTS[kind].items()
            if not node.get("description")
        ]
    problems += [
        f"tag {tag['name']}: describe it." for tag in DOCUMENT["tags"] if not tag.get("description")
    ]
    _report(problems)


def test_every_scalar_has_an_example() -> None:
    problems = []
    for where, schema in _schemas():
        if "$ref" in schema or schema.get("type") in ("object", "array") or "example" in schema:
            continue
        holder = re.fullmatch(r"components\.(headers|parameters)\.(\w+)\.schema", where)
        if holder is None or "example" not in COMPONENTS[holder[1]][holder[2]]:
            problems.append(f"{where}: give it an example.")
    _report(problems)


def test_properties_and_parameters_are_named_in_lower_camel_case() -> None:
    names = [
        (f"schema {name}", field)
        for name, schema in COMPONENTS["schemas"].items()
        for field in schema.get("properties", {})
    ]
    names += [("a parameter", node["name"]) for node in COMPONENTS["parameters"].values()]
    _report(
        [
            f"{where}: name {name!r} in lowerCamelCase without accents."
            for where, name in names
            if name not in RFC_6749_NAMES and not re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)*", name)
        ]
    )


def test_patterns_are_anchored_and_say_their_characters() -> None:
    problems = []
    for where, schema in _schemas():
        pattern = schema.get("pattern")
        if pattern is None:
            continue
        if not (pattern.startswith("^") and pattern.endswith("$") and not pattern.endswith("\\$")):
            problems.append(f"{where}: write ^…$ around the pattern.")
        if re.search(r"\\[dDwWsSbBpPAZz]", pattern):
            problems.append(f"{where}: write characters, such as [0-9], in place of \\d, \\w, \\s.")
        if "|" in re.sub(r"\[[^\]]*\]|\([^()]*\)", "", pattern):
            problems.append(f"{where}: put alternatives in parentheses: ^(a|b)$.")
        if not pattern.isascii():
            problems.append(f"{where}: write a character beyond ASCII as \\uXXXX.")
        re.compile(pattern)
    _report(problems)


def test_no_schema_is_composed() -> None:
    _report(
        [
            f"{where}: {key} breaks generated clients; name a schema for each case."
            for where, schema in _schemas()
            for key in ("allOf", "oneOf", "anyOf", "not", "discriminator")
            if key in schema
        ]
    )


def test_null_is_allowed_on_plain_scalars_only() -> None:
    problems = []
    for where, schema in _schemas():
        if "nullable" not in schema:
            continue
        if schema["nullable"] is not True:
            problems.append(f"{where}: leave nullable out.")
        if schema.get("type") not in ("string", "integer", "number", "boolean"):
            problems.append(f"{where}: nullable needs an inline scalar type.")
        if "enum" in schema:
            problems.append(f"{where}: an enum cannot be nullable.")
        if re.fullmatch(r"components\.schemas\.\w+", where):
            problems.append(f"{where}: say nullable where the property is, not in a shared schema.")
    _report(problems)


def test_numbers_say_their_format() -> None:
    problems = []
    for where, schema in _schemas():
        kind, form = schema.get("type"), schema.get("format")
        if kind == "integer" and form not in ("int32", "int64"):
            problems.append(f"{where}: say format: int64 (amounts) or int32.")
        if kind == "integer" and form == "int32" and schema.get("maximum", 0) >= 2**31:
            problems.append(f"{where}: its maximum needs format: int64.")
        if kind == "number" and form != "double":
            problems.append(
                f"{where}: say format: double; only the original document's numbers are."
            )
        if kind == "string" and form not in (None, "password"):
            problems.append(f"{where}: nothing checks format: {form}; write a pattern.")
    _report(problems)


def test_what_a_client_sends_is_bounded() -> None:
    asked = _reachable([operation.get("requestBody", {}) for operation in BY_ID.values()])
    asked |= _reachable(COMPONENTS["parameters"])
    problems = []
    for where, schema in _schemas():
        if where.startswith("components.parameters") or _component_of(where) in asked:
            kind = schema.get("type")
            if kind in ("integer", "number") and not {"minimum", "maximum"} <= schema.keys():
                problems.append(f"{where}: give it a minimum and a maximum.")
            endless = re.search(r"[*+]", re.sub(r"\[[^\]]*\]", "", schema.get("pattern", "*")))
            if kind == "string" and endless and not {"maxLength", "enum"} & schema.keys():
                problems.append(f"{where}: bound its length in the pattern or by maxLength.")
            if kind == "array" and "maxItems" not in schema:
                problems.append(f"{where}: give it maxItems.")
    _report(problems)


def test_lists_in_answers_do_not_enumerate_strings() -> None:
    """A new value of an enum breaks generated clients: a list in the description does not."""
    asked = _reachable(
        [
            [operation.get("requestBody", {}), operation.get("parameters", [])]
            for operation in BY_ID.values()
        ]
    )
    _report(
        [
            f"{where}: list the values in its description, not in an enum."
            for where, schema in _schemas()
            if "enum" in schema and schema.get("type") != "boolean"
            if _component_of(where) not in asked
        ]
    )


# ── the original document ─────────────────────────────────────────────────────────────────────────

SOLDE = ["numeroCarte", "soldeOnline", "dateSolde", "unite"]
VALIDITE = [
    "numeroCarte",
    "finValidite",
    "nom",
    "prenom",
    "email",
    "telephone",
    "numeroPiece",
    "dateNaissance",
]


@pytest.mark.parametrize(
    ("path", "item_fields"), [("/get-solde-carte", SOLDE), ("/check-card-validity", VALIDITE)]
)
def test_documented_operations_are_exactly_those_of_the_document(
    path: str, item_fields: list[str]
) -> None:
    operation = OPERATIONS["GET", path]
    parameters = [resolve(node) for node in operation["parameters"]]
    assert [(p["name"], p["in"], p["required"]) for p in parameters] == [
        ("numeroCarte", "query", True),
        ("walletId", "query", True),
        ("clientId", "query", True),
    ]
    assert "requestBody" not in operation
    answer = resolve(operation["responses"]["200"]["content"]["application/json"]["schema"])
    assert list(answer["properties"]) == ["success", "code", "message", "data"]
    assert list(resolve(answer["properties"]["data"]["items"])["properties"]) == item_fields


def test_refusals_have_the_documented_envelope() -> None:
    fields = ["success", "code", "message", "debugMessage", "moreInfo"]
    assert list(COMPONENTS["schemas"]["Refus"]["properties"]) == fields
    assert list(COMPONENTS["schemas"]["RefusJeton"]["properties"]) == ["error", *fields]


# ── the error catalogue ───────────────────────────────────────────────────────────────────────────


def test_attested_codes_keep_their_meaning() -> None:
    kept = {code: CATALOGUE[code]["message"]["fr"] for code in ATTESTED_CODES}
    assert kept == ATTESTED_CODES
    assert [CATALOGUE[code]["statut"] for code in ATTESTED_CODES] == [400, 400, 500]


def test_new_codes_have_four_digits_and_a_family() -> None:
    _report(
        [
            f"code {code}: a new code has four digits, 1xxx to 5xxx, and is no HTTP status."
            for code in CATALOGUE
            if code not in ATTESTED_CODES and not re.fullmatch(r"[1-5][0-9]{3}", code)
        ]
    )


PASSING = ("4007",)
"""Refusals of a state that passes by itself: an operation that is still running."""


def test_catalogue_entries_are_whole() -> None:
    problems = []
    for code, entry in CATALOGUE.items():
        for field in ("message", "conseil"):
            texts = entry[field]
            if sorted(texts) != ["en", "fr"] or not all(texts.values()):
                problems.append(f"code {code}: {field} needs a text in fr and in en.")
            elif _placeholders(texts["fr"]) != _placeholders(texts["en"]):
                problems.append(f"code {code}: {field} must have the same fields in fr and en.")
        if not re.fullmatch(r"([A-Z][a-z]+)+", entry["nom"]):
            problems.append(f"code {code}: nom must be in UpperCamelCase without accents.")
        if not 400 <= entry["statut"] <= 599:
            problems.append(f"code {code}: statut must be a 4xx or a 5xx.")
        if entry["reessayer"] is not (entry["statut"] in (429, 500, 503) or code in PASSING):
            problems.append(f"code {code}: reessayer is true for 429, 500, 503 and {PASSING} only.")
    names = [entry["nom"] for entry in CATALOGUE.values()]
    problems += [f"nom {name} is used twice." for name in set(names) if names.count(name) > 1]
    _report(problems)
    assert len(CATALOGUE) == len(DOCUMENT["x-catalogue-erreurs"]), "a code is in it twice"


def test_codes_of_the_token_operation_have_their_rfc_6749_error() -> None:
    operation = BY_ID["accessToken"]
    problems = []
    for status, node in operation["responses"].items():
        if resolve(node)["content"]["application/json"]["schema"]["$ref"].endswith("/RefusJeton"):
            problems += [
                f"code {code} ({status}): give it `oauth`, the error of RFC 6749."
                for code in resolve(node)["x-codes-erreur"]
                if "oauth" not in CATALOGUE[code]
            ]
    _report(problems)


def test_the_changelog_has_the_version_of_the_contract() -> None:
    version = DOCUMENT["info"]["version"]
    changelog = (CONTRACT.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {version}\n" in changelog, f"CHANGELOG.md: add a section `## {version}`."
