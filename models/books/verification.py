"""Proof of the journal: what is written, and whatever is kept beside it, follow from the ecritures.

Kept beside it are the soldes and versions of cards, and what plafonds count. Each rule is one
statement that selects what breaks it, so that it reads one snapshot of a database in use, and
nothing but faults leaves the database.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from sqlalchemy import Connection, Table, func, select, text

from models.carte import cartes
from models.compte import comptes
from models.journal.ecriture import ecritures
from models.operation import operations

MAX_FAULTS = 20
"""Faults told per rule."""

TRANCHE = 1000
"""Comptes whose ecritures SQLite sorts at once: as it is built for Python, it does so in memory."""

_DERNIER = 2**63 - 1


class Fault(NamedTuple):
    """One thing that differs. `sujet` names it, a card by its masked number."""

    regle: str
    sujet: str
    detail: str


class Report(NamedTuple):
    """What was read, what differs, and the rules of which more differs than is told."""

    operations: int
    ecritures: int
    cartes: int
    faults: list[Fault]
    rules_cut: list[str]


# Amounts are compared as NUMERIC on PostgreSQL, where a wrong one could overflow a sum of integers;
# SQLite's sum() refuses to overflow, hence two halves, and its operators turn to floats instead.
_SOMME = {
    "postgresql": "sum(CAST({0} AS NUMERIC))",
    "sqlite": "(sum({0} / 1000000) * 1000000 + sum({0} % 1000000))",
}
_LARGE = {"postgresql": "CAST({0} AS NUMERIC)", "sqlite": "{0}"}

# The first day of the period, of the plafond `l`, that holds an instant; now.
_DEBUT = {
    "postgresql": "CAST(date_trunc(CASE l.periode WHEN 'MOIS' THEN 'month' ELSE 'day' END,"
    " {0} AT TIME ZONE 'UTC') AS DATE)",
    "sqlite": "date({0}, CASE l.periode WHEN 'MOIS' THEN 'start of month' ELSE '+0 days' END)",
}
_MAINTENANT = {"postgresql": "now()", "sqlite": "'now'"}

_COTES = """
    SELECT e.id, e.compte_debit AS compte, -e.montant AS mouvement,
           e.version_debit AS version, e.solde_debit AS solde
      FROM comptes k JOIN ecritures e ON e.compte_debit = k.id
     WHERE k.type = 'CARTE' AND k.id BETWEEN :premier AND :dernier
    UNION ALL
    SELECT e.id, e.compte_credit, e.montant, e.version_credit, e.solde_credit
      FROM comptes k JOIN ecritures e ON e.compte_credit = k.id
     WHERE k.type = 'CARTE' AND k.id BETWEEN :premier AND :dernier
"""

_PRESENT = """
    SELECT l.id, count({net}) AS operations, {somme} AS somme, max({date}) AS derniere
      FROM plafonds l
      {par}
      LEFT JOIN operations o ON o.{sujet} = {dont} AND o.type = l.type
                            AND o.date_operation >= {present} AND {debut} = {present}
      LEFT JOIN operations a ON a.annulation_de = o.id
     WHERE l.periode <> 'OPERATION' AND l.{sujet} IS NOT NULL
     GROUP BY l.id
"""

# The cards that count for a limited card: itself, and those whose place it took, since it was activated.
_LIGNEE = """
    LEFT JOIN (WITH RECURSIVE lignee (carte, dont) AS (
                   SELECT carte_id, carte_id FROM plafonds WHERE carte_id IS NOT NULL
                   UNION
                   SELECT g.carte, c.remplace_id FROM lignee g JOIN cartes c ON c.id = g.dont
                    WHERE c.remplace_id IS NOT NULL AND c.activee_le IS NOT NULL)
               SELECT carte, dont FROM lignee) g ON g.carte = l.carte_id
"""
_NET = "CASE WHEN a.id IS NULL THEN o.{0} END"

# An operation above the plafond of each.
_TROP = """
    SELECT {nom}, l.type || ' per OPERATION: ' || o.numero_operation || ' of ' || o.montant
                  || ', at most ' || l.montant_maximal
      FROM plafonds l
      JOIN operations o ON o.{sujet} = l.{sujet} AND o.type = l.type
      {de}
     WHERE l.periode = 'OPERATION' AND o.date_operation > l.cree_le
       AND o.montant > l.montant_maximal
