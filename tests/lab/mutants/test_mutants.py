"""`make mutants` counts as kills what tests of the changed promise say, and nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.contract_client import ROOT
from tests.support.patience import PROGRAM_S

CONFORMITE = "tests/operations/catalogue/test_conformite.py"
SCRIPT = """
import json, sys
from tests.lab.mutants import run
from tests.lab.mutants.edits import weaker_answers
from tests.lab.mutants.mutant import JUDGE, SERVER, Mutant
from tests.lab.mutants.patches import answers

def text(document):
    document["info"]["description"] += " Autre."

lost = next(m for m in answers() if m.name == "server: field lost: getConformite: empreinte")
made = [Mutant(side, "text", "getConformite", "info", text) for side in (JUDGE, SERVER)]
run.SUITE = (sys.argv[1],)
told = []
run.run_all([*made, lost], 2, told.append)
verdicts = [(one.mutant.name, one.verdict) for one in told]
print(json.dumps([[name, one.killed, one.ran, one.failures] for name, one in verdicts]))
"""


@pytest.fixture(scope="module")
def told() -> list[tuple[str, bool, int, list[str]]]:
    """A contract of another text, on either side, and an answer without its hash."""
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, CONFORMITE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PROGRAM_S,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    rows: list[tuple[str, bool, int, list[str]]] = json.loads(result.stdout.splitlines()[-1])
    assert len(rows) == 3, result.stdout
    return rows


def test_another_hash_of_the_contract_kills_no_mutant(
    told: list[tuple[str, bool, int, list[str]]],
) -> None:
    for name, killed, ran, failures in told:
        if ": text: " in name:
            assert (killed, failures) == (False, []), name
            assert ran > 10, f"{name}: the tests of the conformity did not run"


def test_the_same_tests_kill_what_they_are_about(
    told: list[tuple[str, bool, int, list[str]]],
) -> None:
    ((_, killed, _, failures),) = [row for row in told if "field lost" in row[0]]
    assert killed, failures
