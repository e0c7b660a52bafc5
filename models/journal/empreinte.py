"""The hash of what a request asks, by which its repetition is told from another operation.

What is hashed has a shape, and each shape a number that is stored beside the hash. An operation that
an earlier version of this code wrote is compared in the shape of its time, so that its partner still
gets the first answer again. A shape that was ever stored never changes: whoever needs another adds
it under the next number.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import NamedTuple

SANS_VERSION = (1, 2)
"""Shapes of the hashes that were stored before their numbers were."""


class Contenu(NamedTuple):
    """What a request asks, its reference left out: the same in every shape that can say it."""

    formes: Mapping[int, object]

    @property
    def version(self) -> int:
        """The number of the shape in which a new operation is stored."""
        return max(self.formes)

    @property
    def empreinte(self) -> bytes:
        """SHA-256 of the content in its newest shape."""
        return _hash(self.formes[self.version])

    def is_of(self, empreinte: bytes, version: int | None) -> bool:
        """Whether a stored hash, of a shape or of the time before their numbers, is of this content."""
        versions = SANS_VERSION if version is None else (version,)
        return any(
            _hash(self.formes[number]) == empreinte for number in versions if number in self.formes
        )


def _hash(forme: object) -> bytes:
    return hashlib.sha256(json.dumps(forme).encode("ascii")).digest()
