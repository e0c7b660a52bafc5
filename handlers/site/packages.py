"""Ready clients: the packages of the contract that `make clients` wrote into a folder, as downloads."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

from handlers.contract.model import Contract

TITLES = {
    "python-httpx": "Python, avec httpx (openapi-python-client)",
    "python-pydantic": "Python, avec pydantic (openapi-generator)",
    "typescript-fetch": "TypeScript, avec openapi-fetch (openapi-typescript)",
    "typescript-hey": "TypeScript, une fonction par opération (openapi-ts)",
    "java": "Java 17 (openapi-generator)",
    "php": "PHP 8 (openapi-generator)",
    "go": "Go (openapi-generator)",
    "kotlin": "Kotlin (openapi-generator)",
    "dart": "Dart (openapi-generator)",
}
"""The packages by name, in the order in which they are offered."""

_UNIT = 1024


@dataclass(frozen=True, slots=True)
class Package:
    """A package to download; its size in KiB, at least 1."""

    title: str
    file: Path
    size: int


def file_name(name: str, version: str) -> str:
    """The name of a package's file, such as cynod-java-1.2.0.zip."""
    return f"cynod-{name}-{version}.zip"


def packages(folder: Path, contract: Contract) -> list[Package]:
    """The packages in `folder` that were made from this very contract: its mark is their comment.

    A folder that is not there has none; a file of another contract, or a broken one, is left out.
    """
    found = []
    for name, title in TITLES.items():
        file = folder / file_name(name, contract.version)
        if _mark(file) == contract.served_version:
            found.append(Package(title, file, max(1, round(file.stat().st_size / _UNIT))))
    return found


def _mark(file: Path) -> str | None:
    try:
        with zipfile.ZipFile(file) as package:
            return package.comment.decode("ascii", "replace")
    except (OSError, zipfile.BadZipFile):
        return None
