"""Tokens: issued for a secret, found, ended."""

from __future__ import annotations

import secrets as random_secrets
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    update,
)

from models.base import Instant, metadata, now
from models.database.prepared import Prepared
from models.errors import ClientInvalide, PorteeInvalide
from models.partenaire import (
    _STILL,
    PARTENAIRE_COLUMNS,
    Credentials,
    Partenaire,
    PartenaireRow,
    partenaire_lock,
    partenaires,
    read_partenaire,
)
from models.secret import hash_secret, secrets

jetons = Table(
    "jetons",
    metadata,
    Column("empreinte", LargeBinary(32), primary_key=True),
    Column("partenaire_id", ForeignKey("partenaires.id"), nullable=False),
    Column("scopes", String(500), nullable=False),
    Column("emis_le", Instant, nullable=False),
    Column("expire_le", Instant, nullable=False),
    Column(
        "secret_id", BigInteger, doc="id of the secret it was issued for; null for an older one"
    ),
    Index(None, "partenaire_id", "expire_le"),
)


class Jeton(NamedTuple):
    """A token just issued: `access_token` is shown once, `duree_s` is its life in seconds."""

    access_token: str
    duree_s: int
    scopes: frozenset[str]


class _Found(NamedTuple):
    """A token and its partner."""

    partenaire: PartenaireRow
    scopes_du_jeton: str
    expire_le: datetime


_BY_JETON = Prepared(
    select(*PARTENAIRE_COLUMNS, jetons.c.scopes.label("scopes_du_jeton"), jetons.c.expire_le)
    .join_from(jetons, partenaires, partenaires.c.id == jetons.c.partenaire_id)
    .where(jetons.c.empreinte == bindparam("empreinte"), partenaires.c.revoque_le.is_(None)),
    _Found,
)


def find_by_token(connection: Connection, empreinte: bytes, *, demo_allowed: bool) -> Credentials:
    """Look up a bearer token by its `hash_secret`.

    Revoked partners and, when not allowed, demo ones are not found.
    """
    found = _BY_JETON.first(connection, {"empreinte": empreinte})
    if found is None:
        return Credentials(None, False, None)
    row, scopes_du_jeton, expire_le = found
    if row.demo and not demo_allowed:
        return Credentials(None, False, None)
    return Credentials(read_partenaire(row, _read_scopes(scopes_du_jeton)), True, expire_le)


@lru_cache(maxsize=1024)
def _read_scopes(text: str) -> frozenset[str]:
    return frozenset(text.split())


# It shares the partner's lock, as an operation does: whoever ends the partner's tokens waits for this one, or
# this one is issued after, and then not at all.
_SHARE = Prepared(select(func.pg_advisory_xact_lock_shared(bindparam("verrou"))))


_ISSUED = ("empreinte", "scopes", "emis_le", "expire_le", "secret_id")


# The secret may be revoked after it opened the call: whoever does that holds the partner alone, too.
_REVOKED = exists().where(secrets.c.id == bindparam("secret_id"), secrets.c.revoque_le.is_not(None))


_ISSUE = Prepared(
    insert(jetons)
    .from_select(
        ["partenaire_id", *_ISSUED],
        select(
            partenaires.c.id, *(bindparam(name, type_=jetons.c[name].type) for name in _ISSUED)
        ).where(*_STILL, ~_REVOKED),
    )
    .returning(jetons.c.partenaire_id)
)


def issue_token(
    connection: Connection,
    partenaire: Partenaire,
    *,
    scope: str | None,
    duree_s: int,
    pepper: bytes,
) -> Jeton:
    """Issue a random opaque token for `scope` (RFC 6749, by spaces; None for all of the partner's).

    Raises PorteeInvalide when a scope is not the partner's, or `scope` names none; ClientInvalide when
    the partner was revoked, its tokens were ended, or its secret was revoked, since it was authenticated.
    """
    scopes = partenaire.scopes
    if scope is not None:
        scopes = frozenset(scope.split(" ")) - {""}
        if not scopes or not scopes <= partenaire.scopes:
            raise PorteeInvalide
    token = random_secrets.token_urlsafe(32)
    emis_le = now()
    values = {
        "verrou": partenaire_lock(partenaire.id),
        "le_partenaire": partenaire.id,
        "la_generation": partenaire.generation,
        "empreinte": hash_secret(token, pepper),
        "scopes": " ".join(sorted(scopes)),
        "emis_le": emis_le,
        "expire_le": emis_le + timedelta(seconds=duree_s),
        "secret_id": partenaire.secret,
    }
    if connection.dialect.name == "postgresql":  # SQLite has one writer, and this is it
        # It goes with the statement before, and still looks at the partner after that one's wait.
        _ISSUE.ahead(connection, values)
        _SHARE.all(connection, values)
    if _ISSUE.first(connection, values) is None:
        raise ClientInvalide
    return Jeton(token, duree_s, scopes)


