"""Migrations: up, down, up again, and a schema that is the models', on both databases."""

from __future__ import annotations

import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, insert, inspect, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from models import migrate
from models.base import now
from models.books.verification import verify
from models.carte import cartes
from models.database.engine import Database
from models.errors import ReferenceDejaUtilisee, ServiceIndisponible
from models.journal.reference import Details
from models.membre import Membre, create_membre, find_of_wallet
from models.mouvement import CarteDesignee, Demande, debiter
from models.operation import Operation, operations
from models.partenaire import Partenaire, partenaires
from models.plafond import consommations
from models.schema import metadata
from tests.models.conftest import NewDatabase
from tests.support.world import World


def _as_dict(rows: list[Any], *, without: str = "") -> dict[str, Any]:
    return {
        str(row["name"]): {key: _as_text(value) for key, value in row.items() if key != without}
        for row in rows
    }


def _as_text(value: Any) -> str:
    """What a partial index is of is an object, which says its words by itself alone."""
    if isinstance(value, dict):
        return str({key: str(one) for key, one in value.items()})
    return str(value)


def describe(connection: Connection) -> dict[str, Any]:
    """Everything that the database says of its tables, Alembic's own left out."""
    inspector = inspect(connection)
    return {
        table: {
            "columns": _as_dict(inspector.get_columns(table)),
            "primary key": str(inspector.get_pk_constraint(table)),
            "checks": _as_dict(inspector.get_check_constraints(table)),
            "uniques": _as_dict(inspector.get_unique_constraints(table)),
            "foreign keys": _as_dict(inspector.get_foreign_keys(table)),
            "indexes": _as_dict(inspector.get_indexes(table)),
        }
        for table in inspector.get_table_names()
        if table != "alembic_version"
    }


def triggers(connection: Connection) -> list[str]:
    """The names of triggers and functions that a migration made."""
    if connection.dialect.name == "sqlite":
        statement = "SELECT name FROM sqlite_master WHERE type IN ('trigger', 'view')"
    else:
        statement = (
            "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal"
            " UNION ALL SELECT proname FROM pg_proc p JOIN pg_namespace n"
            " ON n.oid = p.pronamespace WHERE n.nspname = 'public'"
        )
    return sorted(connection.scalars(text(statement)))


def test_down_leaves_nothing_even_of_money_and_up_again_is_the_same(
    new_database: NewDatabase,
) -> None:
    database = new_database()
    with database.reading() as connection:
        assert not inspect(connection).get_table_names()
        assert not migrate.is_current(connection)
    assert migrate.upgrade(database)
    with database.reading() as connection:
        assert migrate.is_current(connection)
        first, first_triggers = describe(connection), triggers(connection)
    assert first_triggers
    assert not migrate.upgrade(database), "nothing is left to do"
    world = World(database, "")
    world.partenaire([world.carte(10_000).membre.client_id])
    assert migrate.downgrade(database, "base")
    with database.reading() as connection:
        assert describe(connection) == {}
        assert triggers(connection) == []
        assert not migrate.is_current(connection)
    assert migrate.upgrade(database)
    with database.reading() as connection:
        assert describe(connection) == first
        assert triggers(connection) == first_triggers
        assert migrate.is_current(connection)


def test_upgrades_at_once_wait_for_each_other(new_database: NewDatabase) -> None:
    database = new_database()
    with ThreadPoolExecutor(4) as pool:
        changed = list(pool.map(lambda _: migrate.upgrade(database), range(4)))
    assert sorted(changed) == [False, False, False, True]
    with database.reading() as connection:
        assert migrate.is_current(connection)


