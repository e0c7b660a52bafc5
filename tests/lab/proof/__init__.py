"""The proof machine: load, faults, and two judges that know nothing of the application.

The clients of the load write down what they sent and what they saw: partners who move money (`load.py`), and
persons of the back office (`clerks.py`), who change the very cards meanwhile; beside them time ends demandes
(`passing.py`). The judge (`judge.py`, with `books.py`) holds the journal against the first records, the
auditor (`auditor.py`, with `registers.py` and `cards.py`) demandes, objects and the audit against the second;
`states.py` tells the judge when a card can have been in which state. They read SQL and records, and import
neither `handlers` nor `models`, so that a fault of theirs cannot hide itself. Servers run in processes of
their own, as `cynod serve`. `cluster_proof.py` plays the same on a PostgreSQL cluster that fails over
(`cluster.py`, `cluster_faults.py`).
"""
