"""Any sequence of calls against a model in plain Python: money, references and refusals agree.

Hypothesis draws the calls. The same seed draws the same ones, so a run tells nothing new until the
product changes; `make fuzz` draws others, for longer. CYNOD_TEST_SEED, CYNOD_TEST_EXAMPLES and
CYNOD_TEST_STEPS replace what is set here.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from models.database.engine import Database
from tests.support.live import serving, settings_for
from tests.support.teller import Teller
from tests.support.world import World


@pytest.fixture
def alone(database: Database) -> Iterator[World]:
    """A world with a database of its own, so that every row in it is accounted for."""
    with serving(settings_for(database.url.render_as_string(hide_password=False))) as url:
        made = World(database, url)
        yield made
        made.close()


def run(world: World, *, seed_: int, examples: int, steps: int) -> None:
    """Draw examples of some steps each from a seed, which a failure tells.

    A failure that is drawn again is also made as small as it can be, which takes minutes.
    """
    shrink = "CYNOD_TEST_SEED" in os.environ
    number = int(os.environ.get("CYNOD_TEST_SEED", seed_))
    examples = int(os.environ.get("CYNOD_TEST_EXAMPLES", examples))
    steps = int(os.environ.get("CYNOD_TEST_STEPS", steps))
    drawn = f"CYNOD_TEST_SEED={number} CYNOD_TEST_EXAMPLES={examples} CYNOD_TEST_STEPS={steps}"
    sys.stderr.write(f"{drawn}\n")

    class Here(Teller):
        pass

    Here.world = world
    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(Here), settings=profile)
    except BaseException as error:
        error.add_note(f"drawn again by {drawn}")
        raise


@pytest.mark.timeout(600)
def test_any_sequence_of_calls_agrees_with_the_model(alone: World) -> None:
    run(alone, seed_=20_261_123, examples=12, steps=25)


@pytest.mark.fuzz
@pytest.mark.timeout(3_600)
def test_any_long_sequence_of_calls_agrees_with_the_model(alone: World) -> None:
    run(alone, seed_=random.randrange(2**32), examples=400, steps=60)
