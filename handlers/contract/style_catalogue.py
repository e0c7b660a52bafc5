"""The house's style of the error catalogue, and what the original document has fixed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from handlers.contract.lines import Place, Problem
from handlers.contract.model import DEFAULT_MAX_BODY, JSON_TYPE, LANGUAGES, Json
from handlers.contract.style import UNUSED_ON_PURPOSE, placeholders
from handlers.contract.view import Declared, View

ATTESTED_CODES = {
    "405": (400, "Paramètre {parametre} manquant ou invalide"),
    "412": (400, "Utilisateur inexistant ou invalide"),
    "9999": (500, "Erreur système"),
}
"""Codes of the original document: status and text."""

ATTESTED_NULL = "405"
"""The one code that the original document shows with `debugMessage: null`."""

PASSING = ("4007",)
"""Refusals of a state that passes by itself: an operation that is still running."""

_CARD = [(name, "query", True) for name in ("numeroCarte", "walletId", "clientId")]

ORIGINAL = {
    "/get-solde-carte": ["numeroCarte", "soldeOnline", "dateSolde", "unite"],
    "/check-card-validity": [
        "numeroCarte",
        "finValidite",
        "nom",
        "prenom",
        "email",
        "telephone",
        "numeroPiece",
        "dateNaissance",
    ],
}
"""The operations that the original document describes, and the fields of their answers."""

_ENVELOPE = ["success", "code", "message", "debugMessage", "moreInfo"]
ENVELOPES = {"Refus": _ENVELOPE, "RefusJeton": ["error", *_ENVELOPE]}

_ENTRY = {
    "code": str,
    "nom": str,
    "statut": int,
    "message": dict,
    "conseil": dict,
    "reessayer": bool,
}


def entry_problems(document: Json) -> Iterator[Problem]:
    """What an entry lacks to be served."""
    entries = document.get("x-catalogue-erreurs", [])
    if not isinstance(entries, list):
        yield Problem(("x-catalogue-erreurs",), "must be a list of codes.", " ")
        return
    first: dict[str, int] = {}
    for number, raw in enumerate(entries):
        place: Place = ("x-catalogue-erreurs", number)
        absent = list(_lacking(raw))
        if absent:
            yield Problem(
                place,
                f"lacks {', '.join(absent)}; give code, nom, statut, message, conseil (fr, en), reessayer.",
                " ",
            )
        code = raw.get("code") if isinstance(raw, dict) else None
        if first.setdefault(str(code), number) != number:
            yield Problem(place, f"code {code} is already in the catalogue.", inside=("code",))


def _lacking(raw: Any) -> Iterator[str]:
    for key, kind in _ENTRY.items():
        value = raw.get(key) if isinstance(raw, dict) else None
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            yield repr(key)
        elif isinstance(value, dict):
            for language in LANGUAGES:
                if not isinstance(value.get(language), str):
                    yield f"{language!r} (of {key})"


def route_problems(view: View) -> Iterator[Problem]:
    """The server answers some codes to requests that reach no operation."""
    absent = sorted({"1002", "1003", "1004", "9999"} - view.catalogue.keys())
    if absent:
        yield Problem(
            ("x-catalogue-erreurs",),
            f"lacks {', '.join(absent)}, which the server answers to requests that reach no operation.",
            " ",
        )


def code_problems(view: View) -> Iterator[Problem]:
    """Each code has its family, its texts, its name, and an operation that lists it."""
    names = Counter(entry.get("nom") for entry in view.catalogue.values())
    listed = {code for one in view.operations for code in one.raw.get("x-codes-erreur", [])}
    for unused in UNUSED_ON_PURPOSE:
        kind, _, name = unused.partition("/")
        listed.update(view.components.get(kind, {}).get(name, {}).get("x-codes-erreur", []))
    for number, entry in enumerate(view.document.get("x-catalogue-erreurs", [])):
        place: Place = ("x-catalogue-erreurs", number)
        code = entry["code"]
        if code not in ATTESTED_CODES and not re.fullmatch(r"[1-6][0-9]{3}", code):
            yield Problem(
                place,
                f"code {code}: a new code has four digits, 1xxx to 6xxx, and is no HTTP status.",
            )
        if names[entry.get("nom")] > 1:
            yield Problem((*place, "nom"), f"code {code}: nom {entry.get('nom')} is used twice.")
        if code not in listed:
            yield Problem(place, f"code {code}: no operation lists it; remove it, or list it.")
        yield from _attested_problems(place, entry)
        yield from _text_problems(place, entry)
        yield from _flag_problems(place, entry)


def _attested_problems(place: Place, entry: Json) -> Iterator[Problem]:
    code = entry["code"]
    fixed = ATTESTED_CODES.get(code)
    if fixed is not None and (entry["statut"], entry["message"]["fr"]) != fixed:
        yield Problem(
            place, f"code {code} is the original document's: HTTP {fixed[0]}, {fixed[1]!r}."
        )
    if ("debugMessage" in entry) != (code == ATTESTED_NULL):
        yield Problem(
            place, f"code {code}: `debugMessage: null` is the original document's, for 405 only."
        )


def _text_problems(place: Place, entry: Json) -> Iterator[Problem]:
    code = entry["code"]
    for field in ("message", "conseil"):
        texts = entry[field]
        if sorted(texts) != ["en", "fr"] or not all(texts.values()):
            yield Problem((*place, field), f"code {code}: {field} needs a text in fr and in en.")
        elif placeholders(texts["fr"]) != placeholders(texts["en"]):
            yield Problem(
                (*place, field), f"code {code}: {field} must have the same fields in fr and en."
            )


def _flag_problems(place: Place, entry: Json) -> Iterator[Problem]:
    code = entry["code"]
    if not re.fullmatch(r"([A-Z][a-z]+)+", entry["nom"]):
        yield Problem(
            (*place, "nom"), f"code {code}: nom must be in UpperCamelCase without accents."
        )
    if not 400 <= entry["statut"] <= 599:
        yield Problem((*place, "statut"), f"code {code}: statut must be a 4xx or a 5xx.")
    if entry["reessayer"] is not (entry["statut"] in (429, 500, 503) or code in PASSING):
        yield Problem(
            (*place, "reessayer"),
            f"code {code}: reessayer is true for 429, 500, 503 and {', '.join(PASSING)} only.",
        )


def oauth_problems(view: View) -> Iterator[Problem]:
    """A code of the token's envelope has the error of RFC 6749 that goes with it."""
    numbers = {code: number for number, code in enumerate(view.catalogue)}  # a code stands once
    for _, _, response in view.named("responses"):
        schema = response.get("content", {}).get(JSON_TYPE, {}).get("schema", {})
        if not str(schema.get("$ref", "")).endswith("/RefusJeton"):
            continue
        for code in response.get("x-codes-erreur", []):
            if "oauth" not in view.catalogue.get(code, {"oauth": ""}):
                yield Problem(
                    ("x-catalogue-erreurs", numbers[code]),
                    f"code {code}: give it `oauth`, the error of RFC 6749.",
                )


