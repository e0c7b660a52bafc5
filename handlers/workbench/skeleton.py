"""The first lines of an operation that the contract has and the code has not: its handler and its test."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handlers.contract.model import (
    JSON_TYPE,
    Contract,
    Json,
    OperationContract,
    snake_case,
)
from handlers.contract.rules import inevitable_codes
from handlers.workbench.generate import answer_type, argument_type, reference_name

WIDTH = 100


class SkeletonError(Exception):
    """There is nothing to write. The text is one sentence."""


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Files to write, whole texts by their path in the project; and what is left to do by hand."""

    files: dict[Path, str]
    todo: list[str]


def make_skeleton(contract: Contract, operation_id: str, root: Path) -> Skeleton:
    """What the operation lacks under `root`. Raises SkeletonError."""
    operation = contract.operations.get(operation_id)
    if operation is None:
        raise SkeletonError(
            f"openapi.yaml has no operation {operation_id}; describe it there first. It has "
            f"{', '.join(contract.operations)}."
        )
    files: dict[Path, str] = {}
    module = root / "handlers" / f"{operation.module}.py"
    text = module.read_text(encoding="utf-8") if module.exists() else ""
    for media_type in operation.media_types:
        name = operation.function_for(media_type)
        if name not in _functions(text):
            text = _add(text, contract, operation, media_type)
            files[module] = text
    test = root / "tests" / "operations" / f"test_{operation.function}.py"
    if not test.exists():
        files[test] = _test(contract, operation)
    if not files:
        raise SkeletonError(
            f"{operation_id} has its function in handlers/{operation.module}.py and its test in "
            f"{test.relative_to(root)} already."
        )
    return Skeleton(files, _todo(contract, operation))


def _functions(text: str) -> set[str]:
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


def _add(text: str, contract: Contract, operation: OperationContract, media_type: str) -> str:
    """The module with the function at its end and what it names imported."""
    function, imports = _function(contract, operation, media_type)
    if not text:
        text = f'"""Operations of the tag `{operation.module}`."""\n'
    body = ast.parse(text).body
    found = {
        (node.module, alias.name)
        for node in body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    lines = text.splitlines()
    # Behind the docstring, or at the top.
    start = body[0].end_lineno if body and isinstance(body[0], ast.Expr) else 0
    wanted = [
        f"from {source} import {name}"
        for source, name in sorted(imports)
        if (source, name) not in found
    ]
    assert start is not None
    lines[start:start] = ["", *wanted] if wanted else []
    return "\n".join(lines).rstrip() + "\n\n\n" + function


def _function(
    contract: Contract, operation: OperationContract, media_type: str
) -> tuple[str, set[tuple[str, str]]]:
    answer = answer_type(contract, operation, media_type)
    imports = {("handlers.answer", answer.partition("[")[0])}
    for name in answer.partition("[")[2].rstrip("]").replace(" ", "").split(","):
        if name:
            imports.add(("typing" if name == "Never" else "handlers.wire", name))
    arguments = []
    for parameter in operation.parameters:
        plain = {**parameter, "schema": contract.resolve(parameter["schema"])}
        arguments.append(f"{snake_case(parameter['name'])}: {argument_type(plain)}")
    if operation.body is not None:
        name = reference_name(operation.body.schema)
        arguments.append(f"corps: {name}")
        imports.add(("handlers.wire", name))
    injected = []
    if operation.secured:
        injected = ["session: Connection", "partenaire: Partenaire"]
        imports |= {("sqlalchemy", "Connection"), ("models.partenaire", "Partenaire")}
    arguments += ["*", *injected] if injected else []
    line = f"def {operation.function_for(media_type)}({', '.join(arguments)}) -> {answer}:"
    if len(line) > WIDTH:
        inner = "".join(f"    {argument},\n" for argument in arguments)
        line = f"def {operation.function_for(media_type)}(\n{inner}) -> {answer}:"
    return (
        f"{line}\n    raise NotImplementedError  # its rule is in models/, its view in views/\n",
        imports,
    )


def own_codes(operation: OperationContract) -> list[str]:
    """The codes of its rules: those that the edge does not answer by itself."""
    return sorted(operation.codes - inevitable_codes(operation))


def _test(contract: Contract, operation: OperationContract) -> str:
    function = operation.function
    codes = own_codes(operation)
    names = ["Scene", "assert_refused"] if codes else ["Scene"]
    lines = [
        f'"""{operation.operation_id}: {operation.summary}."""',
        "",
        "from __future__ import annotations",
        "",
        f"from tests.support.scene import {', '.join(names)}",
        "",
        "",
        f"def test_{function}_answers_as_its_example(scene: Scene) -> None:",
        f'    answer = scene.call("{operation.operation_id}").send(scene.api)',
        f"    assert (answer.status_code, answer.json()) == (200, {_example(contract, operation)!r})",
    ]
    for code in codes:
        entry = contract.catalogue[code]
        lines += [
            "",
            "",
            f"def test_{function}_is_refused_with_{code}(scene: Scene) -> None:",
            f'    """{entry.message["en"]}."""',
            f'    call = scene.call("{operation.operation_id}")  # change it so that {code} follows',
            f'    assert_refused(call.send(scene.api), "{code}")',
        ]
    return "\n".join(lines) + "\n"


def _example(contract: Contract, operation: OperationContract) -> Any:
    examples = operation.responses[200]["content"][JSON_TYPE]["examples"]
    first: Json = next(iter(examples.values()))
    return contract.resolve(first).get("value")


def _todo(contract: Contract, operation: OperationContract) -> list[str]:
    item = answer_type(contract, operation, JSON_TYPE)
    steps = [
        f"Write its rule in models/, and its view `-> {item}` in handlers/views/{operation.module}.py.",
        f"Put both into {operation.function} of handlers/{operation.module}.py.",
        f"Give tests/support/scene.py a valid call of {operation.operation_id} (now: its examples).",
    ]
    codes = own_codes(operation)
    if codes:
        steps.append(
            f"Raise {', '.join(f'{code} ({contract.catalogue[code].nom})' for code in codes)} from the "
            "rule; a new code needs its class in models/errors.py."
        )
    steps.append("`make lint` and `make test` tell what does not fit yet.")
    return steps
