"""Schemathesis against a live server with the demo data: all its checks and ours, on both databases.

Its settings are in schemathesis.toml, our checks in schemathesis_hooks.py. A failure shows the
report, with a curl command for each fault, and the seed that finds it again.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.db import Database
from models.verification import verify
from tests.contract_client import OPERATIONS, ROOT
from tests.process import ServerProcess, serve

CONFIG = "tests/contract/schemathesis.toml"
SEED = 20261123
SUCCESSES = {"creditCarte": 15, "debitCarte": 15, "getSoldeCarte": 15, "accessToken": 5}
"""How many calls must succeed at least, lest the run prove only that refusals are well formed."""

REACHED = frozenset(
    {"405", "412", "1001", "1004", "1007", "2001", "2101", "2102", "2103", "3001", "4002"}
)
"""Codes that such a run meets; the others need a state or a size that it does not make."""

Answers = dict[str, dict[str, int]]


@pytest.fixture
def server(database: Database, tmp_path: Path) -> Iterator[ServerProcess]:
    """`cynod serve --demo` on a database of this test alone."""
    url = database.url.render_as_string(hide_password=False)
    with serve("--demo", folder=tmp_path, CYNOD_DATABASE_URL=url) as running:
        yield running


def run_schemathesis(url: str, folder: Path, *options: str) -> Answers:
    """Run it to its end; the answers it got, by operation, status and code. Fails with its report."""
    answers = folder / "answers.json"
    result = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", CONFIG),
            *("run", f"{url}/openapi.yaml", "--no-color", "--checks", "all"),
            *("--continue-on-failure", *options),
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "CYNOD_SCHEMATHESIS_ANSWERS": str(answers),
            "COLUMNS": "120",
            # The order of sets decides what is generated next.
            "PYTHONHASHSEED": "0",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    report = f"{result.stdout}\n{result.stderr}"
    sys.stdout.write(report)
    assert result.returncode == 0, f"Schemathesis {' '.join(options)}:\n{report}"
    made: Answers = json.loads(answers.read_text(encoding="utf-8"))
    return made


def judge(answers: Answers, database: Database) -> None:
    """Every operation was tried and did succeed, refusals were reached, and the books are right."""
    assert answers.keys() == {operation["operationId"] for operation in OPERATIONS.values()}
    for operation_id, counts in answers.items():
        wanted = SUCCESSES.get(operation_id, 1)
        assert counts.get("200 200", 0) >= wanted, (operation_id, counts)
    codes = Counter(answer.split(" ")[1] for counts in answers.values() for answer in counts)
    assert sorted(REACHED - codes.keys()) == [], "raise max-examples or the probabilities"
    with database.reading() as session:
        assert verify(session).fautes == []


def judge_log(server: ServerProcess) -> None:
    """The server wrote of nothing but requests: no fault, no warning."""
    events = [json.loads(line) for line in server.log.splitlines()]
    assert [event for event in events if event["level"] != "info"] == []


@pytest.mark.timeout(300)
def test_every_check_passes_on_every_operation(
    database: Database, server: ServerProcess, tmp_path: Path
) -> None:
    # The seed alone does not make two runs the same.
    options = ("--seed", str(SEED), "--generation-deterministic", "--max-examples", "40")
    judge(run_schemathesis(server.url, tmp_path, *options), database)
    judge_log(server)


@pytest.mark.fuzz
def test_every_check_passes_at_length(
    database: Database, server: ServerProcess, tmp_path: Path
) -> None:
    options = ("--seed", str(random.SystemRandom().randrange(2**32)), "--max-examples", "400")
    judge(run_schemathesis(server.url, tmp_path, *options), database)
    judge_log(server)


def test_no_check_and_no_operation_is_left_out() -> None:
    """What the settings switch off is told here, with its reason."""
    text = (ROOT / CONFIG).read_text(encoding="utf-8")
    off = [line for line in text.splitlines() if line.replace(" ", "").endswith("=false")]
    assert off == [
        "warnings = false",  # a list of hints, no check
        "enabled = false",  # the cache
        "enabled = false",  # hiding secrets in the report
        "enabled = false",  # the stateful phase: no operation makes an object for another one
    ]
    assert "exclude" not in text
