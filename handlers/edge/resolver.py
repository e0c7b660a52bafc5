"""From an operation to its handler: the first tag names the module, the operationId the function."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from types import ModuleType
from typing import Any

from connexion.resolver import Resolution, Resolver

from handlers.contract.model import (
    Contract,
    ContractError,
    OperationContract,
    snake_case,
)

INJECTED = (
    *("connection", "partenaire", "settings", "contract", "conformite"),
    *("personne", "identite", "adresse"),
)
"""Keyword-only arguments that a handler may ask of the wrapper."""

Handler = Callable[..., Any]


def expected_arguments(operation: OperationContract) -> list[str]:
    """The contract's arguments of a handler: its parameters, then `corps` for a body."""
    names = [snake_case(parameter["name"]) for parameter in operation.parameters]
    return [*names, "corps"] if operation.body else names


def skeleton(operation: OperationContract, function: str | None = None) -> str:
    """The few lines a maintainer starts from when a handler is missing."""
    arguments = ", ".join([*expected_arguments(operation), "*", "connection", "partenaire"])
    return f"def {function or operation.function}({arguments}): ..."


class HandlerResolver(Resolver):
    """Connexion's resolver for `handlers/<tag>.py:<operation_id>`; finds every fault at start."""

    def __init__(self, contract: Contract, package: str | None = None) -> None:
        super().__init__()
        self.package = package or contract.surface.package
        self.handlers = {
            operation.operation_id: {
                media_type: self._find(operation, operation.function_for(media_type))
                for media_type in operation.media_types
            }
            for operation in contract.operations.values()
        }
        self._refuse_superfluous(contract)

    def resolve(self, operation: Any) -> Resolution:
        """Called by Connexion for each operation of the specification."""
        operation_id = operation.operation_id
        return Resolution(  # type: ignore[no-untyped-call]  # Connexion's has no types
            next(iter(self.handlers[operation_id].values())), operation_id
        )

    def _module(self, operation: OperationContract) -> ModuleType:
        name = f"{self.package}.{operation.module}"
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            raise ContractError(
                f"{operation.where} has the tag of a module that does not exist: create "
                f"{self.package}/{operation.module}.py with `{skeleton(operation)}`."
            ) from None

    def _find(self, operation: OperationContract, name: str) -> Handler:
        function = getattr(self._module(operation), name, None)
        file = f"{self.package}/{operation.module}.py"
        if not inspect.isfunction(function):
            raise ContractError(
                f"{operation.where} ({operation.operation_id}) has no handler: "
                f"add to {file} `{skeleton(operation, name)}`."
            )
        parameters = inspect.signature(function).parameters.values()
        given = [p.name for p in parameters if p.kind is not p.KEYWORD_ONLY]
        injected = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
        expected = expected_arguments(operation)
        if given != expected or not set(injected) <= set(INJECTED):
            raise ContractError(
                f"{file}: {name} takes ({', '.join(given)}; {', '.join(injected)}), "
                f"but the contract gives ({', '.join(expected)}) and the wrapper offers "
                f"{', '.join(INJECTED)} by keyword."
            )
        return function

    def _refuse_superfluous(self, contract: Contract) -> None:
        expected: dict[str, set[str]] = {}
        for operation in contract.operations.values():
            expected.setdefault(operation.module, set()).update(
                operation.function_for(media_type) for media_type in operation.media_types
            )
        for module_name, functions in expected.items():
            module = importlib.import_module(f"{self.package}.{module_name}")
            for name, value in vars(module).items():
                own = inspect.isfunction(value) and value.__module__ == module.__name__
                if own and not name.startswith("_") and name not in functions:
                    raise ContractError(
                        f"{self.package}/{module_name}.py: {name} serves no operation of "
                        f"{contract.surface.file}; remove it, or declare its operation under that tag."
                    )
