"""Programs, not suites: bench, clients, coverage, fuzz, mutants, proof; beside each, the tests of it."""
