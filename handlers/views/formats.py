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


def read_periode(debut: str | None, fin: str | None) -> tuple[date | None, date | None]:
    """The days of `dateDebut` and `dateFin`, where they are given.

    Raises ParametreInvalide for one that the calendar does not have, and of `dateFin` before `dateDebut`:
    who mixes them up would take an empty list for an answer.
    """
    premier = read_jour(debut, "dateDebut") if debut else None
    dernier = read_jour(fin, "dateFin") if fin else None
    if premier is not None and dernier is not None and dernier < premier:
        raise ParametreInvalide("dateFin")
    return premier, dernier


def read_jour(text: str, parametre: str) -> date:
    """The day of a `dd/MM/yyyy`. Raises ParametreInvalide when the calendar does not have it."""
    try:
        return date(int(text[6:]), int(text[3:5]), int(text[:2]))
    except ValueError:
        raise ParametreInvalide(parametre) from None
