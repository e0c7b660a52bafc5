# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "688e6bc76b4a41b33452081385c2721674b1351cdc0d5077e889ec14d0b9b95c",
    "base-core.yaml": "c5c8b909cbfc64b23590cd78658d6421f3b765aff34a033f6f59edae3dabb134",
}
