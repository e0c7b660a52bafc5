# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "70906416553085a199ad18bde09755ff87bbfdb16dcfa8e283975d6b05a3c8b8",
    "base-core.yaml": "8d0bef57413e787a1df48e71e4e6c8c1fe595815e3a14a49f512f05ce4aaf41e",
}
