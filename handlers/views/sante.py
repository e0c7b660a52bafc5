"""Health on the wire."""

from __future__ import annotations

from typing import Never

from handlers import wire
from handlers.answer import Answer


def render_sante() -> Answer[Never, wire.Sante]:
    """Sante."""
    return Answer(None, {"statut": "ok"})
