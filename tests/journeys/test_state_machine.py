"""Any sequence of calls against a model in plain Python: money, references and refusals agree.

Hypothesis draws the calls. The same seed draws the same ones, so a run tells nothing new until the
product changes; `make fuzz` draws others, for longer. CYNOD_TEST_SEED, CYNOD_TEST_EXAMPLES and
CYNOD_TEST_STEPS replace what is set here.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from models.database.engine import Database
from tests.support.drawing import run_machine
from tests.support.live import serving, settings_for
from tests.support.teller import Teller
from tests.support.world import World


@pytest.fixture
def teller(database: Database) -> Iterator[type[Teller]]:
    """The machine, in a world with a database of its own, so that every row in it is accounted for."""
    with serving(settings_for(database.url.render_as_string(hide_password=False))) as url:
        made = World(database, url)

        class Here(Teller):
            world = made

        yield Here
        made.close()


@pytest.mark.timeout(600)
def test_any_sequence_of_calls_agrees_with_the_model(teller: type[Teller]) -> None:
    run_machine(teller, seed_=20_261_123, examples=12, steps=25)


@pytest.mark.fuzz
@pytest.mark.timeout(3_600)
def test_any_long_sequence_of_calls_agrees_with_the_model(teller: type[Teller]) -> None:
    run_machine(teller, seed_=random.randrange(2**32), examples=400, steps=60)
