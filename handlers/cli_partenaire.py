"""`cynod partenaire`: who may call the API, on which clients, with which scopes and secrets."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from handlers.cli_common import Refused, open_database, read_scopes
from handlers.edge.address import plain_network
from handlers.settings import Settings, read_settings
from models import partenaire
from models.errors import AuthentificationInvalide

DELAI_MAXIMAL_H = 24 * 366


class _SeveralValues(click.Command):
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


@click.group("partenaire")
def group() -> None:
    """Create partners, list them, revoke them, give them new secrets."""


_as_json = click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")


@group.command(cls=_SeveralValues)
@click.option("--nom", required=True, help="Name of the partner, 1 to 200 characters.")
@click.option(
    "--client",
    "client_ids",
    metavar="CLIENT_ID...",
    multiple=True,
    required=True,
    help="Client whose cards the partner may use: one or several, or the option repeated.",
)
@click.option(
    "--scope",
    "scopes",
    metavar="SCOPE...",
    multiple=True,
    required=True,
    help="What it may do, among the scopes of the contract: one or several, or repeated.",
)
@click.option(
    "--adresse",
    "adresses",
    metavar="CIDR...",
    multiple=True,
    help="Address or network that it calls from: one or several, or repeated. Any, if not given.",
)
@_as_json
def create(
    nom: str,
    client_ids: tuple[str, ...],
    scopes: tuple[str, ...],
    adresses: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Create a partner and print its consumer-key and consumer-secret, once.

    The secret is stored as a hash: nobody can read it again. When it is lost, `cynod partenaire
    rotate` gives another.

    \b
    Scopes:     soldes:lire      read the solde of a card
                cartes:lire      check cards and list them
                cartes:crediter  credit a card
                cartes:debiter   debit a card
    Example:    cynod partenaire create --nom "Banque X" --client CLI-0001 CLI-0002
                    --scope soldes:lire cartes:lire --adresse 192.0.2.0/24
    Variables:  CYNOD_DATABASE_URL, CYNOD_PEPPER, CYNOD_CONTRACT
    Exit codes: 0 created, 1 refused, 2 wrong usage
    """
    settings = read_settings()
    nom = _check_nom(nom)
    _check_known("scope", scopes, read_scopes(settings))
    networks = _check_adresses(adresses)
    with open_database(settings) as database, database.transaction() as session:
        unknown = [one for one in client_ids if not _is_known_client(session, one)]
        if unknown:
            raise Refused(f"unknown client {', '.join(unknown)}; no partner was created.")
        pair = partenaire.create(
            session,
            nom=nom,
            client_ids=list(client_ids),
            scopes=list(scopes),
            adresses=networks,
            pepper=settings.pepper,
        )
    _warn_of_pepper(settings)
    if as_json:
        described = {
            "nom": nom,
            "clients": sorted(set(client_ids)),
            "scopes": sorted(set(scopes)),
            "adresses": networks,
        }
        _print_json(_describe_pair(pair) | described)
    else:
        _print_pair(pair)


@group.command("list")
@_as_json
def list_(*, as_json: bool) -> None:
    """List every partner, oldest first. Secrets are not shown.

    \b
    Example:    cynod partenaire list --json
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 listed, 1 refused, 2 wrong usage
    """
    with open_database() as database, database.reading() as session:
        found = partenaire.list_all(session)
    if as_json:
        _print_json([_describe_partenaire(one) for one in found])
    elif found:
        _print_table(found)
    else:
        click.echo("No partner.")


@group.command()
@click.argument("consumer_key", metavar="KEY")
def revoke(consumer_key: str) -> None:
    """Revoke the partner of this consumer-key: its secrets and tokens open nothing any more.

    It takes effect at once and cannot be undone. What the partner did stays in the journal.

    \b
    Example:    cynod partenaire revoke 3fQx7ZkT0yBn5LwAcE2uRs9d
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 revoked, 1 no such active partner, 2 wrong usage
    """
    with open_database() as database, database.transaction() as session:
        if "\x00" in consumer_key or not partenaire.revoke(session, consumer_key):
            raise Refused(_no_partner(consumer_key))
    click.echo(f"{consumer_key} is revoked.")


