# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "9f2bfb86801101781c5ce8513ae1820059e7f352b7ab44c95fa54939f702ab18",
    "base-core.yaml": "7ef0cd805100129e1c5ef722b25547edeb800817c18dc20b4881b32e4ff8678d",
}
