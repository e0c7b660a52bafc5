"""A maintainer adds an operation by README alone, in a copy of the project, with every wrong turn on the way.

And the other way round: a field renamed in the YAML alone fails the type check at the line that writes it.
"""

from __future__ import annotations

import difflib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Generator, Iterator
from pathlib import Path

import httpx
import pytest

from handlers.workbench.diff.redocly import PROGRAM
from handlers.workbench.history import published
from models.books.demo import CONSUMER_KEY, CONSUMER_SECRET
from models.migrate import expected_revision
from tests.support.contract_client import ROOT
from tests.support.needs import REQUIRED, lack
from tests.support.nursery import Child, Nursery
from tests.support.patience import CALL_S, PROGRAM_S
from tests.support.process import PIPES, finish, free_port

SUPERFLUOUS = "def autre(): ...\n\n\n"
COPIED = (
    *("openapi.yaml", "base-core.yaml", "CHANGELOG.md", "pyproject.toml"),
    *("docs", "handlers", "models", "tests"),
)
LEFT = shutil.ignore_patterns("__pycache__", "node_modules", "bench", "fuzz", "proof", "mutants")


PIECES = Path(__file__).with_name("new_operation")
"""What the maintainer writes of the rule."""


def piece(name: str) -> str:
    """One of them."""
    return (PIECES / name).read_text(encoding="utf-8")


Turn = tuple[dict[str, str], tuple[str, ...]]
"""Texts of openapi.yaml that are replaced while a command of cynod runs, and the command."""

_TURNS = """
import contextlib, io, json, sys
from pathlib import Path
from handlers.cli.root import main

said = []
contract = Path("openapi.yaml")
for edits, arguments in json.loads(sys.argv[1]):
    right = text = contract.read_text(encoding="utf-8")
    for old, new in edits.items():
        assert old in text, old
        text = text.replace(old, new, 1)
    if edits:
        contract.write_text(text, encoding="utf-8")
    sys.argv = ["cynod", *arguments]
    both = io.StringIO()
    code = 0
    with contextlib.redirect_stdout(both), contextlib.redirect_stderr(both):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    said.append(f"{code}\\n{both.getvalue()}")
    if edits:
        contract.write_text(right, encoding="utf-8")
print(json.dumps(said))
"""


