"""The house's style of operations, answers and names: what generated clients need, and what was decided.

Each rule is one function, which yields what is wrong; `handlers/contract/check.py` asks them all.
"""

from __future__ import annotations

import re
import string
from collections.abc import Callable, Iterator
from itertools import pairwise
from urllib.parse import urlsplit

from handlers.contract.lines import Place, Problem
from handlers.contract.message import variants
from handlers.contract.model import JSON_TYPE, Json
from handlers.contract.view import Declared, View, is_data

OPERATION_KEYS = (
    "operationId",
    "tags",
    "summary",
    "description",
    "deprecated",
    "x-obsolescence",
    "x-droit",
    "x-codes-erreur",
    "x-message-succes",
    "x-optionnelle",
    "x-classe-debit",
    "x-idempotence",
    "x-corps-maximal",
    "x-lecture-seule",
    "x-lecture-auditee",
    "security",
    "parameters",
    "requestBody",
    "responses",
)
"""The order of an operation's keys; others stand where they like."""

RFC_6749_NAMES = frozenset(
    {"grant_type", "client_id", "client_secret", "access_token", "token_type", "expires_in"}
    | {"token_type_hint", "token_endpoint", "token_endpoint_auth_methods_supported"}
    | {"revocation_endpoint", "revocation_endpoint_auth_methods_supported"}
    | {"introspection_endpoint", "introspection_endpoint_auth_methods_supported"}
    | {"grant_types_supported", "response_types_supported", "scopes_supported"}
    | {"service_documentation", "authorization_servers", "bearer_methods_supported"}
    | {"resource_name", "resource_documentation"}
)
"""Names that RFC 6749 gives, and those beside it (7009, 7662, 8414, 9728), so that any OAuth 2 client finds
where to ask for a token, and ends it."""

UNUSED_ON_PURPOSE = {
    "responses/RessourceInconnue": "answers a path that no operation has",
    "responses/MethodeInterdite": "answers a method that no operation has",
}

HEADERS_OF_ALL = ("X-Request-Id", "X-Contract-Version")
HEADERS_OF = {
    "401": "WWW-Authenticate",
    "405": "Allow",
    "429": "Retry-After",
    "503": "Retry-After",
}

_OTHER_NAME = {
    "parameters": "Param{}",
    "headers": "EnTete{}",
    "responses": "Reponse{}",
    "requestBodies": "Corps{}",
}

HEADERS_OF_COUNTED = ("RateLimit-Policy", "RateLimit")

UNCOUNTED = frozenset(
    {"1003", "1004", "1005", "1006", "1007", "1009", "2001", "2002", "2004", "2005", "2010", "2101"}
)
"""Codes of calls that are refused before they are counted, or whose sender is not let in."""

ONE_WORD = {
    re.compile(r"\bportées?\b", re.I): "droit",
    re.compile(r"\bscopes?\b", re.I): "droit, or `scope` where OAuth 2 names it",
    re.compile(r"\b(titulaire|détenteur|bénéficiaire)s?\b", re.I): "porteur",
    re.compile(r"\bclients? (OAuth|HTTP|API)\b", re.I): "logiciel",
    re.compile(r"\blimites? de débit\b", re.I): "limite d'appels",
}
"""Words that French texts do not use, since the thing has another one: the glossary of info.description."""

TEXTS = ("description", "summary", "fr")

LOWER_CAMEL = re.compile(r"[a-z][a-z0-9]*([A-Z][a-z0-9]*)*")
UPPER_CAMEL = re.compile(r"[A-Z][A-Za-z0-9]*")
FIELD = re.compile(r"[a-z]+[0-9]*([A-Z][a-z0-9]*)*")


def by_length(code: str) -> tuple[int, str]:
    """The order of codes: 405 before 1002."""
    return len(code), code


def placeholders(text: str) -> list[str]:
    """The fields of a text, with their formats, sorted."""
    return sorted(
        f"{{{name}:{spec}}}" for _, name, spec, _ in string.Formatter().parse(text) if name
    )


# ── the file ──────────────────────────────────────────────────────────────────────────────────────


def key_problems(view: View) -> Iterator[Problem]:
    """Every key is a text, and the file says the version that is served."""
    for place, node in view.everything:
        if isinstance(node, dict):
            for key in node:
                if not isinstance(key, str):
                    yield Problem((*place, key), f"quote the key {key!r}.")
    if view.document.get("openapi") != "3.0.3":
        yield Problem(("openapi",), 'write "3.0.3": Connexion serves no other version of OpenAPI.')


