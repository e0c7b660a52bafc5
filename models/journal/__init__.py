"""The journal: the only writer of the soldes of cards."""
