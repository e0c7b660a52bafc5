"""A partner as persons see and change it: who it is, what it may, from where, and in which statut.

Who changes one holds it (`models.partenaire.hold`): nothing of the partner is under way meanwhile, and what
waits reads `ENTITLED` when it goes on.
"""

from __future__ import annotations

import secrets
import string
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, insert, select, update

from models.base import UNITE, now
from models.compte import COMPTE_REGLEMENT, comptes
from models.partenaire import ACTIF, LIBRE, REVOQUE, acces, hold, partenaires


class Fiche(NamedTuple):
    """A partner. `adresses` are networks, judged as `mode_adresses` says; `version` is of what is here."""

    consumer_key: str
    nom: str
    type: str
    scopes: tuple[str, ...]
    clients: tuple[str, ...]
    adresses: tuple[str, ...] = ()
    mode_adresses: str = LIBRE
    basic_autorise: bool = False
    contact_email: str = ""
    contact_telephone: str = ""
    statut: str = ACTIF
    version: int = 1
    id: int = 0
    cree_le: datetime | None = None
    revoque_le: datetime | None = None


_TEXTS = ("nom", "type", "mode_adresses", "contact_email", "contact_telephone", "statut")
"""Fields that a column has as they are."""

_ALPHABET = string.ascii_letters + string.digits


def random_text(length: int) -> str:
    """Random letters and digits: no client encodes any of them on their way."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def new_consumer_key() -> str:
    """A consumer-key that no partner has."""
    return random_text(24)


def find_fiche(connection: Connection, consumer_key: str, *, lock: bool = False) -> Fiche | None:
    """The partner of this key, revoked or not, None when there is none; held with `lock`."""
    if lock and hold(connection, consumer_key) is None:
        return None
    wanted = partenaires.c.consumer_key == consumer_key
    row = connection.execute(select(partenaires).where(wanted)).first()
    if row is None:
        return None
    return read_fiche(row, list_acces(connection, [row.id]).get(row.id, ()))


def list_acces(connection: Connection, partenaire_ids: list[int]) -> dict[int, tuple[str, ...]]:
    """The clientIds of each of these partners, sorted; one that has none is not there."""
    found: dict[int, tuple[str, ...]] = {}
    wanted = acces.c.partenaire_id.in_(partenaire_ids)
    for partenaire_id, client_id in connection.execute(
        select(acces).where(wanted).order_by(acces.c.client_id)
    ):
        found[partenaire_id] = (*found.get(partenaire_id, ()), client_id)
    return found


def read_fiche(row: Any, client_ids: tuple[str, ...]) -> Fiche:
    """The partner of a row of `partenaires`, which has these clients."""
    return Fiche(
        consumer_key=row.consumer_key,
        scopes=tuple(row.scopes.split()),
        clients=client_ids,
        adresses=tuple(row.adresses.split()),
        basic_autorise=row.basic_autorise == 1,
        version=row.version,
        id=row.id,
        cree_le=row.cree_le,
        revoque_le=row.revoque_le,
        **{name: getattr(row, name) for name in _TEXTS},
    )


def _columns(fiche: Fiche) -> dict[str, Any]:
    return {
        **{name: getattr(fiche, name) for name in _TEXTS if name != "type"},
        "scopes": " ".join(fiche.scopes),
        "adresses": " ".join(fiche.adresses),
        "basic_autorise": int(fiche.basic_autorise),
    }


def insert_fiche(connection: Connection, fiche: Fiche, *, demo: bool = False) -> int:
    """Make a partner with its settlement account and access to existing clients, and no secret: its id."""
    compte_id = connection.execute(
        insert(comptes).values(type=COMPTE_REGLEMENT, unite=UNITE).returning(comptes.c.id)
    ).scalar_one()
    columns = {
        "consumer_key": fiche.consumer_key,
        "type": fiche.type,
        "demo": int(demo),
        "cree_le": now(),
    }
    partenaire_id: int = connection.execute(
        insert(partenaires)
        .values(**_columns(fiche), **columns, compte_id=compte_id)
        .returning(partenaires.c.id)
    ).scalar_one()
    _grant(connection, partenaire_id, fiche.clients)
    return partenaire_id


def _grant(connection: Connection, partenaire_id: int, client_ids: tuple[str, ...]) -> None:
    rows = [{"partenaire_id": partenaire_id, "client_id": one} for one in client_ids]
    if rows:
        connection.execute(insert(acces), rows)


def _takes_away(before: Fiche, after: Fiche) -> bool:
    """Whether a call that was let in before might not be now."""
    return (
        not set(before.scopes) <= set(after.scopes)
        or not set(before.clients) <= set(after.clients)
        or before.basic_autorise > after.basic_autorise
        or (before.adresses, before.mode_adresses) != (after.adresses, after.mode_adresses)
    )


def update_fiche(connection: Connection, before: Fiche, after: Fiche) -> bool:
    """Replace a partner, that is held, by another version of it. False when it was changed meanwhile.

    Its key, its type, its account, its secrets and its references stay what they are.
    """
    ended: dict[str, Any] = {"revoque_le": now()} if after.statut == REVOQUE else {}
    if _takes_away(before, after):
        # What was authenticated before and waits is authenticated again, and goes on with what is left.
        ended |= {"generation": partenaires.c.generation + 1}
    changed = connection.execute(
        update(partenaires)
        .where(partenaires.c.id == before.id, partenaires.c.version == before.version)
        .values(**_columns(after), **ended, version=before.version + 1)
    )
    if changed.rowcount != 1:
        return False
    lost = set(before.clients) - set(after.clients)
    if lost:
        of_lost = acces.c.partenaire_id == before.id, acces.c.client_id.in_(lost)
        connection.execute(delete(acces).where(*of_lost))
    _grant(connection, before.id, tuple(one for one in after.clients if one not in before.clients))
    return True
