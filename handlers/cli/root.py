"""`cynod`, and the table of its commands. Each is imported when it is called: most need the database, and
`serve` Connexion, which takes a second."""

# ruff: noqa: PLC0415 - the imports of the table are what it is for

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any, NamedTuple

import click

from handlers.cli.common import (
    one_sentence,
    read_version,
    signals_as_exceptions,
    tell_unknown_variables,
    undone_when_interrupted,
)
from handlers.settings import read_settings


def _serve() -> click.Command:
    from handlers.cli.serve import serve

    return serve


def _mock() -> click.Command:
    from handlers.cli.serve import mock

    return mock


def _migrate() -> click.Command:
    from handlers.cli.migration import migrate

    return migrate


def _seed() -> click.Command:
    from handlers.cli.migration import seed

    return seed


def _import() -> click.Command:
    from handlers.cli.importation import import_

    return import_


def _backup() -> click.Command:
    from handlers.cli.database import backup

    return backup


def _restore() -> click.Command:
    from handlers.cli.database import restore

    return restore


def _agent() -> click.Command:
    from handlers.cli.agent import group

    return group


def _carte() -> click.Command:
    from handlers.cli.carte import group

    return group


def _partenaire() -> click.Command:
    from handlers.cli.partenaire import group

    return group


def _plafond() -> click.Command:
    from handlers.cli.plafond import group

    return group


def _audit() -> click.Command:
    from handlers.cli.audit import audit

    return audit


def _demande() -> click.Command:
    from handlers.cli.demande import group

    return group


def _metrics() -> click.Command:
    from handlers.cli.metrics import group

    return group


def _journal() -> click.Command:
    from handlers.cli.journal import journal

    return journal


def _doctor() -> click.Command:
    from handlers.cli.doctor import doctor

    return doctor


def _contract() -> click.Command:
    from handlers.cli.contract import contract

    return contract


class Entry(NamedTuple):
    """A command: what imports it, and the first sentence of its help."""

    load: Callable[[], click.Command]
    summary: str


COMMANDS: Mapping[str, Entry] = {
    "agent": Entry(
        _agent, "Create agents, the persons of the back office, list, suspend them, make tokens."
    ),
    "audit": Entry(_audit, "Prove the audit, who changed what, and export it."),
    "backup": Entry(_backup, "Copy a SQLite database to FILE, while servers write to it."),
    "carte": Entry(
        _carte,
        "Block cards, lift blocks, cancel and renew cards, and show all that is known of one.",
    ),
    "contract": Entry(_contract, "Check openapi.yaml and write again what is generated from it."),
    "demande": Entry(_demande, "End the demandes of the back office that have waited too long."),
    "doctor": Entry(
        _doctor, "Look at an installation: one line a check, ok, attention or faux, and what to do."
    ),
    "import": Entry(_import, "Import clients, membres and cards with their opening soldes."),
    "journal": Entry(_journal, "Prove the journal of operations, seal it, and export it."),
    "metrics": Entry(
        _metrics,
        "Tell the metrics that Prometheus reads at CYNOD_METRIQUES, and make a dashboard of them.",
    ),
    "migrate": Entry(_migrate, "Bring the database to the schema that this version expects."),
    "mock": Entry(
        _mock, "Serve the examples of the contract, without a database and without credentials."
    ),
    "partenaire": Entry(
        _partenaire,
        "Create partners, list, change, suspend and revoke them, give them new secrets, end their tokens.",
    ),
    "plafond": Entry(_plafond, "Set, remove and list limits on credits, debits and transferts."),
    "restore": Entry(
        _restore, "Make the SQLite database of CYNOD_DATABASE_URL from the backup FILE."
    ),
    "seed": Entry(_seed, "Write the demo data: a partner, two clients, cards in each state."),
    "serve": Entry(_serve, "Serve the API until Ctrl-C or SIGTERM."),
}


class _Cynod(click.Group):
    """The root command: whatever a user can cause ends in one sentence, never in a traceback."""

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """The table's names."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command."""
        entry = COMMANDS.get(cmd_name)
        return super().get_command(ctx, cmd_name) if entry is None else entry.load()

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The table's sentences; upstream imports every command for its own."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.summary) for name, entry in COMMANDS.items()])

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


def main() -> None:
    """Run `cynod` with the process's arguments, and exit."""
    cli(prog_name="cynod")


if __name__ == "__main__":
    main()
