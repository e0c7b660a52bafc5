"""What is served as it is: a page, a file, the contract itself."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cached_property


class Document:
    """An answer to GET, finished when it is first asked for: body, and headers without content-length.

    Who serves payments should not keep two megabytes of a console that nobody opens.
    """

    def __init__(self, read: Callable[[], bytes], headers: list[tuple[bytes, bytes]]) -> None:
        self._read = read
        self._headers = headers

    @property
    def is_finished(self) -> bool:
        """Whether asking for it costs nothing more."""
        return "body" in self.__dict__

    @cached_property
    def body(self) -> bytes:
        """What is served."""
        return self._read()

    @cached_property
    def etag(self) -> str:
        """Its entity tag, without quotes."""
        return hashlib.sha256(self.body).hexdigest()[:32]

    @cached_property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The type, how long a browser may keep it, and its ETag."""
        return [*self._headers, (b"etag", f'"{self.etag}"'.encode())]
