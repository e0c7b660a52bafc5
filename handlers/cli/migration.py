"""`cynod migrate` and `cynod seed`: a database as this version serves it, and data to try it with."""

from __future__ import annotations

import json

import click

from handlers.cli.common import Refused, count, json_option, read_scopes, undone_when_interrupted
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
from models.database.engine import describe_missing, is_missing
from models.database.failures import OccupiedError


@click.command()
@click.option(
    "--plan",
    "planned",
    is_flag=True,
    help="Tell what would be done and who serves; change nothing.",
)
@json_option
def migrate(*, planned: bool, as_json: bool) -> None:
    """Bring the database to the schema that this version expects.

    A SQLite file that does not exist is created. A database that is already there is left as it
    is. Two of these at once wait for each other.

    A migration is `expand`, and servers of before go on serving; or it needs a stop, and is refused while
    servers live that are older than it: those which are named, with their machine and process.

    \b
    Example:    cynod migrate --plan
                cynod migrate
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 migrated or nothing to do, 1 refused or failed, 2 wrong usage
    """
    if planned:
        _tell_plan(as_json=as_json)
        return
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
        except migrations.OlderServersError as error:
            raise Refused(migrations.describe_older_servers(error)) from None
    revision = migrations.expected_revision()
    if as_json:
        click.echo(json.dumps({"revision": revision, "changed": changed}))
        return
    click.echo(f"Migrated to {revision}." if changed else f"Already at {revision}.")


def _tell_plan(*, as_json: bool) -> None:
    with open_database(migrated=False) as database:
        if is_missing(database):
            raise Refused(describe_missing(database))
        plan = migrations.plan_upgrade(database)
    if as_json:
        told = {
            "revision": plan.before,
            "expected": migrations.expected_revision(),
            "migrations": [one._asdict() for one in plan.etapes],
            "servers": [one._asdict() for one in plan.serveurs],
            "stop": [str(one) for one in plan.in_the_way],
        }
        click.echo(json.dumps(told))
        return
    at = "was never migrated" if plan.before is None else f"is at migration {plan.before}"
    click.echo(f"The database {at}; {count(len(plan.etapes), 'migration')} to come.")
    for one in plan.etapes:
        needs = "servers go on" if one.kind == migrations.EXPAND else "needs a stop"
        click.echo(f"  {one.revision}  {needs}: {one.words}")
    for serveur in plan.serveurs:
        must = "must end first" if serveur in plan.in_the_way else "may go on"
        click.echo(f"  lives, {must}: {serveur}")


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