def test_migration_that_fails_leaves_nothing(
    new_database: NewDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema changes in one transaction on both databases."""
    database = new_database()

    def fail(_connection: Connection) -> None:
        raise RuntimeError("the power went away")

    with monkeypatch.context() as patched:
        patched.setattr(migrate, "current_revision", _after_the_first(fail))
        with pytest.raises(RuntimeError):
            migrate.upgrade(database)
    with database.reading() as connection:
        assert not inspect(connection).get_table_names()
        assert triggers(connection) == []
    assert migrate.upgrade(database)


def _after_the_first(fail: Callable[[Connection], None]) -> Callable[[Connection], None]:
    calls: list[int] = []

    def current_revision(connection: Connection) -> None:
        if calls:
            fail(connection)
        calls.append(1)

    return current_revision


def test_alembic_finds_no_difference_between_models_and_migrations(
    shared_database: Database,
) -> None:
    with shared_database.reading() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        missing = compare_metadata(context, metadata)
    assert missing == [], (
        "models/ says what no migration of models/migrations/versions/ does; write a migration: `cynod "
        f'contract new OPERATION --migration "WORDS" --column TABLE.NAME:TYPE` begins it. {missing}'
    )


def test_migrated_schema_is_the_models_to_the_last_check(
    shared_database: Database, new_database: NewDatabase
) -> None:
    """Alembic compares no CHECK; the databases' own descriptions hold every word of them."""
    created = new_database()
    with created.transaction() as connection:
        metadata.create_all(connection)
    with shared_database.reading() as one, created.reading() as other:
        assert describe(one) == describe(other)


def test_every_constraint_has_a_name_of_the_convention() -> None:
    for table in metadata.tables.values():
        for constraint in table.constraints:
            assert str(constraint.name).startswith(("ck_", "uq_", "fk_", "pk_")), table.name


def test_other_revision_is_not_current(shared_database: Database) -> None:
    with shared_database.engine.connect() as connection:
        transaction = connection.begin()
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
        assert not migrate.is_current(connection)
        with pytest.raises(ServiceIndisponible):
            migrate.check_current(connection)
        transaction.rollback()
    with shared_database.reading() as connection:
        assert migrate.is_current(connection)


# ── from one version to the next, with money ─────────────────────────────────────────────────────
OLD_ROWS = (
    "INSERT INTO clients (client_id, nom) VALUES ('C1', 'Client')",
    (
        "INSERT INTO comptes (id, type, unite) VALUES (1, 'OUVERTURE', 'FCFA'),"
        " (2, 'CARTE', 'FCFA'), (3, 'REGLEMENT', 'FCFA')"
    ),
    (
        "INSERT INTO partenaires (id, nom, consumer_key, compte_id, scopes, cree_le)"
        " VALUES (1, 'P', 'key', 3, 'x', '2026-01-01 00:00:00')"
    ),
    (
        "INSERT INTO membres (client_id, membre_id, nom, prenom, telephone, wallet_id)"
        " VALUES ('C1', 'M1', 'N', 'P', '', 'W1')"
    ),
    (
        "INSERT INTO cartes (id, numero_carte, client_id, membre_id, compte_id, fin_validite, statut,"
        " unite, solde, version, date_solde) VALUES (1, '7019800000000001', 'C1', 'M1', 2,"
        " '2030-01-01', 'ACTIVE', 'FCFA', 900, 2, '2026-01-02 00:00:00')"
    ),
    (
        "INSERT INTO operations (id, numero_operation, type, statut, carte_id, montant, unite,"
        " date_operation) VALUES (1, '01', 'OUVERTURE', 'EXECUTEE', 1, 1000, 'FCFA',"
        " '2026-01-01 00:00:00')"
    ),
    (
        "INSERT INTO operations (id, numero_operation, partenaire_id, reference, empreinte, type,"
        " statut, carte_id, montant, unite, motif, point_de_service, date_operation) VALUES"
        " (2, '02', 1, 'R', :empreinte, 'DEBIT', 'EXECUTEE', 1, 100, 'FCFA', 'pain', 'S-1',"
        " '2026-01-02 00:00:00')"
    ),
    (
        "INSERT INTO ecritures (id, operation_id, compte_debit, compte_credit, montant, unite,"
        " version_debit, version_credit, solde_debit, solde_credit) VALUES"
        " (1, 1, 1, 2, 1000, 'FCFA', NULL, 1, NULL, 1000), (2, 2, 2, 3, 100, 'FCFA', 2, NULL, 900, NULL)"
    ),
)
"""What version 0001 can hold: a card of 1,000 francs that spent 100."""

DEMANDE = Demande(
    CarteDesignee("7019800000000001", "W1", "C1"), 100, "R", Details("pain", "S-1", None)
)
"""The request of that spending."""

EMPREINTES = {
    "0001": "794622c50702bf831f138df01aaadbb5ba612fe839d62ae180ff68dbe374ac0d",
    "0002": "65ffa958f2034981e7cba298fef41ac26df2f3a30989fe6d6d438bafea1bbe55",
}
"""What the code of each schema stored as its hash, before it stored the shape's number too."""


def _fill(database: Database, empreinte: str) -> None:
    with database.transaction() as connection:
        for statement in OLD_ROWS:
            connection.execute(text(statement), {"empreinte": bytes.fromhex(empreinte)})


@pytest.fixture
def old_database(new_database: NewDatabase) -> Database:
    """A database of version 0001 with money in it."""
    database = new_database()
    migrate.upgrade(database, "0001")
    _fill(database, EMPREINTES["0001"])
    return database


def money(connection: Connection) -> list[tuple[Any, ...]]:
    """The columns of version 0001 of operations and ecritures."""
    return [
        tuple(row)
        for statement in (
            (
                "SELECT id, numero_operation, partenaire_id, reference, type, statut, carte_id, montant,"
                " unite, motif, CAST(date_operation AS VARCHAR) FROM operations ORDER BY id"
            ),
            "SELECT * FROM ecritures ORDER BY id",
        )
        for row in connection.execute(text(statement))
    ]


def test_upgrade_keeps_the_money_and_its_guards(
    old_database: Database, new_database: NewDatabase
) -> None:
    with old_database.reading() as connection:
        before = money(connection)
    assert migrate.upgrade(old_database)
    fresh = new_database()
    migrate.upgrade(fresh)
    with old_database.reading() as connection, fresh.reading() as other:
        assert money(connection) == before
        assert describe(connection) == describe(other)
        assert triggers(connection) == triggers(other)
        report = verify(connection)
    assert (report.operations, report.faults) == (2, [])
    for statement in ("DELETE FROM operations", "UPDATE operations SET montant = 1"):
        with (
            pytest.raises(DBAPIError, match="append-only"),
            old_database.transaction() as connection,
        ):
            connection.execute(text(statement))
    if old_database.dialect == "sqlite":
        with old_database.transaction() as connection:
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_downgrade_gives_the_old_version_back(old_database: Database) -> None:
    with old_database.reading() as connection:
        before, schema, guards = money(connection), describe(connection), triggers(connection)
    migrate.upgrade(old_database)
    assert migrate.downgrade(old_database, "0001")
    with old_database.reading() as connection:
        assert money(connection) == before
        assert describe(connection) == schema
        assert triggers(connection) == guards


def test_downgrade_that_would_lose_an_operation_is_refused(old_database: Database) -> None:
    migrate.upgrade(old_database)
    with old_database.transaction() as connection:
        connection.execute(
            text(
                "INSERT INTO operations (id, numero_operation, partenaire_id, reference, type,"
                " statut, date_operation)"
                " VALUES (3, '03', 1, 'CLOSED', 'CLOTURE', 'CLOTUREE', '2026-01-03 00:00:00')"
            )
        )
    with old_database.reading() as connection:
        before, schema, guards = money(connection), describe(connection), triggers(connection)
    with pytest.raises(IntegrityError):
        migrate.downgrade(old_database, "0001")
    with old_database.reading() as connection:
        assert migrate.is_current(connection)
        assert money(connection) == before
        assert describe(connection) == schema
        assert triggers(connection) == guards


# ── a repetition, from one version to the next ───────────────────────────────────────────────────
@pytest.mark.parametrize("schema", sorted(EMPREINTES))
def test_a_request_repeated_after_an_upgrade_has_its_first_answer(
    new_database: NewDatabase, schema: str
) -> None:
    database = new_database()
    migrate.upgrade(database, schema)
    _fill(database, EMPREINTES[schema])
    migrate.upgrade(database)
    partenaire = Partenaire(1, "P", "key", 3, frozenset(), (), 0)
    with database.transaction() as connection:
        connection.execute(text("INSERT INTO acces (partenaire_id, client_id) VALUES (1, 'C1')"))
        assert debiter(connection, partenaire, DEMANDE) == Operation(
            "R",
            "02",
            "DEBIT",
            "EXECUTEE",
            "7019800000000001",
            100,
            "FCFA",
            900,
            datetime(2026, 1, 2, tzinfo=UTC),
            motif="pain",
            point_de_service="S-1",
            replayed=True,
        )
        for other in (
            DEMANDE._replace(montant=101),
            DEMANDE._replace(details=Details("pain", None, "S-1")),
            DEMANDE._replace(carte=DEMANDE.carte._replace(wallet_id="W2")),
        ):
            with pytest.raises(ReferenceDejaUtilisee):
                debiter(connection, partenaire, other)


# ── limits that counted what was reversed, or missed what escaped them ────────────────────────────
LIMITED_ROWS = (
    "UPDATE cartes SET plafonnee = 1, solde = 880, version = 5",
    "UPDATE partenaires SET plafonne = 1",
    (
        "INSERT INTO operations (id, numero_operation, partenaire_id, reference, type, statut, carte_id,"
        " annulation_de, montant, unite, date_operation) VALUES"
        " (3, '03', 1, 'S', 'DEBIT', 'EXECUTEE', 1, NULL, 70, 'FCFA', CURRENT_TIMESTAMP),"
        " (4, '04', 1, 'T', 'DEBIT', 'EXECUTEE', 1, NULL, 20, 'FCFA', CURRENT_TIMESTAMP),"
        " (5, '05', 1, 'A', 'ANNULATION', 'EXECUTEE', 1, 3, 70, 'FCFA', CURRENT_TIMESTAMP)"
    ),
    (
        "INSERT INTO ecritures (id, operation_id, compte_debit, compte_credit, montant, unite,"
        " version_debit, version_credit, solde_debit, solde_credit) VALUES"
        " (3, 3, 2, 3, 70, 'FCFA', 3, NULL, 830, NULL), (4, 4, 2, 3, 20, 'FCFA', 4, NULL, 810, NULL),"
        " (5, 5, 3, 2, 70, 'FCFA', NULL, 5, NULL, 880)"
    ),
    (
        "INSERT INTO plafonds (id, carte_id, partenaire_id, type, periode, montant_maximal, cree_le)"
        " VALUES (1, 1, NULL, 'DEBIT', 'JOUR', 1000, '2026-01-01 00:00:00'),"
        " (2, NULL, 1, 'DEBIT', 'MOIS', 1000, '2026-01-01 00:00:00'),"
        " (3, 1, NULL, 'CREDIT', 'JOUR', 1000, '2026-01-01 00:00:00')"
    ),
)
"""Two debits of today, one of them reversed."""


def test_upgrade_counts_again_what_limits_have_counted(new_database: NewDatabase) -> None:
    """The first limit counted what was reversed, the second missed what escaped it."""
    database = new_database()
    migrate.upgrade(database, "0002")
    _fill(database, EMPREINTES["0002"])
    today = now().date()
    first, past = today.replace(day=1), date(2026, 1, 1)
    with database.transaction() as connection:
        for statement in LIMITED_ROWS:
            connection.execute(text(statement))
        for limit, debut, montant, nombre in (
            (1, today, 90, 2),
            (1, past, 5, 1),
            (2, first, 0, 0),
            (3, today, 0, 0),
        ):
            connection.execute(
                insert(consommations).values(
                    plafond_id=limit, debut=debut, montant=montant, nombre=nombre
                )
            )
    assert migrate.upgrade(database)
    with database.reading() as connection:
        counted = connection.execute(
            select(consommations).order_by(consommations.c.plafond_id, consommations.c.debut)
        ).all()
        assert verify(connection).faults == []
    assert [tuple(row) for row in counted] == [
        (1, past, 5, 1),
        (1, today, 20, 1),
        (2, first, 20, 1),
        (3, today, 0, 0),
    ]


def test_partners_that_were_there_keep_basic_and_their_secrets_get_names(
    new_database: NewDatabase,
) -> None:
    database = new_database()
    migrate.upgrade(database, "0006")
    with database.transaction() as connection:
        for statement in (
            "INSERT INTO comptes (id, type, unite) VALUES (70, 'REGLEMENT', 'FCFA')",
            (
                "INSERT INTO partenaires (id, nom, consumer_key, compte_id, scopes, cree_le)"
                " VALUES (7, 'P', 'key', 70, 'soldes:lire', '2026-01-01 00:00:00')"
            ),
        ):
            connection.execute(text(statement))
        for number in (3, 12):
            connection.execute(
                text(
                    "INSERT INTO secrets (id, partenaire_id, empreinte, cree_le)"
                    " VALUES (:id, 7, :empreinte, '2026-01-01 00:00:00')"
                ),
                {"id": number, "empreinte": bytes(32)},
            )
    assert migrate.upgrade(database)
    with database.reading() as connection:
        basic = connection.scalar(text("SELECT basic_autorise FROM partenaires"))
        named = connection.execute(text("SELECT secret_id, fin4 FROM secrets ORDER BY id")).all()
    assert basic == 1
    assert [tuple(row) for row in named] == [(f"{3:026d}", None), (f"{12:026d}", None)]
    with database.transaction() as connection:
        connection.execute(
            text("UPDATE secrets SET revoque_le = '2026-01-02 00:00:00' WHERE id = 3")
        )
    with pytest.raises(ValueError, match="1 revoked secrets would open something again"):
        migrate.downgrade(database, "0006")
    with database.reading() as connection:
        assert migrate.is_current(connection)


# ── réseaux and wallets that were there ──────────────────────────────────────────────────────────
TEXTS = {
    "C1": "RES-1",
    "C2": "RES-1",
    "C3": "Réseau du Nord",
    "C4": "Reseau du Nord",
    "C5": "",
    "C6": None,
}
WALLETS = {"M1": "221770000001", "M2": "221770000001", "M3": "221770000003"}


@pytest.fixture
def with_texts(new_database: NewDatabase) -> Database:
    """A database of version 0008: clients with a text for a réseau, membres of whom two share a wallet."""
    database = new_database()
    migrate.upgrade(database, "0008")
    with database.transaction() as connection:
        for client_id, texte in TEXTS.items():
            connection.execute(
                text(
                    "INSERT INTO clients (client_id, nom, reseau) VALUES (:id, 'Éléphant', :texte)"
                ),
                {"id": client_id, "texte": texte},
            )
        for membre_id, wallet_id in WALLETS.items():
            connection.execute(
                text(
                    "INSERT INTO membres (client_id, membre_id, wallet_id, nom)"
                    " VALUES ('C1', :id, :wallet, 'N')"
                ),
                {"id": membre_id, "wallet": wallet_id},
            )
    return database


def test_texts_become_reseaux_and_shared_wallets_stay(with_texts: Database) -> None:
    assert migrate.upgrade(with_texts)
    with with_texts.reading() as connection:
        placed = connection.execute(
            text("SELECT client_id, reseau_id, cle_nom, nombre_membres FROM clients ORDER BY id")
        ).all()
        named = connection.execute(
            text("SELECT reseau_id, nom, nombre_clients FROM reseaux ORDER BY reseau_id")
        ).all()
        shared = connection.scalars(
            text("SELECT membre_id FROM membres WHERE wallet_partage = 1 ORDER BY id")
        ).all()
    assert [tuple(row) for row in placed] == [
        ("C1", "RES-1", "elephant", 3),
        ("C2", "RES-1", "elephant", 0),
        ("C3", "Reseau-du-Nord-1", "elephant", 0),
        ("C4", "Reseau-du-Nord", "elephant", 0),
        ("C5", "RES-2", "elephant", 0),
        ("C6", None, "elephant", 0),
    ]
    assert sorted(map(tuple, named)) == [
        ("RES-1", "RES-1", 2),
        ("RES-2", "RES-2", 1),
        ("Reseau-du-Nord", "Reseau du Nord", 1),
        ("Reseau-du-Nord-1", "Réseau du Nord", 1),
    ]
    assert shared == ["M1", "M2"]
    for wallet_id in ("221770000001", "221770000003"):
        membre = Membre("C1", "M4", wallet_id)
        with with_texts.transaction() as connection:
            assert find_of_wallet(connection, "C1", wallet_id) in WALLETS
            if wallet_id == "221770000003":
                assert not create_membre(connection, membre)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE clients SET statut = 'SUSPENDU' WHERE client_id = 'C1'",
        "UPDATE membres SET statut = 'CLOS' WHERE membre_id = 'M1'",
        "UPDATE clients SET ninea = '1' WHERE client_id = 'C1'",
        "UPDATE reseaux SET nom = 'RES-1'",
    ],
)
def test_downgrade_that_would_forget_what_a_client_is_is_refused(
    with_texts: Database, statement: str
) -> None:
    migrate.upgrade(with_texts)
    with with_texts.transaction() as connection:
        connection.execute(text(statement))
    with pytest.raises(ValueError, match="version 0008 has no place for"):
        migrate.downgrade(with_texts, "0008")
    with with_texts.reading() as connection:
        assert migrate.is_current(connection)


