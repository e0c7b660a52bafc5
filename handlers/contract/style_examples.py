"""The house's style of examples: they fit their schemas, say what the server would, and tell one story."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from handlers.contract.lines import Place, Problem
from handlers.contract.message import Template, templates
from handlers.contract.model import JSON_TYPE, LANGUAGES, Contract, Json
from handlers.contract.schema import compile_schema
from handlers.contract.style import LOWER_CAMEL
from handlers.contract.view import Declared, View

STORY = "x-parcours"
TELLS_ITS_VERSION = "getConformite"
"""The operation whose answer has the version of the contract. Another contract may take its parts."""

_VERSION = re.compile(r"([0-9]+[.][0-9]+[.][0-9]+)([+][0-9a-f]{12})?")

_FILLED = {"parametre": r"\w+", "reste": "[0-9]+ FCFA"}
"""What a field of a message is filled in with, where it is not just any text."""

TRANSITION = "3006"
"""The code whose `moreInfo` names two states of a card."""


def value_problems(contract: Contract, view: View) -> Iterator[Problem]:
    """The examples of schemas, of their properties, of parameters and of headers."""
    for place, _, schema in view.named("schemas"):
        yield from _misfit(contract, place, schema, schema)
        for field, node in schema.get("properties", {}).items():
            yield from _misfit(contract, (*place, "properties", field), node, node)
    for kind in ("parameters", "headers"):
        for place, _, node in view.named(kind):
            yield from _misfit(contract, place, node, node.get("schema", {}))


def _misfit(contract: Contract, place: Place, node: Json, schema: Json) -> Iterator[Problem]:
    if "example" in node and not compile_schema(contract, schema, closed=True)(node["example"]):
        yield Problem((*place, "example"), "the example does not fit its schema.")


def refusal_problems(view: View, place: Place, response: Json) -> Iterator[Problem]:
    """The examples of an error are what the catalogue says of its codes."""
    content = response["content"][JSON_TYPE]
    for name, node in content["examples"].items():
        value = view.resolve(node)["value"]
        at = (*place, "content", JSON_TYPE, "examples", name, "value")
        inside, code = at[len(place) :], value.get("code")
        if code not in response["x-codes-erreur"]:
            yield Problem(
                place,
                f"the example {name!r} has code {code}, which it does not carry.",
                inside=inside,
            )
            continue
        fault = _envelope_fault(view.catalogue[code], value, content["schema"]["$ref"])
        fault = fault or _place_fault(view.catalogue, value)
        if fault:
            yield Problem(place, f"the example {name!r} of code {code}: {fault}", inside=inside)


def _envelope_fault(entry: Json, value: Json, schema: str) -> str:
    """How the example of a refusal departs from what the catalogue makes of its code."""
    text = entry["message"]["fr"]
    pattern = re.sub(r"\\{(\w+)\\}", lambda field: _FILLED.get(field[1], "[^{}]+"), re.escape(text))
    if not re.fullmatch(pattern, str(value.get("message"))):
        return f"its message must be {text!r}, filled in."
    tells_programs = "{reste}" in text or entry["code"] == TRANSITION
    expected = {
        **({"error": entry.get("oauth")} if schema.endswith("Jeton") else {}),
        "success": False,
        "code": entry["code"],
        "message": value["message"],
        "debugMessage": None if "debugMessage" in entry else value["message"],
        # What is left of a limit is told to programs too, and which change of state is impossible.
        "moreInfo": value.get("moreInfo") if tells_programs else None,
    }
    wrong = [key for key in expected if key not in value or value[key] != expected[key]]
    wrong += sorted(value.keys() - expected.keys() - _LOCATING)
    if not wrong:
        return ""
    return (
        "; ".join(
            f"{key} must be {json.dumps(expected[key])}" if key in expected else f"remove {key}"
            for key in wrong
        )
        + "."
    )


_LOCATING = {"requestId", "documentation", "erreurs"}
"""What the server tells beside the envelope, and an example may leave out."""


def _place_fault(catalogue: Json, value: Json) -> str:
    """How the example of a refusal departs from what the server says of its code and its places."""
    anchor = f"/#code-{value['code']}"
    if not value.get("documentation", anchor).endswith(anchor):
        return f"its documentation must end in {anchor}."
    places = value.get("erreurs", [])
    if places and places[0]["code"] != value["code"]:
        return "its code must be that of the first of its erreurs."
    for place in places:
        text = catalogue.get(place["code"], {}).get("message", {}).get("fr", "")
        wanted = text.replace("{parametre}", place["emplacement"])
        if place["message"] != wanted:
            return f"the message of {place['emplacement']} must be {wanted!r}."
    return ""


def message_example_problems(view: View, one: Declared) -> Iterator[Problem]:
    """The examples of a success say the message of their operation."""
    message = view.resolve(one.raw.get("x-message-succes"))
    template = templates(message) if message else None
    for media_type, media in one.raw["responses"]["200"]["content"].items():
        if view.resolve(media["schema"]).get("type") != "object":
            continue
        for name, node in media["examples"].items():
            value = view.resolve(node)["value"]
            inside = ("responses", "200", "content", media_type, "examples", name, "value")
            try:
                texts = (
                    [_filled(template[language], value) for language in LANGUAGES]
                    if template
                    else []
                )
            except (LookupError, ValueError, TypeError) as error:
                yield Problem(
                    one.place,
                    f"x-message-succes cannot be filled in with the example {name!r}: {error}.",
                    inside=("x-message-succes",),
                )
                continue
            wanted = texts[0] if texts else None
            if value.get("message") != wanted or ("message" in value) != (template is not None):
                yield Problem(
                    one.place,
                    f"the example {name!r} must have the message of x-message-succes, filled in: {wanted!r}.",
                    inside=(*inside, "message"),
                )


def _filled(text: Template, value: Json) -> str:
    return text.format_map(value["data"][0] if "data" in value else value)


def catalogue_example_problems(view: View) -> Iterator[Problem]:
    """The example of the catalogue is an extract of it."""
    place: Place = ("components", "examples", "CodesErreur", "value", "data")
    example = view.components.get("examples", {}).get("CodesErreur")
    for number, item in enumerate(example["value"]["data"] if example else ()):
        entry = view.catalogue.get(item.get("code"))
        wanted = entry and {
            **{key: entry[key] for key in ("code", "nom", "message", "conseil", "reessayer")},
            "statutHttp": entry["statut"],
        }
        if item != wanted:
            yield Problem(
                (*place, number),
                f"must be what x-catalogue-erreurs says of code {item.get('code')}.",
                " ",
            )


def version_problems(view: View) -> Iterator[Problem]:
    """Where an example shows the version of the contract, it is this one."""
    for place, _, wanted in other_versions(view):
        yield Problem(place, f"write {wanted!r}: it is info.version.")


def other_versions(view: View) -> Iterator[tuple[Place, str, str]]:
    """The examples of another version: the place, what is there, and what should be."""
    if TELLS_ITS_VERSION not in view.by_id:
        return
    version = view.document["info"]["version"]
    for place, node in view.everything:
        if isinstance(node, str) and {"example", "value"} & set(place):
            found = _VERSION.fullmatch(node)
            if found and found[1] != version:
                yield place, node, version + (found[2] or "")


def other_messages(view: View, one: Declared) -> Iterator[tuple[Place, str, str]]:
    """The examples of a success that have another message: the place, what is there, and what should be."""
    message = view.resolve(one.raw.get("x-message-succes"))
    if message is None:
        return
    content = one.raw["responses"]["200"]["content"][JSON_TYPE]
    for name, node in content["examples"].items():
        value = view.resolve(node)["value"]
        wanted = _filled(templates(message)[LANGUAGES[0]], value)
        if value["message"] != wanted:
            inside = ("responses", "200", "content", JSON_TYPE, "examples", name, "value")
            yield (*one.place, *inside, "message"), value["message"], wanted


# ── names, and the answer beside each request ─────────────────────────────────────────────────────


def name_problems(view: View) -> Iterator[Problem]:
    """Examples bear names that tools can make a function of."""
    for place, node in view.everything:
        if place[-2:-1] != ("content",) or "examples" in place or not isinstance(node, dict):
            continue
        for name in node.get("examples", {}):
            if not LOWER_CAMEL.fullmatch(str(name)):
                yield Problem(
                    (*place, "examples", name),
                    f"name the example in lowerCamelCase without accents, not {name!r}.",
                )


def code_example_problems(view: View) -> Iterator[Problem]:
    """Every code is shown by an example, in an answer that carries it."""
    carried: dict[str, str] = {}
    shown = set()
    for _, name, node in view.named("responses"):
        for code in node.get("x-codes-erreur", []):
            carried.setdefault(code, name)
        for example in node.get("content", {}).get(JSON_TYPE, {}).get("examples", {}).values():
            shown.add(view.resolve(example)["value"].get("code"))
    for number, code in enumerate(view.catalogue):
        if code not in shown and code in carried:
            yield Problem(
                ("x-catalogue-erreurs", number),
                f"code {code} has no example: write one into components.examples, and refer to it "
                f"from components.responses.{carried[code]}, which carries it.",
            )


def pair_problems(view: View, one: Declared) -> Iterator[Problem]:
    """The answer to an example of a request has the same name."""
    answers = _answer_examples(view, one)
    for media_type, name in _request_examples(view, one):
        if name not in answers:
            yield Problem(
                one.place,
                f"the example {name!r} of its request body has no answer: name the example of its "
                f"answer {name!r} too.",
                inside=("requestBody", "content", media_type, "examples", name),
            )


def _request_examples(view: View, one: Declared) -> Iterator[tuple[str, str]]:
    body = view.resolve(one.raw.get("requestBody", {}))
    for media_type, media in body.get("content", {}).items():
        for name in media.get("examples", {}):
            yield media_type, name


def _answer_examples(view: View, one: Declared) -> dict[str, str]:
    """The names of the examples of its answers, and the status of each."""
    return {
        name: status
        for status, node in one.raw["responses"].items()
        for media in view.resolve(node)["content"].values()
        for name in media.get("examples", {})
    }


# ── the story ─────────────────────────────────────────────────────────────────────────────────────


def story_problems(view: View) -> Iterator[Problem]:
    """The story of the examples names what there is, and tells every request and every operation."""
    told: dict[str, set[str]] = {}
    for number, step in enumerate(view.document.get(STORY, [])):
        operation, name = step.get("operation"), step.get("exemple")
        told.setdefault(str(operation), set()).add(str(name))
        one = view.by_id.get(str(operation))
        if one is None:
            yield Problem((STORY, number), f"there is no operation {operation}.")
        elif name not in _answer_examples(view, one):
            yield Problem((STORY, number), f"no answer of {operation} has an example {name!r}.")
        elif "requestBody" in one.raw and name not in [n for _, n in _request_examples(view, one)]:
            yield Problem((STORY, number), f"no request of {operation} has an example {name!r}.")
    for one in view.operations if STORY in view.document else ():
        yield from _untold(view, one, told.get(one.name, set()))


def _untold(view: View, one: Declared, told: set[str]) -> Iterator[Problem]:
    """The requests of an operation, and the first of each media type of its success, that are in no step."""
    content = view.resolve(one.raw["responses"]["200"])["content"]
    firsts = {next(iter(media["examples"])): media_type for media_type, media in content.items()}
    wanted: dict[str, Place] = {
        name: ("responses", "200", "content", media_type) for name, media_type in firsts.items()
    }
    for media_type, name in _request_examples(view, one):
        wanted[name] = ("requestBody", "content", media_type)
    for name, inside in wanted.items():
        if name not in told:
            yield Problem(
                one.place,
                f"the example {name!r} is in no step of {STORY}: write `- {{operation: {one.name}, "
                f"exemple: {name}}}` there, where its answer is true.",
                inside=(*inside, "examples", name),
            )


WHOLE = (
    catalogue_example_problems,
    version_problems,
    name_problems,
    code_example_problems,
    story_problems,
)
OF_OPERATIONS = (message_example_problems, pair_problems)
