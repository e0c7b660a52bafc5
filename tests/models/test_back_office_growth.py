"""What a page of demandes, audit or cards costs in a large database: what it reads, counted, not its time."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, insert, select, text

from models.agent import ACTIF, Agent
from models.audit import AGENT, Acteur, audit
from models.back_office.audits import FiltreAudit, list_audit
from models.back_office.corbeille import FiltreDemandes, list_demandes
from models.back_office.fiches_cartes import FiltreCartes, find_fiche_carte, search_cartes
from models.back_office.moteur import Personne
from models.back_office.operations import FiltreOperations, list_operations
from models.base import now
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION, cartes
from models.client import clients
from models.compte import comptes
from models.database.bulk import analyse_tables, insert_rows
from models.database.engine import Database
from models.database.parcours import EXAMINEES
from models.demande import EXECUTEE, REJETEE, SAISIE, demandes
from models.journal.ecriture import ecritures
from models.journal.ouverture import NouvelleCarte, open_cartes
from models.membre import Membre, create_membres, membres
from models.operation import operations
from models.partenaire import partenaires
from tests.support.scenes import NewUrl

ROWS = 20_000
LIMITE = 20
ONE_WAY = {"sqlite": 120 * LIMITE, "postgresql": 8 * LIMITE}
"""Of a page that an index alone finds: steps of SQLite's engine, of which a line takes 40 to 90; rows that
PostgreSQL's nodes gave and dropped."""

LOOKED_AT = {"sqlite": 60 * EXAMINEES, "postgresql": 5 * EXAMINEES}
"""Of a page whose rows are looked at besides. All rows would be several times as much."""

OF_DAYS = {"sqlite": 31 * 40 * 60, "postgresql": 31 * 40 * 4}
"""Of a page of a client: steps to find the days that it shows, in the index of each of its cards."""

