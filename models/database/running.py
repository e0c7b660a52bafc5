"""What the transactions of this process are doing now."""

from __future__ import annotations

from sqlalchemy import Connection

# Keys of what the transactions of this process are doing now: what an advisory lock tells on
# PostgreSQL, for SQLite, which has none.
_RUNNING = "cynod_running"


_running: set[object] = set()


def mark_running(connection: Connection, key: object) -> None:
    """Say until the end of the connection's transaction that `key` is being worked on."""
    connection.info.setdefault(_RUNNING, []).append(key)
    _running.add(key)


def is_marked_running(key: object) -> bool:
    """Whether a transaction of this process marked `key` and has not ended."""
    return key in _running


def forget_running(connection: Connection) -> None:
    if not connection.invalidated:
        for key in connection.info.pop(_RUNNING, ()):
            _running.discard(key)
