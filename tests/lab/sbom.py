"""What a server is made of, from a lock file: a CycloneDX bill of materials, or a table of licences.

    python -m tests.lab.sbom build/sbom.cdx.json
    python -m tests.lab.sbom --licences

Versions and hashes are the lock file's, licences what the installed packages say of themselves. The same lock
file gives the same bytes on every machine and every day; nothing says from where a package is taken.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tomllib
import uuid
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]
LOCK = ROOT / "requirements.lock"
SWAGGER = ROOT / "handlers" / "site" / "ui" / "swagger-ui"

SPDX: Mapping[str, str] = {
    "2-Clause BSD License": "BSD-2-Clause",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "PSFL": "PSF-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "LGPL": "LGPL-2.1-or-later",
    "GNU Lesser General Public License v2 or later (LGPLv2+)": "LGPL-2.1-or-later",
    "GNU Lesser General Public License v3 or later (LGPLv3+)": "LGPL-3.0-or-later",
}
"""What packages call a licence, where it is not its name in the list of SPDX."""

NAMES = frozenset({"Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "MIT", "MPL-2.0", "LGPL-3.0-only"})
"""Names of SPDX that older metadata have right in the field that may hold anything."""

TOLD_HERE: Mapping[str, str] = {
    "async-timeout": "Apache-2.0",
    "cffi": "MIT-0",
    "colorama": "BSD-3-Clause",
    "deprecated": "MIT",
    "httpcore2": "BSD-3-Clause",
    "httpx2-jsfetch": "BSD-3-Clause",
    "psycopg-binary": "LGPL-3.0-only",
    "pycparser": "BSD-3-Clause",
    "pysocks": "BSD-3-Clause",
    "pysqlite3": "Zlib",
    "pyyaml-ft": "MIT",
    "rich-click": "MIT",
    "truststore": "MIT",
    "tzdata": "Apache-2.0",
    "uvloop": "Apache-2.0 OR MIT",
}
"""Licences of what some machines do not install, and of what says nothing of itself."""


class Component(NamedTuple):
    """A package of a lock file. `marker` says on which machines it is installed; empty, on all."""

    name: str
    version: str
    hashes: tuple[str, ...]
    marker: str
    licence: str

    @property
    def purl(self) -> str:
        """Its name in all ecosystems (https://github.com/package-url/purl-spec)."""
        return f"pkg:pypi/{self.name}@{self.version}"


class NoLicenceError(Exception):
    """A package says no licence that is known; the text is what to add to this file."""


def read_components(lock: Path = LOCK) -> list[Component]:
    """The packages of a lock file, in its order. Raises NoLicenceError."""
    return [
        Component(
            name := str(canonicalize_name(requirement.name)),
            str(requirement.specifier).removeprefix("=="),
            hashes,
            "" if requirement.marker is None else str(requirement.marker),
            find_licence(name),
        )
        for requirement, hashes in _read(lock)
    ]


def _read(lock: Path) -> Iterator[tuple[Requirement, tuple[str, ...]]]:
    text = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            written, *hashes = (part.strip() for part in line.split("--hash=sha256:"))
            yield Requirement(written), tuple(hashes)


def find_licence(name: str) -> str:
    """The expression of SPDX for a package's licence. Raises NoLicenceError."""
    if name in TOLD_HERE:
        return TOLD_HERE[name]
    try:
        told = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        raise NoLicenceError(f"{name} is not installed here: add it to TOLD_HERE") from None
    for expression in told.get_all("License-Expression") or []:
        return str(expression)
    given = " ".join(told.get_all("License") or []).strip()
    classified = [
        one.rpartition(" :: ")[2]
        for one in told.get_all("Classifier") or []
        if one.startswith("License :: OSI Approved ::")
    ]
    if given in NAMES:
        return given
    for one in (given, *classified):
        if one in SPDX:
            return SPDX[one]
    raise NoLicenceError(f"{name} says {given!r}, {classified}: add it to SPDX or TOLD_HERE")


def make_bill(lock: Path = LOCK) -> dict[str, Any]:
    """The bill of materials, as CycloneDX 1.6 has it. Raises NoLicenceError."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    components = read_components(lock)
    whole = {
        "type": "application",
        "bom-ref": project["name"],
        "name": project["name"],
        "version": project["version"],
        "description": project["description"],
    }
    described = [*map(_describe, components), _describe_swagger()]
    direct = {str(canonicalize_name(Requirement(one).name)) for one in project["dependencies"]}
    needed = [one.purl for one in components if one.name in direct]
    bill = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": whole},
        "components": described,
        "dependencies": [
            {"ref": project["name"], "dependsOn": [*needed, described[-1]["bom-ref"]]}
        ],
    }
    content = hashlib.sha256(_write(bill).encode()).hexdigest()
    return {"serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, content)}", **bill}


def _describe(one: Component) -> dict[str, Any]:
    described: dict[str, Any] = {
        "type": "library",
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
        "licenses": [{"expression": one.licence}],
        # Of every file that may be installed: a wheel for each kind of machine.
        "hashes": [{"alg": "SHA-256", "content": content} for content in one.hashes],
    }
    if one.marker:
        described["properties"] = [{"name": "python:marker", "value": one.marker}]
    return described


def _describe_swagger() -> dict[str, Any]:
    """What the console's page is made of, which no lock file has: its files are in the project."""
    head, *files = (SWAGGER / "VERSION").read_text(encoding="utf-8").splitlines()
    name, version = head.split()
    purl = f"pkg:npm/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        "purl": purl,
        "licenses": [{"expression": "Apache-2.0"}],
        "components": [
            {
                "type": "file",
                "name": file,
                "hashes": [{"alg": "SHA-256", "content": content}],
            }
            for content, file in (line.split() for line in files)
        ],
    }


def _write(bill: Mapping[str, Any]) -> str:
    return json.dumps(bill, ensure_ascii=False, indent=1) + "\n"


def write_licences(lock: Path = LOCK) -> str:
    """Name, version and licence of each package, a line each."""
    found = [*((one.name, one.version, one.licence) for one in read_components(lock))]
    swagger = _describe_swagger()
    found.append((swagger["name"], swagger["version"], "Apache-2.0"))
    return "".join(f"{name:<28}{version:<16}{licence}\n" for name, version, licence in found)


def main(*arguments: str) -> int:
    """Write what is asked for; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.sbom", description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, help="where to write the bill of materials")
    parser.add_argument("--licences", action="store_true", help="print the table of licences")
    parser.add_argument("--lock", type=Path, default=LOCK, help="another lock file")
    given = parser.parse_args(arguments)
    if given.file is None and not given.licences:
        parser.error("give a file, or --licences")
    try:
        if given.file is not None:
            given.file.parent.mkdir(parents=True, exist_ok=True)
            given.file.write_text(_write(make_bill(given.lock)), encoding="utf-8")
        if given.licences:
            sys.stdout.write(write_licences(given.lock))
    except NoLicenceError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
