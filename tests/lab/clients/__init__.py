"""Generated clients: made from the contract by several generators, and used against a live server."""
