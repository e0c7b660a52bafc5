"""The contract's prose on a page: where its links lead, and which of its words become some."""

from __future__ import annotations

import re
from functools import cache

import pytest

from handlers.contract.reading import load
from handlers.site.prose import FOLDER, Places, Writer
from tests.support.contract_client import CONTRACT


@cache
def writer() -> Writer:
    """Writes the first page of a server."""
    return Writer(load(CONTRACT), Places("", static=False))


def links(html: str) -> list[tuple[str, str]]:
    """Address and text of each link."""
    found = re.findall(r'<a href="([^"]*)">(.*?)</a>', html)
    return [(href, re.sub(r"<[^>]+>", "", text)) for href, text in found]


@pytest.mark.parametrize(
    ("href", "leads_to"),
    [
        ("/openapi.yaml", "openapi.yaml"),
        ("/", "./"),
        ("https://exemple.sn/a", "https://exemple.sn/a"),
        ("mailto:api@exemple.sn", "mailto:api@exemple.sn"),
        ("//ailleurs.example/a", "#"),
        ("ftp://exemple.sn/a", "#"),
        ("#debitCarte", f"{FOLDER}debitCarte.html"),
        ("#code-4001", f"{FOLDER}codes.html#code-4001"),
        ("#dates", f"{FOLDER}concepts.html#dates"),
    ],
)
def test_link_leads_to_the_page_that_has_it(href: str, leads_to: str) -> None:
    assert links(writer().inline(f"[là]({href})")) == [(leads_to, "là")]


def test_operations_and_codes_are_linked_wherever_they_stand() -> None:
    text = "`debitCarte`, `POST /debit-carte`, `4001` et 4001, mais ni `montant` ni 4999 000"
    debit, code = f"{FOLDER}debitCarte.html", f"{FOLDER}codes.html#code-4001"
    assert links(writer().inline(text)) == [
        *((debit, "debitCarte"), (debit, "POST /debit-carte"), (code, "4001"), (code, "4001")),
    ]
    assert links(writer().inline(text, linked=False)) == []
    assert links(writer().inline("[voir `debitCarte` et 4001](#dates)")) == [
        (f"{FOLDER}concepts.html#dates", "voir debitCarte et 4001")
    ]


def test_headings_begin_at_the_level_of_their_page_and_those_below_are_no_contents() -> None:
    html, headings = writer().prose("# Dates\n\ntexte\n\n## Heures d'été\n", level=2)
    assert re.findall(r"<(h\d) id=\"([^\"]*)\">", html) == [("h2", "dates"), ("h3", "heures-d-ete")]
    assert [(one.anchor, one.title) for one in headings] == [("dates", "Dates")]
