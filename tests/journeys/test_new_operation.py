"""A maintainer adds an operation by README alone, in a copy of the project, with every wrong turn on the way.

And the other way round: a field renamed in the YAML alone fails the type check at the line that writes it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from handlers.workbench.diff.redocly import PROGRAM
from models.books.demo import CONSUMER_KEY, CONSUMER_SECRET
from tests.lab.proof.nursery import Child, Nursery
from tests.support.contract_client import ROOT
from tests.support.needs import lack
from tests.support.patience import CALL_S, PROGRAM_S
from tests.support.process import PIPES, finish, free_port

SUPERFLUOUS = "def autre(): ...\n\n\n"
COPIED = ("openapi.yaml", "CHANGELOG.md", "pyproject.toml", "docs", "handlers", "models", "tests")
LEFT = shutil.ignore_patterns("__pycache__", "node_modules", "bench", "fuzz", "proof", "mutants")


PIECES = Path(__file__).with_name("new_operation")
"""What the maintainer writes: the parts of the contract, and the code behind them."""


def piece(name: str) -> str:
    """One of them."""
    return (PIECES / name).read_text(encoding="utf-8")


class Copy:
    """A copy of the project, and the tools run on it."""

    def __init__(self, folder: Path, nursery: Nursery) -> None:
        self.folder = folder
        self.nursery = nursery
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
        return {**kept, "PYTHONPATH": str(self.folder), **more}

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


@pytest.fixture
def copy(tmp_path: Path, nursery: Nursery) -> Copy:
    """A fresh copy."""
    if not PROGRAM.exists():
        lack("Redocly CLI is not installed in build/node; `make contract` installs it.")
    return Copy(tmp_path / "project", nursery)


def wrong_turn(copy: Copy, wrong: tuple[str, str], *expected: str) -> None:
    """Make a mistake in the contract, read what is said, and take it back."""
    copy.edit("openapi.yaml", wrong)
    said = copy.cynod("contract", "build")
    assert said.startswith("1\n"), said
    for text in expected:
        assert text in said, said
    copy.edit("openapi.yaml", (wrong[1], wrong[0]))


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


def describe(copy: Copy) -> None:
    """Write the operation into the copy's contract, right in all but its handler."""
    before = {
        "  - name: catalogue\n": "tag.yaml",
        "  # ── catalogue ──": "operation.yaml",
        "    RessourceInconnue:\n      description": "response.yaml",
        "    DemandeJeton:\n      type": "schemas.yaml",
        '  - code: "4001"\n    nom': "catalogue.yaml",
    }
    copy.edit("openapi.yaml", *((place, piece(name) + place) for place, name in before.items()))


