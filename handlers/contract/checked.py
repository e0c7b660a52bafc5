# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "b707e9f510d2e1a8833034d1d2f9b4d09e860e800ac94757d34476c3967e38cb",
}
