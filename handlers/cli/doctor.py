"""`cynod doctor`: whether this installation is fit to serve, in a line for each check."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import click

from handlers.cli.common import Refused, count, json_option
from handlers.cli.shown import print_json
from handlers.diagnosis.constat import FAUX, Constat, Subject
from handlers.diagnosis.doctor import CONTROLES, diagnose, worst

WIDTH = max(map(len, CONTROLES))


@click.command()
@click.option(
    "--workers",
    type=click.IntRange(1, 1000),
    default=1,
    show_default=True,
    help="Server processes on this database, of all machines together.",
)
@click.option(
    "--file",
    "files",
    metavar="FILE",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A file that its owner alone may read, such as that of the unit's variables. Repeatable.",
)
@click.option(
    "--only",
    type=click.Choice(list(CONTROLES)),
    multiple=True,
    help="Tell this check alone. Repeatable.",
)
@json_option
def doctor(workers: int, files: tuple[Path, ...], only: tuple[str, ...], *, as_json: bool) -> None:
    """Look at an installation: one line a check, ok, attention or faux, and what to do.

    Run it as the account and with the variables of the server. It writes nothing, prints no password,
    and looks for seconds: what does not answer is told as such. `attention` does not keep a server from
    serving; `faux` does where it is started with `cynod serve --check`.

    \b
    Example:    cynod doctor --workers 8 --file /etc/cynod/cynod.env
                cynod doctor --only seals --only clock --json
    Variables:  those of `cynod serve`
    Exit codes: 0 nothing is faux, 1 something is, 2 wrong usage
    """
    subject = Subject(workers=workers, files=files)
    found: dict[str, Constat] = {}
    for name, constat in diagnose(subject, only):
        found[name] = constat
        if not as_json:
            click.echo(write_line(name, constat))
    if as_json:
        print_json(_describe(found))
    refuse_wrong(found)


def write_line(name: str, constat: Constat) -> str:
    """`faux       migration    the database was never migrated: run …`."""
    todo = f": {constat.a_faire}" if constat.a_faire else ""
    return f"{constat.etat:<9}  {name:<{WIDTH}}  {constat.constat}{todo}"


def refuse_wrong(found: dict[str, Constat], what: str = "") -> None:
    """Raises Refused when a check found something wrong."""
    faults = [name for name, constat in found.items() if constat.etat == FAUX]
    if faults:
        raise Refused(
            f"{what}{count(len(faults), 'check')} found something wrong: {', '.join(faults)}."
        )


def _describe(found: dict[str, Constat]) -> dict[str, object]:
    return {
        "etat": worst(found.values()),
        "version": metadata.version("cynod-api"),
        "controles": [
            {
                "controle": name,
                "etat": constat.etat,
                "constat": constat.constat,
                "aFaire": constat.a_faire or None,
            }
            for name, constat in found.items()
        ],
    }
