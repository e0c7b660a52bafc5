"""Headless Chromium that remembers what a page did wrong: console messages, and requests to other hosts."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from tests.support.contract_client import ROOT
from tests.support.needs import lack, need
from tests.support.patience import CALL_S

SCREENSHOTS = ROOT / "build" / "screenshots"
AXE = ROOT / "build" / "docs-node" / "node_modules" / "axe-core" / "axe.min.js"
WAIT_S = float(CALL_S)

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A page takes the process of the one before it: none is started in advance, none is kept for a way back.
    "--process-per-site",
    "--disable-features=SpareRendererForSitePerProcess,BackForwardCache,MediaRouter,Translate",
)

T = TypeVar("T")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser with a profile of its own, for as long as the block lasts."""
    need("chromium")
    program, driver_program = shutil.which("chromium"), shutil.which("chromedriver")
    assert program is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = program
        for argument in (*_ARGUMENTS, f"--user-data-dir={profile}"):
            options.add_argument(argument)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        driver = Chrome(options, ChromeService(driver_program))
        # Its own patience with a script is 30 s.
        driver.set_script_timeout(WAIT_S)
        try:
            yield Browser(driver)
        finally:
            driver.quit()


class Browser:
    """One tab. Sizes in CSS pixels."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver
        self._hosts: set[str] = set()

    def show(self, url: str, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Open a page at a size, without movements; the hosts of the pages shown are those it may call."""
        self._command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce",
        }
        self._command(
            "Emulation.setEmulatedMedia",
            features=[{"name": name, "value": value} for name, value in features.items()],
        )
        self._hosts.add(urlsplit(url).netloc)
        # Another fragment of the same page would not be another page.
        self.driver.get("about:blank")
        self.driver.get(url)

    def allow_scripts(self, allowed: bool) -> None:
        """Whether the pages shown from now on run their scripts."""
        self._command("Emulation.setScriptExecutionDisabled", value=not allowed)

    def allow_clipboard(self, url: str) -> None:
        """Let the pages of this address read the clipboard, so that a test can."""
        permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"]
        self._command("Browser.grantPermissions", origin=url, permissions=permissions)

    def one(self, css: str) -> WebElement:
        """The first element, waited for."""
        return self.wait(lambda: self.all(css), css)[0]

    def all(self, css: str) -> list[WebElement]:
        """The elements that are there now."""
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def with_text(self, css: str, text: str) -> WebElement:
        """The first element with exactly this text, waited for."""
        found = self.wait(
            lambda: [one for one in self.all(css) if one.text.strip() == text], f"{css} {text!r}"
        )
        return found[0]

    def click(self, element: WebElement) -> None:
        """Click where a hand would: in the middle of the window, not below the band."""
        self.run("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()

    def run(self, script: str, *arguments: Any) -> Any:
        """What the script returns in the page."""
        return self.driver.execute_script(script, *arguments)

    def wait(self, ask: Callable[[], T], what: str) -> T:
        """What `ask` gives as soon as it gives something."""
        deadline = time.monotonic() + WAIT_S
        while True:
            answer = ask()
            if answer:
                return answer
            assert time.monotonic() < deadline, f"the page never had {what}"
            time.sleep(0.02)

    def shown_languages(self, css: str = ".volet") -> set[str]:
        """The languages of the snippets that are seen, of those that `css` designates."""
        return set(
            self.run(
                "return [...document.querySelectorAll(arguments[0])]"
                ".filter(one => one.checkVisibility()).map(one => one.dataset.langage)",
                css,
            )
        )

    def top_of(self, anchor: str) -> float:
        """How far below the window's top the element is."""
        script = "return document.getElementById(arguments[0]).getBoundingClientRect().top"
        return cast("float", self.run(script, anchor))

    def overflow(self) -> int:
        """How many pixels the page is wider than the window."""
        root = "document.documentElement"
        return cast("int", self.run(f"return {root}.scrollWidth - {root}.clientWidth"))

    def faults_of_access(self, repeated: str) -> list[str]:
        """What breaks the rules of WCAG 2.2 AA that a program can judge: contrast, names, headings …

        Of what repeats itself, `repeated` designates what is hidden first: all of it would take a minute.
        """
        if not AXE.exists():
            lack("no axe-core: make test installs it, with npm")
        self.run(
            "document.querySelectorAll(arguments[0]).forEach(one => { one.style.display = 'none' })",
            repeated,
        )
        self.run(AXE.read_text(encoding="utf-8") + "; window.axe = axe")
        judged: dict[str, Any] = self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1];"
            "axe.run(document, {resultTypes: ['violations'], runOnly: {type: 'tag', values: "
            "['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice']}}).then(done)"
        )
        assert len(judged["passes"]) > 20
        return [
            f"{one['id']}: {one['help']}: {node['html'][:120]}: {node['failureSummary'][:160]}"
            for one in judged["violations"]
            for node in one["nodes"][:3]
        ]

    def photograph(self, name: str) -> None:
        """Keep what is seen in build/screenshots, for people."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        self.driver.save_screenshot(str(SCREENSHOTS / f"{name}.png"))

    def faults(self) -> list[str]:
        """What went wrong since this was last asked."""
        said = [
            f"{entry['level']}: {entry['message']}"
            for entry in self._log("browser")
            if entry["level"] in ("WARNING", "SEVERE")
        ]
        return said + [f"asked {url}" for url in self._requests() if self._is_strange(url)]

    def _log(self, kind: str) -> list[dict[str, str]]:
        """What was written since this was last asked."""
        entries: list[dict[str, str]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries

    def _requests(self) -> Iterator[str]:
        for entry in self._log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                yield message["params"]["request"]["url"]

    def _is_strange(self, url: str) -> bool:
        parts = urlsplit(url)
        # The browser's own pages and images written in place come from no host.
        return parts.scheme in ("http", "https", "ws", "wss") and parts.netloc not in self._hosts

    def _command(self, name: str, **parameters: Any) -> None:
        self.driver.execute_cdp_cmd(name, parameters)
