"""Partners' generation of tokens; limits count no operation that was reversed

Revision: 0003
Follows: 0002
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None
kind = "stop"

SUBJECTS = ("carte_id", "partenaire_id")
THIS_MONTH = {
    "sqlite": "date('now', 'start of month')",
    "postgresql": "CAST(date_trunc('month', now() AT TIME ZONE 'UTC') AS DATE)",
}
FIRST = {
    "sqlite": "consommations.debut",
    "postgresql": "CAST(consommations.debut AS TIMESTAMP) AT TIME ZONE 'UTC'",
}
END = {
    "sqlite": "date(consommations.debut, CASE l.periode WHEN 'MOIS' THEN '+1 month' ELSE '+1 day' END)",
    "postgresql": (
        "(CAST(consommations.debut AS TIMESTAMP)"
        " + CASE l.periode WHEN 'MOIS' THEN INTERVAL '1 month' ELSE INTERVAL '1 day' END)"
        " AT TIME ZONE 'UTC'"
    ),
}


def upgrade() -> None:
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    # On PostgreSQL it waits for every operation under way, and lets none begin: what is counted below
    # stays so.
    op.execute(f"ALTER TABLE partenaires ADD COLUMN generation {kind} DEFAULT '0' NOT NULL")
    for subject in SUBJECTS:
        _count_again(subject)


def downgrade() -> None:
    """What was counted stays as it is: the version before would only have counted more."""
    op.execute("ALTER TABLE partenaires DROP COLUMN generation")


def _count_again(subject: str) -> None:
    """The present periods, with what a reversal undid left out, and with what escaped a limit."""
    dialect = op.get_bind().dialect.name
    op.execute(
        f"""
        UPDATE consommations SET (montant, nombre) = (
            SELECT coalesce(sum(o.montant), 0), count(*)
              FROM plafonds l JOIN operations o ON o.{subject} = l.{subject} AND o.type = l.type
             WHERE l.id = consommations.plafond_id
               AND o.date_operation >= {FIRST[dialect]} AND o.date_operation < {END[dialect]}
               AND NOT EXISTS (SELECT 1 FROM operations a WHERE a.annulation_de = o.id))
         WHERE debut >= {THIS_MONTH[dialect]}
           AND plafond_id IN (SELECT id FROM plafonds WHERE {subject} IS NOT NULL)
        """  # noqa: S608 - nothing of it comes from outside
    )
