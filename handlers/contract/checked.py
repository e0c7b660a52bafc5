# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "9a2ebfd551b083768674198110252830b7564fc518ded442f90a3f6a49c6628b",
}
