"""Text put into a Python file where it belongs; all that is there stays as it is."""

from __future__ import annotations

import ast
from collections.abc import Iterable

Import = tuple[str, str]
"""A module, and a name of it; without a name, the module itself."""


def names(text: str) -> set[str]:
    """What a file defines or imports at its top level."""
    found = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found |= {alias.asname or alias.name for alias in node.names}
    return found


def imports(text: str) -> dict[str, str]:
    """The module that each imported name of a file comes from."""
    return {
        alias.name: str(node.module)
        for node in ast.parse(text).body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def with_imports(text: str, wanted: Iterable[Import]) -> str:
    """The file with these imports too, behind its docstring; they are sorted afterwards."""
    body = ast.parse(text).body
    found = {
        (str(node.module), alias.name)
        for node in body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    } | {(alias.name, "") for node in body if isinstance(node, ast.Import) for alias in node.names}
    lines = text.splitlines()
    added = [
        f"from {module} import {name}" if name else f"import {module}"
        for module, name in sorted(set(wanted) - found)
    ]
    start = 0
    for node in body[:2]:
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if future or isinstance(node, ast.Expr):
            start = node.end_lineno or 0
    lines[start:start] = ["", *added] if added else []
    return "\n".join(lines).rstrip() + "\n"


def at_end(text: str, block: str) -> str:
    """The file with a definition more."""
    return f"{text.rstrip()}\n\n\n{block.rstrip()}\n"


def before_class(text: str, block: str, *, code: str) -> str:
    """The file with a class before the first one whose `code` is larger, or at its end."""
    for node in ast.parse(text).body:
        if not isinstance(node, ast.ClassDef):
            continue
        other = class_code(node)
        if other is not None and (len(other), other) > (len(code), code):
            lines = text.splitlines()
            lines[node.lineno - 1 : node.lineno - 1] = [*block.rstrip().splitlines(), "", ""]
            return "\n".join(lines) + "\n"
    return at_end(text, block)


def class_code(node: ast.ClassDef) -> str | None:
    """The `code = "4001"` of a class."""
    for one in node.body:
        if isinstance(one, ast.Assign) and isinstance(one.value, ast.Constant):
            (target,) = one.targets
            if isinstance(target, ast.Name) and target.id == "code":
                return str(one.value.value)
    return None


def dictionary(text: str, name: str) -> ast.Dict | None:
    """The dictionary that a file writes under a name, at its top or in a function."""
    for node in ast.walk(ast.parse(text)):
        target: ast.expr | None = None
        if isinstance(node, ast.AnnAssign):
            target = node.target
        elif isinstance(node, ast.Assign):
            (target, *_) = node.targets
        if isinstance(target, ast.Name) and target.id == name:
            value = node.value  # type: ignore[attr-defined]
            return value if isinstance(value, ast.Dict) else None
    return None


def in_dictionary(text: str, name: str, key: str, value: str) -> str | None:
    """The file with an entry more at the end of a dictionary; None when there is no such dictionary."""
    found = dictionary(text, name)
    if found is None or found.end_lineno is None:
        return None
    if any(isinstance(one, ast.Constant) and one.value == key for one in found.keys):
        return text
    lines = text.splitlines()
    last = lines[found.end_lineno - 1]
    indent = " " * (len(last) - len(last.lstrip()) + 4)
    lines.insert(found.end_lineno - 1, f'{indent}"{key}": {value},')
    return "\n".join(lines) + "\n"


def in_table(text: str, table: str, line: str) -> str | None:
    """The file with a column more behind the last of a `Table`; None when it is not there."""
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "Table"
            and isinstance(node.args[0], ast.Constant)
            and node.args[0].value == table
        ):
            columns = [
                one
                for one in node.args
                if isinstance(one, ast.Call)
                and isinstance(one.func, ast.Name)
                and one.func.id == "Column"
            ]
            lines = text.splitlines()
            lines.insert(columns[-1].end_lineno or 0, f"    {line},")
            return "\n".join(lines) + "\n"
    return None