"""

_REGLES: dict[str, str] = {
    "an operation has what its type asks for, and nothing else": """
        SELECT 'operation ' || o.numero_operation,
               o.type || ' ' || o.statut || ': '
               || CASE WHEN (o.type IN {de_personne}) <> (o.partenaire_id IS NULL)
                         OR (o.type IN {de_personne}) <> (o.reference IS NULL)
                       THEN 'partenaire or reference'
                       WHEN (o.type = 'CLOTURE') <> (o.carte_id IS NULL)
                         OR (o.type = 'CLOTURE') <> (o.montant IS NULL)
                         OR (o.type = 'CLOTURE') <> (o.unite IS NULL)
                       THEN 'carte, montant or unite'
                       WHEN (o.type IN {entre_cartes}) <> (o.carte_destination_id IS NOT NULL)
                       THEN 'carte of destination'
                       WHEN (o.type IN {de_demandes}) <> (o.demande_id IS NOT NULL)
                       THEN 'demande'
                       ELSE 'type or statut' END
          FROM operations o
         WHERE o.type NOT IN
               ('CREDIT', 'DEBIT', 'TRANSFERT', 'ANNULATION', 'OUVERTURE', 'CLOTURE',
                'TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE')
            OR o.statut <> CASE o.type WHEN 'CLOTURE' THEN 'CLOTUREE' ELSE 'EXECUTEE' END
            OR (o.type IN {de_personne}) <> (o.partenaire_id IS NULL)
            OR (o.type IN {de_personne}) <> (o.reference IS NULL)
            OR (o.type = 'CLOTURE') <> (o.carte_id IS NULL)
            OR (o.type = 'CLOTURE') <> (o.montant IS NULL)
            OR (o.type = 'CLOTURE') <> (o.unite IS NULL)
            OR (o.type IN {entre_cartes}) <> (o.carte_destination_id IS NOT NULL)
            OR (o.type IN {de_demandes}) <> (o.demande_id IS NOT NULL)
    """,
    "what a demande moved is of one that was executed, which moved nothing else": """
        SELECT 'operation ' || o.numero_operation,
               coalesce('of demande ' || d.demande_id || ', ' || d.type || ' ' || d.statut,
                        'no demande ' || o.demande_id)
          FROM operations o LEFT JOIN demandes d ON d.demande_id = o.demande_id
         WHERE o.demande_id IS NOT NULL
           AND (coalesce(d.statut, '') <> 'EXECUTEE'
                OR NOT CASE o.type
                   WHEN 'TRANSFERT_SPECIAL' THEN d.type IN ('transfererSoldeSpecial', 'activerCarte')
                   WHEN 'CORRECTION_OUVERTURE' THEN d.type = 'corrigerSoldeOuverture'
                   ELSE 1 = 0 END
                OR EXISTS (SELECT 1 FROM operations b
                            WHERE b.demande_id = o.demande_id AND b.id <> o.id))
    """,
    "a partenaire's reference is of one operation, or closed": """
        SELECT 'operation ' || min(o.numero_operation),
               count(*) || ' of partenaire ' || o.partenaire_id || ' have the reference '
               || o.reference
          FROM operations o WHERE o.reference IS NOT NULL
         GROUP BY o.partenaire_id, o.reference HAVING count(*) > 1
    """,
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
          LEFT JOIN comptes m ON m.id = e.compte_credit
          LEFT JOIN cartes t ON t.id = o.carte_destination_id
          LEFT JOIN operations a ON a.id = o.annulation_de
         WHERE NOT CASE CASE o.type WHEN 'ANNULATION' THEN 'ANNULATION ' || a.type ELSE o.type END
                   WHEN 'DEBIT' THEN e.compte_debit = c.compte_id
                                     AND e.compte_credit = coalesce(p.compte_id, -1)
                   WHEN 'CREDIT' THEN e.compte_credit = c.compte_id
                                      AND e.compte_debit = coalesce(p.compte_id, -1)
                   WHEN 'TRANSFERT' THEN e.compte_debit = c.compte_id
                                         AND e.compte_credit = coalesce(t.compte_id, -1)
                   WHEN 'TRANSFERT_SPECIAL' THEN e.compte_debit = c.compte_id
                                                 AND e.compte_credit = coalesce(t.compte_id, -1)
                   WHEN 'ANNULATION DEBIT' THEN e.compte_credit = c.compte_id
                                                AND e.compte_debit = coalesce(p.compte_id, -1)
                   WHEN 'ANNULATION CREDIT' THEN e.compte_debit = c.compte_id
                                                 AND e.compte_credit = coalesce(p.compte_id, -1)
                   WHEN 'OUVERTURE' THEN e.compte_credit = c.compte_id
                                         AND coalesce(k.type, '') = 'OUVERTURE'
                   WHEN 'CORRECTION_OUVERTURE'
                   THEN (e.compte_credit = c.compte_id AND coalesce(k.type, '') = 'OUVERTURE')
                        OR (e.compte_debit = c.compte_id AND coalesce(m.type, '') = 'OUVERTURE')
                   ELSE 1 = 0 END
    """,
    "an operation is of an existing partenaire, and of an existing carte in its unite": """
        SELECT 'operation ' || o.numero_operation,
               CASE WHEN o.partenaire_id IS NOT NULL AND p.id IS NULL
                    THEN 'no partenaire ' || o.partenaire_id
                    WHEN c.id IS NULL THEN 'no carte'
                    ELSE o.unite || ', carte ' || c.unite END
          FROM operations o
          LEFT JOIN partenaires p ON p.id = o.partenaire_id
          LEFT JOIN cartes c ON c.id = o.carte_id
         WHERE (o.partenaire_id IS NOT NULL AND p.id IS NULL)
            OR (o.type <> 'CLOTURE' AND (c.id IS NULL OR c.unite <> o.unite))
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
         WHERE c.compte_id BETWEEN :premier AND :dernier
           AND (c.solde <> coalesce(j.somme, 0) OR c.solde < 0)
    """,
    "a carte's versions run from 1 to its own without a gap": """
        SELECT {carte}, 'version ' || c.version || ', ' || coalesce(j.nombre, 0) || ' ecritures'
               || ' numbered ' || coalesce(j.premiere, 0) || ' to ' || coalesce(j.derniere, 0)
          FROM cartes c
          LEFT JOIN (SELECT compte, count(*) AS nombre, count(DISTINCT version) AS distinctes,
                            min(version) AS premiere, max(version) AS derniere
                       FROM ({cotes}) x GROUP BY compte) j
            ON j.compte = c.compte_id
         WHERE c.compte_id BETWEEN :premier AND :dernier
           AND (c.version <> coalesce(j.nombre, 0) OR c.version <> coalesce(j.derniere, 0)
                OR coalesce(j.nombre, 0) <> coalesce(j.distinctes, 0)
                OR coalesce(j.premiere, 1) <> 1)
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
    "a carte or partenaire is marked when it has plafonds, and only then": """
        SELECT {carte}, CASE c.plafonnee WHEN 0 THEN 'its plafonds limit nothing'
                                         ELSE 'it has no plafond' END
          FROM cartes c
         WHERE (c.plafonnee <> 0) <> EXISTS (SELECT 1 FROM plafonds l WHERE l.carte_id = c.id)
        UNION ALL
        SELECT 'partenaire ' || p.consumer_key,
               CASE p.plafonne WHEN 0 THEN 'its plafonds limit nothing' ELSE 'it has no plafond' END
          FROM partenaires p
         WHERE (p.plafonne <> 0) <> EXISTS (SELECT 1 FROM plafonds l WHERE l.partenaire_id = p.id)
    """,
    "a plafond has counted the operations of the present day or month that were not reversed": """
        SELECT coalesce({carte}, 'partenaire ' || p.consumer_key),
               l.type || ' per ' || l.periode || ': counted ' || coalesce(n.montant, 0)
               || ' in ' || coalesce(n.nombre, 0)
               || ', operations ' || coalesce(x.somme, 0) || ' in ' || x.operations
          FROM ({de_cartes} UNION ALL {de_partenaires}) x
          JOIN plafonds l ON l.id = x.id
          LEFT JOIN consommations n ON n.plafond_id = l.id AND n.debut = {present}
          LEFT JOIN cartes c ON c.id = l.carte_id
          LEFT JOIN partenaires p ON p.id = l.partenaire_id
         WHERE coalesce(n.montant, 0) <> coalesce(x.somme, 0)
            OR coalesce(n.nombre, 0) <> x.operations
    """,
    # What is not reversed now was not reversed either when the last of it was judged: had that one
    # fitted, so would the sum. A plafond that is lower than what was moved before holds until more is.
    "what follows a plafond does not exceed it": """
        SELECT coalesce({carte}, 'partenaire ' || p.consumer_key),
               l.type || ' per ' || l.periode || ': ' || x.somme || ' in ' || x.operations
               || ', at most ' || coalesce(l.montant_maximal || '', 'any')
               || coalesce(' in ' || l.nombre_maximal, '')
          FROM ({de_cartes} UNION ALL {de_partenaires}) x
          JOIN plafonds l ON l.id = x.id
          LEFT JOIN cartes c ON c.id = l.carte_id
          LEFT JOIN partenaires p ON p.id = l.partenaire_id
         WHERE x.derniere > l.cree_le
           AND (x.somme > l.montant_maximal OR x.operations > l.nombre_maximal)
        UNION ALL {trop_de_cartes} UNION ALL {trop_de_partenaires}
    """,
}


def verify(
    connection: Connection, progress: Callable[[int, int], None] = lambda _done, _total: None
) -> Report:
    """Check every rule over the whole journal. Writes nothing; memory does not grow with it.

    `progress` is told the statements done and how many there are, last when all are.
    """
    faults: list[Fault] = []
    rules_cut: list[str] = []
    with _whole_tables(connection):
        tranches = _tranches(connection)
        steps = [
            (regle, statement, tranche)
            for regle, statement in _statements(connection.dialect.name)
            for tranche in (tranches if ":premier" in statement else [{}])
        ]
        for done, (regle, statement, tranche) in enumerate(steps):
            progress(done, len(steps))
            found = sum(fault.regle == regle for fault in faults)
            rows = connection.execute(
                text(statement), {"nombre": MAX_FAULTS + 1 - found, **tranche}
            ).all()
            faults.extend(Fault(regle, row[0], row[1]) for row in rows[: MAX_FAULTS - found])
            if found + len(rows) > MAX_FAULTS and regle not in rules_cut:
                rules_cut.append(regle)
        progress(len(steps), len(steps))
        return Report(
            operations=_count(connection, operations),
            ecritures=_count(connection, ecritures),
            cartes=_count(connection, cartes),
            faults=faults,
            rules_cut=rules_cut,
        )


@contextlib.contextmanager
def _whole_tables(connection: Connection) -> Iterator[None]:
    """Let PostgreSQL read whole tables: as long as it takes, and joined as suits that.

    It takes the groups of a compte for a few hundred, whatever their number, and would read them
    again for each card.
    """
    if connection.dialect.name != "postgresql":
        yield
        return
    connection.execute(text("SET statement_timeout = 0"))
    connection.execute(text("SET enable_nestloop = off"))
    try:
        yield
    finally:
        connection.execute(text("RESET statement_timeout"))
        connection.execute(text("RESET enable_nestloop"))


def _tranches(connection: Connection) -> list[dict[str, int]]:
    """The comptes in parts whose ecritures fit in memory: PostgreSQL sorts on disk, so all in one."""
    ends: list[int] = []
    if connection.dialect.name == "sqlite":
        numbered = select(comptes.c.id, func.row_number().over(order_by=comptes.c.id).label("n"))
        rows = numbered.subquery()
        ends = list(connection.scalars(select(rows.c.id).where(rows.c.n % TRANCHE == 0)))
    starts = [-_DERNIER, *(end + 1 for end in ends)]
    return [
        {"premier": start, "dernier": end}
        for start, end in zip(starts, [*ends, _DERNIER], strict=True)
    ]


def _count(connection: Connection, table: Table) -> int:
    return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _statements(dialect: str) -> Iterator[tuple[str, str]]:
    """Each rule and its SQL."""
    somme, large = _SOMME[dialect], _LARGE[dialect]
    carte = (  # as models.base.mask
        "'carte ' || substr(c.numero_carte, 1, 6) || '******'"
        " || substr(c.numero_carte, length(c.numero_carte) - 3)"
    )
    pieces = {
        "cotes": _COTES,
        "de_personne": "('OUVERTURE', 'TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE')",
        "de_demandes": "('TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE')",
        "entre_cartes": "('TRANSFERT', 'TRANSFERT_SPECIAL')",
        "carte": carte,
        "somme_montant": somme.format("e.montant"),
        "somme_mouvement": somme.format("mouvement"),
        "large_avant": large.format("j.avant"),
        "large_mouvement": large.format("j.mouvement"),
        "large_solde": large.format("j.solde"),
        **_complete_plafonds(dialect, carte),
    }
    for regle, template in _REGLES.items():
        yield regle, f"{template.format(**pieces)} ORDER BY 1, 2 LIMIT :nombre"


def _complete_plafonds(dialect: str, carte: str) -> dict[str, str]:
    """What the operations of cartes, and of partenaires, say of their plafonds."""
    somme, debut = _SOMME[dialect], _DEBUT[dialect]
    pieces = {
        "present": debut.format(_MAINTENANT[dialect]),
        "debut": debut.format("o.date_operation"),
        "net": _NET.format("montant"),
        "somme": somme.format(_NET.format("montant")),
        "date": _NET.format("date_operation"),
    }
    of_carte = {
        "sujet": "carte_id",
        "par": _LIGNEE,
        "dont": "g.dont",
        "de": "JOIN cartes c ON c.id = l.carte_id",
        "nom": carte,
    }
    of_partenaire = {
        "sujet": "partenaire_id",
        "par": "",
        "dont": "l.partenaire_id",
        "de": "JOIN partenaires p ON p.id = l.partenaire_id",
        "nom": "'partenaire ' || p.consumer_key",
    }
    return {
        "present": pieces["present"],
        "de_cartes": _PRESENT.format(**of_carte, **pieces),
        "de_partenaires": _PRESENT.format(**of_partenaire, **pieces),
        "trop_de_cartes": _TROP.format(**of_carte),
        "trop_de_partenaires": _TROP.format(**of_partenaire),
    }
