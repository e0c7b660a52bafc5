# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "38d18c3ae332ca49b362f5cc103051a2d68ebdb26431ca17aba6123750b51b76",
}
