"""What a contract says is taken where nobody says anything, by operation and place."""

from __future__ import annotations

from typing import Any

from tests.lab.coverage.cells import Contract
from tests.support.contract_client import ContractClient, Json

Default = tuple[str, str]
"""An operation, and the place of a parameter or of a field, as coverage names it."""


def defaults_of(document: Json) -> dict[Default, Any]:
    """The defaults of a contract."""
    return {
        (operation.name, field.place): field.schema["default"]
        for operation in Contract(document).operations.values()
        for field in (*operation.parameters.values(), *operation.fields)
        if "default" in field.schema
    }


def default_told(client: ContractClient, default: Default) -> Any:
    """The default that a server tells whoever asks it for its contract."""
    return defaults_of(client.get("/openapi.json").json())[default]
