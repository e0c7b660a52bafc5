"""The same operations on the same database, written as each framework's documentation does it.

`answers` is what all of them say. `store` is what a peer in threads does with the database, `async_store`
what one on an event loop does. The former takes the tables from models; engine, pool and transactions come
from nobody: what this project makes quicker, no peer gets for free.
"""
