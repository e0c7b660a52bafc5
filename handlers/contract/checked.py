# Generated from openapi.yaml by `make contract`; do not edit.
"""The contract that was checked whole when this was written: its hash."""

CONTRACT_SHA256 = "b707e9f510d2e1a8833034d1d2f9b4d09e860e800ac94757d34476c3967e38cb"
