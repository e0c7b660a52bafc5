"""The back office has pages of its own: they speak of persons, and partners' pages know nothing of them."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path

import pytest

from handlers.contract.model import OperationContract
from handlers.contract.reading import load
from handlers.contract.surface import BASE_CORE
from handlers.site import static_copy
from handlers.site.pages import pages
from tests.support.contract_client import BASE_CORE_CONTRACT, CONTRACT

SERVED = load(BASE_CORE_CONTRACT, surface=BASE_CORE)
PAGES = pages(SERVED, [])


def text_of(path: str) -> str:
    """What people read of a page."""
    made = PAGES[f"/base-core/{path}"].body.decode()
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", made)).split())


@pytest.mark.parametrize("one", SERVED.operations.values(), ids=lambda one: one.operation_id)
def test_page_of_an_operation_says_which_right_and_whose(one: OperationContract) -> None:
    text = text_of(f"doc/{one.operation_id}.html")
    roles = [role for role, rights in SERVED.document["x-roles"].items() if one.droit in rights]
    told = {
        "*:valider": "celui de valider ce type de demande",
        "*:saisir": "celui de saisir ce type de demande",
        "aucun": "aucun, être agent suffit",
    }.get(one.droit or "", f"{one.droit} , des rôles {', '.join(roles)}")
    assert f"Droit {told}" in text
    assert "Jeton d’une personne (Bearer)" in text
    assert "6 000 appels par minute et par agent" in text.replace("\u202f", " ").replace(
        "\xa0", " "
    )


def test_first_page_takes_the_token_of_a_person() -> None:
    text = text_of("index.html")
    assert "1. Présenter le jeton" in text
    assert "JETON : le jeton d'accès de la personne, lu de l'environnement." in text
    assert "CONSUMER_KEY" not in text


def test_first_page_is_there_without_its_slash() -> None:
    typed, page = PAGES["/base-core"], PAGES["/base-core/"]
    assert typed.body.replace(b'\n    <base href="base-core/">', b"", 1) == page.body
    assert b"base-uri 'self'" in dict(typed.headers)[b"content-security-policy"]
    assert "" not in pages(load(CONTRACT), [])


@pytest.mark.parametrize("path", ["ui", "doc/telechargements.html", "collection.postman.json"])
def test_nothing_asks_a_person_for_a_pair(path: str) -> None:
    # What a partner is called is a field, and a word; its secret is neither.
    told = re.sub("consumer(Key|-key)", "", PAGES[f"/base-core/{path}"].body.decode())
    assert "consumer" not in told


def test_changes_are_its_own() -> None:
    assert "base-core 1.0.0" in text_of("doc/changements.html")
    assert "1.4.0" not in text_of("doc/changements.html")


def test_pages_of_partners_know_nothing_of_it() -> None:
    partners = pages(load(CONTRACT), [])
    made = [page.body for path, page in partners.items() if path.endswith((".html", ".js", "/"))]
    assert made
    assert not any(b"base-core" in body for body in made if b"swagger" not in body[:2000])


def test_static_copies_stand_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "docs"
    monkeypatch.setattr(sys, "argv", ["static_copy", str(folder)])
    assert static_copy.main() == 0
    beside = tmp_path / "docs-base-core"
    assert capsys.readouterr().out == f"{folder}/index.html\n{beside}/index.html\n"
    assert "validerDemande" in (beside / "doc" / "validerDemande.html").read_text(encoding="utf-8")
    told = b"".join(one.read_bytes() for one in folder.rglob("*.*") if "swagger" not in one.name)
    assert b"base-core" not in told
    assert b"validerDemande" not in told
