# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "d9fe690b3e1990579243f6637e1bce8073db9a22954e03095d21be6badacf28a",
}
