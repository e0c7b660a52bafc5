# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "50e550fb94d88aad5c649ce825d887fa69c9fca3fba06847bc364089137c0b7f",
}