@group.command()
@click.argument("consumer_key", metavar="KEY")
@click.option(
    "--delai",
    metavar="HOURS",
    type=click.IntRange(0, DELAI_MAXIMAL_H),
    default=24,
    show_default=True,
    help="How long the present secret stays good beside the new one.",
)
@_as_json
def rotate(consumer_key: str, delai: int, *, as_json: bool) -> None:
    """Give the partner of this consumer-key a new consumer-secret, and print it once.

    The present secret stays good for --delai hours, so that the partner can change over; older
    ones end at once. --delai 0 ends all of them at once. Tokens already issued live to their end.

    \b
    Example:    cynod partenaire rotate 3fQx7ZkT0yBn5LwAcE2uRs9d --delai 48
    Variables:  CYNOD_DATABASE_URL, CYNOD_PEPPER
    Exit codes: 0 rotated, 1 no such active partner, 2 wrong usage
    """
    settings = read_settings()
    with open_database(settings) as database, database.transaction() as session:
        try:
            pair = partenaire.rotate(
                session, consumer_key, delai=timedelta(hours=delai), pepper=settings.pepper
            )
        except AuthentificationInvalide:
            raise Refused(_no_partner(consumer_key)) from None
    _warn_of_pepper(settings)
    if as_json:
        _print_json(_describe_pair(pair) | {"delaiHeures": delai})
    else:
        _print_pair(pair)
        click.echo(f"The secret before it stays good for {delai} h.")


def _check_nom(nom: str) -> str:
    nom = nom.strip()
    if not nom or len(nom) > 200 or not nom.isprintable():
        raise Refused("--nom must be 1 to 200 printable characters.")
    return nom


def _check_known(what: str, given: Iterable[str], known: list[str]) -> None:
    unknown = [one for one in given if one not in known]
    if unknown:
        raise Refused(f"unknown {what} {', '.join(unknown)}; known: {', '.join(known)}.")


def _check_adresses(adresses: Iterable[str]) -> list[str]:
    networks: dict[str, None] = {}
    for adresse in adresses:
        try:
            networks[str(plain_network(adresse))] = None
        except ValueError as error:
            raise Refused(f"--adresse {adresse}: {error}.") from None
    if len(" ".join(networks)) > 1000:
        raise Refused("the addresses of a partner must fit 1000 characters; give networks.")
    return list(networks)


def _is_known_client(session: Any, client_id: str) -> bool:
    # PostgreSQL refuses a text that no client has: one with NUL, or not Unicode.
    return client_id.isprintable() and partenaire.check_client(session, client_id)


def _no_partner(consumer_key: str) -> str:
    return f"no active partner has the consumer-key {consumer_key!r}."


def _warn_of_pepper(settings: Settings) -> None:
    if settings.is_production and not settings.pepper:
        click.echo(
            "cynod: warning: CYNOD_PEPPER is not set here; the server must have the same.", err=True
        )


def _describe_pair(pair: partenaire.NouveauPartenaire) -> dict[str, Any]:
    return {"consumerKey": pair.consumer_key, "consumerSecret": pair.consumer_secret}


def _print_pair(pair: partenaire.NouveauPartenaire) -> None:
    click.echo(f"consumer-key:    {pair.consumer_key}")
    click.echo(f"consumer-secret: {pair.consumer_secret}")
    click.echo("Keep the secret now: it is not shown again.")


def _describe_partenaire(one: partenaire.PartenaireListe) -> dict[str, Any]:
    return {
        "consumerKey": one.consumer_key,
        "nom": one.nom,
        "clients": one.clients,
        "scopes": one.scopes,
        "adresses": one.adresses,
        "secretsActifs": one.secrets_actifs,
        "creeLe": _show_instant(one.cree_le),
        "revoqueLe": None if one.revoque_le is None else _show_instant(one.revoque_le),
    }


def _show_instant(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _print_table(found: list[partenaire.PartenaireListe]) -> None:
    table = Table(box=None, pad_edge=False)
    for name in ("consumer-key", "nom", "clients", "scopes", "adresses", "secrets", "statut"):
        table.add_column(name, overflow="fold")
    for one in found:
        statut = "actif" if one.revoque_le is None else f"révoqué {_show_instant(one.revoque_le)}"
        table.add_row(
            one.consumer_key,
            one.nom,
            " ".join(one.clients),
            " ".join(one.scopes),
            " ".join(one.adresses) or "toutes",
            str(one.secrets_actifs),
            statut,
        )
    # A program that reads the table wants one line per partner, whatever their length.
    width = None if sys.stdout.isatty() else 4000
    Console(width=width, markup=False, highlight=False, emoji=False).print(table)


def _print_json(value: Any) -> None:
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))
