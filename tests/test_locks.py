"""Every lock file is closed: what installs from it asks no index for what is newest, today or tomorrow."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.metadata import distributions
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.lab.clients.generators import PYTHON as CLIENTS_PYTHON
from tests.support.contract_client import ROOT
from tests.support.needs import lack

LOCKS = (
    "requirements.lock",
    "requirements-dev.lock",
    "requirements-traces.lock",
    "tests/lab/clients/requirements.lock",
    "tests/contract/node/requirements.lock",
)
NODE_LOCKS = (
    "tests/lab/clients/node/package-lock.json",
    "tests/lab/clients/more/package-lock.json",
    "tests/contract/node/package-lock.json",
    "tests/site/node/package-lock.json",
)
TESTS = ROOT / "tests"
MACHINES = [
    {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": system,
        "platform_system": {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}[system],
        "os_name": "nt" if system == "win32" else "posix",
        "platform_machine": machine,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    for python in ("3.11", "3.12", "3.13", "3.14")
    for system in ("linux", "darwin", "win32")
    for machine in ("x86_64", "aarch64")
]
"""Machines on which a universal lock file is installed."""


class Locked(NamedTuple):
    """One entry of a lock file."""

    requirement: Requirement
    hashes: int

    def applies(self, machine: Mapping[str, str] | None) -> bool:
        """Whether a machine installs it."""
        marker = self.requirement.marker
        return marker is None or marker.evaluate(dict(machine) if machine else None)

    @property
    def version(self) -> str:
        """The one version that it allows."""
        return str(self.requirement.specifier).removeprefix("==")


@cache
def entries(lock: str) -> tuple[Locked, ...]:
    """What a lock file holds; a package stands there twice where its versions differ by machine."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    split = [[part.strip() for part in line.split("--hash=")] for line in lines]
    return tuple(Locked(Requirement(written), len(hashes)) for written, *hashes in split)


def _on(lock: str, machine: Mapping[str, str] | None) -> dict[str, Locked]:
    """What of it a machine installs (None: this one), by canonical name."""
    chosen = [one for one in entries(lock) if one.applies(machine)]
    found = {str(canonicalize_name(one.requirement.name)): one for one in chosen}
    assert len(found) == len(chosen), f"{lock} has two versions of a package for {machine}"
    return found


def _tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        lack("this is no checkout of git, which tells the project's files from others")
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_every_lock_file_is_known_here() -> None:
    names = [str(path.relative_to(ROOT)) for path in _tracked()]
    locks = [
        name for name in names if re.search(r"\.lock$|-lock\.json$|requirements.*\.txt$", name)
    ]
    assert sorted(locks) == sorted([*LOCKS, *NODE_LOCKS]), "add it to LOCKS or NODE_LOCKS"


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_file_pins_each_package_with_hashes_and_names_no_index(lock: str) -> None:
    loose = [
        str(one.requirement)
        for one in entries(lock)
        if not re.fullmatch(r"==[0-9][^,*]*", str(one.requirement.specifier))
        or one.requirement.url
        or not one.hashes
    ]
    assert loose == [], f"{lock}: pin these with == and hashes"
    assert "://" not in (ROOT / lock).read_text(encoding="utf-8"), f"{lock} names an address"


@pytest.mark.parametrize("lock", LOCKS)
def test_whatever_a_locked_package_requires_is_locked_extras_included(lock: str) -> None:
    metadata = _metadata(lock)
    missing = set()
    for machine in MACHINES:
        here = _on(lock, machine)
        for name, one in here.items():
            for needed in _needed(metadata.get(name, []), one.requirement.extras, machine):
                found = here.get(canonicalize_name(needed.name))
                if found is None:
                    missing.add(f"{name} needs {needed}, which is not there")
                elif not needed.specifier.contains(found.version, prereleases=True):
                    missing.add(f"{name} needs {needed}, not {found.version}")
                elif not needed.extras <= found.requirement.extras:
                    missing.add(f"{name} needs the extras of {needed}")
    assert sorted(missing) == [], (
        f"{lock} is not closed: `make lock` writes it again, its head says how"
    )


