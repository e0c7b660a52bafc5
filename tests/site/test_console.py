"""The console, which calls the server for real, and the static copy of the pages, which calls nothing.

Each test also fails on any console message, breach of the policy or request to another host: see the
fixture `browser`.
"""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.contract.reading import load
from handlers.site.packages import packages
from handlers.site.static_copy import write
from tests.site.browser import Browser
from tests.support.contract_client import CONTRACT, DOCUMENT, OPERATIONS
from tests.support.patience import CALL_S

pytestmark = pytest.mark.xdist_group("docs-console")

DESK, PHONE, SMALL_PHONE = 1280, 390, 360


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_console_tries_an_operation_for_real(browser: Browser, demo: str, width: int) -> None:
    _try_an_operation(browser, f"{demo}/ui", width)


def test_console_with_a_slash_behind_a_prefix_calls_what_is_below_it(
    browser: Browser, demo: str
) -> None:
    with _prefix_proxy(demo, "/un/prefixe") as address:
        _try_an_operation(browser, f"{address}/un/prefixe/ui/", DESK)
        assert browser.one(".servers option").text.startswith("/un/prefixe")
        browser.click(browser.with_text(".bandeau a", "Documentation"))
        assert browser.one("code.adresse").text == f"{address}/un/prefixe"
        browser.click(browser.one(".sommaire a[href$='accessToken.html']"))
        assert browser.one(".volet .adresse").text == f"{address}/un/prefixe"


def _try_an_operation(browser: Browser, console: str, width: int) -> None:
    browser.show(console, width=width)
    browser.click(browser.one("button.authorize"))
    form = browser.one(".auth-container")
    form.find_element("css selector", "#client_id_clientCredentials").send_keys("demo-partenaire")
    form.find_element("css selector", "#client_secret_clientCredentials").send_keys("demo-secret")
    form.find_element("css selector", ".modal-btn.authorize").click()
    browser.with_text(".auth-container h6", "Authorized")
    browser.photograph(f"console-authorized-{width}")
    browser.click(browser.one(".modal-ux .btn-done"))
    operation = browser.one("#operations-cartes-getSoldeCarte")
    browser.click(operation.find_element("css selector", ".opblock-summary-control"))
    browser.click(browser.one("#operations-cartes-getSoldeCarte .execute"))
    live = "#operations-cartes-getSoldeCarte .live-responses-table"
    assert browser.one(f"{live} .response-col_status").text.split()[0] == "Code"
    status = browser.one(f"{live} tr.response .response-col_status")
    assert status.text.split()[0] == "200"
    body = browser.one(f"{live} tr.response .response-col_description pre").text
    # The demo is shared: what its card holds now depends on who used it before.
    assert re.search(r'"soldeOnline": [0-9]+', body)
    browser.photograph(f"console-{width}")
    assert browser.overflow() == 0


@pytest.mark.parametrize("width", [SMALL_PHONE, DESK])
def test_console_and_page_lead_to_each_other(browser: Browser, demo: str, width: int) -> None:
    browser.show(demo, width=width)
    browser.click(browser.with_text(".bandeau a", "Console"))
    assert browser.driver.current_url == f"{demo}/ui"
    browser.one(".opblock")
    assert browser.overflow() == 0
    browser.click(browser.with_text(".bandeau a", "Documentation"))
    browser.one("h1")
    assert browser.driver.current_url == f"{demo}/"


@pytest.mark.parametrize(("width", "dark"), [(DESK, True), (PHONE, False)])
def test_console_begins_with_the_operations_in_the_colours_that_are_asked_for(
    browser: Browser, demo: str, width: int, dark: bool
) -> None:
    browser.show(f"{demo}/ui", width=width, dark=dark)
    first = browser.one(".opblock")
    browser.photograph(f"console-first-{width}-{'night' if dark else 'day'}")
    bottom = browser.run("return arguments[0].getBoundingClientRect().bottom", first)
    assert bottom < 600, "the introduction is that of the pages"
    assert not browser.all(".info .description, .info .title")
    titles = [tag.get("x-displayName", tag["name"].capitalize()) for tag in DOCUMENT["tags"]]
    assert [one.text for one in browser.all(".opblock-tag > a")] == titles
    colour = "return getComputedStyle(arguments[0]).backgroundColor.match(/\\d+/g).map(Number)"
    for place in ("body", ".opblock"):
        shade = browser.run(colour, browser.one(place))[:3]
        assert (max(shade) < 128) == dark, (place, shade)
    # The address of an operation is made of the name of its tag, whatever is read in its place.
    browser.click(browser.one("#operations-sante-healthLive .opblock-summary-control"))
    assert browser.driver.current_url == f"{demo}/ui#/sante/healthLive"


