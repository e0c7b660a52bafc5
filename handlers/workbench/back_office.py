"""The first lines of an operation of the back office behind its contract: handler, view, and what is left.

One that writes enters a demande, which is one line of the handler; the rest of it is its type, beside its
object in models/back_office/, and is written by hand.
"""

from __future__ import annotations

from pathlib import Path

from handlers.contract.model import JSON_TYPE, Contract, OperationContract, snake_case
from handlers.workbench import insertion
from handlers.workbench.description import UNWRITTEN, SkeletonError, meant
from handlers.workbench.generate import answer_type, argument_type, folder_of, reference_name
from handlers.workbench.insertion import Import
from handlers.workbench.skeleton import Skeleton, own_codes

TESTS = Path("tests") / "contract" / "test_base_core.py"


def make_back_office_skeleton(contract: Contract, operation_id: str, root: Path) -> Skeleton:
    """What the operation lacks under `root`. Raises SkeletonError."""
    operation = contract.operations.get(operation_id)
    file = contract.surface.file
    if operation is None:
        raise SkeletonError(
            f"{file} has no operation {operation_id}{meant(operation_id, contract.operations)} "
            "--path /in-kebab-case --method post --tag TAG writes its first lines there."
        )
    if any(mark in operation.summary for mark in UNWRITTEN.values()):
        raise SkeletonError(
            f"{operation.where} has its summary still to write: handler and tests are called after it."
        )
    folder = folder_of(contract.surface)
    handler = folder / f"{operation.module}.py"
    text = _text(handler, f'"""Operations of the tag `{operation.module}` of the back office."""\n')
    if operation.function in insertion.names(text):
        raise SkeletonError(
            f"{operation_id} has its function in {handler.relative_to(root).as_posix()} already."
        )
    files = {handler: _handler(contract, operation, text)}
    todo = _todo(contract, operation)
    tests = root / TESTS
    codes = "{" + ", ".join(f'"{code}"' for code in own_codes(operation) if code != "4002") + "}"
    entered = insertion.in_dictionary(_text(tests), "OF_ITS_WORK", operation_id, codes)
    if entered is None:
        todo.append(f'Write `"{operation_id}": {codes},` into OF_ITS_WORK of {TESTS.as_posix()}.')
    else:
        files[tests] = entered
    todo.append("`make lint` and `make test` tell what does not fit yet.")
    return Skeleton(files, todo)


def _text(path: Path, otherwise: str = "") -> str:
    return path.read_text(encoding="utf-8") if path.exists() else otherwise


def _handler(contract: Contract, operation: OperationContract, text: str) -> str:
    package = contract.surface.package
    answer = answer_type(contract, operation, JSON_TYPE)
    wanted: set[Import] = {
        ("sqlalchemy", "Connection"),
        ("handlers.answer", "Answer"),
        ("models.back_office.moteur", "Personne"),
    }
    named = answer.partition("[")[2].rstrip("]").replace(" ", "").split(",")
    wanted |= {(f"{package}.wire", name) for name in named if name}
    arguments = []
    for parameter in operation.parameters:
        plain = {**parameter, "schema": contract.resolve(parameter["schema"])}
        arguments.append(f"{snake_case(parameter['name'])}: {argument_type(plain)}")
    if operation.body is not None:
        body = reference_name(operation.body.schema)
        arguments.append(f"corps: {body}")
        wanted.add((f"{package}.wire", body))
    arguments += ["*", "connection: Connection", "personne: Personne"]
    does = "raise NotImplementedError  # its rows are read in models/, its view is in views/"
    if operation.idempotent_on is not None:
        arguments.append("settings: Settings")
        wanted |= {
            ("handlers.settings", "Settings"),
            (f"{package}.saisie", "enter"),
            (f"{package}.views.demandes", "read_saisie"),
        }
        read = f'read_saisie("{operation.operation_id}", corps)'
        does = f"return enter(connection, personne, settings, {read}, corps)"
    inner = "".join(f"    {argument},\n" for argument in arguments)
    block = f"def {operation.function}(\n{inner}) -> {answer}:\n    {does}\n"
    return insertion.with_imports(insertion.at_end(text, block), wanted)


def _todo(contract: Contract, operation: OperationContract) -> list[str]:
    name = operation.operation_id
    if operation.idempotent_on is None:
        return [
            (
                f"Write what {name} reads in models/back_office/, and its view in "
                f"handlers/base_core/views/{operation.module}.py."
            )
        ]
    told = ", ".join(
        f"{code} ({contract.catalogue[code].nom})"
        for code in own_codes(operation)
        if code != "4002"
    )
    return [
        (
            "Write its TypeDemande beside its object in models/back_office/, and add it to TYPES of "
            f"models/back_office/registre.py{f': it raises {told}' if told else ''}."
        ),
        (
            f"Write the rule of {name} into a migration, and into REGLES of models/regle_validation.py: "
            "how many persons validate it, and the least of it."
        ),
        f"Say the same under **Validation** in {contract.surface.file}.",
    ]
