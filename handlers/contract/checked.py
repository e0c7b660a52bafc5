# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "ce47172eb88e317a9bb76d330f5e474fafc564e4a9e890ed67bf6e9cb5acd9eb",
}
