"""Partners with a kind, a life, a contact, a version; codes of withdrawal; the addresses that were seen

Revision: 0012
Follows: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None
kind = "stop"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)

TEXTS = {"contact_email": 254, "contact_telephone": 32}
ADDED = ("type", "mode_adresses", *TEXTS, "statut", "version")
"""Columns of partners, in an order in which each may name those before it."""


def upgrade() -> None:
    _resize_adresses(2500)
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    _add("type VARCHAR(8) DEFAULT 'EXTERNE' NOT NULL", type_connu="type IN ('EXTERNE', 'INTERNE')")
    _add(
        "mode_adresses VARCHAR(9) DEFAULT 'LIBRE' NOT NULL",
        mode_connu="mode_adresses IN ('LIBRE', 'OBSERVER', 'APPLIQUER')",
        liste_appliquee="mode_adresses <> 'APPLIQUER' OR adresses <> ''",
    )
    for name, size in TEXTS.items():
        _add(f"{name} VARCHAR({size}) DEFAULT '' NOT NULL")
    _add(
        "statut VARCHAR(8) DEFAULT 'ACTIF' NOT NULL",
        statut_connu="statut IN ('ACTIF', 'SUSPENDU', 'REVOQUE')",
    )
    # Until here a machine of the company was told by its scopes, and any list of addresses was applied.
    op.execute("UPDATE partenaires SET type = 'INTERNE' WHERE scopes LIKE 'base-core:%'")
    op.execute("UPDATE partenaires SET mode_adresses = 'APPLIQUER' WHERE adresses <> ''")
    op.execute("UPDATE partenaires SET statut = 'REVOQUE' WHERE revoque_le IS NOT NULL")
    _add(
        f"version {kind} DEFAULT '1' NOT NULL",
        version_positive="version > 0",
        revoque_depuis="(statut = 'REVOQUE') = (revoque_le IS NOT NULL)",
    )
    op.add_column("secrets", sa.Column("retire_le", INSTANT, nullable=True))
    _create_codes()
    _create_adresses()


def downgrade() -> None:
    """Fails, and changes nothing, where a partner is what version 0011 cannot say."""
    _refuse_to_forget()
    op.drop_table("adresses_vues")
    op.drop_table("codes_retrait")
    op.drop_column("secrets", "retire_le")
    for name in reversed(ADDED):
        op.execute(f"ALTER TABLE partenaires DROP COLUMN {name}")
    _resize_adresses(1000)


def _resize_adresses(size: int) -> None:
    """SQLite changes no column: its place is taken by another one of its name."""
    op.execute(f"ALTER TABLE partenaires ADD COLUMN autres VARCHAR({size}) DEFAULT '' NOT NULL")
    op.execute("UPDATE partenaires SET autres = adresses")
    op.execute("ALTER TABLE partenaires DROP COLUMN adresses")
    op.execute("ALTER TABLE partenaires RENAME COLUMN autres TO adresses")


def _add(column: str, **checks: str) -> None:
    """A column, and what it must be: SQLite takes a CHECK with a new column, and with no other."""
    told = [
        f" CONSTRAINT ck_partenaires_{name} CHECK ({condition})"
        for name, condition in checks.items()
    ]
    op.execute(f"ALTER TABLE partenaires ADD COLUMN {column}{''.join(told)}")


def _create_codes() -> None:
    op.create_table(
        "codes_retrait",
        sa.Column("id", ID, nullable=False),
        sa.Column("partenaire_id", ID, nullable=False),
        sa.Column("empreinte", sa.LargeBinary(length=32), nullable=False),
        sa.Column("delai_heures", ID, nullable=False),
        sa.Column("cree_le", INSTANT, nullable=False),
        sa.Column("expire_le", INSTANT, nullable=False),
        sa.Column("utilise_le", INSTANT, nullable=True),
        sa.CheckConstraint("delai_heures >= 0", name=op.f("ck_codes_retrait_delai_positif")),
        sa.ForeignKeyConstraint(
            ["partenaire_id"], ["partenaires.id"], name=op.f("fk_codes_retrait_partenaire_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_codes_retrait")),
        sa.UniqueConstraint("empreinte", name=op.f("uq_codes_retrait_empreinte")),
    )
    op.create_index(op.f("ix_codes_retrait_partenaire_id"), "codes_retrait", ["partenaire_id"])


def _create_adresses() -> None:
    op.create_table(
        "adresses_vues",
        sa.Column("partenaire_id", ID, nullable=False),
        sa.Column("jour", sa.Date(), nullable=False),
        sa.Column("adresse", sa.String(length=45), nullable=False),
        sa.Column("appels", ID, nullable=False),
        sa.Column("refus", ID, nullable=False),
        sa.Column("dernier_appel", INSTANT, nullable=False),
        sa.CheckConstraint(
            "refus >= 0 AND refus <= appels", name=op.f("ck_adresses_vues_refus_des_appels")
        ),
        sa.ForeignKeyConstraint(
            ["partenaire_id"], ["partenaires.id"], name=op.f("fk_adresses_vues_partenaire_id")
        ),
        sa.PrimaryKeyConstraint("partenaire_id", "jour", "adresse", name=op.f("pk_adresses_vues")),
    )


def _refuse_to_forget() -> None:
    connection = op.get_bind()
    for what, condition in {
        "suspended partners, who could call again": "statut = 'SUSPENDU'",
        "partners whose list of addresses is not applied, and would be": (
            "mode_adresses <> 'APPLIQUER' AND adresses <> ''"
        ),
        "partners with a long list of addresses": "length(adresses) > 1000",
        "partners with a contact": "contact_email <> '' OR contact_telephone <> ''",
    }.items():
        nombre = connection.scalar(
            sa.text(f"SELECT count(*) FROM partenaires WHERE {condition}")  # noqa: S608 - our words
        )
        if nombre:
            raise ValueError(f"version 0011 has no place for {nombre} {what}")
