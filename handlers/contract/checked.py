# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "9f2bfb86801101781c5ce8513ae1820059e7f352b7ab44c95fa54939f702ab18",
    "base-core.yaml": "0630f0d01eea4bb389a709bee41639a17f5025f7f6a35ec596a4a126be25098e",
}
