# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "9f2bfb86801101781c5ce8513ae1820059e7f352b7ab44c95fa54939f702ab18",
    "base-core.yaml": "4f8a8a357d2d76367b9e023c36ecb2fbef7aae39c24b434d84711464ad6f64f7",
}
