"""docs/roles.sql: a server lives its whole life as a role that can change nothing that is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from handlers.cli.root import cli
from models.database.engine import Database
from models.schema import metadata
from tests.support.acteurs import TESTEUR
from tests.support.plafonds import set_plafond
from tests.support.plays import play_demandes
from tests.support.process import serve
from tests.support.roles import ROLES, Two, two_roles
from tests.support.scene import ALL, Scene
from tests.support.world import PEPPER, World


@pytest.fixture(scope="module")
def two(postgresql_url: str) -> Iterator[Two]:
    """A migrated database of an owner, with the rights of docs/roles.sql."""
    with two_roles(postgresql_url) as made:
        yield made


def _url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


@pytest.mark.only_on("postgresql")
@pytest.mark.usefixtures("backend")
def test_a_server_needs_no_more_than_the_service_role(
    two: Two, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYNOD_DATABASE_URL", _url(two.service))
    with serve(
        folder=tmp_path,
        CYNOD_ENV="production",
        CYNOD_DATABASE_URL=_url(two.service),
        CYNOD_PEPPER=PEPPER.decode(),
    ) as server:
        scene = Scene(World(two.owner, server.url))
        with two.owner.transaction() as connection:
            for type_ in ("CREDIT", "DEBIT"):
                assert set_plafond(
                    connection,
                    TESTEUR,
                    consumer_key=scene.pair.consumer_key,
                    type_=type_,
                    periode="MOIS",
                    montant_maximal=None,
                    nombre_maximal=9,
                )
        for name in ALL:
            answer = scene.call(name).send(scene.caller(name))
            assert answer.status_code == 200, f"{name}: {answer.text}"
        scene.api.post("/debit-carte", json=scene.carte.mouvement(1, "D"))
        undone = {"referenceOrigine": "D", "reference": "D2"}
        assert scene.api.post("/annuler-operation", json=undone).status_code == 200
        for command in ("seal", "verify", "export"):
            done = CliRunner().invoke(cli, ["journal", command])
            assert done.exit_code == 0, done.output
        scene.world.close()
        assert server.stop() == 0


@pytest.mark.only_on("postgresql")
@pytest.mark.usefixtures("backend")
def test_demandes_need_no_more_than_the_service_role(two: Two) -> None:
    play_demandes(two.service)


FORBIDDEN = (
    *(
        statement.format(table, column)
        for table, column in (("operations", "id"), ("ecritures", "id"), ("sceaux", "numero"))
        for statement in (
            "UPDATE {} SET {} = 1",
            "DELETE FROM {}",
            "TRUNCATE {} CASCADE",
            "ALTER TABLE {} DISABLE TRIGGER ALL",
            "DROP TRIGGER {0}_append_only ON {0}",
            "ALTER TABLE {} ADD COLUMN autre TEXT",
            "DROP TABLE {} CASCADE",
            "CREATE TRIGGER autre BEFORE INSERT ON {} EXECUTE FUNCTION cynod_append_only()",
        )
    ),
    "SET session_replication_role = replica",
    (
        "CREATE OR REPLACE FUNCTION cynod_append_only() RETURNS trigger LANGUAGE plpgsql"
        " AS 'BEGIN RETURN NEW; END'"
    ),
    "CREATE TABLE autre (id INTEGER)",
    "SELECT setval('operations_id_seq', 1)",
    *(
        statement.format(table)
        for table in ("audit", "audit_tete")
        for statement in (
            "UPDATE {} SET position = 1, empreinte_precedente = ''",
            "DELETE FROM {}",
            "TRUNCATE {}",
            "ALTER TABLE {} DISABLE TRIGGER ALL",
            "DROP TABLE {} CASCADE",
        )[table == "audit_tete" :]
    ),
    "UPDATE cartes SET numero_carte = '70'",
    "UPDATE cartes SET carte_id = ''",
    "UPDATE cartes SET membre_id = 'M'",
    "DELETE FROM cartes",
    "UPDATE profils_carte SET profil_id = 'P'",
    "DELETE FROM profils_carte",
    "UPDATE partenaires SET consumer_key = ''",
    "UPDATE partenaires SET type = 'INTERNE'",
    "DELETE FROM partenaires",
    "UPDATE codes_retrait SET empreinte = ''",
    "UPDATE secrets SET empreinte = ''",
    "DELETE FROM gestes",
    "UPDATE plafonds SET montant_maximal = NULL",
    "UPDATE comptes SET type = 'CARTE'",
    "UPDATE consommations SET plafond_id = 1",
    "UPDATE alembic_version SET version_num = '0001'",
    "UPDATE demandes SET contenu = '{}'",
    "DELETE FROM demandes",
    "UPDATE validations SET agent_id = 'moi'",
    "DELETE FROM validations",
    "UPDATE agents SET sujet = 'moi'",
    "DELETE FROM agents",
    "UPDATE regles_validation SET minimum = 0",
    "DELETE FROM regles_validation",
)


@pytest.mark.only_on("postgresql")
@pytest.mark.usefixtures("backend")
def test_the_service_role_can_change_nothing_that_is_written(two: Two) -> None:
    allowed = []
    for statement in FORBIDDEN:
        try:
            with two.service.transaction() as connection:
                connection.execute(text(statement))
            allowed.append(statement)
        except DBAPIError as error:
            said = str(error.orig)
            if "permission denied" not in said and "must be owner" not in said:
                allowed.append(f"{statement}: {said}")
    assert allowed == []


def test_every_table_is_thought_of() -> None:
    """Who adds a table says here what the service may do with it."""
    read = re.search(r"GRANT SELECT ON(.*?)TO", ROLES, re.DOTALL)
    assert read is not None
    assert set(re.findall(r"\w+", read[1])) == {*metadata.tables, "alembic_version"}
