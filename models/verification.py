"""Proof of the journal: what is written, and every materialised solde, follow from the ecritures.

Each rule is one statement that selects what breaks it, so that it reads one snapshot of a database
in use, and nothing but faults leaves the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, Table, func, select, text

from models.carte import cartes
from models.journal import ecritures
from models.operation import operations

FAUTES_MAXIMALES = 20
"""Faults told per rule."""


class Faute(NamedTuple):
    """One thing that differs. `sujet` names it, a card by its masked number."""

    regle: str
    sujet: str
    detail: str


class Rapport(NamedTuple):
    """What was read, what differs, and the rules of which more differs than is told."""

    operations: int
    ecritures: int
    cartes: int
    fautes: list[Faute]
    regles_tronquees: list[str]


# Amounts are compared as NUMERIC on PostgreSQL, where a wrong one could overflow a sum of integers;
# SQLite's sum() refuses to overflow, hence two halves, and its operators turn to floats instead.
_SOMME = {
    "postgresql": "sum(CAST({0} AS NUMERIC))",
    "sqlite": "(sum({0} / 1000000) * 1000000 + sum({0} % 1000000))",
}
_LARGE = {"postgresql": "CAST({0} AS NUMERIC)", "sqlite": "{0}"}

_COTES = """
    SELECT e.id, e.compte_debit AS compte, -e.montant AS mouvement,
           e.version_debit AS version, e.solde_debit AS solde
      FROM ecritures e JOIN comptes k ON k.id = e.compte_debit WHERE k.type = 'CARTE'
    UNION ALL
    SELECT e.id, e.compte_credit, e.montant, e.version_credit, e.solde_credit
      FROM ecritures e JOIN comptes k ON k.id = e.compte_credit WHERE k.type = 'CARTE'
