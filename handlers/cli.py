"""`cynod`: the command line. Each command is one sentence of work over the core."""

from __future__ import annotations

import csv
import ipaddress
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn
from rich.table import Table
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from handlers.contract_cli import contract as contract_group
from handlers.edge.contract import ContractError, load
from handlers.settings import Settings, SettingsError, read_settings
from models import migrate
from models import partenaire as partners
from models.db import Database, DatabaseUrlError, describe_error
from models.demo import DatabaseNotEmpty, seed_demo
from models.errors import AuthentificationInvalide
from models.importation import COLUMNS, ImportationRefusee, Rejet, import_cartes
from models.verification import verify

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


class Several(click.Command):
    """A command whose repeatable options also take several values in a row: `--client A B`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write `--client A B` as `--client A --client B`, then parse as usual."""
        names = {
            name
            for parameter in self.params
            if isinstance(parameter, click.Option) and parameter.multiple
            for name in parameter.opts
        }
        expanded: list[str] = []
        current: str | None = None
        for argument in args:
            if argument.startswith("-"):
                current = argument if argument in names else None
                if current is None:
                    expanded.append(argument)
            elif current is not None:
                expanded += [current, argument]
            else:
                expanded.append(argument)
        return super().parse_args(ctx, expanded)


def _fail(message: str) -> NoReturn:
    raise click.ClickException(message)


def _settings() -> Settings:
    try:
        return read_settings()
    except SettingsError as error:
        _fail(str(error))


@contextmanager
def opened(settings: Settings, *, migrated: bool = True, new: bool = False) -> Iterator[Database]:
    """The database of the settings; what it cannot do becomes one sentence and exit code 1.

    `migrated` requires its schema; `new` gives it to an embedded database that has no table yet.
    """
    try:
        database = Database(settings.database_url, pool_size=2, attente_s=settings.attente_s)
    except DatabaseUrlError as error:
        _fail(str(error))
    try:
        if new and database.dialect == "sqlite":
            _migrate_new(database)
        if migrated:
            with database.reading() as session:
                if not migrate.is_current(session):
                    _fail(
                        "the database is not at the migration this version expects;"
                        " run `cynod migrate`."
                    )
        yield database
    except (DBAPIError, PoolTimeoutError, OSError) as error:
        _fail(describe_error(database, error))
    finally:
        database.close()


def _migrate_new(database: Database) -> None:
    with database.reading() as session:
        empty = migrate.is_empty(session)
    if empty:
        migrate.upgrade(database)


@click.group(context_settings=CONTEXT)
def cli() -> None:
    """CYNOD API: serve it, and keep its data.

    \b
    CYNOD_DATABASE_URL  the database: sqlite:///path (default sqlite:///cynod.db) or
                        postgresql+psycopg://user:password@host/name
    CYNOD_ENV           development (default) or production

    docs/deploiement.md lists the other variables. Exit codes: 0 done, 1 refused or failed (one
    sentence on stderr), 2 wrong usage.
    """


cli.add_command(contract_group)


@cli.command()
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes."
)
@click.option(
    "--demo", is_flag=True, help="Migrate first, and write the demo data into a new database."
)
@click.option("--host", help="Address to listen on. [default: HOST, else 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port. [default: PORT, else 8080]")
def serve(workers: int, demo: bool, host: str | None, port: int | None) -> None:
    """Serve the API until Ctrl-C or SIGTERM; requests in flight are finished, then exit code 0.

    Refuses to start on a database that is not migrated, on a broken contract or a taken port. A new
    SQLite database is migrated by itself.

    \b
    cynod serve --demo
    CYNOD_DATABASE_URL=postgresql+psycopg://cynod@db/cynod cynod serve --workers 4
    """
    # The web stack takes a second to load, and no other command needs it.
    from handlers.server import serve as run_server  # noqa: PLC0415

    settings = _settings()
    if host is not None:
        settings = replace(settings, host=host)
    if port is not None:
        settings = replace(settings, port=port)
    sys.exit(run_server(settings, workers=workers, demo=demo))


@cli.command(name="migrate")
def migrate_command() -> None:
    """Bring the database to the schema of this version. Does nothing when it is there already."""
    with opened(_settings(), migrated=False) as database:
        changed = migrate.upgrade(database)
        state = "migrated to" if changed else "already at"
        click.echo(f"The database is {state} revision {migrate.expected_revision()}.")


@cli.command()
@click.option("--demo", is_flag=True, required=True, help="The demo data of the README.")
def seed(demo: bool) -> None:  # noqa: ARG001 - the option is required: it says what is written
    """Write the demo data into an empty, migrated database.

    Refused on a database that holds anything, and with CYNOD_ENV=production.
    """
    settings = _settings()
    if settings.is_production:
        _fail("demo data is refused with CYNOD_ENV=production.")
    with opened(settings, new=True) as database, database.transaction() as session:
        try:
            seed_demo(session, scopes=_scopes(settings), pepper=settings.pepper)
        except DatabaseNotEmpty:
            _fail("demo data is refused: the database already holds clients or partners.")
    click.echo("Demo data written: partner demo-partenaire / demo-secret on client CLI-0001.")


