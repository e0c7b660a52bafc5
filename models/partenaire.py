"""A partenaire: who calls the API, its secrets, its rights, its clients.

Secrets are 256-bit random values kept as HMAC-SHA-256 under a pepper: a slow hash would protect
nothing more and would make every Basic call an easy denial of service.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets as random_secrets
import string
from datetime import datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    update,
)

from models.base import UNITE, BigId, Instant, metadata, now
from models.client import clients
from models.compte import REGLEMENT, comptes
from models.errors import AuthentificationInvalide, ClientInvalide, PorteeInvalide
from models.prepared import Prepared

partenaires = Table(
    "partenaires",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("nom", String(200), nullable=False),
    Column("consumer_key", String(64), nullable=False, unique=True),
    Column("compte_id", ForeignKey("comptes.id"), nullable=False, unique=True),
    Column("scopes", String(500), nullable=False, doc="separated by a space"),
    Column("adresses", String(1000), nullable=False, server_default="", doc="CIDR, by a space"),
    Column("demo", BigId, nullable=False, server_default="0", doc="1: opens nothing in production"),
    Column("plafonne", BigId, nullable=False, server_default="0", doc="1: the partner has limits"),
    Column(
        "generation", BigId, nullable=False, server_default="0", doc="times its tokens were ended"
    ),
    Column("cree_le", Instant, nullable=False),
    Column("revoque_le", Instant),
    CheckConstraint("plafonne IN (0, 1)", name="plafonne_booleen"),
    CheckConstraint("demo IN (0, 1)", name="demo_booleen"),
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

acces = Table(
    "acces",
    metadata,
    Column("partenaire_id", ForeignKey("partenaires.id"), nullable=False),
    Column("client_id", ForeignKey("clients.client_id"), nullable=False),
    PrimaryKeyConstraint("partenaire_id", "client_id"),
)

jetons = Table(
    "jetons",
    metadata,
    Column("empreinte", LargeBinary(32), primary_key=True),
    Column("partenaire_id", ForeignKey("partenaires.id"), nullable=False),
    Column("scopes", String(500), nullable=False),
    Column("emis_le", Instant, nullable=False),
    Column("expire_le", Instant, nullable=False),
    Index(None, "partenaire_id", "expire_le"),
)


class Partenaire(NamedTuple):
    """The caller of an operation: who, with which scopes, from which addresses.

    `generation` says how often all of its tokens had been ended when the call was authenticated.
    """

    id: int
    nom: str
    consumer_key: str
    compte_id: int
    scopes: frozenset[str]
    adresses: tuple[str, ...]
    generation: int


class NouveauPartenaire(NamedTuple):
    """What `create` tells once: the secret is stored as a hash only."""

    consumer_key: str
    consumer_secret: str


class Jeton(NamedTuple):
    """A token just issued: `access_token` is shown once, `duree_s` is its life in seconds."""

    access_token: str
    duree_s: int
    scopes: frozenset[str]


def hash_secret(secret: str, pepper: bytes) -> bytes:
    """HMAC-SHA-256 of a secret or a token under the deployment's pepper, 32 bytes."""
    return hmac.digest(pepper, secret.encode("utf-8", "surrogatepass"), hashlib.sha256)


class _Row(NamedTuple):
    id: int
    nom: str
    consumer_key: str
    compte_id: int
    scopes: str
    adresses: str
    demo: int
    generation: int


_PARTENAIRE = [partenaires.c[name] for name in _Row._fields]

_BY_JETON = Prepared(
    select(*_PARTENAIRE, jetons.c.scopes.label("scopes_du_jeton"), jetons.c.expire_le)
    .join_from(jetons, partenaires, partenaires.c.id == jetons.c.partenaire_id)
    .where(jetons.c.empreinte == bindparam("empreinte"), partenaires.c.revoque_le.is_(None))
)

_BY_KEY = Prepared(
    select(*_PARTENAIRE, secrets.c.empreinte, partenaires.c.revoque_le)
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
    )
)


class DroitsRetires(AuthentificationInvalide):
    """The partner was revoked, or all of its tokens were ended, after the call was authenticated.

    A caller who is authenticated again, and still may, may go on: its secret may be as good as before.
    """


