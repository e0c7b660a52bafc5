"""Clients that `make clients ALL=1` makes beside those of build/clients, and the stories they play."""
