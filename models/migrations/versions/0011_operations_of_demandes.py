"""Money that a demande moves, and the rules of the demandes about cards, partners, limits and money

Revision: 0011
Follows: 0010
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None
kind = "stop"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

COLUMNS = (
    "id, numero_operation, partenaire_id, reference, empreinte, type, statut, carte_id, montant, unite,"
    " motif, point_de_service, terminal, date_operation, carte_destination_id, annulation_de,"
    " empreinte_version"
)
"""Of the table `operations`, as it was before."""

CHECKS = {
    "type_connu": (
        "type IN ('CREDIT', 'DEBIT', 'TRANSFERT', 'ANNULATION', 'OUVERTURE', 'CLOTURE',"
        " 'TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE')"
    ),
    "destination_du_transfert": (
        "(type IN ('TRANSFERT', 'TRANSFERT_SPECIAL')) = (carte_destination_id IS NOT NULL)"
    ),
    "reference_du_partenaire": (
        "(type IN ('OUVERTURE', 'TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE')) = (partenaire_id IS NULL)"
        " AND (partenaire_id IS NULL) = (reference IS NULL)"
    ),
    "demande_executee": (
        "(type IN ('TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE')) = (demande_id IS NOT NULL)"
    ),
}
OLD_CHECKS = {
    "type_connu": "type IN ('CREDIT', 'DEBIT', 'TRANSFERT', 'ANNULATION', 'OUVERTURE', 'CLOTURE')",
    "destination_du_transfert": "(type = 'TRANSFERT') = (carte_destination_id IS NOT NULL)",
    "reference_du_partenaire": (
        "(type = 'OUVERTURE') = (partenaire_id IS NULL)"
        " AND (partenaire_id IS NULL) = (reference IS NULL)"
    ),
}
COMMON_CHECKS = {
    "montant_positif": "montant > 0",
    "statut_connu": "statut = CASE WHEN type = 'CLOTURE' THEN 'CLOTUREE' ELSE 'EXECUTEE' END",
    "cloture_sans_mouvement": (
        "(type = 'CLOTURE') = (carte_id IS NULL)"
        " AND (carte_id IS NULL) = (montant IS NULL) AND (montant IS NULL) = (unite IS NULL)"
    ),
    "origine_annulee": "(type = 'ANNULATION') = (annulation_de IS NOT NULL)",
}
REFERENCES = {
    "carte_id": "cartes.id",
    "partenaire_id": "partenaires.id",
    "carte_destination_id": "cartes.id",
    "annulation_de": "operations.id",
}
INDEXES = {
    "carte_id_date_operation_id": ["carte_id", "date_operation", "id"],
    "partenaire_id_date_operation": ["partenaire_id", "date_operation"],
}
OLD_INDEXES = {
    "carte_id_id": ["carte_id", "id"],
    "partenaire_id_date_operation": ["partenaire_id", "date_operation"],
}
RECEIVED = ["carte_destination_id", "date_operation", "id"]

IMMEDIATE = (
    *("opposerCarte", "activerCarte", "leverOpposition:BLOCAGE_TEMPORAIRE"),
    *("saisirPlafondCarte:BAISSE", "saisirPlafondPartenaire:BAISSE"),
    *("changerStatutPartenaire:SUSPENDU", "modifierPartenaire:RETRAIT"),
    *("renouvelerSecretPartenaire", "revoquerSecretPartenaire", "revoquerJetonsPartenaire"),
)
"""What protects, and what a card's holder waits for: nobody else is asked."""

LOWERABLE = ("saisirProfilCarte", "modifierProfilCarte")
"""One other person, unless a deployment makes it immediate."""

EXPOSING = (
    *("emettreCartes", "renouvelerCarte", "remplacerCarte", "annulerCarte", "leverOpposition"),
    *("saisirPlafondCarte", "retirerPlafondCarte"),
)
"""One other person, and never fewer."""

OF_MONEY_AND_PARTNERS = (
    *("transfererSoldeSpecial", "corrigerSoldeOuverture"),
    *("saisirPartenaire", "modifierPartenaire", "changerStatutPartenaire"),
    *("saisirAdressesPartenaire", "saisirPlafondPartenaire", "retirerPlafondPartenaire"),
)
"""The same, who authenticated a moment ago."""

LARGE = 1_000_000
"""Francs from which a special transfer takes three persons."""


def upgrade() -> None:
    if _on_sqlite():
        _rebuild_operations(CHECKS, new=True)
    else:
        _alter_operations()
    _index_some()
    for types, validations, minimum, forte in (
        (IMMEDIATE, 0, 0, 0),
        (LOWERABLE, 1, 0, 0),
        (EXPOSING, 1, 1, 0),
        (OF_MONEY_AND_PARTNERS, 1, 1, 1),
    ):
        for type_ in types:
            _add_regle(type_, 0, validations, minimum, forte)
    _add_regle("transfererSoldeSpecial", LARGE, 2, 1, 1)


