# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "b1a33211dac08f4242669cbeae05d37de7362ccf49978ee68d6535dbaded50eb",
}
