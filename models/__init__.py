"""The core: money and its database.

May live here: tables, invariants and behaviour of the domain's nouns, the journal, migrations.
May import: the standard library, SQLAlchemy, Alembic, phonenumbers. Never a web library, never
`handlers`.
"""
