"""What a server counts: the table of metrics, the memory that its processes share, who tells Prometheus.

It knows contracts, settings and the core; nothing of HTTP calls. `edge` tells it what happened.
"""
