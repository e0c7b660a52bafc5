"""What stands until the last test of a process, by kind of database.

pytest ends a fixture that depends on the kind of database whenever that changes, which is twice in each file
where several processes share them: databases, servers and scenes would be made hundreds of times.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import Any, TypeVar

T = TypeVar("T")


class Keeper:
    """Keeps what was made once; ends all of it, the youngest first, when it is closed itself."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self._made: dict[str, Any] = {}
        self._ends = ExitStack()

    def once(self, name: str, make: Callable[[], AbstractContextManager[T]]) -> T:
        """What stands under this name; the first who asks makes it."""
        if name not in self._made:
            self._made[name] = self._ends.enter_context(make())
        kept: T = self._made[name]
        return kept

    def close(self) -> None:
        """End what was made."""
        self._made.clear()
        self._ends.close()
