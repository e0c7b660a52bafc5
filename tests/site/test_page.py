"""The partner's page over HTTP: it says what the contract says, all of it, and is safe and cheap to serve."""

from __future__ import annotations

import copy
import html
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
import yaml

from handlers.contract.reading import derive, load
from handlers.site.pages import PAGE_POLICY, partner_page
from handlers.site.snippets import GENERATORS
from tests.support.contract_client import (
    CATALOGUE,
    CONTRACT,
    DOCUMENT,
    OPERATIONS,
    ROOT,
    Json,
    resolve,
)
from tests.support.patience import CALL_S

pytestmark = pytest.mark.xdist_group("docs-page")

VERSION = DOCUMENT["info"]["version"]
CHANGELOG = ROOT / "CHANGELOG.md"
BY_ID = {raw["operationId"]: (method, path, raw) for (method, path), raw in OPERATIONS.items()}


class Reader(HTMLParser):
    """The ids, the links and the text of a page, the text also per article."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.articles: dict[str, str] = {}
        self._article: str | None = None
        self._pieces: list[str] = []
        self.feed(text)
        self.text = _plain("".join(self._pieces))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.inline += [
            f"<{tag} {name}>" for name in values if name == "style" or name.startswith("on")
        ]
        if tag == "style" or (tag == "script" and "src" not in values):
            self.inline.append(f"<{tag}>")
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a":
            self.links.append(values["href"])
        if tag in ("script", "img", "link"):
            self.loaded.append(values.get("src") or values["href"])
        if tag == "article":
            self._article = values["aria-labelledby"]
            self.articles[self._article] = ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            assert self._article is not None
            self.articles[self._article] = _plain(self.articles[self._article])
            self._article = None

    def handle_data(self, data: str) -> None:
        self._pieces.append(data)
        if self._article is not None:
            self.articles[self._article] += data


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def _words(markdown: str) -> str:
    """A text of the contract as a reader sees it: without the marks of CommonMark."""
    return _plain(re.sub(r"[`*]", "", markdown)).strip()


@pytest.fixture(scope="module")
def page(demo: str) -> Reader:
    return Reader(httpx.get(demo, trust_env=False, timeout=CALL_S).text)


def test_page_is_html_in_french_under_a_strict_policy(demo: str) -> None:
    answer = httpx.get(demo, trust_env=False, timeout=CALL_S)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = f"{PAGE_POLICY}; frame-ancestors 'none'"
    assert answer.headers["content-security-policy"] == policy
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert '<html lang="fr">' in answer.text


def test_page_and_collection_are_cached_by_their_etag(demo: str) -> None:
    with httpx.Client(base_url=demo, trust_env=False, timeout=CALL_S) as client:
        for path in ("/", "/collection.postman.json", "/ui/page.css", "/ui/page.js"):
            got = client.get(path)
            assert got.headers["cache-control"] == "no-cache"
            etag = got.headers["etag"]
            for known in (etag, f"W/{etag}", f'"another", {etag}', f'W/"another",W/{etag}', "*"):
                again = client.get(path, headers={"If-None-Match": known})
                assert (again.status_code, again.content) == (304, b"")
            for unknown in ('"another"', etag.strip('"')[:-1], "", ",", '"', "W/", etag[:-1]):
                again = client.get(path, headers={"If-None-Match": unknown})
                assert (again.status_code, again.content) == (200, got.content)
            head = client.head(path)
            assert (head.status_code, head.content) == (200, b"")
            assert head.headers["content-length"] == str(len(got.content))
            assert head.headers["etag"] == got.headers["etag"]
            posted = client.post(path)
            assert (posted.status_code, posted.headers["allow"]) == (405, "GET, HEAD")


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(page: Reader) -> None:
    assert page.inline == []
    assert sorted(page.loaded) == ["ui/icon.svg", "ui/icon.svg", "ui/page.css", "ui/page.js"]
    assert {urlsplit(link).scheme for link in page.links} == {"", "mailto"}


def test_every_link_leads_somewhere_once(page: Reader, demo: str) -> None:
    assert len(page.ids) == len(set(page.ids))
    inner = {link[1:] for link in page.links if link.startswith("#")}
    assert inner <= set(page.ids)
    others = {link for link in page.links if link[0] != "#" and not link.startswith("mailto:")}
    files = {"openapi.yaml", "openapi.json", "collection.postman.json"}
    ready = {f"clients/cynod-{name}-{VERSION}.zip" for name in ("java", "python-httpx")}
    assert others == {"ui"} | files | ready
    for link in others:
        assert httpx.get(f"{demo}/{link}", trust_env=False, timeout=CALL_S).status_code == 200


def test_clients_of_this_contract_are_offered_and_no_others(
    page: Reader, demo: str, clients: Path
) -> None:
    """One that was made from another contract, or that was cut short, is neither named nor served."""
    named = [link for link in page.links if link.startswith("clients/")]
    right = [f"cynod-{name}-{VERSION}.zip" for name in ("python-httpx", "java")]
    assert named == [f"clients/{name}" for name in right]
    for name in right:
        answer = httpx.get(f"{demo}/clients/{name}", trust_env=False, timeout=CALL_S)
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "application/zip"
        assert answer.headers["cache-control"] == "no-cache"
        assert answer.content == (clients / name).read_bytes()
    for name in ("php", "go"):
        answer = httpx.get(
            f"{demo}/clients/cynod-{name}-{VERSION}.zip", trust_env=False, timeout=CALL_S
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "1003")


def test_description_of_the_api_is_whole(page: Reader) -> None:
    paragraphs = re.split(r"\n\s*\n|^## .*$", DOCUMENT["info"]["description"], flags=re.M)
    assert len(paragraphs) > 8
    for paragraph in paragraphs:
        assert _words(paragraph) in page.text


@pytest.mark.parametrize("operation_id", BY_ID)
def test_operation_is_whole(page: Reader, operation_id: str) -> None:
    method, path, raw = BY_ID[operation_id]
    text = page.articles[operation_id]
    assert operation_id in page.ids
    expected = [raw["summary"], f"{method} {path}", operation_id]
    expected += [_words(part) for part in raw["description"].split("\n\n")]
    expected += [
        f"{node['name']}{' requis' if node.get('required') else ''}" for node in _parameters(raw)
    ]
    expected += [_words(node["description"]) for node in _parameters(raw)]
    expected += [code for code in raw["x-codes-erreur"] if code not in ("405",)]
    for code in raw["x-codes-erreur"]:
        expected.append(_plain(CATALOGUE[code]["conseil"]["fr"]))
    for need in raw["security"]:
        expected += need.get("oauth2", [])
    for status, node in raw["responses"].items():
        response = resolve(node)
        expected += [status, _words(response["description"])]
        for content in response["content"].values():
            expected += [
                _shown(resolve(example)["value"]) for example in content["examples"].values()
            ]
    absent = [one for one in expected if one not in text]
    assert absent == []


def _parameters(raw: Json) -> list[Json]:
    return [resolve(node) for node in raw.get("parameters", [])]


def _shown(value: Any) -> str:
    """An example's last text, as it stands in the page."""
    if isinstance(value, str):
        return _plain(value).strip()
    message = value.get("message") or value["statut"]
    return _plain(f'"{message}"')


