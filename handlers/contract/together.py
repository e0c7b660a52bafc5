"""What contracts must be to be served side by side: their names and paths apart, their rates the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from handlers.contract.model import Contract, ContractError, OperationContract


def check_together(contracts: Sequence[Contract]) -> None:
    """Raises ContractError, whose text has all that is wrong, a line each."""
    problems = [problem for one in contracts for problem in _prefix_problems(one)]
    for one, other in combinations(contracts, 2):
        problems += _name_problems(one, other)
        problems += _path_problems(one, other)
        problems += _rate_problems(one, other)
    if problems:
        raise ContractError("\n".join(problems))


def merge_rate_classes(contracts: Sequence[Contract]) -> dict[str, str]:
    """The rate classes of them all: one that two have is one, and its calls are counted together."""
    return {name: rate for one in contracts for name, rate in one.rate_classes.items()}


def _prefix_problems(contract: Contract) -> Iterator[str]:
    prefix = contract.surface.prefix
    for operation in contract.operations.values():
        if not operation.path.startswith(f"{prefix}/"):
            yield f"{operation.where}: every path of {operation.file} begins with {prefix}/."


def _name_problems(one: Contract, other: Contract) -> Iterator[str]:
    for operation_id in one.operations.keys() & other.operations.keys():
        yield (
            f"{other.operations[operation_id].where}: operationId {operation_id} is taken by "
            f"{one.operations[operation_id].where}; give it another name."
        )


def _path_problems(one: Contract, other: Contract) -> Iterator[str]:
    for first in one.operations.values():
        for second in other.operations.values():
            if _overlap(first, second):
                yield f"{second.where}: a request of this path may mean {first.where}; give it another path."


def _overlap(one: OperationContract, other: OperationContract) -> bool:
    """Whether a path may be both, whatever the method: what stands in braces may be anything."""
    parts, others = one.path.split("/"), other.path.split("/")
    return len(parts) == len(others) and all(
        part == of_other or part.startswith("{") or of_other.startswith("{")
        for part, of_other in zip(parts, others, strict=True)
    )


def _rate_problems(one: Contract, other: Contract) -> Iterator[str]:
    for name in one.rate_classes.keys() & other.rate_classes.keys():
        if one.rate_classes[name] != other.rate_classes[name]:
            yield (
                f"{other.surface.file}, x-classes-debit: {name} is {other.rate_classes[name]}, and "
                f"{one.rate_classes[name]} in {one.surface.file}; say the same, or give it another name."
            )
