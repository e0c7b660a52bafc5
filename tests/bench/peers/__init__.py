"""The same operations on the same database, written as each framework's documentation does it.

Each module is an application; most serve `PORT` with `WORKERS` processes when they are run. All take
connections, transactions and durability from models.db, so that none is quicker by promising less.
"""
