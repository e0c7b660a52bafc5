# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "9f2bfb86801101781c5ce8513ae1820059e7f352b7ab44c95fa54939f702ab18",
    "base-core.yaml": "7b31ecbacc520514667b94e46bc0ea5bb53af2fc315ddd3e2bcb37e5fec69a73",
}
