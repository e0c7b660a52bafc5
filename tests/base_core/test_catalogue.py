"""The page of codes shows each as the catalogue has it, to the last word: its advice stands nowhere else."""

from __future__ import annotations

import html
import re

import pytest

from tests.support.contract_client import Json
from tests.support.office import READING, Office

pytestmark = pytest.mark.only_on("sqlite")  # pages ask no database


def shown(cell: str) -> str:
    """The words of a piece of HTML, without the marks of typography."""
    text = html.unescape(re.sub(r"<[^>]*>", "", cell.replace("<br>", " ")))
    return " ".join(text.replace("\u2019", "'").split())


@pytest.fixture(scope="module")
def rows(office: Office) -> dict[str, list[str]]:
    """The cells of each code's row."""
    page = office.maker.get("/doc/codes.html").text
    found = re.findall(r'<tr id="code-(\w+)">(.*?)</tr>', page, re.DOTALL)
    cells = re.compile(r"<t[hd][^>]*>(.*?)</t[hd]>", re.DOTALL)
    return {code: [shown(one) for one in cells.findall(row)] for code, row in found}


def test_page_of_codes_has_every_code_once(rows: dict[str, list[str]]) -> None:
    assert list(rows) == list(READING.catalogue)


@pytest.mark.parametrize("entry", READING.catalogue.values(), ids=lambda entry: entry["code"])
def test_code_is_shown_as_the_catalogue_has_it(rows: dict[str, list[str]], entry: Json) -> None:
    code, statut, words, retry, _ = rows[entry["code"]]
    texts = (entry["message"]["fr"], entry["nom"], entry["conseil"]["fr"])
    assert words == re.sub(r"\{(\w+)\}", r"\1", " ".join(texts))
    assert (code, statut) == (entry["code"], str(entry["statut"]))
    assert retry == ("Oui" if entry["reessayer"] else "Non")