class Copy:
    """A copy of the project, and the tools run on it."""

    def __init__(self, folder: Path, nursery: Nursery, checked: Path) -> None:
        self.folder = folder
        self.nursery = nursery
        self.checked = checked
        folder.mkdir()
        for name in COPIED:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, folder / name, ignore=LEFT)
            else:
                shutil.copy(source, folder / name)
        (folder / "build").mkdir()
        (folder / "build" / "node").symlink_to(ROOT / "build" / "node")

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of its processes."""
        # Each command finds the modules compiled by the one before, whatever the tests were told.
        left = ("CYNOD_", "PYTHONDONTWRITEBYTECODE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(left)}
        own = {"PYTHONPATH": str(self.folder), "MYPY_CACHE_DIR": str(self.checked)}
        return {**kept, **own, **more}

    def run(self, *command: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a program in it."""
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=PROGRAM_S,
            check=False,
        )

    def start(self, *arguments: str, **more: str) -> Child:
        """Start a command of cynod, whose code is the copy's as it is now."""
        return self.nursery.start(
            arguments, folder=self.folder, environment=self.environment(**more), streams=PIPES
        )

    def cynod(self, *arguments: str) -> str:
        """What a command of cynod says, on both streams, its exit code first."""
        done = finish(self.start(*arguments))
        return f"{done.returncode}\n{done.stdout}{done.stderr}"

    def turns(self, *turns: Turn) -> list[str]:
        """What commands of cynod say one after the other, in one process: to start one costs two seconds."""
        given = json.dumps([[dict(edits), list(arguments)] for edits, arguments in turns])
        done = self.run(sys.executable, "-c", _TURNS, given)
        assert done.returncode == 0, done.stderr
        said: list[str] = json.loads(done.stdout)
        return said

    def edit(self, name: str, *pairs: tuple[str, str]) -> None:
        """Replace texts of a file, each there."""
        path = self.folder / name
        text = path.read_text(encoding="utf-8")
        for old, new in pairs:
            assert old in text, (name, old)
            text = text.replace(old, new, 1)
        path.write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """Has loaded the libraries, and nothing of the project."""
    made = Nursery(bare=True)
    yield made
    made.close()


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy knows of files and libraries, for all copies: they differ in a few lines."""
    kept, own = ROOT / ".mypy_cache", tmp_path_factory.mktemp("checked") / "mypy"
    if kept.exists():  # what the whole project's check found spares this one half a minute
        busy = shutil.ignore_patterns("*-wal", "*-shm")  # of a check that runs beside
        shutil.copytree(kept, own, symlinks=True, ignore=busy)
    return own


@pytest.fixture
def copy(tmp_path: Path, nursery: Nursery, checked: Path) -> Copy:
    """A fresh copy."""
    if not PROGRAM.exists():
        lack("Redocly CLI is not installed in build/node; `make contract` installs it.")
    return Copy(tmp_path / "project", nursery, checked)


def served(copy: Copy) -> Generator[httpx.Client, None, None]:
    """The demo partner before a server of the copy."""
    port = free_port()
    url = f"sqlite:///{copy.folder}/a.db"
    with copy.start("serve", "--demo", PORT=str(port), CYNOD_DATABASE_URL=url) as process:
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Stop with"):
                    break
            auth = httpx.BasicAuth(CONSUMER_KEY, CONSUMER_SECRET)
            transport = httpx.HTTPTransport(retries=20)
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", auth=auth, transport=transport, timeout=CALL_S
            ) as client:
                yield client
        finally:
            process.terminate()
            process.wait(CALL_S)


FIRST = (
    *("contract", "new", "bloquerCarte", "--path", "/bloquer-carte", "--tag", "cartes"),
    *("--name", "Blocage", "--code", "3901:CarteDejaEnOpposition", "--code", "3003"),
    *("--gives", "numeroCarte", "--gives", "bloqueeLe:Instant"),
)
SECOND = (
    *("contract", "new", "bloquerCarte", "--migration", "When a card was blocked"),
    *("--column", "cartes.bloquee_le:instant"),
)

WORDS = (
    ('"À ÉCRIRE : bloquerCarte"', "Mise en opposition d'une carte"),
    ("À ÉCRIRE : ce que fait l'opération.", "Met une carte active en opposition."),
    (
        "À ÉCRIRE (3901) ; À ÉCRIRE (3003)",
        "la carte n'est ni en opposition (3901), ni annulée (3003)",
    ),
    ('fr: "À ÉCRIRE"', 'fr: "La carte {numeroCarte} est en opposition"'),
    ('en: "TO WRITE"', 'en: "Card {numeroCarte} is blocked"'),
    ("description: À ÉCRIRE.", "description: La carte est en opposition."),
    ('"À ÉCRIRE : ce qui est demandé."', "La carte à mettre en opposition."),
    ('"À ÉCRIRE : ce qui est demandé."', "La carte à mettre en opposition."),
    ('"À ÉCRIRE : ce qui est répondu."', "Une carte en opposition."),
    ('"À ÉCRIRE, rien', '"Mise en opposition refusée, rien'),
    ('summary: "À ÉCRIRE"', "summary: Carte à mettre en opposition"),
    ('summary: "À ÉCRIRE"', "summary: Carte en opposition"),
    ('message: "À ÉCRIRE"', 'message: "La carte 7019800100009569 est en opposition"'),
    ('"À ÉCRIRE CarteDejaEnOpposition"', '"Carte déjà en opposition"'),
    ('"À ÉCRIRE CarteDejaEnOpposition"', '"Carte déjà en opposition"'),
    ('"À ÉCRIRE CarteDejaEnOpposition"', '"Carte déjà en opposition"'),
    ('"À ÉCRIRE CarteDejaEnOpposition"', '"Carte déjà en opposition"'),
    ('"TO WRITE CarteDejaEnOpposition"', '"Card already blocked"'),
    ('fr: "À ÉCRIRE."', 'fr: "Rien à faire."'),
    ('en: "TO WRITE."', 'en: "Nothing to do."'),
    # A field that no shared schema has.
    ("required: [numeroCarte, bloqueeLe]", "required: [numeroCarte, statut, bloqueeLe]"),
    (
        "        bloqueeLe:",
        (
            "        statut: {type: string, description: Son statut., minLength: 1, example: OPPOSITION}\n"
            "        bloqueeLe:"
        ),
    ),
    ("            bloqueeLe:", '            statut: "OPPOSITION"\n            bloqueeLe:'),
)
"""What the maintainer writes over the first lines of openapi.yaml, in the file's order."""

