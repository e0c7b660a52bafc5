"""`make fuzz`: Schemathesis and checks of our own against servers as they ship, or a deployment.

The hooks that Schemathesis loads are in tests/lab/fuzz/schemathesis_hooks.py; docs/qa.md says how to
run it, read it and reproduce what it finds. Nothing here imports handlers or models, except for the
servers that are made to fail on purpose (`planted`).
"""
