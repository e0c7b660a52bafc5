"""Every kind of change is found and judged, for what clients send and for what they receive.

Each case changes one thing of a small contract made of a published one, and is judged forwards and backwards.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from handlers.workbench.diff.change import (
    ADDITIVE,
    BOTH,
    BREAKING,
    RECEIVED,
    SENT,
    TEXT,
)
from handlers.workbench.diff.compare import compare, read
from handlers.workbench.diff.redocly import RedoclyMissing, find_changes, kept_running
from handlers.workbench.history import HISTORY
from tests.support.contract_client import Json
from tests.support.needs import lack

KEPT = (
    "/get-solde-carte",
    "/get-liste-cartes",
    "/get-historique-carte",
    "/credit-carte",
    "/access-token",
)

CODES = ("405", "412", "1001", "4001", "9999")
SHORT = 20
"""Letters of a description: to compare long ones takes longer, and shows nothing more."""

Edit = Callable[[Json], Any]
Verdicts = set[tuple[str, str]]


def _used(document: Json, root: Any) -> set[tuple[str, str]]:
    """The components that a part of the contract refers to."""
    found: set[tuple[str, str]] = set()
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            if "$ref" in node:
                _, _, kind, name = node["$ref"].split("/")
                if (kind, name) not in found:
                    found.add((kind, name))
                    waiting.append(document["components"][kind][name])
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)
    return found


def _small() -> Json:
    document = read(HISTORY / "1.1.0.yaml")
    document["paths"] = {path: document["paths"][path] for path in KEPT}
    for item in document["paths"].values():
        for operation in item.values():
            operation["responses"]["200"].pop("links", None)
    used = _used(document, document["paths"])
    document["components"] = {
        kind: {
            name: node
            for name, node in nodes.items()
            if kind == "securitySchemes" or (kind, name) in used
        }
        for kind, nodes in document["components"].items()
        if kind != "links"
    }
    # What is compared whole, and long, and never changed by a case.
    document["x-catalogue-erreurs"] = [
        one for one in document["x-catalogue-erreurs"] if one["code"] in CODES
    ]
    short: Json = _with_short_texts(document)
    return short


def _with_short_texts(node: Any) -> Any:
    if isinstance(node, list):
        return [_with_short_texts(one) for one in node]
    if not isinstance(node, dict):
        return node
    return {
        key: one[:SHORT]
        if key == "description" and isinstance(one, str)
        else _with_short_texts(one)
        for key, one in node.items()
    }


BASE = _small()


def _at(document: Json, path: str) -> Any:
    node: Any = document
    for key in path.split("."):
        node = node[int(key)] if isinstance(node, list) else node[key]
    return node


def put(path: str, value: Any) -> Edit:
    """Set what is at a place."""
    parent, _, key = path.rpartition(".")

    def edit(document: Json) -> None:
        _at(document, parent)[key] = value

    return edit


def drop(path: str) -> Edit:
    """Remove what is at a place."""
    parent, _, key = path.rpartition(".")

    def edit(document: Json) -> None:
        node = _at(document, parent)
        del node[int(key) if isinstance(node, list) else key]

    return edit


def append(path: str, value: Any) -> Edit:
    """Add to the list at a place."""

    def edit(document: Json) -> None:
        _at(document, path).append(value)

    return edit


def remove(path: str, value: Any) -> Edit:
    """Remove from the list at a place."""

    def edit(document: Json) -> None:
        _at(document, path).remove(value)

    return edit


def rename_schema(old: str, new: str) -> Edit:
    """Another name for a schema, wherever it is referred to."""

    def edit(document: Json) -> None:
        text = json.dumps(document).replace(f'/schemas/{old}"', f'/schemas/{new}"')
        schemas = json.loads(text)["components"]["schemas"]
        document.update(json.loads(text))
        document["components"]["schemas"] = {
            new if name == old else name: node for name, node in schemas.items()
        }

    return edit


def rename_parameter(old: str, new: str) -> Edit:
    """Another name for a shared parameter, wherever it is referred to; what clients send is the same."""

    def edit(document: Json) -> None:
        text = json.dumps(document).replace(f'/parameters/{old}"', f'/parameters/{new}"')
        document.update(json.loads(text))
        parameters = document["components"]["parameters"]
        parameters[new] = parameters.pop(old)

    return edit


def write_in_place(path: str) -> Edit:
    """What a reference names, in its place."""
    parent, _, key = path.rpartition(".")

    def edit(document: Json) -> None:
        node = _at(document, parent)
        _, _, kind, name = node[key]["$ref"].split("/")
        node[key] = copy.deepcopy(document["components"][kind][name])

    return edit


def in_order(*edits: Edit) -> Edit:
    """One edit after the other."""

    def edit(document: Json) -> None:
        for one in edits:
            one(document)

    return edit


def rename_path(old: str, new: str) -> Edit:
    """Another path for the operations of one."""

    def edit(document: Json) -> None:
        document["paths"][new] = document["paths"].pop(old)

    return edit


def rename_tag(old: str, new: str) -> Edit:
    """Another name for a tag, wherever it is used."""

    def edit(document: Json) -> None:
        for tag in document["tags"]:
            tag["name"] = new if tag["name"] == old else tag["name"]
        for item in document["paths"].values():
            for operation in item.values():
                operation["tags"] = [new if tag == old else tag for tag in operation["tags"]]

    return edit


def entry(code: str) -> Edit:
    """A new code in the catalogue."""

    def edit(document: Json) -> None:
        document["x-catalogue-erreurs"].append({**document["x-catalogue-erreurs"][0], "code": code})

    return edit


def of_code(code: str, field: str, value: Any) -> Edit:
    """Another value of a catalogue's entry."""

    def edit(document: Json) -> None:
        (found,) = [one for one in document["x-catalogue-erreurs"] if one["code"] == code]
        found[field] = value

    return edit