CALLS = (
    (
        "  # change it, or what it is about, so that 3003 follows",
        (
            ".with_values(\n        numeroCarte=scene.world.carte(membre=scene.carte.membre, "
            'statut="ANNULEE").numero\n    )'
        ),
    ),
    (
        "  # change it, or what it is about, so that 3901 follows",
        "\n    assert call.send(scene.api).status_code == 200",
    ),
)
"""And over those of its tests."""

WRITTEN = (
    *("models/errors.py", "models/blocage.py", "handlers/views/cartes.py", "handlers/cartes.py"),
    *("pyproject.toml", "tests/operations/cartes/test_bloquer_carte.py"),
    *("tests/contract/test_catalogue.py", "models/carte.py"),
    f"models/migrations/versions/{int(expected_revision()) + 1:04d}_when_a_card_was_blocked.py",
)
TYPED = (
    *("handlers/cartes.py", "handlers/views/cartes.py", "handlers/signatures.py"),
    *("models/blocage.py", "tests/operations/cartes/test_bloquer_carte.py"),
)
LOOKED_AT = ("handlers", "models", "tests/operations", "tests/contract", "tests/support")
EVERY = (
    *("tests/operations/test_every_operation.py", "tests/operations/test_every_value.py"),
    *("tests/operations/test_bounds.py", "tests/operations/test_examples.py"),
    *("tests/operations/test_scopes.py", "tests/operations/cartes", "tests/contract"),
    "tests/models/test_migrations.py",
)
"""The tests that look at every operation, at the contract, and at the tables."""
WITH_IT = "(bloquer and not walletId and not clientId) or sent_in_order or difference or last_check"
"""Those of them that the operation brings; one of its three fields stands for all."""


def is_refused(said: str, *texts: str) -> None:
    """Assert that a command did nothing, and that it says why."""
    assert said.startswith("1\n"), said
    for text in texts:
        assert text in said, said


