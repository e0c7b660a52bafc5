"""One list of error codes: the contract's, the one that the code raises, and the one that is served."""

from __future__ import annotations

import ast
import re

import pytest

from handlers.contract.model import DEFAULT_MAX_BODY
from handlers.contract.reading import load
from handlers.edge import refusals
from handlers.edge.refusals import Envelopes
from models import errors
from tests.support.contract_client import (
    CATALOGUE,
    CONTRACT,
    DOCUMENT,
    OPERATIONS,
    ROOT,
    Json,
    base_core,
    resolve,
)
from tests.support.registry import missing
from tests.support.world import World

SERVED = load(CONTRACT)
EVERYWHERE = {**base_core().catalogue, **CATALOGUE}
"""The codes of both contracts. One that both have is the same, below."""
LANGUAGES = ("fr", "en")


def _codes_of_the_core() -> dict[str, type[errors.Refusal]]:
    return {
        cls.code: cls
        for cls in vars(errors).values()
        if isinstance(cls, type) and issubclass(cls, errors.Refusal) and cls is not errors.Refusal
    }


def _codes_of_the_edge() -> dict[str, type[errors.Refusal]]:
    return {
        cls.code: cls
        for cls in vars(refusals).values()
        if isinstance(cls, type) and issubclass(cls, refusals.EdgeRefusal) and "code" in vars(cls)
    }


