# Generated from openapi.yaml, base-core.yaml by `make contract`; do not edit.
"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {
    "openapi.yaml": "6421714ffda676dc29e68a0e32776c95a684a71ad4b8ec23b73c3081da0e85c9",
    "base-core.yaml": "2a018bbda7483f93bc638efa132970ffe7e31246b8b23642fb8c9d38da86f8e7",
}
