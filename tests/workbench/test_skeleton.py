"""The first lines of any operation: of each of the contract, were its code not there, and of new ones."""

from __future__ import annotations

import ast
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml

from handlers.contract.reading import build, load
from handlers.workbench.description import SkeletonError, Wanted, describe, unwritten
from handlers.workbench.skeleton import Change, make_skeleton, own_codes
from tests.support.contract_client import CONTRACT, ROOT

SERVED = load(CONTRACT)
REGISTRY = "tests/contract/test_catalogue.py"


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
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
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


def test_migration_without_columns_waits_to_be_written(bare: Path) -> None:
    made = make_skeleton(SERVED, "getSoldeCarte", bare, change=Change("Other words"))
    (path,) = [path for path in made.files if "versions" in path.parts]
    assert path.name.endswith("_other_words.py")
    assert made.files[path].count("raise NotImplementedError") == 2
    assert any("docs/architecture.md" in step for step in made.todo)


def test_new_get_takes_parameters_and_uses_the_shared_responses() -> None:
    text = describe(SERVED, Wanted("getEtat", "/get-etat", "get", "cartes", "Etat"))
    made = build(yaml.safe_load(text), text.encode(), again=True).operations["getEtat"]
    assert [one["name"] for one in made.parameters] == ["numeroCarte", "walletId", "clientId"]
    assert made.body is None
    assert "EtatRefuse" not in text
    assert list(unwritten(text))
    assert not list(unwritten(CONTRACT.read_text(encoding="utf-8")))


@pytest.mark.parametrize("tag", [tag["name"] for tag in SERVED.document["tags"]])
def test_new_operation_of_any_tag_is_a_contract(tag: str) -> None:
    text = describe(SERVED, Wanted("fermerCarte", "/fermer-carte", "post", tag, "Fermeture"))
    made = build(yaml.safe_load(text), text.encode(), again=True)
    assert made.operations["fermerCarte"].module == tag
    assert len(made.operations) == len(SERVED.operations) + 1
