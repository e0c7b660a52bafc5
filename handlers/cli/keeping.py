"""Keeps how a verification ended, for the metrics to tell."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec

from handlers.cli.common import Refused
from handlers.metrics.verifications import keep
from handlers.settings import read_settings

Asked = ParamSpec("Asked")


def keeping_its_end(verification: str) -> Callable[[Callable[Asked, None]], Callable[Asked, None]]:
    """Have a command note in the file of CYNOD_VERIFICATIONS, where one is named, that it ended well or was
    refused. One that was interrupted, or asked wrongly, verified nothing and notes nothing."""

    def decorate(command: Callable[Asked, None]) -> Callable[Asked, None]:
        @functools.wraps(command)
        def run(*args: Asked.args, **kwargs: Asked.kwargs) -> None:
            file = read_settings().verifications
            try:
                command(*args, **kwargs)
            except Refused:
                keep(file, verification, success=False)
                raise
            if not keep(file, verification, success=True):
                raise Refused(
                    f"it ended well, and {file} of CYNOD_VERIFICATIONS cannot be written."
                )

        return run

    return decorate