# ── cards that were there ────────────────────────────────────────────────────────────────────────
OF_LIVES = "statut, motif_statut, statut_avant_opposition, oppose_par, plafonnee, solde, version"


@pytest.fixture
def with_cards(old_database: Database) -> Database:
    """A database of version 0009: a card that was opened and moved, one that never moved, one that a partner
    has blocked."""
    migrate.upgrade(old_database, "0009")
    with old_database.transaction() as connection:
        for number, statut in ((2, "ACTIVE"), (3, "OPPOSITION")):
            compte = "INSERT INTO comptes (id, type, unite) VALUES (:id, 'CARTE', 'FCFA')"
            connection.execute(text(compte), {"id": number + 10})
            connection.execute(
                text(
                    "INSERT INTO cartes (id, numero_carte, client_id, membre_id, compte_id, fin_validite,"
                    " statut, unite, date_solde) VALUES (:id, :numero, 'C1', 'M1', :compte, '2030-01-01',"
                    " :statut, 'FCFA', '2026-01-03 00:00:00')"
                ),
                {"id": number, "numero": f"701980000000000{number}", "compte": number + 10, "statut": statut},
            )  # fmt: skip
        connection.execute(
            text(
                "UPDATE cartes SET motif_statut = 'PERDUE', statut_avant_opposition = 'ACTIVE',"
                " oppose_par = 1, etat_version = 4, plafonnee = 1 WHERE id = 3"
            )
        )
    return old_database


