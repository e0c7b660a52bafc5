"""Which ids a period of time holds, in a table whose rows are written in the order of their ids, nearly.

A page walks the ids. Of rows that say when they were written, a period is between two ids, but for the few
that were written at the same time as others: within `SPREAD`, which no transaction outlasts between its
clock and its row. So a page of a month ten years ago begins where that month does.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, func, select

SPREAD = timedelta(hours=1)


def start_of(jour: date) -> datetime:
    """The first instant of a day of Dakar, which is one of UTC."""
    return datetime(jour.year, jour.month, jour.day, tzinfo=UTC)


def within(
    ids: Column[int], instants: Column[Any], debut: date | None, fin: date | None
) -> list[ColumnElement[bool]]:
    """Rules for the rows of these days, both included; None is without end."""
    rules: list[ColumnElement[bool]] = []
    if debut is not None:
        first = start_of(debut)
        rules.append(instants >= first)
        if first - datetime.min.replace(tzinfo=UTC) > SPREAD:
            before = select(ids).where(instants < first - SPREAD).order_by(instants.desc()).limit(1)
            rules.append(ids > func.coalesce(before.scalar_subquery(), 0))
    if fin is not None and fin != date.max:
        end = start_of(fin + timedelta(days=1))
        rules.append(instants < end)
        after = select(ids).where(instants >= end + SPREAD).order_by(instants).limit(1)
        rules.append(ids < func.coalesce(after.scalar_subquery(), _LAST))
    return rules


_LAST = 2**62
