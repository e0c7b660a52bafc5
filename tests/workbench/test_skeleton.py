"""The first lines of any operation: of each of the contract, were its code not there, and of new ones."""

from __future__ import annotations

import ast
import shutil
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from handlers.cli.contract import contract
from handlers.contract.model import Contract
from handlers.contract.reading import build, load
from handlers.workbench.description import SkeletonError, Wanted, describe, unwritten
from handlers.workbench.insertion import before_class
from handlers.workbench.skeleton import Change, Skeleton, make_skeleton, own_codes
from tests.support.contract_client import CONTRACT, ROOT

SERVED = load(CONTRACT)
REGISTRY = "tests/contract/test_catalogue.py"
FERMER = Wanted("fermerCarte", "/fermer-carte", "post", "cartes", "Fermeture")


def made_of(text: str) -> Contract:
    """The contract of a text that keeps every rule."""
    return build(yaml.safe_load(text), text.encode(), again=True)


def write(skeleton: Skeleton, root: Path) -> set[str]:
    """Write its files; their paths under the root."""
    for path, text in skeleton.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return {path.relative_to(root).as_posix() for path in skeleton.files}


def flat(text: str) -> str:
    """Python without the layout, as ruff would make it one."""
    return ast.unparse(ast.parse(text))


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A project whose operations have no code yet, and whose tests know none of them."""
    for name in ("handlers/views", "models/migrations/versions"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("models/errors.py", "models/carte.py"):
        shutil.copy(ROOT / name, tmp_path / name)
    for path in (ROOT / "models/migrations/versions").glob("0*.py"):
        shutil.copy(path, tmp_path / "models/migrations/versions")
    (tmp_path / REGISTRY).parent.mkdir(parents=True)
    (tmp_path / REGISTRY).write_text('"""One."""\n\nOF_ITS_WORK = {\n}\n', encoding="utf-8")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


@pytest.mark.parametrize("operation_id", SERVED.operations)
def test_first_lines_of_any_operation_are_python_that_the_registries_know(
    bare: Path, operation_id: str
) -> None:
    operation = SERVED.operations[operation_id]
    skeleton = make_skeleton(SERVED, operation_id, bare)
    for path, text in skeleton.files.items():
        if path.suffix == ".py":
            ast.parse(text, str(path))
    write(skeleton, bare)
    handler = (bare / "handlers" / f"{operation.module}.py").read_text(encoding="utf-8")
    for media_type in operation.media_types:
        assert f"def {operation.function_for(media_type)}(" in handler
    if own_codes(operation):
        assert f'"{operation_id}": ' in (bare / REGISTRY).read_text(encoding="utf-8")
    project = tomllib.loads((bare / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    assert any(operation.module in layer.split(" | ") for layer in layers)
    with pytest.raises(SkeletonError, match="already"):
        make_skeleton(SERVED, operation_id, bare)


def test_registry_that_is_not_found_is_told_with_the_entry_to_write(bare: Path) -> None:
    (bare / REGISTRY).write_text('"""Other."""\n', encoding="utf-8")
    told = make_skeleton(SERVED, "getSoldeCarte", bare).todo
    assert (
        'Write `"getSoldeCarte": {"412"},` into OF_ITS_WORK of tests/contract/test_catalogue.py.'
        in told
    )


def test_layers_that_have_no_place_are_told_with_what_to_write(bare: Path) -> None:
    (bare / "pyproject.toml").write_text("[tool]\n", encoding="utf-8")
    made = make_skeleton(SERVED, "getSoldeCarte", bare)
    assert bare / "pyproject.toml" not in made.files
    assert [step for step in made.todo if "layers" in step] == [
        "Write `| cartes` beside cartes into the layers of pyproject.toml.",
        "Write `: solde_carte` beside mouvement into the layers of pyproject.toml.",
    ]


def test_operation_whose_summary_is_to_write_gets_no_code_yet(bare: Path) -> None:
    solde = replace(SERVED.operations["getSoldeCarte"], summary="À ÉCRIRE : getSoldeCarte")
    with pytest.raises(SkeletonError) as refused:
        make_skeleton(replace(SERVED, operations={"getSoldeCarte": solde}), "getSoldeCarte", bare)
    assert str(refused.value) == (
        "openapi.yaml, paths./get-solde-carte.get has its summary still to write: handler, rule and tests "
        "are called after it."
    )


def test_day_of_a_body_is_read_as_a_date(bare: Path) -> None:
    wanted = replace(FERMER, takes=("numeroCarte", "jour:JourDemande"))
    text = describe(SERVED, wanted).replace("À ÉCRIRE : fermerCarte", "Fermeture d'une carte")
    files = make_skeleton(made_of(text), "fermerCarte", bare).files
    view = files[bare / "handlers/views/cartes.py"]
    assert "from handlers.views.formats import read_jour\n" in view
    assert (
        "return DemandeFermeture(numero_carte=corps['numeroCarte'], jour=read_jour(corps['jour'], 'jour'))"
        in flat(view)
    )
    assert "numero_carte: str\n    jour: date\n" in files[bare / "models/fermeture.py"]


@pytest.mark.parametrize(
    ("model", "written"), [("", "models/mouvement.py"), ("debit", "models/debit.py")]
)
def test_second_operation_of_one_form_uses_the_view_and_the_values_of_the_first(
    bare: Path, model: str, written: str
) -> None:
    write(make_skeleton(SERVED, "creditCarte", bare), bare)
    second = make_skeleton(SERVED, "debitCarte", bare, model=model)
    paths = write(second, bare)
    assert "handlers/views/mouvements.py" not in paths
    assert {"handlers/mouvements.py", written} <= paths
    text = (bare / written).read_text(encoding="utf-8")
    (rule,) = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.FunctionDef) and node.name == "debit"
    ]
    demande = rule.args.args[-1].annotation
    assert demande is not None
    assert rule.returns is not None
    told = ["DemandeMouvement", "Mouvement"]
    assert [ast.unparse(one) for one in (demande, rule.returns)] == told
    for name in told:
        imported = f"from models.mouvement import {name}\n" in text
        defined = f"class {name}(NamedTuple):" in text
        assert (imported, defined) == (bool(model), not model)


@pytest.mark.parametrize(
    ("kept", "left_out"),
    [
        ("models/solde_carte.py", "Write find_solde_carte of"),
        ("tests/operations/cartes/test_get_solde_carte.py", "Make the calls of"),
        (REGISTRY, "into OF_ITS_WORK"),
    ],
)
def test_what_is_written_already_is_kept_and_not_asked_for(
    bare: Path, kept: str, left_out: str
) -> None:
    write(make_skeleton(SERVED, "getSoldeCarte", bare), bare)
    (bare / "handlers/cartes.py").unlink()
    own = bare / kept
    own.write_text(own.read_text(encoding="utf-8") + "# mine\n", encoding="utf-8")
    again = make_skeleton(SERVED, "getSoldeCarte", bare)
    assert bare / "handlers/cartes.py" in again.files
    assert own not in again.files
    assert not [step for step in again.todo if left_out in step]


def test_class_of_a_code_stands_before_that_of_a_larger_one_whatever_else_they_set() -> None:
    known = 'class A(Refusal):\n    kind = "9"\n    code = "4002"\n\n\nclass B(Refusal):\n    code = "9999"\n'
    text = before_class(known, 'class C(Refusal):\n    code = "5001"\n', code="5001")
    assert [node.name for node in ast.parse(text).body if isinstance(node, ast.ClassDef)] == [
        *("A", "C", "B")
    ]


def test_migration_of_the_same_words_is_written_once(bare: Path) -> None:
    versions = bare / "models/migrations/versions"
    change = Change("When a card was closed", ("cartes.fermee_le:instant",))
    write(make_skeleton(SERVED, "getSoldeCarte", bare, change=change), bare)
    before = sorted(versions.iterdir())
    assert before[-1].name.endswith("_when_a_card_was_closed.py")
    with pytest.raises(SkeletonError, match="already"):
        make_skeleton(SERVED, "getSoldeCarte", bare, change=change)
    assert sorted(versions.iterdir()) == before


def test_column_that_its_table_has_is_only_migrated(bare: Path) -> None:
    table = (bare / "models/carte.py").read_text(encoding="utf-8")
    assert 'Column("statut"' in table
    change = Change("Cards have a state", ("cartes.statut:texte",))
    files = make_skeleton(SERVED, "getSoldeCarte", bare, change=change).files
    assert bare / "models/carte.py" not in files
    (migration,) = [text for path, text in files.items() if "versions" in path.parts]
    assert 'op.add_column("cartes", sa.Column("statut", sa.String(length=140), ' in migration


def test_column_of_a_table_that_is_written_otherwise_is_told_with_what_to_write(bare: Path) -> None:
    path = bare / "models/carte.py"
    table = path.read_text(encoding="utf-8").replace("cartes = Table(", "cartes = sa.Table(")
    path.write_text(table, encoding="utf-8")
    change = Change("When a card was closed", ("cartes.fermee_le:instant",))
    made = make_skeleton(SERVED, "getSoldeCarte", bare, change=change)
    assert path not in made.files
    assert any("versions" in one.parts for one in made.files)
    assert (
        'Write `Column("fermee_le", Instant),` into the table cartes of models/carte.py.'
        in made.todo
    )


@pytest.mark.parametrize(
    ("column", "told"),
    [
        (
            "cartes.fermeeLe:instant",
            "Say a column as TABLE.NAME:TYPE, cartes.bloquee_le:instant, not cartes.fermeeLe:instant.",
        ),
        ("cartes.fermee_le:instan", "There is no type instan; did you mean instant?"),
        ("carte.fermee_le:instant", "models/ has no table carte; did you mean cartes?"),
    ],
)
def test_column_that_cannot_be_written_is_refused(bare: Path, column: str, told: str) -> None:
    with pytest.raises(SkeletonError) as refused:
        make_skeleton(SERVED, "getSoldeCarte", bare, change=Change("A change", (column,)))
    assert str(refused.value) == told


def test_migration_without_columns_waits_to_be_written(bare: Path) -> None:
    made = make_skeleton(SERVED, "getSoldeCarte", bare, change=Change("Other words"))
    (path,) = [path for path in made.files if "versions" in path.parts]
    assert path.name.endswith("_other_words.py")
    assert made.files[path].count("raise NotImplementedError") == 2
    assert any("docs/architecture.md" in step for step in made.todo)


def test_new_get_takes_parameters_and_uses_the_shared_responses() -> None:
    text = describe(SERVED, Wanted("getEtat", "/get-etat", "get", "cartes", "Etat"))
    made = made_of(text).operations["getEtat"]
    assert [one["name"] for one in made.parameters] == ["numeroCarte", "walletId", "clientId"]
    assert made.body is None
    assert "EtatRefuse" not in text
    assert list(unwritten(text))
    assert not list(unwritten(CONTRACT.read_text(encoding="utf-8")))


@pytest.mark.parametrize("tag", [tag["name"] for tag in SERVED.document["tags"]])
def test_new_operation_of_any_tag_is_a_contract(tag: str) -> None:
    made = made_of(describe(SERVED, replace(FERMER, tag=tag)))
    assert made.operations["fermerCarte"].module == tag
    assert len(made.operations) == len(SERVED.operations) + 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"method": "gett"}, "There is no method gett; did you mean get?"),
        (
            {"path": "/fermerCarte"},
            "Write the path in-kebab-case, such as /bloquer-carte: /fermerCarte.",
        ),
        (
            {"operation_id": "FermerCarte"},
            "Name the operation in lowerCamelCase without accents, not 'FermerCarte'.",
        ),
        (
            {"path": "/get-solde-carte"},
            "openapi.yaml has the path /get-solde-carte already; add to it by hand.",
        ),
        (
            {"name": "SoldeCarte"},
            "openapi.yaml has components.schemas.SoldeCarte already; say another noun by --name.",
        ),
        (
            {"codes": (("3902", ""),)},
            (
                "The catalogue has no code 3902; did you mean 3002? A new one has a name: "
                "3902:NomDuRefus."
            ),
        ),
        (
            {"codes": (("3902", "ReferenceDejaUtilisee"),)},
            "ReferenceDejaUtilisee is code 4002 of the catalogue already.",
        ),
        (
            {"codes": (("39", "CarteFermee"),)},
            "Say a new code as four digits and a name: 3901:NomDuRefus, not 39:CarteFermee.",
        ),
        (
            {"codes": (("3902", "carteFermee"),)},
            "Say a new code as four digits and a name: 3901:NomDuRefus, not 3902:carteFermee.",
        ),
        (
            {"method": "get", "takes": ("numeroCart:NumeroCarte",)},
            (
                "openapi.yaml has no parameter numeroCart in components.parameters; did you mean "
                "numeroCarte?"
            ),
        ),
    ],
)
def test_description_that_would_break_a_rule_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(SkeletonError) as refused:
        describe(SERVED, replace(FERMER, **wrong))
    assert str(refused.value) == told


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (
            ("fermerCarte", "--column", "cartes.fermee_le:instant"),
            2,
            '--column needs --migration "what it changes, in words".',
        ),
        (
            ("fermerCarte", "--path", "/fermer-carte"),
            2,
            "--path needs --tag: it names the module of the handler.",
        ),
        (
            ("saisirClient", "--surface", "base-core"),
            1,
            "saisirClient has its function in handlers/base_core/clients.py already.",
        ),
    ],
)
def test_command_refuses_what_it_can_write_nowhere(
    arguments: tuple[str, ...], code: int, told: str
) -> None:
    done = CliRunner().invoke(contract, ["new", *arguments, "--dry-run"])
    assert (done.exit_code, done.output.splitlines()[-1]) == (code, f"Error: {told}")


@pytest.mark.parametrize("last", [True, False])
def test_story_gets_its_step_where_it_stands_last_and_none_where_there_is_no_story(
    *, last: bool
) -> None:
    text = CONTRACT.read_text(encoding="utf-8")
    begin, end = text.index("x-parcours:\n"), text.index("tags:\n")
    source = text[:begin] + text[end:]
    story = text[begin:end].strip() + "\n"
    document = {key: node for key, node in SERVED.document.items() if last or key != "x-parcours"}
    told = describe(replace(SERVED, document=document), FERMER, source + story if last else source)
    assert "      operationId: fermerCarte\n" in told
    step = "  - {operation: fermerCarte, exemple: fermeture}\n"
    assert told.endswith(f"{story}{step}") is last
    assert ("x-parcours:" in told, step in told) == (last, last)
