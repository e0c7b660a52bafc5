"""A server of two contracts: each answers for its own paths, and what both say stands once."""

from __future__ import annotations

import copy
import importlib
import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner

from handlers.app import create_app
from handlers.cli import contract as contract_cli
from handlers.contract import surface
from handlers.contract.bundle import read_whole
from handlers.contract.edition import edition_31_json
from handlers.contract.model import Contract, ContractError
from handlers.contract.reading import build, load, read_document, read_published
from handlers.contract.surface import PARTENAIRE, Surface
from handlers.contract.text import as_yaml
from handlers.contract.together import check_together
from handlers.contracts import load_contracts
from handlers.edge.replies import Refusals
from handlers.edge.voices import Voice, Voices
from handlers.sandbox.mock import create_mock
from handlers.settings import Settings, SettingsError, read_settings
from handlers.site.pages import changes_of, partner_pages
from handlers.workbench import generate as generator
from handlers.workbench.diff.redocly import RedoclyMissing
from handlers.workbench.history import as_published, find_state, publish
from models.database.engine import Database
from tests.support.contract_client import CATALOGUE, CONTRACT, Json, at_version, envelope_of
from tests.support.live import URL_PUBLIQUE, serving, settings_for
from tests.support.needs import lack
from tests.support.patience import CALL_S
from tests.support.world import TLS, World

SECOND = Path(__file__).with_name("several.yaml")
ESSAI = Surface("essai", "several.yaml", "handlers_of_several", "/essai")
GET, POST = "/essai/get-ticket", "/essai/saisir-ticket"
TICKET = {"reference": "TICKET-1"}

