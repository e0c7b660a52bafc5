"""`python -m tests.code_mutants MODULE`: mutmut on one module, judged by the tests that know it, on SQLite.

It works on a copy of the project. Mutants run twice when they survive: mutmut's workers have imported
everything before a mutant is chosen, so that what a module does while it is imported is not mutated there;
survivors are judged again by workers that import for themselves.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import click

from tests.contract_client import ROOT

REPORT = Path("build/code-mutants")
LEAST = 90
"""Per cent of the mutants that tests must kill."""

_MONEY = ["test_mouvements", "test_transfert", "test_annulation", "test_suivi", "test_plafond"]
_EDGE = ["test_every_operation", "test_bounds", "test_off_contract", "test_whole_contract"]
TESTS = {
    "models/journal.py": ["models/test_journal", *_MONEY],
    "models/mouvement.py": ["models/test_journal", *_MONEY],
    "models/suivi.py": ["models/test_journal", *_MONEY],
    "models/annulation.py": ["models/test_journal", *_MONEY],
    "models/plafond.py": [*_MONEY, "test_droits"],
    "handlers/edge/operation.py": [
        *("models/test_transaction", "test_historique", "test_mouvements", "test_access_token"),
        *_EDGE,
    ],
    "handlers/edge/bridge.py": ["contract/test_raw_requests", "contract/test_front", *_EDGE],
    "handlers/edge/checks.py": ["contract/test_raw_requests", "contract/test_examples", *_EDGE],
}
"""The tests of a module, by file; those of tests/operations without their folder."""

COPIED = ("handlers", "models", "tests", "docs", "openapi.yaml", "CHANGELOG.md", "pyproject.toml")


def _config(module: str, warmup: str) -> str:
    files = [f"tests/{name if '/' in name else f'operations/{name}'}.py" for name in TESTS[module]]
    return f"""
[tool.mutmut]
source_paths = ["handlers", "models"]
only_mutate = ["{module}"]
also_copy = ["tests", "docs", "openapi.yaml", "CHANGELOG.md"]
pytest_add_cli_args_test_selection = {json.dumps(files)}
pytest_add_cli_args = ["-k", "not postgresql", "-p", "no:cacheprovider", "--timeout", "60"]
process_isolation = "forkserver"
timeout_constant = 10
forkserver_warmup = "{warmup}"
"""


def _copy(folder: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)


def _mutmut(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode:
        raise click.ClickException(f"mutmut: {(result.stdout + result.stderr)[-3000:]}")
    return result.stdout


def _states(folder: Path) -> dict[str, str]:
    text = _mutmut(folder, "results", "--all", "true")
    return dict(re.findall(r"^\s*(\S+__mutmut_\d+): (.+)$", text, re.MULTILINE))


def _run(folder: Path, module: str, workers: int, warmup: str, *names: str) -> dict[str, str]:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8") + _config(module, warmup)
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    _mutmut(folder, "run", "--max-children", str(workers), *names)
    return _states(folder)


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("module", type=click.Choice(sorted(TESTS)))
@click.option("--workers", default=2, show_default=True)
@click.option("--only", default="", help="Mutants of the functions whose name has this text.")
def main(module: str, workers: int, only: str) -> None:
    """Judge the tests of a MODULE by changing its code; exits with 1 below the score."""
    names = (f"*{only}*",) if only else ()
    with tempfile.TemporaryDirectory(prefix="code-mutants-") as made:
        folder = Path(made)
        _copy(folder)
        states = _run(folder, module, workers, "collect", *names)
        again = [name for name, state in states.items() if state not in ("killed", "not checked")]
        if again:
            states = _run(folder, module, workers, "none", *again)
        states = {name: state for name, state in states.items() if state != "not checked"}
        # A mutant that only ran out of time is not called killed: a busy machine does that too.
        alive = [name for name, state in states.items() if state != "killed"]
        diffs = {name: _mutmut(folder, "show", name) for name in alive}
    counts = Counter(states.values())
    score = 100 * (len(states) - len(alive)) / max(1, len(states))
    report = REPORT / f"{module.replace('/', '-')}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    body = {"module": module, "score": round(score, 1), "counts": counts, "survivors": diffs}
    report.write_text(json.dumps(body, indent=1), encoding="utf-8")
    for name, diff in diffs.items():
        click.echo(f"{states[name]}: {diff}")
    click.echo(f"{module}: {dict(counts)}, score {score:.1f} % ({report})")
    sys.exit(score < LEAST)


if __name__ == "__main__":
    main()