def test_operation_goes_from_the_yaml_to_the_server(copy: Copy) -> None:
    describe(copy)

    # What the contract itself has wrong.
    wrong_turn(
        copy,
        ("tags: [pertes]", "tags: [perdues]"),
        "paths./declarer-perte.post has the tag 'perdues', which the root list `tags` does not describe.",
    )
    wrong_turn(
        copy,
        ('"3901", "3902", "5001"', '"3901", "3902", "3903", "5001"'),
        "x-codes-erreur lists 3903, which x-catalogue-erreurs does not have.",
    )
    wrong_turn(
        copy,
        (
            '              perte: {value: {walletId: "221771234567", motif: "Perdue à Thiès"}}\n',
            "              {}\n",
        ),
        "paths./declarer-perte.post: its request body has no examples.",
    )
    operation = piece("operation.yaml")
    head, mark, rest = operation.partition("      security:\n")
    unsecured = head + rest[rest.index("      parameters:") :]
    assert mark
    wrong_turn(
        copy,
        (operation, unsecured),
        "paths./declarer-perte.post lacks `security`; every operation declares it.",
    )

    # What the code lacks.
    said = copy.cynod("contract", "build")
    assert said.startswith("0\n"), said
    said = copy.cynod("serve", "--port", "0")
    assert (
        "paths./declarer-perte.post has the tag of a module that does not exist: create "
        "handlers/pertes.py with `def declarer_perte(numero_carte, client_id, corps, *, session, "
        "partenaire): ...`."
    ) in said

    # What the change owes.
    said = copy.cynod("contract", "all")
    assert "additive  paths./declarer-perte\n          both sides: a new path\n" in said
    version = json.loads(copy.cynod("contract", "diff", "--format", "json").partition("\n")[2])[
        "old"
    ]
    copy.edit("CHANGELOG.md", ("## ", "## 9.0.0\n\n- declarerPerte.\n\n## "))
    text = (copy.folder / "openapi.yaml").read_text(encoding="utf-8")
    own = text.partition('version: "')[2].partition('"')[0]
    copy.edit("openapi.yaml", (f'version: "{own}"', 'version: "9.0.0"'))
    said = copy.cynod("contract", "all")
    assert f"{version} -> 9.0.0 (not published): 0 breaking" in said, said

    # The skeleton, and what is filled in.
    said = copy.cynod("contract", "new", "declarerPerte")
    assert said == textwrap.dedent(
        """\
        0
        handlers/pertes.py written.
        tests/operations/test_declarer_perte.py written.
        Next:
          1. Write its rule in models/, and its view `-> Answer[Perte]` in handlers/views/pertes.py.
          2. Put both into declarer_perte of handlers/pertes.py.
          3. Give tests/support/scene.py a valid call of declarerPerte (now: its examples).
          4. Raise 3901 (CarteDejaEnOpposition), 3902 (CarteDejaAnnulee), 412 (UtilisateurInconnu) from \
the rule; a new code needs its class in models/errors.py.
          5. `make lint` and `make test` tell what does not fit yet.
        """
    )
    assert copy.cynod("contract", "new", "declarerPerte").startswith("1\n")
    linted = copy.run(
        str(Path(sys.executable).with_name("ruff")), "check", "--quiet", "handlers/pertes.py"
    )
    assert (linted.returncode, linted.stdout) == (0, "")
    (copy.folder / "models" / "perte.py").write_text(piece("rule.py.txt"), encoding="utf-8")
    with (copy.folder / "models" / "errors.py").open("a", encoding="utf-8") as file:
        file.write(piece("errors.py.txt"))
    view = copy.folder / "handlers" / "views" / "pertes.py"
    view.write_text(piece("view.py.txt"), encoding="utf-8")
    handler = (copy.folder / "handlers" / "pertes.py").read_text(encoding="utf-8")
    unwritten = handler[handler.index("    raise NotImplementedError") :]
    copy.edit(
        "handlers/pertes.py",
        (unwritten, piece("body.py.txt")),
        (
            "from handlers.wire import DemandePerte, Perte\n",
            "from handlers.views.pertes import render_perte\nfrom handlers.wire import DemandePerte, Perte\n",
        ),
        (
            "from models.partenaire import Partenaire\n",
            "from models.partenaire import Partenaire\nfrom models.perte import declare_perte\n",
        ),
    )
    copy.edit("handlers/pertes.py", ("def declarer_perte(", f"{SUPERFLUOUS}def declarer_perte("))
    said = copy.cynod("serve", "--port", "0")
    assert "handlers/pertes.py: autre serves no operation of openapi.yaml; remove it" in said, said
    copy.edit("handlers/pertes.py", (SUPERFLUOUS, ""))
    copy.edit("openapi.yaml", ('statut: "OPPOSITION"}]', 'statut: ""}]'))
    said = copy.cynod("serve", "--port", "0")
    assert "the example 'declaree' of response 200 does not fit its schema." in said, said
    copy.edit("openapi.yaml", ('statut: ""}]', 'statut: "OPPOSITION"}]'))

    # Served.
    card = {"numeroCarte": "7019800100009569", "clientId": "CLI-0001"}
    body: dict[str, Any] = {"walletId": "221771234567", "motif": "Perdue"}
    client = next(clients := served(copy))
    answers = [
        client.post("/declarer-perte", params=card, json=body),
        client.post("/declarer-perte", params=card, json=body),
        client.post("/declarer-perte", params=card, json={**body, "walletId": "221770000000"}),
        client.post("/declarer-perte", params=card, json={"motif": "Perdue"}),
    ]
    clients.close()
    assert [(one.status_code, one.json()["code"]) for one in answers] == [
        (200, 200),
        (400, "3901"),
        (400, "412"),
        (400, "405"),
    ]
    assert answers[0].json() == {
        "success": True,
        "code": 200,
        "message": "La carte 7019800100009569 est en opposition",
        "data": [{"numeroCarte": "7019800100009569", "statut": "OPPOSITION"}],
    }
    assert answers[1].json()["message"] == "Carte déjà en opposition"


def test_field_renamed_in_the_yaml_alone_fails_the_type_check_where_it_is_written(
    copy: Copy,
) -> None:
    text = (copy.folder / "openapi.yaml").read_text(encoding="utf-8")
    head, mark, rest = text.partition("    ValiditeCarte:\n      type: object")
    renamed = rest.replace("numeroPiece", "pieceIdentite", 2)
    assert renamed != rest
    (copy.folder / "openapi.yaml").write_text(head + mark + renamed, encoding="utf-8")
    said = copy.cynod("contract", "build")
    assert "handlers/wire.py, " in said, said
    done = copy.run(sys.executable, "-m", "mypy", "handlers/views/cartes.py", "handlers/wire.py")
    views = (
        (copy.folder / "handlers" / "views" / "cartes.py").read_text(encoding="utf-8").splitlines()
    )
    line = 1 + views.index("    item: wire.ValiditeCarte = {")
    assert done.returncode == 1
    assert f'handlers/views/cartes.py:{line}: error: Missing key "pieceIdentite"' in done.stdout, (
        done.stdout
    )
    assert all(
        told.startswith(f"handlers/views/cartes.py:{line}")
        for told in done.stdout.splitlines()[:-1]
    )


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
