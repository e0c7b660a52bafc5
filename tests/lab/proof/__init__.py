"""The proof machine: load, faults, and a judge of the books that knows nothing of the application.

The clients of the load write down what they sent and what they saw. The judge (`judge.py`, with
`books.py` and `record.py`) reads these records and SQL; it imports neither `handlers` nor `models`,
so that a fault of theirs cannot hide itself. Servers run in processes of their own, as `cynod serve`.
"""
