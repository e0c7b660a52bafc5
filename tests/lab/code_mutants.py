"""`python -m tests.lab.code_mutants MODULE`: mutmut's mutants of a module, judged by the tests that know it.

mutmut writes the mutants, all of them beside the original functions, into a copy of the project. The tests
run there, once for each mutant, on SQLite, and on both where PostgreSQL takes other lines of the module: in a
fork of a process that has imported and collected everything, the tests first that killed mutants before. A
function that ran while its module was imported is judged by a process that has the mutant from its first
import on, because a fork comes too late for it. mutmut changes functions only: a statement at the top of a
module is not tried.

mutmut's own runner is not used: it names tests by their ids, and cannot tell a test that it does not find
again from one that takes too long.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click
import pytest
from mutmut.state import state

from tests.lab.mutants.mutant import Mutant
from tests.lab.mutants.plugin import Judge, Verdict
from tests.lab.mutants.run import (
    OPTIONS,
    Result,
    run_collected,
    run_forks,
)
from tests.support.contract_client import ROOT
from tests.support.postgresql import running_server

IMPORTED = "imported"
MUTANT = "MUTANT_UNDER_TEST"
"""The variable by which mutmut's functions know which of them is wanted."""

REPORT = Path("build/code-mutants")
SEED = 20261129
LEAST = 90
"""Per cent of the mutants that tests must kill."""

_MONEY = [
    *(f"operations/mouvements/test_{name}" for name in ("mouvements", "transfert", "plafond")),
    *(f"operations/operations/test_{name}" for name in ("annulation", "suivi")),
    "edge/test_revocation",
]
_READ = [
    *("operations/cartes/test_cartes", "operations/cartes/test_historique"),
    *("operations/operations/test_rapprochement", "operations/authentification/test_droits"),
]
_EDGE = [
    *("edge/test_raw_requests", "edge/test_front", "operations/test_every_operation"),
    *("operations/test_bounds", "operations/test_off_contract", "operations/test_every_value"),
]
_BACK_OFFICE = (
    (
        ("demande", "regle_validation", "back_office/regles", "back_office/corbeille"),
        ["models/test_moteur", "models/test_demandes", "base_core/test_persons"],
    ),
    (
        ("back_office/moteur", "back_office/type_demande", "back_office/registre"),
        [
            *("models/test_moteur", "models/test_demandes", "models/test_cartes"),
            *("models/test_fonds", "models/test_secrets", "base_core/test_attempts"),
        ],
    ),
    (
        (
            *("etat_carte", "numero_carte", "profil_carte", "back_office/designation"),
            *("back_office/cartes", "back_office/fiches_cartes", "back_office/profils"),
        ),
        [
            *("models/test_etat_carte", "models/test_cartes_told"),
            *("base_core/test_card_life", "models/test_cartes"),
        ],
    ),
    (("audit", "back_office/audits"), ["models/test_audit", "models/test_audits"]),
    (("books/chaine",), ["models/test_audit"]),
    (
        ("sceau", "books/feuilles", "books/scellement", "books/rows"),
        ["models/test_scellement", "models/test_verification"],
    ),
)
"""Modules of the back office and of the seals, with the tests that know them: the cheapest first."""
MODELS = ["models", *_MONEY, *_READ]
EDGE = [
    *(
        "models/test_transaction",
        "operations/cartes/test_historique",
        "operations/mouvements/test_mouvements",
    ),
    *("operations/authentification/test_access_token", "edge/test_authentification"),
    *("contract/test_startup", *_EDGE),
]
TESTS = {
    "models/journal/ecriture.py": [
        "models/test_journal",
        *_MONEY,
        "operations/cartes/test_historique",
    ],
    "models/journal/reference.py": [
        *("operations/operations/test_suivi", "models/test_journal", "models/test_empreinte"),
        *(name for name in _MONEY if name != "operations/operations/test_suivi"),
    ],
    "models/mouvement.py": ["models/test_journal", *_MONEY],
    "models/suivi.py": ["models/test_journal", *_MONEY],
    "models/annulation.py": ["models/test_journal", *_MONEY],
    "models/plafond.py": [
        *("models/test_plafond", "models/test_plafonds", "operations/mouvements/test_plafond"),
        *("cli/test_cli_plafond", "operations/authentification/test_droits"),
        *(name for name in _MONEY if name != "operations/mouvements/test_plafond"),
    ],
    "models/authentification.py": [
        *("models/test_partenaire", "models/test_secrets", "edge/test_authentification"),
        *(f"operations/authentification/test_{name}" for name in ("access_token", "jetons")),
        *("edge/test_revocation", "cli/test_cli_partenaire"),
    ],
    **{f"models/{name}.py": tests for names, tests in _BACK_OFFICE for name in names},
    "handlers/edge/lanes.py": ["edge/test_rooms"],
    "handlers/edge/rooms.py": ["edge/test_rooms", "edge/test_workers", "models/test_ahead"],
    "handlers/edge/runner.py": [
        *("edge/test_fault_log", "models/test_transaction", "edge/test_front"),
        *("edge/test_quota", "edge/test_early_refusal", "edge/test_refusal_log"),
        *("edge/test_failed_authentications", "edge/test_shared_limits"),
        "edge/test_authentification",
        *(f"operations/authentification/test_{name}" for name in ("access_token", "retrait")),
        *("operations/mouvements/test_mouvements", "operations/operations/test_suivi"),
        *("operations/test_pages", "edge/test_together"),
        *(f"operations/cartes/test_{name}" for name in ("historique", "get_liste_cartes")),
        *("operations/catalogue/test_conformite", "base_core/test_persons", "edge/test_secrecy"),
        "operations/test_every_operation",
        # Not the test that counts calls of functions: mutmut adds some to each.
        "edge/test_work_per_request::test_round_trips_do_not_grow",
        "metrics/test_metrics::test_replays_tokens_and_refusals_by_limit_are_counted",
        "metrics/test_metrics::test_call_that_runs_again_is_counted",
        *("edge/test_standby", "edge/test_bounded_waits"),
    ],
}
"""The tests of a module, where fewer than MODELS or EDGE know it."""