def size_problems(view: View) -> Iterator[Problem]:
    """The advice on a body that is too large, and its response, give every limit."""
    limits = {
        one.name: one.raw.get("x-corps-maximal", DEFAULT_MAX_BODY)
        for one in view.operations
        if "requestBody" in one.raw
    }
    codes = list(view.catalogue)
    if not limits or "1006" not in codes:
        return
    at: Place = ("x-catalogue-erreurs", codes.index("1006"), "conseil")
    texts = [
        ((*at, "fr"), view.catalogue["1006"]["conseil"]["fr"], " "),
        ((*at, "en"), view.catalogue["1006"]["conseil"]["en"], ","),
    ]
    for place, _, node in view.named("responses"):
        if "1006" in node.get("x-codes-erreur", []):
            texts.append(((*place, "description"), node["description"], " "))
    for name, limit in limits.items():
        for place, text, separator in texts:
            shown = f"{limit:,}".replace(",", separator)
            if shown not in text or (limit != DEFAULT_MAX_BODY and name not in text):
                of = f" of {name}" if limit != DEFAULT_MAX_BODY else ""
                yield Problem(place, f"say the limit{of}, {shown} bytes.")


_SPANS = {"second": "seconde", "minute": "minute", "hour": "heure", "day": "jour"}


def rate_problems(view: View) -> Iterator[Problem]:
    """The description of the API tells the limit of every rate class in words."""
    described = view.document.get("info", {}).get("description", "")
    for name, rate in view.document.get("x-classes-debit", {}).items():
        count, _, span = str(rate).partition("/")
        if not count.isdecimal() or span not in _SPANS:
            continue  # the server's start tells what is no rate
        words = f"`{name}` : {int(count):,} par {_SPANS[span]}".replace(",", " ")
        if words not in described:
            yield Problem(("info", "description"), f"say the limit of the class {name}: {words!r}.")


# ── the original document ─────────────────────────────────────────────────────────────────────────


def envelope_problems(view: View) -> Iterator[Problem]:
    """Refusals have the documented envelope first, and nothing else without which they are none."""
    for name, fields in ENVELOPES.items():
        schema = view.components.get("schemas", {}).get(name)
        if schema is None:
            continue
        if list(schema["properties"])[: len(fields)] != fields or schema["required"] != fields:
            yield Problem(
                ("components", "schemas", name, "properties"),
                f"the original document has {', '.join(fields)}, in this order: they come first, and they "
                "alone are required.",
            )


def original_problems(view: View, one: Declared) -> Iterator[Problem]:
    """Documented operations are exactly those of the document."""
    fields = ORIGINAL.get(one.path) if one.method == "get" else None
    if fields is None:
        return
    parameters = [view.resolve(node) for node in one.raw.get("parameters", [])]
    if [(p["name"], p["in"], p.get("required")) for p in parameters] != _CARD:
        yield Problem(
            (*one.place, "parameters"),
            "the original document has exactly numeroCarte, walletId, clientId, required in the query.",
        )
    if "requestBody" in one.raw:
        yield Problem((*one.place, "requestBody"), "the original document has no body here.")
    answer = view.resolve(one.raw["responses"]["200"]["content"][JSON_TYPE]["schema"])
    envelope = ["success", "code", "message", "data"]
    if list(answer["properties"]) != envelope:
        yield Problem(
            (*one.place, "responses", "200"),
            f"the original document answers exactly {', '.join(envelope)}, in this order.",
        )
    elif list(view.resolve(answer["properties"]["data"]["items"])["properties"]) != fields:
        yield Problem(
            (*one.place, "responses", "200"),
            f"the original document's `data` has exactly {', '.join(fields)}, in this order.",
        )


WHOLE: tuple[Callable[[View], Iterator[Problem]], ...] = (
    route_problems,
    code_problems,
    oauth_problems,
    size_problems,
    rate_problems,
    envelope_problems,
)
OF_OPERATIONS = (original_problems,)
