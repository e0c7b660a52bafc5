"""The bill of materials: whole, in CycloneDX's own form, the same on every machine, without an address."""

from __future__ import annotations

import hashlib
import json
import re
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from license_expression import get_spdx_licensing
from packaging.requirements import Requirement

from tests.lab import sbom
from tests.support.contract_client import ROOT

SCHEMAS = {
    "http://cyclonedx.org/schema/bom-1.6.schema.json": "bom-1.6.SNAPSHOT.schema.json",
    "http://cyclonedx.org/schema/spdx.SNAPSHOT.schema.json": "spdx.SNAPSHOT.schema.json",
    "http://cyclonedx.org/schema/jsf-0.82.SNAPSHOT.schema.json": "jsf-0.82.SNAPSHOT.schema.json",
}


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the documented command writes."""
    file = tmp_path_factory.mktemp("sbom") / "new" / "sbom.cdx.json"
    assert sbom.main(str(file)) == 0
    written: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return written


def _schema(name: str) -> Any:
    folder = resources.files("cyclonedx.schema") / "_res"
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_bill_is_cyclonedx(bill: dict[str, Any]) -> None:
    known = [(address, _schema(name)) for address, name in SCHEMAS.items()]
    registry = jsonschema_rs.Registry(known)
    validator = jsonschema_rs.validator_for(known[0][1], registry=registry, validate_formats=True)
    assert [error.message for error in validator.iter_errors(bill)] == []
    spoilt = {**bill, "components": [{**bill["components"][0], "type": "card"}]}
    assert not validator.is_valid(spoilt)


def test_bill_has_every_entry_of_the_lock_file_and_what_the_console_is_made_of(
    bill: dict[str, Any],
) -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    locked = [Requirement(line.split(" \\")[0]) for line in re.findall(r"(?m)^[a-z].*$", text)]
    told = {(one["name"], one["version"]) for one in bill["components"]}
    assert told - {("swagger-ui-dist", _swagger_version())} == {
        (one.name, str(one.specifier).removeprefix("==")) for one in locked
    }
    assert len(bill["components"]) == len(locked) + 1
    hashes = [one["content"] for part in bill["components"] for one in part.get("hashes", [])]
    assert sorted(hashes) == sorted(re.findall(r"--hash=sha256:([0-9a-f]{64})", text))


def _swagger_version() -> str:
    folder = ROOT / "handlers" / "site" / "ui" / "swagger-ui"
    return (folder / "VERSION").read_text(encoding="utf-8").split()[1]


def test_files_of_the_console_are_those_of_the_bill(bill: dict[str, Any]) -> None:
    console = bill["components"][-1]
    for part in console["components"]:
        content = (ROOT / "handlers" / "site" / "ui" / "swagger-ui" / part["name"]).read_bytes()
        assert part["hashes"][0]["content"] == hashlib.sha256(content).hexdigest(), part["name"]


def test_every_licence_is_an_expression_of_spdx(bill: dict[str, Any]) -> None:
    licensing = get_spdx_licensing()
    for one in bill["components"]:
        (licence,) = one["licenses"]
        assert licensing.validate(licence["expression"]).errors == [], one["name"]
    table = sbom.write_licences().splitlines()
    assert [line.split(maxsplit=2) for line in table] == [
        [one["name"], one["version"], one["licenses"][0]["expression"]]
        for one in bill["components"]
    ]


@pytest.mark.parametrize("lock", sorted(path.name for path in ROOT.glob("requirements*.lock")))
def test_every_package_of_every_lock_file_has_a_licence(lock: str) -> None:
    licensing = get_spdx_licensing()
    wrong = [
        one.name
        for one in sbom.read_components(ROOT / lock)
        if licensing.validate(one.licence).errors
    ]
    assert wrong == []


def test_licences_that_are_told_here_are_needed_and_are_those_of_what_is_installed() -> None:
    """What a machine may lack is told for all; what it has says the same, or nothing."""
    marked = {one.name for one in sbom.read_components() if one.marker}
    assert marked <= sbom.TOLD_HERE.keys()
    for name, licence in sbom.TOLD_HERE.items():
        try:
            told = metadata.metadata(name).get_all("License-Expression") or []
        except metadata.PackageNotFoundError:
            continue
        assert told in ([], [licence]), name
    locks = [ROOT / "requirements.lock", ROOT / "requirements-dev.lock"]
    named = "".join(lock.read_text(encoding="utf-8") for lock in locks)
    assert [name for name in sbom.TOLD_HERE if f"\n{name}==" not in named] == []


def test_the_same_lock_file_gives_the_same_bill_and_another_another(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    text = sbom.LOCK.read_text(encoding="utf-8")
    lock.write_text(text, encoding="utf-8")
    assert sbom.make_bill(lock) == sbom.make_bill(sbom.LOCK)
    lock.write_text(text.replace("alembic==1.", "alembic==2."), encoding="utf-8")
    assert sbom.make_bill(lock)["serialNumber"] != sbom.make_bill(sbom.LOCK)["serialNumber"]
    written = json.dumps(sbom.make_bill())
    assert "://" not in written
    assert not re.search(r"\d{4}-\d\d-\d\dT", written)


def test_a_package_of_no_known_licence_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lock = tmp_path / "other.lock"
    lock.write_text(f"nobody-has-this==1 \\\n    --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    assert sbom.main("--licences", "--lock", str(lock)) == 1
    told = "nobody-has-this is not installed here: add it to TOLD_HERE\n"
    assert capsys.readouterr().err == told
