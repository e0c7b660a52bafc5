"""The house's style of examples: each fits its schema, and says what the server would."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from handlers.contract.lines import Place, Problem
from handlers.contract.model import JSON_TYPE, LANGUAGES, Contract, Json
from handlers.contract.schema import compile_schema
from handlers.contract.view import Declared, View

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
    pattern = re.escape(text).replace(r"\{parametre\}", r"\w+").replace(r"\{reste\}", "[0-9]+ FCFA")
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
    template = one.raw.get("x-message-succes")
    for media_type, media in one.raw["responses"]["200"]["content"].items():
        if view.resolve(media["schema"]).get("type") != "object":
            continue
        for name, node in media["examples"].items():
            value = view.resolve(node)["value"]
            inside = ("responses", "200", "content", media_type, "examples", name, "value")
            try:
                texts = [_filled(template[language], value) for language in LANGUAGES if template]
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


def _filled(text: str, value: Json) -> str:
    return text.format(**(value["data"][0] if "data" in value else value))


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
