"""A contract or a handler that cannot be served stops the start with a text that says what to edit."""

from __future__ import annotations

import copy
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.app import create_app
from handlers.contract.model import ContractError
from handlers.contract.reading import build, load
from handlers.edge.resolver import HandlerResolver
from handlers.settings import Settings, SettingsError
from tests.support.contract_client import (
    CONTRACT,
    DOCUMENT,
    Json,
    deprecate,
    read_contract,
)

SERVED = load(CONTRACT)
SOLDE = "paths./get-solde-carte.get"
DEBIT = "paths./debit-carte.post"

Edit = Callable[[Json], Any]


def _at(document: Json, path: str) -> Any:
    """The node at a path like `paths./get-solde-carte.get`."""
    node: Any = document
    for key in path.split("."):
        node = node[key]
    return node


def _set(path: str, key: str, value: Any) -> Edit:
    def edit(document: Json) -> None:
        _at(document, path)[key] = value

    return edit


def _drop(path: str, key: str) -> Edit:
    def edit(document: Json) -> None:
        del _at(document, path)[key]

    return edit


def _add_code(path: str, code: str) -> Edit:
    def edit(document: Json) -> None:
        _at(document, path)["x-codes-erreur"].append(code)

    return edit


def _drop_code(path: str, code: str) -> Edit:
    def edit(document: Json) -> None:
        _at(document, path)["x-codes-erreur"].remove(code)

    return edit


def _catalogue(number: int, **fields: Any) -> Edit:
    def edit(document: Json) -> None:
        entry = document["x-catalogue-erreurs"][number]
        for name, value in fields.items():
            if value is None:
                del entry[name]
            else:
                entry[name] = value

    return edit


def _drop_entry(code: str) -> Edit:
    def edit(document: Json) -> None:
        entries = document["x-catalogue-erreurs"]
        entries[:] = [entry for entry in entries if entry["code"] != code]

    return edit


def _deprecate(
    *, headers: tuple[str, ...] = ("Deprecation", "Sunset", "Link"), **dates: Any
) -> Edit:
    """Declare the balance deprecated, with dates that are right unless told."""

    def edit(document: Json) -> None:
        deprecate(document, SOLDE, headers=headers, **dates)

    return edit


MOVE = "components.schemas.DemandeMouvement"
JSON_BODY = "paths./debit-carte.post.requestBody.content"
REFUSED = "components.responses.RequeteRefusee"

LINKS = "components.links"