def test_operation_that_changes_a_card_goes_from_nothing_to_served(copy: Copy) -> None:
    # 1. The first lines of the description.
    before = (copy.folder / "openapi.yaml").read_text(encoding="utf-8").splitlines()
    carte = tuple(word if word != "cartes" else "carte" for word in FIRST)
    for said, text in zip(
        copy.turns(
            ({}, ("contract", "new", "bloquerCarte")),
            ({}, ("contract", "new", "getSoldCarte")),
            ({}, carte),
            ({}, (*FIRST, "--code", "4002:Autre")),
            ({}, (*FIRST, "--gives", "bloqueLe:Instnt")),
            ({}, (*FIRST, "--scope", "cartes:debit")),
        ),
        (
            "openapi.yaml has no operation bloquerCarte",
            "did you mean getSoldeCarte? --path /in-kebab-case",
            "no tag carte; did you mean cartes?",
            "Code 4002 is ReferenceDejaUtilisee in the catalogue, not Autre.",
            "no plain schema Instnt; did you mean Instant?",
            "no scope cartes:debit; did you mean cartes:debiter?",
        ),
        strict=True,
    ):
        is_refused(said, text)
    said, built, checked = copy.turns(
        ({}, FIRST), ({}, ("contract", "build")), ({}, ("contract", "check"))
    )
    assert said.startswith("0\nopenapi.yaml written.\n"), said
    after = (copy.folder / "openapi.yaml").read_text(encoding="utf-8").splitlines()
    assert [line for line in difflib.ndiff(before, after) if line[0] == "-"] == []

    # 2. Its words: until each is written, nothing is published.
    assert built.startswith("0\n"), built
    line = 1 + after.index('      summary: "À ÉCRIRE : bloquerCarte"')
    is_refused(checked, f'openapi.yaml:{line}: write it: summary: "À ÉCRIRE : bloquerCarte"')
    copy.edit("openapi.yaml", *WORDS)
    body = "      requestBody:\n        description: La carte à mettre en opposition."
    security = '      security:\n        - basic: []\n        - oauth2: ["cartes:opposer"]\n'
    build = ("contract", "build")
    tag, code, example, unsecured, right_now = copy.turns(
        ({"bloquerCarte\n      tags: [cartes]": "bloquerCarte\n      tags: [perdues]"}, build),
        ({'"3901", "5001"': '"3901", "3902", "5001"'}, build),
        (
            {
                '              blocage: {$ref: "#/components/examples/DemandeBlocage"}\n': (
                    "              {}\n"
                )
            },
            build,
        ),
        ({security + body: body}, build),
        ({}, build),
    )
    is_refused(
        tag,
        "/bloquer-carte.post",
        "the tag 'perdues', which the root list `tags` does not describe.",
    )
    is_refused(code, "x-codes-erreur lists 3902, which x-catalogue-erreurs does not have.")
    is_refused(example, "its request body has no examples.")
    is_refused(unsecured, "lacks `security`; every operation declares it.")
    assert right_now.startswith("0\n"), right_now

    # 3. What the code lacks, and what the change owes.
    said = copy.cynod("serve", "--port", "0")
    assert (
        "has no handler: add to handlers/cartes.py `def bloquer_carte(corps, *, connection, partenaire)"
    ) in said
    text = (copy.folder / "openapi.yaml").read_text(encoding="utf-8")
    own, last = text.partition('version: "')[2].partition('"')[0], published()[-1].name
    # Where the next version is begun already, one more operation owes none.
    copy.edit("openapi.yaml", (f'version: "{own}"', f'version: "{last}"'))
    said = copy.cynod("contract", "all")
    assert "additive  paths./bloquer-carte\n          both sides: a new path\n" in said
    assert "its info.version must be" in said
    copy.edit("CHANGELOG.md", ("## ", "## 9.0.0\n\n- `bloquerCarte`, code 3901.\n\n## "))
    copy.edit("openapi.yaml", (f'version: "{last}"', 'version: "9.0.0"'))
    (fixed,) = copy.turns(({}, ("contract", "build", "--fix")))
    assert "'Ce serveur suit la version 9.0.0 du contrat' written." in fixed

    # 4. The code, whole but the rule.
    table, kind, dry = copy.turns(
        ({}, (*SECOND[:-1], "carte.bloquee_le:instant")),
        ({}, (*SECOND[:-1], "cartes.bloquee_le:instnt")),
        ({}, (*SECOND, "--dry-run")),
    )
    is_refused(table, "models/ has no table carte; did you mean cartes?")
    is_refused(kind, "no type instnt; did you mean instant?")
    assert "+def bloquer_carte(" in dry
    assert not (copy.folder / "models" / "blocage.py").exists()
    said, again = copy.turns(({}, SECOND), ({}, ("contract", "new", "bloquerCarte")))
    assert said == "0\n" + "".join(f"{name} written.\n" for name in WRITTEN) + textwrap.dedent(
        """\
        Next:
          1. Write bloquer of models/blocage.py: handler and view call it already.
          2. Raise 412 (UtilisateurInconnu), 3003 (CarteAnnulee), 3901 (CarteDejaEnOpposition) there, \
from models/errors.py.
          3. Make the calls of tests/operations/cartes/test_bloquer_carte.py what they are called after.
          4. `make lint` and `make test` tell what does not fit yet.
        """
    )
    is_refused(again, "tests/operations/cartes/test_bloquer_carte.py already.")
    right(copy)

    # 5. The rule and the calls of its tests.
    rule = (copy.folder / "models" / "blocage.py").read_text(encoding="utf-8")
    imports = rule[rule.index("from sqlalchemy") : rule.index("\n\nclass")]
    copy.edit(
        "models/blocage.py",
        (imports, piece("imports.py.txt")),
        ("    raise NotImplementedError\n", piece("rule.py.txt")),
    )
    copy.edit("tests/operations/cartes/test_bloquer_carte.py", *CALLS)
    copy.edit("handlers/cartes.py", ("def bloquer_carte(", f"{SUPERFLUOUS}def bloquer_carte("))
    blocked = '            statut: "OPPOSITION"\n            bloqueeLe:'
    said = copy.cynod("serve", "--port", "0")
    assert "handlers/cartes.py: autre serves no operation of openapi.yaml; remove it" in said, said
    copy.edit("handlers/cartes.py", (SUPERFLUOUS, ""))
    copy.edit("openapi.yaml", (blocked, blocked.replace("OPPOSITION", "")))
    said = copy.cynod("serve", "--port", "0")
    assert "the example 'blocage' of response 200 does not fit its schema." in said, said
    copy.edit("openapi.yaml", (blocked.replace("OPPOSITION", ""), blocked))
    right(copy)

    # 6. What was forgotten says where it goes.
    forgotten(copy)
    copy.edit("openapi.yaml", ("openapi: ", "# A comment.\nopenapi: "))
    stale, made, checked = copy.turns(
        ({}, ("contract", "check")), ({}, build), ({}, ("contract", "check"))
    )
    is_refused(stale, "`make contract` repairs it")
    assert made.startswith("0\n"), made
    assert checked.startswith("0\n"), checked
    assert " -> 9.0.0 (not published): 0 breaking" in checked, checked
    done = outcome_of(copy, WITH_IT, *EVERY)
    assert done.returncode == 0, done.stdout

    # 7. Served.
    card = {"numeroCarte": "7019800100009569", "clientId": "CLI-0001", "walletId": "221771234567"}
    client = next(clients := served(copy))
    answers = [
        client.post("/bloquer-carte", json=card),
        client.post("/bloquer-carte", json=card),
        client.post("/bloquer-carte", json={**card, "numeroCarte": "7019800100009601"}),
        client.post("/bloquer-carte", json={**card, "walletId": "221770000000"}),
        client.post("/bloquer-carte", json={"numeroCarte": "7019800100009569"}),
        client.post("/debit-carte", json={**card, "montant": 1, "reference": "R-1"}),
    ]
    clients.close()
    assert [(one.status_code, one.json()["code"]) for one in answers] == [
        (200, 200),
        (400, "3901"),
        (400, "3003"),
        (400, "412"),
        (400, "405"),
        (400, "3002"),
    ]
    (item,) = answers[0].json()["data"]
    assert answers[0].json() == {
        "success": True,
        "code": 200,
        "message": "La carte 7019800100009569 est en opposition",
        "data": [
            {
                "numeroCarte": "7019800100009569",
                "statut": "OPPOSITION",
                "bloqueeLe": item["bloqueeLe"],
            }
        ],
    }
    assert answers[1].json()["message"] == "Carte déjà en opposition"


