"""What changed between two versions of the contract, and whom it breaks.

Redocly finds the changes. Each is then judged apart for what clients send and for what they receive,
because one schema may serve both, and because Redocly rates some too low: `openapi_rules` has the rules
of OpenAPI, `cynod_rules` those of this contract's own words (codes, rights, rates) and of names that
clients are made of.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

import orjson

from handlers.contract.model import Json
from handlers.contract.reading import read_document
from handlers.workbench.diff.change import IMPACTS, Change
from handlers.workbench.diff.cynod_rules import own_changes
from handlers.workbench.diff.openapi_rules import Comparison
from handlers.workbench.diff.redocly import find_changes
from handlers.workbench.diff.unnamed import unnamed_changes


def read(path: Path) -> Json:
    """The document of a contract. Raises ContractError."""
    source = path.read_bytes()
    if source.startswith(b"{"):
        # JSON is YAML, and what is written as JSON is read a hundred times as fast.
        with contextlib.suppress(orjson.JSONDecodeError):
            return orjson.loads(source)  # type: ignore[no-any-return]
    document, _ = read_document(path)
    return document


def compare(old: Path, new: Path) -> list[Change]:
    """Every change from one contract to another, the gravest first, then by place.

    Raises ContractError, RedoclyMissing or RedoclyFailed.
    """
    before, after = read(old), read(new)
    comparison = Comparison(before, after)
    found = [change for one in find_changes(old, new) for change in comparison(one)]
    found += own_changes(before, after)
    found += unnamed_changes(before, after, found)
    return sorted(
        dict.fromkeys(found), key=lambda one: (IMPACTS.index(one.impact), one.where, one.direction)
    )
