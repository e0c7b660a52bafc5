"""The architecture: each kind of code has one place. Who may import whom is said in pyproject.toml."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from handlers.cli.late import LATE
from handlers.contract.model import snake_case
from models.audit import audit
from models.carte import cartes
from models.client import clients
from models.journal.ecriture import ecritures
from tests.support.contract_client import PARTENAIRE, ROOT, Json, base_core
from tests.support.writes import Hidden, read_writes

BRANCHES = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.Try,
    ast.TryStar,
    ast.Match,
    ast.With,
    ast.AsyncWith,
    ast.BoolOp,
    ast.comprehension,
)

BODY_LINES = 10
"""Of a handler, after its signature, whose length the contract decides."""

SCREEN_LINES = 50

TRANSACTIONS_LIVE_IN = (
    *("models/database/engine.py", "models/database/ends.py", "models/database/seat.py"),
    "models/migrations/env.py",
    # Nothing is begun or committed there: a connection is left clean.
    *("models/database/green.py", "models/database/place.py"),
    "models/database/observed.py",  # names of commands, for who counts them
)

IMPORTS_BELOW_THE_TOP: dict[str, str] = {
    **{
        f"handlers/cli/root.py: handlers.cli.{module}": "each command pays for itself alone"
        for module in (
            *(
                "agent",
                "audit",
                "carte",
                "contract",
                "database",
                "demande",
                "doctor",
                "importation",
                "journal",
                "metrics",
                "migration",
                "partenaire",
                "plafond",
            ),
            "serve",
        )
    },
    "handlers/cli/serve.py: handlers": "Connexion takes a second, and a help none of it",
    "handlers/cli/serve.py: handlers.sandbox": "as above",
    "handlers/cli/serve.py: handlers.contracts": "a library for YAML, and a help reads none",
    "handlers/cli/serve.py: handlers.contract.model": "as above",
    "handlers/cli/serve.py: handlers.cli.doctor": "as above, for who asks for it",
    "handlers/cli/serve.py: handlers.diagnosis.constat": "as above",
    "handlers/cli/serve.py: handlers.diagnosis.doctor": "as above",
    "handlers/diagnosis/machine.py: httpx": "a server of partners alone never needs it",
    "handlers/app.py: handlers.edge": "9 MiB that a server of partners alone never needs",
    "handlers/server.py: handlers.edge.local_issuer": "as above",
    "handlers/processes.py: handlers.metrics.exposer": "a library that whoever serves calls never needs",
    "handlers/edge/traces.py: handlers.edge.otlp": "the extra `traces`, not installed everywhere",
    "handlers/server.py: models.back_office.demo": "as above",
    "handlers/server.py: models.books.demo": "a server without --demo never needs it",
    "handlers/edge/runner.py: models.back_office.moteur": "as above; a type alone needs it",
    "handlers/edge/oidc.py: httpx": "a server of partners alone never needs it",
    "handlers/contract/rules.py: openapi_spec_validator": "15 MiB that a server never needs",
    "handlers/contract/rules.py: openapi_spec_validator.schemas": "as above",
    "handlers/contract/rules.py: jsonschema": "as above",
    "handlers/site/pages.py: handlers.site": "half a second and 6 MiB, for pages that few open",
    "handlers/workbench/generate.py: datamodel_code_generator": "a tool of development",
    "models/database/engine.py: pysqlite3": "not made for every system",
    "models/database/engine.py: sqlite3": "a MiB that PostgreSQL does without",
    "models/migrate.py: alembic": "8 MiB that a server, which only compares revisions, never needs",
    "models/migrate.py: alembic.config": "as above",
    "models/migrate.py: alembic.runtime.migration": "as above",
    "models/migrate.py: alembic.script": "as above",
    "models/migrate.py: alembic.util": "as above",
    "handlers/contract/reading.py: handlers.contract.check": "the rules, for who edits the contract only",
    "models/database/engine.py: models.database.libpq": "a tenth of a second, which SQLite need not wait",
    "models/database/engine.py: models.database.place": "as above",
    "models/database/presence.py: psycopg": "as above",
}

LONGER_THAN_A_SCREEN: dict[str, str] = {
    "models/journal/ouverture.py: open_cartes": "four bulk writes, long by their columns",
}

USED_BY_TESTS: dict[str, str] = {
    "models/motifs.py: DU_CONTRAT": "what the core checks by itself is held against the contract",
    "models/agent.py: DROITS": "what the contract asks of who calls is held against it",
    "models/agent.py: STATUTS": "as are the values that it names",
    **dict.fromkeys(
        (f"models/{noun}.py: STATUTS" for noun in ("client", "demande", "membre")), "as above"
    ),
}
"""What no other code uses, and why it is kept all the same."""

WRITTEN_FOR_OTHERS = (
    *("handlers/wire.py", "handlers/base_core/wire.py"),
    *("handlers/signatures.py", "handlers/base_core/signatures.py"),
    "models/migrations/",
)
"""What a generator writes, and what Alembic reads."""

OF_THE_JOURNAL = frozenset({"solde", "version", "date_solde"})
"""The columns of cartes that only models/journal/ writes."""

CHANGED_BY_A_DEMANDE = frozenset(
    {
        *("agents", "regles_validation", "clients", "reseaux", "membres", "profils_carte"),
        *("partenaires", "acces", "demandes", "validations"),
    }
)
"""Tables of the back office: tests/support/witness.py has the database say the same."""

CHANGED_BY_SOMEBODY = CHANGED_BY_A_DEMANDE | {
    "secrets", "codes_retrait", "plafonds", "cartes",
}  # fmt: skip
"""Tables of which a change that is not money is a row of the audit."""

RECORDING = ("record", "finish")
"""models.audit.record, and models.geste.finish, which calls it for what a partner did."""

RECORDED_BY_ITS_CALLER: dict[str, str] = {
    "models/journal/ouverture.py": "cards come with an import or the demo, which record what they loaded",
    **{
        f"models/{noun}.py": "demandes change it, which models/back_office/moteur.py records"
        for noun in (
            *("agent", "authentification", "client", "etat_carte", "fiche", "membre"),
            *("plafond", "profil_carte", "regle_validation", "reseau"),
        )
    },
}

ABOVE_DEMANDES: dict[str, str] = {
    "models/books/importation.py": "an operator's command, which the audit names",
    "models/books/demo.py": "as above",
    "models/secret.py": "the demo's partner, with a pair that everybody knows",
}
"""What changes the same without a demande, and why."""

NO_CHANGE_OF_AN_AGENT = frozenset({"derniere_activite"})

TAG_FILES = {
    f"{room}/{snake_case(tag['name'])}.py": reading
    for room, reading in (("handlers", PARTENAIRE), ("handlers/base_core", base_core()))
    for tag in reading.document["tags"]
}
"""The module of each tag, and the contract that has it."""


@cache
def _sources(*rooms: str) -> list[tuple[str, ast.Module]]:
    """Every Python file of these rooms with its syntax tree."""
    return [
        (path.relative_to(ROOT).as_posix(), ast.parse(path.read_text(encoding="utf-8")))
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
    ]


def _imports(tree: ast.AST) -> Iterator[tuple[ast.stmt, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node, alias.name
        elif isinstance(node, ast.ImportFrom):
            yield node, node.module or "."


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end; decorators are not counted."""
    assert function.end_lineno is not None
    return function.end_lineno - function.lineno + 1