MODULES = sorted(
    path.relative_to(ROOT).as_posix()
    for room in ("models", "handlers/edge")
    for path in (ROOT / room).rglob("*.py")
    if path.name != "__init__.py" and "migrations" not in path.parts
)
COPIED = (
    *("handlers", "models", "tests", "docs"),
    *("openapi.yaml", "base-core.yaml", "CHANGELOG.md", "README.md", "pyproject.toml"),
)
PYTEST = ["-p", "no:cacheprovider", "--timeout", "60"]
ON_BOTH = (
    *("models/journal/", "models/database/", "models/authentification", "models/mouvement"),
    "models/etat_carte",
)
"""Modules whose lines are not the same for each database."""

SERVER = "CYNOD_TEST_DATABASE_URL"


ALSO_ON_POSTGRESQL = {
    "handlers/edge/runner.py": "test_round_trips or test_metrics or test_suivi or test_transaction"
}
"""Of a module that takes lines of its own on PostgreSQL in few places, the tests that know those."""


def _is_on_both(module: str) -> bool:
    return module.startswith(ON_BOTH) or module in ALSO_ON_POSTGRESQL


def _options(module: str) -> list[str]:
    if module.startswith(ON_BOTH):
        return PYTEST
    also = ALSO_ON_POSTGRESQL.get(module)
    return ["-k", f"not postgresql or {also}" if also else "not postgresql", *PYTEST]


@contextlib.contextmanager
def _server(module: str) -> Iterator[None]:
    """A PostgreSQL for all the mutants of a module that is judged on it, unless one is given."""
    if not _is_on_both(module) or SERVER in os.environ:
        yield
        return
    with running_server() as server:
        os.environ[SERVER] = server.url
        yield


