"""`python -m tests.code_mutants MODULE`: mutmut on one module, judged by the tests that know it, on SQLite.

It works on a copy of the project. What survives mutmut is judged again, each mutant by a process of its own
that imports with the mutant in place: mutmut's workers have imported everything before a mutant is chosen, so
that there nothing is changed of what a module does while it is imported. Mutmut changes functions only: a
statement at the top of a module is not tried.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from tests.contract_client import ROOT

REPORT = Path("build/code-mutants")
LEAST = 90
"""Per cent of the mutants that tests must kill."""

_MONEY = [
    f"operations/test_{name}"
    for name in ("mouvements", "transfert", "annulation", "suivi", "plafond")
]
_READ = [f"operations/test_{name}" for name in ("cartes", "historique", "rapprochement", "droits")]
_EDGE = [
    *("contract/test_raw_requests", "contract/test_front", "operations/test_every_operation"),
    *("operations/test_bounds", "operations/test_off_contract", "operations/test_every_value"),
]
MODELS = ["models", *_MONEY, *_READ]
EDGE = [
    *("models/test_transaction", "operations/test_historique", "operations/test_mouvements"),
    *("operations/test_access_token", "operations/test_authentification"),
    *("contract/test_startup", *_EDGE),
]
TESTS = {
    "models/journal.py": ["models/test_journal", *_MONEY, "operations/test_historique"],
    "models/mouvement.py": ["models/test_journal", *_MONEY],
    "models/suivi.py": ["models/test_journal", *_MONEY],
    "models/annulation.py": ["models/test_journal", *_MONEY],
    "models/plafond.py": ["models/test_journal", *_MONEY, "operations/test_droits"],
}
"""The tests of a module, where fewer than MODELS or EDGE know it."""

MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for room in ("models", "handlers/edge")
    for path in (ROOT / room).glob("*.py")
    if path.name != "__init__.py"
)
COPIED = ("handlers", "models", "tests", "docs", "openapi.yaml", "CHANGELOG.md", "pyproject.toml")
PYTEST = ["-k", "not postgresql", "-p", "no:cacheprovider", "--timeout", "60"]


def _selection(module: str) -> list[str]:
    names = TESTS.get(module, MODELS if module.startswith("models/") else EDGE)
    paths = [ROOT / "tests" / name for name in names]
    return [
        f"tests/{name}" if path.is_dir() else f"tests/{name}.py"
        for name, path in zip(names, paths, strict=True)
        if path.is_dir() or path.with_suffix(".py").exists()
    ]


def _config(module: str) -> str:
    return f"""
[tool.mutmut]
source_paths = ["handlers", "models"]
only_mutate = ["{module}"]
also_copy = ["tests", "docs", "openapi.yaml", "CHANGELOG.md"]
pytest_add_cli_args_test_selection = {json.dumps(_selection(module))}
pytest_add_cli_args = {json.dumps(PYTEST)}
process_isolation = "forkserver"
timeout_constant = 10
forkserver_warmup = "collect"
"""


def _copy(folder: Path, module: str) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as settings:
        settings.write(_config(module))


def _mutmut(folder: Path, *arguments: str) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
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


def _judge_afresh(folder: Path, module: str, name: str) -> str:
    """Run the module's tests in a process that has the mutant from its first import on."""
    mutants = folder / "mutants"
    with tempfile.TemporaryDirectory() as made:
        command = [sys.executable, "-m", "pytest", "-x", "-q", *PYTEST, f"--basetemp={made}/t"]
        result = subprocess.run(
            [*command, *_selection(module)],
            cwd=mutants,
            env={**os.environ, "PYTHONPATH": str(mutants), "MUTANT_UNDER_TEST": name},
            capture_output=True,
            text=True,
            check=False,
        )
    return "survived" if result.returncode == 0 else "killed"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("module", type=click.Choice(MODULES))
@click.option("--workers", default=2, show_default=True)
@click.option("--only", default="", help="Mutants of the functions whose name has this text.")
def main(module: str, workers: int, only: str) -> None:
    """Judge the tests of a MODULE by changing its code; exits with 1 below the score."""
    with tempfile.TemporaryDirectory(prefix="code-mutants-") as made:
        folder = Path(made)
        _copy(folder, module)
        _mutmut(folder, "run", "--max-children", str(workers), *([f"*{only}*"] if only else []))
        states = {name: end for name, end in _states(folder).items() if end != "not checked"}
        click.echo(f"{module}: {dict(Counter(states.values()))}, before the second look")
        # "" is no mutant: were the tests red by themselves, every mutant would count as killed.
        if _judge_afresh(folder, module, "") != "survived":
            raise click.ClickException("the tests fail without a mutant")
        again = [name for name, state in states.items() if state != "killed"]
        with ThreadPoolExecutor(workers) as pool:
            ends = pool.map(lambda name: _judge_afresh(folder, module, name), again)
            states |= dict(zip(again, ends, strict=True))
        alive = [name for name, state in states.items() if state != "killed"]
        diffs = {name: _mutmut(folder, "show", name) for name in alive}
    score = 100 * (len(states) - len(alive)) / max(1, len(states))
    report = REPORT / f"{module.replace('/', '-')}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    body = {
        "module": module,
        "score": round(score, 1),
        "mutants": len(states),
        "survivors": diffs,
    }
    report.write_text(json.dumps(body, indent=1), encoding="utf-8")
    for diff in diffs.values():
        click.echo(f"SURVIVED {diff}")
    click.echo(f"{module}: {len(alive)} of {len(states)} survive, score {score:.1f} % ({report})")
    sys.exit(score < LEAST)


if __name__ == "__main__":
    main()
