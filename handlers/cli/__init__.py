"""The command line: root.py is `cynod`, each other file one group of its commands."""
