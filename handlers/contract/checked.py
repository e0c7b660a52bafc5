# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "9f2bfb86801101781c5ce8513ae1820059e7f352b7ab44c95fa54939f702ab18",
    "base-core.yaml": "3cd64a7528d6917e15df3a16ee90ebf1228eaeeb6ce8100769d27f836801720b",
}
