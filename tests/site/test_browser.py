"""The pages in a browser: what a reader clicks, on a desk and on a phone, by day and by night.

Each test also fails on any console message, breach of the policy or request to another host: see the
fixture `browser`.
"""

from __future__ import annotations

import pytest
from selenium.webdriver import ActionChains, Keys

from handlers.site.snippets import SNIPPETS
from tests.site.browser import Browser
from tests.support.contract_client import OPERATIONS

pytestmark = pytest.mark.xdist_group("docs-browser")

DESK, PHONE, SMALL_PHONE = 1280, 390, 360
OTHERS = [f"doc/{name}.html" for name in ("concepts", "codes", "telechargements", "changements")]
REPEATED = (
    "tbody > tr:nth-child(n+7), li > ul > li:nth-child(n+4), .index > li:nth-child(n+4), "
    ".codes-courts > li:nth-child(n+4), .refus:nth-of-type(n+4)"
)
NAMES = [language.name for language in SNIPPETS]


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_contents_lead_to_each_part(browser: Browser, demo: str, width: int) -> None:
    """test_page.py follows every link; here some are clicked."""
    browser.show(demo, width=width)
    links = [str(link.get_attribute("href")) for link in browser.all(".sommaire a")]
    pages = {link.rpartition("/doc/")[2] for link in links}
    assert {f"{raw['operationId']}.html" for raw in OPERATIONS.values()} < pages
    for href in ("debitCarte.html", "concepts.html", "concepts.html#droits", "codes.html"):
        link = browser.one(f".sommaire a[href$='{href}']")
        if width == PHONE:
            assert not link.is_displayed()
            browser.click(browser.one(".sommaire summary"))
        browser.click(link)
        _wait_for(browser, f"{demo}/doc/{href}")
        _, _, anchor = href.partition("#")
        at_end = "return innerHeight + scrollY >= document.documentElement.scrollHeight - 2"
        assert not anchor or 50 <= browser.top_of(anchor) < 130 or browser.run(at_end)
        # Wherever the reader goes, the contents tell where that is.
        current = browser.one(".sommaire [aria-current=page]")
        assert str(current.get_attribute("href")) == f"{demo}/doc/{href.partition('#')[0]}"
    browser.show(f"{demo}/doc/concepts.html#authentification", width=width)
    current = browser.one(".sommaire [aria-current=location]")
    assert current.get_attribute("hash") == "#authentification"


@pytest.mark.parametrize(("width", "height"), [(DESK, 900), (PHONE, 844)])
def test_first_request_is_seen_without_scrolling(
    browser: Browser, demo: str, width: int, height: int
) -> None:
    """Get a token, and call with it."""
    browser.show(demo, width=width, height=height)
    for step, wanted in enumerate(("/access-token", "Bearer $JETON")):
        block = browser.all("[data-langage=curl] pre")[step]
        assert wanted in block.text
        bottom = browser.run("return arguments[0].getBoundingClientRect().bottom", block)
        assert bottom <= height, step


@pytest.mark.parametrize("scripts", [True, False])
def test_addresses_of_the_single_page_that_once_was_lead_on(
    browser: Browser, demo: str, scripts: bool
) -> None:
    browser.allow_scripts(scripts)
    try:
        for old, new in {
            "debitCarte": "doc/debitCarte.html",
            "code-4001": "doc/codes.html#code-4001",
            "droits": "doc/concepts.html#droits",
        }.items():
            browser.show(f"{demo}/#{old}")
            if scripts:
                _wait_for(browser, f"{demo}/{new}")
            elif old != "droits":
                target = browser.one(":target a")
                assert target.get_attribute("href") == f"{demo}/{new}"
    finally:
        browser.allow_scripts(True)


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_search_finds_by_words_names_and_codes(browser: Browser, demo: str, width: int) -> None:
    browser.show(f"{demo}/doc/concepts.html", width=width)
    field = browser.one("#recherche")
    assert not browser.all("script[src$='recherche.js']"), "its list is loaded by who searches"
    for asked, title in {
        "solde insuf": "4001 Solde insuffisant",
        "4002": "4002 Référence déjà utilisée pour une autre opération",
        "Debit carte": "Débit d’une carte (paiement) POST /debit-carte",
        "réessayer payer": "Réessayer sans payer deux fois",
        "getHistoriqueCarte": "Historique d’une carte GET /get-historique-carte",
        "quota": "Limites d’appels",
    }.items():
        field.clear()
        field.send_keys(asked)
        _wait_for_result(browser, title)
        assert browser.overflow() == 0
    browser.photograph(f"search-{width}")
    field.clear()
    field.send_keys("zzzz")
    browser.with_text(".trouves [role=status]", "Aucun résultat")
    field.send_keys(Keys.ESCAPE)
    assert not browser.one(".trouves").is_displayed()
    # Without a mouse: from the field to what is found, and there.
    field.clear()
    ActionChains(browser.driver).key_down(Keys.CONTROL).send_keys("k").key_up(
        Keys.CONTROL
    ).perform()
    field.send_keys("4001")
    browser.wait(lambda: browser.all(".trouves a"), "results")
    field.send_keys(Keys.ARROW_DOWN)
    browser.driver.switch_to.active_element.send_keys(Keys.ENTER)
    _wait_for(browser, f"{demo}/doc/codes.html#code-4001")


def _wait_for(browser: Browser, url: str) -> None:
    browser.wait(lambda: browser.driver.current_url == url, url)


