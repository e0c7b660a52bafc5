"""Many commands of `cynod` in one process, whose start costs more than most of them."""

from __future__ import annotations

import contextlib
import io
import json
import sys

from handlers.cli.root import cli


def run_each() -> None:
    """Run the commands that the input holds, as JSON, instead of one of its own; a line of JSON says what
    each printed. The first that fails is the last."""
    for arguments in json.load(sys.stdin):
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            code = cli(arguments, standalone_mode=False)
        if code:
            sys.exit(f"{arguments}: {code}")
        print(json.dumps(said.getvalue()))  # noqa: T201 - its answer
    sys.exit()