"""

_REGLES: dict[str, str] = {
    "an operation's ecritures amount to its montant": """
        SELECT 'operation ' || o.numero_operation,
               'montant ' || coalesce(o.montant, 0) || ', ecritures ' || coalesce({somme_montant}, 0)
          FROM operations o LEFT JOIN ecritures e ON e.operation_id = o.id
         GROUP BY o.id, o.numero_operation, o.montant
        HAVING coalesce({somme_montant}, 0) <> coalesce(o.montant, 0)
    """,
    "an ecriture belongs to an operation and to two comptes": """
        SELECT 'ecriture ' || e.id,
               CASE WHEN o.id IS NULL THEN 'no operation ' || e.operation_id
                    WHEN d.id IS NULL THEN 'no compte ' || e.compte_debit
                    ELSE 'no compte ' || e.compte_credit END
          FROM ecritures e
          LEFT JOIN operations o ON o.id = e.operation_id
          LEFT JOIN comptes d ON d.id = e.compte_debit
          LEFT JOIN comptes c ON c.id = e.compte_credit
         WHERE o.id IS NULL OR d.id IS NULL OR c.id IS NULL
    """,
    "an ecriture moves an amount above zero between two comptes": """
        SELECT 'ecriture ' || e.id,
               e.montant || ' from compte ' || e.compte_debit || ' to ' || e.compte_credit
          FROM ecritures e WHERE e.montant <= 0 OR e.compte_debit = e.compte_credit
    """,
    "an ecriture has the unite of its operation and of its comptes": """
        SELECT 'ecriture ' || e.id,
               e.unite || '; operation ' || o.unite || ', comptes ' || d.unite || ', ' || c.unite
          FROM ecritures e
          JOIN operations o ON o.id = e.operation_id
          JOIN comptes d ON d.id = e.compte_debit
          JOIN comptes c ON c.id = e.compte_credit
         WHERE e.unite <> o.unite OR e.unite <> d.unite OR e.unite <> c.unite
    """,
    "an ecriture moves the operation's carte against the right compte": """
        SELECT 'ecriture ' || e.id,
               o.type || ' ' || o.numero_operation || ' moves comptes ' || e.compte_debit
               || ' and ' || e.compte_credit
          FROM ecritures e
          JOIN operations o ON o.id = e.operation_id
          JOIN cartes c ON c.id = o.carte_id
          LEFT JOIN partenaires p ON p.id = o.partenaire_id
          LEFT JOIN comptes k ON k.id = e.compte_debit
          LEFT JOIN cartes t ON t.id = o.carte_destination_id
          LEFT JOIN operations a ON a.id = o.annulation_de
         WHERE NOT CASE CASE o.type WHEN 'ANNULATION' THEN 'ANNULATION ' || a.type ELSE o.type END
                   WHEN 'DEBIT' THEN e.compte_debit = c.compte_id
                                     AND e.compte_credit = coalesce(p.compte_id, -1)
                   WHEN 'CREDIT' THEN e.compte_credit = c.compte_id
                                      AND e.compte_debit = coalesce(p.compte_id, -1)
                   WHEN 'TRANSFERT' THEN e.compte_debit = c.compte_id
                                         AND e.compte_credit = coalesce(t.compte_id, -1)
                   WHEN 'ANNULATION DEBIT' THEN e.compte_credit = c.compte_id
                                                AND e.compte_debit = coalesce(p.compte_id, -1)
                   WHEN 'ANNULATION CREDIT' THEN e.compte_debit = c.compte_id
                                                 AND e.compte_credit = coalesce(p.compte_id, -1)
                   WHEN 'OUVERTURE' THEN e.compte_credit = c.compte_id
                                         AND coalesce(k.type, '') = 'OUVERTURE'
                   ELSE 1 = 0 END
    """,
    "an operation is of an existing carte, in its unite": """
        SELECT 'operation ' || o.numero_operation,
               CASE WHEN c.id IS NULL THEN 'no carte' ELSE o.unite || ', carte ' || c.unite END
          FROM operations o LEFT JOIN cartes c ON c.id = o.carte_id
         WHERE o.type <> 'CLOTURE' AND (c.id IS NULL OR c.unite <> o.unite)
    """,
    "an annulation undoes the whole of a credit or debit of its carte and partenaire, once": """
        SELECT 'operation ' || o.numero_operation,
               coalesce('of ' || a.type || ' ' || a.numero_operation || ', montant ' || a.montant
                        || '; its own ' || o.montant, 'of no operation')
          FROM operations o
          LEFT JOIN operations a ON a.id = o.annulation_de
         WHERE (o.type = 'ANNULATION' OR o.annulation_de IS NOT NULL)
           AND (a.id IS NULL OR o.type <> 'ANNULATION' OR a.type NOT IN ('CREDIT', 'DEBIT')
                OR a.montant <> o.montant OR a.carte_id <> o.carte_id
                OR a.partenaire_id <> o.partenaire_id
                OR EXISTS (SELECT 1 FROM operations b
                            WHERE b.annulation_de = o.annulation_de AND b.id <> o.id))
    """,
    "a carte has a compte of type CARTE, in its unite": """
        SELECT {carte}, CASE WHEN k.id IS NULL THEN 'no compte'
                             ELSE 'compte ' || k.type || ' in ' || k.unite END
          FROM cartes c LEFT JOIN comptes k ON k.id = c.compte_id
         WHERE k.id IS NULL OR k.type <> 'CARTE' OR k.unite <> c.unite
    """,
    "a partenaire has a compte of type REGLEMENT": """
        SELECT 'partenaire ' || p.consumer_key, coalesce('compte ' || k.type, 'no compte')
          FROM partenaires p LEFT JOIN comptes k ON k.id = p.compte_id
         WHERE k.id IS NULL OR k.type <> 'REGLEMENT'
    """,
    "a compte of type CARTE has one carte": """
        SELECT 'compte ' || k.id, count(c.id) || ' cartes'
          FROM comptes k LEFT JOIN cartes c ON c.compte_id = k.id
         WHERE k.type = 'CARTE' GROUP BY k.id HAVING count(c.id) <> 1
    """,
    "an ecriture numbers the cartes it moves, and nothing else": """
        SELECT 'ecriture ' || e.id, 'version or solde of a compte that is missing or too many'
          FROM ecritures e
          JOIN comptes d ON d.id = e.compte_debit
          JOIN comptes c ON c.id = e.compte_credit
         WHERE (d.type = 'CARTE') <> (e.version_debit IS NOT NULL)
            OR (d.type = 'CARTE') <> (e.solde_debit IS NOT NULL)
            OR (c.type = 'CARTE') <> (e.version_credit IS NOT NULL)
            OR (c.type = 'CARTE') <> (e.solde_credit IS NOT NULL)
    """,
    "a carte's solde is what its ecritures credit less what they debit": """
        SELECT {carte}, 'solde ' || c.solde || ', ecritures ' || coalesce(j.somme, 0)
          FROM cartes c
          LEFT JOIN (SELECT compte, {somme_mouvement} AS somme FROM ({cotes}) x GROUP BY compte) j
            ON j.compte = c.compte_id
         WHERE c.solde <> coalesce(j.somme, 0) OR c.solde < 0
    """,
    "a carte's versions run from 1 to its own without a gap": """
        SELECT {carte}, 'version ' || c.version || ', ' || coalesce(j.nombre, 0) || ' ecritures'
               || ' numbered ' || coalesce(j.premiere, 0) || ' to ' || coalesce(j.derniere, 0)
          FROM cartes c
          LEFT JOIN (SELECT compte, count(*) AS nombre, count(DISTINCT version) AS distinctes,
                            min(version) AS premiere, max(version) AS derniere
                       FROM ({cotes}) x GROUP BY compte) j
            ON j.compte = c.compte_id
         WHERE c.version <> coalesce(j.nombre, 0) OR c.version <> coalesce(j.derniere, 0)
            OR coalesce(j.nombre, 0) <> coalesce(j.distinctes, 0) OR coalesce(j.premiere, 1) <> 1
    """,
    "the solde after each ecriture follows from the one before and is never negative": """
        SELECT {carte}, 'ecriture ' || j.id || ', version ' || j.version || ': solde ' || j.solde
               || ' after ' || j.avant || ' and a movement of ' || j.mouvement
          FROM (SELECT id, compte, version, mouvement, solde,
                       coalesce(lag(solde) OVER (PARTITION BY compte ORDER BY version, id), 0)
                       AS avant
                  FROM ({cotes}) x) j
          JOIN cartes c ON c.compte_id = j.compte
         WHERE j.solde < 0 OR {large_avant} + {large_mouvement} <> {large_solde}
    """,
}


def verify(
    session: Connection, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Rapport:
    """Check every rule over the whole journal. Writes nothing; memory does not grow with it.

    `progress` is told the rules checked and how many there are.
    """
    fautes: list[Faute] = []
    regles_tronquees: list[str] = []
    with _whole_tables(session):
        for done, (regle, template) in enumerate(_REGLES.items()):
            progress(done, len(_REGLES))
            statement = _complete(template, session.dialect.name)
            rows = session.execute(text(statement), {"nombre": FAUTES_MAXIMALES + 1}).all()
            fautes.extend(Faute(regle, row[0], row[1]) for row in rows[:FAUTES_MAXIMALES])
            if len(rows) > FAUTES_MAXIMALES:
                regles_tronquees.append(regle)
        return Rapport(
            operations=_count(session, operations),
            ecritures=_count(session, ecritures),
            cartes=_count(session, cartes),
            fautes=fautes,
            regles_tronquees=regles_tronquees,
        )


@contextlib.contextmanager
def _whole_tables(session: Connection) -> Iterator[None]:
    """Let PostgreSQL read whole tables: as long as it takes, and joined as suits that.

    It takes the groups of a compte for a few hundred, whatever their number, and would read them
    again for each card.
    """
    if session.dialect.name != "postgresql":
        yield
        return
    session.execute(text("SET statement_timeout = 0"))
    session.execute(text("SET enable_nestloop = off"))
    try:
        yield
    finally:
        session.execute(text("RESET statement_timeout"))
        session.execute(text("RESET enable_nestloop"))


def _count(session: Connection, table: Table) -> int:
    return session.execute(select(func.count()).select_from(table)).scalar_one()


def _complete(template: str, dialect: str) -> str:
    somme, large = _SOMME[dialect], _LARGE[dialect]
    statement = template.format(
        cotes=_COTES,
        carte="'carte ' || substr(c.numero_carte, 1, 6) || '******'"
        " || substr(c.numero_carte, length(c.numero_carte) - 3)",
        somme_montant=somme.format("e.montant"),
        somme_mouvement=somme.format("mouvement"),
        large_avant=large.format("j.avant"),
        large_mouvement=large.format("j.mouvement"),
        large_solde=large.format("j.solde"),
    )
    return f"{statement} ORDER BY 1, 2 LIMIT :nombre"
