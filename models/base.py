"""What every table shares: metadata with named constraints, an instant type, the clock."""

from __future__ import annotations

import json
import secrets
import time
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import BigInteger, DateTime, Dialect, Integer, MetaData
from sqlalchemy.types import TypeDecorator

UNITE = "FCFA"
"""The only unit today: francs CFA (XOF), which has no minor unit."""

SOLDE_MAXIMAL = 9_007_199_254_740_991
"""Largest solde of a card: the largest integer that a JSON number (a double) carries exactly."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives an automatic row id to INTEGER primary keys only.
BigId = BigInteger().with_variant(Integer(), "sqlite")


class Instant(TypeDecorator[datetime]):
    """A point in time: aware, UTC in and out, on databases with and without time zones."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant must be aware")
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def mask(numero_carte: str) -> str:
    """The first six and the last four digits of a card number, and stars between: all that is shown of it
    where its holder is not the reader."""
    return f"{numero_carte[:6]}******{numero_carte[-4:]}"


_CANONICAL = json.JSONEncoder(
    ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
)


def canonical_json(value: object) -> str:
    """The one JSON text of a value, to be hashed: keys in order, no space, nothing escaped for nothing.

    For texts, integers to 2^53, lists and objects of ASCII keys it is RFC 8785, which other languages know.
    Raises ValueError for what JSON cannot say.
    """
    return _CANONICAL.encode(value)


def write_instant(instant: datetime) -> str:
    """An instant to the microsecond, in UTC, as exports and hashes say it."""
    return f"{instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_SHIFTS = range(125, -1, -5)


def new_ulid() -> str:
    """A sortable unique name: 48 bits of milliseconds, 80 random bits, in 26 letters (ULID)."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join([_CROCKFORD[(value >> shift) & 31] for shift in _SHIFTS])


def now() -> datetime:
    """The current instant, aware, in UTC, which is also the time of Dakar."""
    return datetime.now(UTC)


def today() -> date:
    """The current day in Dakar (UTC+0, no daylight saving time)."""
    return datetime.now(UTC).date()
