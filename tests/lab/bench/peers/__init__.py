"""The same operations on the same database, written as each framework's documentation does it.

`store` is what a peer does with the database, for all of them; it takes the tables from models, and
engine, pool and transactions from nobody: what this project makes quicker, no peer gets for free.
"""
