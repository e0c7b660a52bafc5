"""The pages in a browser: what a reader clicks, on a desk and on a phone, by day and by night.

Each test also fails on any console message, breach of the policy or request to another host: see the
fixture `browser`.
"""

from __future__ import annotations

from typing import Any

import pytest
from selenium.webdriver import ActionChains, Keys

from handlers.site.snippets import SNIPPETS
from tests.site.browser import Browser
from tests.support.contract_client import OPERATIONS, ROOT
from tests.support.needs import lack

pytestmark = pytest.mark.xdist_group("docs-browser")

DESK, PHONE, SMALL_PHONE = 1280, 390, 360
AXE = ROOT / "build" / "docs-node" / "node_modules" / "axe-core" / "axe.min.js"
NAMES = [language.name for language in SNIPPETS]


@pytest.mark.parametrize("width", [DESK, PHONE])
def test_contents_lead_to_each_part(browser: Browser, demo: str, width: int) -> None:
    browser.show(demo, width=width)
    links = browser.all(".sommaire a")
    anchors = [str(link.get_attribute("hash"))[1:] for link in links]
    assert {raw["operationId"] for raw in OPERATIONS.values()} < set(anchors)
    at_end = "return innerHeight + scrollY >= document.documentElement.scrollHeight - 2"
    # On a phone every click costs a second one: some are enough.
    for link, anchor in list(zip(links, anchors, strict=True))[:: 1 if width == DESK else 8]:
        if width == PHONE:
            assert not link.is_displayed()
            browser.click(browser.one(".sommaire summary"))
        link.click()
        assert browser.driver.current_url == f"{demo}/#{anchor}"
        if anchor != "contenu":
            assert 50 <= browser.top_of(anchor) < 130 or browser.run(at_end), anchor
    # Wherever the reader goes, the contents tell where that is.
    browser.show(f"{demo}/#debitCarte", width=width)
    browser.wait(lambda: browser.all(".sommaire [aria-current]"), "a current place")
    current = browser.one(".sommaire [aria-current]")
    assert current.get_attribute("hash") == "#debitCarte"


def test_choice_of_a_language_holds_for_all_and_for_the_next_visit(
    browser: Browser, demo: str
) -> None:
    browser.show(demo)
    browser.run("localStorage.clear()")
    browser.show(f"{demo}/#creditCarte")
    # The generators of clients are those of the other languages.
    assert browser.shown_languages(":has(> [value=curl]) > .volet") == {"curl"}
    for name in NAMES[1:]:
        label = browser.one(f"label[for=creditCarte-appel-{name}]")
        browser.click(label)
        assert browser.shown_languages() == {name}
    browser.show(f"{demo}/#getSoldeCarte")
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


def test_snippet_is_copied_with_the_address_of_this_server(browser: Browser, demo: str) -> None:
    browser.allow_clipboard(demo)
    browser.show(f"{demo}/#demarrer")
    browser.click(browser.one("[data-langage=curl] .copier"))
    browser.with_text("[data-langage=curl] .copier", "Copié")
    copied = browser.driver.execute_async_script(
        "navigator.clipboard.readText().then(arguments[arguments.length - 1])"
    )
    assert copied.startswith(f"API={demo}\n")
    assert copied == browser.one("[data-langage=curl] pre").get_attribute("textContent")


def test_page_is_whole_without_scripts(browser: Browser, demo: str) -> None:
    browser.allow_scripts(False)
    try:
        browser.show(f"{demo}/#accessToken", width=PHONE)
        assert browser.one(".sommaire a").is_displayed()
        assert not browser.all(".copier")
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
    browser.show(f"{demo}/#debitCarte", width=width)
    assert browser.overflow() == 0
    browser.run("document.querySelectorAll('main details').forEach(one => { one.open = true })")
    for name in NAMES:
        browser.run("chooseLanguage(arguments[0])", name)
        assert browser.overflow() == 0, name


@pytest.mark.parametrize(("width", "dark"), [(DESK, False), (DESK, True), (PHONE, False)])
def test_page_is_accessible(browser: Browser, demo: str, width: int, dark: bool) -> None:
    """By the rules of WCAG 2.2 AA that a program can judge: contrast, names, headings, language …"""
    if not AXE.exists():
        lack("no axe-core: make test installs it, with npm")
    browser.show(demo, width=width, dark=dark)
    browser.photograph(f"page-{width}-{'night' if dark else 'day'}")
    for anchor in ("demarrer", "debitCarte", "codes-erreur"):
        browser.run(f"document.getElementById('{anchor}').scrollIntoView()")
        browser.photograph(f"{anchor}-{width}-{'night' if dark else 'day'}")
    if width == DESK:
        browser.run("document.querySelectorAll('main details').forEach(one => { one.open = true })")
    browser.run(AXE.read_text(encoding="utf-8") + "; window.axe = axe")
    # Two operations show every kind of part; all of them would take a minute.
    browser.run(
        "document.querySelectorAll('article').forEach(one => {"
        " if (!one.querySelector('#debitCarte, #getHistoriqueCarte')) one.remove() })"
    )
    judged: dict[str, Any] = browser.driver.execute_async_script(
        "const done = arguments[arguments.length - 1];"
        "axe.run(document, {resultTypes: ['violations'], runOnly: {type: 'tag', values: "
        "['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']}}).then(done)"
    )
    assert len(judged["passes"]) > 20
    found = [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:120]}"
        for one in judged["violations"]
    ]
    assert found == []


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