def _report(problems: list[str]) -> None:
    assert not problems, "\n" + "\n".join(problems)


def _suffixes(operation: Json) -> list[str]:
    """One function per media type of the answer: the first of the bare name, `_csv` for text/csv."""
    _, *others = operation["responses"]["200"]["content"]
    return ["", *("_" + media_type.partition("/")[2] for media_type in others)]


WRONG = {
    "handlers/stray.py": "",
    "handlers/contract/links.py": "import handlers.edge.call",
    "handlers/cartes.py": "import handlers.mouvements",
    "handlers/base_core/clients.py": "import handlers.base_core.membres",
    "models/carte.py": "import models.journal.ecriture",
    "models/errors.py": "import handlers.answer",
    "handlers/edge/call.py": "import handlers.edge.front",
    "handlers/contract/model.py": "import flask",
    "models/base.py": "import yaml",
    "handlers/views/cartes.py": "import flask",
    "handlers/app.py": "import pytest",
}


def test_linter_of_imports_finds_a_wrong_arrow_of_every_kind(tmp_path: Path) -> None:
    for room in ("handlers", "models"):
        leave = shutil.ignore_patterns("__pycache__", "ui")
        shutil.copytree(ROOT / room, tmp_path / room, ignore=leave)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for path, line in WRONG.items():
        with (tmp_path / path).open("a", encoding="utf-8") as file:
            file.write(f"\n{line}\n")
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert " KEPT" not in done.stdout, done.stdout
    assert "stray" in done.stdout, "a file that has no place is named"
    for line in filter(None, WRONG.values()):
        assert f"-> {line.removeprefix('import ')}" in done.stdout, line


