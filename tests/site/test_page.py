"""The partner's pages over HTTP: they say what the contract says, all of it, and are cheap to serve."""

from __future__ import annotations

import copy
import gzip
import html
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

import httpx
import pytest
import yaml

from handlers.contract.model import Contract
from handlers.contract.reading import derive, load
from handlers.site.pages import PAGE_POLICY, partner_pages
from handlers.site.patterns import in_words
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


PAGES = [
    "",
    *(f"doc/{name}.html" for name in ("concepts", "codes", "telechargements", "changements")),
    *(f"doc/{operation_id}.html" for operation_id in BY_ID),
]
"""Their addresses from the first one."""

LARGEST_FIRST_VIEW = 60_000
"""Bytes that a browser loads before it shows the first page, compressed as any proxy does."""


class Reader(HTMLParser):
    """The ids, the links and the text of a page, the text also per article and without code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.inline: list[str] = []
        self.articles: dict[str, str] = {}
        self.tags: list[str] = []
        self.said: list[str] = []
        self.title = ""
        self._in_title = False
        self._open: list[str] = []
        self._article: str | None = None
        self._pieces: list[str] = []
        self.feed(text)
        self.text = _plain("".join(self._pieces))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self._in_title = tag == "title"
        if tag == "html":
            assert values["lang"] == "fr"
        if tag in ("code", "pre"):
            self._open.append(tag)
        self.said += [
            values[name] for name in ("title", "aria-label", "placeholder") if name in values
        ]
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
        if tag in ("code", "pre"):
            self._open.pop()
        if tag == "article":
            assert self._article is not None
            self.articles[self._article] = _plain(self.articles[self._article])
            self._article = None

    def handle_data(self, data: str) -> None:
        self._pieces.append(data)
        if self._in_title and not self.title:
            self.title = data
        if not self._open:
            self.said.append(data)
        if self._article is not None:
            self.articles[self._article] += data


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("\u2019", "'")


def _words(markdown: str) -> str:
    """A text of the contract as a reader sees it: without the marks of CommonMark."""
    without_links = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", markdown)
    return _plain(re.sub(r"^- |[`*]", "", without_links, flags=re.M)).strip()


@pytest.fixture(scope="module")
def pages(demo: str) -> dict[str, Reader]:
    """All of them by their addresses."""
    with httpx.Client(base_url=demo, trust_env=False, timeout=CALL_S) as client:
        return {path: Reader(client.get(f"/{path}").text) for path in PAGES}


@pytest.fixture(scope="module")
def page(pages: dict[str, Reader]) -> Reader:
    """The first one."""
    return pages[""]


class Written(dict[str, str]):
    """What is written of a contract by its path, each when it is asked for."""

    def __init__(self, contract: Contract, changelog: Path = CHANGELOG) -> None:
        super().__init__()
        self.writers = partner_pages(contract, [], changelog)

    def __missing__(self, path: str) -> str:
        self[path] = self.writers[path]().decode()
        return self[path]


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
        for path in (
            *("/", "/doc/codes.html", "/doc/debitCarte.html", "/doc/recherche.js"),
            *("/collection.postman.json", "/ui/page.css", "/ui/page.js"),
        ):
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


def test_unknown_page_is_refused_as_any_unknown_path(demo: str) -> None:
    for path in ("/doc", "/doc/", "/doc/absente.html", "/doc/debitCarte", "/doc/debitcarte.html"):
        answer = httpx.get(f"{demo}{path}", trust_env=False, timeout=CALL_S)
        assert (answer.status_code, answer.json()["code"]) == (404, "1003"), path


def test_nothing_is_inline_and_nothing_comes_from_elsewhere(pages: dict[str, Reader]) -> None:
    contract_links = set(re.findall(r"https?://[^\s)\"'>]+", json.dumps(DOCUMENT)))
    for path, page in pages.items():
        root = "../" if path else ""
        assert page.inline == []
        files = ["icon.svg", "icon.svg", "page.css", "page.js"]
        assert sorted(page.loaded) == [f"{root}ui/{name}" for name in files]
        outside = {link for link in page.links if urlsplit(link).scheme not in ("", "mailto")}
        assert outside <= contract_links, path


def test_every_page_has_one_heading_one_main_and_a_title_of_its_own(
    pages: dict[str, Reader],
) -> None:
    for path, page in pages.items():
        assert [page.tags.count(tag) for tag in ("html", "h1", "main", "header")] == [1] * 4, path
    assert len({page.title for page in pages.values()} - {""}) == len(pages)


def test_every_link_leads_somewhere_once(pages: dict[str, Reader], demo: str) -> None:
    """From every page, and to an element where it names one."""
    ready = {f"clients/cynod-{name}-{VERSION}.zip" for name in ("java", "python-httpx")}
    files = {"openapi.yaml", "openapi.json", "openapi-3.1.json", "collection.postman.json"}
    ids = {path: set(page.ids) for path, page in pages.items()}
    others = set()
    for path, page in pages.items():
        assert len(page.ids) == len(ids[path]), path
        for link in page.links:
            target, anchor = urldefrag(urljoin(f"{demo}/{path}", link))
            if not target.startswith(f"{demo}/"):
                continue
            known = target.removeprefix(f"{demo}/")
            if known not in pages:
                others.add(known)
            elif anchor:
                assert anchor in ids[known], (path, link)
    assert {"ui"} | files | ready <= others
    for link in others:
        assert httpx.get(f"{demo}/{link}", trust_env=False, timeout=CALL_S).status_code == 200, link


def test_addresses_of_the_single_page_that_once_was_still_lead_on(page: Reader) -> None:
    """Old bookmarks, `Link` of a deprecation, and what a refusal names: `/#debitCarte`, `/#code-4001`."""
    kept = BY_ID.keys() | {f"code-{code}" for code in CATALOGUE}
    kept |= {f"groupe-{tag['name']}" for tag in DOCUMENT["tags"]}
    kept |= {"contenu", "demarrer", "codes-erreur", "clients", "telechargements"}
    assert kept <= set(page.ids)
    led = {urldefrag(link)[1] for link in page.links}
    headings = re.findall(r"^## (.*)$", DOCUMENT["info"]["description"], re.M)
    assert {"debits", "droits", "authentification"} <= led
    assert len(headings) <= len([link for link in set(page.links) if "concepts.html#" in link])


def test_first_view_is_light(demo: str) -> None:
    """What a browser loads to show the first page: neither the search's list nor another page."""
    with httpx.Client(base_url=demo, trust_env=False, timeout=CALL_S) as client:
        loaded = {"/", *(f"/{name}" for name in Reader(client.get("/").text).loaded)}
        sizes = {path: len(gzip.compress(client.get(path).content, 6)) for path in loaded}
    assert sizes.keys() == {"/", "/ui/icon.svg", "/ui/page.css", "/ui/page.js"}
    assert sum(sizes.values()) < LARGEST_FIRST_VIEW, sizes


