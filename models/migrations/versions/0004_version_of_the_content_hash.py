"""The shape of what an operation's hash was made of

Revision: 0004
Follows: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None
kind = "stop"


def upgrade() -> None:
    # Null, for the operations that are there, says that nobody wrote it down.
    op.add_column("operations", sa.Column("empreinte_version", sa.SmallInteger(), nullable=True))


def downgrade() -> None:
    op.drop_column("operations", "empreinte_version")