def right(copy: Copy) -> None:
    """The copy as it stands: ruff, mypy and the linter of imports find nothing."""
    ruff = str(Path(sys.executable).with_name("ruff"))
    for command in (
        (ruff, "check", "--quiet", *LOOKED_AT),
        (ruff, "format", "--check", "--quiet", *LOOKED_AT),
        (sys.executable, "-m", "mypy", *TYPED),
        (str(Path(sys.executable).with_name("lint-imports")), "--no-cache"),
    ):
        done = copy.run(*command)
        assert done.returncode == 0, done.stdout + done.stderr


def outcome_of(
    copy: Copy, words: str, *files: str, **more: str
) -> subprocess.CompletedProcess[str]:
    """Run tests of the copy."""
    given = {name: value for name, value in os.environ.items() if name.startswith("CYNOD_TEST")}
    if "CYNOD_TEST_DATABASE_URL" in more:
        given.pop(REQUIRED, None)  # one database is enough for what this run is about
    more = given | more
    return copy.run(sys.executable, "-m", "pytest", "-q", "-n0", "-k", words, *files, **more)


def forgotten(copy: Copy) -> None:
    """Leave out, by hand, what the tests of every operation must know: each says what to write, and where."""
    catalogue = "tests/contract/test_catalogue.py"
    migration = copy.folder / WRITTEN[-1]
    entries = {
        catalogue: '    "bloquerCarte": {"412", "3003", "3901"},\n',
    }
    kept = migration.rename(copy.folder / "kept")
    for name, entry in entries.items():
        copy.edit(name, (entry, ""))
    done = outcome_of(
        copy,
        "(bloquerCarte and lists_the_codes) or finds_no_difference",
        *entries,
        "tests/models/test_migrations.py",
        CYNOD_TEST_DATABASE_URL="none",
    )
    assert "2 failed" in done.stdout, done.stdout
    for name, sentence in {
        catalogue: 'write `"bloquerCarte": {"3003", "3901", "412"},` into OF_ITS_WORK, where its work',
        "models/": "write a migration: `cynod contract new OPERATION --migration",
    }.items():
        assert any(name in line and sentence in line for line in done.stdout.splitlines()), (
            done.stdout
        )
    kept.rename(migration)
    for name, entry in entries.items():
        copy.edit(name, ("OF_ITS_WORK = {\n", f"OF_ITS_WORK = {{\n{entry}"))