def component_problems(view: View) -> Iterator[Problem]:
    """Every component has a name of its kind, and somebody uses it."""
    used = {
        node["$ref"].rpartition("/components/")[2]
        for _, node in view.everything
        if isinstance(node, dict) and isinstance(node.get("$ref"), str)
    }
    for kind in view.components:
        for place, name, _ in view.named(kind):
            if kind == "securitySchemes":
                continue
            if not UPPER_CAMEL.fullmatch(str(name)):
                yield Problem(place, "name it in UpperCamelCase without accents.")
            if f"{kind}/{name}" not in used | UNUSED_ON_PURPOSE.keys():
                yield Problem(place, "is used by nothing; remove it.", " ")


def shared_name_problems(view: View) -> Iterator[Problem]:
    """No component has a schema's name: generators of clients make types of both, and rename one or fail."""
    schemas = view.components.get("schemas", {})
    for kind in ("parameters", "headers", "responses", "requestBodies"):
        for place, name, _ in view.named(kind):
            if name in schemas:
                yield Problem(
                    place,
                    f"give it a name that no schema has, such as {_OTHER_NAME[kind].format(name)}: clients "
                    "are generated with types of both.",
                )


def example_reference_problems(view: View) -> Iterator[Problem]:
    """Examples of bodies and answers have names of their own: openapi-generator warns of one in place."""
    for place, node in view.everything:
        if place[-3:-2] != ("content",) or place[-1:] != ("examples",) or is_data(place[:-1]):
            continue
        for name, example in node.items():
            if "$ref" not in example:
                yield Problem(
                    (*place, name), "move this example to components.examples and refer to it."
                )


def tag_problems(view: View) -> Iterator[Problem]:
    """Every tag is described, and an operation has it."""
    used = {tag for one in view.operations for tag in one.raw.get("tags", [])}
    for number, tag in enumerate(view.document.get("tags", [])):
        if tag.get("name") not in used:
            yield Problem(
                ("tags", number), f"the tag {tag.get('name')} has no operation; remove it."
            )
        if not tag.get("description"):
            yield Problem(("tags", number), f"describe the tag {tag.get('name')}.")


def scope_problems(view: View) -> Iterator[Problem]:
    """Every scope is declared, and an operation needs it."""
    place: Place = (
        "components",
        "securitySchemes",
        "oauth2",
        "flows",
        "clientCredentials",
        "scopes",
    )
    declared: Json = view.document
    for part in place:
        declared = declared[part]
    used = {
        scope
        for one in view.operations
        for need in one.raw.get("security", [])
        for scope in need.get("oauth2", [])
    }
    for scope in sorted(declared.keys() - used):
        yield Problem((*place, scope), "no operation needs this scope; remove it.")
    for one in view.operations:
        for need in one.raw.get("security", []):
            for scope in need.get("oauth2", []):
                if scope not in declared:
                    yield Problem(
                        (*one.place, "security"),
                        f"the scope {scope} is not in components.securitySchemes; declare it there.",
                    )


def described_problems(view: View) -> Iterator[Problem]:
    """Whoever reads a component learns what it is."""
    for kind in ("parameters", "headers", "responses", "requestBodies", "securitySchemes"):
        for place, _, node in view.named(kind):
            if "$ref" not in node and not node.get("description"):
                yield Problem(place, "give it a description.")


def word_problems(view: View) -> Iterator[Problem]:
    """A thing has one word in all texts. What stands between backticks is a name, and no word."""
    for place, node in view.everything:
        if not isinstance(node, str) or place[-1] not in TEXTS:
            continue
        text = re.sub(r"`[^`]*`", "", node)
        for pattern, word in ONE_WORD.items():
            found = pattern.search(text)
            if found:
                yield Problem(place, f"write {word}, not {found[0]!r}: one word for one thing.")


def server_problems(view: View) -> Iterator[Problem]:
    """Every server is named by an address, below which the paths are as they are written."""
    for number, server in enumerate(view.document.get("servers", [])):
        place: Place = ("servers", number)
        address = urlsplit(server["url"])
        if address.scheme not in ("http", "https") or not address.netloc:
            yield Problem(
                (*place, "url"),
                f"write a whole address: clients make {server['url']!r} one of their own host.",
            )
        elif address.path or address.query:
            yield Problem(
                (*place, "url"), "leave its path out: the server would serve everything below it."
            )
        if not server.get("description"):
            yield Problem(place, "describe the server: what it is for.")


# ── operations ────────────────────────────────────────────────────────────────────────────────────


def naming_problems(view: View, one: Declared) -> Iterator[Problem]:
    """An operationId in lowerCamelCase, which no other has."""
    place = (*one.place, "operationId")
    if not LOWER_CAMEL.fullmatch(one.name):
        yield Problem(place, f"name the operation in lowerCamelCase, not {one.name!r}.")
    if view.by_id[one.name] is not one:
        yield Problem(place, f"{one.name} is used twice; name each operation once.")


