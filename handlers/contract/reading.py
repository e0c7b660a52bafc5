"""The contract, read once: operations, error catalogue, rate classes, and what is wrong with them.

`load` refuses a contract that the server could not keep, with a sentence that says what to edit.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
import yaml

from handlers.contract.bundle import WrongReference, read_whole
from handlers.contract.checked import CONTRACT_SHA256
from handlers.contract.derived import catalogue_of, derive_operation
from handlers.contract.lines import LOADER, Lines, Problem, read_yaml, tell
from handlers.contract.model import (
    METHODS,
    Contract,
    ContractError,
    Json,
    OperationContract,
)
from handlers.contract.surface import PARTENAIRE, Surface


def load(path: Path, *, again: bool = False, surface: Surface = PARTENAIRE) -> Contract:
    """Read and check the contract of a surface. Raises ContractError, which tells all that is wrong with it.

    All was checked when handlers/contract/checked.py was written, and is checked here when the contract
    has changed since, or `again`.
    """
    if not again:
        with contextlib.suppress(ContractError, yaml.YAMLError):
            document, published = read_whole(path, _read_quickly)
            if hashlib.sha256(published).hexdigest() == CONTRACT_SHA256.get(surface.file):
                return derive(document, published, surface=surface)
    source = _read_bytes(path)
    composed, lines, problems = _compose(source, path.name)

    def read(file: Path) -> tuple[Json, bytes]:
        return (composed, source) if file == path else read_document(file)

    # Of what comes from another file, the line is that of the nearest part around it.
    try:
        document, published = read_whole(path, read)
    except WrongReference as wrong:
        if wrong.file != path.name:
            raise
        raise ContractError(
            tell([*problems, Problem(wrong.place, wrong.text)], path.name, lines)
        ) from None
    return build(
        document,
        published,
        again=again,
        surface=surface,
        name=path.name,
        lines=lines,
        found=problems,
    )


def read_published(path: Path) -> tuple[Json, bytes]:
    """The document of a contract as it is published, self-contained, and its bytes. Raises ContractError."""
    return read_whole(path, read_document)


def _read_quickly(path: Path) -> tuple[Json, bytes]:
    source = _read_bytes(path)
    return _parse(source, path.name), source


def read_document(path: Path) -> tuple[Json, bytes]:
    """What a file says, and its bytes, unchecked. Raises ContractError when it is no mapping in YAML."""
    source = _read_bytes(path)
    document: Json = _anew(_read_source(source, path.name))
    return document, source


# A command reads the contract and the published ones a dozen times, each for a purpose of its own.
@lru_cache(maxsize=16)
def _read_source(source: bytes, name: str) -> Json:
    document, lines, problems = _compose(source, name)
    twice = [problem for problem in problems if "is given twice" in problem.text]
    if twice:
        raise ContractError(tell(twice, name, lines))
    return document


def _anew(node: Any) -> Any:
    """A copy, which its reader may change."""
    if isinstance(node, dict):
        return {key: _anew(value) for key, value in node.items()}
    return [_anew(value) for value in node] if isinstance(node, list) else node


def read_with_lines(path: Path) -> tuple[Json, Lines, bytes]:
    """What a file says, unchecked, where its parts stand, and its bytes. Raises ContractError."""
    source = _read_bytes(path)
    document, lines, _ = _compose(source, path.name)
    return document, lines, source


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ContractError(f"the contract {path} cannot be read: {error.strerror}.") from None


def _parse(source: bytes, name: str) -> Json:
    """The document of YAML that was checked: quick, without lines."""
    document = yaml.load(source, Loader=LOADER)  # noqa: S506 - a safe loader, the C one if there is
    if not isinstance(document, dict):
        raise ContractError(f"{name} is not an OpenAPI document.")
    # YAML makes a text of each key anew, JSON one of all that are the same: a sixth of the memory.
    shared: Json = orjson.loads(orjson.dumps(document))
    return shared


def _compose(source: bytes, name: str) -> tuple[Json, Lines, list[Problem]]:
    try:
        document, lines, problems = read_yaml(source)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise ContractError(
            f"{name} is not YAML{line}: {getattr(error, 'problem', error)}."
        ) from None
    if document is None and problems:
        raise ContractError(tell(problems, name, lines))
    if not isinstance(document, dict):
        raise ContractError(f"{name} is not an OpenAPI document.")
    return document, lines, problems


def build(
    document: Json,
    source: bytes,
    *,
    again: bool = False,
    surface: Surface = PARTENAIRE,
    name: str | None = None,
    lines: Lines | None = None,
    found: Iterable[Problem] = (),
) -> Contract:
    """Check a parsed contract and derive from it. Raises ContractError, which tells all that is wrong.

    `lines` say where its parts stand, `found` what its reader found already.
    """
    sha256 = hashlib.sha256(source).hexdigest()
    if again or sha256 != CONTRACT_SHA256.get(surface.file):
        from handlers.contract.check import find_problems  # noqa: PLC0415 - for who edits the contract

        lines = lines or Lines(None)
        problems = find_problems(document, lines, found, surface=surface)
        if problems:
            raise ContractError(tell(problems, name or surface.file, lines))
    return derive(document, source, surface=surface)


def derive(document: Json, source: bytes, *, surface: Surface = PARTENAIRE) -> Contract:
    """Everything that the server uses, from a document that is right."""
    contract = Contract(
        surface=surface,
        source=source,
        json=orjson.dumps(document),
        document=document,
        version=document["info"]["version"],
        sha256=hashlib.sha256(source).hexdigest(),
        catalogue=catalogue_of(document),
        operations={},
        rate_classes=dict(document.get("x-classes-debit", {})),
    )
    operations: dict[str, OperationContract] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = derive_operation(contract, path, method, item[method])
                operations[operation.operation_id] = operation
    object.__setattr__(contract, "operations", operations)
    return contract
