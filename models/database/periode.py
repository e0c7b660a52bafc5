"""Which ids a period of time holds, in a table whose rows are written in the order of their ids, nearly.

A page walks the ids. Of rows that say when they were written, a period is between two ids, but for the few
that were written at the same time as others: within `SPREAD`, which no transaction outlasts between its
clock and its row. So a page of a month ten years ago begins where that month does.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Column, Connection, select

from models.database.parcours import Filtre, Parcours

SPREAD = timedelta(hours=1)


def start_of(jour: date) -> datetime:
    """The first instant of a day of Dakar, which is one of UTC."""
    return datetime(jour.year, jour.month, jour.day, tzinfo=UTC)


def between(
    connection: Connection,
    way: Parcours,
    ids: Column[int],
    instants: Column[Any],
    *,
    debut: date | None,
    fin: date | None,
) -> Parcours:
    """The part of a way that lies between these days, both included; None is without end."""
    filtres: list[Filtre] = [*way.filtres]
    depuis, avant, name = way.depuis, way.avant, instants.name
    if debut is not None and debut.year > 1:
        first = start_of(debut)
        filtres.append(lambda row: row[name] >= first)
        before = select(ids).where(instants < first - SPREAD).order_by(instants.desc()).limit(1)
        depuis = connection.scalar(before) or 0
    if fin is not None and fin != date.max:
        end = start_of(fin + timedelta(days=1))
        filtres.append(lambda row: row[name] < end)
        after = select(ids).where(instants >= end + SPREAD).order_by(instants).limit(1)
        avant = connection.scalar(after)
    return way._replace(filtres=filtres, depuis=depuis, avant=avant)
