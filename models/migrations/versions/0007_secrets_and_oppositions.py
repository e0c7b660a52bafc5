"""Secrets with a name and an end of their own, cards that partners block, what was asked beside money

Revision: 0007
Follows: 0006
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None
kind = "stop"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
NUMBERED = {"sqlite": "printf('%026d', id)", "postgresql": "lpad(CAST(id AS TEXT), 26, '0')"}
"""A name for the secrets that are there: as long as those of new ones, and before all of them."""

SECRETS = "id, partenaire_id, empreinte, cree_le, expire_le"
"""Columns of the table `secrets`, as it was before."""

OF_CARTES = ("motif_statut", "statut_avant_opposition", "etat_version", "oppose_par")


def upgrade() -> None:
    if _on_sqlite():
        _rebuild_secrets(named=True)
    else:
        _alter_secrets()
    kind = "INTEGER" if _on_sqlite() else "BIGINT"
    # No reference: rows of secrets and of partners are never deleted, and SQLite would have to build the
    # table of cards anew for one.
    op.add_column("jetons", sa.Column("secret_id", sa.BigInteger(), nullable=True))
    op.execute(
        f"ALTER TABLE partenaires ADD COLUMN basic_autorise {kind} DEFAULT '0' NOT NULL"
        " CONSTRAINT ck_partenaires_basic_autorise_booleen CHECK (basic_autorise IN (0, 1))"
    )
    # Whoever called with its pair yesterday goes on; who comes next begins with tokens.
    op.execute("UPDATE partenaires SET basic_autorise = 1")
    op.add_column("cartes", sa.Column("motif_statut", sa.String(length=32), nullable=True))
    op.add_column(
        "cartes", sa.Column("statut_avant_opposition", sa.String(length=16), nullable=True)
    )
    op.execute(f"ALTER TABLE cartes ADD COLUMN etat_version {kind} DEFAULT '0' NOT NULL")
    op.add_column("cartes", sa.Column("oppose_par", sa.BigInteger(), nullable=True))
    op.create_table(
        "gestes",
        sa.Column("id", ID, nullable=False),
        sa.Column("partenaire_id", ID, nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=32), nullable=False),
        sa.Column("empreinte", sa.LargeBinary(length=32), nullable=False),
        sa.Column("empreinte_version", sa.SmallInteger(), nullable=False),
        sa.Column("resultat", sa.String(length=1000), nullable=True),
        sa.Column("date_geste", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["partenaire_id"], ["partenaires.id"], name=op.f("fk_gestes_partenaire_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gestes")),
        sa.UniqueConstraint(
            "partenaire_id", "reference", name=op.f("uq_gestes_partenaire_id_reference")
        ),
    )


def downgrade() -> None:
    """Fails, and changes nothing, when a secret was revoked that would open something again."""
    _refuse_to_open_what_was_revoked()
    op.drop_table("gestes")
    for name in OF_CARTES:
        op.drop_column("cartes", name)
    op.execute("ALTER TABLE partenaires DROP COLUMN basic_autorise")
    op.drop_column("jetons", "secret_id")
    if _on_sqlite():
        _rebuild_secrets(named=False)
    else:
        for name in ("secret_id", "fin4", "revoque_le", "dernier_usage"):
            op.drop_column("secrets", name)


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _refuse_to_open_what_was_revoked() -> None:
    revoked = op.get_bind().scalar(
        sa.text(
            "SELECT count(*) FROM secrets WHERE revoque_le IS NOT NULL"
            " AND (expire_le IS NULL OR expire_le > CURRENT_TIMESTAMP)"
        )
    )
    if revoked:
        raise ValueError(f"{revoked} revoked secrets would open something again")


def _alter_secrets() -> None:
    op.add_column("secrets", sa.Column("secret_id", sa.String(length=26), nullable=True))
    op.add_column("secrets", sa.Column("fin4", sa.String(length=4), nullable=True))
    op.add_column("secrets", sa.Column("revoque_le", sa.DateTime(timezone=True), nullable=True))
    op.add_column("secrets", sa.Column("dernier_usage", sa.Date(), nullable=True))
    op.execute(f"UPDATE secrets SET secret_id = {NUMBERED['postgresql']}")  # noqa: S608
    op.alter_column("secrets", "secret_id", nullable=False)
    op.create_unique_constraint(op.f("uq_secrets_secret_id"), "secrets", ["secret_id"])


def _rebuild_secrets(*, named: bool) -> None:
    """SQLite changes no constraint of a table that exists: it gets a new one, with the same rows."""
    added: list[sa.schema.SchemaItem] = []
    if named:
        added = [
            sa.Column("secret_id", sa.String(length=26), nullable=False),
            sa.Column("fin4", sa.String(length=4), nullable=True),
            sa.Column("revoque_le", sa.DateTime(timezone=True), nullable=True),
            sa.Column("dernier_usage", sa.Date(), nullable=True),
            sa.UniqueConstraint("secret_id", name=op.f("uq_secrets_secret_id")),
        ]
    op.create_table(
        "new_secrets",
        sa.Column("id", ID, nullable=False),
        sa.Column("partenaire_id", ID, nullable=False),
        sa.Column("empreinte", sa.LargeBinary(length=32), nullable=False),
        sa.Column("cree_le", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_le", sa.DateTime(timezone=True), nullable=True),
        *added,
        sa.ForeignKeyConstraint(
            ["partenaire_id"], ["partenaires.id"], name=op.f("fk_secrets_partenaire_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secrets")),
    )
    into = f"{SECRETS}, secret_id" if named else SECRETS
    given = f"{SECRETS}, {NUMBERED['sqlite']}" if named else SECRETS
    op.execute(f"INSERT INTO new_secrets ({into}) SELECT {given} FROM secrets")  # noqa: S608
    op.execute("DROP TABLE secrets")
    op.execute("ALTER TABLE new_secrets RENAME TO secrets")
    op.create_index(op.f("ix_secrets_partenaire_id"), "secrets", ["partenaire_id"])
