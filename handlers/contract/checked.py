# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "9cd0aa549513218b1e910ecce6ac309a91952273384852e4cdabefabf2fa0e03",
}
