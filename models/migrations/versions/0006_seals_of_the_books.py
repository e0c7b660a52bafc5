"""Seals of the books

Revision: 0006
Follows: 0005
"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None
kind = "expand"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "sceaux",
        sa.Column("numero", ID, autoincrement=False, nullable=False),
        sa.Column("scelle_le", sa.DateTime(timezone=True), nullable=False),
        sa.Column("forme", sa.SmallInteger(), nullable=False),
        sa.Column("jusqu_a", sa.BigInteger(), nullable=False),
        sa.Column("operations", sa.BigInteger(), nullable=False),
        sa.Column("ecritures", sa.BigInteger(), nullable=False),
        sa.Column("racine", sa.LargeBinary(length=32), nullable=False),
        sa.Column("precedente", sa.LargeBinary(length=32), nullable=False),
        sa.Column("empreinte", sa.LargeBinary(length=32), nullable=False),
        sa.Column("feuilles", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("numero > 0", name=op.f("ck_sceaux_numero_positif")),
        sa.PrimaryKeyConstraint("numero", name=op.f("pk_sceaux")),
    )
    if op.get_bind().dialect.name == "postgresql":
        run = "EXECUTE FUNCTION cynod_append_only()"
        op.execute(
            "CREATE TRIGGER sceaux_append_only BEFORE UPDATE OR DELETE ON sceaux"
            f" FOR EACH ROW {run}"
        )
        op.execute(f"CREATE TRIGGER sceaux_append_only_truncate BEFORE TRUNCATE ON sceaux {run}")
        return
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER sceaux_append_only_{verb.lower()} BEFORE {verb} ON sceaux"
            " BEGIN SELECT RAISE(ABORT, 'sceaux is append-only'); END"
        )


def downgrade() -> None:
    """Fails, and changes nothing, when there is a seal: nobody could prove again what it proves."""
    op.execute("DELETE FROM sceaux")  # the table's own triggers refuse it where there is a row
    op.drop_table("sceaux")