def forget_jetons(connection: Connection, partenaire_id: int, moment: datetime) -> None:
    """Forget the partner's tokens that had expired for a day at this moment. Two that do it at once share
    the work, and wait for nobody who ends one."""
    too_old = (
        select(jetons.c.empreinte)
        .where(
            jetons.c.partenaire_id == partenaire_id,
            jetons.c.expire_le < moment - timedelta(days=1),
        )
        .with_for_update(skip_locked=True)
    )
    connection.execute(delete(jetons).where(jetons.c.empreinte.in_(too_old)))


def end_jetons(connection: Connection, partenaire_id: int) -> tuple[int, int]:
    """End every token of a partner, that is held: its new generation, and how many tokens lived."""
    generation = connection.execute(
        update(partenaires)
        .where(partenaires.c.id == partenaire_id)
        .values(generation=partenaires.c.generation + 1)
        .returning(partenaires.c.generation)
    ).scalar_one()
    ended = connection.execute(
        delete(jetons).where(jetons.c.partenaire_id == partenaire_id).returning(jetons.c.expire_le)
    ).all()
    moment = now()
    return generation, len([row for row in ended if row.expire_le > moment])


def revoke_jeton(
    connection: Connection, partenaire: Partenaire, token: str, *, pepper: bytes
) -> None:
    """End one token of the partner. One that it has not, or that is another's, stays what it is."""
    connection.execute(
        delete(jetons).where(
            jetons.c.empreinte == hash_secret(token, pepper),
            jetons.c.partenaire_id == partenaire.id,
        )
    )


class EtatJeton(NamedTuple):
    """A living token: of whom, for what, from when and until when."""

    consumer_key: str
    scopes: frozenset[str]
    emis_le: datetime
    expire_le: datetime


def find_jeton(
    connection: Connection, partenaire: Partenaire, token: str, *, pepper: bytes
) -> EtatJeton | None:
    """The partner's living token, None for one that ended, that is another's, or that nobody issued."""
    row = connection.execute(
        select(jetons.c.scopes, jetons.c.emis_le, jetons.c.expire_le, partenaires.c.scopes)
        .join_from(jetons, partenaires, partenaires.c.id == jetons.c.partenaire_id)
        .where(
            jetons.c.empreinte == hash_secret(token, pepper),
            jetons.c.partenaire_id == partenaire.id,
            jetons.c.expire_le > now(),
        )
    ).first()
    if row is None:
        return None
    scopes, emis_le, expire_le, of_partenaire = row
    still = frozenset(scopes.split()) & frozenset(of_partenaire.split())
    return EtatJeton(partenaire.consumer_key, still, emis_le, expire_le)


class JetonListe(NamedTuple):
    """A living token as the operator sees it: nothing of the token itself."""

    emis_le: datetime
    expire_le: datetime
    scopes: list[str]


def list_jetons(connection: Connection, consumer_key: str) -> list[JetonListe]:
    """The living tokens of a partner, the one that ends first comes first."""
    rows = connection.execute(
        select(jetons.c.emis_le, jetons.c.expire_le, jetons.c.scopes)
        .join_from(jetons, partenaires, partenaires.c.id == jetons.c.partenaire_id)
        .where(partenaires.c.consumer_key == consumer_key, jetons.c.expire_le > now())
        .order_by(jetons.c.expire_le, jetons.c.emis_le)
    )
    return [JetonListe(row.emis_le, row.expire_le, row.scopes.split()) for row in rows]
