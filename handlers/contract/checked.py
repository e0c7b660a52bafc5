# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "1f1c5145230af26a7faaf9717bcf5c64988f5884fee2e46da4ebee35ef04747c",
    "base-core.yaml": "128c8e1c1afd7298ebe72769a758fb7192aaa3d47e893acbeb6c1a01f6b4473b",
}