WRONG_CONTRACTS: dict[str, tuple[Edit, str]] = {
    "link without a description": (
        _drop(f"{LINKS}.CartesDuClient", "description"),
        "paths./mes-droits.get: response 200, link CartesDuClient: it has no description",
    ),
    "link to no operation": (
        _set(f"{LINKS}.CartesDuClient", "operationId", "listerCartes"),
        "operationId 'listerCartes' is no operation",
    ),
    "link to no parameter": (
        _set(f"{LINKS}.CartesDuClient.parameters", "client", "x"),
        "getListeCartes has no parameter client",
    ),
    "link to no field": (
        _set(f"{LINKS}.CrediterLaCarte.x-corps", "carte", "x"),
        "the body of creditCarte has no field carte",
    ),
    **{
        f"link from {expression}": (
            _set(f"{LINKS}.SoldeApresMouvement.parameters", "walletId", expression),
            f"{expression} designates nothing that the call sends or receives",
        )
        for expression in (
            "$request.query.walletId",
            "$request.body#/wallet",
            "$response.body#/data/0/walletId",
            "$response.body#/data/0/",
            "$url",
        )
    },
    "default of another type": (
        _set("components.parameters.Limite.schema", "default", "beaucoup"),
        "is not valid OpenAPI 3.0: 'beaucoup' is not of type 'integer'",
    ),
    "default of another type in a field": (
        _set("components.schemas.ValiditeCarte.properties.nom", "default", 7),
        "is not valid OpenAPI 3.0: 7 is not of type 'string'",
    ),
    "no openapi": (lambda d: d.pop("openapi"), "not valid OpenAPI"),
    "no paths": (lambda d: d.pop("paths"), "'paths' is a required property"),
    "broken reference": (
        _set(f"{SOLDE}.responses", "400", {"$ref": "#/components/responses/Absente"}),
        (
            "paths./get-solde-carte.get.responses.400 refers to #/components/responses/Absente, which does "
            "not exist; did you mean #/components/responses/OperationAbsente?"
        ),
    ),
    "same operationId twice": (
        _set("paths./check-card-validity.get", "operationId", "getSoldeCarte"),
        "getSoldeCarte",
    ),
    **{
        f"no {key}": (
            _drop(SOLDE, key),
            f"paths./get-solde-carte.get lacks `{key}`; every operation declares it.",
        )
        for key in ("operationId", "summary", "description", "tags", "security", "x-codes-erreur")
    },
    "two tags": (_set(SOLDE, "tags", ["cartes", "sante"]), "must have exactly one tag"),
    "no tag": (_set(SOLDE, "tags", []), "must have exactly one tag"),
    "unknown tag": (_set(SOLDE, "tags", ["soldes"]), "has the tag 'soldes', which the root list"),
    "unknown rate class": (_set(SOLDE, "x-classe-debit", "rapide"), "x-classe-debit 'rapide'; use"),
    "no rate class": (_drop(SOLDE, "x-classe-debit"), "x-classe-debit None; use `libre` or one of"),
    "code not in the catalogue": (
        _add_code(SOLDE, "4999"),
        "x-codes-erreur lists 4999, which x-catalogue-erreurs does not have",
    ),
    "code without its status": (
        _add_code(SOLDE, "1006"),
        "code 1006 is answered with HTTP 413, which its responses lack",
    ),
    "status without a code": (
        _set(f"{SOLDE}.responses", "404", {"$ref": "#/components/responses/RessourceInconnue"}),
        "response 404 carries the codes ['1003'], but x-codes-erreur lists []",
    ),
    "shared response without the code": (
        _add_code(SOLDE, "3001"),
        "response 400 carries the codes",
    ),
    "inevitable code absent": (
        _drop_code(SOLDE, "1008"),
        "x-codes-erreur lacks 1008, which the server can always answer to it",
    ),
    "inevitable code of a body absent": (_drop_code(DEBIT, "1006"), "x-codes-erreur lacks 1006"),
    "no success": (_drop(f"{SOLDE}.responses", "200"), "it declares no response 200"),
    "no example of a success": (
        _drop(f"{SOLDE}.responses.200.content.application/json", "examples"),
        "response 200 has no examples",
    ),
    "no example of an error": (
        _drop(f"{REFUSED}.content.application/json", "examples"),
        "response 400 has no examples",
    ),
    "error without a body": (_drop(REFUSED, "content"), "response 400 must be application/json"),
    "answer in two media types": (
        _set(f"{SOLDE}.responses.200.content", "text/plain", {"schema": {"type": "string"}}),
        "response 200 must be application/json (a 200 may be text/csv too)",
    ),
    "body in two media types": (
        _set(JSON_BODY, "application/xml", {"schema": {"type": "string"}}),
        "requestBody must have exactly one media type",
    ),
    "open request body": (_set(MOVE, "additionalProperties", True), "additionalProperties: false"),
    "closed form of a token's request": (
        _set("components.schemas.DemandeJeton", "additionalProperties", False),
        "its request body must not say additionalProperties: false",
    ),
    "code of a field not listed": (
        _set(f"{MOVE}.properties.motif", "x-code-erreur", "2103"),
        "field motif answers code 2103, which x-codes-erreur does not list",
    ),
    "idempotence on an optional field": (
        _set(DEBIT, "x-idempotence", "motif"),
        "x-idempotence names motif, which is not a required field",
    ),
    "idempotence without a body": (
        _set(SOLDE, "x-idempotence", "reference"),
        "x-idempotence names reference, but it has no request body",
    ),
    "health probe that is no yes": (
        _set("paths./health/ready.get", "x-sonde", "oui"),
        "x-sonde must be true, or left out",
    ),
    "health probe that changes something": (
        _set(DEBIT, "x-sonde", True),
        "x-sonde is of a GET without parameters",
    ),
    "health probe that is counted": (
        _set("paths./health/ready.get", "x-classe-debit", "lecture"),
        "paths./health/ready.get: x-sonde needs `security: []` and `x-classe-debit: libre`",
    ),
    "header parameter": (
        _set("components.parameters.ParamWalletId", "in", "header"),
        "parameter walletId is in header; query and path are served",
    ),
    "list parameter": (
        _set(
            "components.parameters.ParamWalletId",
            "schema",
            {"type": "array", "items": {"type": "string"}},
        ),
        "parameter walletId must be a string, an integer or a boolean",
    ),
    "secured without a scope": (
        _set(SOLDE, "security", [{"basic": []}]),
        "security lacks `oauth2`, with the scopes that the operation needs ([] for none)",
    ),
    "success without its message": (_drop(SOLDE, "x-message-succes"), "x-message-succes exactly"),
    "message without an answer's field": (
        _set("paths./health/live.get", "x-message-succes", {"fr": "ok", "en": "ok"}),
        "x-message-succes exactly when",
    ),
    "message in one language": (
        _set(SOLDE, "x-message-succes", {"fr": "Solde"}),
        "x-message-succes has no text in 'en'",
    ),
    "message with an unknown field": (
        _set(SOLDE, "x-message-succes", {"fr": "{plafond}", "en": "{plafond}"}),
        "x-message-succes names {plafond}, which its answer does not have",
    ),
    "catalogue entry without a text": (
        _catalogue(0, conseil=None),
        "x-catalogue-erreurs[0] lacks 'conseil'",
    ),
    "catalogue text in one language": (
        _catalogue(1, message={"fr": "Inconnu"}),
        "x-catalogue-erreurs[1] lacks 'en'",
    ),
    "same code twice": (_catalogue(1, code="405"), "[1]: code 405 is already in the catalogue"),
    "code of every route absent": (_drop_entry("1003"), "x-catalogue-erreurs lacks 1003"),
    "deprecated without its dates": (
        _set(SOLDE, "deprecated", True),
        "paths./get-solde-carte.get must have `deprecated: true` and `x-obsolescence` together",
    ),
    "dates of what is not deprecated": (
        _set(SOLDE, "x-obsolescence", {"depuis": "2026-12-01", "retrait": "2027-12-01"}),
        "must have `deprecated: true` and `x-obsolescence` together",
    ),
    "deprecated on a day that is none": (
        _deprecate(depuis="2026-02-30"),
        'x-obsolescence.depuis must be a date such as "2027-01-31"',
    ),
    "withdrawn on no day": (_deprecate(retrait=None), "x-obsolescence.retrait must be a date"),
    "withdrawn before it is deprecated": (
        _deprecate(retrait="2026-12-01"),
        "x-obsolescence.retrait must be later than depuis",
    ),
    "replaced by no operation": (
        _deprecate(remplacement="getSolde"),
        "x-obsolescence.remplacement names 'getSolde', which is no other operation",
    ),
    "replaced by itself": (
        _deprecate(remplacement="getSoldeCarte"),
        "x-obsolescence.remplacement names 'getSoldeCarte', which is no other operation",
    ),
    "deprecated without the headers": (
        _deprecate(headers=()),
        "is deprecated, so its response 200 must declare the headers Deprecation, Sunset, Link",
    ),
    "no example of a request": (
        _drop(f"{JSON_BODY}.application/json", "examples"),
        "its request body has no examples",
    ),
    "pattern that is no regular expression": (
        _set("components.schemas.WalletId", "pattern", "^([0-9]$"),
        "components.schemas.WalletId",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_CONTRACTS)
def test_wrong_contract_is_refused_with_what_to_edit(wrong: str) -> None:
    edit, expected = WRONG_CONTRACTS[wrong]
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    with pytest.raises(ContractError) as refused:
        build(document, b"")
    text = str(refused.value)
    assert text.startswith("openapi.yaml")
    assert expected in text
    assert text.endswith(".")
    assert "Traceback" not in text


def test_right_contract_is_accepted() -> None:
    assert build(read_contract(), b"").operations.keys() == SERVED.operations.keys()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"openapi: [3.0.3\n", "is not YAML at line 2"),
        (b"openapi: 3.0.3\n\tinfo: {}\n", "is not YAML at line 2"),
        (b"openapi: \xff\n", "is not YAML"),
        (b"!!python/object/apply:os.system [true]\n", "is not YAML"),
        (b"", "is not an OpenAPI document"),
        (b"- 1\n", "is not an OpenAPI document"),
        (b"a: 1\n", "is not valid OpenAPI 3.0"),
        (
            b'openapi: "3.1.0"\ninfo: {title: a, version: "1"}\npaths: {}\n',
            "is not valid OpenAPI 3.0",
        ),
    ],
)
def test_file_that_is_no_contract_stops_the_application(
    content: bytes, expected: str, tmp_path: Path
) -> None:
    path = tmp_path / "openapi.yaml"
    path.write_bytes(content)
    with pytest.raises(ContractError, match=expected):
        create_app(Settings(contract=path, database_url=f"sqlite:///{tmp_path}/a.db"))


