# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "3658c8b0b9bc3958ff257070c84aaf0f9f4c2ab587e1a2a5f3e717ee53951dfc",
    "base-core.yaml": "45d54ab3e2891dbd932d04c7301a6a5f5b6556263c4b96dc6f0198020e4fb6d0",
}
