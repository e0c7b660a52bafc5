"""Pairs: how they are drawn, and how the two readings of a sent one are compared."""

from __future__ import annotations

import hmac
import math
import re
from datetime import timedelta

import pytest

from models.database.engine import Database
from models.secret import find_by_secret, hash_secret, rotate
from tests.support.acteurs import TESTEUR
from tests.support.world import PEPPER, World


def test_drawn_pairs_are_letters_and_digits_of_256_bits(shared_database: Database) -> None:
    """No client has anything to encode, whatever it thinks of RFC 6749, 2.3.1."""
    world = World(shared_database, "")
    pairs = [world.partenaire([]) for _ in range(20)]
    with shared_database.transaction() as connection:
        rotated = [
            rotate(connection, TESTEUR, pair.consumer_key, delai=timedelta(0), pepper=PEPPER)
            for pair in pairs
        ]
    for key, secret in (*pairs, *rotated):
        assert re.fullmatch("[A-Za-z0-9]{24}", key)
        assert re.fullmatch("[A-Za-z0-9]{43}", secret)
    secrets = {secret for _, secret in (*pairs, *rotated)}
    assert len(secrets) == 40
    assert 43 * math.log2(62) >= 256
    # Each character comes: none is left out of the draw.
    assert len(set("".join(secrets))) == 62


@pytest.mark.parametrize("known", ["neither", "first", "second"])
def test_both_readings_are_compared_whichever_key_is_known(
    shared_database: Database, known: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair = World(shared_database, "").partenaire([])
    keys = {"neither": ("a", "b"), "first": (pair[0], "b"), "second": ("a", pair[0])}[known]
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def note(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", note)
    with shared_database.reading() as connection:
        found = find_by_secret(
            connection, keys[0], "x", decoded=(keys[1], "y"), pepper=PEPPER, demo_allowed=True
        )
    assert not found.valid
    assert [one for one, _ in compared] == [hash_secret("x", PEPPER), hash_secret("y", PEPPER)]
    assert {len(other) for _, other in compared} == {32}


def test_secret_opens_with_its_own_key_only(shared_database: Database) -> None:
    """Not with the key of the other reading, although one query looks both up."""
    world = World(shared_database, "")
    one, other = world.partenaire([]), world.partenaire([])
    with shared_database.reading() as connection:
        for first, second, opened in (
            ((one[0], one[1]), (other[0], "x"), one[0]),
            ((one[0], "x"), (other[0], other[1]), other[0]),
            ((one[0], other[1]), (other[0], one[1]), None),
        ):
            found = find_by_secret(
                connection, *first, decoded=second, pepper=PEPPER, demo_allowed=True
            )
            assert found.valid == (opened is not None)
            if opened is not None and found.partenaire is not None:
                assert found.partenaire.consumer_key == opened
