"""The migrations, one file each, in order of their numbers. They import Alembic and SQLAlchemy only,
so that a migration of yesterday does not change with the tables of today.
"""