def _selection(module: str) -> list[str]:
    names = TESTS.get(module, MODELS if module.startswith("models/") else EDGE)
    parted = [name.partition("::") for name in names]
    return [
        f"tests/{file}" if (ROOT / "tests" / file).is_dir() else f"tests/{file}.py{mark}{test}"
        for file, mark, test in parted
        if (ROOT / "tests" / file).is_dir() or (ROOT / "tests" / f"{file}.py").exists()
    ]


def _config(module: str) -> str:
    return f"""
[tool.mutmut]
source_paths = ["handlers", "models"]
only_mutate = ["{module}"]
also_copy = ["tests", "docs", "openapi.yaml", "base-core.yaml", "CHANGELOG.md", "README.md"]
pytest_add_cli_args_test_selection = ["tests/contract/test_catalogue.py"]
"""


def _make(folder: Path, module: str) -> list[str]:
    """Write the mutants into a copy of the project; their names."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    with (folder / "pyproject.toml").open("a", encoding="utf-8") as settings:
        settings.write(_config(module))
    result = _mutmut(folder, "run", "--max-children", "1", "none")
    meta = folder / "mutants" / f"{module}.meta"
    if not meta.is_file():
        raise click.ClickException(f"mutmut: {(result.stdout + result.stderr)[-3000:]}")
    return list(json.loads(meta.read_text(encoding="utf-8"))["exit_code_by_key"])


def _mutmut(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        capture_output=True,
        text=True,
        check=False,
    )


def _inside(folder: Path, *command: str, mutant: str = "") -> subprocess.CompletedProcess[str]:
    """Run Python in the copy that has the mutants."""
    mutants = folder / "mutants"
    return subprocess.run(
        [sys.executable, *command],
        cwd=mutants,
        env={**os.environ, "PYTHONPATH": str(mutants), MUTANT: mutant},
        capture_output=True,
        text=True,
        check=False,
    )


class _Forks:
    """A pytest plugin: in place of running the tests once, run them in a fork for each mutant."""

    def __init__(self, names: list[str], workers: int, selection: list[str]) -> None:
        self._names = names
        self._workers = workers
        self._selection = selection
        self._killers: dict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
        self.ends: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Fork for each mutant, but for those of a function that has done its work already."""
        done = set(state()._stats)  # noqa: SLF001 - mutmut has no public word for it
        self.ends = {name: IMPORTED for name in self._names if _function(name) in done}
        mutants: list[Mutant | None] = [
            Mutant("code", _function(name), "", name)
            for name in self._names
            if name not in self.ends
        ]

        def judge(mutant: Mutant | None, place: Path) -> Verdict:
            assert mutant is not None
            os.environ[MUTANT] = mutant.place
            session.items.sort(key=lambda item: self._rank(mutant.kind, item.nodeid))
            return run_collected(session, Judge("none", "none", "", stop=True), place)

        run_forks(mutants, self._workers, self._tell, judge)
        return True

    def _rank(self, function: str, test: str) -> tuple[float, int]:
        # What kills soon goes first: a test that starts a server waits a minute for one that cannot start.
        place = next(at for at, named in enumerate(self._selection) if test.startswith(named))
        return -self._killers[function][test] - self._killers[""][test], place

    def _tell(self, result: Result) -> None:
        assert result.mutant is not None
        name, verdict = result.mutant.place, result.verdict
        self.ends[name] = "killed" if verdict.killed else verdict.reason or "survived"
        for key in (result.mutant.kind, ""):
            self._killers[key][verdict.test] += verdict.killed / max(result.seconds, 1.0)
        sys.stderr.write(f"{result.seconds:6.1f} s  {self.ends[name]:9} {name} {verdict.test}\n")


def _draw(names: list[str], count: int, seed: int) -> list[str]:
    """So many of them, in their order, the same for the same seed; all of them for 0."""
    if not count or count >= len(names):
        return names
    drawn = set(random.Random(seed).sample(names, count))
    return [name for name in names if name in drawn]


def _function(name: str) -> str:
    """The name of a mutant without its number."""
    return name.rpartition("__mutmut_")[0]