class Case(NamedTuple):
    """One change; what it must be judged, forwards and backwards, texts left out; and where."""

    edit: Edit
    forwards: Verdicts
    backwards: Verdicts
    where: str


# A shared schema that requests have (and answers too, where said).
S = "components.schemas"
SOLDE = f"{S}.SoldeCarte.properties"
ASKED = f"{S}.DemandeMouvement.properties"
GET, POST = "paths./get-solde-carte.get", "paths./credit-carte.post"
LIST = "paths./get-liste-cartes.get"
RIGHTS = "components.securitySchemes.oauth2.flows.clientCredentials.scopes"
B_SENT, B_RECEIVED, B_BOTH = {(BREAKING, SENT)}, {(BREAKING, RECEIVED)}, {(BREAKING, BOTH)}
A_SENT, A_RECEIVED, A_BOTH = {(ADDITIVE, SENT)}, {(ADDITIVE, RECEIVED)}, {(ADDITIVE, BOTH)}
NARROWER = B_SENT | A_RECEIVED
WIDER = A_SENT | B_RECEIVED
TEXTS: Verdicts = set()


def sent(name: str, field: str, value: Any, *, wider: bool) -> Case:
    """A keyword of a field that only requests have."""
    forwards, backwards = (A_SENT, B_SENT) if wider else (B_SENT, A_SENT)
    return Case(
        put(f"{ASKED}.{name}.{field}", value), forwards, backwards, f"{ASKED}.{name}.{field}"
    )


def received(name: str, field: str, value: Any, *, wider: bool) -> Case:
    """A keyword of a field that only answers have."""
    forwards, backwards = (B_RECEIVED, A_RECEIVED) if wider else (A_RECEIVED, B_RECEIVED)
    where = f"{S}.CarteListe.properties.{name}.{field}"
    return Case(put(where, value), forwards, backwards, where)


def shared(name: str, field: str, value: Any, *, wider: bool) -> Case:
    """A keyword of a schema that requests and answers share."""
    forwards, backwards = (WIDER, NARROWER) if wider else (NARROWER, WIDER)
    where = f"{S}.{name}.{field}"
    return Case(put(where, value), forwards, backwards, where)


NEW = {"type": "string", "description": "Nouveau.", "example": "a"}
OPTIONAL = {
    "name": "canal",
    "in": "query",
    "description": "Canal.",
    "schema": NEW,
    "required": False,
}
REQUIRED = {**OPTIONAL, "required": True}

