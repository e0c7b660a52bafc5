"""The secrets of partners: given, turned over, recognised."""

from __future__ import annotations

import hmac
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Date,
    ForeignKey,
    LargeBinary,
    Select,
    String,
    Table,
    and_,
    bindparam,
    case,
    func,
    insert,
    or_,
    select,
    update,
)

from models.audit import Acteur, record
from models.base import BigId, Instant, metadata, new_ulid, now
from models.database.prepared import Prepared
from models.errors import AuthentificationInvalide
from models.fiche import Fiche, insert_fiche, new_consumer_key, random_text
from models.partenaire import (
    APPLIQUER,
    EXTERNE,
    LIBRE,
    PARTENAIRE_COLUMNS,
    Credentials,
    PartenaireRow,
    acces,
    hold_row,
    objet_partenaire,
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
    Column("secret_id", String(26), nullable=False, unique=True, doc="its name for the partner"),
    Column("fin4", String(4), doc="its last signs; null for one given before they were kept"),
    Column("revoque_le", Instant),
    Column("dernier_usage", Date, doc="written seldom, and never on the way of a request"),
    Column("retire_le", Instant, doc="null for one that was not withdrawn by a code"),
)

FIN = 4
"""Signs of a secret that may be shown again, so that its partner tells one from another."""


class NouveauPartenaire(NamedTuple):
    """What `create` tells once: the secret is stored as a hash only."""

    consumer_key: str
    consumer_secret: str


ACTIF, EN_FIN, EXPIRE, REVOQUE = "ACTIF", "EN_FIN", "EXPIRE", "REVOQUE"
"""Statuts of a secret: the first two open what their partner may do."""


class SecretDuPartenaire(NamedTuple):
    """A secret as its partner sees it: all but the secret."""

    secret_id: str
    fin4: str | None
    cree_le: datetime
    expire_le: datetime | None
    revoque_le: datetime | None
    dernier_usage: date | None
    id: int = 0
    retire_le: datetime | None = None

    def statut(self, moment: datetime) -> str:
        """Which of the four it is at that moment."""
        if self.revoque_le is not None:
            return REVOQUE
        if self.expire_le is None:
            return ACTIF
        return EN_FIN if self.expire_le > moment else EXPIRE


def hash_secret(secret: str, pepper: bytes) -> bytes:
    """HMAC-SHA-256 of a secret or a token under the deployment's pepper, 32 bytes."""
    return hmac.digest(pepper, secret.encode("utf-8", "surrogatepass"), "sha256")


class _Secret(NamedTuple):
    """A partner and one of its secrets, None when it has none that is still good."""

    partenaire: PartenaireRow
    secret: int | None
    empreinte: bytes | None
    revoque_le: datetime | None


