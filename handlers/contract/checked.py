# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "3658c8b0b9bc3958ff257070c84aaf0f9f4c2ab587e1a2a5f3e717ee53951dfc",
    "base-core.yaml": "eb5ca720f4f69d6de1f9dcf2df430236177cc12e847fae7b1feaf3c03e66ee0e",
}
