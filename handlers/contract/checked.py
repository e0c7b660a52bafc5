# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "90a9ceba0c1442992e134654006b04c7fd0f6fcb6a661093561c3f15b77e4afc",
}
