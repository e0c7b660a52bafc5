"""`cynod migrate` and `cynod seed`: a database as this version serves it, and data to try it with."""

from __future__ import annotations

import json

import click

from handlers.cli.common import Refused, json_option, read_scopes, undone_when_interrupted
from handlers.cli.opening import open_database, tell_waiting
from handlers.operateur import read_operateur
from handlers.settings import read_settings
from models import migrate as migrations
from models.books.demo import (
    CONSUMER_KEY,
    CONSUMER_SECRET,
    DatabaseNotEmpty,
    seed_demo,
)
from models.database.failures import OccupiedError


@click.command()
@json_option
def migrate(*, as_json: bool) -> None:
    """Bring the database to the schema that this version expects.

    A SQLite file that does not exist is created. A database that is already there is left as it
    is. Two of these at once wait for each other.

    \b
    Example:    cynod migrate
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 migrated or nothing to do, 1 failed, 2 wrong usage
    """
    with (
        undone_when_interrupted("nothing was migrated"),
        open_database(migrated=False) as database,
    ):
        try:
            changed = migrations.upgrade(database, waiting=tell_waiting(database, "migration"))
        except OccupiedError:
            raise Refused(
                "another migration is running, or a server is busy with what it changes; nothing was"
                " migrated."
            ) from None
    revision = migrations.expected_revision()
    if as_json:
        click.echo(json.dumps({"revision": revision, "changed": changed}))
        return
    click.echo(f"Migrated to {revision}." if changed else f"Already at {revision}.")


@click.command()
@click.option("--demo", is_flag=True, required=True, help="The only data there is to seed.")
@json_option
def seed(*, demo: bool, as_json: bool) -> None:
    """Write the demo data: a partner, two clients, cards in each state.

    Refused on a database that holds any client or partner, and in production. A SQLite file that
    does not exist is created and migrated first.

    \b
    Example:    cynod seed --demo
    Variables:  CYNOD_DATABASE_URL, CYNOD_PEPPER, CYNOD_ENV, CYNOD_CONTRACT
    Exit codes: 0 written, 1 refused, 2 wrong usage
    """
    assert demo, "click requires it"
    settings = read_settings()
    if settings.is_production:
        raise Refused("demo data has no place in production (CYNOD_ENV=production).")
    scopes = read_scopes(settings)
    with open_database(settings, create=True) as database, database.transaction() as connection:
        try:
            seed_demo(connection, read_operateur(), scopes=scopes, pepper=settings.pepper)
        except DatabaseNotEmpty:
            raise Refused("the database already holds data; the demo needs an empty one.") from None
    if as_json:
        pair = {"consumerKey": CONSUMER_KEY, "consumerSecret": CONSUMER_SECRET}
        click.echo(json.dumps(pair))
        return
    click.echo(
        f"Demo data written; consumer-key {CONSUMER_KEY}, consumer-secret {CONSUMER_SECRET}."
    )