@lru_cache(maxsize=1024)
def partenaire_lock(partenaire_id: int) -> int:
    """The key of PostgreSQL's advisory lock that a partner's operations share, see `hold`."""
    digest = hashlib.sha256(f"partenaire {partenaire_id}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def hold(session: Connection, consumer_key: str) -> int | None:
    """Wait until nothing of the partner is under way, and let nothing begin until the transaction ends.

    Gives the partner's id, or None when there is none of that key. What waits meanwhile must read
    `ENTITLED` when it goes on. On SQLite the transaction itself is alone.
    """
    id_ = session.scalar(select(partenaires.c.id).where(partenaires.c.consumer_key == consumer_key))
    if id_ is None:
        return None
    if session.dialect.name == "postgresql":
        # The row's own lock would not do: an operation takes it FOR KEY SHARE, for its foreign key,
        # and PostgreSQL lets any number of these pass by one who waits, who then waits for seconds.
        # The queue of an advisory lock lets nobody pass.
        session.execute(select(func.pg_advisory_xact_lock(partenaire_lock(id_))))
    return session.scalar(select(partenaires.c.id).where(partenaires.c.id == id_).with_for_update())


_STILL = (
    partenaires.c.id == bindparam("le_partenaire"),
    partenaires.c.revoque_le.is_(None),
    partenaires.c.generation == bindparam("la_generation"),
)

ENTITLED = select(partenaires.c.plafonne).where(*_STILL).scalar_subquery().label("plafonne")
"""Whether the partner has limits (0, 1), or NULL when what it authenticated with opens nothing more.

It stands in the first statement after the one that took the partner's shared lock. That one had its
snapshot before it waited for the lock, and would tell what was so before.
"""

_ENTITLED = Prepared(select(partenaires.c.plafonne).where(*_STILL))


def check_entitled(session: Connection, partenaire_id: int, generation: int) -> None:
    """Raises DroitsRetires when what the partner authenticated with opens nothing more."""
    values = {"le_partenaire": partenaire_id, "la_generation": generation}
    if _ENTITLED.first(session, values) is None:
        raise DroitsRetires


class Credentials(NamedTuple):
    """What the database knows of presented credentials, before anything is decided.

    `valid` says whether they open something; `expire_le` is a token's end. `partenaire` is known
    even when the secret is wrong: who is refused may be told to the log, never to the caller.
    """

    partenaire: Partenaire | None
    valid: bool
    expire_le: datetime | None


def find_by_token(session: Connection, empreinte: bytes, *, demo_allowed: bool) -> Credentials:
    """Look up a bearer token by its `hash_secret`.

    Revoked partners and, when not allowed, demo ones are not found.
    """
    found = _BY_JETON.first(session, {"empreinte": empreinte})
    if found is None:
        return Credentials(None, False, None)
    *columns, scopes_du_jeton, expire_le = found
    row = _Row._make(columns)
    if row.demo and not demo_allowed:
        return Credentials(None, False, None)
    return Credentials(_partenaire(row, frozenset(scopes_du_jeton.split())), True, expire_le)


class _Secret(NamedTuple):
    """A partner and one of its secrets, None when it has none that is still good."""

    partenaire: _Row
    empreinte: bytes | None
    revoque_le: datetime | None


_NO_SECRET = bytes(32)
_STRANGER = _Secret(_Row(0, "", "", 0, "", "", 0, 0), None, now())
"""What an unknown key is compared with, so that it takes the time of a known one."""


def find_by_secret(
    session: Connection,
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
    rows = [
        _Secret(_Row._make(columns), empreinte, revoque_le)
        for *columns, empreinte, revoque_le in _BY_KEY.all(session, {**keys, "maintenant": now()})
    ]
    opened = [row for row in rows or [_STRANGER] if _opens(row, given, demo_allowed=demo_allowed)]
    if not rows:
        return Credentials(None, False, None)
    return Credentials(_partenaire((opened or rows)[0].partenaire), bool(opened), None)


def _opens(row: _Secret, given: list[tuple[str, bytes]], *, demo_allowed: bool) -> bool:
    stored = row.empreinte or _NO_SECRET
    same = False
    for key, mine in given:
        same |= hmac.compare_digest(mine, stored) and key == row.partenaire.consumer_key
    return same and row.revoque_le is None and (demo_allowed or not row.partenaire.demo)


def _partenaire(row: _Row, among: frozenset[str] | None = None) -> Partenaire:
    scopes = frozenset(row.scopes.split())
    return Partenaire(
        row.id,
        row.nom,
        row.consumer_key,
        row.compte_id,
        scopes if among is None else scopes & among,
        tuple(row.adresses.split()),
        row.generation,
    )


_TOO_OLD = delete(jetons).where(
    jetons.c.partenaire_id == bindparam("le_partenaire"),
    jetons.c.expire_le < bindparam("avant"),
)
_FORGET = Prepared(
    {
        # It shares the partner's lock, as an operation does: whoever ends the partner's tokens waits
        # for this one, or this one is issued after, and then not at all.
        "postgresql": select(func.pg_advisory_xact_lock_shared(bindparam("verrou"))).add_cte(
            _TOO_OLD.cte("oublies")
        ),
        "sqlite": _TOO_OLD,
    }
)
_ISSUED = ("empreinte", "scopes", "emis_le", "expire_le")
_ISSUE = Prepared(
    insert(jetons)
    .from_select(
        ["partenaire_id", *_ISSUED],
        select(
            partenaires.c.id, *(bindparam(name, type_=jetons.c[name].type) for name in _ISSUED)
        ).where(*_STILL),
    )
    .returning(jetons.c.partenaire_id)
)


def issue_token(
    session: Connection,
    partenaire: Partenaire,
    *,
    scope: str | None,
    duree_s: int,
    pepper: bytes,
) -> Jeton:
    """Issue a random opaque token for `scope` (RFC 6749, by spaces; None for all of the partner's).

    Forgets the partner's tokens that expired a day ago or more. Raises PorteeInvalide when a scope
    is not the partner's, or `scope` names none; ClientInvalide when the partner was revoked, or its
    tokens were ended, since it was authenticated.
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
        "avant": emis_le - timedelta(days=1),
        "empreinte": hash_secret(token, pepper),
        "scopes": " ".join(sorted(scopes)),
        "emis_le": emis_le,
        "expire_le": emis_le + timedelta(seconds=duree_s),
    }
    _FORGET.all(session, values)
    if _ISSUE.first(session, values) is None:
        raise ClientInvalide
    return Jeton(token, duree_s, scopes)


_ALPHABET = string.ascii_letters + string.digits


def _random_text(length: int) -> str:
    """Random letters and digits: no client encodes any of them on their way. 43 hold 256 bits."""
    return "".join(random_secrets.choice(_ALPHABET) for _ in range(length))


def check_client(session: Connection, client_id: str) -> bool:
    """Whether a client of this clientId exists."""
    return bool(session.scalar(select(exists().where(clients.c.client_id == client_id))))


def create(
    session: Connection,
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
    compte_id = session.execute(
        insert(comptes).values(type=REGLEMENT, unite=UNITE).returning(comptes.c.id)
    ).scalar_one()
    partenaire_id = session.execute(
        insert(partenaires)
        .values(
            nom=nom,
            consumer_key=pair.consumer_key,
            compte_id=compte_id,
            scopes=" ".join(sorted(set(scopes))),
            adresses=" ".join(adresses),
            demo=int(demo),
            cree_le=now(),
        )
        .returning(partenaires.c.id)
    ).scalar_one()
    for client_id in dict.fromkeys(client_ids):
        session.execute(insert(acces).values(partenaire_id=partenaire_id, client_id=client_id))
    _add_secret(session, partenaire_id, pair.consumer_secret, pepper)
    return pair


def _add_secret(session: Connection, partenaire_id: int, secret: str, pepper: bytes) -> None:
    session.execute(
        insert(secrets).values(
            partenaire_id=partenaire_id, empreinte=hash_secret(secret, pepper), cree_le=now()
        )
    )


def rotate(
    session: Connection, consumer_key: str, *, delai: timedelta, pepper: bytes
) -> NouveauPartenaire:
    """Give a second secret; the newest one before it stays good for `delai`, older ones end now.

    Raises AuthentificationInvalide when the partner is unknown or revoked.
    """
    partenaire_id = session.scalar(
        select(partenaires.c.id).where(
            partenaires.c.consumer_key == consumer_key, partenaires.c.revoque_le.is_(None)
        )
    )
    if partenaire_id is None:
        raise AuthentificationInvalide
    newest = session.scalar(
        select(secrets.c.id)
        .where(secrets.c.partenaire_id == partenaire_id)
        .order_by(secrets.c.id.desc())
        .limit(1)
    )
    ends = now()
    alive = and_(
        secrets.c.partenaire_id == partenaire_id,
        or_(secrets.c.expire_le.is_(None), secrets.c.expire_le > ends),
    )
    session.execute(update(secrets).where(alive, secrets.c.id != newest).values(expire_le=ends))
    session.execute(
        update(secrets).where(alive, secrets.c.id == newest).values(expire_le=ends + delai)
    )
    secret = _random_text(43)
    _add_secret(session, partenaire_id, secret, pepper)
    return NouveauPartenaire(consumer_key, secret)


def revoke(session: Connection, consumer_key: str) -> bool:
    """Revoke a partner and delete its tokens. False when there is none of that key, or it was.

    Waits for what the partner has under way; once committed, nothing of the partner commits.
    """
    partenaire_id = _hold_active(session, consumer_key)
    if partenaire_id is None:
        return False
    session.execute(
        update(partenaires).where(partenaires.c.id == partenaire_id).values(revoque_le=now())
    )
    session.execute(delete(jetons).where(jetons.c.partenaire_id == partenaire_id))
    return True


def _hold_active(session: Connection, consumer_key: str) -> int | None:
    partenaire_id = hold(session, consumer_key)
    active = exists().where(partenaires.c.id == partenaire_id, partenaires.c.revoque_le.is_(None))
    return partenaire_id if session.scalar(select(active)) else None


def revoke_jetons(session: Connection, consumer_key: str) -> int | None:
    """End every token of a partner: how many lived, None when no active partner has that key.

    Waits for what the partner has under way. Once committed, no token that was issued or asked for
    before opens anything, and nothing commits that one opened. Its secrets stay as good as they are.
    """
    partenaire_id = _hold_active(session, consumer_key)
    if partenaire_id is None:
        return None
    session.execute(
        update(partenaires)
        .where(partenaires.c.id == partenaire_id)
        .values(generation=partenaires.c.generation + 1)
    )
    ended = session.execute(
        delete(jetons).where(jetons.c.partenaire_id == partenaire_id).returning(jetons.c.expire_le)
    ).all()
    moment = now()
    return len([row for row in ended if row.expire_le > moment])


class JetonListe(NamedTuple):
    """A living token as the operator sees it: nothing of the token itself."""

    emis_le: datetime
    expire_le: datetime
    scopes: list[str]


def list_jetons(session: Connection, consumer_key: str) -> list[JetonListe]:
    """The living tokens of a partner, the one that ends first comes first."""
    rows = session.execute(
        select(jetons.c.emis_le, jetons.c.expire_le, jetons.c.scopes)
        .join_from(jetons, partenaires, partenaires.c.id == jetons.c.partenaire_id)
        .where(partenaires.c.consumer_key == consumer_key, jetons.c.expire_le > now())
        .order_by(jetons.c.expire_le, jetons.c.emis_le)
    )
    return [JetonListe(row.emis_le, row.expire_le, row.scopes.split()) for row in rows]


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


def list_all(session: Connection) -> list[PartenaireListe]:
    """Every partner, oldest first."""
    rows = session.execute(select(partenaires).order_by(partenaires.c.id)).all()
    allowed: dict[int, list[str]] = {}
    for partenaire_id, client_id in session.execute(select(acces).order_by(acces.c.client_id)):
        allowed.setdefault(partenaire_id, []).append(client_id)
    active: dict[int, int] = {}
    moment = now()
    for partenaire_id, expire_le in session.execute(
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


def database_holds_anything(session: Connection) -> bool:
    """Whether any client or partner exists: the demo seed goes to an empty database only."""
    return bool(
        session.scalar(
            select(
                or_(
                    exists(select(text("1")).select_from(clients)), exists(select(partenaires.c.id))
                )
            )
        )
    )


def list_clients(session: Connection, partenaire: Partenaire) -> list[str]:
    """The clientIds that the partner may act for, sorted."""
    return list(
        session.scalars(
            select(acces.c.client_id)
            .where(acces.c.partenaire_id == partenaire.id)
            .order_by(acces.c.client_id)
        )
    )


def find_secret_expiry(session: Connection, partenaire: Partenaire) -> datetime | None:
    """When the partner's last good secret ends, None when one has no end."""
    ends = session.scalars(
        select(secrets.c.expire_le).where(
            secrets.c.partenaire_id == partenaire.id,
            or_(secrets.c.expire_le.is_(None), secrets.c.expire_le > now()),
        )
    ).all()
    return None if None in ends or not ends else max(end for end in ends if end is not None)
