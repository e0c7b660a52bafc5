"""Reversals, transfers and closed references; limits of cards and partners

Revision: 0002
Follows: 0001
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
kind = "stop"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

COLUMNS = (
    "id, numero_operation, partenaire_id, reference, empreinte, type, statut, carte_id, montant,"
    " unite, motif, point_de_service, terminal, date_operation"
)
"""Of the table `operations`, as it was before."""

CHECKS = {
    "statut_connu": "statut = CASE WHEN type = 'CLOTURE' THEN 'CLOTUREE' ELSE 'EXECUTEE' END",
    "type_connu": "type IN ('CREDIT', 'DEBIT', 'TRANSFERT', 'ANNULATION', 'OUVERTURE', 'CLOTURE')",
    "cloture_sans_mouvement": (
        "(type = 'CLOTURE') = (carte_id IS NULL)"
        " AND (carte_id IS NULL) = (montant IS NULL) AND (montant IS NULL) = (unite IS NULL)"
    ),
    "destination_du_transfert": "(type = 'TRANSFERT') = (carte_destination_id IS NOT NULL)",
    "origine_annulee": "(type = 'ANNULATION') = (annulation_de IS NOT NULL)",
}
OLD_CHECKS = {
    "statut_connu": "statut IN ('EXECUTEE')",
    "type_connu": "type IN ('CREDIT', 'DEBIT', 'OUVERTURE')",
}
COMMON_CHECKS = {
    "reference_du_partenaire": (
        "(type = 'OUVERTURE') = (partenaire_id IS NULL)"
        " AND (partenaire_id IS NULL) = (reference IS NULL)"
    ),
    "montant_positif": "montant > 0",
}
REFERENCES = {"carte_destination_id": "cartes", "annulation_de": "operations"}
OPTIONAL = ("carte_id", "montant", "unite")
FLAGS = (("cartes", "plafonnee"), ("partenaires", "plafonne"))


def upgrade() -> None:
    for table, flag in FLAGS:
        _add_flag(table, flag)
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_operations(CHECKS, new=True)
    else:
        _alter_operations()
    op.create_index(
        op.f("ix_operations_partenaire_id_date_operation"),
        "operations",
        ["partenaire_id", "date_operation"],
    )
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
    """Fails, and changes nothing, when an operation of the new types was written."""
    op.drop_table("consommations")
    op.drop_table("plafonds")
    op.drop_index(op.f("ix_operations_partenaire_id_date_operation"), "operations")
    if op.get_bind().dialect.name == "sqlite":
        _rebuild_operations(OLD_CHECKS, new=False)
    else:
        _alter_operations_back()
    for table, flag in FLAGS:
        if op.get_bind().dialect.name == "sqlite":
            # SQLite drops no column that a CHECK names, unless the CHECK is the column's own.
            op.execute(f"ALTER TABLE {table} DROP COLUMN {flag}")
        else:
            op.drop_column(table, flag)


def _add_flag(table: str, flag: str) -> None:
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(
        f"ALTER TABLE {table} ADD COLUMN {flag} {kind} DEFAULT '0' NOT NULL"
        f" CONSTRAINT ck_{table}_{flag}_booleen CHECK ({flag} IN (0, 1))"
    )


def _alter_operations() -> None:
    for name in REFERENCES:
        op.add_column("operations", sa.Column(name, ID, nullable=True))
    for name, table in REFERENCES.items():
        op.create_foreign_key(op.f(f"fk_operations_{name}"), "operations", table, [name], ["id"])
    op.create_unique_constraint(
        op.f("uq_operations_annulation_de"), "operations", ["annulation_de"]
    )
    for name in OPTIONAL:
        op.alter_column("operations", name, nullable=True)
    _replace_checks(OLD_CHECKS, CHECKS)


def _alter_operations_back() -> None:
    _replace_checks(CHECKS, OLD_CHECKS)
    for name in OPTIONAL:
        op.alter_column("operations", name, nullable=False)
    for name in REFERENCES:
        op.drop_column("operations", name)


def _replace_checks(old: dict[str, str], new: dict[str, str]) -> None:
    for name in old:
        op.drop_constraint(op.f(f"ck_operations_{name}"), "operations", type_="check")
    for name, condition in new.items():
        op.create_check_constraint(op.f(f"ck_operations_{name}"), "operations", condition)


def _rebuild_operations(checks: dict[str, str], *, new: bool) -> None:
    """SQLite changes no constraint of a table that exists: it gets a new one, with the same rows."""
    added: list[sa.schema.SchemaItem] = []
    if new:
        added += [sa.Column(name, ID, nullable=True) for name in REFERENCES]
        added += [
            sa.ForeignKeyConstraint([name], [f"{table}.id"], name=op.f(f"fk_operations_{name}"))
            for name, table in REFERENCES.items()
        ]
        added.append(sa.UniqueConstraint("annulation_de", name=op.f("uq_operations_annulation_de")))
    _create_operations(checks, *added, optional=new)
    op.execute(f"INSERT INTO new_operations ({COLUMNS}) SELECT {COLUMNS} FROM operations")  # noqa: S608
    op.execute("DROP TABLE operations")  # its triggers and indexes go with it
    op.execute("ALTER TABLE new_operations RENAME TO operations")
    op.create_index(op.f("ix_operations_carte_id_id"), "operations", ["carte_id", "id"])
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER operations_append_only_{verb.lower()} BEFORE {verb} ON operations"
            " BEGIN SELECT RAISE(ABORT, 'operations is append-only'); END"
        )


def _create_operations(checks: dict[str, str], *added: Any, optional: bool) -> None:
    op.create_table(
        "new_operations",
        sa.Column("id", ID, nullable=False),
        sa.Column("numero_operation", sa.String(length=26), nullable=False),
        sa.Column("partenaire_id", ID, nullable=True),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("empreinte", sa.LargeBinary(length=32), nullable=True),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("statut", sa.String(length=16), nullable=False),
        sa.Column("carte_id", ID, nullable=optional),
        sa.Column("montant", sa.BigInteger(), nullable=optional),
        sa.Column("unite", sa.String(length=8), nullable=optional),
        sa.Column("motif", sa.String(length=140), nullable=True),
        sa.Column("point_de_service", sa.String(length=64), nullable=True),
        sa.Column("terminal", sa.String(length=64), nullable=True),
        sa.Column("date_operation", sa.DateTime(timezone=True), nullable=False),
        *added,
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_operations_{name}"))
            for name, condition in (COMMON_CHECKS | checks).items()
        ),
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
