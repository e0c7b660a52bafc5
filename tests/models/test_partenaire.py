"""A partner's secrets and tokens: how they are kept, compared, changed and forgotten."""

from __future__ import annotations

import hmac
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select, update

from models.authentification import (
    find_by_token,
    issue_token,
    jetons,
)
from models.base import now
from models.database.engine import Database
from models.errors import AuthentificationInvalide, PorteeInvalide
from models.partenaire import Partenaire, partenaires
from models.schema import metadata
from models.secret import (
    NouveauPartenaire,
    find_by_secret,
    hash_secret,
    list_all,
    rotate,
    secrets,
)
from tests.support.acteurs import TESTEUR
from tests.support.partners import revoke
from tests.support.world import PEPPER, World

SCOPES = ["soldes:lire", "cartes:lire"]


@pytest.fixture
def database(shared_database: Database) -> Database:
    """The shared database: every key is new."""
    return shared_database


@pytest.fixture
def pair(database: Database) -> NouveauPartenaire:
    """A partner of two scopes."""
    return World(database, "").partenaire([], scopes=SCOPES, adresses=["192.0.2.0/24"])


def find(database: Database, key: str, secret: str, *, demo: bool = True) -> tuple[bool, bool]:
    """Known, and good."""
    with database.reading() as connection:
        found = find_by_secret(connection, key, secret, pepper=PEPPER, demo_allowed=demo)
    return found.partenaire is not None, found.valid


def partner_of(connection: Connection, pair: NouveauPartenaire) -> Partenaire:
    """The partner behind a good pair."""
    found = find_by_secret(connection, *pair, pepper=PEPPER, demo_allowed=True)
    assert found.valid
    assert found.partenaire is not None
    return found.partenaire


def test_pair_opens_and_nothing_else_does(database: Database, pair: NouveauPartenaire) -> None:
    key, secret = pair
    assert find(database, key, secret) == (True, True)
    assert find(database, key, secret[:-1]) == (True, False)
    assert find(database, key, "") == (True, False)
    assert find(database, key, secret + "\x00") == (True, False)
    assert find(database, key, "\ud800é") == (True, False)
    assert find(database, key.swapcase(), secret) == (False, False)
    assert find(database, "inconnu", secret) == (False, False)
    assert find(database, "", "") == (False, False)