CASES: dict[str, Case] = {
    # paths and operations
    "path gone": Case(drop("paths./get-solde-carte"), B_BOTH, A_BOTH, "paths./get-solde-carte"),
    "path renamed": Case(
        rename_path("/get-solde-carte", "/solde"), B_BOTH | A_BOTH, B_BOTH | A_BOTH, "paths./solde"
    ),
    "operationId changed": Case(
        put(f"{GET}.operationId", "getSolde"), B_BOTH, B_BOTH, f"{GET}.operationId"
    ),
    "tag of an operation changed": Case(
        put(f"{GET}.tags", ["sante"]), B_BOTH, B_BOTH, f"{GET}.tags"
    ),
    "tag renamed everywhere": Case(
        rename_tag("cartes", "carte"),
        B_BOTH,
        B_BOTH,
        f"{GET}.tags",
    ),
    "deprecated": Case(
        lambda d: _at(d, GET).update(
            deprecated=True, **{"x-obsolescence": {"depuis": "2026-12-01", "retrait": "2027-12-01"}}
        ),
        A_BOTH,
        A_BOTH,
        f"{GET}.x-obsolescence",
    ),
    "summary": Case(put(f"{GET}.summary", "Autre"), TEXTS, TEXTS, f"{GET}.summary"),
    "description": Case(put(f"{GET}.description", "Autre"), TEXTS, TEXTS, f"{GET}.description"),
    # parameters
    "optional parameter": Case(
        append(f"{GET}.parameters", OPTIONAL), A_SENT, B_SENT, f"{GET}.parameters.3"
    ),
    "required parameter": Case(
        append(f"{GET}.parameters", REQUIRED), B_SENT, B_SENT, f"{GET}.parameters.3"
    ),
    "shared parameter of another name": Case(
        rename_parameter("WalletId", "ParamWalletId"),
        TEXTS,
        TEXTS,
        "components.parameters.WalletId",
    ),
    "shared parameter of another name that must be sent": Case(
        in_order(
            rename_parameter("Curseur", "ParamCurseur"),
            put("components.parameters.ParamCurseur.required", True),
        ),
        B_SENT,
        A_SENT,
        "components.parameters.ParamCurseur.required",
    ),
    "parameter renamed": Case(
        put("components.parameters.WalletId.name", "wallet"),
        B_SENT,
        B_SENT,
        "components.parameters.WalletId.name",
    ),
    "parameter becomes required": Case(
        put("components.parameters.Curseur.required", True),
        B_SENT,
        A_SENT,
        "components.parameters.Curseur.required",
    ),
    "parameter moves to the headers": Case(
        put("components.parameters.WalletId.in", "header"),
        B_SENT,
        B_SENT,
        "components.parameters.WalletId.in",
    ),
    "default of a parameter": Case(
        put("components.parameters.Limite.schema.default", 7),
        B_SENT,
        B_SENT,
        "components.parameters.Limite.schema.default",
    ),
    "default of a parameter gone": Case(
        drop("components.parameters.Limite.schema.default"),
        B_SENT,
        A_SENT,
        "components.parameters.Limite.schema.default",
    ),
    "maximum of a parameter": Case(
        put("components.parameters.Limite.schema.maximum", 10),
        B_SENT,
        A_SENT,
        "components.parameters.Limite.schema.maximum",
    ),
    "description of a parameter": Case(
        put("components.parameters.WalletId.description", "Autre."),
        TEXTS,
        TEXTS,
        "components.parameters.WalletId.description",
    ),
    # bodies
    "body becomes optional": Case(
        put("components.requestBodies.DemandeMouvement.required", False),
        A_SENT,
        B_SENT,
        "components.requestBodies.DemandeMouvement.required",
    ),
    "body written in place": Case(
        write_in_place(f"{POST}.requestBody"), TEXTS, TEXTS, f"{POST}.requestBody.$ref"
    ),
    "body gone": Case(drop(f"{POST}.requestBody"), B_SENT, B_SENT, f"{POST}.requestBody"),
    "media type of a body": Case(
        lambda d: _at(d, "components.requestBodies.DemandeMouvement.content").update(
            {"text/xml": {"schema": {"$ref": "#/components/schemas/DemandeMouvement"}}}
        ),
        A_SENT,
        B_SENT,
        "components.requestBodies.DemandeMouvement.content.text/xml",
    ),
    "optional field to send": Case(put(f"{ASKED}.canal", NEW), A_SENT, B_SENT, f"{ASKED}.canal"),
    "field to send gone": Case(drop(f"{ASKED}.motif"), B_SENT, A_SENT, f"{ASKED}.motif"),
    "field becomes required": Case(
        append(f"{S}.DemandeMouvement.required", "motif"),
        B_SENT,
        A_SENT,
        f"{S}.DemandeMouvement.required",
    ),
    "field becomes optional": Case(
        remove(f"{S}.DemandeMouvement.required", "walletId"),
        A_SENT,
        B_SENT,
        f"{S}.DemandeMouvement.required",
    ),
    "request opens": Case(
        put(f"{S}.DemandeMouvement.additionalProperties", True),
        A_SENT,
        B_SENT,
        f"{S}.DemandeMouvement.additionalProperties",
    ),
    "longest text falls": sent("pointDeService", "maxLength", 3, wider=False),
    "shortest text rises": sent("pointDeService", "minLength", 3, wider=False),
    "text to send gets a list": sent("pointDeService", "enum", ["a", "b"], wider=False),
    "text to send may be null": sent("terminal", "nullable", True, wider=True),
    "pattern to send changes": Case(
        put(f"{ASKED}.terminal.pattern", "^[0-9]+$"), B_SENT, B_SENT, f"{ASKED}.terminal.pattern"
    ),
    "pattern to send takes more": Case(
        put(f"{ASKED}.terminal.pattern", "^([A-Za-z0-9][A-Za-z0-9 ._/-]{0,99})?$"),
        A_SENT,
        B_SENT,
        f"{ASKED}.terminal.pattern",
    ),
    "pattern to send written otherwise": Case(
        put(f"{ASKED}.terminal.pattern", "^[0-9a-zA-Z](?:[ ._/A-Za-z-]|[0-9]){0,63}$"),
        TEXTS,
        TEXTS,
        f"{ASKED}.terminal.pattern",
    ),
    "pattern to send that is not read": Case(
        put(f"{ASKED}.terminal.pattern", "^(?=.).*$"), B_SENT, B_SENT, f"{ASKED}.terminal.pattern"
    ),
    "pattern to send gone": Case(
        drop(f"{ASKED}.terminal.pattern"), A_SENT, B_SENT, f"{ASKED}.terminal.pattern"
    ),
    "type to send changes": Case(
        put(f"{ASKED}.terminal.type", "boolean"), B_SENT, B_SENT, f"{ASKED}.terminal.type"
    ),
    "format to send": Case(
        put(f"{ASKED}.terminal.format", "byte"), B_SENT, B_SENT, f"{ASKED}.terminal.format"
    ),
    "code of a refused field": Case(
        put(f"{ASKED}.terminal.x-code-erreur", "412"),
        B_RECEIVED,
        B_RECEIVED,
        f"{ASKED}.terminal.x-code-erreur",
    ),
    "example of a field": Case(
        put(f"{ASKED}.terminal.example", "T-2"), TEXTS, TEXTS, f"{ASKED}.terminal.example"
    ),
    "enum to send grows": Case(
        append(f"{S}.DemandeJeton.properties.grant_type.enum", "password"),
        A_SENT,
        B_SENT,
        f"{S}.DemandeJeton.properties.grant_type.enum",
    ),
    "field to send is deprecated": Case(
        put(f"{ASKED}.terminal.deprecated", True), A_BOTH, TEXTS, f"{ASKED}.terminal.deprecated"
    ),
    "body that may be sent": Case(
        put(f"{GET}.requestBody", {"content": {"application/json": {"schema": NEW}}}),
        A_SENT,
        B_SENT,
        f"{GET}.requestBody",
    ),
    # schemas on both sides
    "amount: maximum falls": shared("Montant", "maximum", 500, wider=False),
    "amount: maximum rises": shared("Montant", "maximum", 2_000_000_000, wider=True),
    "amount: minimum falls": shared("Montant", "minimum", 0, wider=True),
    "amount: minimum rises": shared("Montant", "minimum", 100, wider=False),
    "amount: minimum excluded": shared("Montant", "exclusiveMinimum", True, wider=False),
    "amount: multiple": shared("Montant", "multipleOf", 5, wider=False),
    "amount: number": shared("Montant", "type", "number", wider=True),
    "amount: nullable": shared("Montant", "nullable", True, wider=True),
    "amount: list": shared("Montant", "enum", [1000, 5000], wider=False),
    "amount: format": Case(
        put(f"{S}.Montant.format", "int32"),
        B_SENT | B_RECEIVED,
        B_SENT | B_RECEIVED,
        f"{S}.Montant.format",
    ),
    "amount: maximum gone": Case(
        drop(f"{S}.Montant.maximum"), WIDER, NARROWER, f"{S}.Montant.maximum"
    ),
    "reference: pattern": Case(
        put(f"{S}.Reference.pattern", "^[A-Z]+$"),
        B_SENT | B_RECEIVED,
        B_SENT | B_RECEIVED,
        f"{S}.Reference.pattern",
    ),
    "reference: pattern gone": Case(
        drop(f"{S}.Reference.pattern"), WIDER, NARROWER, f"{S}.Reference.pattern"
    ),
    "reference: longest": shared("Reference", "maxLength", 10, wider=False),
    "reference: description": Case(
        put(f"{S}.Reference.description", "Autre."), TEXTS, TEXTS, f"{S}.Reference.description"
    ),
    "reference: example": Case(
        put(f"{S}.Reference.example", "A-1"), TEXTS, TEXTS, f"{S}.Reference.example"
    ),
    "schema renamed": Case(
        rename_schema("SoldeCarte", "SoldeDeCarte"), B_BOTH, B_BOTH, f"{S}.SoldeCarte"
    ),
    "schema added": Case(put(f"{S}.Autre", NEW), TEXTS, TEXTS, f"{S}.Autre"),
    "reference to another schema": Case(
        put(f"{SOLDE}.unite", {"$ref": "#/components/schemas/NumeroCarte"}),
        {(ADDITIVE, RECEIVED), (BREAKING, RECEIVED)},
        {(ADDITIVE, RECEIVED), (BREAKING, RECEIVED)},
        f"{S}.NumeroCarte.pattern",
    ),
    # answers
    "field told too": Case(
        put(f"{SOLDE}.plafond", NEW), A_RECEIVED, B_RECEIVED, f"{SOLDE}.plafond"
    ),
    "field no longer promised": Case(
        remove(f"{S}.SoldeCarte.required", "unite"),
        B_RECEIVED,
        A_RECEIVED,
        f"{S}.SoldeCarte.required",
    ),
    "answer closes": Case(
        put(f"{S}.SoldeCarte.additionalProperties", False),
        A_RECEIVED,
        B_RECEIVED,
        f"{S}.SoldeCarte.additionalProperties",
    ),
    "text told may be null": received("porteur", "nullable", True, wider=True),
    "text told gets a list": received("porteur", "enum", ["a"], wider=False),
    "text told gets longer": received("porteur", "maxLength", 5, wider=False),
    "type told changes": Case(
        put(f"{S}.CarteListe.properties.porteur.type", "boolean"),
        B_RECEIVED,
        B_RECEIVED,
        f"{S}.CarteListe.properties.porteur.type",
    ),
    "fewest items": Case(
        put(f"{S}.ReponseSoldeCarte.properties.data.minItems", 0),
        B_RECEIVED,
        A_RECEIVED,
        f"{S}.ReponseSoldeCarte.properties.data.minItems",
    ),
    "most items": Case(
        put(f"{S}.ReponseSoldeCarte.properties.data.maxItems", 2),
        B_RECEIVED,
        A_RECEIVED,
        f"{S}.ReponseSoldeCarte.properties.data.maxItems",
    ),
    "status gone": Case(
        drop(f"{GET}.responses.429"), B_RECEIVED, A_RECEIVED, f"{GET}.responses.429"
    ),
    "header gone": Case(
        drop(f"{GET}.responses.200.headers.X-Request-Id"),
        B_RECEIVED,
        A_RECEIVED,
        f"{GET}.responses.200.headers.X-Request-Id",
    ),
    "header no longer promised": Case(
        put("components.headers.RetryAfter.required", False),
        B_RECEIVED,
        A_RECEIVED,
        "components.headers.RetryAfter.required",
    ),
    "type of a header": Case(
        put("components.headers.RetryAfter.schema.type", "string"),
        B_RECEIVED,
        B_RECEIVED,
        "components.headers.RetryAfter.schema.type",
    ),
    "schema of a header gone": Case(
        drop("components.headers.RetryAfter.schema"),
        B_RECEIVED,
        B_RECEIVED,
        "components.headers.RetryAfter.schema",
    ),
    "header of another name": Case(
        lambda d: d["components"]["responses"]["TropDeRequetes"]["headers"].update(
            {
                "Retry-Later": d["components"]["responses"]["TropDeRequetes"]["headers"].pop(
                    "Retry-After"
                )
            }
        ),
        B_RECEIVED,
        B_RECEIVED,
        "components.responses.TropDeRequetes.headers.Retry-Later.key",
    ),
    "media type of an answer gone": Case(
        drop("paths./get-historique-carte.get.responses.200.content.text/csv"),
        B_RECEIVED,
        A_RECEIVED,
        "paths./get-historique-carte.get.responses.200.content.text/csv",
    ),
    "example of an answer": Case(
        put("components.examples.SoldeCarte.summary", "Autre"),
        TEXTS,
        TEXTS,
        "components.examples.SoldeCarte.summary",
    ),
    "description of an answer": Case(
        put(f"{GET}.responses.200.description", "Autre."),
        TEXTS,
        TEXTS,
        f"{GET}.responses.200.description",
    ),
    # codes
    "code added to an operation": Case(
        append(f"{GET}.x-codes-erreur", "3001"), A_RECEIVED, B_RECEIVED, f"{GET}.x-codes-erreur"
    ),
    "code of a shared response": Case(
        append("components.responses.RequeteRefusee.x-codes-erreur", "3001"),
        TEXTS,
        TEXTS,
        "components.responses.RequeteRefusee.x-codes-erreur",
    ),
    "code added to the catalogue": Case(
        entry("4999"), A_RECEIVED, B_RECEIVED, "x-catalogue-erreurs.4999"
    ),
    "status of a code": Case(
        of_code("412", "statut", 404), B_RECEIVED, B_RECEIVED, "x-catalogue-erreurs.412.statut"
    ),
    "retry of a code": Case(
        of_code("412", "reessayer", value=True),
        B_RECEIVED,
        B_RECEIVED,
        "x-catalogue-erreurs.412.reessayer",
    ),
    "text of a code": Case(
        of_code("412", "message", {"fr": "Inconnu", "en": "Unknown"}),
        TEXTS,
        TEXTS,
        "x-catalogue-erreurs.412.message",
    ),
    # rights, rates, money
    "more scopes": Case(
        append(f"{GET}.security.0.oauth2", "cartes:lire"), B_SENT, A_SENT, f"{GET}.security"
    ),
    "another scope": Case(
        put(f"{GET}.security", [{"oauth2": ["cartes:lire"]}, {"basic": []}]),
        B_SENT,
        B_SENT,
        f"{GET}.security",
    ),
    "a way to authenticate less": Case(
        drop(f"{GET}.security.1"), B_SENT, A_SENT, f"{GET}.security"
    ),
    "no authentication any more": Case(
        put(f"{GET}.security", []), A_SENT, B_SENT, f"{GET}.security"
    ),
    "new scope": Case(
        put(
            "components.securitySchemes.oauth2.flows.clientCredentials.scopes.plafonds:lire",
            "Lire.",
        ),
        A_SENT,
        B_SENT,
        "components.securitySchemes.oauth2.flows.clientCredentials.scopes.plafonds:lire",
    ),
    "address of the token": Case(
        put("components.securitySchemes.oauth2.flows.clientCredentials.tokenUrl", "/jeton"),
        B_SENT,
        B_SENT,
        "components.securitySchemes.oauth2.flows.clientCredentials.tokenUrl",
    ),
    "server elsewhere": Case(put("servers.0.url", "/v2"), B_BOTH, B_BOTH, "servers.0.url"),
    "server that is named": Case(
        put("servers.0.url", "https://api.example"), A_BOTH, B_BOTH, "servers.0.url"
    ),
    "server that is named below a path": Case(
        put("servers.0.url", "https://api.example/v2"), B_BOTH, B_BOTH, "servers.0.url"
    ),
    "rate of a class": Case(
        put("x-classes-debit.lecture", "1/hour"), B_SENT, A_SENT, "x-classes-debit.lecture"
    ),
    "class of an operation": Case(
        put(f"{GET}.x-classe-debit", "libre"), A_SENT, B_SENT, f"{GET}.x-classe-debit"
    ),
    "idempotence gone": Case(
        drop(f"{POST}.x-idempotence"), B_BOTH, A_BOTH, f"{POST}.x-idempotence"
    ),
    "smaller bodies": Case(
        put(f"{POST}.x-corps-maximal", 1000), B_SENT, A_SENT, f"{POST}.x-corps-maximal"
    ),
    "operation becomes optional": Case(
        put(f"{POST}.x-optionnelle", True), A_RECEIVED, A_RECEIVED, f"{POST}.x-optionnelle"
    ),
    "text of a success": Case(
        put(f"{GET}.x-message-succes.fr", "Solde"), TEXTS, TEXTS, f"{GET}.x-message-succes"
    ),
    # the rest
    "description of the API": Case(
        put("info.description", "Autre."), TEXTS, TEXTS, "info.description"
    ),
    "description of a tag": Case(
        lambda d: d["tags"][0].update(description="Autre."), TEXTS, TEXTS, "tags.cartes"
    ),
    # what generated clients take one after the other
    "parameters in another order": Case(
        lambda d: _at(d, f"{GET}.parameters").reverse(), B_SENT, B_SENT, f"{GET}.parameters"
    ),
    "optional parameter before another": Case(
        lambda d: _at(d, f"{LIST}.parameters").insert(0, OPTIONAL),
        A_SENT | B_SENT,
        B_SENT,
        f"{LIST}.parameters",
    ),
    # the same in other words
    "additional fields allowed in silence": Case(
        drop(f"{S}.SoldeCarte.additionalProperties"),
        TEXTS,
        TEXTS,
        f"{S}.SoldeCarte.additionalProperties",
    ),
    "parameter said to be optional": Case(
        put("components.parameters.WalletId.deprecated", False),
        TEXTS,
        TEXTS,
        "components.parameters.WalletId.deprecated",
    ),
    "parameter said to be optional by nothing": Case(
        drop("components.parameters.Curseur.required"),
        TEXTS,
        TEXTS,
        "components.parameters.Curseur.required",
    ),
    "text to send said not to be null": Case(
        put(f"{ASKED}.terminal.nullable", False), TEXTS, TEXTS, f"{ASKED}.terminal.nullable"
    ),
    "list of fields in another order": Case(
        lambda d: _at(d, f"{S}.SoldeCarte.required").reverse(),
        TEXTS,
        TEXTS,
        f"{S}.SoldeCarte.required",
    ),
    "description of a server": Case(drop("servers.0.description"), TEXTS, TEXTS, "servers.0"),
    "operation said not to be deprecated": Case(
        put(f"{GET}.deprecated", False), TEXTS, TEXTS, f"{GET}.deprecated"
    ),
    "header said not to be promised": Case(
        put("components.headers.IdempotentReplayed.required", False),
        TEXTS,
        TEXTS,
        "components.headers.IdempotentReplayed.required",
    ),
    "default of what is told": Case(
        put(f"{S}.CarteListe.properties.porteur.default", "a"),
        TEXTS,
        TEXTS,
        f"{S}.CarteListe.properties.porteur.default",
    ),
    "field only told, where it is told": Case(
        put(f"{S}.CarteListe.properties.porteur.readOnly", True),
        TEXTS,
        TEXTS,
        f"{S}.CarteListe.properties.porteur.readOnly",
    ),
    "text of a right": Case(
        put(f"{RIGHTS}.cartes:lire", "Autre."), TEXTS, TEXTS, f"{RIGHTS}.cartes:lire"
    ),
    # combinations
    "what is sent has alternatives": Case(
        put(f"{S}.DemandeMouvement.oneOf", [{"type": "object"}]),
        B_SENT,
        A_SENT,
        f"{S}.DemandeMouvement.oneOf",
    ),
    "what is told fulfils more": Case(
        put(f"{S}.SoldeCarte.allOf", [{"type": "object"}]),
        A_RECEIVED,
        B_RECEIVED,
        f"{S}.SoldeCarte.allOf",
    ),
    "field only told": Case(
        put(f"{ASKED}.terminal.readOnly", True), B_SENT, A_SENT, f"{ASKED}.terminal.readOnly"
    ),
    "field only sent, where it is told": Case(
        put(f"{S}.CarteListe.properties.porteur.writeOnly", True),
        B_RECEIVED,
        A_RECEIVED,
        f"{S}.CarteListe.properties.porteur.writeOnly",
    ),
    "smallest value, zero, gone": Case(
        drop(f"{S}.SoldeOnline.minimum"), B_RECEIVED, A_RECEIVED, f"{S}.SoldeOnline.minimum"
    ),
    "no status at all": Case(drop(f"{GET}.responses"), B_RECEIVED, A_RECEIVED, f"{GET}.responses"),
    # what no rule names
    "value of an example": Case(
        put("components.examples.SoldeCarte.value.data.0.soldeOnline", 1),
        TEXTS,
        TEXTS,
        "components.examples.SoldeCarte.value",
    ),
    "extension that nobody knows": Case(
        put(f"{GET}.x-inconnue", 1), TEXTS, TEXTS, f"{GET}.x-inconnue"
    ),
    "extension of a schema": Case(
        put(f"{S}.SoldeCarte.x-inconnue", 1), TEXTS, TEXTS, f"{S}.SoldeCarte.x-inconnue"
    ),
    "codes of a shared response gone": Case(
        drop("components.responses.RequeteRefusee.x-codes-erreur"),
        TEXTS,
        TEXTS,
        "components.responses.RequeteRefusee.x-codes-erreur",
    ),
    "debugMessage of a code, which was null": Case(
        lambda d: d["x-catalogue-erreurs"][0].pop("debugMessage"),
        TEXTS,
        TEXTS,
        "x-catalogue-erreurs",
    ),
    "order of the catalogue": Case(
        lambda d: d["x-catalogue-erreurs"].reverse(), TEXTS, TEXTS, "x-catalogue-erreurs"
    ),
    "rate class that nobody has": Case(
        put("x-classes-debit.nouvelle", "1/second"), TEXTS, TEXTS, "x-classes-debit.nouvelle"
    ),
}