def lives(connection: Connection) -> list[tuple[Any, ...]]:
    """What version 0009 says of cards."""
    rows = connection.execute(
        text(f"SELECT id, numero_carte, {OF_LIVES}, etat_version FROM cartes ORDER BY id")
    )
    return [tuple(row) for row in rows]


def test_cards_that_were_there_get_names_and_the_days_that_are_known(with_cards: Database) -> None:
    with with_cards.reading() as connection:
        before = lives(connection)
    assert migrate.upgrade(with_cards)
    with with_cards.reading() as connection:
        after = lives(connection)
        told = connection.execute(
            select(
                *cartes.c["carte_id", "emise_le", "activee_le", "dernier_quatre", "remplace_id"]
            ).order_by(cartes.c.id)
        ).all()
    assert [row[:-1] for row in after] == [row[:-1] for row in before]
    assert [row[-1] for row in after] == [1, 1, 5], "a version begins at 1"
    names = [row.carte_id for row in told]
    assert all(re.fullmatch(r"0{10}[0-9A-F]{16}", one) for one in names)
    assert len(set(names)) == 3
    opened, moved = (datetime(2026, 1, day, tzinfo=UTC) for day in (1, 3))
    assert [tuple(row)[1:] for row in told] == [
        (opened, opened, "0001", None),
        (moved, moved, "0002", None),
        (moved, None, "0003", None),
    ]
    with with_cards.reading() as connection:
        schema = describe(connection)
    assert migrate.downgrade(with_cards, "0009")
    with with_cards.reading() as connection:
        assert lives(connection) == before
    assert migrate.upgrade(with_cards)
    with with_cards.reading() as connection:
        assert describe(connection) == schema


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cartes SET statut = 'EMISE' WHERE id = 2",
        "UPDATE cartes SET statut_avant_opposition = 'EMISE' WHERE id = 3",
        "UPDATE cartes SET remplace_id = 3 WHERE id = 2",
        (
            "INSERT INTO profils_carte (profil_id, nom, unite, validite_mois, prefixe, plafonds,"
            " hors_ligne_autorise, statut, cree_le)"
            " VALUES ('P', 'P', 'FCFA', 12, '701980', '[]', 0, 'ACTIF', '2026-01-01 00:00:00')"
        ),
    ],
)
def test_downgrade_that_would_forget_what_a_card_is_is_refused(
    with_cards: Database, statement: str
) -> None:
    migrate.upgrade(with_cards)
    with with_cards.transaction() as connection:
        connection.execute(text(statement))
    with pytest.raises(ValueError, match="version 0009 has no place for 1"):
        migrate.downgrade(with_cards, "0009")
    with with_cards.reading() as connection:
        assert migrate.is_current(connection)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE cartes SET statut = 'EMISE' WHERE id = 1",
        "UPDATE cartes SET remplace_id = 1",
        "UPDATE cartes SET carte_id = '1'",
        "UPDATE cartes SET statut = 'PERDUE'",
    ],
)
def test_a_card_that_cannot_be_is_refused_by_the_database(
    with_cards: Database, statement: str
) -> None:
    """One with money was active, a card has one replacement at a time, a name is one card's."""
    migrate.upgrade(with_cards)
    with pytest.raises(IntegrityError), with_cards.transaction() as connection:
        connection.execute(text(statement))