def _scopes(settings: Settings) -> list[str]:
    try:
        return sorted(load(settings.contract).scopes)
    except ContractError as error:
        _fail(str(error))


# ── import ───────────────────────────────────────────────────────────────────────────────────────


@cli.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--skip-bad",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Import the good rows, and write the bad ones with their reasons to this CSV file.",
)
def import_command(file: Path, skip_bad: Path | None) -> None:
    """Import clients, members and cards from a CSV file, in one transaction.

    \b
    The header must be exactly:
    clientId,clientNom,membreId,nom,prenom,email,telephone,numeroPiece,
    dateNaissance,numeroCarte,finValidite,statut,solde

    UTF-8; dates dd/MM/yyyy (dateNaissance may be empty); statut ACTIVE, OPPOSITION or ANNULEE; solde
    in whole francs, posted in the journal as the card's opening. telephone is the card's walletId.
    A bad row stops the import with its line, column and reason, and nothing is changed. A card that
    exists with the same content is left as it is: importing a file again changes nothing.
    """
    with ExitStack() as stack:
        if skip_bad is not None and skip_bad.resolve() == file.resolve():
            _fail("--skip-bad must name another file than the one to import.")
        reject = None if skip_bad is None else stack.enter_context(_rejects(skip_bad))
        database = stack.enter_context(opened(_settings(), new=True))
        progress = stack.enter_context(_progress(file))
        source = stack.enter_context(file.open("rb"))
        try:
            done = import_cartes(database, source, reject=reject, progress=progress)
        except ImportationRefusee as error:
            _fail(f"{file.name}: {error} Nothing was imported.")
    _tell_import(done, skip_bad)


def _tell_import(done: Any, skip_bad: Path | None) -> None:
    speed = f"{done.lignes / done.duree_s:,.0f}" if done.duree_s else "0"
    click.echo(
        f"{done.creees} cards created, {done.inchangees} unchanged, {done.rejetees} rejected; "
        f"{done.clients_crees} clients and {done.membres_crees} members created "
        f"({done.duree_s:.1f} s, {speed} rows/s)."
    )
    if not (done.creees or done.clients_crees or done.membres_crees):
        click.echo("Nothing was changed.")
    if done.rejetees:
        click.echo(f"The rejected rows are in {skip_bad}.")


@contextmanager
def _rejects(path: Path) -> Iterator[Callable[[Rejet], None]]:
    try:
        target = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        _fail(f"{path} cannot be written: {error.strerror}.")
    with target:
        writer = csv.writer(target, lineterminator="\n")
        writer.writerow([*COLUMNS, "ligne", "colonne", "motif"])

        def reject(row: Rejet) -> None:
            cells = (row.cellules + [""] * len(COLUMNS))[: len(COLUMNS)]
            writer.writerow([*cells, row.ligne, row.colonne, row.motif])

        yield reject


@contextmanager
def _progress(file: Path) -> Iterator[Callable[[int], None]]:
    if not sys.stderr.isatty():
        yield lambda _position: None
        return
    columns = ("{task.description}", BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(file.name, total=file.stat().st_size)
        yield lambda position: bar.update(task, completed=position)


# ── partenaire ───────────────────────────────────────────────────────────────────────────────────


@cli.group()
def partenaire() -> None:
    """Create, list, revoke partners, and renew their secrets."""


@partenaire.command(cls=Several)
@click.option("--nom", required=True, help="The partner's name.")
@click.option(
    "--client",
    "clients",
    multiple=True,
    required=True,
    metavar="CLIENT_ID...",
    help="Clients whose cards the partner may see and move.",
)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    metavar="SCOPE...",
    help="Rights, as the contract names them.",
)
@click.option(
    "--adresse",
    "adresses",
    multiple=True,
    metavar="CIDR...",
    help="Addresses it may call from. [default: any]",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def create(
    nom: str,
    clients: tuple[str, ...],
    scopes: tuple[str, ...],
    adresses: tuple[str, ...],
    as_json: bool,
) -> None:
    """Create a partner and print its consumer-key and consumer-secret, once.

    The secret is stored as a hash only: it cannot be shown again.

    \b
    cynod partenaire create --nom "Wari" --client CLI-0001 CLI-0002 \\
        --scope soldes:lire cartes:lire cartes:crediter cartes:debiter
    """
    settings = _settings()
    known = _scopes(settings)
    unknown = sorted(set(scopes) - set(known))
    if unknown:
        _fail(f"unknown scope {unknown[0]}; the contract has {', '.join(known)}.")
    if not nom.strip() or len(nom) > 200:
        _fail("--nom must have 1 to 200 characters.")
    networks = [_network(adresse) for adresse in adresses]
    with opened(settings) as database, database.transaction() as session:
        for client_id in clients:
            if not partners.check_client(session, client_id):
                _fail(f"unknown client {client_id}; import its cards first.")
        pair = partners.create(
            session,
            nom=nom,
            client_ids=list(clients),
            scopes=list(scopes),
            adresses=networks,
            pepper=settings.pepper,
        )
    told = {
        "nom": nom,
        "consumerKey": pair.consumer_key,
        "consumerSecret": pair.consumer_secret,
        "clients": list(dict.fromkeys(clients)),
        "scopes": sorted(set(scopes)),
        "adresses": networks,
    }
    _tell_pair(told, as_json=as_json)


def _network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        _fail(f"--adresse {text} is not an IP address or network such as 192.0.2.0/24.")


def _tell_pair(told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False))
        return
    click.echo(f"consumer-key:    {told['consumerKey']}")
    click.echo(f"consumer-secret: {told['consumerSecret']}")
    click.echo("Keep the secret now: it is not shown again.")