def test_prose_has_one_apostrophe_and_code_the_other(pages: dict[str, Reader]) -> None:
    for path, page in pages.items():
        assert [text for text in page.said if "'" in text] == [], path
    assert "lue de l'environnement" in pages["doc/accessToken.html"].articles["accessToken"]


def test_every_code_that_a_text_names_is_a_link(pages: dict[str, Reader]) -> None:
    """In preconditions, refusals, concepts and advice; a status of HTTP or a quantity is none."""
    links = pages["doc/debitCarte.html"].links
    for code in BY_ID["debitCarte"][2]["x-codes-erreur"]:
        assert f"codes.html#code-{code}" in links
    assert links.count("codes.html#code-4001") == 3, "precondition, description, list"
    concepts = pages["doc/concepts.html"].links
    assert {"codes.html#code-1008", "codes.html#code-4002"} <= set(concepts)
    written = Written(load(CONTRACT))["doc/concepts.html"]
    assert "HTTP 503, code <a" in _plain(written)
    assert "HTTP 503 <" not in written
    codes = pages["doc/codes.html"].links
    assert {f"#code-{code}" for code in CATALOGUE} <= set(codes)


def test_search_finds_operations_codes_concepts_and_versions(
    pages: dict[str, Reader], demo: str
) -> None:
    script = httpx.get(f"{demo}/doc/recherche.js", trust_env=False, timeout=CALL_S)
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
    lines = json.loads(script.text.removeprefix("window.cynodRecherche=").removesuffix(";\n"))
    found = {address: f"{title} {kind} {words}" for title, kind, address, words in lines}
    assert {f"doc/{name}.html" for name in BY_ID} < found.keys()
    assert {f"doc/codes.html#code-{code}" for code in CATALOGUE} < found.keys()
    for address in found:
        target, anchor = urldefrag(address)
        assert not anchor or anchor in pages[target].ids, address
    debit = found["doc/debitCarte.html"]
    for word in (
        "POST /debit-carte",
        "debitCarte",
        "montant",
        "cartes:debiter",
        "4001",
        "soldeOnline",
    ):
        assert word in debit
    assert "SoldeInsuffisant" in found["doc/codes.html#code-4001"]
    assert f"doc/changements.html#{CHANGELOG.read_text().partition('## ')[2].split()[0]}" in found


