"""`cynod serve` and `cynod mock`."""

from __future__ import annotations

import dataclasses
import gc
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from handlers.cli.common import Refused
from handlers.cli.late import late
from handlers.settings import Settings, SettingsError, read_settings

if TYPE_CHECKING:
    from handlers.contract.model import Contract


@click.command()
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
@click.option(
    "--check",
    is_flag=True,
    help="Look at the installation first, as `cynod doctor` does, and start only when nothing is faux.",
)
@click.option("--host", help="Address to listen on (default: HOST, else 127.0.0.1).")
@click.option(
    "--port", type=click.IntRange(0, 65535), help="Port to listen on (default: PORT, else 8080)."
)
@click.pass_context
def serve(
    ctx: click.Context,
    workers: int,
    host: str | None,
    port: int | None,
    *,
    demo: bool,
    check: bool,
) -> None:
    """Serve the API until Ctrl-C or SIGTERM.

    \b
    Examples:   cynod serve --demo
                CYNOD_ENV=production cynod serve --workers 4 --port 8080
    Variables:  CYNOD_ENV, CYNOD_DATABASE_URL, CYNOD_PEPPER, HOST, PORT, CYNOD_PROXIES,
                CYNOD_JETON_DUREE_S, CYNOD_ANNULATION_FENETRE_S, CYNOD_POOL_SIZE,
                CYNOD_LECTURE_URL, CYNOD_LECTURE_RETARD_S, CYNOD_DELAI_S,
                CYNOD_ATTENTE_S, CYNOD_ARRET_S, CYNOD_LIMITES,
                CYNOD_OPERATIONS_DESACTIVEES, CYNOD_REDIS_URL, CYNOD_LOG_FORMAT,
                CYNOD_LOG_LEVEL, CYNOD_METRIQUES, CYNOD_VERIFICATIONS,
                CYNOD_CONTRACT, CYNOD_SURFACES, CYNOD_CLIENTS,
                CYNOD_URL_PUBLIQUE, CYNOD_OIDC_EMETTEUR, CYNOD_OIDC_AUDIENCE,
                CYNOD_OIDC_ACR, CYNOD_CLE_LOCALE, CYNOD_DEMANDE_DUREE_H
    Exit codes: 0 after an orderly end, 1 cannot start, 2 wrong usage
    """
    if check and demo:
        raise click.UsageError("--check looks at an installation, which --demo only makes.")
    # Nearly all that is imported and built stays: to look for the rest takes a tenth of the start.
    gc.disable()
    settings = _listening(host, port)
    # To read YAML takes 6 MiB, which what is imported next uses again. A check tells of all faults.
    contracts = () if check else _contracts(settings)
    with late():
        from handlers import server  # noqa: PLC0415 - Connexion takes half a second, and a help none of it

    if check:
        _check(workers, {"HOST": host, "PORT": port})
    ctx.exit(server.serve(settings, contracts, workers=workers, demo=demo))


def _contracts(settings: Settings) -> Sequence[Contract]:
    """Those of the settings. Raises Refused when one cannot be served."""
    from handlers.contract.model import ContractError  # noqa: PLC0415 - as above
    from handlers.contracts import load_contracts  # noqa: PLC0415 - as above

    try:
        return load_contracts(settings)
    except (ContractError, SettingsError) as error:
        raise Refused(str(error)) from None


def _check(workers: int, given: dict[str, Any]) -> None:
    """Tell on stderr what each check found. Raises Refused when something is wrong."""
    from handlers.cli.doctor import refuse_wrong, write_line  # noqa: PLC0415 - as above
    from handlers.diagnosis.constat import Subject  # noqa: PLC0415 - as above
    from handlers.diagnosis.doctor import diagnose  # noqa: PLC0415 - as above

    listening = {name: str(value) for name, value in given.items() if value is not None}
    subject = Subject(environ={**os.environ, **listening}, workers=workers)
    found = {}
    for name, constat in diagnose(subject):
        found[name] = constat
        click.echo(write_line(name, constat), err=True)
    refuse_wrong(found, "not started: ")


def _listening(host: str | None, port: int | None) -> Settings:
    given: dict[str, Any] = {"host": host, "port": port}
    return dataclasses.replace(
        read_settings(), **{name: value for name, value in given.items() if value is not None}
    )


@click.command()
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
                CYNOD_LOG_FORMAT, CYNOD_LOG_LEVEL, CYNOD_CONTRACT, CYNOD_SURFACES, CYNOD_CLIENTS
    Exit codes: 0 after an orderly end, 1 cannot start, 2 wrong usage
    """
    with late():
        from handlers.sandbox import mock as sandbox  # noqa: PLC0415 - as above

    ctx.exit(sandbox.serve(_listening(host, port)))