def _raised() -> set[str]:
    """Names that handlers/ and models/ use, but to define or to import them."""
    return {
        node.id
        for room in ("handlers", "models")
        for path in (ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }


def _codes_of_the_fields() -> set[str]:
    """The codes that a property of the contract answers in place of 405."""
    return {
        node["x-code-erreur"]
        for schema in DOCUMENT["components"]["schemas"].values()
        for node in schema.get("properties", {}).values()
        if "x-code-erreur" in node
    }


def test_catalogue_is_what_the_code_raises() -> None:
    classes = _codes_of_the_core() | _codes_of_the_edge()
    used = _raised()
    idle = sorted(cls.__name__ for cls in classes.values() if cls.__name__ not in used)
    assert not idle, f"nothing raises {idle}: remove the class, and its code from the catalogue."
    raised = classes.keys() | _codes_of_the_fields()
    unknown = sorted(raised - EVERYWHERE.keys())
    assert not unknown, f"add {unknown} to x-catalogue-erreurs; the code raises them."
    dead = sorted(EVERYWHERE.keys() - raised)
    assert not dead, f"nothing raises {dead}; remove them from x-catalogue-erreurs."


def test_code_of_both_contracts_is_one_code() -> None:
    """What a person does about it may differ; what it is does not."""
    told = ("nom", "statut", "message", "reessayer")
    for code in CATALOGUE.keys() & base_core().catalogue.keys():
        here, there = (
            {name: entry[code][name] for name in told}
            for entry in (CATALOGUE, base_core().catalogue)
        )
        assert here == there, code


def test_exception_classes_bear_the_names_of_the_catalogue() -> None:
    wrong = {
        cls.__name__: EVERYWHERE[code]["nom"]
        for code, cls in (_codes_of_the_core() | _codes_of_the_edge()).items()
        if cls.__name__ != EVERYWHERE[code]["nom"]
    }
    assert not wrong, f"rename these classes as in x-catalogue-erreurs: {wrong}."


def test_each_exception_class_has_its_own_code() -> None:
    classes = [
        cls
        for cls in {
            id(one): one for room in (errors, refusals) for one in vars(room).values()
        }.values()
        if isinstance(cls, type) and issubclass(cls, errors.Refusal) and "code" in vars(cls)
    ]
    codes = _codes_of_the_core() | _codes_of_the_edge()
    assert len(classes) == len(codes), "two classes of refusals share a code."


def test_every_code_is_listed_by_an_operation_or_by_the_routes_responses() -> None:
    responses = DOCUMENT["components"]["responses"]
    listed = {code for operation in OPERATIONS.values() for code in operation["x-codes-erreur"]}
    listed.update(responses["RessourceInconnue"]["x-codes-erreur"])
    listed.update(responses["MethodeInterdite"]["x-codes-erreur"])
    assert sorted(CATALOGUE.keys() - listed) == [], "openapi.yaml: no operation lists these codes."


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("code", CATALOGUE)
def test_every_text_renders(code: str, language: str) -> None:
    names = re.findall(r"\{(\w*)\}", CATALOGUE[code]["message"][language])
    refusal = errors.Refusal.__new__(errors.Refusal)
    refusal.code, refusal.fields = code, dict.fromkeys(names, "valeur")
    status, body = Envelopes(SERVED).render(refusal, language, request_id="R-1")
    message = re.sub(r"\{(parametre|reste)\}", "valeur", CATALOGUE[code]["message"][language])
    assert status == CATALOGUE[code]["statut"]
    assert body == {
        "success": False,
        "code": code,
        "message": message,
        "debugMessage": None if "debugMessage" in CATALOGUE[code] else message,
        "moreInfo": None,
        "requestId": "R-1",
        "documentation": f"/#code-{code}",
        "erreurs": [],
    }
    assert not re.search(r"[{}]", message), f"code {code}: its text has a field that nothing fills."


def test_codes_erreur_serves_the_catalogue(world: World) -> None:
    answer = world.anonymous().get("/codes-erreur")
    assert answer.json() == {
        "success": True,
        "code": 200,
        "message": OPERATIONS["GET", "/codes-erreur"]["x-message-succes"]["fr"],
        "data": [
            {
                "code": entry["code"],
                "nom": entry["nom"],
                "statutHttp": entry["statut"],
                "message": entry["message"],
                "conseil": entry["conseil"],
                "reessayer": entry["reessayer"],
            }
            for entry in CATALOGUE.values()
        ],
    }


@pytest.mark.parametrize(
    ("accept_language", "language"),
    [
        (None, "fr"),
        ("fr", "fr"),
        ("en", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("EN", "en"),
        ("fr;q=0.3, en;q=0.8", "en"),
        ("en;q=0.3, fr;q=0.8", "fr"),
        ("fr, en", "fr"),
        ("de", "fr"),
        ("de, en;q=0.1", "en"),
        ("en;q=0", "fr"),
        ("*", "fr"),
        ("*, en;q=0.5", "fr"),
        ("en, fr", "en"),
        ("*;q=0.1, en", "en"),
        ("enm", "fr"),
        ("en;q=oui", "fr"),
        ("", "fr"),
    ],
)
def test_accept_language_chooses_the_text(
    world: World, accept_language: str | None, language: str
) -> None:
    headers = {} if accept_language is None else {"Accept-Language": accept_language}
    client = world.anonymous()
    refused = client.get("/get-solde-carte", headers=headers)
    assert refused.json()["message"] == CATALOGUE["2001"]["message"][language]
    unknown = client.get("/nulle-part", headers=headers)
    assert unknown.json()["message"] == CATALOGUE["1003"]["message"][language]
    succeeded = client.get("/codes-erreur", headers=headers)
    texts = OPERATIONS["GET", "/codes-erreur"]["x-message-succes"]
    assert succeeded.json()["message"] == texts[language]


def test_debug_message_is_null_only_where_the_original_document_shows_it() -> None:
    assert [code for code, entry in CATALOGUE.items() if "debugMessage" in entry] == ["405"]


def test_shared_responses_carry_codes_of_the_catalogue() -> None:
    for name, node in DOCUMENT["components"]["responses"].items():
        unknown = set(resolve(node)["x-codes-erreur"]) - CATALOGUE.keys()
        assert not unknown, f"openapi.yaml, components.responses.{name}: unknown codes {unknown}."


# ── which codes an operation may list ────────────────────────────────────────────────────────────
_CARD = {"412", "3001", "3002", "3003", "3004", "3005"}
_ONCE = {"4002", "4005"}
OF_ITS_WORK = {
    "getSoldeCarte": {"412"},
    "checkCardValidity": _CARD,
    "checkCardValidityByMember": _CARD,
    "getListeCartes": {"412"},
    "getHistoriqueCarte": {"412"},
    "creditCarte": _CARD | _ONCE | {"4003", "4011"},
    "debitCarte": _CARD | _ONCE | {"4001", "4011"},
    "transfererSolde": _CARD | _ONCE | {"4001", "4003", "4004", "4011"},
    "getOperation": {"4005", "4006", "4007"},
    # The card is whatever it has become, what it undoes is counted already, and what it undoes says
    # which scope is needed.
    "annulerOperation": _ONCE | {"2003", "4001", "4003", "4006", "4008", "4009", "4010"},
    "accessToken": {"2101", "2102", "2103"},
    "opposerMaCarte": {"412", "3003", "3006", "4002"},
    "leverMonOpposition": {"412", "3007", "4002"},
    "revoquerJeton": {"2101"},
    "renouvelerSecret": {"2105", "4002"},
    "revoquerSecret": {"2104", "2106", "4002"},
    "retirerSecretInitial": {"2108"},
}
"""The codes of what an operation does; the others follow from what it takes."""


WITHOUT_A_DATABASE = (
    *("getCodesErreur", "getConformite", "healthLive"),
    *("metadonneesOauth", "metadonneesRessource"),
)
"""What is answered from the contract and the settings alone."""


def _codes_of_what_it_takes(operation: Json) -> set[str]:
    codes = {"405", "1002", "1005", "9999"}
    if "requestBody" in operation:
        codes |= {"1001", "1006", "1007"}
    if operation["x-classe-debit"] != "libre" or operation.get("security"):
        codes |= {"1008"}
    # The pair of a token's request is its own matter, and has its own code.
    secured = operation.get("security") and {} not in operation["security"]
    if secured:
        codes |= {"2001", "2002"}
        # OAuth's own operations take Basic of everybody.
        form = "application/x-www-form-urlencoded"
        if form not in resolve(operation.get("requestBody", {})).get("content", {}):
            codes |= {"2010"}
    if operation.get("security"):
        codes |= {"2004", "2005"}
    if any(scopes for way in operation.get("security", []) for scopes in way.values()):
        codes |= {"2003"}
    if operation.get("x-optionnelle"):
        codes |= {"1009"}
    if operation["operationId"] not in WITHOUT_A_DATABASE:
        codes |= {"5001"}
    return codes


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=lambda one: one["operationId"])
def test_operation_lists_the_codes_of_what_it_takes_and_does_and_no_other(operation: Json) -> None:
    name = operation["operationId"]
    listed, taken = set(operation["x-codes-erreur"]), _codes_of_what_it_takes(operation)
    expected = taken | OF_ITS_WORK.get(name, set())
    assert expected <= listed, (
        f"openapi.yaml, x-codes-erreur of {name}: add {sorted(expected - listed)}, "
        "which follow from what it takes or does"
    )
    if listed != expected:
        codes = ", ".join(f'"{code}"' for code in sorted(listed - taken))
        entry = f'"{name}": {{{codes}}},'
        missing(
            f"why {name} answers {sorted(listed - expected)}",
            write=f"`{entry}` into OF_ITS_WORK, where its work calls for them,",
            file="tests/contract/test_catalogue.py",
        )


def test_advice_on_a_body_that_is_too_large_gives_every_limit() -> None:
    largest = {one.operation_id: one.max_body for one in SERVED.operations.values() if one.body}
    advice = CATALOGUE["1006"]["conseil"]
    described = DOCUMENT["components"]["responses"]["CorpsTropGrand"]["description"]
    for operation_id, limit in largest.items():
        named = operation_id if limit != DEFAULT_MAX_BODY else ""
        for text, separator in ((advice["fr"], " "), (advice["en"], ","), (described, " ")):
            assert f"{limit:,}".replace(",", separator) in text, f"{operation_id}: {text}"
            assert named in text