def test_clients_of_this_contract_are_offered_and_no_others(
    pages: dict[str, Reader], demo: str, clients: Path
) -> None:
    """One that was made from another contract, or that was cut short, is neither named nor served."""
    links = pages["doc/telechargements.html"].links
    named = [link for link in links if link.startswith("../clients/")]
    right = [f"cynod-{name}-{VERSION}.zip" for name in ("python-httpx", "java")]
    assert named == [f"../clients/{name}" for name in right]
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


def test_description_of_the_api_is_whole(pages: dict[str, Reader]) -> None:
    paragraphs = re.split(r"\n\s*\n|^## .*$", DOCUMENT["info"]["description"], flags=re.M)
    assert len(paragraphs) > 8
    for paragraph in paragraphs:
        assert _words(paragraph) in pages["doc/concepts.html"].text


@pytest.mark.parametrize("operation_id", BY_ID)
def test_operation_is_whole(pages: dict[str, Reader], operation_id: str) -> None:
    method, path, raw = BY_ID[operation_id]
    page = pages[f"doc/{operation_id}.html"]
    text = page.articles[operation_id]
    assert operation_id in page.ids
    expected = [_plain(raw["summary"]), f"{method} {path}", operation_id]
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
        if "basic" in need and any("oauth2" in other for other in raw["security"]):
            expected.append("HTTP Basic, avec la même paire")
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
    last = value.get("message") or value.get("statut")
    if last is None:  # an answer of OAuth's own, which has neither
        return _plain(json.dumps(list(value)[-1])) if value else "{}"
    return _plain(f'"{last}"')


def test_refusal_leads_to_its_code(pages: dict[str, Reader]) -> None:
    contract = load(CONTRACT)
    for code in CATALOGUE:
        path, _, anchor = contract.documentation_of(code).partition("#")
        assert anchor in pages[path.removeprefix("/")].ids, code


def test_catalogue_is_whole(pages: dict[str, Reader]) -> None:
    page = pages["doc/codes.html"]
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