# ── what demandes move ───────────────────────────────────────────────────────────────────────────
BY_DEMANDE = (
    (
        "INSERT INTO demandes (demande_id, type, statut, reference, objet_type, contenu, empreinte,"
        " validations_requises, forte, meme_personne, saisie_par_type, saisie_par_id, saisie_par_nom,"
        " saisie_le, expire_le, traitee_le, resultat) VALUES ('D', 'corrigerSoldeOuverture',"
        " 'EXECUTEE', 'R', 'FONDS', '{}', '', 0, 1, 0, 'CLI', 'CLI:root', 'root',"
        " '2026-01-03 00:00:00', '2026-01-04 00:00:00', '2026-01-03 00:00:00', '{}')"
    ),
    (
        "INSERT INTO operations (id, numero_operation, type, statut, carte_id, montant, unite,"
        " demande_id, date_operation) VALUES (3, '03', 'CORRECTION_OUVERTURE', 'EXECUTEE', 1, 5,"
        " 'FCFA', 'D', '2026-01-03 00:00:00')"
    ),
)


@pytest.fixture
def with_demande(old_database: Database) -> Database:
    """A database with money, some of which a demande has moved."""
    migrate.upgrade(old_database)
    with old_database.transaction() as connection:
        for statement in BY_DEMANDE:
            connection.execute(text(statement))
    return old_database


