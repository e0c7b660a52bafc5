"""`make mutants` counts as kills what tests of the changed promise say, and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.mutants.run import Tree
from tests.support.contract_client import ROOT
from tests.support.patience import PROGRAM_S

CONFORMITE = "tests/operations/catalogue/test_conformite.py"
EVERY_OPERATION = "tests/operations/test_every_operation.py"
SCRIPT = """
import json, sys
from tests.lab.mutants import run
from tests.lab.mutants.draw import all_mutants
from tests.lab.mutants.mutant import JUDGE, SERVER, Mutant

def text(document):
    document["info"]["description"] += " Autre."

wanted = sys.argv[2:]
known = all_mutants()
made = [Mutant(side, "text", "getConformite", "info", text) for side in (JUDGE, SERVER)]
made = [one for one in [*made, *known] if one.name in wanted]
run.SUITE = (sys.argv[1],)
told = []
run.run_all(made, 2, told.append)
verdicts = [(one.mutant.name, one.verdict) for one in told]
print(json.dumps([[name, one.killed, one.ran, one.failures] for name, one in verdicts]))
"""
TEXTS = ("contract: text: getConformite: info", "server: text: getConformite: info")
LOST = "server: field lost: getConformite: empreinte"

Told = list[tuple[str, bool, int, list[str]]]


def judge(suite: str, *names: str) -> Told:
    """What a suite says of mutants: killed or not, how many tests ran, what failed."""
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, suite, *names],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PROGRAM_S,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    rows: Told = json.loads(result.stdout.splitlines()[-1])
    assert len(rows) == len(names), result.stdout
    return rows


@pytest.fixture(scope="module")
def told() -> Told:
    """A contract of another text, on either side, and an answer without its hash."""
    return judge(CONFORMITE, *TEXTS, LOST)


def test_another_hash_of_the_contract_kills_no_mutant(told: Told) -> None:
    for name, killed, ran, failures in told:
        if name in TEXTS:
            assert (killed, failures) == (False, []), name
            assert ran > 10, f"{name}: the tests of the conformity did not run"


def test_the_same_tests_kill_what_they_are_about(told: Told) -> None:
    ((_, killed, _, failures),) = [row for row in told if row[0] == LOST]
    assert killed, failures


# What each test says of it when the server takes what it must refuse: that it took it, and not that it broke.
TAKEN = {
    "server: undeclared parameter accepted: getSoldeCarte: query": "test_undeclared_parameter_is_refused",
    "server: repeated parameter accepted: getSoldeCarte: query": "test_repeated_or_undecodable_parameter",
    "server: undeclared field accepted: creditCarte: body": "test_undeclared_field_is_refused",
    "server: header changed: getSoldeCarte: X-Request-Id": "header x-request-id: '?'",
    "server: code sent: getSoldeCarte: 5001 as 9999": '"code":"9999"',
    "server: status sent: getSoldeCarte: 406 as 400": "code 1005 travels under 400",
}


def test_a_change_of_the_server_is_what_it_says() -> None:
    for name, killed, _, failures in judge(EVERY_OPERATION, *TAKEN):
        assert killed, name
        assert TAKEN[name] in " ".join(failures).lower(), failures


def test_code_that_is_changed_meanwhile_is_noticed(tmp_path: Path) -> None:
    for name in ("handlers/kept.py", "models/lost.py", "tests/changed.py", "docs/other.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("", encoding="utf-8")
    tree = Tree(tmp_path)
    assert tree.changed() == []
    (tmp_path / "models/lost.py").unlink()
    os.utime(tmp_path / "tests/changed.py", (0, 0))
    for name in ("handlers/new.py", "docs/more.md"):
        (tmp_path / name).write_text("", encoding="utf-8")
    assert tree.changed() == ["handlers/new.py", "models/lost.py", "tests/changed.py"]
