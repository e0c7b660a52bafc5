"""What is generated from the contract is up to date, and the command that generates it helps."""

from __future__ import annotations

import copy
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from handlers.cli import contract as contract_cli
from handlers.cli.contract import contract
from handlers.contract.model import Contract
from handlers.contract.reading import derive, load
from handlers.contract.surface import BASE_CORE
from handlers.workbench import generate as generator
from handlers.workbench.generate import (
    CHECKED,
    HEADER,
    SIGNATURES,
    WIRE,
    generate,
    place_of,
)
from tests.support.contract_client import (
    CONTRACT,
    PARTENAIRE,
    base_core,
)


def test_wire_is_what_the_contract_gives() -> None:
    result = CliRunner().invoke(contract, ["build", "--check"])
    assert result.exit_code == 0, result.output
    told = [
        f"{one.file} {one.document['info']['version']}: {len(one.operations)} operations, "
        f"{len(one.document['components']['schemas'])} schemas, {len(one.catalogue)} error codes; "
        for one in (PARTENAIRE, base_core())
    ]
    assert result.output == f"{''.join(told)}what is generated from it is up to date.\n"


OF_BOTH = f"{CONTRACT.name}, {BASE_CORE.file}"


@pytest.mark.parametrize(
    ("path", "of"),
    [
        (WIRE, CONTRACT.name),
        (SIGNATURES, CONTRACT.name),
        (place_of(WIRE, BASE_CORE), BASE_CORE.file),
        (place_of(SIGNATURES, BASE_CORE), BASE_CORE.file),
        (CHECKED, OF_BOTH),
    ],
)
def test_generated_file_says_that_it_is_generated(path: Path, of: str) -> None:
    assert path.read_text(encoding="utf-8").startswith(f"{HEADER.format(of)}\n")


def test_generation_is_the_same_each_time() -> None:
    served = load(CONTRACT)
    assert generate(CONTRACT, served) == generate(CONTRACT, served)


@pytest.fixture(scope="module")
def known() -> dict[str, str]:
    """The types of contracts, by their hash."""
    return {}


@pytest.fixture
def types_made_once(known: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands that only look at files, or write them, need not make the same types again."""
    made = vars(generator)["_generate_types"]

    def types_of(path: Path, contract: Contract, header: str) -> str:
        if contract.sha256 not in known:
            known[contract.sha256] = made(path, contract, header)
        return known[contract.sha256]

    monkeypatch.setattr(generator, "_generate_types", types_of)


@pytest.mark.usefixtures("types_made_once")
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("WIRE", "montant: Montant", "montant: float"),
        ("SIGNATURES", "curseur: Curseur | None", "curseur: Curseur"),
        ("CHECKED", "CONTRACT_SHA256", "SHA256"),
    ],
)
def test_edited_file_is_found_named_and_repaired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, right: str, wrong: str
) -> None:
    original: Path = getattr(generator, name)
    copied = tmp_path / original.name
    edited = original.read_text(encoding="utf-8").replace(right, wrong)
    copied.write_text(edited, encoding="utf-8")
    monkeypatch.setattr(generator, name, copied)
    refused = CliRunner().invoke(contract, ["build", "--check"])
    assert refused.exit_code == 1
    of = OF_BOTH if name == "CHECKED" else CONTRACT.name
    assert f"{copied.name} is not what {of} gives; `make contract` repairs it" in refused.output
    assert re.search(rf"^-\s*{wrong}", refused.output, re.MULTILINE)
    assert copied.read_text(encoding="utf-8") == edited, "--check writes nothing"
    repaired = CliRunner().invoke(contract, ["build"])
    assert repaired.exit_code == 0, repaired.output
    assert repaired.output.endswith(f"{copied.name} written.\n")
    assert copied.read_text(encoding="utf-8") == original.read_text(encoding="utf-8")


def test_wrong_contract_is_refused_in_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = tmp_path / "openapi.yaml"
    wrong.write_text("openapi: [", encoding="utf-8")
    monkeypatch.setattr(contract_cli, "CONTRACT", wrong)
    result = CliRunner().invoke(contract, ["build"])
    assert result.exit_code == 1
    assert result.output.startswith("Error: openapi.yaml is not YAML at line ")
    assert len(result.output.splitlines()) == 1


def test_absent_generator_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datamodel_code_generator", None)
    result = CliRunner().invoke(contract, ["build", "--check"])
    assert result.exit_code == 1
    assert "datamodel-code-generator" in result.output
    assert "run `make contract`, which installs it." in result.output


@pytest.mark.parametrize(
    ("required", "schema", "argument"),
    [
        (True, {"$ref": "#/components/schemas/WalletId"}, "wallet_id: WalletId,"),
        (False, {"$ref": "#/components/schemas/WalletId"}, "wallet_id: WalletId | None,"),
        (True, {"type": "integer", "format": "int32"}, "wallet_id: int,"),
        (False, {"type": "integer", "format": "int32", "default": 1}, "wallet_id: int,"),
        (False, {"type": "boolean"}, "wallet_id: bool | None,"),
    ],
)
def test_signature_follows_the_parameter(
    required: bool, schema: dict[str, Any], argument: str
) -> None:
    document = copy.deepcopy(PARTENAIRE.document)
    parameter = document["components"]["parameters"]["ParamWalletId"]
    parameter.update(required=required, schema=schema)
    parameter.pop("example")
    signatures = generate(CONTRACT, derive(document, b""))[SIGNATURES]
    signatures = signatures.partition("class GetSoldeCarteHandler(")[2]
    assert argument in signatures.partition("class ")[0]


def test_generated_module_needs_nothing_but_the_standard_library() -> None:
    """It is imported where the server runs, without the tools of development."""
    namespace: dict[str, Any] = {"__name__": "wire"}
    exec(compile(WIRE.read_text(encoding="utf-8"), "wire.py", "exec"), namespace)  # noqa: S102
    assert set(PARTENAIRE.document["components"]["schemas"]) <= namespace.keys()