def test_downgrade_that_would_forget_what_a_demande_moved_is_refused(
    with_demande: Database,
) -> None:
    with with_demande.reading() as connection:
        before = money(connection)
    with pytest.raises(IntegrityError):
        migrate.downgrade(with_demande, "0010")
    with with_demande.reading() as connection:
        assert migrate.is_current(connection)
        assert money(connection) == before


@pytest.mark.parametrize(
    "columns",
    [
        {"type": "CORRECTION_OUVERTURE"},
        {"type": "CORRECTION_OUVERTURE", "demande_id": "D"},
        {"type": "CORRECTION_OUVERTURE", "demande_id": "none"},
        {"type": "TRANSFERT_SPECIAL", "demande_id": "D"},
        {"type": "OUVERTURE", "demande_id": "D"},
        {"type": "DEBIT", "partenaire_id": 1, "reference": "R2", "demande_id": "D"},
    ],
)
def test_an_operation_of_a_demande_that_cannot_be_is_refused_by_the_database(
    with_demande: Database, columns: dict[str, Any]
) -> None:
    """It names a demande that there is, which has moved nothing else; and no other operation names one."""
    row = {
        "numero_operation": "04",
        "statut": "EXECUTEE",
        "carte_id": 1,
        "montant": 5,
        "unite": "FCFA",
    }
    values = {**row, **columns, "date_operation": now()}
    with pytest.raises(IntegrityError), with_demande.transaction() as connection:
        connection.execute(insert(operations).values(values))


