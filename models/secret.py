"""The secrets of partners: given, turned over, recognised."""

from __future__ import annotations

import hashlib
import hmac
import secrets as random_secrets
import string
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    Table,
    and_,
    bindparam,
    insert,
    or_,
    select,
    update,
)

from models.audit import Acteur, record
from models.base import UNITE, BigId, Instant, metadata, now
from models.compte import COMPTE_REGLEMENT, comptes
from models.database.prepared import Prepared
from models.errors import AuthentificationInvalide
from models.partenaire import (
    PARTENAIRE_COLUMNS,
    Credentials,
    Partenaire,
    PartenaireRow,
    acces,
    objet,
    partenaires,
    read_partenaire,
)

secrets = Table(
    "secrets",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("partenaire_id", ForeignKey("partenaires.id"), nullable=False, index=True),
    Column("empreinte", LargeBinary(32), nullable=False),
    Column("cree_le", Instant, nullable=False),
    Column("expire_le", Instant),
)


class NouveauPartenaire(NamedTuple):
    """What `create` tells once: the secret is stored as a hash only."""

    consumer_key: str
    consumer_secret: str


def hash_secret(secret: str, pepper: bytes) -> bytes:
    """HMAC-SHA-256 of a secret or a token under the deployment's pepper, 32 bytes."""
    return hmac.digest(pepper, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)


class _Secret(NamedTuple):
    """A partner and one of its secrets, None when it has none that is still good."""

    partenaire: PartenaireRow
    empreinte: bytes | None
    revoque_le: datetime | None


_BY_KEY = Prepared(
    select(*PARTENAIRE_COLUMNS, secrets.c.empreinte, partenaires.c.revoque_le)
    .join_from(
        partenaires,
        secrets,
        and_(
            secrets.c.partenaire_id == partenaires.c.id,
            or_(secrets.c.expire_le.is_(None), secrets.c.expire_le > bindparam("maintenant")),
        ),
        isouter=True,
    )
    .where(
        or_(
            partenaires.c.consumer_key == bindparam("consumer_key"),
            partenaires.c.consumer_key == bindparam("decoded_key"),
        )
    ),
    _Secret,
)


_NO_SECRET = bytes(32)


_STRANGER = _Secret(PartenaireRow(0, "", "", 0, "", "", 0, 0), None, now())
"""What an unknown key is compared with, so that it takes the time of a known one."""


def find_by_secret(
    connection: Connection,
    consumer_key: str,
    secret: str,
    *,
    pepper: bytes,
    demo_allowed: bool,
    decoded: tuple[str, str] | None = None,
) -> Credentials:
    """Look up a consumer-key and compare its secret in constant time, known key or not.

    `decoded` is a second reading of what the caller sent, which is looked up in the same query and
    compared all the same: nobody can tell which of the two opened, or failed.
    """
    pairs = [(consumer_key, secret)] if decoded is None else [(consumer_key, secret), decoded]
    given = [(key, hash_secret(text, pepper)) for key, text in pairs]
    keys = {"consumer_key": consumer_key, "decoded_key": pairs[-1][0]}
    rows = _BY_KEY.all(connection, {**keys, "maintenant": now()})
    opened = [row for row in rows or [_STRANGER] if _opens(row, given, demo_allowed=demo_allowed)]
    if not rows:
        return Credentials(None, False, None)
    return Credentials(read_partenaire((opened or rows)[0].partenaire), bool(opened), None)


def _opens(row: _Secret, given: list[tuple[str, bytes]], *, demo_allowed: bool) -> bool:
    stored = row.empreinte or _NO_SECRET
    same = False
    for key, mine in given:
        same |= hmac.compare_digest(mine, stored) and key == row.partenaire.consumer_key
    return same and row.revoque_le is None and (demo_allowed or not row.partenaire.demo)


_ALPHABET = string.ascii_letters + string.digits


def _random_text(length: int) -> str:
    """Random letters and digits: no client encodes any of them on their way. 43 hold 256 bits."""
    return "".join(random_secrets.choice(_ALPHABET) for _ in range(length))


