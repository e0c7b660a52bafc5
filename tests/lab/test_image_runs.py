"""The image of Containerfile, built and run, on a machine whose root may do that."""

from __future__ import annotations

import subprocess
import sys

from tests.lab.image import ACCOUNT, ROOT, check_possible
from tests.lab.proof.places import NotPossibleHereError
from tests.support.needs import lack
from tests.support.patience import TEST_S


def test_image_is_built_and_serves_as_nobody_and_ends_in_order() -> None:
    try:
        check_possible()
    except NotPossibleHereError as error:
        lack(str(error))
    done = subprocess.run(
        [sys.executable, "-m", "tests.lab.image"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=TEST_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[1:] == [
        "what was copied, compiled, and root's alone",
        f"account {ACCOUNT}",
        "no write but to its own folder",
        "healthy",
        "ended with 0",
    ]
