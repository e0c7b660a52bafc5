"""Pages of lists on the wire."""

from __future__ import annotations

LIMITE = 50
"""Lines of a page whose caller asks for no number of them."""


def read_limite(limite: int | None) -> int:
    """How many lines a page has at most."""
    return limite or LIMITE
