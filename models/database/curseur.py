"""A curseur: the place at which a list goes on, as a text that tells a partner nothing."""

from __future__ import annotations

import base64

from models.errors import ParametreInvalide


def encode_curseur(kind: str, position: int) -> str:
    """The curseur of a position, zero or more, in a list of this kind."""
    return base64.urlsafe_b64encode(f"{kind}:{position}".encode()).rstrip(b"=").decode("ascii")


def decode_curseur(kind: str, curseur: str) -> int:
    """The position of a curseur that `encode_curseur` gave for the same kind.

    Raises ParametreInvalide for any other text.
    """
    try:
        decoded = base64.urlsafe_b64decode(curseur + "=" * (-len(curseur) % 4)).decode("ascii")
        found, _, position = decoded.partition(":")
        if (
            found == kind
            and position.isdecimal()
            and encode_curseur(kind, int(position)) == curseur
        ):
            # Whoever writes one of his own writes a number that a database still takes.
            return min(int(position), 2**62)
    except ValueError:  # not of base64, or not of ASCII
        pass
    raise ParametreInvalide("curseur")