def _needed(
    required: list[str], extras: set[str], machine: Mapping[str, str]
) -> Iterator[Requirement]:
    for text in required:
        requirement = Requirement(text)
        asked = [
            requirement.marker is None or requirement.marker.evaluate({**machine, "extra": extra})
            for extra in ("", *extras)
        ]
        if any(asked):
            yield requirement


def _metadata(lock: str) -> dict[str, list[str]]:
    """The requirements of the locked packages, of those that this machine would install.

    Read where the lock file is installed already; the index is asked, once, about one that is not.
    """
    if lock.startswith("requirements"):
        places = [path for path in sys.path if "site-packages" in path]
    elif lock == "tests/lab/clients/requirements.lock":
        places = [str(path) for path in CLIENTS_PYTHON.parents[1].glob("lib/python*/site-packages")]
    else:
        places = []
    wanted = _on(lock, None)
    found = {
        name: one.requires or []
        for one in distributions(path=places)
        if (name := str(canonicalize_name(one.metadata["Name"]))) in wanted
        and one.version == wanted[name].version
    }
    return found if found.keys() == wanted.keys() else _from_index(ROOT / lock)


def _from_index(lock: Path) -> dict[str, list[str]]:
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "-qq"]
    closed = ["--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", str(lock)]
    done = subprocess.run(
        [*command, "--report", "-", *closed], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lack(f"no package index to ask about {lock.name}: {done.stderr.strip()[-200:]}")
    report: Any = json.loads(done.stdout)
    return {
        canonicalize_name(one["metadata"]["name"]): one["metadata"].get("requires_dist", [])
        for one in report["install"]
    }


def test_every_command_that_installs_a_lock_file_can_neither_resolve_nor_build() -> None:
    """Whoever adds such a command closes it: no resolution, no build, then `pip check`."""
    wrong, seen = [], 0
    for path in _tracked():
        if (
            path.suffix in {".lock", ".js", ".md", ".yaml"} and path.name != "deploiement.md"
        ) or path == Path(__file__):
            continue
        text = re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8", errors="replace"))
        for number, line in enumerate(text.splitlines(), 1):
            where = f"{path.relative_to(ROOT)}, near line {number}"
            # Elsewhere it is a partner's own project that installs.
            ours = path.suffix == "" or (path.suffix == ".py" and TESTS in path.parents)
            if ours and re.search(r"\bnpm\W+(install|i|update)\b", line):
                wrong.append(f"{where}: npm ci takes what is locked")
            if "require-hashes" not in line:
                continue
            seen += 1
            wrong += [
                f"{where}: {option} is missing"
                for option in ("--no-deps", "--only-binary")
                if option not in line
            ]
            if not re.search(r"(?i)pip[^\n]{0,24}check\b", text):
                wrong.append(f"{where}: pip check does not follow")
    assert wrong == []
    assert seen >= 4


@pytest.mark.parametrize("lock", NODE_LOCKS)
def test_node_lock_file_is_whole_and_names_no_registry(lock: str) -> None:
    document = json.loads((ROOT / lock).read_text(encoding="utf-8"))
    assert document["lockfileVersion"] == 3
    packages: dict[str, dict[str, Any]] = document["packages"]
    manifest = json.loads((ROOT / lock).with_name("package.json").read_text(encoding="utf-8"))
    assert packages[""].get("dependencies", {}) == manifest.get("dependencies", {})
    assert packages[""].get("devDependencies", {}) == manifest.get("devDependencies", {})
    wrong = []
    for place, one in packages.items():
        if place and not ("integrity" in one and "version" in one and "resolved" not in one):
            wrong.append(f"{place}: version and integrity, and no address")
        for kind in ("dependencies", "devDependencies") if not place else ("dependencies",):
            wrong += [
                f"{place} needs {name}, which is not there"
                for name in one.get(kind, {})
                if _node_place(packages, place, name) is None
            ]
    assert wrong == []


def _node_place(packages: Mapping[str, Any], place: str, name: str) -> str | None:
    """Where Node.js finds a package that another one asks for: beside it, or in a folder above."""
    while True:
        candidate = f"{place}/node_modules/{name}".lstrip("/")
        if candidate in packages:
            return candidate
        if not place:
            return None
        place = place.rpartition("node_modules/")[0].rstrip("/")