def test_field_renamed_in_the_yaml_alone_fails_the_type_check_where_it_is_written(
    copy: Copy,
) -> None:
    copy.edit(
        "openapi.yaml",
        ("membreId, porteur, statut", "membreId, titulaire, statut"),
        ("        porteur: {type: string", "        titulaire: {type: string"),
        *[('            porteur: "xxx xxx"', '            titulaire: "xxx xxx"')] * 7,
    )
    said = copy.cynod("contract", "build")
    assert "handlers/wire.py, " in said, said
    views = "handlers/views/cartes.py"
    done = copy.run(sys.executable, "-m", "mypy", views, "handlers/wire.py")
    lines = (copy.folder / views).read_text(encoding="utf-8").splitlines()
    line = 3 + lines.index(
        "def _render_carte_listee(carte: CarteListee, jour: date) -> wire.CarteListe:"
    )
    assert done.returncode == 1
    assert f'{views}:{line}: error: Missing key "titulaire"' in done.stdout, done.stdout
    assert f'{views}:{line}: error: Extra key "porteur"' in done.stdout, done.stdout
    assert all(told.startswith(f"{views}:{line}") for told in done.stdout.splitlines()[:-1])


def test_contract_is_made_without_node_and_says_what_is_left_out(copy: Copy) -> None:
    generated = ("wire.py", "signatures.py", "contract/checked.py")
    (copy.folder / "handlers" / "contract" / "checked.py").write_text("CONTRACT_SHA256 = {}\n")
    (copy.folder / "handlers" / "wire.py").unlink()
    (copy.folder / "handlers" / "signatures.py").write_text("")
    done = finish(copy.start("contract", "all", PATH="/nowhere"))
    assert done.returncode == 0, done.stderr
    written, left_out = done.stdout.splitlines()
    assert written.endswith(" handlers/contract/checked.py written.")
    assert left_out.startswith(
        "Not linted and not compared with the last published version: Node.js"
    )
    for name in generated:
        found, wanted = (root / "handlers" / name for root in (copy.folder, ROOT))
        assert found.read_bytes() == wanted.read_bytes(), name