def test_unreadable_contract_stops_the_application(tmp_path: Path) -> None:
    path = tmp_path / "absent.yaml"
    with pytest.raises(ContractError, match=r"absent\.yaml cannot be read: No such file"):
        create_app(Settings(contract=path))
    with pytest.raises(ContractError, match="cannot be read: Is a directory"):
        create_app(Settings(contract=tmp_path))


def test_rate_that_is_no_rate_stops_the_application(tmp_path: Path) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["x-classes-debit"]["lecture"] = "beaucoup"
    settings = Settings(database_url=f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(
        ContractError, match="x-classes-debit: the rate 'beaucoup' of class lecture"
    ):
        create_app(settings, contracts=[build(document, b"")])


@pytest.mark.parametrize(
    ("limites", "expected"),
    [
        ({"lectures": "1/second"}, "CYNOD_LIMITES names lectures; the classes are lecture, "),
        ({"lecture": "vite"}, "CYNOD_LIMITES: the rate 'vite' of class lecture is not like"),
    ],
)
def test_wrong_limit_of_a_deployment_stops_the_application(
    limites: dict[str, str], expected: str, tmp_path: Path
) -> None:
    settings = Settings(limites=limites, database_url=f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(SettingsError, match=expected):
        create_app(settings, contracts=[SERVED])


def _wrong_example(path: str, name: str, **fields: Any) -> Edit:
    def edit(document: Json) -> None:
        _at(document, path)[name]["value"].update(fields)

    return edit


WRONG_EXAMPLES: dict[str, tuple[Edit, str]] = {
    "of a parameter": (
        _set("components.parameters.ParamNumeroCarte", "example", "7019"),
        "get-solde-carte.get: the example of parameter numeroCarte does not fit its schema.",
    ),
    "of a body": (
        _wrong_example("components.examples", "DemandeCredit", montant=0),
        "credit-carte.post: the example 'credit' of its request body does not fit the schema.",
    ),
    "of a success": (
        _wrong_example("components.examples", "SoldeCarte", surplus=1),
        "get-solde-carte.get: the example 'solde' of response 200 does not fit its schema.",
    ),
    "of a refusal": (
        _wrong_example("components.examples", "JetonExpire", code=2002),
        "get-solde-carte.get: the example 'jetonExpire' of response 401 does not fit its schema.",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_EXAMPLES)
def test_example_off_its_schema_stops_the_application(wrong: str, tmp_path: Path) -> None:
    edit, expected = WRONG_EXAMPLES[wrong]
    document = copy.deepcopy(DOCUMENT)
    edit(document)
    settings = Settings(database_url=f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(ContractError) as refused:
        create_app(settings, contracts=[build(document, b"")])
    assert f"openapi.yaml: paths./{expected}" in str(refused.value).splitlines()


def test_parameter_without_an_example_stops_the_application(tmp_path: Path) -> None:
    document = copy.deepcopy(DOCUMENT)
    for place in ("components.parameters.ParamClientId", "components.schemas.ClientId"):
        _at(document, place).pop("example", None)
    settings = Settings(database_url=f"sqlite:///{tmp_path}/a.db")
    with pytest.raises(ContractError, match="parameter clientId has no example"):
        create_app(settings, contracts=[build(document, b"")])


# ── handlers ──────────────────────────────────────────────────────────────────────────────────────

HANDLERS = {
    "authentification": """\
        def access_token(corps, *, connection, partenaire, settings): ...
        def mes_droits(*, connection, partenaire): ...
        def get_mes_secrets(*, connection, partenaire): ...
        def renouveler_secret(corps, *, connection, partenaire, settings): ...
        def retirer_secret_initial(corps, *, connection): ...
        def revoquer_secret(corps, *, connection, partenaire): ...
        def revoquer_jeton(corps, *, connection, partenaire, settings): ...
        def introspecter_jeton(corps, *, connection, partenaire, settings): ...
        def metadonnees_oauth(*, contract, settings): ...
        def metadonnees_ressource(*, contract, settings): ...
        def opposer_ma_carte(corps, *, connection, partenaire): ...
        def lever_mon_opposition(corps, *, connection, partenaire): ...
        """,
    "cartes": """\
        def get_solde_carte(numero_carte, wallet_id, client_id, *, connection, partenaire): ...
        def check_card_validity(numero_carte, wallet_id, client_id, *, connection): ...
        def check_card_validity_by_member(numero_carte, membre_id, client_id): ...
        def get_liste_cartes(client_id, wallet_id, membre_id, limite, curseur, *, connection): ...
        def get_historique_carte(
            numero_carte, wallet_id, client_id, date_debut, date_fin, type, limite, curseur
        ): ...
        def get_historique_carte_csv(
            numero_carte, wallet_id, client_id, date_debut, date_fin, type, limite, curseur
        ): ...
        """,
    "catalogue": "def get_codes_erreur(*, contract): ...\ndef get_conformite(*, conformite): ...",
    "mouvements": """\
        def credit_carte(corps, *, connection, partenaire): ...
        def debit_carte(corps, *, connection, partenaire): ...
        def transferer_solde(corps, *, connection): ...
        """,
    "operations": """\
        def get_operation(reference, numero_operation): ...
        def cloturer_reference(corps): ...
        def annuler_operation(corps, *, settings): ...
        def verifier_references(corps): ...
        """,
    "sante": """\
        def health_live(): ...
        def health_ready(*, connection): ...
        """,
}

Package = Callable[..., str]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Package]:
    """Writes a package of handlers, with other text for some modules (None: no such module)."""
    name = "handlers_of_this_test"
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(**other: str | None) -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "__init__.py").touch()
        for module, text in {**HANDLERS, **other}.items():
            if text is not None:
                (folder / f"{module}.py").write_text(textwrap.dedent(text), encoding="utf-8")
        return name

    yield write
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def test_right_handlers_are_accepted(package: Package) -> None:
    assert HandlerResolver(SERVED, package()).handlers.keys() == SERVED.operations.keys()


WRONG_HANDLERS: dict[str, tuple[dict[str, str | None], str]] = {
    "module missing": (
        {"catalogue": None},
        (
            "create handlers_of_this_test/catalogue.py with `def get_codes_erreur(*, connection, "
            "partenaire): ...`."
        ),
    ),
    "function missing": (
        {"sante": "def health_live(): ..."},
        (
            "openapi.yaml, paths./health/ready.get (healthReady) has no handler: add to "
            "handlers_of_this_test/sante.py `def health_ready(*, connection, partenaire): ...`."
        ),
    ),
    "not a function": (
        {"sante": "health_live = 1\ndef health_ready(*, connection): ..."},
        "paths./health/live.get (healthLive) has no handler",
    ),
    "function superfluous": (
        {"catalogue": HANDLERS["catalogue"] + "\ndef get_autre(): ..."},
        (
            "handlers_of_this_test/catalogue.py: get_autre serves no operation of openapi.yaml; remove "
            "it, or declare its operation under that tag."
        ),
    ),
    "argument missing": (
        {"mouvements": "def credit_carte(*, connection): ...\ndef debit_carte(corps): ..."},
        (
            "handlers_of_this_test/mouvements.py: credit_carte takes (; connection), but the contract "
            "gives (corps)"
        ),
    ),
    "argument superfluous": (
        {"mouvements": "def credit_carte(corps, canal): ...\ndef debit_carte(corps): ..."},
        "credit_carte takes (corps, canal; ), but the contract gives (corps)",
    ),
    "argument misnamed": (
        {"mouvements": "def credit_carte(body): ...\ndef debit_carte(corps): ..."},
        "credit_carte takes (body; ), but the contract gives (corps)",
    ),
    "arguments in another order": (
        {
            "cartes": HANDLERS["cartes"].replace(
                "solde_carte(numero_carte, wallet_id", "solde_carte(wallet_id, numero_carte"
            )
        },
        "get_solde_carte takes (wallet_id, numero_carte, client_id; connection, partenaire)",
    ),
    "argument that nobody offers": (
        {"catalogue": "def get_codes_erreur(*, contract, horloge): ..."},
        (
            "get_codes_erreur takes (; contract, horloge), but the contract gives () and the wrapper "
            "offers connection, partenaire, settings, contract, conformite, personne, identite, adresse "
            "by keyword."
        ),
    ),
}


@pytest.mark.parametrize("wrong", WRONG_HANDLERS)
def test_wrong_handler_is_refused_with_what_to_edit(wrong: str, package: Package) -> None:
    other, expected = WRONG_HANDLERS[wrong]
    with pytest.raises(ContractError) as refused:
        HandlerResolver(SERVED, package(**other))
    assert expected in str(refused.value)


def test_module_that_cannot_import_something_says_so_itself(package: Package) -> None:
    """Its own missing import is no missing handler."""
    name = package(sante="import absent_library\n" + textwrap.dedent(HANDLERS["sante"]))
    with pytest.raises(ModuleNotFoundError, match="absent_library"):
        HandlerResolver(SERVED, name)