@pytest.mark.parametrize("where", TAG_FILES)
def test_a_tags_module_holds_its_operations_and_nothing_else(where: str) -> None:
    tree = ast.parse((ROOT / where).read_text(encoding="utf-8"))
    expected = {
        snake_case(operation["operationId"]) + suffix
        for operation in TAG_FILES[where].operations.values()
        if snake_case(operation["tags"][0]) == Path(where).stem
        for suffix in _suffixes(operation)
    }
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    assert found == expected, f"{where} must have exactly the functions {sorted(expected)}."
    other = [
        f"{where}:{node.lineno}: only imports and operations live here; move this to views/ or "
        "models/."
        for node in tree.body[1:]
        if not isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef)
    ]
    _report(other)
    assert ast.get_docstring(tree), f"{where}: say in a docstring whose operations these are."


@pytest.mark.parametrize("where", TAG_FILES)
def test_handlers_are_short_and_without_branches(where: str) -> None:
    tree = ast.parse((ROOT / where).read_text(encoding="utf-8"))
    problems = []
    for function in _functions(tree):
        at = f"{where}:{function.lineno} {function.name}"
        assert function.end_lineno is not None
        if function.end_lineno - function.body[0].lineno >= BODY_LINES:
            problems.append(f"{at} has more than {BODY_LINES} lines; move its weight to models/.")
        if function.decorator_list or isinstance(function, ast.AsyncFunctionDef):
            problems.append(f"{at} must be a plain function: the wrapper does the rest.")
        problems += [
            f"{where}:{node.lineno} {function.name} has a {type(node).__name__}; it belongs to "
            "models/ or to the contract."
            for node in ast.walk(function)
            if isinstance(node, BRANCHES) and hasattr(node, "lineno")
        ]
    _report(problems)


def test_only_the_database_begins_commits_and_rolls_back() -> None:
    _report(
        [
            f"{path}:{node.lineno} calls .{node.func.attr}(): only models/database/ ends a transaction; "
            "raise to roll back, return to commit."
            for path, tree in _sources("handlers", "models")
            if path not in TRANSACTIONS_LIVE_IN
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr
            in (
                "commit",
                "rollback",
                "begin",
                "begin_nested",
                "begin_twophase",
                "begin_transaction",
            )
        ]
    )


def test_no_statement_ends_a_transaction_in_sql() -> None:
    words = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
    _report(
        [
            f"{path}:{node.lineno} says {node.value!r}: only models/database/ ends a transaction."
            for path, tree in _sources("handlers", "models")
            if path not in TRANSACTIONS_LIVE_IN
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if node.value.strip().rstrip(";").upper().partition(" ")[0] in words
            and len(node.value.split()) < 4
        ]
    )


def test_no_sql_text_writes_ecritures_or_cartes() -> None:
    statement = re.compile(r"(?i)\b(insert\s+into|update|delete\s+from)\s+(ecritures|cartes)\b")
    _report(
        [
            f"{path}:{node.lineno} writes in SQL what only models/journal/ writes."
            for path, tree in _sources("handlers", "models")
            if not path.startswith("models/journal/") and not path.startswith("models/migrations/")
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if statement.search(node.value)
        ]
    )