# ── partners that were there ─────────────────────────────────────────────────────────────────────
PARTENAIRES = {
    "bank": ("soldes:lire", "", None),
    "listed": ("soldes:lire cartes:lire", "192.0.2.0/24 ::1/128", None),
    "machine": ("base-core:lire base-core:saisir", "", None),
    "gone": ("soldes:lire", "192.0.2.1/32", "2026-01-02 00:00:00"),
}
"""Their scopes, their addresses, and since when they are revoked."""


@pytest.fixture
def with_partenaires(new_database: NewDatabase) -> Database:
    """A database of version 0011 with partners of each kind."""
    database = new_database()
    migrate.upgrade(database, "0011")
    with database.transaction() as connection:
        for number, (key, (scopes, adresses, revoque_le)) in enumerate(PARTENAIRES.items(), 1):
            compte = {"id": 70 + number}
            connection.execute(
                text("INSERT INTO comptes (id, type, unite) VALUES (:id, 'REGLEMENT', 'FCFA')"),
                compte,
            )
            connection.execute(
                insert(partenaires).values(
                    id=number, nom=key, consumer_key=key, compte_id=70 + number, scopes=scopes,
                    adresses=adresses, cree_le=now(),
                    revoque_le=revoque_le and datetime.fromisoformat(revoque_le).replace(tzinfo=UTC),
                )
            )  # fmt: skip
    return database


