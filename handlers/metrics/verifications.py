"""The last result of each verification of the books, kept in a file that the metrics tell.

Verifications run by night, often on another host than the servers, of a database that they only read: they
leave their result beside it, as the textfile collector of Prometheus' node_exporter has batch jobs do.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

VERIFICATIONS = ("journal", "seal", "audit")


class Result(NamedTuple):
    """How a verification ended, and when, in seconds since 1970."""

    success: bool
    at: float


def read_results(file: str) -> Mapping[str, Result]:
    """The last result of each verification that was ever made; none without a file, or of a spoilt one."""
    try:
        document: Any = json.loads(Path(file).read_text(encoding="utf-8")) if file else {}
        return {
            name: Result(bool(one["success"]), float(one["at"]))
            for name, one in document.items()
            if name in VERIFICATIONS
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


@contextlib.contextmanager
def kept(file: str, verification: str) -> Iterator[None]:
    """Keep in the file whether what happens inside ended well. Nothing is kept where no file is named.

    Whatever it raises it goes on to raise; an OSError of the file comes only after a success.
    """
    if not file:
        yield
        return
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            _write(Path(file), verification, Result(success=False, at=time.time()))
        raise
    _write(Path(file), verification, Result(success=True, at=time.time()))


def _write(file: Path, verification: str, result: Result) -> None:
    known = {**read_results(str(file)), verification: result}
    made = file.with_name(f".{file.name}.{os.getpid()}")
    made.write_text(
        json.dumps({name: one._asdict() for name, one in known.items()}), encoding="utf-8"
    )
    made.replace(file)