HANDLERS = '''
"""Operations of the tag `tickets`."""

from sqlalchemy import func, select

from handlers.answer import Answer
from models.errors import Refusal
from models.operation import operations


class TicketPerdu(Refusal):
    code = "3901"


def get_ticket(reference, *, connection, partenaire):
    if reference == "PERDU":
        raise TicketPerdu
    count = connection.execute(select(func.count()).select_from(operations)).scalar_one()
    return Answer([{"reference": reference, "operations": count}])


def saisir_ticket(corps, *, connection):
    return get_ticket(corps["reference"], connection=connection, partenaire=None)
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Both contracts side by side, the handlers of the second, and the second in the list of surfaces."""
    made = tmp_path_factory.mktemp("several")
    for file in (CONTRACT, SECOND):
        shutil.copy(file, made)
    package = made / ESSAI.package
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "tickets.py").write_text(HANDLERS, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(made))
        # The back office has tests of its own; here it would only be in the way.
        patch.delitem(surface.SURFACES, surface.BASE_CORE.name)
        patch.setitem(surface.SURFACES, ESSAI.name, ESSAI)
        yield made
    for name in [name for name in sys.modules if name.partition(".")[0] == ESSAI.package]:
        del sys.modules[name]


def both(folder: Path, settings: Settings) -> Settings:
    """The settings of a server of both."""
    return replace(settings, contract=folder / CONTRACT.name, surfaces=("essai", "partenaire"))


@pytest.fixture(scope="module")
def contracts(folder: Path) -> tuple[Contract, ...]:
    """The two contracts, as a server reads them."""
    return load_contracts(both(folder, Settings()))


@pytest.fixture(scope="module")
def url(folder: Path, shared_database: Database) -> Iterator[str]:
    """A server of both contracts."""
    database = shared_database.url.render_as_string(hide_password=False)
    with serving(both(folder, settings_for(database))) as base_url:
        yield base_url


@pytest.fixture
def client(url: str, world: World) -> Iterator[httpx.Client]:
    """Asks as a partner. Not the tests' own client, which holds answers to the partners' contract."""
    token = world.token(world.partenaire([world.client()]))
    with httpx.Client(
        base_url=url,
        verify=TLS,
        trust_env=False,
        timeout=CALL_S,
        headers={"Authorization": f"Bearer {token}"},
    ) as made:
        yield made


def version_of(answer: httpx.Response) -> str:
    """The version of the contract that an answer bears."""
    return str(answer.headers["x-contract-version"]).partition("+")[0]


def refusal(code: str, **fields: str) -> Json:
    """The envelope of a refusal in the partners' words."""
    message = CATALOGUE[code]["message"]["fr"].format(**fields)
    debug = None if "debugMessage" in CATALOGUE[code] else message
    return {
        "success": False,
        "code": code,
        "message": message,
        "debugMessage": debug,
        "moreInfo": None,
    }


# ── served ───────────────────────────────────────────────────────────────────────────────────────


def test_operations_of_both_are_served_with_their_versions(
    client: httpx.Client, contracts: tuple[Contract, ...]
) -> None:
    partners, second = contracts
    read = client.get(GET, params=TICKET)
    written = client.post(POST, json=TICKET)
    for answer in (read, written):
        assert (answer.status_code, version_of(answer)) == (200, "0.2.0"), answer.text
        assert answer.headers["x-contract-version"] == second.served_version
        assert answer.json()["message"] == "Ticket TICKET-1"
        assert answer.json()["data"][0]["reference"] == "TICKET-1"
    rights = client.get("/mes-droits")
    assert (rights.status_code, version_of(rights)) == (200, partners.version)


@pytest.mark.parametrize(
    ("path", "query", "status", "expected"),
    [
        (GET, {}, 400, refusal("405", parametre="reference")),
        (GET, {"reference": "/"}, 400, refusal("405", parametre="reference")),
        (GET, {"autre": "1", **TICKET}, 400, refusal("405", parametre="autre")),
    ],
)
def test_refusal_is_that_of_the_called_contract(
    client: httpx.Client, path: str, query: dict[str, str], status: int, expected: Json
) -> None:
    answer = client.get(path, params=query)
    told = envelope_of(answer)
    assert (answer.status_code, told, version_of(answer)) == (status, expected, "0.2.0")
    assert answer.json()["documentation"] == f"{URL_PUBLIQUE}/essai/#code-405"


def test_code_of_its_own_is_said_in_both_languages(client: httpx.Client) -> None:
    for language, message in {"fr": "Ticket perdu", "en": "Ticket lost"}.items():
        answer = client.post(
            POST, json={"reference": "PERDU"}, headers={"Accept-Language": language}
        )
        assert answer.status_code == 400
        assert envelope_of(answer) == {
            "success": False,
            "code": "3901",
            "message": message,
            "debugMessage": message,
            "moreInfo": None,
        }


def test_wrong_method_has_the_text_of_the_contract_of_the_path(client: httpx.Client) -> None:
    second, first = client.post(GET), client.post("/mes-droits")
    assert (second.json()["message"], first.json()["message"]) == (
        "Méthode interdite à un ticket",
        CATALOGUE["1004"]["message"]["fr"],
    )
    assert (second.headers["allow"], version_of(second)) == ("GET, HEAD", "0.2.0")
    assert version_of(first) != "0.2.0"
    page = client.post("/essai/openapi.yaml")
    assert (page.json()["message"], version_of(page)) == ("Méthode interdite à un ticket", "0.2.0")


@pytest.mark.parametrize(
    ("status", "code", "options"),
    [
        (401, "2001", {"headers": {"Authorization": "Bearer x"}}),
        (406, "1005", {"headers": {"Accept": "text/csv"}}),
        (
            400,
            "1001",
            {"json": None, "content": b"{", "headers": {"Content-Type": "application/json"}},
        ),
        (415, "1007", {"json": None, "content": b"{}", "headers": {"Content-Type": "text/plain"}}),
    ],
)
def test_http_is_refused_as_everywhere(
    client: httpx.Client, status: int, code: str, options: Json
) -> None:
    answer = client.post(POST, **{"json": TICKET, **options})
    assert (answer.status_code, envelope_of(answer)) == (status, refusal(code))
    assert version_of(answer) == "0.2.0"


@pytest.mark.parametrize("path", ["/essaie", "/essai/get-solde-carte", "/essai/x", "/nowhere"])
def test_unknown_path_is_answered_by_the_first_contract(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, envelope_of(answer)) == (404, refusal("1003"))
    assert answer.json()["documentation"] == f"{URL_PUBLIQUE}/#code-1003"
    assert version_of(answer) != "0.2.0"


def test_scope_of_the_shared_scheme_is_demanded(url: str, world: World) -> None:
    token = world.token(world.partenaire([world.client()], scopes=["cartes:lire"]))
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(
        base_url=url, verify=TLS, trust_env=False, headers=headers, timeout=CALL_S
    ) as asking:
        assert asking.get(GET, params=TICKET).status_code == 200
        answer = asking.post(POST, json=TICKET)
    assert (answer.status_code, answer.json()["code"]) == (403, "2003")
    assert 'scope="cartes:crediter"' in answer.headers["www-authenticate"]


@pytest.mark.usefixtures("folder")
def test_unmounted_surface_is_unknown_exactly(world: World) -> None:
    """The server that the tests share has the partners' contract only."""
    with httpx.Client(base_url=world.url, verify=TLS, trust_env=False, timeout=CALL_S) as asking:
        for path in (GET, POST, "/essai/", "/essai/openapi.yaml", "/essai/ui"):
            known = asking.get("/nowhere", headers={"X-Request-Id": "one"})
            answer = asking.get(path, headers={"X-Request-Id": "one"})
            assert answer.status_code == 404
            assert answer.content == known.content
            # A second may have begun between the two.
            for one in (answer, known):
                one.headers.pop("date", None)
            assert dict(answer.headers) == dict(known.headers)


# ── pages ────────────────────────────────────────────────────────────────────────────────────────


def test_both_contracts_are_served_as_they_are_published(
    client: httpx.Client, contracts: tuple[Contract, ...]
) -> None:
    assert client.get("/openapi.yaml").content == CONTRACT.read_bytes()
    served = client.get("/essai/openapi.yaml")
    assert (served.content, version_of(served)) == (contracts[1].source, "0.2.0")
    assert served.headers["content-type"] == "application/yaml"
    document = yaml.load(served.content, Loader=yaml.CSafeLoader)
    assert client.get("/essai/openapi.json").json() == document
    edition = client.get("/essai/openapi-3.1.json")
    assert (edition.content, version_of(edition)) == (edition_31_json(document), "0.2.0")
    assert "openapi.yaml#" not in served.text
    again = client.get("/essai/openapi.yaml", headers={"If-None-Match": served.headers["etag"]})
    assert (again.status_code, version_of(again)) == (304, "0.2.0")


def test_pages_of_the_second_tell_of_it_alone(client: httpx.Client) -> None:
    page = client.get("/essai/")
    assert (page.status_code, version_of(page)) == (200, "0.2.0")
    assert "getTicket" in page.text
    assert client.get("/essai/doc/getTicket.html").status_code == 200
    assert envelope_of(client.get("/essai/doc/getSoldeCarte.html")) == refusal("1003")
    assert "Ticket perdu" in client.get("/essai/doc/codes.html").text
    assert "getSoldeCarte" not in page.text
    assert "/access-token" in page.text, "its tokens are those of the partners' contract"
    assert "documentation</title>" in page.text
    assert 'data-prefixe="/essai"' in page.text
    console = client.get("/essai/ui/").text
    assert 'data-contrat="../openapi.yaml" data-prefixe="/essai"' in console
    for file in ("ui/page.css", "ui/init.js", "collection.postman.json"):
        assert client.get(f"/essai/{file}").status_code == 200
    assert client.get("/essai/ui/page.css").content == client.get("/ui/page.css").content
    assert "getTicket" not in client.get("/").text


def test_partners_read_nothing_of_the_changes_of_another_surface(
    contracts: tuple[Contract, ...], tmp_path: Path
) -> None:
    text = "# Changelog\n\nTout.\n\n## essai 0.2.0\n\n- Un ticket.\n\n## 1.3.0\n\n- Une carte.\n"
    assert changes_of(PARTENAIRE, text) == "## 1.3.0\n\n- Une carte.\n"
    assert changes_of(ESSAI, text) == "## essai 0.2.0\n\n- Un ticket.\n\n"
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(text, encoding="utf-8")
    written = [partner_pages(one, [], changelog) for one in contracts]
    pages = [b"".join(read() for read in made.values()).decode() for made in written]
    assert ["Une carte." in page for page in pages] == [True, False]
    assert ["Un ticket." in page for page in pages] == [False, True]
    assert not [page for page in pages if "Tout." in page]


def test_mock_serves_both(contracts: tuple[Contract, ...]) -> None:
    app = create_mock(Settings(), contracts)
    app.close()


# ── settings ─────────────────────────────────────────────────────────────────────────────────────


def test_partners_are_served_unless_told() -> None:
    assert read_settings({}).surfaces == ("partenaire",)
    assert read_settings({"CYNOD_SURFACES": "essai, partenaire"}).surfaces == (
        "essai",
        "partenaire",
    )


@pytest.mark.usefixtures("folder")
def test_unknown_surface_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError) as refused:
        create_app(Settings(surfaces=("partenaire", "autre")))
    assert str(refused.value) == ("CYNOD_SURFACES names autre; the surfaces are partenaire, essai.")


def test_rate_class_of_either_can_be_set(folder: Path, tmp_path: Path) -> None:
    settings = both(folder, Settings(database_url=f"sqlite:///{tmp_path}/a.db"))
    create_app(replace(settings, limites={"essai": "1/minute", "lecture": "off"})).close()
    with pytest.raises(SettingsError, match="CYNOD_LIMITES names autre; the classes are lecture, "):
        create_app(replace(settings, limites={"autre": "off"}))


# ── made of two files ────────────────────────────────────────────────────────────────────────────


def test_contract_of_one_file_stays_as_it_is() -> None:
    document, source = read_published(CONTRACT)
    assert (document, source) == (read_document(CONTRACT)[0], CONTRACT.read_bytes())


def test_self_contained_form_is_the_same_each_time(folder: Path) -> None:
    document, source = read_published(folder / SECOND.name)
    assert read_published(folder / SECOND.name) == (document, source)
    assert source.startswith(b"# Made of several.yaml and openapi.yaml; edit these.\nopenapi:")
    assert yaml.load(source, Loader=yaml.CSafeLoader) == yaml.safe_load(source) == document
    assert '"$ref": "#/' not in as_yaml(document)


def test_what_is_referred_to_comes_along_with_all_that_it_refers_to(folder: Path) -> None:
    document = read_published(folder / SECOND.name)[0]
    # An example that shows a version shows that of the contract which it stands in.
    partners = at_version(read_document(CONTRACT)[0], document["info"]["version"])
    components = document["components"]
    for kind, name in {
        ("responses", "NonAuthentifie"),
        ("headers", "RetryAfter"),
        ("schemas", "VersionServie"),  # of a header of a response
        ("examples", "ParametreInvalide"),
        ("securitySchemes", "basic"),
    }:
        assert components[kind][name] == partners["components"][kind][name]
    assert "NumeroCarte" not in components["schemas"], "nothing refers to it"
    assert list(components["schemas"])[:3] == ["Ticket", "ReponseTicket", "DemandeTicket"]
    mine = [name for name in partners["components"]["schemas"] if name in components["schemas"]]
    assert list(components["schemas"])[3:] == mine, "in the order of their file"
    assert document["tags"][0]["description"] == partners["tags"][-1]["description"]
    assert document["x-classes-debit"]["ecriture"] == partners["x-classes-debit"]["ecriture"]


def test_whole_catalogue_may_be_taken(folder: Path) -> None:
    document = copy.deepcopy(read_document(SECOND)[0])
    own = document["x-catalogue-erreurs"][0]
    document["x-catalogue-erreurs"] = [own, {"$ref": "openapi.yaml#/x-catalogue-erreurs"}]
    made = _whole(folder, document)["x-catalogue-erreurs"]
    assert [entry["code"] for entry in made] == ["3901", *CATALOGUE]
    document["x-catalogue-erreurs"] = {"$ref": "openapi.yaml#/x-catalogue-erreurs"}
    assert _whole(folder, document)["x-catalogue-erreurs"] == list(CATALOGUE.values())


def _whole(folder: Path, document: Json) -> Json:
    """The self-contained form of another text of the second contract."""
    file = folder / SECOND.name

    def read(path: Path) -> tuple[Json, bytes]:
        return (copy.deepcopy(document), b"") if path == file else read_document(path)

    return read_whole(file, read)[0]


def _set(*keys: str, value: Any) -> Callable[[Json], None]:
    def edit(document: Json) -> None:
        node: Any = document
        for key in keys[:-1]:
            node = node[key]
        node[keys[-1]] = value

    return edit


SCHEMAS = ("components", "schemas")
REFERRED = "several.yaml, components.schemas.Un"


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        (
            _set(*SCHEMAS, "Refus", value={"type": "object"}),
            (
                "several.yaml, components.schemas.Refus is not what openapi.yaml has under that name, which "
                "comes along too; give it another name, or refer to openapi.yaml#/components/schemas/Refus."
            ),
        ),
        (
            _set(*SCHEMAS, "Un", value={"$ref": "openapi.yaml#/components/schemas/Absent"}),
            (
                f"{REFERRED}: $ref openapi.yaml#/components/schemas/Absent leads nowhere: openapi.yaml has "
                "no components.schemas.Absent."
            ),
        ),
        (
            _set(*SCHEMAS, "Un", value={"$ref": "absent.yaml#/components/schemas/Refus"}),
            f"{REFERRED}: $ref absent.yaml#/components/schemas/Refus: the contract ",
        ),
        *(
            (
                _set(*SCHEMAS, "Un", value={"$ref": reference}),
                (
                    f"{REFERRED}: $ref {reference} must name a place in a file beside this one, such as "
                    "openapi.yaml#/components/schemas/Refus."
                ),
            )
            for reference in ("openapi.yaml", "../openapi.yaml#/a", "http://x/y.yaml#/a")
        ),
        (
            _set("x-catalogue-erreurs", value=[{"$ref": "openapi.yaml#/x-catalogue-erreurs/7777"}]),
            (
                "several.yaml, x-catalogue-erreurs[0]: $ref openapi.yaml#/x-catalogue-erreurs/7777 leads "
                "nowhere: openapi.yaml has no x-catalogue-erreurs.7777."
            ),
        ),
    ],
)
def test_wrong_reference_is_refused_with_its_place(
    folder: Path, edit: Callable[[Json], None], expected: str
) -> None:
    document = copy.deepcopy(read_document(SECOND)[0])
    edit(document)
    with pytest.raises(ContractError) as refused:
        _whole(folder, document)
    assert str(refused.value).startswith(expected)


def test_same_content_under_the_same_name_is_no_clash(folder: Path) -> None:
    document = copy.deepcopy(read_document(SECOND)[0])
    wanted = _whole(folder, document)
    document["components"]["schemas"]["Refus"] = {"$ref": "openapi.yaml#/components/schemas/Refus"}
    assert _whole(folder, document) == wanted


def test_references_between_files_may_go_in_a_circle(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        'components: {schemas: {A: {$ref: "b.yaml#/components/schemas/B"}}}\n', encoding="utf-8"
    )
    (tmp_path / "b.yaml").write_text(
        "components: {schemas: {B: {properties: {"
        'b: {$ref: "#/components/schemas/B"}, a: {$ref: "a.yaml#/components/schemas/A"}}}}}\n',
        encoding="utf-8",
    )
    made = read_published(tmp_path / "a.yaml")[0]
    assert made["components"]["schemas"] == {
        "A": {"$ref": "#/components/schemas/B"},
        "B": {
            "properties": {
                "b": {"$ref": "#/components/schemas/B"},
                "a": {"$ref": "#/components/schemas/A"},
            }
        },
    }
    (tmp_path / "c.yaml").write_text('x: {$ref: "d.yaml#/x"}\n', encoding="utf-8")
    (tmp_path / "d.yaml").write_text('x: {y: {$ref: "#/x"}}\n', encoding="utf-8")
    with pytest.raises(ContractError) as refused:
        read_published(tmp_path / "c.yaml")
    assert str(refused.value) == "d.yaml, x.y: $ref #/x leads back to itself."


@pytest.mark.parametrize(
    "value",
    [
        *("", " a", "a ", "a\n", "a\nb", "a\nb\n", "a\n\nb\n", "a\n\n", "\na\nb", " a\nb", "a \nb"),
        *("a\r\nb", "a\tb\nc", "# a\nb", "a: b\n- c\n", "é\u2028\nb", "\ufeffa\nb", "😀\n😀\n"),
        *("\u2028", "\x85", "'", '"', "\\", "no", "2027-01-01", "0x1", "1_000", "~", "null"),
        *(0, -1, 1.5, 1e16, 1e-7, True, False, None, [], {}, [[]], [[1, [2]], {"a": {}}], [{}]),
        {"no": 1, "1": 2, "a b": 3, "": 4, "$ref": [1, {"x": "a\nb\n"}], "200": {"-": "- a"}},
        [{"a": "b\nc\n", "d": [{"e": [1, "f"]}]}, "g\nh", ["i", ["j\nk"]]],
    ],
)
def test_every_value_is_read_again_as_it_was_written(value: Any) -> None:
    text = as_yaml({"a": value, "b": {"c": value}, "d": [value, {"e": value}]})
    wanted = {"a": value, "b": {"c": value}, "d": [value, {"e": value}]}
    assert yaml.load(text, Loader=yaml.CSafeLoader) == yaml.safe_load(text) == wanted


# ── side by side ─────────────────────────────────────────────────────────────────────────────────


def _rename_operation(document: Json) -> None:
    document["paths"][GET]["get"]["operationId"] = "mesDroits"


def _leave_the_prefix(document: Json) -> None:
    document["paths"]["/get-ticket"] = document["paths"].pop(GET)


def _other_rate(document: Json) -> None:
    document["x-classes-debit"]["ecriture"] = "1/second"
    document["info"]["description"] += "\n`ecriture` : 1 par seconde"


CLASHES: list[tuple[Callable[[Json], None], str]] = [
    (
        _rename_operation,
        (
            f"several.yaml, paths.{GET}.get: operationId mesDroits is taken by openapi.yaml, "
            "paths./mes-droits.get; give it another name."
        ),
    ),
    (
        _leave_the_prefix,
        "several.yaml, paths./get-ticket.get: every path of several.yaml begins with /essai/.",
    ),
    (
        _other_rate,
        (
            "several.yaml, x-classes-debit: ecriture is 1/second, and 300000/minute in openapi.yaml; say the "
            "same, or give it another name."
        ),
    ),
]


@pytest.mark.parametrize(("edit", "expected"), CLASHES)
def test_contracts_that_clash_are_refused(
    contracts: tuple[Contract, ...], edit: Callable[[Json], None], expected: str
) -> None:
    document = copy.deepcopy(contracts[1].document)
    edit(document)
    with pytest.raises(ContractError) as refused:
        check_together([contracts[0], build(document, b"", surface=ESSAI)])
    assert str(refused.value) == expected


def _templated(contract: Contract, path: str) -> Contract:
    """The contract with a templated path in the place of its GET."""
    moved = replace(contract.operations["getTicket"], path=path)
    return replace(contract, operations={**contract.operations, "getTicket": moved})


def test_paths_that_may_mean_both_are_refused(contracts: tuple[Contract, ...]) -> None:
    partners, second = contracts
    unprefixed = replace(second, surface=Surface("essai", ESSAI.file, ESSAI.package, ""))
    with pytest.raises(ContractError) as refused:
        check_together([partners, _templated(unprefixed, "/{reference}")])
    assert (
        "several.yaml, paths./{reference}.get: a request of this path may mean openapi.yaml, "
        "paths./mes-droits.get; give it another path."
    ) in str(refused.value).splitlines()


def test_templated_path_is_answered_by_its_contract(contracts: tuple[Contract, ...]) -> None:
    partners, second = contracts
    templated = _templated(second, "/essai/tickets/{reference}.x")
    voices = Voices([Voice(one, Refusals(one, Settings()), {}) for one in (partners, templated)])
    assert voices.find("/essai/tickets/A.x").contract is templated
    assert voices.find(POST).contract is templated
    for path in ("/essai/tickets/A/B.x", "/essai/tickets/Ax", "/essai/tickets/.x", "/mes-droits"):
        assert voices.find(path).contract is partners


def test_clash_stops_the_start(contracts: tuple[Contract, ...]) -> None:
    document = copy.deepcopy(contracts[1].document)
    _other_rate(document)
    with pytest.raises(ContractError, match="ecriture is 1/second"):
        create_app(Settings(), contracts=[contracts[0], build(document, b"", surface=ESSAI)])


# ── generated and published ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def workbench(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where `cynod contract` writes what is generated; the partners' files are left alone."""
    monkeypatch.setattr(contract_cli, "CONTRACT", folder / CONTRACT.name)
    monkeypatch.setattr(generator, "folder_of", lambda _surface: folder / ESSAI.package)
    monkeypatch.setattr(generator, "CHECKED", tmp_path / "checked.py")
    return folder / ESSAI.package


def test_types_and_signatures_are_generated_beside_its_handlers(
    workbench: Path, contracts: tuple[Contract, ...], tmp_path: Path
) -> None:
    result = CliRunner().invoke(contract_cli.contract, ["build"])
    assert result.exit_code == 0, result.output
    assert "; several.yaml 0.2.0: 2 operations, " in result.output
    wire = (workbench / "wire.py").read_text(encoding="utf-8")
    signatures = (workbench / "signatures.py").read_text(encoding="utf-8")
    for text in (wire, signatures):
        assert text.startswith("# Generated from several.yaml by `make contract`; do not edit.\n")
    assert "class DemandeTicket(TypedDict):" in wire
    assert "SoldeCarte" not in wire
    assert f"from {ESSAI.package} import tickets\n" in signatures
    assert "        reference: Reference,\n" in signatures
    assert ") -> Answer[Ticket]: ..." in signatures
    importlib.invalidate_caches()
    module = importlib.import_module(f"{ESSAI.package}.signatures")
    assert "_get_ticket" in vars(module)
    checked: Json = {}
    exec((tmp_path / "checked.py").read_text(encoding="utf-8"), checked)  # noqa: S102
    assert checked["CONTRACT_SHA256"] == {one.surface.file: one.sha256 for one in contracts}
    again = CliRunner().invoke(contract_cli.contract, ["build", "--check"])
    assert again.exit_code == 0, again.output


@pytest.mark.usefixtures("workbench")
def test_clash_is_told_when_it_is_built(folder: Path) -> None:
    text = SECOND.read_text(encoding="utf-8")
    try:
        (folder / SECOND.name).write_text(
            text.replace("operationId: getTicket", "operationId: mesDroits"), encoding="utf-8"
        )
        result = CliRunner().invoke(contract_cli.contract, ["build"])
    finally:
        shutil.copy(SECOND, folder)
    assert result.exit_code == 1
    assert result.output == f"Error: {CLASHES[0][1]}\n"


def test_published_is_the_self_contained_form(folder: Path, tmp_path: Path) -> None:
    contract, history = folder / SECOND.name, tmp_path / "docs" / "essai"
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changelog\n\n## 0.2.0\n\n- Of the partners.\n", encoding="utf-8")
    path, drafted = publish(contract, history, changelog, ESSAI)
    assert (path, drafted) == (history / "0.2.0.yaml", True)
    assert path.read_bytes() == load(contract, surface=ESSAI).source
    assert changelog.read_text(encoding="utf-8") == (
        "# Changelog\n\n## essai 0.2.0\n\n- First version.\n\n## 0.2.0\n\n- Of the partners.\n"
    )
    state = find_state(contract, history, changelog, ESSAI)
    assert (state.same_file, state.changes, state.faults) == (True, [], [])


def test_change_of_the_shared_file_is_a_change_of_the_contract(tmp_path: Path) -> None:
    for file in (CONTRACT, SECOND):
        shutil.copy(file, tmp_path)
    contract, history = tmp_path / SECOND.name, tmp_path / "history"
    changelog = tmp_path / "CHANGELOG.md"
    publish(contract, history, changelog, ESSAI)
    shared = tmp_path / CONTRACT.name
    before = '"^[A-Za-z0-9._:-]{1,64}$"'
    text = shared.read_text(encoding="utf-8")
    assert before in text
    shared.write_text(text.replace(before, '"^[A-Z]{1,64}$"'), encoding="utf-8")
    try:
        state = find_state(contract, history, changelog, ESSAI)
    except RedoclyMissing as error:
        lack(str(error))
    assert state.faults[0].startswith("several.yaml differs from 0.2.0, which is published, and ")
    assert any("Reference" in change.where for change in state.changes)


def test_file_of_the_published_form_is_the_contract_itself_unless_it_refers(folder: Path) -> None:
    with as_published(CONTRACT) as path:
        assert path == CONTRACT
    with as_published(folder / SECOND.name) as path:
        assert (path.name, path.parent == folder) == (SECOND.name, False)
        assert json.dumps(read_document(path)[0])
    assert not path.exists()


@pytest.mark.usefixtures("workbench")
def test_each_surface_is_shown_and_repaired_by_its_own_file() -> None:
    text = SECOND.read_text(encoding="utf-8")
    shown = CliRunner().invoke(contract_cli.contract, ["show", "getTicket", "--surface", "essai"])
    assert shown.exit_code == 0, shown.output
    line = 1 + next(n for n, one in enumerate(text.split("\n")) if "/essai/get-ticket" in one)
    assert re.match(rf"# several\.yaml:({line}|{line + 1})\n", shown.output)
    outlined = CliRunner().invoke(contract_cli.contract, ["outline", "--surface", "essai"])
    assert outlined.exit_code == 0, outlined.output
    assert "getTicket" in outlined.output
    assert "getSoldeCarte" not in outlined.output
    unknown = CliRunner().invoke(contract_cli.contract, ["show", "getTicket"])
    assert (unknown.exit_code, "getTicket is no operation" in unknown.output) == (1, True)
    fixed = CliRunner().invoke(contract_cli.contract, ["build", "--fix"])
    assert fixed.output.startswith(
        "openapi.yaml: nothing to fix without you.\nseveral.yaml: nothing to fix without you.\n"
    )


@pytest.mark.usefixtures("folder")
def test_unknown_surface_of_a_command_is_refused_with_the_known_ones() -> None:
    result = CliRunner().invoke(contract_cli.contract, ["diff", "--surface", "autre"])
    assert result.exit_code == 2
    assert "'autre' is not one of partenaire, essai." in result.output
