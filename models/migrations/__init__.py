"""Alembic migrations. May live here: the environment and one file per revision."""