def text_problems(view: View, one: Declared) -> Iterator[Problem]:
    """A summary that fits a menu, a description that says preconditions and, but for a probe, effect."""
    if not 0 < len(one.raw["summary"]) < 60:
        yield Problem((*one.place, "summary"), "write a summary of less than 60 characters.")
    # In the back office it is not a balance that changes.
    effect = "**Effet**" if view.surface.persons else "**Effet sur le solde**"
    wanted = ("**Préconditions**", *(() if one.raw.get("x-sonde") else (effect,)))
    for words in wanted:
        if words not in one.raw["description"]:
            yield Problem((*one.place, "description"), f"the description must say {words!r}.")


def order_problems(_view: View, one: Declared) -> Iterator[Problem]:
    """Keys in the house's order, responses by status, codes sorted and each once."""
    known = [key for key in one.raw if key in OPERATION_KEYS]
    for before, after in pairwise(known):
        if OPERATION_KEYS.index(before) > OPERATION_KEYS.index(after):
            yield Problem(
                (*one.place, after),
                f"write `{after}` before `{before}`: all operations have their keys in one order.",
            )
    statuses = list(one.raw["responses"])
    if statuses != sorted(statuses):
        yield Problem((*one.place, "responses"), "sort the responses by status.")
    codes = one.raw["x-codes-erreur"]
    if codes != sorted(set(codes), key=by_length):
        yield Problem((*one.place, "x-codes-erreur"), "sort x-codes-erreur, each code once.")


def security_problems(_view: View, one: Declared) -> Iterator[Problem]:
    """A secured operation is reached by Basic, or by a token with its scope: in this order.

    Where a client was given no pair, generated Ruby writes an empty Basic all the same, and of several
    ways that write one header the last is kept: that must be the token. A person comes with a token of
    his own, and a machine of the company, where it may, with its own.
    """
    needs = one.raw["security"]
    place = (*one.place, "security")
    if any(len(need) > 1 for need in needs):
        yield Problem(place, "name one scheme per entry of security.")
    public = not needs or {} in needs
    schemes = [scheme for need in needs for scheme in need]
    if one.by_person:
        if schemes not in (["agent"], ["agent", "oauth2"]):
            yield Problem(
                place, "security of a person must be agent, then oauth2 where a machine may."
            )
    elif not public and schemes != ["basic", "oauth2"]:
        yield Problem(
            place,
            "security must be basic, then oauth2 with its scope: clients that try both keep the last.",
        )


def message_problems(view: View, one: Declared) -> Iterator[Problem]:
    """The message of a success says the same in both languages."""
    message = view.resolve(one.raw.get("x-message-succes"))
    for texts, _ in variants(message) if message else ():
        if placeholders(texts["fr"]) != placeholders(texts["en"]):
            yield Problem(
                (*one.place, "x-message-succes"),
                "x-message-succes must have the same fields in fr and en.",
            )


def parameter_problems(_view: View, one: Declared) -> Iterator[Problem]:
    """Parameters are shared."""
    for number, parameter in enumerate(one.raw.get("parameters", [])):
        if "$ref" not in parameter:
            yield Problem(
                (*one.place, "parameters", number),
                f"move the parameter {parameter.get('name')} to components.parameters and refer to it.",
            )


def body_problems(_view: View, one: Declared) -> Iterator[Problem]:
    """A request body stands where it is asked: swagger-typescript-api sends none that is referred to."""
    if "$ref" in one.raw.get("requestBody", {}):
        yield Problem(
            (*one.place, "requestBody"),
            "write the request body in place of its $ref: there are clients that send no Content-Type "
            "for one that is elsewhere.",
        )


def shared_problems(_view: View, one: Declared) -> Iterator[Problem]:
    """Errors are shared and successes are not."""
    for status, response in one.raw["responses"].items():
        place = (*one.place, "responses", status)
        if status == "200" and "$ref" in response:
            yield Problem(place, "write the response 200 in place.")
        if status != "200" and "$ref" not in response:
            yield Problem(place, f"response {status} must be a $ref to components.responses.")


def status_problems(view: View, one: Declared) -> Iterator[Problem]:
    """The declared statuses are those of the codes, and 200."""
    statuses = {str(view.catalogue[code]["statut"]) for code in one.raw["x-codes-erreur"]}
    for status in sorted(one.raw["responses"].keys() - statuses - {"200"}):
        yield Problem(
            (*one.place, "responses", status),
            f"no code of x-codes-erreur is answered with HTTP {status}; remove it, or list its code.",
        )


