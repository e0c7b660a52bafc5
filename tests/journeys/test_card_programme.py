"""Any sequence of what persons and partners may do to cards, against a model in plain Python.

How many are drawn, and how to draw others: as `test_state_machine.py` says.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from models.back_office.moteur import Personne, Saisie, saisir
from models.database.engine import Database
from tests.support.acteurs import TESTEUR
from tests.support.drawing import run_machine
from tests.support.live import serving, settings_for, with_back_office
from tests.support.persons import Bureau, Signer
from tests.support.programme import Programme
from tests.support.world import World

PROFIL = "PRF-PROGRAMME"


@pytest.fixture
def programme(database: Database, signer: Signer) -> Iterator[type[Programme]]:
    """The machine, in a world with a database of its own and three persons."""
    settings = settings_for(database.url.render_as_string(hide_password=False))
    with serving(with_back_office(settings, signer)) as url:
        alone = World(database, url)
        bureau = Bureau(alone, url, signer)
        profil = {"profilId": PROFIL, "nom": "Programme", "prefixe": "70198009"}
        with alone.writing() as connection:
            saisir(connection, Personne(TESTEUR), Saisie("saisirProfilCarte", "PROFIL", profil))

        class Here(Programme):
            world = alone
            staff = [bureau.agent("SAISIE", "VALIDATION") for _ in range(3)]  # noqa: RUF012
            profil_id = PROFIL

        yield Here
        bureau.close()
        alone.close()


@pytest.mark.timeout(600)
def test_any_sequence_of_changes_and_payments_agrees_with_the_model(
    programme: type[Programme],
) -> None:
    run_machine(programme, seed_=20_261_128, examples=5, steps=30)


@pytest.mark.fuzz
@pytest.mark.timeout(3_600)
def test_any_long_sequence_of_changes_and_payments_agrees_with_the_model(
    programme: type[Programme],
) -> None:
    run_machine(programme, seed_=random.randrange(2**32), examples=300, steps=60)
