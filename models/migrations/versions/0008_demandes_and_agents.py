"""Persons, what they ask to have changed, who agreed, and the rules of how many must

Revision: 0008
Follows: 0007
"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None
kind = "expand"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

IMMEDIATE = ("changerStatutAgent:SUSPENDU", "changerStatutClient:SUSPENDU")
"""What protects: nobody else is asked."""

LOWERABLE = (
    *("saisirClient", "modifierClient", "saisirReseau"),
    *("saisirMembre", "modifierMembre", "changerStatutMembre"),
)
"""One other person, unless a deployment makes it immediate."""

EXPOSING = ("changerStatutClient", "affecterReseau", "modifierMembre:walletId")
"""One other person, and never fewer."""

OF_RIGHTS = ("saisirAgent", "modifierAgent", "changerStatutAgent", "saisirRegleValidation")
"""The same, of whom each authenticated a moment ago."""

READ_BY = ("objet_type", "action", "demande_id", "request_id")
"""Columns by which persons read the audit, beside those of 0005."""


def upgrade() -> None:
    _create_agents()
    _create_demandes()
    _create_validations()
    _create_regles()
    for column in READ_BY:
        op.create_index(op.f(f"ix_audit_{column}_position"), "audit", [column, "position"])


def downgrade() -> None:
    """The tables go with their rows: what was changed stays, and the audit says by whom."""
    for column in READ_BY:
        op.drop_index(op.f(f"ix_audit_{column}_position"), "audit")
    for table in ("regles_validation", "validations", "demandes", "agents"):
        op.drop_table(table)


def _create_agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", ID, nullable=False),
        sa.Column("agent_id", sa.String(32), nullable=False),
        sa.Column("nom", sa.String(200), nullable=False),
        sa.Column("email", sa.String(254), nullable=False),
        sa.Column("emetteur", sa.String(255), nullable=False),
        sa.Column("sujet", sa.String(255), nullable=False),
        sa.Column("roles", sa.String(200), nullable=False),
        sa.Column("clients", sa.Text(), server_default="", nullable=False),
        sa.Column("statut", sa.String(8), nullable=False),
        sa.Column("version", ID, nullable=False),
        sa.Column("cree_le", sa.DateTime(timezone=True), nullable=False),
        sa.Column("derniere_activite", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("statut IN ('ACTIF', 'SUSPENDU')", name=op.f("ck_agents_statut_connu")),
        sa.CheckConstraint("version > 0", name=op.f("ck_agents_version_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("agent_id", name=op.f("uq_agents_agent_id")),
        sa.UniqueConstraint("emetteur", "sujet", name=op.f("uq_agents_emetteur_sujet")),
    )


def _create_demandes() -> None:
    op.create_table(
        "demandes",
        sa.Column("id", ID, nullable=False),
        sa.Column("demande_id", sa.String(26), nullable=False),
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("statut", sa.String(8), nullable=False),
        sa.Column("reference", sa.String(64), nullable=False),
        sa.Column("objet_type", sa.String(16), nullable=False),
        sa.Column("objet_id", sa.String(128), nullable=True),
        sa.Column("client_id", sa.String(32), nullable=True),
        sa.Column("contenu", sa.Text(), nullable=False),
        sa.Column("empreinte", sa.String(64), nullable=False),
        sa.Column("version_objet", ID, nullable=True),
        sa.Column("montant", ID, nullable=True),
        sa.Column("unite", sa.String(8), nullable=True),
        sa.Column("validations_requises", ID, nullable=False),
        sa.Column("forte", ID, nullable=False),
        sa.Column("meme_personne", ID, nullable=False),
        sa.Column("saisie_par_type", sa.String(16), nullable=False),
        sa.Column("saisie_par_id", sa.String(64), nullable=False),
        sa.Column("saisie_par_nom", sa.String(200), nullable=False),
        sa.Column("saisie_le", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expire_le", sa.DateTime(timezone=True), nullable=False),
        sa.Column("traitee_par", sa.String(200), nullable=True),
        sa.Column("traitee_le", sa.DateTime(timezone=True), nullable=True),
        sa.Column("motif", sa.String(140), nullable=True),
        sa.Column("motif_rejet", sa.String(140), nullable=True),
        sa.Column("resultat", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "statut IN ('SAISIE', 'EXECUTEE', 'REJETEE', 'RETIREE', 'EXPIREE')",
            name=op.f("ck_demandes_statut_connu"),
        ),
        sa.CheckConstraint(
            "validations_requises BETWEEN 0 AND 2",
            name=op.f("ck_demandes_validations_requises_permises"),
        ),
        sa.CheckConstraint(
            "(statut = 'SAISIE') = (traitee_le IS NULL)",
            name=op.f("ck_demandes_traitee_ou_saisie"),
        ),
        sa.CheckConstraint(
            "(statut = 'EXECUTEE') = (resultat IS NOT NULL)",
            name=op.f("ck_demandes_resultat_si_executee"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demandes")),
        sa.UniqueConstraint("demande_id", name=op.f("uq_demandes_demande_id")),
        sa.UniqueConstraint("reference", name=op.f("uq_demandes_reference")),
    )
    pending = sa.text("statut = 'SAISIE'")
    for name, columns, unique in (
        ("uq_demandes_pendante", ["objet_type", "objet_id", "type"], True),
        ("ix_demandes_a_traiter", ["expire_le"], False),
    ):
        op.create_index(
            op.f(name), "demandes", columns, unique=unique,
            sqlite_where=pending, postgresql_where=pending,
        )  # fmt: skip
    for columns in (
        ["objet_id", "id"],
        ["objet_type", "id"],
        ["type", "id"],
        ["statut", "id"],
        ["client_id", "id"],
        ["saisie_par_id", "id"],
        ["saisie_le"],
    ):
        op.create_index(op.f(f"ix_demandes_{'_'.join(columns)}"), "demandes", columns)


def _create_validations() -> None:
    op.create_table(
        "validations",
        sa.Column("demande_id", sa.String(26), nullable=False),
        sa.Column("agent_id", sa.String(32), nullable=False),
        sa.Column("date", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["demande_id"], ["demandes.demande_id"], name=op.f("fk_validations_demande_id")
        ),
        sa.ForeignKeyConstraint(
            ["agent_id"], ["agents.agent_id"], name=op.f("fk_validations_agent_id")
        ),
        sa.PrimaryKeyConstraint("demande_id", "agent_id", name=op.f("pk_validations")),
    )


def _create_regles() -> None:
    op.create_table(
        "regles_validation",
        sa.Column("type", sa.String(64), nullable=False),
        sa.Column("montant_minimal", ID, nullable=False),
        sa.Column("validations", ID, nullable=False),
        sa.Column("minimum", ID, nullable=False),
        sa.Column("forte", ID, nullable=False),
        sa.Column("meme_personne", ID, nullable=False),
        sa.Column("version", ID, nullable=False),
        sa.CheckConstraint(
            "validations BETWEEN minimum AND 2",
            name=op.f("ck_regles_validation_validations_permises"),
        ),
        sa.CheckConstraint(
            "minimum BETWEEN 0 AND 2", name=op.f("ck_regles_validation_minimum_permis")
        ),
        sa.CheckConstraint("forte IN (0, 1)", name=op.f("ck_regles_validation_forte_booleen")),
        sa.CheckConstraint(
            "meme_personne IN (0, 1) AND meme_personne + minimum <= 1",
            name=op.f("ck_regles_validation_meme_personne_permise"),
        ),
        sa.PrimaryKeyConstraint("type", "montant_minimal", name=op.f("pk_regles_validation")),
    )
    for types, validations, minimum, forte in (
        (IMMEDIATE, 0, 0, 0),
        (LOWERABLE, 1, 0, 0),
        (EXPOSING, 1, 1, 0),
        (OF_RIGHTS, 1, 1, 1),
    ):
        for type_ in types:
            op.execute(
                "INSERT INTO regles_validation (type, montant_minimal, validations, minimum, forte,"  # noqa: S608
                f" meme_personne, version) VALUES ('{type_}', 0, {validations}, {minimum}, {forte}, 0, 1)"
            )
