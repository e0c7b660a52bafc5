"""Which contract the mutants of this process are of: chosen before anything reads one."""

from __future__ import annotations

import os
from pathlib import Path

from tests.support import contract_client
from tests.support.contract_client import PARTENAIRE, Reading, base_core

ENVIRONMENT = "CYNOD_MUTANTS_SURFACE"
SURFACES = ("partenaire", "base-core")
SURFACE = os.environ.get(ENVIRONMENT, SURFACES[0])
IS_BASE_CORE = SURFACES[0] != SURFACE
READING = base_core() if IS_BASE_CORE else PARTENAIRE
CATALOGUE, DOCUMENT, OPERATIONS = READING.catalogue, READING.document, READING.operations
resolve = READING.resolve


def judge_by(contract: Path) -> None:
    """Let the client of the tests, before any of them is imported, judge by another file."""
    reading = Reading(contract, prefix=READING.prefix)
    names = contract_client.__dict__
    if IS_BASE_CORE:
        names["BASE_CORE_CONTRACT"] = contract
        names["base_core"] = lambda: reading
        return
    names["CONTRACT"] = contract
    names["PARTENAIRE"] = reading
    for name in ("document", "catalogue", "operations", "by_id"):
        names[name.upper()] = getattr(reading, name)
    for name in ("resolve", "expand", "check_header_names", "check_places"):
        names[name] = getattr(reading, name)
