"""What all commands share: one sentence for a refusal, signals, scopes, questions.

Nothing here asks the database, nor imports what does: `cynod --version` should not wait for it.
"""

from __future__ import annotations

import contextlib
import re
import signal
import sys
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import FrameType
from typing import Any

import click

from handlers.contract.model import ContractError, Json
from handlers.contract.reading import read_document
from handlers.contract.scopes import declared_scopes
from handlers.contract.surface import PARTENAIRE, Surface
from handlers.settings import Settings, SettingsError, find_unknown_variables


class Refused(click.ClickException):
    """A command cannot do what is asked. Says so in one sentence on stderr; exit code 1."""

    def show(self, file: Any = None) -> None:
        """Write `cynod: sentence`."""
        click.echo(f"cynod: {self.format_message()}", file=file or sys.stderr)


class Interrupted(Refused):
    """Ctrl-C ended a command. Says what was not done; the exit code is the one of shells."""

    exit_code = 128 + signal.SIGINT


class Ended(Refused):
    """SIGTERM did."""

    exit_code = 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: what was begun is undone, what is hidden removed."""


@contextlib.contextmanager
def undone_when_interrupted(sentence: str) -> Iterator[None]:
    """Say what was not done when a signal ends the block, which changes all or nothing."""
    try:
        yield
    except Terminated:
        raise Ended(f"interrupted: {sentence}.") from None
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: {sentence}.") from None


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """SIGTERM raises Terminated during the block, as SIGINT raises KeyboardInterrupt."""

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    previous = {number: signal.getsignal(number) for number in _SIGNALS}
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def end_by_oneself() -> None:
    """Ignore signals from here to the command's end: what it is about to do it could not undo."""
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def count(number: int, thing: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Turn whatever a user can cause into Refused."""
    try:
        yield
    except (click.UsageError, Refused):
        raise
    except click.Abort:
        raise Refused("not confirmed: nothing was changed.") from None
    except click.ClickException as error:
        raise Refused(error.format_message()) from None
    except SettingsError as error:
        raise Refused(f"{str(error).removesuffix('.')}.") from None
    except BrokenPipeError:
        raise  # click ends silently when nobody reads the output any more
    except OSError as error:
        raise Refused(f"{describe_os_error(error)}.") from None


def tell_unknown_variables() -> None:
    """Say on stderr which variables are set for nothing: most are mistyped, and a default rules."""
    for name, near in find_unknown_variables().items():
        hint = "" if near is None else f"; did you mean {near}?"
        click.echo(f"cynod: {name} is not known{hint or '; nothing reads it.'}", err=True)


def describe_os_error(error: OSError) -> str:
    """`FILE: No such file or directory`."""
    cause = error.strerror or str(error)
    return cause if error.filename is None else f"{error.filename}: {cause}"


def read_scopes(settings: Settings, surface: Surface = PARTENAIRE) -> list[str]:
    """The scopes that the contract of a surface declares.

    The file is read as it is: to check all of it, as the server does, takes a second.
    """
    contract = settings.contract
    if surface is not PARTENAIRE:
        contract = contract.with_name(surface.file)
    with _reading(contract, "scopes") as document:
        scopes = list(declared_scopes(document))
    if not scopes:
        raise _declares_no("scopes", contract)
    return scopes


def read_version(settings: Settings) -> str:
    """The contract's version."""
    with _reading(settings.contract, "version") as document:
        return str(document["info"]["version"])


@contextlib.contextmanager
def _reading(contract: Path, what: str) -> Iterator[Json]:
    try:
        document, _ = read_document(contract)
        yield document
    except ContractError as error:
        raise Refused(str(error)) from None
    except (AttributeError, KeyError, TypeError):
        raise _declares_no(what, contract) from None


def _declares_no(what: str, contract: Path) -> Refused:
    return Refused(
        f"the contract {contract} declares no {what}; run `cynod contract build --check`."
    )


class SeveralValues(click.Command):
    """A command whose repeatable options also take several values at once: `--scope A B`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Give each further value its option: `--scope A B` is `--scope A --scope B`."""
        repeatable = {
            name
            for option in self.params
            if isinstance(option, click.Option) and option.multiple
            for name in option.opts
        }
        expanded: list[str] = []
        option = None
        given = False
        for arg in args:
            if arg.startswith("-"):
                name, has_value, _ = arg.partition("=")
                option = name if name in repeatable else None
                given = bool(has_value)
            elif option is not None and given:
                expanded.append(option)
            else:
                given = True
            expanded.append(arg)
        return super().parse_args(ctx, expanded)


class Jour(click.ParamType[date]):
    """A day, in the one form that cannot be read in two ways."""

    name = "date"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        """The day of `YYYY-MM-DD`."""
        with contextlib.suppress(ValueError):
            if re.fullmatch(r"\d{4}-\d\d-\d\d", value, re.ASCII):
                return date.fromisoformat(value)
        return self.fail(f"{value!r} is not a day of the form YYYY-MM-DD.", param, ctx)


def check_text(text: str, most: int, option: str, *, least: int = 1) -> str:
    """The text of an option. Wrong usage when it is too short, too long, or has a control character."""
    if not (least <= len(text) <= most and (text.isprintable() or not text)):
        raise click.UsageError(f"{option} has {least} to {most} printable characters.")
    return text


yes_option = click.option("--yes", is_flag=True, help="Do not ask: the answer is yes.")
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal before something is ended for good. Without one, `--yes` must have answered."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("This cannot be undone, and nobody can be asked here; give --yes.")
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        agreed = False
        click.echo(err=True)
    if not agreed:
        raise Refused("nothing was changed.")