def downgrade() -> None:
    """Fails, and changes nothing, when a demande has moved money. Its rules go as they came."""
    for type_ in (*IMMEDIATE, *LOWERABLE, *EXPOSING, *OF_MONEY_AND_PARTNERS):
        op.execute(f"DELETE FROM regles_validation WHERE type = '{type_}'")  # noqa: S608 - ours
    if _on_sqlite():
        _rebuild_operations(OLD_CHECKS, new=False)
    else:
        op.drop_index(op.f("uq_operations_demande_id"), "operations")
        op.drop_index(op.f(f"ix_operations_{'_'.join(RECEIVED)}"), "operations")
        _replace_indexes(INDEXES, OLD_INDEXES)
        _replace_checks(CHECKS, OLD_CHECKS)
        op.drop_column("operations", "demande_id")
        op.alter_column("operations", "type", type_=sa.String(length=16))


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _add_regle(
    type_: str, montant_minimal: int, validations: int, minimum: int, forte: int
) -> None:
    op.execute(
        "INSERT INTO regles_validation (type, montant_minimal, validations, minimum, forte,"  # noqa: S608
        f" meme_personne, version) VALUES ('{type_}', {montant_minimal}, {validations}, {minimum},"
        f" {forte}, 0, 1)"
    )


def _index_some() -> None:
    """What most operations are not in: those of demandes, each of which moves money once, and those that a
    second card receives."""
    for name, columns, unique in (
        ("uq_operations_demande_id", ["demande_id"], True),
        (f"ix_operations_{'_'.join(RECEIVED)}", RECEIVED, False),
    ):
        some = sa.text(f"{columns[0]} IS NOT NULL")
        op.create_index(
            op.f(name),
            "operations",
            columns,
            unique=unique,
            sqlite_where=some,
            postgresql_where=some,
        )


def _alter_operations() -> None:
    op.alter_column("operations", "type", type_=sa.String(length=32))
    op.add_column("operations", sa.Column("demande_id", sa.String(length=26), nullable=True))
    op.create_foreign_key(
        op.f("fk_operations_demande_id"), "operations", "demandes", ["demande_id"], ["demande_id"]
    )
    _replace_checks(OLD_CHECKS, CHECKS)
    _replace_indexes(OLD_INDEXES, INDEXES)


def _replace_indexes(old: dict[str, list[str]], new: dict[str, list[str]]) -> None:
    for name in old.keys() - new.keys():
        op.drop_index(op.f(f"ix_operations_{name}"), "operations")
    for name in new.keys() - old.keys():
        op.create_index(op.f(f"ix_operations_{name}"), "operations", new[name])


def _replace_checks(old: dict[str, str], new: dict[str, str]) -> None:
    for name in old:
        op.drop_constraint(op.f(f"ck_operations_{name}"), "operations", type_="check")
    for name, condition in new.items():
        op.create_check_constraint(op.f(f"ck_operations_{name}"), "operations", condition)


def _rebuild_operations(checks: dict[str, str], *, new: bool) -> None:
    """SQLite changes no constraint of a table that exists: it gets a new one, with the same rows."""
    _create_operations(checks, new=new)
    op.execute(f"INSERT INTO new_operations ({COLUMNS}) SELECT {COLUMNS} FROM operations")  # noqa: S608
    op.execute("DROP TABLE operations")  # its triggers and indexes go with it
    op.execute("ALTER TABLE new_operations RENAME TO operations")
    for name, columns in (INDEXES if new else OLD_INDEXES).items():
        op.create_index(op.f(f"ix_operations_{name}"), "operations", columns)
    for verb in ("UPDATE", "DELETE"):
        op.execute(
            f"CREATE TRIGGER operations_append_only_{verb.lower()} BEFORE {verb} ON operations"
            " BEGIN SELECT RAISE(ABORT, 'operations is append-only'); END"
        )


def _create_operations(checks: dict[str, str], *, new: bool) -> None:
    added: list[sa.Column[str]] = []
    references = dict(REFERENCES)
    if new:
        added.append(sa.Column("demande_id", sa.String(length=26), nullable=True))
        references["demande_id"] = "demandes.demande_id"
    op.create_table(
        "new_operations",
        sa.Column("id", ID, nullable=False),
        sa.Column("numero_operation", sa.String(length=26), nullable=False),
        sa.Column("partenaire_id", ID, nullable=True),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("empreinte", sa.LargeBinary(length=32), nullable=True),
        sa.Column("type", sa.String(length=32 if new else 16), nullable=False),
        sa.Column("statut", sa.String(length=16), nullable=False),
        sa.Column("carte_id", ID, nullable=True),
        sa.Column("montant", sa.BigInteger(), nullable=True),
        sa.Column("unite", sa.String(length=8), nullable=True),
        sa.Column("motif", sa.String(length=140), nullable=True),
        sa.Column("point_de_service", sa.String(length=64), nullable=True),
        sa.Column("terminal", sa.String(length=64), nullable=True),
        sa.Column("date_operation", sa.DateTime(timezone=True), nullable=False),
        sa.Column("carte_destination_id", ID, nullable=True),
        sa.Column("annulation_de", ID, nullable=True),
        sa.Column("empreinte_version", sa.SmallInteger(), nullable=True),
        *added,
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_operations_{name}"))
            for name, condition in (COMMON_CHECKS | checks).items()
        ),
        *(
            sa.ForeignKeyConstraint([name], [target], name=op.f(f"fk_operations_{name}"))
            for name, target in references.items()
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operations")),
        sa.UniqueConstraint("numero_operation", name=op.f("uq_operations_numero_operation")),
        sa.UniqueConstraint("annulation_de", name=op.f("uq_operations_annulation_de")),
        sa.UniqueConstraint(
            "partenaire_id", "reference", name=op.f("uq_operations_partenaire_id_reference")
        ),
    )
