"""A witness in the database: it refuses the COMMIT of a change that is not money and has no row of the audit.

What is changed notes the position of the row that must follow, with a foreign key that the database looks at
when the transaction ends, and not before. So it is the database that judges, whoever writes, by whatever way;
and a row that was written before the change does not do.
"""

from __future__ import annotations

from sqlalchemy import Table, text

from models.carte import cartes
from models.client import clients
from models.database.engine import Database
from models.membre import membres
from models.partenaire import acces, partenaires
from models.plafond import plafonds
from models.reseau import reseaux
from models.secret import secrets

AUDITED: tuple[Table, ...] = (
    *(clients, reseaux, membres, partenaires, acces, secrets, plafonds, cartes),
)
"""What is changed by a person or a command, and never by money."""

OF_MONEY = {
    "cartes": frozenset({"solde", "version", "date_solde"}),
    "secrets": frozenset({"dernier_usage"}),
}
"""Columns of these that money moves, or the use of a secret: no change that somebody made."""


def install(database: Database) -> None:
    """Have the database watch, from here to `dismiss`."""
    with database.transaction() as connection:
        connection.execute(
            text(
                "CREATE TABLE temoins (position BIGINT NOT NULL"
                " REFERENCES audit (position) DEFERRABLE INITIALLY DEFERRED)"
            )
        )
        if database.dialect == "postgresql":
            connection.execute(
                text(
                    "CREATE FUNCTION temoin() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                    f" {_NOTE}; RETURN NULL; END $$"
                )
            )
        for name, when, table in _watches():
            do = "EXECUTE FUNCTION temoin()"
            if database.dialect == "sqlite":
                do = f"BEGIN {_NOTE}; END"
            connection.execute(
                text(f"CREATE TRIGGER {name} AFTER {when} ON {table} FOR EACH ROW {do}")
            )


def dismiss(database: Database) -> None:
    """Have it watch no more."""
    postgresql = database.dialect == "postgresql"
    with database.transaction() as connection:
        for name, _, table in _watches():
            connection.execute(text(f"DROP TRIGGER {name}{f' ON {table}' if postgresql else ''}"))
        if postgresql:
            connection.execute(text("DROP FUNCTION temoin()"))
        connection.execute(text("DROP TABLE temoins"))


_NOTE = "INSERT INTO temoins (position) SELECT position + 1 FROM audit_tete"


def _watches() -> list[tuple[str, str, str]]:
    """The triggers: name, event, table."""
    found = []
    for table in AUDITED:
        columns = [one.name for one in table.c if one.name not in OF_MONEY.get(table.name, ())]
        for verb in ("INSERT", "DELETE", "UPDATE"):
            when = f"UPDATE OF {', '.join(columns)}" if verb == "UPDATE" else verb
            found.append((f"temoin_{table.name}_{verb.lower()}", when, table.name))
    return found
