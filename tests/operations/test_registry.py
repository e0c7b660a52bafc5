"""What the tests do not know of an operation or of a code, they say in one sentence with a place."""

from __future__ import annotations

import pytest

from models.secret import NouveauPartenaire
from tests.support.registry import entry_of
from tests.support.scene import call_of, refusal
from tests.support.world import Carte, Membre

CARTE = Carte(1, "7019800100009569", Membre("CLI-0001", "MBR-0001", "221771234567"))
PAIR = NouveauPartenaire("key", "secret")


def test_entry_that_is_there_is_given() -> None:
    assert entry_of({"a": 1}, "a", write="it", file="a file") == 1


def test_code_without_an_entry_says_where_it_goes() -> None:
    with pytest.raises(AssertionError, match=r"do not know 1234 yet: .*x-catalogue-erreurs.*yaml"):
        refusal("1234")


def test_place_of_a_text_without_a_value_is_named() -> None:
    with pytest.raises(AssertionError, match=r"\{parametre\} in the text of the code 405 yet"):
        refusal("405")


def test_operation_that_the_contract_lacks_says_where_it_goes() -> None:
    with pytest.raises(AssertionError, match=r"know noSuchOperation yet: .* in openapi\.yaml"):
        call_of("noSuchOperation", CARTE, PAIR)
