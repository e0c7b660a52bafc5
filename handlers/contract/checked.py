# Generated from openapi.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "89e6484c01116adb6f1be5af486da5210612ecba1752eeefeed02997885be0aa",
}