BEGIN = datetime(2020, 1, 1, tzinfo=UTC)
TYPES = ("saisirClient", "modifierClient", "saisirMembre", "modifierMembre", "affecterReseau")
DAY = (BEGIN + timedelta(days=ROWS // 24 // 2)).date()
"""One of the middle: an hour passes between two rows."""


def _fill(connection: Connection) -> None:
    when = [BEGIN + timedelta(hours=number) for number in range(ROWS)]
    for table, make in ((demandes, _demande), (audit, _ligne)):
        rows = [make(number, when[number]) for number in range(ROWS)]
        insert_rows(connection, table, list(rows[0]), [list(row.values()) for row in rows])
    clients_ = [f"CLI-{number}" for number in range(100)]
    insert_rows(connection, clients, ("client_id", "nom"), [(one, one) for one in clients_])
    create_membres(
        connection,
        [Membre(_client(number), f"M{number}", f"{number:012d}") for number in range(0, ROWS, 2)],
    )
    # Otherwise PostgreSQL looks for each card's membre among all of them: it thinks that there are none.
    analyse_tables(connection, (clients, membres))
    open_cartes(connection, [_carte(n) for n in range(ROWS)], contra=None, date_solde=BEGIN)
    _fill_journal(connection)


def _client(number: int) -> str:
    """Most are of one client."""
    return "CLI-0" if number % 10 else f"CLI-{number // 10 % 99 + 1}"


def _carte(number: int) -> NouvelleCarte:
    """Two of each membre, so that some numbers of one client end alike."""
    holder = number - number % 2
    statut = {0: OPPOSITION, 1: ANNULEE}.get(number % 500, ACTIVE)
    return NouvelleCarte(
        f"70{number:014d}", _client(holder), f"M{holder}", DAY, statut, 0, f"{number:026d}"
    )


def _fill_journal(connection: Connection) -> None:
    """A debit each hour, by one partner, of each tenth card in turn: those of clients that have few."""
    connection.execute(insert(comptes).values(id=NUMBER, type="REGLEMENT", unite="FCFA"))
    connection.execute(
        insert(partenaires).values(
            id=1, nom="P", consumer_key="often", compte_id=NUMBER, scopes="", cree_le=BEGIN
        )
    )
    of_few = select(cartes.c.id, cartes.c.compte_id).where(cartes.c.client_id != "CLI-0")
    owned = connection.execute(of_few.order_by(cartes.c.id)).all()
    rows = [_operation(number, *owned[number % len(owned)]) for number in range(ROWS)]
    for table, each in zip((operations, ecritures), zip(*rows, strict=True), strict=True):
        insert_rows(connection, table, list(each[0]), [list(one.values()) for one in each])


NUMBER = 1_000_000
"""The compte of the partner."""


KINDS = {20: "CREDIT", 21: "ANNULATION", 30: "TRANSFERT"}
"""What some of each thousand are; the others are debits."""


def _operation(number: int, carte: int, compte: int) -> tuple[dict[str, Any], dict[str, Any]]:
    kind = KINDS.get(number % 1000, "DEBIT")
    operation = {
        "id": number + NUMBER, "numero_operation": f"{number:026d}", "partenaire_id": 1,
        "reference": str(number), "type": kind, "statut": "EXECUTEE", "carte_id": carte,
        "carte_destination_id": carte % 100 + 1 if kind == "TRANSFERT" else None,
        "annulation_de": number + NUMBER - 1 if kind == "ANNULATION" else None,
        "montant": 1, "unite": "FCFA", "date_operation": BEGIN + timedelta(hours=number),
    }  # fmt: skip
    ecriture = {
        "operation_id": number + NUMBER, "compte_debit": compte, "compte_credit": NUMBER,
        "montant": 1, "unite": "FCFA", "version_debit": number + 10, "solde_debit": 1,
    }  # fmt: skip
    return operation, ecriture


def _demande(number: int, moment: datetime) -> dict[str, Any]:
    statut = {0: SAISIE, 1: REJETEE}.get(number % 500, EXECUTEE)
    ended = statut != SAISIE
    return {
        "id": number + 1, "demande_id": f"{number:026d}", "statut": statut,
        "type": "saisirReseau" if number % 1000 == 2 else TYPES[number % 5],
        "reference": str(number), "objet_type": ("CLIENT", "MEMBRE")[number % 2],
        "objet_id": f"CLI-{number % 4001}", "client_id": f"CLI-{number % 4001}", "contenu": "{}",
        "empreinte": "0" * 64, "validations_requises": 1, "forte": 0, "meme_personne": 0,
        "saisie_par_type": AGENT, "saisie_par_id": "rare" if number % 1000 == 3 else "often",
        "saisie_par_nom": "Awa", "saisie_le": moment, "expire_le": now() + timedelta(days=1),
        "traitee_le": moment if ended else None, "resultat": "{}" if statut == EXECUTEE else None,
    }  # fmt: skip


def _ligne(number: int, moment: datetime) -> dict[str, Any]:
    rare = number % 1000 == 7
    return {
        "position": number + 1, "date": moment, "acteur_type": AGENT,
        "acteur_id": "rare" if rare else "often", "acteur_nom": "Awa",
        "action": "rare" if rare else "saisirClient", "objet_type": "AGENT" if rare else "CLIENT",
        "objet_id": f"CLI-{number % 4000}", "demande_id": f"{number // 2:026d}",
        "request_id": str(number // 2), "meme_personne": 0,
        "empreinte_precedente": f"{number:064d}", "empreinte": f"{number + 1:064d}",
    }  # fmt: skip


@pytest.fixture(scope="module")
def large(new_database_url: NewUrl) -> Iterator[list[Database]]:
    """Databases with many demandes and a long audit, whose planner knows what is in them. SQLite's may know
    nothing too: nobody tells it by itself, as PostgreSQL is."""
    made = [Database(new_database_url())]
    if made[0].dialect == "sqlite":
        made.append(Database(new_database_url()))
    for number, database in enumerate(made):
        with database.transaction() as connection:
            _fill(connection)
            if number == 0:
                connection.execute(text("ANALYZE"))
    yield made
    for database in made:
        database.close()


def cost_of(large: list[Database], read: Callable[[Connection], object]) -> int:
    """What the reading costs where it costs most."""
    costs = []
    for database in large:
        with database.reading() as connection:
            costs.append(count(connection, partial(read, connection)))
    return max(costs)


def count(connection: Connection, work: Callable[[], object]) -> int:
    """What the work reads: steps of SQLite, or the rows that PostgreSQL's nodes gave and dropped."""
    driver: Any = connection.connection.dbapi_connection
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    if connection.dialect.name == "sqlite":
        driver.set_progress_handler(step, 1)
        work()
        driver.set_progress_handler(None, 0)
        return steps
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _u: Any, statement: str, parameters: Any, _x: Any, _m: Any) -> None:
        asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    work()
    event.remove(connection, "before_cursor_execute", note)
    for statement, parameters in asked:
        with driver.cursor() as cursor:
            explain = f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}"
            told = cursor.execute(explain, parameters).fetchone()[0]
            told = json.loads(told) if isinstance(told, str) else told
            steps += _touched(told[0]["Plan"])
    return steps


def _touched(node: dict[str, Any]) -> int:
    mine = sum(
        int(value)
        for name, value in node.items()
        if name == "Actual Rows" or name.startswith("Rows Removed")
    )
    return mine * int(node["Actual Loops"]) + sum(map(_touched, node.get("Plans", ())))


def most(large: list[Database], filtre: Any) -> int:
    """What a page may cost."""
    given = [name for name, value in filtre._asdict().items() if value]
    alone = len(given) <= 1 and not {"a_valider", "date_debut", "date_fin"}.intersection(given)
    return (ONE_WAY if alone else LOOKED_AT)[large[0].dialect]


def person(*clients: str) -> Personne:
    """Somebody who may validate most types."""
    agent = Agent(
        "agree", "B", "", "https://id.example", "b", ("VALIDATION",),
        frozenset(clients) or None, ACTIF, 1,
    )  # fmt: skip
    return Personne(Acteur(AGENT, "agree", "B"), agent)


def _named(filtre: Any) -> str:
    return "-".join(f"{name}={value}" for name, value in filtre._asdict().items() if value) or "all"


DEMANDES = [
    FiltreDemandes(),
    FiltreDemandes(statut=SAISIE),
    FiltreDemandes(statut=REJETEE),
    FiltreDemandes(statut=EXECUTEE),
    FiltreDemandes(type="saisirClient"),
    FiltreDemandes(type="saisirReseau"),
    FiltreDemandes(type="saisirReseau", statut=EXECUTEE),
    FiltreDemandes(type="saisirClient", statut=SAISIE),
    FiltreDemandes(objet_type="CLIENT", objet_id="CLI-7"),
    FiltreDemandes(objet_id="CLI-8"),
    FiltreDemandes(objet_type="MEMBRE"),
    FiltreDemandes(saisie_par="often"),
    FiltreDemandes(saisie_par="rare"),
    FiltreDemandes(a_valider=True),
    FiltreDemandes(date_debut=DAY),
    FiltreDemandes(date_debut=DAY, date_fin=DAY),
    FiltreDemandes(date_fin=DAY, statut=SAISIE),
    FiltreDemandes(date_debut=DAY, date_fin=DAY, saisie_par="often"),
    FiltreDemandes(date_debut=date(2100, 1, 1)),
]


@pytest.mark.parametrize("client", ["CLI-7", "CLI-INCONNU"])
def test_page_of_an_agent_of_one_client_costs_no_more_either(
    large: list[Database], client: str
) -> None:
    def read(connection: Connection) -> None:
        list_demandes(connection, person(client), FiltreDemandes(), limite=LIMITE, curseur=None)
        list_audit(connection, person(client).agent, FiltreAudit(), limite=LIMITE, curseur=None)

    assert cost_of(large, read) <= 2 * LOOKED_AT[large[0].dialect]


@pytest.mark.parametrize("filtre", DEMANDES, ids=_named)
def test_page_of_demandes_costs_no_more_in_a_large_database(
    large: list[Database], filtre: FiltreDemandes
) -> None:
    def read(connection: Connection) -> object:
        return list_demandes(connection, person(), filtre, limite=LIMITE, curseur=None)

    assert cost_of(large, read) <= most(large, filtre)


CARTES = [
    FiltreCartes(numero_carte=f"70{77:014d}"),
    FiltreCartes(carte_id=f"{78:026d}"),
    FiltreCartes(wallet_id=f"{4242:012d}"),
    FiltreCartes(client_id="CLI-0"),
    FiltreCartes(client_id="CLI-7"),
    FiltreCartes(client_id="CLI-0", dernier_quatre="4243"),
    FiltreCartes(client_id="CLI-0", membre_id="M4242"),
    FiltreCartes(client_id="CLI-0", statut=OPPOSITION),
    FiltreCartes(client_id="CLI-0", statut=ANNULEE),
    FiltreCartes(client_id="CLI-0", statut=EMISE),
]
AMONG_ALL = [
    FiltreCartes(client_id="CLI-0", motif_statut="VOLEE"),
    FiltreCartes(client_id="CLI-0", statut=ACTIVE, expire_avant=date(2000, 1, 1)),
    FiltreCartes(client_id="CLI-0", sans_transaction_depuis=date(2000, 1, 1)),
]


@pytest.mark.parametrize("filtre", [*CARTES, *AMONG_ALL], ids=_named)
def test_page_of_cards_costs_no_more_in_a_large_database(
    large: list[Database], filtre: FiltreCartes
) -> None:
    def read(connection: Connection) -> object:
        return search_cartes(connection, None, filtre, limite=LIMITE, curseur=None)

    # Holders, and what replaces what, are looked up besides.
    by_index = 3 * ONE_WAY[large[0].dialect]
    assert cost_of(large, read) <= (
        LOOKED_AT[large[0].dialect] if filtre in AMONG_ALL else by_index
    )


def test_one_card_costs_no_more_in_a_large_database(large: list[Database]) -> None:
    def read(connection: Connection) -> object:
        return find_fiche_carte(connection, None, f"{79:026d}")

    assert cost_of(large, read) <= ONE_WAY[large[0].dialect]


AUDIT = [
    FiltreAudit(),
    FiltreAudit(acteur_id="often"),
    FiltreAudit(acteur_id="rare"),
    FiltreAudit(objet_type="CLIENT"),
    FiltreAudit(objet_type="AGENT"),
    FiltreAudit(objet_type="CLIENT", objet_id="CLI-9"),
    FiltreAudit(action="rare"),
    FiltreAudit(action="saisirClient"),
    FiltreAudit(demande_id=f"{99:026d}"),
    FiltreAudit(request_id="99"),
    FiltreAudit(date_debut=DAY),
    FiltreAudit(date_debut=DAY, date_fin=DAY),
    FiltreAudit(date_debut=DAY, acteur_id="often"),
]


@pytest.mark.parametrize("filtre", AUDIT, ids=_named)
def test_page_of_the_audit_costs_no_more_in_a_large_database(
    large: list[Database], filtre: FiltreAudit
) -> None:
    def read(connection: Connection) -> object:
        return list_audit(connection, None, filtre, limite=LIMITE, curseur=None)

    assert cost_of(large, read) <= most(large, filtre)


CARTE = f"{40:026d}"
"""Of CLI-5, which has some forty."""

OPERATIONS = [
    FiltreOperations(carte_id=CARTE),
    FiltreOperations(carte_id=CARTE, date_debut=DAY, date_fin=DAY + timedelta(days=30)),
    FiltreOperations(client_id="CLI-5"),
    FiltreOperations(client_id="CLI-5", date_fin=DAY),
    FiltreOperations(client_id="CLI-5", type="CREDIT"),
    FiltreOperations(consumer_key="often"),
    FiltreOperations(consumer_key="often", date_debut=DAY, date_fin=DAY),
    FiltreOperations(consumer_key="often", type="CREDIT"),
]


@pytest.mark.parametrize("filtre", OPERATIONS, ids=_named)
def test_page_of_operations_costs_no_more_where_much_was_moved(
    large: list[Database], filtre: FiltreOperations
) -> None:
    def read(connection: Connection) -> object:
        return list_operations(connection, None, filtre, limite=LIMITE, curseur=None)

    assert cost_of(large, read) <= most(large, filtre) + OF_DAYS[large[0].dialect]
