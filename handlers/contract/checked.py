# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "dce743ca7cc6f472e3391e260c46528e34616250f5499dd769ab8665f451c744",
}
