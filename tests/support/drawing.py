"""Draws examples of a state machine, so that a failure can be drawn again."""

from __future__ import annotations

import os
import sys

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def run_machine(
    machine: type[RuleBasedStateMachine], *, seed_: int, examples: int, steps: int
) -> None:
    """Draw examples of some steps each from a seed, which a failure tells.

    A failure that is drawn again is also made as small as it can be, which takes minutes.
    """
    shrink = "CYNOD_TEST_SEED" in os.environ
    number = int(os.environ.get("CYNOD_TEST_SEED", seed_))
    examples = int(os.environ.get("CYNOD_TEST_EXAMPLES", examples))
    steps = int(os.environ.get("CYNOD_TEST_STEPS", steps))
    drawn = f"CYNOD_TEST_SEED={number} CYNOD_TEST_EXAMPLES={examples} CYNOD_TEST_STEPS={steps}"
    sys.stderr.write(f"{drawn}\n")

    profile = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(seed(number)(machine), settings=profile)
    except BaseException as error:
        error.add_note(f"drawn again by {drawn}")
        raise
