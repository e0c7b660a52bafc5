"""`cynod demande`: what time does to the demandes of the back office."""

from __future__ import annotations

import click

from handlers.cli.common import count, json_option
from handlers.cli.opening import open_database
from handlers.cli.shown import print_json
from models.back_office.moteur import expirer


@click.group("demande")
def group() -> None:
    """End the demandes of the back office that have waited too long.

    A demande is entered, validated, rejected and withdrawn by persons, through the API.
    """


@group.command("expirer")
@json_option
def end(*, as_json: bool) -> None:
    """End each demande that nobody has validated in its time, which CYNOD_DEMANDE_DUREE_H said.

    Nobody can validate it any more, also before this ran; then its statut says so, and another one about
    the same object may be entered. The audit has a row of each, by SYSTEME. Run it each hour: twice at
    once does no harm.

    \b
    Example:    cynod demande expirer
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 done, 1 failed, 2 wrong usage
    """
    ended = 0
    with open_database() as database:
        while True:
            with database.transaction() as connection:
                found = expirer(connection)
            if not found:
                break
            ended += found
    if as_json:
        print_json({"expirees": ended})
    else:
        click.echo(f"{count(ended, 'demande')} ended.")