def test_imports_stand_at_the_top() -> None:
    found = {
        f"{path}: {name}": node.lineno
        for path, tree in _sources("handlers", "models")
        for node, name in _imports(tree)
        if node not in tree.body
    }
    _report(
        [
            f"{place} (line {line}): import it at the top; an import elsewhere hides a circle."
            for place, line in found.items()
            if place not in IMPORTS_BELOW_THE_TOP
        ]
    )
    stale = IMPORTS_BELOW_THE_TOP.keys() - found.keys()
    assert not stale, f"remove from IMPORTS_BELOW_THE_TOP what is no more: {sorted(stale)}."


def test_no_import_is_a_string() -> None:
    """It would hide an arrow from the linter of imports. The contract names the modules of handlers, and LATE
    those of libraries: these are the exceptions."""
    named = {name.partition(".")[0] for name in LATE}
    assert not named & {"handlers", "models", "tests"}
    _report(
        [
            f"{path}:{node.lineno} imports by a string: write an import, at the top or where it is needed."
            for path, tree in _sources("handlers", "models")
            if path not in ("handlers/edge/resolver.py", "handlers/cli/late.py")
            for node in ast.walk(tree)
            if (isinstance(node, ast.Attribute) and node.attr in ("import_module", "__import__"))
            or (isinstance(node, ast.Name) and node.id in ("import_module", "__import__"))
        ]
    )


