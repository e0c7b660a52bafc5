# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "ce47172eb88e317a9bb76d330f5e474fafc564e4a9e890ed67bf6e9cb5acd9eb",
    "base-core.yaml": "7b31ecbacc520514667b94e46bc0ea5bb53af2fc315ddd3e2bcb37e5fec69a73",
}