def _judge_in_forks(module: str, workers: int, names: list[str], report: Path) -> None:
    """Called in the copy that has the mutants."""
    chosen = _selection(module)
    plugin = _Forks(names, workers, chosen)
    # While this is set, mutmut notes each function that is called: here, while modules are imported.
    os.environ[MUTANT] = "stats"
    with tempfile.TemporaryDirectory() as made:
        selection = [*chosen, *_options(module), *OPTIONS, f"--basetemp={made}/t"]
        pytest.main([*selection, "--capture=no"], plugins=[plugin])
    report.write_text(json.dumps(plugin.ends), encoding="utf-8")


def _judge_afresh(folder: Path, module: str, name: str) -> str:
    """Run the module's tests in a process that has the mutant from its first import on."""
    with tempfile.TemporaryDirectory() as made:
        options = ("-x", "-q", *_options(module), f"--basetemp={made}/t", *_selection(module))
        result = _inside(folder, "-m", "pytest", *options, mutant=name)
    return "survived" if result.returncode == 0 else "killed"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("module", type=click.Choice(MODULES))
@click.option("--workers", default=2, show_default=True)
@click.option("--only", default="", help="Mutants whose name has this text.")
@click.option("--count", default=0, help="How many are drawn; 0: all are judged.")
@click.option("--seed", default=SEED, show_default=True, help="Of the draw.")
@click.option("--inside", type=click.Path(path_type=Path), hidden=True)
def main(module: str, workers: int, only: str, count: int, seed: int, inside: Path | None) -> None:
    """Judge the tests of a MODULE by changing its code; exits with 1 below the score."""
    if inside is not None:
        _judge_in_forks(module, workers, sys.stdin.read().split(","), inside)
        return
    with tempfile.TemporaryDirectory(prefix="code-mutants-") as made, _server(module):
        folder = Path(made)
        made_of = _make(folder, module)
        names = _draw([name for name in made_of if only in name], count, seed)
        # "" is no mutant: were the tests red by themselves, every mutant would count as killed.
        states = _ends(folder, module, workers, ["", *names])
        click.echo(f"{module}: {dict(Counter(states.values()))}, before those of imports")
        # What ran while it was imported, and only that, is another in a process that imports it again.
        again = [name for name in names if states[name] == IMPORTED]
        if states.pop("") == "killed" or (again and _judge_afresh(folder, module, "") == "killed"):
            raise click.ClickException("the tests fail without a mutant")
        with ThreadPoolExecutor(workers) as pool:
            ends = pool.map(lambda name: _judge_afresh(folder, module, name), again)
            states |= dict(zip(again, ends, strict=True))
        alive = [name for name, state in states.items() if state != "killed"]
        diffs = {name: _mutmut(folder, "show", name).stdout for name in alive}
    score = 100 * (len(states) - len(alive)) / max(1, len(states))
    report = REPORT / f"{module.replace('/', '-')}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    body = {
        "module": module,
        "score": round(score, 1),
        "mutants": len(states),
        "of": len(made_of),
        "survivors": diffs,
    }
    report.write_text(json.dumps(body, indent=1), encoding="utf-8")
    for diff in diffs.values():
        click.echo(f"SURVIVED {diff}")
    click.echo(f"{module}: {len(alive)} of {len(states)} survive, score {score:.1f} % ({report})")
    sys.exit(score < LEAST)


def _ends(folder: Path, module: str, workers: int, names: list[str]) -> dict[str, str]:
    report = folder / "ends.json"
    mutants = folder / "mutants"
    command = ("-m", "tests.lab.code_mutants", module, "--workers", str(workers))
    subprocess.run(
        [sys.executable, *command, "--inside", str(report)],
        cwd=mutants,
        env={**os.environ, "PYTHONPATH": str(mutants), MUTANT: ""},
        input=",".join(names),
        text=True,
        stdout=subprocess.DEVNULL,
        check=False,
    )
    if not report.is_file():
        raise click.ClickException("the judge ended without a verdict")
    ends: dict[str, str] = json.loads(report.read_text(encoding="utf-8"))
    return ends


if __name__ == "__main__":
    main()
