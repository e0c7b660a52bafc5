"""Addresses from which partners call: how many calls a day, and how many of them the list would refuse.

They are counted beside the calls, and written down now and then: never on the way of a request.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Date,
    ForeignKey,
    PrimaryKeyConstraint,
    String,
    Table,
    delete,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.base import BigId, Instant, metadata, today

GARDE_JOURS = 90
"""For how many days they are kept."""

MONTRE_JOURS = 30
MAX_MONTREES = 100
"""Of how many days, and how many, a partner is shown with."""

MAX_PAR_JOUR = 100
"""Addresses of a partner and a day: calls from more of them are counted together."""

AUTRES = "autres"
"""What those are called together."""

adresses_vues = Table(
    "adresses_vues",
    metadata,
    Column("partenaire_id", ForeignKey("partenaires.id"), nullable=False),
    Column("jour", Date, nullable=False),
    Column("adresse", String(45), nullable=False),
    Column("appels", BigId, nullable=False),
    Column(
        "refus", BigId, nullable=False, doc="of these calls, those that the list refuses, or would"
    ),
    Column("dernier_appel", Instant, nullable=False),
    PrimaryKeyConstraint("partenaire_id", "jour", "adresse"),
    CheckConstraint("refus >= 0 AND refus <= appels", name="refus_des_appels"),
)


class Vues(NamedTuple):
    """Calls that were counted, and the last of them."""

    appels: int
    refus: int
    dernier_appel: datetime


class AdresseVue(NamedTuple):
    """An address of a day."""

    adresse: str
    jour: date
    appels: int
    refus: int
    dernier_appel: datetime


def note_adresses(connection: Connection, partenaire_id: int, vues: Mapping[str, Vues]) -> None:
    """Add what was counted of a partner, by address, to the days of the last calls."""
    for adresse, counted in sorted(vues.items()):
        jour = counted.dernier_appel.date()
        named = adresse if _has_room(connection, partenaire_id, jour, adresse) else AUTRES
        connection.execute(_upsert(connection, partenaire_id, jour, named, counted))


def _has_room(connection: Connection, partenaire_id: int, jour: date, adresse: str) -> bool:
    of_day = adresses_vues.c.partenaire_id == partenaire_id, adresses_vues.c.jour == jour
    there = select(func.count()).where(*of_day)
    if connection.scalar(there.where(adresses_vues.c.adresse == adresse)):
        return True
    return (connection.scalar(there) or 0) < MAX_PAR_JOUR


def _upsert(
    connection: Connection, partenaire_id: int, jour: date, adresse: str, counted: Vues
) -> Any:
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    first = dialect.insert(adresses_vues).values(
        partenaire_id=partenaire_id, jour=jour, adresse=adresse, **counted._asdict()
    )
    return first.on_conflict_do_update(
        index_elements=["partenaire_id", "jour", "adresse"],
        set_={
            "appels": adresses_vues.c.appels + counted.appels,
            "refus": adresses_vues.c.refus + counted.refus,
            "dernier_appel": counted.dernier_appel,
        },
    )


def forget_adresses(connection: Connection) -> None:
    """Forget those of days that are long past."""
    past = today() - timedelta(days=GARDE_JOURS)
    connection.execute(delete(adresses_vues).where(adresses_vues.c.jour < past))


def list_adresses(connection: Connection, partenaire_id: int) -> list[AdresseVue]:
    """The addresses of the last days, the latest first."""
    since = today() - timedelta(days=MONTRE_JOURS)
    rows = connection.execute(
        select(*(adresses_vues.c[name] for name in AdresseVue._fields))
        .where(adresses_vues.c.partenaire_id == partenaire_id, adresses_vues.c.jour > since)
        .order_by(
            adresses_vues.c.jour.desc(),
            adresses_vues.c.dernier_appel.desc(),
            adresses_vues.c.adresse,
        )
        .limit(MAX_MONTREES)
    )
    return [AdresseVue(*row) for row in rows]


def last_calls(connection: Connection, partenaire_ids: list[int]) -> dict[int, datetime]:
    """When each of these partners called last, as far as it is known."""
    wanted = adresses_vues.c.partenaire_id.in_(partenaire_ids)
    rows = connection.execute(
        select(adresses_vues.c.partenaire_id, func.max(adresses_vues.c.dernier_appel))
        .where(wanted)
        .group_by(adresses_vues.c.partenaire_id)
    )
    return dict(tuple(row) for row in rows)