def test_partners_that_were_there_are_what_they_were(with_partenaires: Database) -> None:
    with with_partenaires.reading() as connection:
        before = describe(connection)
    assert migrate.upgrade(with_partenaires)
    columns = "consumer_key, type, statut, mode_adresses, adresses, version"
    with with_partenaires.reading() as connection:
        found = connection.execute(text(f"SELECT {columns} FROM partenaires ORDER BY id")).all()
    assert [tuple(row) for row in found] == [
        ("bank", "EXTERNE", "ACTIF", "LIBRE", "", 1),
        ("listed", "EXTERNE", "ACTIF", "APPLIQUER", "192.0.2.0/24 ::1/128", 1),
        ("machine", "INTERNE", "ACTIF", "LIBRE", "", 1),
        ("gone", "EXTERNE", "REVOQUE", "APPLIQUER", "192.0.2.1/32", 1),
    ]
    assert migrate.downgrade(with_partenaires, "0011")
    with with_partenaires.reading() as connection:
        assert describe(connection) == before
        kept = connection.scalars(text("SELECT adresses FROM partenaires ORDER BY id")).all()
    assert kept == [adresses for _, adresses, _ in PARTENAIRES.values()]


FORGOTTEN = {
    "statut = 'SUSPENDU' WHERE id = 1": "1 suspended partners, who could call again",
    "mode_adresses = 'OBSERVER' WHERE id = 2": "1 partners whose list of addresses is not applied",
    "contact_email = 'it@exemple.sn' WHERE id = 1": "1 partners with a contact",
}
AS_BEFORE = "statut = 'ACTIF', mode_adresses = 'LIBRE', contact_email = '' WHERE id < 4"
IMPOSSIBLE = (
    *("statut = 'REVOQUE'", "revoque_le = cree_le", "mode_adresses = 'APPLIQUER'"),
    *("type = 'AUTRE'", "statut = 'AUTRE'", "version = 0"),
)


def test_partner_that_one_of_the_versions_cannot_say_is_refused(
    with_partenaires: Database,
) -> None:
    def change(what: str) -> None:
        with with_partenaires.transaction() as connection:
            connection.execute(text(f"UPDATE partenaires SET {what}"))

    migrate.upgrade(with_partenaires)
    for what in IMPOSSIBLE:
        with pytest.raises(IntegrityError):
            change(f"{what} WHERE id = 1")
    change("adresses = '', mode_adresses = 'LIBRE' WHERE id = 2")
    for what, told in FORGOTTEN.items():
        change(AS_BEFORE)
        change("adresses = '192.0.2.0/24', mode_adresses = 'APPLIQUER' WHERE id = 2")
        change(what)
        with pytest.raises(ValueError, match=told):
            migrate.downgrade(with_partenaires, "0011")
    with with_partenaires.reading() as connection:
        assert migrate.is_current(connection)
