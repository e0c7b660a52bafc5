"""`cynod contract show` and `outline`: what a maintainer looks up in openapi.yaml."""

from __future__ import annotations

import json
import re

import pytest
import yaml
from click.testing import CliRunner

from handlers.cli.contract import contract
from tests.support.contract_client import CATALOGUE, CONTRACT, DOCUMENT, OPERATIONS

LINES = CONTRACT.read_text(encoding="utf-8").split("\n")
BY_ID = {one["operationId"]: one for one in OPERATIONS.values()}


def run(*arguments: str) -> str:
    """What the command prints."""
    result = CliRunner().invoke(contract, list(arguments))
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("operation_id", BY_ID)
def test_an_operation_is_shown_with_all_that_it_refers_to(operation_id: str) -> None:
    told = json.loads(run("show", operation_id, "--format", "json"))
    written = yaml.safe_load(run("show", operation_id))
    parts = {part["place"]: part["value"] for part in told["parts"]}
    assert told["operation"] == operation_id
    assert written == parts, "both forms say the same"
    assert len(parts) == len(told["parts"]), "each once"
    assert next(iter(parts.values())) == BY_ID[operation_id]
    text = json.dumps(parts)
    for kind, named in DOCUMENT["components"].items():
        for name in named:
            referred = f'"#/components/{kind}/{name}"' in text
            assert (f"components.{kind}.{name}" in parts) is referred
    codes = [value["code"] for place, value in parts.items() if place.startswith("x-catalogue")]
    assert codes == BY_ID[operation_id]["x-codes-erreur"]
    for part in told["parts"]:
        name = part["place"].rpartition(".")[2]
        line = LINES[part["line"] - 1].strip()
        assert line.startswith((f"{name}:", "- code:")), part["place"]


def test_what_stands_in_the_other_file_is_shown_from_there() -> None:
    told = json.loads(run("show", "emettreCartes", "--surface", "base-core", "--format", "json"))
    parts = {(part["file"], part["place"]): part["value"] for part in told["parts"]}
    assert len(parts) == len(told["parts"]), "each once"
    for (file, _), value in parts.items():
        for where, place in re.findall(r'"\$ref": "([^"#]*)#/([^"]*)"', json.dumps(value)):
            assert (where or file, place.replace("/", ".")) in parts
    codes = [value["code"] for (_, place), value in parts.items() if place.startswith("x-catal")]
    operation = next(iter(parts.values()))
    assert codes == operation["x-codes-erreur"]
    assert parts["openapi.yaml", "components.schemas.CarteId"]["example"]
    for part in told["parts"]:
        text = (CONTRACT.parent / part["file"]).read_text(encoding="utf-8").split("\n")
        name = part["place"].rpartition(".")[2]
        assert text[part["line"] - 1].strip().startswith((f"{name}:", "- code:")), part["place"]


def test_a_part_is_printed_as_it_is_written() -> None:
    shown = run("show", "healthReady")
    line = 1 + LINES.index("    Sante:")
    assert (
        f"# openapi.yaml:{line}\n"
        "components.schemas.Sante:\n"
        "  type: object\n"
        "  description: État du service.\n"
        "  additionalProperties: true\n"
        "  required: [statut]\n"
        "  properties:\n"
        "    statut: {type: string, description: Toujours `ok` avec HTTP 200., minLength: 1, "
        'example: "ok"}\n'
    ) in shown


def test_an_operation_that_is_none_is_refused_with_the_nearest_name() -> None:
    result = CliRunner().invoke(contract, ["show", "getSoldCarte"])
    assert (result.exit_code, result.stderr) == (
        1,
        "cynod: getSoldCarte is no operation; did you mean getSoldeCarte?\n",
    )
    result = CliRunner().invoke(contract, ["show", "zzz"])
    assert result.stderr == "cynod: zzz is no operation; `cynod contract outline` lists them.\n"


def test_the_outline_is_the_order_of_the_file() -> None:
    rows = [(line[:4].strip(), line[6:]) for line in run("outline").splitlines()]
    numbers = [int(number) for number, _ in rows if number]
    assert numbers == sorted(numbers)
    for number, text in rows:
        if number:
            name = text.split()[0] if not text.startswith("    ") else text.split()[-1]
            line = LINES[int(number) - 1]
            assert name in line or text.split()[0].lower() in line
    told = [text.split() for _, text in rows]
    assert [row for row in told if row[0] in ("GET", "POST")] == [
        [method, path, one["operationId"]] for (method, path), one in OPERATIONS.items()
    ]
    sections = [text for _, text in rows if not text.startswith(" ")]
    assert sections == list(DOCUMENT)
    assert [row for row in told if row[0] in CATALOGUE] == [
        [code, entry["nom"]] for code, entry in CATALOGUE.items()
    ]
    for kind, named in DOCUMENT["components"].items():
        begin = told.index([kind])
        assert [row[0] for row in told[begin + 1 : begin + 1 + len(named)]] == list(named)