def test_changelog_is_there_without_what_is_said_to_who_writes_it(
    pages: dict[str, Reader],
) -> None:
    _, _, changes = pages["doc/changements.html"].text.rpartition("Journal des changements")
    # Those of another contract have its name before the number.
    versions = re.findall(r"^## ([0-9.]+)$", CHANGELOG.read_text(), re.M)
    assert versions
    for version in versions:
        assert version in changes
        assert version in pages["doc/changements.html"].ids
    assert "Chaque changement d'openapi.yaml" not in changes


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
    document["components"]["parameters"]["ParamNumeroCarte"]["description"] = attack
    document["components"]["parameters"]["ParamNumeroCarte"]["example"] = f"'\"{attack}"
    document["components"]["examples"]["SoldeCarte"]["value"]["message"] = attack
    document["x-catalogue-erreurs"][0]["conseil"]["fr"] = attack
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text(f"# Changes\n\n## {attack}\n\n{attack}\n")
    written = Written(derive(document, b""), changelog)
    assert len(written.writers) == len(PAGES) + 1
    lines = written["doc/recherche.js"]
    assert json.loads(lines.removeprefix("window.cynodRecherche=").removesuffix(";\n"))
    named = ("index", "doc/concepts", "doc/codes", "doc/changements", "doc/getSoldeCarte")
    for name in named:
        made = written[f"{name}.html"]
        reader = Reader(made)
        assert reader.inline == []
        assert made.count("<script") == 1
        assert made.count("<img") == 1
        assert not [link for link in reader.links if "javascript" in link]
        assert made.count(html.escape("<script>", quote=False)) > 2, name


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
    written = Written(derive(document, b""))
    sentence = (
        "Opération obsolète depuis le 31 janvier 2027 ; elle sera retirée le 1er août 2027. "
        "Utilisez checkCardValidityByMember à sa place."
    )
    ended = Reader(written["doc/checkCardValidity.html"])
    assert sentence in ended.text
    assert "checkCardValidityByMember.html" in ended.links
    assert written["index.html"].count('class="obsolete"') == 2, "in the contents and in the list"
    assert "obsolète" not in Reader(written["doc/getSoldeCarte.html"]).articles["getSoldeCarte"]


def test_schema_that_holds_itself_and_a_path_parameter_are_shown() -> None:
    document = copy.deepcopy(DOCUMENT)
    fields = document["components"]["schemas"]["SoldeCarte"]["properties"]
    fields["suivante"] = {"$ref": "#/components/schemas/SoldeCarte"}
    paths, parameters = document["paths"], document["components"]["parameters"]
    moved = paths["/cartes/{numeroCarte}/solde"] = paths.pop("/get-solde-carte")
    moved["get"]["parameters"][0] = {**parameters["ParamNumeroCarte"], "in": "path"}
    document["x-classes-debit"]["lecture"] = "10 per 2 minutes"
    made = Written(derive(document, b""))["doc/getSoldeCarte.html"]
    text = Reader(made).articles["getSoldeCarte"]
    assert "data[].suivante.suivante.suivante.soldeOnline" in text
    assert "numeroCarte requis texte, dans le chemin Numéro de la carte." in text
    assert '"$API/cartes/7019800100009569/solde" -G' in text
    assert "10 per 2 minutes et par partenaire (classe lecture)" in text


def test_operations_stand_in_the_order_of_their_tags(page: Reader) -> None:
    assert [name for name in page.ids if name in BY_ID] == [
        name for tag in DOCUMENT["tags"] for name in BY_ID if _tag(name) == tag["name"]
    ]


def _tag(operation_id: str) -> str:
    tag: str = BY_ID[operation_id][2]["tags"][0]
    return tag


def test_server_without_a_changelog_or_clients_has_a_page(tmp_path: Path) -> None:
    written = Written(load(CONTRACT), tmp_path / "absent.md")
    assert "doc/changements.html" not in written.writers
    for name in ("index", "doc/telechargements"):
        assert "Journal des changements" not in written[f"{name}.html"]
        assert "Clients générés" not in written[f"{name}.html"]
    assert "Codes d’erreur" in written["index.html"]


