"""The audit: a chained row for every change that is not money

Revision: 0005
Follows: 0004
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None
kind = "stop"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXTS = {
    "acteur_type": 16,
    "acteur_id": 64,
    "acteur_nom": 200,
    "action": 64,
    "objet_type": 16,
    "objet_id": 128,
    "empreinte_precedente": 64,
    "empreinte": 64,
}
OPTIONAL = {
    "via_application": 200,
    "pour_le_compte_de": 64,
    "adresse": 64,
    "request_id": 64,
    "demande_id": 26,
    "motif": 140,
}
ORDER = (
    *("position", "date", "acteur_type", "acteur_id", "acteur_nom", "via_application"),
    *("pour_le_compte_de", "adresse", "request_id", "action", "objet_type", "objet_id"),
    *(
        "demande_id",
        "avant",
        "apres",
        "motif",
        "meme_personne",
        "empreinte_precedente",
        "empreinte",
    ),
)


def upgrade() -> None:
    columns: dict[str, sa.Column[Any]] = {
        "position": sa.Column("position", ID, autoincrement=False, nullable=False),
        "date": sa.Column("date", sa.DateTime(timezone=True), nullable=False),
        "avant": sa.Column("avant", sa.Text(), nullable=True),
        "apres": sa.Column("apres", sa.Text(), nullable=True),
        "meme_personne": sa.Column("meme_personne", ID, server_default="0", nullable=False),
        **{name: sa.Column(name, sa.String(size), nullable=False) for name, size in TEXTS.items()},
        **{
            name: sa.Column(name, sa.String(size), nullable=True) for name, size in OPTIONAL.items()
        },
    }
    op.create_table(
        "audit",
        *(columns[name] for name in ORDER),
        sa.CheckConstraint("position > 0", name=op.f("ck_audit_position_positive")),
        sa.CheckConstraint(
            "acteur_type IN ('AGENT', 'PARTENAIRE', 'SYSTEME', 'CLI')",
            name=op.f("ck_audit_acteur_type_connu"),
        ),
        sa.CheckConstraint("meme_personne IN (0, 1)", name=op.f("ck_audit_meme_personne_booleen")),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_audit")),
        sa.UniqueConstraint("empreinte", name=op.f("uq_audit_empreinte")),
    )
    op.create_index(op.f("ix_audit_objet_id_position"), "audit", ["objet_id", "position"])
    op.create_index(op.f("ix_audit_acteur_id_position"), "audit", ["acteur_id", "position"])
    op.create_index(op.f("ix_audit_date"), "audit", ["date"])
    op.create_table(
        "audit_tete",
        sa.Column("id", ID, autoincrement=False, nullable=False),
        sa.Column("position", ID, nullable=False),
        sa.Column("empreinte", sa.String(64), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_audit_tete_une_seule")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_tete")),
    )
    op.execute(f"INSERT INTO audit_tete (id, position, empreinte) VALUES (1, 0, '{'0' * 64}')")  # noqa: S608
    for statement in _create_guards():
        op.execute(statement)


def downgrade() -> None:
    """The tables go with their rows: nothing but a test goes back to before there was an audit."""
    if op.get_bind().dialect.name == "postgresql":
        for table in ("audit", "audit_tete"):
            op.execute(f"DROP TRIGGER {table}_append_only ON {table}")
            op.execute(f"DROP TRIGGER {table}_append_only_truncate ON {table}")
        op.execute("DROP TRIGGER audit_tete_en_avant ON audit_tete")
    else:
        for name in ("audit_append_only_update", "audit_append_only_delete"):
            op.execute(f"DROP TRIGGER {name}")
        for name in ("audit_tete_append_only_delete", "audit_tete_en_avant"):
            op.execute(f"DROP TRIGGER {name}")
    op.drop_table("audit_tete")
    op.drop_table("audit")


def _create_guards() -> list[str]:
    """The database refuses to change or remove a row, and to bring the end anywhere but one row on."""
    if op.get_bind().dialect.name == "postgresql":
        run = "EXECUTE FUNCTION cynod_append_only()"
        return [
            f"CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW {run}",
            f"CREATE TRIGGER audit_append_only_truncate BEFORE TRUNCATE ON audit {run}",
            f"CREATE TRIGGER audit_tete_append_only BEFORE DELETE ON audit_tete FOR EACH ROW {run}",
            f"CREATE TRIGGER audit_tete_append_only_truncate BEFORE TRUNCATE ON audit_tete {run}",
            (
                "CREATE TRIGGER audit_tete_en_avant BEFORE UPDATE ON audit_tete FOR EACH ROW"
                f" WHEN (NEW.position <> OLD.position + 1) {run}"
            ),
        ]
    abort = "BEGIN SELECT RAISE(ABORT, '{0} is append-only'); END"
    of_rows, of_tete = abort.format("audit"), abort.format("audit_tete")
    backwards = "WHEN NEW.position <> OLD.position + 1"
    return [
        f"CREATE TRIGGER audit_append_only_update BEFORE UPDATE ON audit {of_rows}",
        f"CREATE TRIGGER audit_append_only_delete BEFORE DELETE ON audit {of_rows}",
        f"CREATE TRIGGER audit_tete_append_only_delete BEFORE DELETE ON audit_tete {of_tete}",
        f"CREATE TRIGGER audit_tete_en_avant BEFORE UPDATE ON audit_tete {backwards} {of_tete}",
    ]
