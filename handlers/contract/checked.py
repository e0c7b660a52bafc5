# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "0e7583679951ca35d75321b5f0836d90dc5b6f6e2fab631dfdd50fc33a3deddf",
    "base-core.yaml": "eb5ca720f4f69d6de1f9dcf2df430236177cc12e847fae7b1feaf3c03e66ee0e",
}
