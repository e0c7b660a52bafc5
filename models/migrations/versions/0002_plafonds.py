"""Limits of cards and partners, and what was consumed of them

Revision: 0002
Follows: 0001
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "plafonds",
        sa.Column("id", ID, nullable=False),
        sa.Column("carte_id", ID, nullable=True),
        sa.Column("partenaire_id", ID, nullable=True),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("periode", sa.String(length=16), nullable=False),
        sa.Column("montant_maximal", sa.BigInteger(), nullable=True),
        sa.Column("nombre_maximal", sa.BigInteger(), nullable=True),
        sa.Column("cree_le", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(carte_id IS NULL) <> (partenaire_id IS NULL)", name=op.f("ck_plafonds_un_sujet")
        ),
        sa.CheckConstraint(
            "type IN ('CREDIT', 'DEBIT', 'TRANSFERT')", name=op.f("ck_plafonds_type_connu")
        ),
        sa.CheckConstraint(
            "periode IN ('OPERATION', 'JOUR', 'MOIS')", name=op.f("ck_plafonds_periode_connue")
        ),
        sa.CheckConstraint("montant_maximal >= 0", name=op.f("ck_plafonds_montant_positif")),
        sa.CheckConstraint("nombre_maximal >= 0", name=op.f("ck_plafonds_nombre_positif")),
        sa.CheckConstraint(
            "montant_maximal IS NOT NULL OR nombre_maximal IS NOT NULL",
            name=op.f("ck_plafonds_quelque_chose"),
        ),
        sa.CheckConstraint(
            "periode <> 'OPERATION' OR nombre_maximal IS NULL",
            name=op.f("ck_plafonds_nombre_par_periode"),
        ),
        sa.ForeignKeyConstraint(["carte_id"], ["cartes.id"], name=op.f("fk_plafonds_carte_id")),
        sa.ForeignKeyConstraint(
            ["partenaire_id"], ["partenaires.id"], name=op.f("fk_plafonds_partenaire_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_plafonds")),
        sa.UniqueConstraint(
            "carte_id", "type", "periode", name=op.f("uq_plafonds_carte_id_type_periode")
        ),
        sa.UniqueConstraint(
            "partenaire_id", "type", "periode", name=op.f("uq_plafonds_partenaire_id_type_periode")
        ),
    )
    op.create_table(
        "consommations",
        sa.Column("plafond_id", ID, nullable=False),
        sa.Column("debut", sa.Date(), nullable=False),
        sa.Column("montant", sa.BigInteger(), nullable=False),
        sa.Column("nombre", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["plafond_id"],
            ["plafonds.id"],
            name=op.f("fk_consommations_plafond_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("plafond_id", "debut", name=op.f("pk_consommations")),
    )


def downgrade() -> None:
    op.drop_table("consommations")
    op.drop_table("plafonds")
