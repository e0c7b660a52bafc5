"""What is taken from inside other libraries: docs/architecture.md lists it, and what is installed has it.

A name that a library does not promise may go with its next version. Each is listed with the range of versions
that pyproject.toml takes, whose ceiling is below what was not tried.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import textwrap
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from packaging.requirements import Requirement

from tests.support.contract_client import ROOT

LIBRARIES = ("connexion", "starlette", "werkzeug", "flask", "uvicorn", "httptools", "schemathesis")
"""Those of which we take more than they document: subclasses are read name by name."""

NAMED_TUPLE = frozenset({"_asdict", "_fields", "_make", "_replace"})
"""Documented, whatever their underscore says."""

PROGRAMS = ("tests/lab/fuzz/cases.py",)


class Row(NamedTuple):
    """A line of the table."""

    owner: str
    names: frozenset[str]
    requirement: str
    file: str


@cache
def rows() -> list[Row]:
    """The table of borrowed names."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `([\w.]+)` \| ([^|]+) \| `([^`]+)` \| `([^`]+)` \|", page, re.M)
    return [
        Row(owner, frozenset(re.findall(r"`(\w+)`", names)), requirement, file)
        for owner, names, requirement, file in lines
    ]


@cache
def _trees() -> dict[str, ast.Module]:
    paths = [path for room in ("handlers", "models") for path in (ROOT / room).rglob("*.py")]
    return {
        path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
        for path in [*paths, *(ROOT / name for name in PROGRAMS)]
    }


def _foreign_bases(own: type) -> list[type]:
    return [base for base in own.__mro__ if base.__module__.partition(".")[0] in LIBRARIES]


def _has(owner: Any, name: str) -> bool:
    """Whether an object has the name, or the instances of a class are given it."""
    if hasattr(owner, name):
        return True
    bases = owner.__mro__[:-1] if inspect.isclass(owner) else ()
    return any(re.search(rf"\bself\.{name}\b", inspect.getsource(base)) for base in bases)


def _of_classes() -> Iterator[tuple[str, str, str]]:
    """File, upstream class and name: what our subclasses replace of it or use of it."""
    for file in _trees():
        if not file.startswith(("handlers/", "models/")) or "/migrations/" in file:
            continue
        module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
        for own in vars(module).values():
            if not inspect.isclass(own) or own.__module__ != module.__name__:
                continue
            bases = _foreign_bases(own)
            if not bases:
                continue
            yield from ((file, *one) for one in _of_arguments(own, module))
            owner = f"{bases[0].__module__}.{bases[0].__qualname__}"
            tree = ast.parse(textwrap.dedent(inspect.getsource(own)))
            named = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
            named |= {
                node.attr
                for node in ast.walk(tree)
                if isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id == "self"
            }
            for name in named:
                if not name.startswith("__") and any(_has(base, name) for base in bases):
                    yield file, owner, name


def _of_arguments(own: type, module: Any) -> Iterator[tuple[str, str]]:
    """Upstream class and name: what a method uses of an argument of one of uvicorn's own classes."""
    for method in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(own)))):
        if not isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for argument in method.args.args:
            told = argument.annotation
            kind = getattr(module, told.id, None) if isinstance(told, ast.Name) else None
            if not inspect.isclass(kind) or not kind.__module__.startswith("uvicorn"):
                continue
            for node in ast.walk(method):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and node.value.id == argument.arg
                ):
                    yield f"{kind.__module__}.{kind.__qualname__}", node.attr


def _is_own_attribute(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Attribute)
        and isinstance(node.ctx, ast.Store)
        and isinstance(node.value, ast.Name)
        and node.value.id == "self"
    )


def _defined(node: ast.AST) -> str | None:
    """The name that a node of ours defines."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return node.name
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) and _is_own_attribute(node) else None


def _used(node: ast.AST) -> list[str]:
    """The names that a node takes of something: an attribute, or what an import names."""
    if isinstance(node, ast.Attribute):
        return [node.attr]
    if isinstance(node, ast.ImportFrom):
        return [*(node.module or "").split("."), *(one.name for one in node.names)]
    return []


def _private() -> Iterator[tuple[str, str]]:
    """File and name: `foreign._name`, and imports of such names, that nothing of ours defines."""
    own = {_defined(node) for tree in _trees().values() for node in ast.walk(tree)}
    for file, tree in _trees().items():
        for node in ast.walk(tree):
            for name in _used(node):
                if re.match("_[A-Za-z]", name) and name not in own | NAMED_TUPLE:
                    yield file, name


def test_list_of_borrowed_names_is_whole_and_has_no_more() -> None:
    told = {(row.file, row.owner, name) for row in rows() for name in row.names}
    found = set(_of_classes())
    private = {(file, name) for file, name in _private()}
    known = {(file, name) for file, _, name in told}
    lacking = sorted(found - told) + sorted(private - known)
    assert not lacking, f"list these in the table of docs/architecture.md: {lacking}"
    stale = sorted(one for one in told - found if (one[0], one[2]) not in private)
    assert not stale, f"nothing takes these any more, remove them from the table: {stale}"


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.owner)
def test_borrowed_names_are_in_what_is_installed(row: Row) -> None:
    module, _, name = row.owner.rpartition(".")
    try:
        owner: Any = importlib.import_module(row.owner)
    except ModuleNotFoundError:
        owner = getattr(importlib.import_module(module), name)
    assert [one for one in sorted(row.names) if not _has(owner, one)] == []


def _asked() -> dict[str, Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return {one.name: one for one in map(Requirement, texts)}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.owner)
def test_library_of_borrowed_names_has_a_ceiling(row: Row) -> None:
    told = Requirement(row.requirement)
    assert row.owner.partition(".")[0] == told.name
    asked = _asked().get(told.name)
    assert asked is not None, f"pyproject.toml does not name {told.name}, whose insides are used."
    assert asked.specifier == told.specifier, f"pyproject.toml asks for {asked}."
    assert any(one.operator == "<" for one in asked.specifier), f"give {asked} a ceiling."
    assert told.specifier.contains(metadata.version(told.name))


def test_each_file_that_rebuilds_a_framework_says_why() -> None:
    for name in ("bridge", "protocol", "routing"):
        text = ast.get_docstring(_trees()[f"handlers/edge/{name}.py"]) or ""
        assert "docs/architecture.md" in text or "test_raw_requests" in text, name
    for name in ("prepared", "libpq"):
        text = ast.get_docstring(_trees()[f"models/database/{name}.py"]) or ""
        assert "docs/architecture.md" in text, name


def test_table_is_read() -> None:
    assert len(rows()) >= 8
    assert all(Path(ROOT / row.file).exists() for row in rows())
