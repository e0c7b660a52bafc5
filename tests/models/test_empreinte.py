"""The hash of a request's content: what was stored once is recognised for ever."""

from __future__ import annotations

import pytest

from models.journal.empreinte import Contenu
from models.journal.reference import Details
from models.mouvement import CarteDesignee, Demande

CARTE = CarteDesignee("7019800000000001", "221771234567", "C1")
AUTRE = CarteDesignee("7019800000000002", "221770000002", "C2")
DETAILS = Details("pain", "S-1", "T")

STORED = {
    (1, "DEBIT", Demande(CARTE, 100, "R")): (
        "e15a0f1defbd11b0908076543fff57b1f31d1b0c3efa4f74d6bfc9ab3d01224c"
    ),
    (2, "DEBIT", Demande(CARTE, 100, "R")): (
        "a2cae544720ad443a80920d9975ddde978ea72fa8c9ba011e2b0d00a38a3b209"
    ),
    (2, "CREDIT", Demande(CARTE, 100, "R", DETAILS)): (
        "5dedbbd2c5d4b0fb3c6faabd6e3e61c520c0baed94231157c3ddcf722579f52b"
    ),
    (2, "TRANSFERT", Demande(CARTE, 100, "R", DETAILS, AUTRE)): (
        "3e8f1be8c12f4bc2b610d81cf659bb9c7408ec918e8be9e1116ad383c90b7603"
    ),
}
"""Hashes that databases hold. Whoever changes what is hashed adds a shape, and leaves these alone."""


@pytest.mark.parametrize(("version", "type_", "demande"), STORED)
def test_a_stored_hash_is_recognised_with_and_without_its_version(
    version: int, type_: str, demande: Demande
) -> None:
    stored = bytes.fromhex(STORED[version, type_, demande])
    contenu = demande.contenu(type_)
    assert contenu.is_of(stored, version)
    assert contenu.is_of(stored, None)
    assert not contenu.is_of(stored, 3 - version)
    assert not demande._replace(montant=101).contenu(type_).is_of(stored, version)


def test_what_is_stored_now_is_the_newest_shape() -> None:
    demande = Demande(CARTE, 100, "R")
    contenu = demande.contenu("DEBIT")
    assert (contenu.version, contenu.empreinte.hex()) == (2, STORED[2, "DEBIT", demande])


def test_a_version_that_comes_later_does_not_forget_the_ones_before() -> None:
    before = Contenu({2: ["a", 1]})
    after = Contenu({2: ["a", 1], 3: {"a": 1}})
    assert after.version == 3
    assert after.is_of(before.empreinte, 2)
    assert after.is_of(before.empreinte, None)
    assert after.is_of(after.empreinte, 3)
    assert not after.is_of(after.empreinte, None), "such a hash was never stored without its number"
    assert not before.is_of(after.empreinte, 3), "nor can a server of before read it"
