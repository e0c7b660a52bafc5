"""A witness in the database: it refuses the COMMIT of a change that is not money and has no row of the audit.

What is changed notes the position of the row that must follow, with a foreign key that the database looks at
when the transaction ends, and not before. So it is the database that judges, whoever writes, by whatever way;
and a row that was written before the change does not do.

Of what persons change, the row must name a demande that was executed, and as many others agreed to as its
rule asked: the database itself refuses an effect around the engine.
"""

from __future__ import annotations

from sqlalchemy import Table, text

from models.agent import agents
from models.carte import cartes
from models.client import clients
from models.database.engine import Database
from models.demande import demandes, validations
from models.membre import membres
from models.partenaire import acces, partenaires
from models.plafond import plafonds
from models.profil_carte import profils_carte
from models.regle_validation import regles_validation
from models.reseau import reseaux
from models.retrait import codes_retrait
from models.secret import secrets

AUDITED: tuple[Table, ...] = (
    *(clients, reseaux, membres, partenaires, acces, secrets, plafonds, cartes),
    *(codes_retrait, profils_carte),
    *(agents, demandes, validations, regles_validation),
)
"""What is changed by a person or a command, and never by money."""

OF_MONEY = {
    "cartes": frozenset({"solde", "version", "date_solde"}),
    "secrets": frozenset({"dernier_usage"}),
    "agents": frozenset({"derniere_activite"}),
}
"""Columns of these that money moves, or the use of a secret or a right: no change that somebody made."""


BY_DEMANDE = frozenset(
    {
        *("agents", "regles_validation", "clients", "reseaux", "membres"),
        *("partenaires", "plafonds", "cartes", "profils_carte"),
    }
)
"""Of these, what only a demande changes, executed and agreed to as its rule asked, or the command line."""

BY_PARTNERS = ("opposerMaCarte", "leverMonOpposition")
"""What a partner changes of them by himself, without anybody's agreement."""

_AGREED = """EXISTS (
    SELECT 1 FROM demandes d WHERE d.demande_id = NEW.demande_id AND d.type = NEW.action
    AND d.statut = 'EXECUTEE' AND d.validations_requises = (
        SELECT count(*) FROM validations v WHERE v.demande_id = d.demande_id
        AND (d.meme_personne = 1 OR d.saisie_par_type <> 'AGENT' OR v.agent_id <> d.saisie_par_id)
    )
)"""

_HIMSELF = f"NEW.acteur_type = 'PARTENAIRE' AND NEW.action IN {BY_PARTNERS}"

_AROUND = (
    f"NEW.acteur_type <> 'CLI' AND NOT ({_HIMSELF})"
    " AND EXISTS (SELECT 1 FROM temoins t WHERE t.position = NEW.position"
    f" AND t.par_demande = 1) AND NOT {_AGREED}"
)
"""Of a row of the audit: what was changed before it was changed around the demandes."""


def install(database: Database) -> None:
    """Have the database watch, from here to `dismiss`."""
    make = _on_postgresql if database.dialect == "postgresql" else _on_sqlite
    table = (
        "CREATE TABLE temoins (par_demande BIGINT NOT NULL, position BIGINT NOT NULL"
        " REFERENCES audit (position) DEFERRABLE INITIALLY DEFERRED)"
    )
    with database.transaction() as connection:
        for statement in (table, *make()):
            connection.execute(text(statement))


def dismiss(database: Database) -> None:
    """Have it watch no more."""
    postgresql = database.dialect == "postgresql"
    watched = [("temoin_audit", "audit"), *((name, table) for name, _, table in _watches())]
    with database.transaction() as connection:
        for name, table in watched:
            connection.execute(text(f"DROP TRIGGER {name}{f' ON {table}' if postgresql else ''}"))
        if postgresql:
            connection.execute(text("DROP FUNCTION temoin()"))
            connection.execute(text("DROP FUNCTION temoin_audit()"))
        connection.execute(text("DROP TABLE temoins"))


def _note(par_demande: object) -> str:
    return f"INSERT INTO temoins SELECT {par_demande}, position + 1 FROM audit_tete"


_REFUSAL = "changed around the demandes"


def _on_postgresql() -> list[str]:
    note = _note("CAST(TG_ARGV[0] AS BIGINT)")
    refuse = f"RAISE EXCEPTION '{_REFUSAL}' USING ERRCODE = 'check_violation'"
    begin = "RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
    return [
        f"CREATE FUNCTION temoin() {begin} {note}; RETURN NULL; END $$",
        f"CREATE FUNCTION temoin_audit() {begin} IF {_AROUND} THEN {refuse}; END IF; RETURN NULL; END $$",
        "CREATE TRIGGER temoin_audit AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION temoin_audit()",
        *(
            f"CREATE TRIGGER {name} AFTER {when} ON {table} FOR EACH ROW"
            f" EXECUTE FUNCTION temoin({int(table in BY_DEMANDE)})"
            for name, when, table in _watches()
        ),
    ]


def _on_sqlite() -> list[str]:
    return [
        (
            f"CREATE TRIGGER temoin_audit AFTER INSERT ON audit WHEN {_AROUND}"
            f" BEGIN SELECT RAISE(ABORT, '{_REFUSAL}'); END"
        ),
        *(
            f"CREATE TRIGGER {name} AFTER {when} ON {table}"
            f" BEGIN {_note(int(table in BY_DEMANDE))}; END"
            for name, when, table in _watches()
        ),
    ]


def _watches() -> list[tuple[str, str, str]]:
    """The triggers: name, event, table."""
    found = []
    for table in AUDITED:
        columns = [one.name for one in table.c if one.name not in OF_MONEY.get(table.name, ())]
        for verb in ("INSERT", "DELETE", "UPDATE"):
            when = f"UPDATE OF {', '.join(columns)}" if verb == "UPDATE" else verb
            found.append((f"temoin_{table.name}_{verb.lower()}", when, table.name))
    return found