PATTERNS: dict[str, str | None] = {
    "^[0-9]{12,19}$": "12 à 19 chiffres",
    r"^\d{3}$": "3 chiffres",
    "^[+]?[0-9]{6,15}$": "6 à 15 chiffres, avec ou sans « + » en tête",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$": (
        "1 à 32 caractères (chiffres, lettres sans accent, « - », « . », « _ »), "
        "en tête une lettre ou un chiffre"
    ),
    "^[0-9A-HJKMNP-TV-Z]{26}$": "26 caractères (chiffres, lettres majuscules sauf I, L, O, U)",
    "^[0-9a-f]{64}$": "64 chiffres hexadécimaux",
    "^[ -~]{0,128}$": "au plus 128 caractères ASCII imprimables",
    "^[^\\u0000-\\u001F\\u007F-\\u009F]*$": "sans caractère de contrôle",
    "^[0-3][0-9]/[01][0-9]/[0-9]{4}$": "jj/MM/aaaa",
    "^(0[1-9]|[12][0-9]|3[01])/(0[1-9]|1[0-2])/[0-9]{4}$": "jj/MM/aaaa",
    "^([0-3][0-9]/[01][0-9]/[0-9]{4})?$": "jj/MM/aaaa, ou chaîne vide",
    "^[0-9]+[.][0-9]+$": "un ou plusieurs chiffres, « . », un ou plusieurs chiffres",
    "^Bearer$": "toujours « Bearer »",
    '^<[^<>]{1,9}>; rel="next"$': '« < », 1 à 9 caractères sauf « < », « > », « >; rel="next" »',
    "^[a-c]{2,}$": "au moins 2 caractères (a, b, c)",
    "^[^a]$": "1 caractère sauf a",
    "^[^a]?$": "au plus 1 caractère sauf a",
    "^[^a]{2}$": "2 caractères sauf a",
    r"^v\.1$": "toujours « v.1 »",
    "^[0-9][0-9A-F]{3}$": "4 caractères (chiffres, A, B, C, D, E, F), en tête un chiffre",
    # What it means is not what it looks like, or is of a form that is not read: it is shown as it stands.
    "^a|b$": None,
    "^(?=a)b$": None,
    "^[0-9$": None,
    "^(a$": None,
    "^a)b$": None,
    "^(ab){2}$": None,
    "[0-9]": None,
    r"^\w+$": None,
    "^.$": None,
}


@pytest.mark.parametrize(("pattern", "words"), PATTERNS.items())
def test_pattern_is_said_in_words_or_not_at_all(pattern: str, words: str | None) -> None:
    assert in_words(pattern) == words


def test_patterns_of_the_contract_are_said_in_words(pages: dict[str, Reader]) -> None:
    patterns = set(_patterns(DOCUMENT["components"]))
    assert len(patterns) > 10
    for page in pages.values():
        assert not [one for one in patterns if one in page.text]
    assert "12 à 19 chiffres" in pages["doc/getSoldeCarte.html"].text


def _patterns(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("pattern"), str):
            yield node["pattern"]
        node = list(node.values())
    for one in node if isinstance(node, list) else ():
        yield from _patterns(one)


def test_health_probes_speak_of_no_money(pages: dict[str, Reader]) -> None:
    for name in ("healthLive", "healthReady"):
        text = pages[f"doc/{name}.html"].articles[name]
        found = [
            word
            for word in ("crédit", "débit", "solde", "référence", "reference")
            if word in text.lower()
        ]
        assert found == [], name


def test_rate_is_no_debit(pages: dict[str, Reader]) -> None:
    text = pages["doc/getSoldeCarte.html"].articles["getSoldeCarte"]
    assert "Limite d'appels" in text
    assert "Débit" not in text
    written = pages["doc/debitCarte.html"].articles["debitCarte"]
    assert "(classe écriture)" in written


def test_page_costs_nothing_before_it_is_asked_for() -> None:
    """Neither the template nor the Markdown is read in a process that only serves calls."""
    code = (
        "import sys, handlers.app, handlers.contract.reading as c, handlers.settings as s\n"
        "from handlers.site.pages import pages\n"
        "made = pages(c.load(s.ROOT / 'openapi.yaml'), [])\n"
        "lazy = {'handlers.site.page', 'handlers.site.postman', 'markdown_it'}\n"
        "before = lazy & set(sys.modules)\n"
        "made['/'].body\n"
        "others = [path for path in made if made[path].is_finished]\n"
        "print(sorted(before), sorted(others))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[] ['/', '/index.html']\n"
