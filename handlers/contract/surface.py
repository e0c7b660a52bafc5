"""The contracts that a server can serve: one list, which every command and every server reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Surface:
    """A contract, and what belongs to it.

    Its `file` stands beside that of the partners' contract. The Python package `package` holds a module
    of handlers per tag, and what is generated. Its paths and its pages begin with `prefix`.
    Where its callers are `persons`, every operation says which right a person needs.
    """

    name: str
    file: str
    package: str
    prefix: str = ""
    persons: bool = False

    def heading(self, version: str) -> str:
        """The heading that a version of it has in CHANGELOG.md: `1.3.0`, or `base-core 1.3.0`."""
        return f"{self.name} {version}" if self.prefix else version


PARTENAIRE = Surface("partenaire", "openapi.yaml", "handlers")
BASE_CORE = Surface("base-core", "base-core.yaml", "handlers.base_core", "/base-core", persons=True)

SURFACES: dict[str, Surface] = {one.name: one for one in (PARTENAIRE, BASE_CORE)}
"""By name, the first one first: what is mounted of it answers for unknown paths."""
