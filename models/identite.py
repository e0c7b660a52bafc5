"""An identity that a token of the company's provider has proved: whom it names, and how he authenticated.

What he may do is not in it: that is said here, see `models.agent`.
"""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple


class Identite(NamedTuple):
    """Whom a token names, how he authenticated and when, through which application, and its end."""

    emetteur: str
    sujet: str
    application: str | None
    authentifie_le: datetime | None
    acr: str | None
    expire_le: datetime