@pytest.mark.parametrize("known", [True, False])
def test_secret_is_compared_in_constant_time_known_key_or_not(
    database: Database, pair: NouveauPartenaire, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def note(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return compare(one, other)

    monkeypatch.setattr(hmac, "compare_digest", note)
    find(database, pair.consumer_key if known else "inconnu", "faux")
    assert [(len(one), len(other)) for one, other in compared] == [(32, 32)]
    assert compared[0][0] == hash_secret("faux", PEPPER)


def test_pair_is_worthless_under_another_pepper(
    database: Database, pair: NouveauPartenaire
) -> None:
    with database.reading() as connection:
        found = find_by_secret(connection, *pair, pepper=b"other", demo_allowed=True)
    assert not found.valid


def everything_stored(connection: Connection) -> str:
    """Every value of every table, as text."""
    rows = [
        tuple(
            bytes(value).hex() if isinstance(value, bytes | memoryview) else value for value in row
        )
        for table in metadata.sorted_tables
        for row in connection.execute(select(table))
    ]
    return repr(rows)


def test_secrets_and_tokens_are_stored_as_hashes_only(
    database: Database, pair: NouveauPartenaire
) -> None:
    with database.transaction() as connection:
        jeton = issue_token(
            connection, partner_of(connection, pair), scope=None, duree_s=60, pepper=PEPPER
        )
        new = rotate(
            connection, TESTEUR, pair.consumer_key, delai=timedelta(hours=1), pepper=PEPPER
        )
    shown = (pair.consumer_secret, new.consumer_secret, jeton.access_token)
    with database.reading() as connection:
        whole = everything_stored(connection)
        stored = {bytes(value) for value in connection.scalars(select(secrets.c.empreinte))} | {
            bytes(value) for value in connection.scalars(select(jetons.c.empreinte))
        }
    assert stored >= {hash_secret(value, PEPPER) for value in shown}
    assert {len(value) for value in stored} == {32}
    for value in shown:
        assert len(value) >= 43, "256 bits"
        assert value not in whole
        assert value.encode().hex() not in whole
    if database.dialect == "sqlite":
        assert database.url.database is not None
        files = list(Path(database.url.database).parent.iterdir())
        assert files
        for file in files:
            raw = file.read_bytes()
            assert not any(value.encode() in raw for value in shown)


def test_token_carries_the_partner_and_its_scopes(
    database: Database, pair: NouveauPartenaire
) -> None:
    with database.transaction() as connection:
        owner = partner_of(connection, pair)
        jeton = issue_token(connection, owner, scope="soldes:lire", duree_s=60, pepper=PEPPER)
    with database.reading() as connection:
        found = find_by_token(
            connection, hash_secret(jeton.access_token, PEPPER), demo_allowed=True
        )
        unknown = find_by_token(
            connection, hash_secret(jeton.access_token + "x", PEPPER), demo_allowed=True
        )
    assert found.partenaire == owner._replace(scopes=frozenset({"soldes:lire"}), secret=None)
    assert found.valid
    assert found.expire_le is not None
    assert timedelta(0) < found.expire_le - now() <= timedelta(seconds=60)
    assert tuple(unknown) == (None, False, None)


def test_scope_that_the_partner_has_not_issues_no_token(
    database: Database, pair: NouveauPartenaire
) -> None:
    with database.transaction() as connection:
        owner = partner_of(connection, pair)
        with pytest.raises(PorteeInvalide):
            issue_token(
                connection, owner, scope="soldes:lire cartes:debiter", duree_s=60, pepper=PEPPER
            )
        asked = select(jetons.c.scopes).where(jetons.c.partenaire_id == owner.id)
        assert connection.execute(asked).all() == []


def test_revoked_partner_keeps_no_token_and_no_secret_that_opens(
    database: Database, pair: NouveauPartenaire
) -> None:
    with database.transaction() as connection:
        token = issue_token(
            connection, partner_of(connection, pair), scope=None, duree_s=60, pepper=PEPPER
        ).access_token
    with database.transaction() as connection:
        assert revoke(connection, TESTEUR, pair.consumer_key)
    with database.transaction() as connection:
        assert not revoke(connection, TESTEUR, pair.consumer_key)
        assert not revoke(connection, TESTEUR, "inconnu")
        assert (
            find_by_token(connection, hash_secret(token, PEPPER), demo_allowed=True).partenaire
            is None
        )
        with pytest.raises(AuthentificationInvalide):
            rotate(connection, TESTEUR, pair.consumer_key, delai=timedelta(0), pepper=PEPPER)
    assert find(database, *pair) == (True, False)


def test_rotation_keeps_two_secrets_at_most(database: Database, pair: NouveauPartenaire) -> None:
    made = [pair]
    for _ in range(3):
        with database.transaction() as connection:
            made.append(
                rotate(
                    connection, TESTEUR, pair.consumer_key, delai=timedelta(hours=1), pepper=PEPPER
                )
            )
    assert [find(database, *each)[1] for each in made] == [False, False, True, True]
    with database.transaction() as connection:
        owned = select(partenaires.c.id).where(partenaires.c.consumer_key == pair.consumer_key)
        connection.execute(
            update(secrets)
            .where(secrets.c.partenaire_id.in_(owned), secrets.c.expire_le.is_not(None))
            .values(expire_le=now())
        )
    assert [find(database, *each)[1] for each in made] == [False, False, False, True]
    with database.reading() as connection:
        (line,) = [one for one in list_all(connection) if one.consumer_key == pair.consumer_key]
    assert (line.secrets_actifs, line.scopes, line.adresses) == (
        1,
        sorted(SCOPES),
        ["192.0.2.0/24"],
    )


def test_demo_partner_opens_nothing_where_it_is_not_allowed(database: Database) -> None:
    world = World(database, "")
    demo = world.partenaire([], demo=True)
    with database.transaction() as connection:
        token = issue_token(
            connection, partner_of(connection, demo), scope=None, duree_s=60, pepper=PEPPER
        ).access_token
    assert find(database, *demo, demo=True) == (True, True)
    assert find(database, *demo, demo=False) == (True, False)
    with database.reading() as connection:
        for allowed in (True, False):
            found = find_by_token(connection, hash_secret(token, PEPPER), demo_allowed=allowed)
            assert (found.partenaire is not None) == allowed