def _defined(tree: ast.Module) -> Iterator[str]:
    """What stands at the top of a file, but what a decorator hands on."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.decorator_list:
                yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))


def _used(tree: ast.Module) -> set[str]:
    used: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used.add(node.id)
        elif isinstance(node, ast.Attribute):
            used.add(node.attr)
        elif isinstance(node, ast.ImportFrom):
            used.update(alias.name for alias in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            used.update(re.split(r"[.:]", node.value))  # `module:name`, for who imports by string
    return used


def test_nothing_is_kept_that_only_tests_use() -> None:
    sources = _sources("handlers", "models")
    used = set().union(*(_used(tree) for _, tree in sources))
    found = {
        f"{path}: {name}"
        for path, tree in sources
        if not path.startswith(WRITTEN_FOR_OTHERS)
        for name in _defined(tree)
        if name not in used and not name.startswith("__")
    }
    _report([f"{place} is used by nobody: take it away." for place in found - USED_BY_TESTS.keys()])
    stale = USED_BY_TESTS.keys() - found
    assert not stale, f"remove from USED_BY_TESTS what is no more: {sorted(stale)}."


def test_every_package_says_what_may_live_there() -> None:
    folders = {
        path.parent for room in ("handlers", "models") for path in (ROOT / room).rglob("*.py")
    }
    problems = []
    for folder in sorted(folders):
        file = folder / "__init__.py"
        where = file.relative_to(ROOT)
        if not file.exists():
            problems.append(f"{where} is missing; say there what may live in this package.")
        elif not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))):
            problems.append(f"{where}: say in a docstring what may live in this package.")
    _report(problems)


def test_every_module_has_a_docstring() -> None:
    _report(
        [
            f"{path}: say in one sentence what this module is for."
            for path, tree in _sources("handlers", "models", "tests")
            if not path.endswith("/wire.py") and not ast.get_docstring(tree)
        ]
    )


def test_functions_fit_a_screen() -> None:
    found = {
        f"{path}: {function.name}": _length(function)
        for path, tree in _sources("handlers", "models")
        for function in _functions(tree)
        if _length(function) > SCREEN_LINES
        # A migration is a list of columns, read from top to bottom.
        and not path.startswith("models/migrations/versions/")
    }
    _report(
        [
            f"{place} has {length} lines; keep functions within {SCREEN_LINES}."
            for place, length in found.items()
            if place not in LONGER_THAN_A_SCREEN
        ]
    )
    stale = LONGER_THAN_A_SCREEN.keys() - found.keys()
    assert not stale, f"remove from LONGER_THAN_A_SCREEN what is no more: {sorted(stale)}."


def _money_written(path: str, tree: ast.Module, names: Json | None = None) -> list[str]:
    """What a file outside models/journal/ writes of the money, or may write unseen."""
    problems = []
    for one in read_writes(path, tree, names):
        if isinstance(one, Hidden):
            problems.append(f"{path}:{one.line} writes nobody sees what: {one.advice}.")
        elif one.table == "ecritures" or (one.table == "cartes" and one.verb != "update"):
            problems.append(
                f"{path}:{one.line} writes {one.table}: only models/journal/ does, call it."
            )
        elif one.table == "cartes" and one.columns is None:
            problems.append(f"{path}:{one.line} updates cartes: say in .values(…) which columns.")
        elif one.table == "cartes":
            problems += [
                f"{path}:{one.line} writes cartes.{column}: only models/journal/ does."
                for column in sorted(OF_THE_JOURNAL.intersection(one.columns or ()))
            ]
    return problems


def test_only_the_journal_writes_ecritures_and_what_a_card_holds() -> None:
    """Others may change what a card is, as its statut; tests/models/test_writers.py sees what they write."""
    _report(
        [
            problem
            for path, tree in _sources("handlers", "models")
            if not path.startswith("models/journal/")
            for problem in _money_written(path, tree)
        ]
    )


@pytest.mark.parametrize(
    "source",
    [
        "update(cartes).where(cartes.c.id == 1).values(solde=5)",
        "update(cartes).values(statut='ACTIVE').values({'version': 5})",
        "update(cartes).values(**columns)",
        "update(cartes).values({flag: 1})",
        "update(cartes)",
        "update(autre).values(date_solde=now)",
        "cartes.update().values(solde=5)",
        "sqlalchemy.update(cartes).values(solde=5)",
        "insert(cartes).values(statut='ACTIVE')",
        "delete(cartes)",
        "postgresql.insert(ecritures).values(montant=1)",
        "insert_rows(session, ecritures, ('id',), [])",
        "bulk.insert_rows(session, cartes, ('id',), [])",
        "for table in (cartes, clients): update(table).values(solde=5)",
        "change = update",
        "_upsert(postgresql.insert)",
        "def clear(clients): update(clients).values(solde=5)",
        "from sqlalchemy import update as change\nchange(cartes).values(solde=5)\ninsert(clients)",
    ],
)
def test_a_write_of_money_elsewhere_is_seen(source: str) -> None:
    names = {"cartes": cartes, "autre": cartes, "ecritures": ecritures, "clients": clients}
    assert _money_written("models/elsewhere.py", ast.parse(source), names)


@pytest.mark.parametrize(
    "source",
    [
        "update(cartes).where(cartes.c.solde == 0).values(statut='OPPOSITION').returning(cartes.c.solde)",
        "update(cartes).values({'plafonnee': 1})",
        "insert(clients).values(names)",
        "select(cartes.c.solde)",
        "body.update(fields)\nrows.insert(0, row)\nupdate(clients)",
    ],
)
def test_what_is_no_money_is_left_alone(source: str) -> None:
    names = {"cartes": cartes, "clients": clients}
    assert _money_written("models/elsewhere.py", ast.parse(source), names) == []


def _goes_around_the_audit(path: str, tree: ast.Module, names: Json | None = None) -> list[str]:
    """What a file writes of the audit itself, or changes without a row of it."""
    problems, changed = [], []
    for one in read_writes(path, tree, names):
        if isinstance(one, Hidden):
            continue  # which another test refuses
        if one.table.startswith("audit"):
            problems.append(f"{path}:{one.line} writes {one.table}: call models.audit.record.")
        is_money = one.columns is not None and one.columns <= OF_THE_JOURNAL
        if one.table in CHANGED_BY_SOMEBODY and not (one.table == "cartes" and is_money):
            changed.append(f"{path}:{one.line} changes {one.table}")
    records = any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RECORDING
        for node in ast.walk(tree)
    )
    if not records:
        problems += [
            f"{one}: call models.audit.record after it, with who does it." for one in changed
        ]
    return problems


def test_whoever_changes_what_is_not_money_writes_the_audit() -> None:
    """By files; tests/models/test_unaudited.py asks the database whether each change has its row."""
    found = {
        path: problems
        for path, tree in _sources("handlers", "models")
        if path not in ("models/audit.py", "models/journal/ecriture.py")
        if (problems := _goes_around_the_audit(path, tree))
    }
    _report(
        [
            one
            for path, problems in found.items()
            if path not in RECORDED_BY_ITS_CALLER
            for one in problems
        ]
    )
    stale = RECORDED_BY_ITS_CALLER.keys() - found.keys()
    assert not stale, f"remove from RECORDED_BY_ITS_CALLER what is no more: {sorted(stale)}."


def _effects(path: str, tree: ast.Module) -> list[str]:
    """The functions of a file that change what only demandes change."""
    lines = [
        one.line
        for one in read_writes(path, tree)
        if not isinstance(one, Hidden)
        and one.table in CHANGED_BY_A_DEMANDE
        and not (one.columns and one.columns <= NO_CHANGE_OF_AN_AGENT)
    ]
    return [
        function.name
        for function in _functions(tree)
        if any(function.lineno <= line <= (function.end_lineno or 0) for line in lines)
    ]


def test_nothing_takes_effect_around_the_demandes() -> None:
    """What changes clients, membres, réseaux, agents and rules is called by their demandes alone, and those
    by the engine, which asks as many persons as the rule says."""
    sources = _sources("handlers", "models")
    back_office = "models/back_office/"
    effects = {
        name: path
        for path, tree in sources
        if not path.startswith((back_office, *ABOVE_DEMANDES))
        for name in _effects(path, tree)
    }
    assert {"update_agent", "update_client", "update_membre", "update_regle"} <= effects.keys()
    _report(
        [
            f"{path}:{node.lineno} calls {name} of {effects[name]}: make it a type of demande."
            for path, tree in sources
            if not path.startswith((back_office, *ABOVE_DEMANDES))
            for node in ast.walk(tree)
            if isinstance(node, ast.Name | ast.Attribute)
            for name in [node.id if isinstance(node, ast.Name) else node.attr]
            # A noun may do its part of what another does, as the réseau of a client counts.
            if name in effects and path not in effects.values()
        ]
        + [
            f"{path}:{node.lineno} executes a demande: only the engine does."
            for path, tree in sources
            if path != f"{back_office}moteur.py"
            for node in ast.walk(tree)
            if isinstance(node, ast.Attribute) and node.attr == "executer"
        ]
    )


@pytest.mark.parametrize(
    "source",
    [
        "update(clients).values(nom='x')",
        "update(cartes).values(statut='ACTIVE', solde=1)",
        "insert_rows(connection, clients, ('client_id',), [])",
        "insert(audit).values(position=1)\nrecord()",
    ],
)
def test_a_change_around_the_audit_is_seen(source: str) -> None:
    names = {"cartes": cartes, "clients": clients, "audit": audit}
    assert _goes_around_the_audit("models/elsewhere.py", ast.parse(source), names)


@pytest.mark.parametrize(
    "source",
    [
        "update(clients).values(nom='x')\nrecord()",
        "update(cartes).values(solde=1, version=2)",
        "insert(ecritures).values(montant=1)",
    ],
)
def test_what_the_audit_need_not_know_is_left_alone(source: str) -> None:
    names = {"cartes": cartes, "clients": clients, "ecritures": ecritures}
    assert _goes_around_the_audit("models/elsewhere.py", ast.parse(source), names) == []


def test_no_sql_text_writes_the_audit() -> None:
    statement = re.compile(r"(?i)\b(insert\s+into|update|delete\s+from)\s+audit")
    _report(
        [
            f"{path}:{node.lineno} writes in SQL what only models/audit.py writes."
            for path, tree in _sources("handlers", "models")
            if not path.startswith("models/migrations/")
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            if statement.search(node.value)
        ]
    )
