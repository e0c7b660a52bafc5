"""What libraries import for others and no server calls: imported when somebody does, if anybody ever does.

A third of what `cynod serve` imported was a test client, a client of HTTP in three libraries, a terminal's
colours, drivers of databases that nobody has: a sixth of the time until it is ready, and 13 MiB.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

LATE = (
    # Connexion: references to other addresses, OAuth by a remote server, its test client, WSGI, moments.
    *("requests", "httpx", "starlette.testclient", "a2wsgi", "asgiref.sync", "rfc3339_validator"),
    # Flask's and Starlette's templates, Werkzeug's server and its client for tests, what a debugger shows.
    *("jinja2", "flask.templating", "starlette.templating"),
    *("werkzeug.serving", "werkzeug.test", "html"),
    # structlog shows tracebacks on a terminal with it.
    *("rich", "rich.console", "rich.pretty", "rich.traceback"),
    *("uvicorn.supervisors.watchfilesreload", "logging.config", "configparser"),
    # Counters in Redis, where there is one, and other ways to count.
    *("limits.aio", "limits.storage", "limits.strategies"),
    *("sqlalchemy.dialects.postgresql.asyncpg", "sqlalchemy.dialects.sqlite.aiosqlite"),
)
"""Modules of which, while a server is imported, names are taken and none is used."""


@contextmanager
def late(names: Iterable[str] = LATE) -> Iterator[Finder]:
    """While the block imports, these modules are stood in for: what is taken of one imports it when used.

    Whoever imports one after the block has the module itself, at once.
    """
    finder = Finder(names)
    sys.meta_path.insert(0, finder)
    try:
        yield finder
    finally:
        sys.meta_path.remove(finder)
        for name in finder.asked:
            finder.give_up(name)


class Finder(MetaPathFinder, Loader):
    """Finds a stand-in for each of the names. It is not asked for modules that are imported already."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self.asked: list[str] = []

    def give_up(self, name: str) -> None:
        """From now on this module itself is imported."""
        self._names.discard(name)
        if isinstance(sys.modules.get(name), _Module):
            del sys.modules[name]

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """None for all others, which the usual finders find, and for what is not installed."""
        found = PathFinder.find_spec(fullname, path) if fullname in self._names else None
        if found is None:
            return None
        self.asked.append(fullname)
        made = ModuleSpec(fullname, self, origin=found.origin)
        made.submodule_search_locations = found.submodule_search_locations
        return made

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The stand-in."""
        return _Module(spec.name, self)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing: that is what it is for."""


class _Module(ModuleType):
    """Stands in for a module. In the block it gives stand-ins, afterwards what the module has."""

    def __init__(self, name: str, finder: Finder) -> None:
        super().__init__(name)
        self._finder = finder

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # the machinery of imports looks for what may be there
            raise AttributeError(name)
        named = _Named(self.__name__, name, self._finder)
        return named if sys.modules.get(self.__name__) is self else named.itself()


class _Named:
    """Stands in for what a module has under a name: to call it, to look into it, to make a class of it."""

    def __init__(self, module: str, name: str, finder: Finder) -> None:
        self._module = module
        self._name = name
        self._finder = finder

    def itself(self) -> Any:
        self._finder.give_up(self._module)
        return getattr(importlib.import_module(self._module), self._name)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.itself()(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.itself(), name)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self.itself())

    def __mro_entries__(self, _bases: tuple[Any, ...]) -> tuple[type, ...]:
        return (self.itself(),)
