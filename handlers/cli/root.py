"""`cynod`: serve, mock, migrate, seed, import, backup, restore, partenaire, plafond, journal, contract."""

from __future__ import annotations

import dataclasses
import importlib
import json
from importlib import metadata
from typing import Any

import click

from handlers.cli import (
    database as cli_database,
)
from handlers.cli import (
    importation as cli_import,
)
from handlers.cli import (
    journal as cli_journal,
)
from handlers.cli import (
    partenaire as cli_partenaire,
)
from handlers.cli import (
    plafond as cli_plafond,
)
from handlers.cli.common import (
    Refused,
    json_option,
    one_sentence,
    open_database,
    read_scopes,
    read_version,
    signals_as_exceptions,
    tell_unknown_variables,
    tell_waiting,
    undone_when_interrupted,
)
from handlers.settings import Settings, read_settings
from models import migrate as migrations
from models.books.demo import (
    CONSUMER_KEY,
    CONSUMER_SECRET,
    DatabaseNotEmpty,
    seed_demo,
)
from models.database.failures import OccupiedError


class _Cynod(click.Group):
    """The root command: whatever a user can cause ends in one sentence, never in a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with (
            one_sentence(),
            signals_as_exceptions(),
            undone_when_interrupted("what was not told as done was not done"),
        ):
            tell_unknown_variables()
            return super().invoke(ctx)


def _show_version(ctx: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if not wanted or ctx.resilient_parsing:
        return
    with one_sentence():
        contract_version = read_version(read_settings())
    click.echo(f"cynod {metadata.version('cynod-api')}, contract {contract_version}")
    ctx.exit()


@click.group(cls=_Cynod, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the versions of this program and of its contract, and exit.",
)
def cli() -> None:
    """The partner API of CYNOD: serve it, feed it, look after it.

    \b
    Variables of every command:
      CYNOD_DATABASE_URL  sqlite:///cynod.db (default), or
                          postgresql+psycopg://user:password@host/name
      CYNOD_ENV           development (default), test or production
      CYNOD_ATTENTE_S     longest wait for the database, in seconds (default 10)

    \b
    First steps:
      cynod serve --demo
    or, with data of your own:
      cynod migrate
      cynod import cards.csv
      cynod partenaire create --nom NOM --client CLI-0001 --scope soldes:lire
      cynod serve

    Exit codes: 0 done, 1 refused or failed (one sentence on stderr says why), 2 wrong usage,
    130 after Ctrl-C and 143 after SIGTERM (a sentence says what was not done).
    """


cli.add_command(cli_import.import_)
cli.add_command(cli_database.backup)
cli.add_command(cli_database.restore)
cli.add_command(cli_partenaire.group)
cli.add_command(cli_plafond.group)


@cli.command()
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="Server processes.",
)
@click.option(
    "--demo", is_flag=True, help="Migrate, and write the demo data when nothing is there."
)
@click.option("--host", help="Address to listen on (default: HOST, else 127.0.0.1).")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on (default: PORT, else 8080)."
)
@click.pass_context
def serve(
    ctx: click.Context, workers: int, host: str | None, port: int | None, *, demo: bool
) -> None:
    """Serve the API until Ctrl-C or SIGTERM.

    \b
    Examples:   cynod serve --demo
                CYNOD_ENV=production cynod serve --workers 4 --port 8080
    Variables:  CYNOD_ENV, CYNOD_DATABASE_URL, CYNOD_PEPPER, HOST, PORT, CYNOD_PROXIES,
                CYNOD_JETON_DUREE_S, CYNOD_ANNULATION_FENETRE_S, CYNOD_POOL_SIZE,
                CYNOD_ATTENTE_S, CYNOD_ARRET_S, CYNOD_LIMITES, CYNOD_OPERATIONS_DESACTIVEES,
                CYNOD_REDIS_URL, CYNOD_LOG_FORMAT, CYNOD_LOG_LEVEL, CYNOD_CONTRACT, CYNOD_SURFACES,
                CYNOD_CLIENTS
    Exit codes: 0 after an orderly end, 1 cannot start, 2 wrong usage
    """
    settings = _listening(host, port)
    ctx.exit(_load("handlers.server").serve(settings, workers=workers, demo=demo))


def _listening(host: str | None, port: int | None) -> Settings:
    given: dict[str, Any] = {"host": host, "port": port}
    return dataclasses.replace(
        read_settings(), **{name: value for name, value in given.items() if value is not None}
    )


@cli.command()
@click.option("--host", help="Address to listen on (default: HOST, else 127.0.0.1).")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on (default: PORT, else 8080)."
)
@click.pass_context
def mock(ctx: click.Context, host: str | None, port: int | None) -> None:
    """Serve the examples of the contract, without a database and without credentials.

    Requests are checked as the API checks them; any Authorization is taken. `Prefer: code=4001` asks
    for that refusal, `Prefer: code=503` for one of that HTTP status, `Prefer: example=NAME` for an
    example of the contract.

    \b
    Example:    cynod mock --port 8081
                curl -H 'Authorization: Bearer x' -H 'Prefer: code=4001' ...
    Variables:  HOST, PORT, CYNOD_PROXIES, CYNOD_ARRET_S, CYNOD_OPERATIONS_DESACTIVEES,
                CYNOD_LOG_FORMAT, CYNOD_LOG_LEVEL, CYNOD_CONTRACT, CYNOD_SURFACES,
                CYNOD_CLIENTS
    Exit codes: 0 after an orderly end, 1 cannot start, 2 wrong usage
    """
    ctx.exit(_load("handlers.sandbox.mock").serve(_listening(host, port)))


@cli.command()
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


@cli.command()
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
    with open_database(settings, create=True) as database, database.transaction() as session:
        try:
            seed_demo(session, scopes=scopes, pepper=settings.pepper)
        except DatabaseNotEmpty:
            raise Refused("the database already holds data; the demo needs an empty one.") from None
    if as_json:
        pair = {"consumerKey": CONSUMER_KEY, "consumerSecret": CONSUMER_SECRET}
        click.echo(json.dumps(pair))
        return
    click.echo(
        f"Demo data written; consumer-key {CONSUMER_KEY}, consumer-secret {CONSUMER_SECRET}."
    )


@cli.group()
def journal() -> None:
    """Prove the journal of operations, and export it."""


journal.add_command(cli_journal.export)


journal.add_command(cli_journal.verify)


@cli.command(
    "contract",
    add_help_option=False,
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def contract(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Check openapi.yaml and write again what is generated from it."""
    group = _load("handlers.cli.contract").contract
    code = group.main(list(arguments), prog_name=ctx.command_path, standalone_mode=False)
    ctx.exit(code or 0)


def _load(module: str) -> Any:
    """Import what is slow only for the commands that need it: Connexion takes a second."""
    return importlib.import_module(module)


def main() -> None:
    """Run `cynod` with the process's arguments, and exit."""
    cli(prog_name="cynod")


if __name__ == "__main__":
    main()
