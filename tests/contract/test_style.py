"""The style of the contract: what generated clients need, and what the project decided.

The rules are handlers/contract's, which `make contract` and the server's start tell.
"""

from __future__ import annotations

from handlers.contract.reading import load
from handlers.contract.style import UNUSED_ON_PURPOSE
from tests.support.contract_client import CONTRACT, DOCUMENT

TEXT = CONTRACT.read_text(encoding="utf-8")


def test_the_contract_has_no_problem() -> None:
    load(CONTRACT, again=True)


def test_what_is_unused_on_purpose_is_still_unused() -> None:
    used = {f"{kind}/{name}" for kind, named in DOCUMENT["components"].items() for name in named}
    stale = {
        name for name in UNUSED_ON_PURPOSE if name not in used or f'"#/components/{name}"' in TEXT
    }
    assert not stale, f"{stale} is used or gone: remove it from UNUSED_ON_PURPOSE."


def test_the_changelog_has_the_version_of_the_contract() -> None:
    version = DOCUMENT["info"]["version"]
    changelog = (CONTRACT.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {version}\n" in changelog, f"CHANGELOG.md: add a section `## {version}`."
