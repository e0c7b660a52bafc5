"""What a handler gives back: a success, or a table that is read by batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, Never, TypedDict, overload

from sqlalchemy import Connection
from typing_extensions import TypeVar

if TYPE_CHECKING:
    pass


_NO_FIELD: Mapping[str, Any] = MappingProxyType({})


class NoField(TypedDict):
    """Nothing beside `data`."""


Item = TypeVar("Item")


Fields = TypeVar("Fields", bound=Mapping[str, Any], default=NoField)


class Answer(Generic[Item, Fields]):
    """A success: items of `data` (None for an answer without), fields beside it, a replay or not.

    The wrapper adds success, code and message, whose text the contract declares.
    """

    __slots__ = ("data", "fields", "replayed")

    @overload
    def __init__(
        self: Answer[Item, NoField], data: Sequence[Item], *, replayed: bool = False
    ) -> None: ...

    @overload
    def __init__(self: Answer[Never, Fields], data: None, fields: Fields) -> None: ...

    @overload
    def __init__(self, data: Sequence[Item], fields: Fields) -> None: ...

    def __init__(
        self, data: Sequence[Any] | None, fields: Any = _NO_FIELD, *, replayed: bool = False
    ) -> None:
        self.data = data
        self.fields = fields
        self.replayed = replayed


@dataclass(frozen=True, slots=True)
class TableAnswer:
    """A success as a table that is read by batches: `read` gives lines and the next position, None at
    the end, from a connection and a position."""

    columns: Sequence[str]
    read: Callable[[Connection, int | None], tuple[list[Mapping[str, Any]], int | None]]
    position: int | None = None
    suivant: str | None = None
    """The cursor of the next page, when it is a page that another one follows."""
