"""For who edits the contract: what is generated, first lines of an operation, history, conformance."""
