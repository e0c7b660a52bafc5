"""What the tests know by heart of an operation or of a code, where the contract cannot tell it.

A new operation or a new code meets these lists first: each says in one sentence what to write, and where.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


def missing(what: object, *, write: str, file: str) -> NoReturn:
    """Fail for want of an entry: who lacks it, what to write, and into which file."""
    __tracebackhide__ = True
    raise AssertionError(f"the tests do not know {what} yet: write {write} in {file}")


def entry_of(registry: Mapping[Key, Value], key: Key, *, write: str, file: str) -> Value:
    """The entry of a key, or a failure that says what to write."""
    __tracebackhide__ = True
    if key not in registry:
        missing(key, write=write, file=file)
    return registry[key]