_BY_KEY = Prepared(
    select(
        *PARTENAIRE_COLUMNS,
        secrets.c.id.label("secret"),
        secrets.c.empreinte,
        partenaires.c.revoque_le,
    )
    .join_from(
        partenaires,
        secrets,
        and_(
            secrets.c.partenaire_id == partenaires.c.id,
            secrets.c.revoque_le.is_(None),
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


_STRANGER = _Secret(PartenaireRow(0, "", "", 0, "", "", 0, 0, 0, "", "", ""), None, None, now())
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
    found = (opened or rows)[0]
    return Credentials(
        read_partenaire(found.partenaire, secret=found.secret if opened else None),
        bool(opened),
        None,
    )


def _opens(row: _Secret, given: list[tuple[str, bytes]], *, demo_allowed: bool) -> bool:
    stored = row.empreinte or _NO_SECRET
    same = False
    for key, mine in given:
        same |= hmac.compare_digest(mine, stored) and key == row.partenaire.consumer_key
    return same and row.revoque_le is None and (demo_allowed or not row.partenaire.demo)


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
    basic_autorise: bool = False,
    secret_id: str | None = None,
    type_: str = EXTERNE,
) -> NouveauPartenaire:
    """Create a partner with its settlement account, one secret, and access to existing clients.

    For the demo and for tests: persons make partners by demandes, and see no secret.
    """
    fiche = Fiche(
        consumer_key or new_consumer_key(),
        nom,
        type_,
        tuple(sorted(set(scopes))),
        tuple(sorted(set(client_ids))),
        tuple(adresses),
        APPLIQUER if adresses else LIBRE,
        basic_autorise,
    )
    pair = NouveauPartenaire(fiche.consumer_key, consumer_secret or new_secret())
    partenaire_id = insert_fiche(connection, fiche, demo=demo)
    add_secret(connection, partenaire_id, pair.consumer_secret, pepper, secret_id=secret_id)
    apres = {
        "nom": nom,
        "scopes": list(fiche.scopes),
        "clients": list(fiche.clients),
        "adresses": adresses,
        "demo": demo,
        "basicAutorise": basic_autorise,
    }
    record(connection, acteur, "saisirPartenaire", objet_partenaire(pair.consumer_key), None, apres)
    return pair


def new_secret() -> str:
    """A secret that nobody can guess: 43 letters and digits hold 256 bits."""
    return random_text(43)


def add_secret(
    connection: Connection,
    partenaire_id: int,
    secret: str,
    pepper: bytes,
    *,
    secret_id: str | None = None,
    retire_le: datetime | None = None,
) -> SecretDuPartenaire:
    """Give the partner one more secret, without an end, of a new name unless told."""
    made = SecretDuPartenaire(
        secret_id or new_ulid(), secret[-FIN:], now(), None, None, None, retire_le=retire_le
    )
    id_ = connection.execute(
        insert(secrets)
        .values(
            partenaire_id=partenaire_id,
            empreinte=hash_secret(secret, pepper),
            cree_le=made.cree_le,
            secret_id=made.secret_id,
            fin4=made.fin4,
            retire_le=retire_le,
        )
        .returning(secrets.c.id)
    ).scalar_one()
    return made._replace(id=id_)


class Remplacement(NamedTuple):
    """A new secret, told once, and the end that the one before it had, and has now; None: there was none."""

    secret: str
    secret_id: str
    fin_avant: datetime | None
    fin_remplace: datetime | None


def replace_secret(
    connection: Connection,
    partenaire_id: int,
    *,
    delai: timedelta,
    pepper: bytes,
    retire_le: datetime | None = None,
) -> Remplacement:
    """Give a second secret; the newest one before it stays good for `delai` at most, older ones end now.

    The transaction holds the partner's row.
    """
    ends = now()
    alive = list_alive(connection, partenaire_id)
    fin_remplace = None
    for number, one in enumerate(alive):
        fin = ends if number else min(one.expire_le or ends + delai, ends + delai)
        fin_remplace = fin_remplace or fin
        connection.execute(update(secrets).where(secrets.c.id == one.id).values(expire_le=fin))
    secret = new_secret()
    made = add_secret(connection, partenaire_id, secret, pepper, retire_le=retire_le)
    fin_avant = alive[0].expire_le if alive else None
    return Remplacement(secret, made.secret_id, fin_avant, fin_remplace)


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
    hold_row(connection, partenaire_id)
    made = replace_secret(connection, partenaire_id, delai=delai, pepper=pepper)
    record(
        connection,
        acteur,
        "renouvelerSecretPartenaire",
        objet_partenaire(consumer_key),
        {"secretPrecedentExpireLe": made.fin_avant},
        {"secretPrecedentExpireLe": made.fin_remplace},
    )
    return NouveauPartenaire(consumer_key, made.secret)


def _alive_at(moment: datetime) -> ColumnElement[bool]:
    """Of the secrets that open something at that moment."""
    return and_(
        secrets.c.revoque_le.is_(None),
        or_(secrets.c.expire_le.is_(None), secrets.c.expire_le > moment),
    )


_SHOWN = select(*(secrets.c[name] for name in SecretDuPartenaire._fields))

MAX_SHOWN = 100
"""Secrets that a partner is shown: those that open something, then the newest of the others."""


def list_alive(connection: Connection, partenaire_id: int) -> list[SecretDuPartenaire]:
    """The partner's secrets that open something, newest first."""
    return _read(
        connection,
        _SHOWN.where(secrets.c.partenaire_id == partenaire_id, _alive_at(now())).order_by(
            secrets.c.id.desc()
        ),
    )


def count_alive(connection: Connection, partenaire_ids: list[int]) -> dict[int, int]:
    """How many secrets of each of these partners open something; one that has none is not there."""
    rows = connection.execute(
        select(secrets.c.partenaire_id, func.count())
        .where(secrets.c.partenaire_id.in_(partenaire_ids), _alive_at(now()))
        .group_by(secrets.c.partenaire_id)
    )
    return dict(tuple(row) for row in rows)


def list_secrets(connection: Connection, partenaire_id: int) -> list[SecretDuPartenaire]:
    """The partner's secrets: those that open something, then the others, newest first."""
    return _read(
        connection,
        _SHOWN.where(secrets.c.partenaire_id == partenaire_id)
        .order_by(case((_alive_at(now()), 0), else_=1), secrets.c.id.desc())
        .limit(MAX_SHOWN),
    )


def read_secret(
    connection: Connection, partenaire_id: int, secret_id: str
) -> SecretDuPartenaire | None:
    """The partner's secret of this name, whether it opens something or not."""
    of_name = secrets.c.partenaire_id == partenaire_id, secrets.c.secret_id == secret_id
    return next(iter(_read(connection, _SHOWN.where(*of_name))), None)


def _read(connection: Connection, statement: Select[Any]) -> list[SecretDuPartenaire]:
    return [SecretDuPartenaire(*row) for row in connection.execute(statement)]


def note_usage(connection: Connection, secret: int, jour: date) -> None:
    """Write down the day on which a secret was used, unless a later one is."""
    connection.execute(
        update(secrets)
        .where(
            secrets.c.id == secret,
            or_(secrets.c.dernier_usage.is_(None), secrets.c.dernier_usage < jour),
        )
        .values(dernier_usage=jour)
    )


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
    basic_autorise: bool
    type: str
    statut: str
    mode_adresses: str


def list_all(connection: Connection) -> list[PartenaireListe]:
    """Every partner, oldest first."""
    rows = connection.execute(select(partenaires).order_by(partenaires.c.id)).all()
    allowed: dict[int, list[str]] = {}
    for partenaire_id, client_id in connection.execute(select(acces).order_by(acces.c.client_id)):
        allowed.setdefault(partenaire_id, []).append(client_id)
    active: dict[int, int] = {}
    moment = now()
    for partenaire_id, expire_le in connection.execute(
        select(secrets.c.partenaire_id, secrets.c.expire_le).where(secrets.c.revoque_le.is_(None))
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
            basic_autorise=row.basic_autorise == 1,
            type=row.type,
            statut=row.statut,
            mode_adresses=row.mode_adresses,
        )
        for row in rows
    ]
