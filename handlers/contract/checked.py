# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "688e6bc76b4a41b33452081385c2721674b1351cdc0d5077e889ec14d0b9b95c",
    "base-core.yaml": "76cdc5e0b7601fdff2243480bba21bdcaa5d5861863c4390c5bcfb163bf8ef71",
}