@pytest.mark.parametrize(("width", "dark"), [(DESK, False), (DESK, True), (PHONE, False)])
def test_console_is_accessible(browser: Browser, demo: str, width: int, dark: bool) -> None:
    """Operations closed and open, one tried, a schema, and the window of "Authorize"."""
    shown = "night" if dark else "day"
    browser.show(f"{demo}/ui", width=width, dark=dark)
    for place in ("cartes-getHistoriqueCarte", "mouvements-debitCarte", "sante-healthLive"):
        browser.click(browser.one(f"#operations-{place} .opblock-summary-control"))
        browser.one(f"#operations-{place} .responses-table")
    browser.click(browser.one("#operations-sante-healthLive .execute"))
    browser.one("#operations-sante-healthLive .live-responses-table")
    browser.photograph(f"console-tried-{width}-{shown}")
    browser.click(
        browser.one("#operations-mouvements-debitCarte .response .tablinks[data-name=model]")
    )
    browser.one("#operations-mouvements-debitCarte .response .model")
    browser.click(browser.one("#operations-cartes-getHistoriqueCarte .opblock-summary-method"))
    browser.click(browser.one("#operations-cartes-getHistoriqueCarte .opblock-summary-method"))
    browser.photograph(f"console-open-{width}-{shown}")
    repeated = (
        ".response:nth-child(n+4), .headers tr:nth-child(n+3), .opblock-tag-section:nth-child(n+6)"
    )
    assert browser.faults_of_access(repeated) == []
    browser.click(browser.one("button.authorize"))
    browser.one(".auth-container")
    browser.photograph(f"console-authorize-{width}-{shown}")
    assert browser.faults_of_access(".opblock-tag-section") == []
    # What has no address is pressed by the keys of a button.
    everything = browser.one(".scopes [data-all=true]")
    everything.send_keys(" ")
    scopes = browser.all(".scopes input[type=checkbox]")
    assert scopes
    assert all(one.is_selected() for one in scopes)


@contextmanager
def _file_server(folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    handler = functools.partial(Quiet, directory=str(folder))
    with _in_a_thread(ThreadingHTTPServer(("127.0.0.1", 0), handler)) as address:
        yield address


@contextmanager
def _prefix_proxy(upstream: str, prefix: str) -> Iterator[str]:
    """What a proxy does that serves the API below a prefix, and nothing beside it."""

    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """Ask for what is behind the prefix."""
            below = self.path.startswith(prefix + "/")
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kept = ("Accept", "Authorization", "Content-Type")
            answer = httpx.request(
                self.command,
                upstream + (self.path.removeprefix(prefix) if below else "/nowhere"),
                content=body or None,
                headers={name: self.headers[name] for name in kept if name in self.headers},
                trust_env=False,
            )
            self.send_response(answer.status_code)
            for name in ("Content-Type", "Content-Security-Policy"):
                if name in answer.headers:
                    self.send_header(name, answer.headers[name])
            self.end_headers()
            self.wfile.write(answer.content)

        do_POST = do_GET  # noqa: N815 - the name that the standard library calls

        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with _in_a_thread(ThreadingHTTPServer(("127.0.0.1", 0), Proxy)) as address:
        yield address


@contextmanager
def _in_a_thread(server: ThreadingHTTPServer) -> Iterator[str]:
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory, clients: Path) -> Iterator[str]:
    """The address of a static copy, under a prefix."""
    root = tmp_path_factory.mktemp("static")
    contract, folder = load(CONTRACT), root / "un" / "prefixe"
    (folder / "clients").mkdir(parents=True)
    (folder / "clients" / "cynod-java-0.9.0.zip").write_bytes(b"of an older contract")
    (folder / "doc").mkdir()
    (folder / "doc" / "operationRetiree.html").write_bytes(b"of an older contract")
    write(contract, packages(clients, contract), folder)
    with _file_server(root) as address:
        yield f"{address}/un/prefixe/"


