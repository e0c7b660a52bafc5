"""Mutants of the contract: one thing is changed in the copy that the tests judge by, or in the server that
runs, and the contract tests must fail. May import handlers, tests and pytest; nothing imports it.
"""
