"""The plumbing between HTTP and the handlers: routing, security, checks, transaction, errors, logs.

May import: models, Connexion, Flask, the contract. Handlers import nothing of it but types.
"""