def test_catalogue_is_whole(page: Reader) -> None:
    assert [name for name in page.ids if name.startswith("code-")] == [
        f"code-{code}" for code in CATALOGUE
    ]
    for entry in CATALOGUE.values():
        message = re.sub(r"[{}]", "", entry["message"]["fr"])
        retry = "Oui" if entry["reessayer"] else "Non"
        row = [
            entry["code"],
            str(entry["statut"]),
            message,
            entry["nom"] + entry["conseil"]["fr"],
            retry,
        ]
        assert _plain(" ".join(row)) in page.text


def test_changelog_is_there_under_a_french_heading(page: Reader) -> None:
    _, _, changes = page.text.rpartition("Journal des changements")
    for version in re.findall(r"^## (.*)$", CHANGELOG.read_text(), re.M):
        assert version in changes
    assert "Chaque changement d'openapi.yaml y laisse une ligne." in changes


def test_commands_of_the_generators_are_those_that_the_clients_are_tested_with() -> None:
    guide = (ROOT / "docs" / "clients.md").read_text(encoding="utf-8")
    assert [name for name, _, _ in GENERATORS] == ["python", "typescript", "java", "php"]
    for _, _, commands in GENERATORS:
        assert f"`{commands.splitlines()[-1]}`" in guide


def test_html_in_the_contract_and_in_the_changelog_is_text(tmp_path: Path) -> None:
    attack = "<script>alert(1)</script> [x](javascript:alert(1)) <img src=x onerror=alert(1)>"
    document = copy.deepcopy(DOCUMENT)
    document["info"]["description"] += f"\n\n{attack}\n"
    document["info"]["title"] = attack
    document["tags"][0]["description"] = attack
    raw = document["paths"]["/get-solde-carte"]["get"]
    raw["summary"] = raw["description"] = attack
    document["components"]["parameters"]["NumeroCarte"]["description"] = attack
    document["components"]["parameters"]["NumeroCarte"]["example"] = f"'\"{attack}"
    document["components"]["examples"]["SoldeCarte"]["value"]["message"] = attack
    document["x-catalogue-erreurs"][0]["conseil"]["fr"] = attack
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(f"# Changes\n\n## {attack}\n\n{attack}\n")
    made = partner_page(derive(document, b""), [], changelog).decode()
    reader = Reader(made)
    assert reader.inline == []
    assert made.count("<script") == 1
    assert made.count("<img") == 1
    assert not [link for link in reader.links if "javascript" in link]
    assert made.count(html.escape("<script>", quote=False)) > 10


