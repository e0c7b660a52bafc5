"""How the contract writes days and instants."""

from __future__ import annotations

from datetime import date, datetime

from models.errors import ParametreInvalide


def format_instant(instant: datetime) -> str:
    """`dd-MM-yyyy HH:mm:ss`, in UTC, which is the time of Dakar."""
    return f"{instant:%d-%m-%Y %H:%M:%S}"


def format_jour(jour: date | None) -> str:
    """`dd/MM/yyyy`, empty for an unknown day."""
    return f"{jour:%d/%m/%Y}" if jour else ""


def read_jour(text: str, parametre: str) -> date:
    """The day of a `dd/MM/yyyy`. Raises ParametreInvalide when the calendar does not have it."""
    try:
        return date(int(text[6:]), int(text[3:5]), int(text[:2]))
    except ValueError:
        raise ParametreInvalide(parametre) from None
