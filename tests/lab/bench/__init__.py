"""This server beside others that do the same work, and beside the limits: `make bench`.

May import models and handlers, as a judge; nothing imports it. Peers live in `peers/`.
"""
