"""The back office: a module per tag of base-core.yaml, and what is generated from it."""