def _wait_for_result(browser: Browser, title: str) -> None:
    """Until it is the first one."""
    first = "return document.querySelector('.trouves a')?.textContent ?? ''"
    browser.wait(lambda: str(browser.run(first)).startswith(title), title)


def test_choice_of_a_language_holds_for_all_and_for_the_next_visit(
    browser: Browser, demo: str
) -> None:
    browser.show(demo)
    browser.run("localStorage.clear()")
    browser.show(f"{demo}/doc/creditCarte.html")
    assert browser.shown_languages() == {"curl"}
    for name in NAMES[1:]:
        label = browser.one(f"label[for=creditCarte-appel-{name}]")
        browser.click(label)
        assert browser.shown_languages() == {name}
    browser.show(f"{demo}/doc/getSoldeCarte.html")
    assert browser.shown_languages() == {NAMES[-1]}
    # The generators of clients are those of the other languages.
    browser.show(f"{demo}/doc/telechargements.html")
    assert browser.shown_languages() == {NAMES[-1]}
    browser.run("localStorage.clear()")


def test_keyboard_reaches_the_text_and_the_languages(browser: Browser, demo: str) -> None:
    browser.show(demo)
    ActionChains(browser.driver).send_keys(Keys.TAB).perform()
    skip = browser.driver.switch_to.active_element
    assert skip.text == "Aller au contenu"
    skip.send_keys(Keys.ENTER)
    assert browser.run("return document.activeElement.id") == "contenu"
    browser.run("document.getElementById('preparation-curl').focus()")
    ActionChains(browser.driver).send_keys(Keys.ARROW_RIGHT).perform()
    assert browser.shown_languages() == {"python"}
    browser.run("localStorage.clear()")


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_snippet_is_copied_with_the_address_of_this_server(
    browser: Browser, demo: str, width: int
) -> None:
    browser.allow_clipboard(demo)
    browser.show(f"{demo}/#demarrer", width=width)
    browser.click(browser.one("[data-langage=curl] .copier"))
    browser.with_text("[data-langage=curl] .copier", "Copié")
    copied = browser.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[arguments.length - 1])"
    )
    assert copied.startswith(f"API={demo}\n")
    assert copied == browser.one("[data-langage=curl] pre").get_attribute("textContent")
    # Where there is a button, it lies on no code.
    covered = (
        "return [...document.querySelectorAll('.copier')].filter(one => one.checkVisibility() &&"
        " one.getBoundingClientRect().bottom > one.nextElementSibling.getBoundingClientRect().top)"
    )
    assert browser.run(covered) == []


def test_page_is_whole_without_scripts(browser: Browser, demo: str) -> None:
    browser.allow_scripts(False)
    try:
        browser.show(f"{demo}/doc/accessToken.html", width=PHONE)
        assert browser.one(".sommaire a").is_displayed()
        assert not browser.all(".copier")
        assert not browser.one("#recherche").is_displayed()
        browser.one("label[for=accessToken-appel-java]").click()
        code = browser.one("#accessToken-appel-java").find_element(
            "xpath", "../div[@data-langage='java']"
        )
        assert code.is_displayed()
        assert "class Cynod" in code.text
    finally:
        browser.allow_scripts(True)


@pytest.mark.parametrize("width", [SMALL_PHONE, PHONE, 768, DESK])
def test_page_is_never_wider_than_the_window(browser: Browser, demo: str, width: int) -> None:
    for page in ("", "doc/debitCarte.html", *(OTHERS if width == SMALL_PHONE else ())):
        browser.show(f"{demo}/{page}", width=width)
        assert browser.overflow() == 0, page
        browser.run("document.querySelectorAll('main details').forEach(one => { one.open = true })")
        for name in NAMES if browser.all(".volet") else NAMES[:1]:
            browser.run("chooseLanguage(arguments[0])", name)
            assert browser.overflow() == 0, (page, name)


@pytest.mark.parametrize(("width", "dark"), [(DESK, False), (DESK, True), (PHONE, False)])
def test_pages_are_accessible(browser: Browser, demo: str, width: int, dark: bool) -> None:
    """By the rules of WCAG 2.2 AA that a program can judge: contrast, names, headings, language …"""
    # What the other pages are made of is judged by one light; the changes are prose.
    others = [] if dark or width == PHONE else OTHERS[:-1]
    for page in ["", "doc/getHistoriqueCarte.html", *others]:
        browser.show(f"{demo}/{page}", width=width, dark=dark)
        name = page.rpartition("/")[2].removesuffix(".html") or "first"
        browser.photograph(f"{name}-{width}-{'night' if dark else 'day'}")
        if width == DESK:
            browser.run(
                "document.querySelectorAll('main details').forEach(one => { one.open = true })"
            )
        if not page:
            browser.one("#recherche").send_keys("solde")
            browser.wait(lambda: browser.all(".trouves a"), "results")
        assert browser.faults_of_access(REPEATED) == [], page


def test_watch_of_these_tests_sees_a_breach_and_another_host(browser: Browser, demo: str) -> None:
    browser.show(demo)
    assert browser.faults() == []
    browser.run(
        "document.body.append(Object.assign(new Image(), {src: 'http://localhost:9/x.png'}))"
    )
    found = browser.wait(browser.faults, "a fault")
    assert "violates the following Content Security Policy directive" in found[0]
    # An address that the policy lets through is seen as well: a page that is not the demo's.
    browser.driver.get(f"{demo.replace('127.0.0.1', 'localhost')}/openapi.json")
    strange = browser.wait(browser.faults, "a fault")
    assert [one for one in strange if one.startswith("asked http://localhost:")]
    browser.show(demo)
    browser.faults()