def create(
    connection: Connection,
    acteur: Acteur,
    *,
    nom: str,
    client_ids: list[str],
    scopes: list[str],
    adresses: list[str],
    pepper: bytes,
    consumer_key: str | None = None,
    consumer_secret: str | None = None,
    demo: bool = False,
) -> NouveauPartenaire:
    """Create a partner with its settlement account, one secret, and access to existing clients."""
    pair = NouveauPartenaire(
        consumer_key or _random_text(24),
        consumer_secret or _random_text(43),
    )
    accorde = {"scopes": sorted(set(scopes)), "clients": sorted(set(client_ids))}
    compte_id = connection.execute(
        insert(comptes).values(type=COMPTE_REGLEMENT, unite=UNITE).returning(comptes.c.id)
    ).scalar_one()
    partenaire_id = connection.execute(
        insert(partenaires)
        .values(
            nom=nom,
            consumer_key=pair.consumer_key,
            compte_id=compte_id,
            scopes=" ".join(accorde["scopes"]),
            adresses=" ".join(adresses),
            demo=int(demo),
            cree_le=now(),
        )
        .returning(partenaires.c.id)
    ).scalar_one()
    for client_id in accorde["clients"]:
        connection.execute(insert(acces).values(partenaire_id=partenaire_id, client_id=client_id))
    _add_secret(connection, partenaire_id, pair.consumer_secret, pepper)
    apres = {"nom": nom, **accorde, "adresses": adresses, "demo": demo}
    record(connection, acteur, "saisirPartenaire", objet(pair.consumer_key), None, apres)
    return pair


def _add_secret(connection: Connection, partenaire_id: int, secret: str, pepper: bytes) -> None:
    connection.execute(
        insert(secrets).values(
            partenaire_id=partenaire_id, empreinte=hash_secret(secret, pepper), cree_le=now()
        )
    )


def rotate(
    connection: Connection,
    acteur: Acteur,
    consumer_key: str,
    *,
    delai: timedelta,
    pepper: bytes,
) -> NouveauPartenaire:
    """Give a second secret; the newest one before it stays good for `delai`, older ones end now.

    Raises AuthentificationInvalide when the partner is unknown or revoked.
    """
    partenaire_id = connection.scalar(
        select(partenaires.c.id).where(
            partenaires.c.consumer_key == consumer_key, partenaires.c.revoque_le.is_(None)
        )
    )
    if partenaire_id is None:
        raise AuthentificationInvalide
    newest = connection.execute(
        select(secrets.c.id, secrets.c.expire_le)
        .where(secrets.c.partenaire_id == partenaire_id)
        .order_by(secrets.c.id.desc())
        .limit(1)
    ).one()
    ends = now()
    alive = and_(
        secrets.c.partenaire_id == partenaire_id,
        or_(secrets.c.expire_le.is_(None), secrets.c.expire_le > ends),
    )
    connection.execute(
        update(secrets).where(alive, secrets.c.id != newest.id).values(expire_le=ends)
    )
    connection.execute(
        update(secrets).where(alive, secrets.c.id == newest.id).values(expire_le=ends + delai)
    )
    secret = _random_text(43)
    _add_secret(connection, partenaire_id, secret, pepper)
    before = newest.expire_le
    after = before if before is not None and before <= ends else ends + delai
    record(
        connection,
        acteur,
        "renouvelerSecretPartenaire",
        objet(consumer_key),
        {"secretPrecedentExpireLe": before},
        {"secretPrecedentExpireLe": after},
    )
    return NouveauPartenaire(consumer_key, secret)


class PartenaireListe(NamedTuple):
    """A line of `cynod partenaire list`: no secret in it."""

    consumer_key: str
    nom: str
    scopes: list[str]
    clients: list[str]
    adresses: list[str]
    secrets_actifs: int
    cree_le: datetime
    revoque_le: datetime | None


def list_all(connection: Connection) -> list[PartenaireListe]:
    """Every partner, oldest first."""
    rows = connection.execute(select(partenaires).order_by(partenaires.c.id)).all()
    allowed: dict[int, list[str]] = {}
    for partenaire_id, client_id in connection.execute(select(acces).order_by(acces.c.client_id)):
        allowed.setdefault(partenaire_id, []).append(client_id)
    active: dict[int, int] = {}
    moment = now()
    for partenaire_id, expire_le in connection.execute(
        select(secrets.c.partenaire_id, secrets.c.expire_le)
    ):
        if expire_le is None or expire_le > moment:
            active[partenaire_id] = active.get(partenaire_id, 0) + 1
    return [
        PartenaireListe(
            consumer_key=row.consumer_key,
            nom=row.nom,
            scopes=row.scopes.split(),
            clients=allowed.get(row.id, []),
            adresses=row.adresses.split(),
            secrets_actifs=active.get(row.id, 0),
            cree_le=row.cree_le,
            revoque_le=row.revoque_le,
        )
        for row in rows
    ]


def find_secret_expiry(connection: Connection, partenaire: Partenaire) -> datetime | None:
    """When the partner's last good secret ends, None when one has no end."""
    ends = connection.scalars(
        select(secrets.c.expire_le).where(
            secrets.c.partenaire_id == partenaire.id,
            or_(secrets.c.expire_le.is_(None), secrets.c.expire_le > now()),
        )
    ).all()
    return None if None in ends or not ends else max(end for end in ends if end is not None)
