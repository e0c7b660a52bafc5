# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "48880a9ec956c525c3aa835d965a8dd2396adaac6a08b32412edaddc705a03ab",
}