def test_deprecated_operation_says_until_when_and_what_instead() -> None:
    document = yaml.load(CONTRACT.read_bytes(), Loader=yaml.CSafeLoader)
    raw = document["paths"]["/check-card-validity"]["get"]
    raw["deprecated"] = True
    raw["x-obsolescence"] = {
        "depuis": "2027-01-31",
        "retrait": "2027-08-01",
        "remplacement": "checkCardValidityByMember",
    }
    for name in ("Deprecation", "Sunset", "Link"):
        header = {"description": name, "schema": {"type": "string"}}
        raw["responses"]["200"]["headers"][name] = header
    made = Reader(partner_page(derive(document, b""), [], CHANGELOG).decode())
    sentence = (
        "Opération obsolète depuis le 31 janvier 2027 ; elle sera retirée le 1er août 2027. "
        "Utilisez checkCardValidityByMember à sa place."
    )
    holders = [name for name, text in made.articles.items() if sentence in text]
    assert holders == ["checkCardValidity"]
    assert "obsolète" not in made.articles["getSoldeCarte"]


def test_schema_that_holds_itself_and_a_path_parameter_are_shown() -> None:
    document = copy.deepcopy(DOCUMENT)
    fields = document["components"]["schemas"]["SoldeCarte"]["properties"]
    fields["suivante"] = {"$ref": "#/components/schemas/SoldeCarte"}
    paths, parameters = document["paths"], document["components"]["parameters"]
    moved = paths["/cartes/{numeroCarte}/solde"] = paths.pop("/get-solde-carte")
    moved["get"]["parameters"][0] = {**parameters["NumeroCarte"], "in": "path"}
    document["x-classes-debit"]["lecture"] = "10 per 2 minutes"
    made = Reader(partner_page(derive(document, b""), [], CHANGELOG).decode())
    text = made.articles["getSoldeCarte"]
    assert "data[].suivante.suivante.suivante.soldeOnline" in text
    assert "numeroCarte requis texte, dans le chemin Numéro de la carte du client." in text
    assert '"$API/cartes/7019800100009569/solde" -G' in text
    assert "10 per 2 minutes et par partenaire (classe lecture)" in text


def test_anchor_of_a_deprecation_header_is_on_the_page(page: Reader) -> None:
    """`Link` leads to `/#operationId`: any operation may be deprecated one day."""
    assert BY_ID.keys() <= set(page.ids)
    assert list(page.articles) == [
        name for tag in DOCUMENT["tags"] for name in BY_ID if _tag(name) == tag["name"]
    ]


def _tag(operation_id: str) -> str:
    tag: str = BY_ID[operation_id][2]["tags"][0]
    return tag


def test_server_without_a_changelog_or_clients_has_a_page(tmp_path: Path) -> None:
    made = partner_page(load(CONTRACT), [], tmp_path / "absent.md").decode()
    assert "Journal des changements" not in made
    assert "Clients générés" not in made
    assert "Codes d’erreur" in made


def test_page_costs_nothing_before_it_is_asked_for() -> None:
    """Neither the template nor the Markdown is read in a process that only serves calls."""
    code = (
        "import sys, handlers.app, handlers.contract.reading as c, handlers.settings as s\n"
        "from handlers.site.pages import pages\n"
        "made = pages(c.load(s.ROOT / 'openapi.yaml'), [])\n"
        "lazy = {'handlers.site.page', 'handlers.site.postman', 'markdown_it'}\n"
        "before = lazy & set(sys.modules)\n"
        "made['/'].body\n"
        "print(sorted(before), made['/'].is_finished, made['/ui'].is_finished)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[] True False\n"
