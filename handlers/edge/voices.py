"""Which contract answers: whose version and whose texts an answer bears, by the path of its request."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handlers.contract.model import Contract
from handlers.edge.document import Document
from handlers.edge.replies import Refusals


@dataclass(frozen=True, slots=True)
class Voice:
    """A contract that answers: its texts, its version in a header, its pages by their paths."""

    contract: Contract
    refusals: Refusals
    pages: Mapping[str, Document]

    @property
    def version(self) -> tuple[bytes, bytes]:
        """The header of each of its answers."""
        return b"x-contract-version", self.contract.served_version.encode("ascii")


class Voices:
    """The contracts that a server serves. The first one answers for every path that none of them has.

    `several` says whether there is anything to choose; a server of one contract never does.
    """

    def __init__(self, voices: Sequence[Voice]) -> None:
        self.first, *others = voices
        self.several = bool(others)
        self.pages = {path: page for voice in voices for path, page in voice.pages.items()}
        self._plain: dict[str, Voice] = {}
        self._templated: list[tuple[re.Pattern[str], Voice]] = []
        for voice in others:
            self._plain |= dict.fromkeys(voice.pages, voice)
            for path in {operation.path for operation in voice.contract.operations.values()}:
                if "{" in path:
                    pattern = re.sub(r"\\\{.+?\\\}", "[^/]+", re.escape(path))
                    self._templated.append((re.compile(pattern), voice))
                else:
                    self._plain[path] = voice

    def find(self, path: str) -> Voice:
        """The contract that has the path, or else the first one."""
        voice = self._plain.get(path)
        if voice is not None:
            return voice
        return next(
            (one for pattern, one in self._templated if pattern.fullmatch(path)), self.first
        )