@pytest.fixture(scope="module", autouse=True)
def _redocly() -> Iterator[None]:
    same = HISTORY / "1.0.0.yaml"
    try:
        alone = find_changes(same, same)
        with kept_running():
            assert find_changes(same, same) == alone
            yield
    except RedoclyMissing as error:
        lack(str(error))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the small contract."""
    path = tmp_path_factory.mktemp("changes") / "base.yaml"
    path.write_text(json.dumps(BASE), encoding="utf-8")
    return path


def verdicts(changes: list[Any]) -> Verdicts:
    """Impact and side of everything that is more than a text."""
    return {(one.impact, one.direction) for one in changes if one.impact != TEXT}


@pytest.mark.parametrize("name", CASES)
def test_change_is_judged_for_both_sides(name: str, base: Path, tmp_path: Path) -> None:
    case = CASES[name]
    document = copy.deepcopy(BASE)
    case.edit(document)
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps(document), encoding="utf-8")
    forwards, backwards = compare(base, other), compare(other, base)
    assert verdicts(forwards) == case.forwards, forwards
    assert verdicts(backwards) == case.backwards, backwards
    assert case.where in [one.where for one in forwards], forwards
    for one in (*forwards, *backwards):
        assert re.fullmatch(r"\S(?:(?!: :|None|  ).)*\S", one.reason), one


def argument(name: str, **more: Any) -> Edit:
    """An operation with an argument in its path, and more of what it answers."""
    answer = {"type": "object", **more}

    def edit(document: Json) -> None:
        node = copy.deepcopy(_at(document, GET))
        node["operationId"] = "getCarte"
        node["parameters"] = [{"name": name, "in": "path", "required": True, "schema": NEW}]
        node["responses"]["200"]["content"] = {"application/json": {"schema": answer}}
        document["paths"][f"/cartes/{{{name}}}"] = {"get": node}

    return edit


def withdrawn(day: str) -> Edit:
    """An operation that ends that day."""
    return in_order(
        put(f"{GET}.deprecated", True),
        put(f"{GET}.x-obsolescence", {"depuis": "2026-12-01", "retrait": day}),
    )


def tree(name: str) -> Edit:
    """A schema that refers to itself, in an answer."""
    reference = {"$ref": f"#/components/schemas/{name}"}
    return in_order(
        put(f"{S}.{name}", {"type": "object", "properties": {"dans": reference}}),
        put(f"{SOLDE}.groupe", reference),
    )


def said_of(texts: str) -> Edit:
    """What a message that operations share says."""
    return put("components.x-messages", {"Demande": {"fr": texts, "en": "Taken"}})


TEXT_REST = {"type": "string"}
PART = {"type": "object", "properties": {"canal": NEW}}
PAIRS: dict[str, tuple[Edit, Edit, Verdicts, Verdicts, str]] = {
    "multiple of a multiple": (
        put(f"{S}.Montant.multipleOf", 5),
        put(f"{S}.Montant.multipleOf", 10),
        NARROWER,
        WIDER,
        f"{S}.Montant.multipleOf",
    ),
    "multiple of another number": (
        put(f"{S}.Montant.multipleOf", 4),
        put(f"{S}.Montant.multipleOf", 6),
        B_SENT | B_RECEIVED,
        B_SENT | B_RECEIVED,
        f"{S}.Montant.multipleOf",
    ),
    "argument of a path": (
        argument("numero"),
        argument("carte"),
        B_SENT,
        B_SENT,
        "paths./cartes/{numero}",
    ),
    "argument of a path, and the rest of an answer": (
        argument("numero"),
        argument("carte", additionalProperties=TEXT_REST),
        B_SENT | B_RECEIVED,
        B_SENT | B_RECEIVED,
        "paths./cartes/{carte}.get.responses.200.content.application/json.schema.additionalProperties",
    ),
    "withdrawn earlier": (
        withdrawn("2027-12-01"),
        withdrawn("2027-06-01"),
        B_BOTH,
        A_BOTH,
        f"{GET}.x-obsolescence",
    ),
    "message that operations share": (
        said_of("Prise"),
        said_of("Reçue"),
        TEXTS,
        TEXTS,
        "components.x-messages.Demande",
    ),
    "schema that refers to itself renamed": (
        tree("Groupe"),
        tree("Ensemble"),
        B_BOTH,
        B_BOTH,
        f"{S}.Groupe",
    ),
    "all to send became some": (
        put(f"{S}.DemandeMouvement.additionalProperties", True),
        put(f"{S}.DemandeMouvement.additionalProperties", TEXT_REST),
        B_SENT,
        A_SENT,
        f"{S}.DemandeMouvement.additionalProperties",
    ),
    "nothing more to send became some": (
        put(f"{S}.DemandeMouvement.additionalProperties", False),
        put(f"{S}.DemandeMouvement.additionalProperties", TEXT_REST),
        A_SENT,
        B_SENT,
        f"{S}.DemandeMouvement.additionalProperties",
    ),
    "all told became some": (
        drop(f"{S}.SoldeCarte.additionalProperties"),
        put(f"{S}.SoldeCarte.additionalProperties", TEXT_REST),
        A_RECEIVED,
        B_RECEIVED,
        f"{S}.SoldeCarte.additionalProperties",
    ),
    "all told became some, in a part of a list": (
        put(f"{S}.SoldeCarte.allOf", [PART]),
        put(f"{S}.SoldeCarte.allOf", [{**PART, "additionalProperties": TEXT_REST}]),
        B_RECEIVED,
        B_RECEIVED,
        f"{S}.SoldeCarte.allOf.0.additionalProperties",
    ),
    "all told in other words": (
        put(f"{S}.SoldeCarte.additionalProperties", True),
        put(f"{S}.SoldeCarte.additionalProperties", {}),
        TEXTS,
        TEXTS,
        f"{S}.SoldeCarte.additionalProperties",
    ),
}
"""Changes of what the small contract has not: both contracts, and as of a case what they must be judged."""


@pytest.mark.parametrize("name", PAIRS)
def test_change_of_a_contract_that_has_more_is_judged_for_both_sides(
    name: str, tmp_path: Path
) -> None:
    *edits, forwards, backwards, where = PAIRS[name]
    paths = tmp_path / "old.yaml", tmp_path / "new.yaml"
    for path, edit in zip(paths, edits, strict=True):
        document = copy.deepcopy(BASE)
        edit(document)
        path.write_text(json.dumps(document), encoding="utf-8")
    changes = compare(*paths)
    assert verdicts(changes) == forwards, changes
    assert where in [one.where for one in changes], changes
    back = compare(*reversed(paths))
    assert verdicts(back) == backwards, back


ALTERNATIVES = [{"type": "object", "required": ["success"]}, {"type": "object"}]


@pytest.mark.parametrize(
    ("keyword", "shorter_sent", "shorter_received"),
    [
        ("oneOf", B_SENT, A_RECEIVED),
        ("anyOf", B_SENT, A_RECEIVED),
        ("allOf", A_SENT, B_RECEIVED),
    ],
)
def test_part_of_a_combination_is_judged_for_both_sides(
    keyword: str, shorter_sent: Verdicts, shorter_received: Verdicts, tmp_path: Path
) -> None:
    """One alternative less is narrower; one thing less that must hold too is wider."""
    longer, shorter = tmp_path / "longer.yaml", tmp_path / "shorter.yaml"
    for schema, expected in (("DemandeMouvement", shorter_sent), ("SoldeCarte", shorter_received)):
        for path, parts in ((longer, ALTERNATIVES), (shorter, ALTERNATIVES[:1])):
            document = copy.deepcopy(BASE)
            document["components"]["schemas"][schema][keyword] = parts
            path.write_text(json.dumps(document), encoding="utf-8")
        opposite = {
            (BREAKING if impact == ADDITIVE else ADDITIVE, side) for impact, side in expected
        }
        assert verdicts(compare(longer, shorter)) == expected
        assert verdicts(compare(shorter, longer)) == opposite


TRUE = {"x-valeur": True}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ({"enum": [True]}, TRUE, TEXTS),
        (TRUE, {"enum": [True]}, TEXTS),
        ({"enum": [True]}, {"x-valeur": False}, B_RECEIVED),
        (TRUE, {"x-valeur": False}, B_RECEIVED),
        (TRUE, {}, B_RECEIVED),
        ({}, TRUE, A_RECEIVED),
        ({"enum": [True, False]}, TRUE, A_RECEIVED),
    ],
)
def test_only_value_of_a_boolean_is_judged_as_a_list_of_one(
    old: Json, new: Json, expected: Verdicts, tmp_path: Path
) -> None:
    paths = tmp_path / "old.yaml", tmp_path / "new.yaml"
    for path, said in zip(paths, (old, new), strict=True):
        document = copy.deepcopy(BASE)
        document["components"]["schemas"]["Succes"] = {
            "type": "boolean",
            "description": "Vrai.",
            "example": True,
            **said,
        }
        path.write_text(json.dumps(document), encoding="utf-8")
    assert verdicts(compare(*paths)) == expected


@pytest.mark.parametrize(
    ("schema", "place", "expected"),
    [
        ("SoldeCarte", f"{S}.ReponseSoldeCarte.properties.data.items", B_BOTH),
        (
            "ReponseSoldeCarte",
            f"{GET}.responses.200.content.application/json.schema",
            B_BOTH,
        ),
        ("Montant", f"{ASKED}.montant", TEXTS),
    ],
)
def test_reference_to_another_object_of_the_same_form_is_another_class(
    schema: str, place: str, expected: Verdicts, tmp_path: Path
) -> None:
    """What clients generate of a text or a number has no class."""
    twin = f"{S}.Autre"
    document = copy.deepcopy(BASE)
    put(twin, copy.deepcopy(document["components"]["schemas"][schema]))(document)
    paths = tmp_path / "old.yaml", tmp_path / "new.yaml"
    paths[0].write_text(json.dumps(document), encoding="utf-8")
    put(place, {"$ref": "#/components/schemas/Autre"})(document)
    paths[1].write_text(json.dumps(document), encoding="utf-8")
    for old, new in (paths, paths[::-1]):
        changes = compare(old, new)
        assert verdicts(changes) == expected
        assert [one.where for one in changes] == [f"{place}.$ref"]


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 80


def test_contract_is_what_it_is(base: Path) -> None:
    assert compare(base, base) == []


def test_version_and_comments_are_no_change(base: Path, tmp_path: Path) -> None:
    document = copy.deepcopy(BASE)
    document["info"]["version"] = "1.1.1"
    other = tmp_path / "other.yaml"
    other.write_text("# a comment\n" + json.dumps(document), encoding="utf-8")
    assert compare(base, other) == []


def test_gravest_comes_first(base: Path, tmp_path: Path) -> None:
    document = copy.deepcopy(BASE)
    for name in ("description of the API", "status gone", "field told too"):
        CASES[name].edit(document)
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps(document), encoding="utf-8")
    assert [(one.impact, one.direction, one.where) for one in compare(base, other)] == [
        (BREAKING, RECEIVED, f"{GET}.responses.429"),
        (ADDITIVE, RECEIVED, f"{SOLDE}.plafond"),
        (TEXT, BOTH, "info.description"),
    ]
