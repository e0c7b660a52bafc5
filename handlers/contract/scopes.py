"""The scopes that a contract declares: the rights that a partner can hold."""

from __future__ import annotations

from typing import Any


def declared_scopes(document: dict[str, Any]) -> dict[str, str]:
    """Each scope with what it says, in the order of the file; none where nothing is declared."""
    schemes = document.get("components", {}).get("securitySchemes", {})
    return {
        scope: text
        for scheme in schemes.values()
        for scope, text in scheme.get("flows", {})
        .get("clientCredentials", {})
        .get("scopes", {})
        .items()
    }
