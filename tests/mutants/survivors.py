"""Mutants that may survive, by a part of their name, each with its reason."""

REASONS: dict[str, str] = {}
