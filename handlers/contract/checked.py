# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "688e6bc76b4a41b33452081385c2721674b1351cdc0d5077e889ec14d0b9b95c",
    "base-core.yaml": "4fc81a6ada41495ce594e181f654ba9b77b0927d38b2468015422bd50c910fd0",
}