@partenaire.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_command(as_json: bool) -> None:
    """List the partners, oldest first."""
    with opened(_settings()) as database, database.reading() as session:
        rows = partners.list_all(session)
    if as_json:
        click.echo(json.dumps([_partner_json(row) for row in rows], ensure_ascii=False))
        return
    table = Table("consumer-key", "nom", "clients", "scopes", "adresses", "secrets", "state")
    for row in rows:
        state = "active" if row.revoque_le is None else f"revoked {row.revoque_le:%Y-%m-%d}"
        table.add_row(
            row.consumer_key,
            row.nom,
            " ".join(row.clients),
            " ".join(row.scopes),
            " ".join(row.adresses),
            str(row.secrets_actifs),
            state,
        )
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def _partner_json(row: partners.PartenaireListe) -> dict[str, Any]:
    return {
        "consumerKey": row.consumer_key,
        "nom": row.nom,
        "clients": row.clients,
        "scopes": row.scopes,
        "adresses": row.adresses,
        "secretsActifs": row.secrets_actifs,
        "creeLe": row.cree_le.isoformat(),
        "revoqueLe": row.revoque_le.isoformat() if row.revoque_le else None,
    }


@partenaire.command()
@click.argument("key")
def revoke(key: str) -> None:
    """Revoke the partner of this consumer-key. Its secrets and tokens die at once, for ever."""
    with opened(_settings()) as database, database.transaction() as session:
        if not partners.revoke(session, key):
            _fail(f"no active partner has the consumer-key {key}.")
    click.echo(f"{key} is revoked.")


@partenaire.command()
@click.argument("key")
@click.option(
    "--delai",
    type=click.IntRange(0, 24 * 366),
    default=24,
    show_default=True,
    metavar="HOURS",
    help="How long the secret in use stays good; 0 ends it now.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def rotate(key: str, delai: int, as_json: bool) -> None:
    """Give the partner of this consumer-key a new secret, printed once.

    The secret in use stays good for a while, so that a rotation has no gap; any older one ends now.
    """
    settings = _settings()
    with opened(settings) as database, database.transaction() as session:
        pair = _rotated(session, key, timedelta(hours=delai), settings)
    _tell_pair({"consumerKey": key, "consumerSecret": pair.consumer_secret}, as_json=as_json)


def _rotated(
    session: Connection, key: str, delai: timedelta, settings: Settings
) -> partners.NouveauPartenaire:
    try:
        return partners.rotate(session, key, delai=delai, pepper=settings.pepper)
    except AuthentificationInvalide:
        _fail(f"no active partner has the consumer-key {key}.")


# ── journal ──────────────────────────────────────────────────────────────────────────────────────


@cli.group()
def journal() -> None:
    """Prove the books."""


@journal.command(name="verify")
def verify_command() -> None:
    """Check that every operation balances and every solde equals the sum of its ecritures.

    Exit code 0 and one line when all is right; else what differs, and exit code 1.
    """
    with opened(_settings()) as database, database.reading() as session:
        report = verify(session)
    if not report.fautes:
        click.echo(
            f"The journal is right: {report.operations} operations, {report.ecritures} ecritures, "
            f"{report.cartes} cards."
        )
        return
    for fault in report.fautes:
        click.echo(f"{fault.sujet}: {fault.detail} (rule: {fault.regle})")
    for rule in report.regles_tronquees:
        click.echo(f"... and more against the rule: {rule}")
    _fail("the journal is wrong.")


def main() -> None:
    """The console script."""
    cli(prog_name="cynod")
