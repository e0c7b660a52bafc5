"""Alembic's environment: runs on the connection that models.migrate gives, never on a URL of its own."""

from alembic import context

from models import schema

connection = context.config.attributes["connection"]
context.configure(
    connection=connection,
    target_metadata=schema.metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
