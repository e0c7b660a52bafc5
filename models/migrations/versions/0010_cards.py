"""Cards with a name of their own, a profile, a life and its history

Revision: 0010
Follows: 0009
"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None
kind = "stop"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
INSTANT = sa.DateTime(timezone=True)
STATUT_CONNU = {
    "old": "statut IN ('ACTIVE', 'OPPOSITION', 'ANNULEE')",
    "new": "statut IN ('EMISE', 'ACTIVE', 'OPPOSITION', 'ANNULEE')",
}
CHECKS = {
    "renouvellements_positifs": "renouvellements >= 0",
    "emise_vide": "statut <> 'EMISE' OR (solde = 0 AND version = 0)",
}
"""What else is asked of a card from now on."""

NAMES = {
    "sqlite": "'0000000000' || substr(hex(randomblob(8)), 1, 16)",
    "postgresql": (
        "'0000000000' || upper(left(replace(CAST(gen_random_uuid() AS TEXT), '-', ''), 12)"
        " || right(CAST(gen_random_uuid() AS TEXT), 4))"
    ),
}
"""A name for the cards that are there: before those of new ones, and by chance: partners see it, and need
not know how many cards there are."""

EMISE_LE = (
    "COALESCE((SELECT o.date_operation FROM operations o WHERE o.carte_id = cartes.id"
    " AND o.type = 'OUVERTURE' ORDER BY o.id LIMIT 1),"
    " CASE WHEN version = 0 THEN date_solde END)"
)
"""When a card came: with its opening, or where nothing has moved since, with its solde of nothing."""

OLD = (
    "id, numero_carte, client_id, membre_id, compte_id, fin_validite, statut, unite, solde, version,"
    " date_solde, plafonnee, motif_statut, statut_avant_opposition, oppose_par"
)

INDEXES = (["client_id", "statut", "id"], ["client_id", "dernier_quatre", "id"])
BEFORE = (["client_id", "id"], ["client_id", "membre_id", "id"])
REPLACED = "remplace_id IS NOT NULL"
REPLACES = "remplace_id IS NOT NULL AND statut <> 'ANNULEE'"
LAST_FOUR = "substr(numero_carte, length(numero_carte) - 3)"


def upgrade() -> None:
    _create_profils()
    if _on_sqlite():
        _rebuild(new=True)
    else:
        _alter()
    op.execute(f"UPDATE cartes SET activee_le = emise_le WHERE {_ACTIVE_SINCE}")  # noqa: S608
    for columns in INDEXES:
        op.create_index(op.f(f"ix_cartes_{'_'.join(columns)}"), "cartes", columns)
    for name, unique, which in (
        ("ix_cartes_remplace_id", False, REPLACED),
        ("uq_cartes_remplacement", True, REPLACES),
    ):
        op.create_index(
            op.f(name), "cartes", ["remplace_id"], unique=unique,
            sqlite_where=sa.text(which), postgresql_where=sa.text(which),
        )  # fmt: skip
    op.create_index(op.f("ix_membres_wallet_id"), "membres", ["wallet_id"])


def downgrade() -> None:
    """Fails, and changes nothing, where a card is what version 0009 cannot say."""
    _refuse_to_forget()
    op.drop_index(op.f("ix_membres_wallet_id"), "membres")
    for name in ("uq_cartes_remplacement", "ix_cartes_remplace_id"):
        op.drop_index(op.f(name), "cartes")
    for columns in INDEXES:
        op.drop_index(op.f(f"ix_cartes_{'_'.join(columns)}"), "cartes")
    if _on_sqlite():
        _rebuild(new=False)
    else:
        _alter_back()
    op.drop_table("numeros_carte")
    op.drop_table("profils_carte")


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _create_profils() -> None:
    op.create_table(
        "profils_carte",
        sa.Column("id", ID, nullable=False),
        sa.Column("profil_id", sa.String(length=32), nullable=False),
        sa.Column("nom", sa.String(length=200), nullable=False),
        sa.Column("unite", sa.String(length=8), nullable=False),
        sa.Column("validite_mois", ID, nullable=False),
        sa.Column("prefixe", sa.String(length=8), nullable=False),
        sa.Column("plafonds", sa.Text(), nullable=False),
        sa.Column("hors_ligne_autorise", ID, nullable=False),
        sa.Column("statut", sa.String(length=8), nullable=False),
        sa.Column("version", ID, server_default="1", nullable=False),
        sa.Column("cree_le", INSTANT, nullable=False),
        sa.CheckConstraint(
            "validite_mois BETWEEN 1 AND 60", name=op.f("ck_profils_carte_validite_mois_permise")
        ),
        sa.CheckConstraint(
            "hors_ligne_autorise IN (0, 1)",
            name=op.f("ck_profils_carte_hors_ligne_autorise_booleen"),
        ),
        sa.CheckConstraint(
            "statut IN ('ACTIF', 'RETIRE')", name=op.f("ck_profils_carte_statut_connu")
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_profils_carte_version_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_profils_carte")),
        sa.UniqueConstraint("profil_id", name=op.f("uq_profils_carte_profil_id")),
    )
    op.create_index(op.f("ix_profils_carte_statut_id"), "profils_carte", ["statut", "id"])
    op.create_table(
        "numeros_carte",
        sa.Column("prefixe", sa.String(length=8), nullable=False),
        sa.Column("suivant", ID, nullable=False),
        sa.CheckConstraint("suivant >= 0", name=op.f("ck_numeros_carte_suivant_positif")),
        sa.PrimaryKeyConstraint("prefixe", name=op.f("pk_numeros_carte")),
    )


# ── the table of cards ───────────────────────────────────────────────────────────────────────────
_ACTIVE_SINCE = "statut = 'ACTIVE' AND emise_le IS NOT NULL"


def _added() -> list[sa.Column[object]]:
    return [
        sa.Column("carte_id", sa.String(length=26), nullable=not _on_sqlite()),
        sa.Column("profil_id", sa.String(length=32), nullable=True),
        sa.Column("commentaire_statut", sa.String(length=255), nullable=True),
        sa.Column("emise_le", INSTANT, nullable=True),
        sa.Column("activee_le", INSTANT, nullable=True),
        sa.Column("annulee_par", sa.String(length=200), nullable=True),
        sa.Column("remplace_id", ID, nullable=True),
        sa.Column("renouvellements", ID, server_default="0", nullable=False),
        sa.Column(
            "dernier_quatre",
            sa.String(length=4),
            sa.Computed(LAST_FOUR, persisted=True),
            nullable=True,
        ),
    ]


def _rebuild(*, new: bool) -> None:
    """SQLite changes no constraint of a table that exists: it gets a new one, with the same rows."""
    constraints: list[sa.schema.SchemaItem] = [
        sa.CheckConstraint("solde >= 0", name=op.f("ck_cartes_solde_positif")),
        sa.CheckConstraint("solde <= 9007199254740991", name=op.f("ck_cartes_solde_maximal")),
        sa.CheckConstraint("version >= 0", name=op.f("ck_cartes_version_positive")),
        sa.CheckConstraint(
            STATUT_CONNU["new" if new else "old"], name=op.f("ck_cartes_statut_connu")
        ),
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
    ]
    if new:
        constraints += [
            sa.Column("plafonnee", ID, server_default="0", nullable=False),
            sa.CheckConstraint("plafonnee IN (0, 1)", name=op.f("ck_cartes_plafonnee_booleen")),
            *_added(),
            *(
                sa.CheckConstraint(condition, name=op.f(f"ck_cartes_{name}"))
                for name, condition in CHECKS.items()
            ),
            sa.UniqueConstraint("carte_id", name=op.f("uq_cartes_carte_id")),
            sa.ForeignKeyConstraint(
                ["profil_id"], ["profils_carte.profil_id"], name=op.f("fk_cartes_profil_id")
            ),
            # SQLite itself says the new name here when the table is given it.
            sa.ForeignKeyConstraint(
                ["remplace_id"], ["new_cartes.id"], name=op.f("fk_cartes_remplace_id")
            ),
        ]
    op.create_table(
        "new_cartes",
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
        sa.Column("date_solde", INSTANT, nullable=False),
        sa.Column("motif_statut", sa.String(length=32), nullable=True),
        sa.Column("statut_avant_opposition", sa.String(length=16), nullable=True),
        sa.Column("etat_version", ID, server_default="1" if new else "0", nullable=False),
        sa.Column("oppose_par", sa.BigInteger(), nullable=True),
        *constraints,
    )
    if not new:
        # A check of a column alone, which goes with it: 0002 takes the column away again.
        op.execute(
            "ALTER TABLE new_cartes ADD COLUMN plafonnee INTEGER DEFAULT '0' NOT NULL"
            " CONSTRAINT ck_cartes_plafonnee_booleen CHECK (plafonnee IN (0, 1))"
        )
    into, given = f"{OLD}, etat_version", f"{OLD}, etat_version - 1"
    if new:
        into = f"{OLD}, etat_version, carte_id, emise_le"
        given = f"{OLD}, etat_version + 1, {NAMES['sqlite']}, {EMISE_LE}"
    op.execute(f"INSERT INTO new_cartes ({into}) SELECT {given} FROM cartes ORDER BY id")  # noqa: S608
    op.execute("DROP TABLE cartes")  # its indexes go with it
    op.execute("ALTER TABLE new_cartes RENAME TO cartes")
    for columns in BEFORE:
        op.create_index(op.f(f"ix_cartes_{'_'.join(columns)}"), "cartes", columns)


def _alter() -> None:
    for column in _added():
        op.add_column("cartes", column)
    op.execute(
        f"UPDATE cartes SET carte_id = {NAMES['postgresql']}, emise_le = {EMISE_LE},"  # noqa: S608
        " etat_version = etat_version + 1"
    )
    op.alter_column("cartes", "etat_version", server_default="1")
    op.alter_column("cartes", "carte_id", nullable=False)
    op.create_unique_constraint(op.f("uq_cartes_carte_id"), "cartes", ["carte_id"])
    op.create_foreign_key(
        op.f("fk_cartes_profil_id"), "cartes", "profils_carte", ["profil_id"], ["profil_id"]
    )
    op.create_foreign_key(
        op.f("fk_cartes_remplace_id"), "cartes", "cartes", ["remplace_id"], ["id"]
    )
    _check_statuts("new")
    for name, condition in CHECKS.items():
        op.create_check_constraint(op.f(f"ck_cartes_{name}"), "cartes", condition)


def _alter_back() -> None:
    for name in CHECKS:
        op.drop_constraint(op.f(f"ck_cartes_{name}"), "cartes", type_="check")
    _check_statuts("old")
    op.execute("UPDATE cartes SET etat_version = etat_version - 1")
    op.alter_column("cartes", "etat_version", server_default="0")
    for column in _added():
        op.drop_column("cartes", column.name)  # its references go with it


def _check_statuts(age: str) -> None:
    op.drop_constraint(op.f("ck_cartes_statut_connu"), "cartes", type_="check")
    op.create_check_constraint(op.f("ck_cartes_statut_connu"), "cartes", STATUT_CONNU[age])


def _refuse_to_forget() -> None:
    connection = op.get_bind()
    for what, query in {
        "cards that were never activated": (
            "SELECT count(*) FROM cartes WHERE statut = 'EMISE' OR statut_avant_opposition = 'EMISE'"
        ),
        "cards that take the place of another one": (
            "SELECT count(*) FROM cartes WHERE remplace_id IS NOT NULL"
        ),
        "profiles": "SELECT count(*) FROM profils_carte",
    }.items():
        nombre = connection.scalar(sa.text(query))
        if nombre:
            raise ValueError(f"version 0009 has no place for {nombre} {what}")
