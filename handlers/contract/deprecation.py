"""What the answers of a deprecated operation say: since when, until when, and where to read more.

`Deprecation` is RFC 9745 (a Structured Fields date, `@` and seconds), `Sunset` is RFC 8594 (an HTTP
date), and the relations of `Link` are those of both.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from email.utils import format_datetime

Header = tuple[str, str]


def deprecation_headers(
    operation_id: str, depuis: object, retrait: object, successor: str | None
) -> tuple[Header, ...]:
    """Deprecation, Sunset and Link. Raises ValueError when a date is none, or they are in disorder.

    Deprecated from the first moment of `depuis`, withdrawn at the first one of `retrait`, in UTC.
    """
    since, until = _day("depuis", depuis), _day("retrait", retrait)
    if until <= since:
        raise ValueError("retrait must be later than depuis")
    links = [
        f'</#{operation_id}>; rel="deprecation"; type="text/html"',
        f'</#{operation_id}>; rel="sunset"; type="text/html"',
    ]
    if successor is not None:
        links.append(f'</#{successor}>; rel="successor-version"; type="text/html"')
    return (
        ("Deprecation", f"@{int(since.timestamp())}"),
        ("Sunset", format_datetime(until, usegmt=True)),
        ("Link", ", ".join(links)),
    )


def _day(name: str, text: object) -> datetime:
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        raise ValueError(f'{name} must be a date such as "2027-01-31"') from None
    return datetime.combine(day, time(), UTC)
