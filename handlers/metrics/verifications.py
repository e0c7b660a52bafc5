"""The last result of each verification of the books, kept in a file that the metrics tell.

Verifications run by night, often on another host than the servers, of a database that they only read: they
leave their result beside it, as the textfile collector of Prometheus' node_exporter has batch jobs do.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
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


def keep(file: str, verification: str, *, success: bool) -> bool:
    """Keep in the file how a verification ended, unless none is named. False when it cannot be written."""
    if not file:
        return True
    known = {**read_results(file), verification: Result(success, time.time())}
    text = json.dumps({name: one._asdict() for name, one in known.items()})
    made = Path(f"{file}.{os.getpid()}")
    try:
        made.write_text(text, encoding="utf-8")
        made.replace(file)
    except OSError:
        return False
    return True
