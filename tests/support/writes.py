"""What code writes to which table, read from its source: by which module, and which columns.

A table's name is resolved in the module itself, so that an import under another name hides nothing. What
cannot be resolved, a table that is a parameter or a verb that is handed on, is told as hidden.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Table

VERBS = ("insert", "update", "delete")
BULK = "insert_rows"
MACHINERY = ("models/database/", "models/migrations/")
"""Where tables are parameters, whoever asks; and where they are made."""


class Write(NamedTuple):
    """One call that writes; of an update `columns` are those it names, None when it names them not."""

    line: int
    verb: str
    table: str
    columns: frozenset[str] | None


class Hidden(NamedTuple):
    """A call that writes nobody sees what, and what to write instead."""

    line: int
    advice: str


def read_writes(
    path: str, tree: ast.Module, names: dict[str, Any] | None = None
) -> Iterator[Write | Hidden]:
    """The writes of a file. `names` are what its module holds, which is imported unless they are given."""
    if path.startswith(MACHINERY) or not any(map(_is_verb, ast.walk(tree))):
        return
    if names is None:
        names = vars(importlib.import_module(path.removesuffix(".py").replace("/", ".")))
    tables = {name: value.name for name, value in names.items() if isinstance(value, Table)}
    parents = {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}
    for node in ast.walk(tree):
        if _rebinds(node, tables) and node not in _of_the_module(tree):
            yield Hidden(_line(node), "a table's name stands for nothing else; choose another name")
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy"):
            if any(alias.asname and alias.name in VERBS for alias in node.names):
                yield Hidden(node.lineno, "import insert, update and delete under their own names")
        elif (
            isinstance(node, ast.expr) and _is_verb(node) and not _is_of_a_collection(node, tables)
        ):
            yield _read(node, tables, parents)


def _read(
    verb: ast.expr, tables: dict[str, str], parents: dict[ast.AST, ast.AST]
) -> Write | Hidden:
    call = parents[verb]
    if not isinstance(call, ast.Call) or call.func is not verb:
        return Hidden(verb.lineno, "call insert, update or delete where the table is named")
    name = verb.id if isinstance(verb, ast.Name) else verb.attr  # type: ignore[attr-defined]
    method_of = verb.value if isinstance(verb, ast.Attribute) else None
    if isinstance(method_of, ast.Name) and method_of.id in tables:
        target: ast.expr | None = method_of
    else:
        at = 1 if name == BULK else 0
        target = call.args[at] if len(call.args) > at else None
    if not isinstance(target, ast.Name) or target.id not in tables:
        return Hidden(verb.lineno, "name the table itself, as its noun does")
    return Write(verb.lineno, name, tables[target.id], _columns(call, parents))


def _columns(call: ast.Call, parents: dict[ast.AST, ast.AST]) -> frozenset[str] | None:
    """The names that the `.values(…)` of this statement gives, None when it does not say them."""
    found: set[str] = set()
    node: ast.AST = call
    while isinstance(method := parents[node], ast.Attribute):
        node = parents[method]
        if method.attr == "values" and isinstance(node, ast.Call):
            keys: list[Any] = [keyword.arg for keyword in node.keywords]
            for given in node.args:
                keys += given.keys if isinstance(given, ast.Dict) else [None]
            for key in keys:
                name = key.value if isinstance(key, ast.Constant) else key
                if not isinstance(name, str):
                    return None
                found.add(name)
    return frozenset(found) or None


def _is_verb(node: ast.AST) -> bool:
    if isinstance(node, ast.Name):
        return node.id in (*VERBS, BULK) and isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.Attribute) and node.attr in (*VERBS, BULK)


def _is_of_a_collection(node: ast.expr, tables: dict[str, str]) -> bool:
    """Whether it is a method of something else than a table: dictionaries and sets have an `update`."""
    if not isinstance(node, ast.Attribute):
        return False
    if not isinstance(node.value, ast.Name):
        return True
    return node.value.id not in {*tables, "sqlalchemy", "sa", "postgresql", "sqlite", "bulk"}


def _rebinds(node: ast.AST, tables: dict[str, str]) -> bool:
    if isinstance(node, ast.arg):
        return node.arg in tables
    return isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in tables


def _of_the_module(tree: ast.Module) -> set[ast.AST]:
    """The names that are bound at the top of the file."""
    return {
        target
        for node in tree.body
        if isinstance(node, ast.Assign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
    }


def _line(node: ast.AST) -> int:
    return int(getattr(node, "lineno", 0))
