"""Initial tables

Revision: 0001, the first.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None
kind = "stop"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
APPEND_ONLY = ("ecritures", "operations")


def upgrade() -> None:
    op.create_table(
        "clients",
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("nom", sa.String(length=200), nullable=False),
        sa.Column("reseau", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_clients")),
    )
    op.create_table(
        "comptes",
        sa.Column("id", ID, nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("unite", sa.String(length=8), nullable=False),
        sa.CheckConstraint(
            "type IN ('CARTE', 'REGLEMENT', 'OUVERTURE')", name=op.f("ck_comptes_type_connu")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_comptes")),
        sa.UniqueConstraint("id", "unite", name=op.f("uq_comptes_id_unite")),
    )
    op.create_table(
        "membres",
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("membre_id", sa.String(length=32), nullable=False),
        sa.Column("wallet_id", sa.String(length=16), nullable=False),
        sa.Column("nom", sa.String(length=200), server_default="", nullable=False),
        sa.Column("prenom", sa.String(length=200), server_default="", nullable=False),
        sa.Column("email", sa.String(length=254), server_default="", nullable=False),
        sa.Column("telephone", sa.String(length=32), server_default="", nullable=False),
        sa.Column("numero_piece", sa.String(length=64), server_default="", nullable=False),
        sa.Column("date_naissance", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.client_id"], name=op.f("fk_membres_client_id")
        ),
        sa.PrimaryKeyConstraint("client_id", "membre_id", name=op.f("pk_membres")),
    )
    op.create_index(op.f("ix_membres_client_id_wallet_id"), "membres", ["client_id", "wallet_id"])

    op.create_table(
        "partenaires",
        sa.Column("id", ID, nullable=False),
        sa.Column("nom", sa.String(length=200), nullable=False),
        sa.Column("consumer_key", sa.String(length=64), nullable=False),
        sa.Column("compte_id", ID, nullable=False),
        sa.Column("scopes", sa.String(length=500), nullable=False),
        sa.Column("adresses", sa.String(length=1000), server_default="", nullable=False),
        sa.Column("demo", ID, server_default="0", nullable=False),
        sa.Column("cree_le", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoque_le", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("demo IN (0, 1)", name=op.f("ck_partenaires_demo_booleen")),
        sa.ForeignKeyConstraint(
            ["compte_id"], ["comptes.id"], name=op.f("fk_partenaires_compte_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partenaires")),
        sa.UniqueConstraint("compte_id", name=op.f("uq_partenaires_compte_id")),
        sa.UniqueConstraint("consumer_key", name=op.f("uq_partenaires_consumer_key")),
    )
    op.create_table(
        "acces",
        sa.Column("partenaire_id", ID, nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["client_id"], ["clients.client_id"], name=op.f("fk_acces_client_id")
        ),
        sa.ForeignKeyConstraint(
            ["partenaire_id"], ["partenaires.id"], name=op.f("fk_acces_partenaire_id")
        ),
        sa.PrimaryKeyConstraint("partenaire_id", "client_id", name=op.f("pk_acces")),
    )
    op.create_table(
        "cartes",
        sa.Column("id", ID, nullable=False),
        sa.Column("numero_carte", sa.String(length=19), nullable=False),
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("membre_id", sa.String(length=32), nullable=False),
        sa.Column("compte_id", sa.BigInteger(), nullable=False),
        sa.Column("fin_validite", sa.Date(), nullable=False),
        sa.Column("statut", sa.String(length=16), nullable=False),
        sa.Column("unite", sa.String(length=8), nullable=False),
        sa.Column("solde", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("date_solde", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "statut IN ('ACTIVE', 'OPPOSITION', 'ANNULEE')", name=op.f("ck_cartes_statut_connu")
        ),
        sa.CheckConstraint("solde <= 9007199254740991", name=op.f("ck_cartes_solde_maximal")),
        sa.CheckConstraint("solde >= 0", name=op.f("ck_cartes_solde_positif")),
        sa.CheckConstraint("version >= 0", name=op.f("ck_cartes_version_positive")),
        sa.ForeignKeyConstraint(
            ["client_id", "membre_id"],
            ["membres.client_id", "membres.membre_id"],
            name=op.f("fk_cartes_client_id_membre_id"),
        ),
        sa.ForeignKeyConstraint(
            ["compte_id", "unite"],
            ["comptes.id", "comptes.unite"],
            name=op.f("fk_cartes_compte_id_unite"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_cartes")),
        sa.UniqueConstraint("compte_id", name=op.f("uq_cartes_compte_id")),
        sa.UniqueConstraint("numero_carte", name=op.f("uq_cartes_numero_carte")),
    )
    op.create_index(op.f("ix_cartes_client_id_id"), "cartes", ["client_id", "id"])
    op.create_index(
        op.f("ix_cartes_client_id_membre_id_id"), "cartes", ["client_id", "membre_id", "id"]
    )

    op.create_table(
        "jetons",
        sa.Column("empreinte", sa.LargeBinary(length=32), nullable=False),
        sa.Column("partenaire_id", ID, nullable=False),
        sa.Column("scopes", sa.String(length=500), nullable=False),
        sa.Column("emis_le", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_le", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["partenaire_id"], ["partenaires.id"], name=op.f("fk_jetons_partenaire_id")
        ),
        sa.PrimaryKeyConstraint("empreinte", name=op.f("pk_jetons")),
    )
    op.create_index(
        op.f("ix_jetons_partenaire_id_expire_le"), "jetons", ["partenaire_id", "expire_le"]
    )

    op.create_table(
        "secrets",
        sa.Column("id", ID, nullable=False),
        sa.Column("partenaire_id", ID, nullable=False),
        sa.Column("empreinte", sa.LargeBinary(length=32), nullable=False),
        sa.Column("cree_le", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_le", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["partenaire_id"], ["partenaires.id"], name=op.f("fk_secrets_partenaire_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_secrets")),
    )
    op.create_index(op.f("ix_secrets_partenaire_id"), "secrets", ["partenaire_id"])

    op.create_table(
        "operations",
        sa.Column("id", ID, nullable=False),
        sa.Column("numero_operation", sa.String(length=26), nullable=False),
        sa.Column("partenaire_id", ID, nullable=True),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("empreinte", sa.LargeBinary(length=32), nullable=True),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("statut", sa.String(length=16), nullable=False),
        sa.Column("carte_id", ID, nullable=False),
        sa.Column("montant", sa.BigInteger(), nullable=False),
        sa.Column("unite", sa.String(length=8), nullable=False),
        sa.Column("motif", sa.String(length=140), nullable=True),
        sa.Column("point_de_service", sa.String(length=64), nullable=True),
        sa.Column("terminal", sa.String(length=64), nullable=True),
        sa.Column("date_operation", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(type = 'OUVERTURE') = (partenaire_id IS NULL)"
            " AND (partenaire_id IS NULL) = (reference IS NULL)",
            name=op.f("ck_operations_reference_du_partenaire"),
        ),
        sa.CheckConstraint("statut IN ('EXECUTEE')", name=op.f("ck_operations_statut_connu")),
        sa.CheckConstraint(
            "type IN ('CREDIT', 'DEBIT', 'OUVERTURE')", name=op.f("ck_operations_type_connu")
        ),
        sa.CheckConstraint("montant > 0", name=op.f("ck_operations_montant_positif")),
        sa.ForeignKeyConstraint(["carte_id"], ["cartes.id"], name=op.f("fk_operations_carte_id")),
        sa.ForeignKeyConstraint(
            ["partenaire_id"], ["partenaires.id"], name=op.f("fk_operations_partenaire_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
        sa.UniqueConstraint("numero_operation", name=op.f("uq_operations_numero_operation")),
        sa.UniqueConstraint(
            "partenaire_id", "reference", name=op.f("uq_operations_partenaire_id_reference")
        ),
    )
    op.create_index(op.f("ix_operations_carte_id_id"), "operations", ["carte_id", "id"])

    op.create_table(
        "ecritures",
        sa.Column("id", ID, nullable=False),
        sa.Column("operation_id", ID, nullable=False),
        sa.Column("compte_debit", sa.BigInteger(), nullable=False),
        sa.Column("compte_credit", sa.BigInteger(), nullable=False),
        sa.Column("montant", sa.BigInteger(), nullable=False),
        sa.Column("unite", sa.String(length=8), nullable=False),
        sa.Column("version_debit", sa.BigInteger(), nullable=True),
        sa.Column("version_credit", sa.BigInteger(), nullable=True),
        sa.Column("solde_debit", sa.BigInteger(), nullable=True),
        sa.Column("solde_credit", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "compte_debit <> compte_credit", name=op.f("ck_ecritures_comptes_distincts")
        ),
        sa.CheckConstraint("montant > 0", name=op.f("ck_ecritures_montant_positif")),
        sa.ForeignKeyConstraint(
            ["compte_credit", "unite"],
            ["comptes.id", "comptes.unite"],
            name=op.f("fk_ecritures_compte_credit_unite"),
        ),
        sa.ForeignKeyConstraint(
            ["compte_debit", "unite"],
            ["comptes.id", "comptes.unite"],
            name=op.f("fk_ecritures_compte_debit_unite"),
        ),
        sa.ForeignKeyConstraint(
            ["operation_id"], ["operations.id"], name=op.f("fk_ecritures_operation_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ecritures")),
        sa.UniqueConstraint(
            "compte_credit",
            "version_credit",
            name=op.f("uq_ecritures_compte_credit_version_credit"),
        ),
        sa.UniqueConstraint(
            "compte_debit", "version_debit", name=op.f("uq_ecritures_compte_debit_version_debit")
        ),
    )
    op.create_index(op.f("ix_ecritures_operation_id"), "ecritures", ["operation_id"])

    if op.get_bind().dialect.name == "postgresql":
        op.execute(
            "CREATE FUNCTION cynod_append_only() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE EXCEPTION '% is append-only', TG_TABLE_NAME; END $$"
        )
    for table in APPEND_ONLY:
        for statement in _create_guard(table):
            op.execute(statement)


def downgrade() -> None:
    for table in APPEND_ONLY:
        for statement in _drop_guard(table):
            op.execute(statement)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION cynod_append_only()")
    for table in (
        "ecritures",
        "operations",
        "secrets",
        "jetons",
        "cartes",
        "acces",
        "partenaires",
        "membres",
        "comptes",
        "clients",
    ):
        op.drop_table(table)


def _create_guard(table: str) -> list[str]:
    """The journal is append-only: the database refuses to change or remove what is written."""
    if op.get_bind().dialect.name == "postgresql":
        run = "EXECUTE FUNCTION cynod_append_only()"
        return [
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table} FOR EACH ROW {run}",
            f"CREATE TRIGGER {table}_append_only_truncate BEFORE TRUNCATE ON {table} {run}",
        ]
    return [
        f"CREATE TRIGGER {table}_append_only_{verb.lower()} BEFORE {verb} ON {table}"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
        for verb in ("UPDATE", "DELETE")
    ]


def _drop_guard(table: str) -> list[str]:
    if op.get_bind().dialect.name == "postgresql":
        return [
            f"DROP TRIGGER {table}_append_only ON {table}",
            f"DROP TRIGGER {table}_append_only_truncate ON {table}",
        ]
    return [f"DROP TRIGGER {table}_append_only_{verb}" for verb in ("update", "delete")]