def success_header_problems(view: View, one: Declared) -> Iterator[Problem]:
    """A success declares the headers that it carries."""
    yield from _header_problems(view, (*one.place, "responses", "200"), one.raw["responses"]["200"])


def quota_problems(view: View, one: Declared) -> Iterator[Problem]:
    """What answers a call that was counted declares what is left of its limit."""
    if one.raw["x-classe-debit"] == "libre":
        return
    for status, node in one.raw["responses"].items():
        response = view.resolve(node)
        if status != "200" and set(response.get("x-codes-erreur", ())) <= UNCOUNTED:
            continue
        for header in HEADERS_OF_COUNTED:
            if header not in response.get("headers", {}):
                yield Problem(
                    (*one.place, "responses", status),
                    f"declare the header {header} in what answers it: the call is counted.",
                )


def page_problems(view: View, one: Declared) -> Iterator[Problem]:
    """A list by pages declares the header that leads to the next one."""
    names = {view.resolve(node).get("name") for node in one.raw.get("parameters", [])}
    if "curseur" in names and "Link" not in one.raw["responses"]["200"].get("headers", {}):
        yield Problem((*one.place, "responses", "200"), "declare the header Link: it has pages.")


def _header_problems(view: View, place: Place, response: Json, *more: str) -> Iterator[Problem]:
    for header in (*HEADERS_OF_ALL, *more):
        if not view.resolve(response.get("headers", {}).get(header, {})).get("required"):
            yield Problem(place, f"declare the header {header}, required.")


# ── shared parameters and answers ─────────────────────────────────────────────────────────────────


def shared_parameter_problems(view: View, place: Place, node: Json) -> Iterator[Problem]:
    """A parameter has an example and a name that is a variable's."""
    if "example" not in node and "example" not in view.resolve(node["schema"]):
        yield Problem(place, "give an example.")
    if node["name"] not in RFC_6749_NAMES and not FIELD.fullmatch(node["name"]):
        yield Problem(place, f"name {node['name']!r} in lowerCamelCase without accents.")


def error_body_problems(_view: View, place: Place, node: Json) -> Iterator[Problem]:
    """An error is one of the two envelopes, with an example."""
    content = node.get("content", {})
    if list(content) != [JSON_TYPE]:
        yield Problem(place, f"give it a body in {JSON_TYPE}.")
        return
    if content[JSON_TYPE]["schema"].get("$ref", "").rpartition("/")[2] not in (
        "Refus",
        "RefusJeton",
    ):
        yield Problem(place, "its schema must be Refus or RefusJeton.")
    if not content[JSON_TYPE].get("examples"):
        yield Problem(place, "give at least one example.")


def error_code_problems(view: View, place: Place, node: Json) -> Iterator[Problem]:
    """An error lists codes of one status, each once, and its description names them."""
    codes = node.get("x-codes-erreur", [])
    unknown = sorted(set(codes) - view.catalogue.keys())
    if unknown:
        yield Problem(
            (*place, "x-codes-erreur"),
            f"lists {', '.join(unknown)}, which x-catalogue-erreurs does not have.",
            " ",
        )
        return
    if len({view.catalogue[code]["statut"] for code in codes}) != 1:
        yield Problem(place, "list in x-codes-erreur the codes of one HTTP status.")
    if codes != sorted(set(codes), key=by_length):
        yield Problem((*place, "x-codes-erreur"), "sort x-codes-erreur, each code once.")
    words = re.findall(r"\b[0-9]{3,4}\b", node["description"])
    named = [word for word in words if word in view.catalogue]
    if sorted(named) != sorted(codes):
        yield Problem(
            (*place, "description"), f"its description must name the codes {codes}, not {named}."
        )


def error_header_problems(view: View, place: Place, node: Json) -> Iterator[Problem]:
    """An error declares the headers that it carries."""
    status = str(view.catalogue[node["x-codes-erreur"][0]]["statut"])
    yield from _header_problems(view, place, node, *filter(None, [HEADERS_OF.get(status)]))


WHOLE: tuple[Callable[[View], Iterator[Problem]], ...] = (
    key_problems,
    component_problems,
    shared_name_problems,
    example_reference_problems,
    tag_problems,
    scope_problems,
    described_problems,
    server_problems,
    word_problems,
)
OF_OPERATIONS: tuple[Callable[[View, Declared], Iterator[Problem]], ...] = (
    naming_problems,
    text_problems,
    order_problems,
    security_problems,
    message_problems,
    parameter_problems,
    body_problems,
    shared_problems,
    status_problems,
    success_header_problems,
    quota_problems,
    page_problems,
)
OF_PARAMETERS = (shared_parameter_problems,)
OF_RESPONSES = (error_body_problems, error_code_problems, error_header_problems)
