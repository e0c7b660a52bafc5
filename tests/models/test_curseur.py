"""Curseurs: what was given is taken back, and nothing else is."""

from __future__ import annotations

import base64

import pytest

from models.database.curseur import decode_curseur, encode_curseur
from models.errors import ParametreInvalide


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize("kind", ["1", "h1"])
@pytest.mark.parametrize("position", [0, 1, 9, 10, 123_456_789, 2**62])
def test_curseur_gives_its_position_back(kind: str, position: int) -> None:
    assert decode_curseur(kind, encode_curseur(kind, position)) == position


@pytest.mark.parametrize(
    ("position", "expected"), [(1, "MTox"), (42, "MTo0Mg"), (2**62, "MTo0NjExNjg2MDE4NDI3Mzg3OTA0")]
)
def test_curseurs_that_partners_hold_stay_good(position: int, expected: str) -> None:
    assert encode_curseur("1", position) == expected


def test_number_that_no_database_takes_is_made_smaller() -> None:
    assert decode_curseur("1", _encoded("1:" + "9" * 40)) == 2**62


@pytest.mark.parametrize(
    "curseur",
    [
        "",
        "é",
        "a",
        "MTox=",
        "MTox\n",
        encode_curseur("h1", 1),
        _encoded("1:01"),
        _encoded("1:-1"),
        _encoded("1:"),
        _encoded("1"),
        _encoded("1:é"),
        _encoded("1:1 "),
    ],
)
def test_any_other_text_is_refused(curseur: str) -> None:
    with pytest.raises(ParametreInvalide):
        decode_curseur("1", curseur)
