"""`make fuzz`: Schemathesis and checks of our own against servers as they ship, or a deployment.

The hooks that Schemathesis loads are in tests/lab/fuzz/schemathesis_hooks.py; docs/qa.md says how to
run it, read it and reproduce what it finds. Nothing here imports handlers or models, except for what runs
inside a process of cynod: the faults that are planted (`planted`), and many commands at once (`commands`).
"""