def test_static_copy_is_the_same_pages_under_their_own_policy(
    browser: Browser, demo: str, copy: str
) -> None:
    for path in ("", "doc/debitCarte.html", "doc/codes.html", "doc/telechargements.html"):
        served = httpx.get(f"{demo}/{path}", trust_env=False, timeout=CALL_S).text
        copied = httpx.get(f"{copy}{path}", trust_env=False, timeout=CALL_S).text
        policies = re.findall(r'http-equiv="Content-Security-Policy" content="(.*?)"', copied)
        assert len(policies) == 1
        assert policies[0].startswith("default-src &#39;none&#39;; script-src &#39;self&#39;; ")
        bare = re.sub(r' *<meta http-equiv="Content-Security-Policy".*\n', "", copied)
        bare = bare.replace('data-serveur="non"', 'data-serveur="oui"')
        bare = re.sub(r'href="((?:\.\./)?)ui/index.html"', r'href="\1ui"', bare)
        bare = bare.replace('href="../index.html', 'href="../').replace('"index.html', '"./')
        bare = bare.replace(
            "lire le contrat dans Swagger UI",
            "essayer les opérations depuis le navigateur\N{NO-BREAK SPACE}; les appels sont réels",
        )
        assert bare == served, path
    browser.show(copy)
    # No server of the API answers there, so the examples keep the address that stands for one.
    assert browser.one("code.adresse").text == "https://api.cynod.example"
    browser.one(".sommaire a[href$='debitCarte.html']").click()
    browser.click(browser.one("label[for=debitCarte-appel-php]"))
    assert browser.shown_languages() == {"php"}
    browser.run("localStorage.clear()")


def test_copy_on_a_disk_is_searched_and_read(browser: Browser, tmp_path: Path) -> None:
    """Without any server: its links name files, and its search fetches nothing."""
    write(load(CONTRACT), [], tmp_path)
    browser.show(f"file://{tmp_path}/index.html")
    browser.one("#recherche").send_keys("4001")
    browser.click(browser.one(".trouves a"))
    browser.wait(
        lambda: browser.driver.current_url == f"file://{tmp_path}/doc/codes.html#code-4001", "it"
    )
    browser.click(browser.one(".bandeau .nom"))
    assert browser.one("h2#demarrer").is_displayed()
    assert browser.driver.current_url == f"file://{tmp_path}/index.html"


@pytest.mark.parametrize(
    "name",
    [
        *("openapi.yaml", "openapi.json", "openapi-3.1.json", "collection.postman.json"),
        "doc/recherche.js",
        *(
            f"clients/cynod-{name}-{DOCUMENT['info']['version']}.zip"
            for name in ("java", "python-httpx")
        ),
    ],
)
def test_static_copy_has_the_same_files(demo: str, copy: str, name: str) -> None:
    served = httpx.get(f"{demo}/{name}", trust_env=False, timeout=CALL_S)
    assert served.status_code == 200
    assert httpx.get(f"{copy}{name}", trust_env=False, timeout=CALL_S).content == served.content


def test_static_copy_has_no_clients_or_pages_of_another_contract(copy: str) -> None:
    version = DOCUMENT["info"]["version"]
    gone = httpx.get(f"{copy}doc/operationRetiree.html", trust_env=False, timeout=CALL_S)
    assert gone.status_code == 404
    for name in ("java-0.9.0", f"php-{version}", f"go-{version}"):
        answer = httpx.get(f"{copy}clients/cynod-{name}.zip", trust_env=False, timeout=CALL_S)
        assert answer.status_code == 404


def test_static_console_shows_the_contract_and_calls_nothing(browser: Browser, copy: str) -> None:
    browser.show(copy)
    browser.click(browser.with_text(".bandeau a", "Console"))
    assert browser.driver.current_url == f"{copy}ui/index.html"
    operations = browser.wait(lambda: browser.all(".opblock"), "operations")
    assert len(operations) == len(OPERATIONS)
    assert DOCUMENT["info"]["title"] in browser.one("h1").text
    assert browser.one(".essai-non").is_displayed()
    assert not browser.one(".essai-oui").is_displayed()
    browser.click(browser.one("#operations-cartes-getSoldeCarte .opblock-summary-control"))
    browser.one("#operations-cartes-getSoldeCarte .responses-table")
    assert not browser.all(".execute, .try-out")
    browser.click(browser.with_text(".bandeau a", "Documentation"))
    browser.one("h1")
    assert browser.driver.current_url == f"{copy}index.html"
