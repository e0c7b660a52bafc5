"""`cynod agent`: the persons of the back office, of whom the first two can come from nowhere else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Connection

from handlers.cli.common import Refused, SeveralValues, check_text, json_option
from handlers.cli.opening import open_database
from handlers.cli.shown import print_json, print_rows
from handlers.edge.local_issuer import DUREE_S, EMETTEUR, LocalIssuer
from handlers.operateur import read_operateur
from handlers.settings import Settings, read_settings
from models.agent import ACTIF, ROLES, SUSPENDU, Agent, find_agent, list_all
from models.back_office.agents import told
from models.back_office.moteur import Personne, Saisie, saisir
from models.base import new_ulid
from models.demande import Demande
from models.errors import DernierValideur, EtatInterdit, ObjetExistant, ObjetInconnu

_AGENT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_EMETTEUR = re.compile(r"https?://[!-~]{1,247}")


@click.group("agent")
def group() -> None:
    """Create agents, the persons of the back office, list, suspend them, make tokens.

    What is done here needs no second person, and the audit says who did it. The first two agents are
    made so; then they make the others.
    """


@group.command(cls=SeveralValues)
@click.option("--nom", required=True, help="Name of the person, 1 to 200 characters.")
@click.option(
    "--sujet", required=True, help="What the provider calls the person: `sub` of its tokens."
)
@click.option(
    "--role",
    "roles",
    metavar="ROLE...",
    type=click.Choice(list(ROLES)),
    multiple=True,
    required=True,
    help="What the person may do: one or several, or the option repeated.",
)
@click.option("--id", "agent_id", metavar="AGENT", help="Its agentId here (default: its sujet).")
@click.option("--email", default="", help="Its e-mail address.")
@click.option(
    "--emetteur",
    metavar="URL",
    help="The provider, `iss` of its tokens (default: CYNOD_OIDC_EMETTEUR, else `cynod agent jeton`).",
)
@click.option(
    "--client",
    "client_ids",
    metavar="CLIENT_ID...",
    multiple=True,
    help="Client that it sees: one or several, or repeated. All of them, if not given.",
)
@json_option
def creer(
    *, nom: str, sujet: str, roles: tuple[str, ...], agent_id: str | None, email: str,
    emetteur: str | None, client_ids: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Create an agent: a person whom the company's provider identifies, with rights that are said here.

    \b
    Roles:      LECTEUR             reads clients, cards, operations and demandes
                SUPPORT             reads, blocks and activates cards
                SAISIE              enters what SUPPORT does, clients, members, cards and funds
                VALIDATION          validates what others have entered of these
                SECURITE_SAISIE     enters agents, partners and rules
                SECURITE_VALIDATION validates what others have entered of these
                AUDITEUR            reads everything, the audit too, and changes nothing
    Example:    cynod agent creer --nom "Awa Diop" --sujet 4f1c2d --id awa.diop --role SAISIE
    Variables:  CYNOD_DATABASE_URL, CYNOD_OIDC_EMETTEUR
    Exit codes: 0 created, 1 refused, 2 wrong usage
    """
    settings = read_settings()
    contenu = {
        "agentId": _check(_AGENT_ID, agent_id or sujet, "--id"),
        "nom": check_text(nom, 200, "--nom"),
        "email": check_text(email, 254, "--email", least=0),
        "emetteur": _check(_EMETTEUR, emetteur or settings.oidc_emetteur or EMETTEUR, "--emetteur"),
        "sujet": check_text(sujet, 255, "--sujet"),
        "roles": sorted(set(roles)),
        "clients": sorted(set(client_ids)),
    }
    with open_database(settings) as database, database.transaction() as connection:
        try:
            _enter(connection, "saisirAgent", contenu)
        except ObjetExistant:
            raise Refused(
                f"an agent is called {contenu['agentId']} already, or has this sujet; none was created."
            ) from None
        except ObjetInconnu:
            raise Refused("a client of --client is not known; no agent was created.") from None
    if as_json:
        print_json(contenu)
    else:
        click.echo(f"Agent {contenu['agentId']} created: {' '.join(contenu['roles'])}.")


@group.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every agent, suspended ones too.

    \b
    Example:    cynod agent list --json
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 listed, 1 refused, 2 wrong usage
    """
    with open_database() as database, database.reading() as connection:
        found = list_all(connection)
    if as_json:
        print_json([_describe(one) for one in found])
    elif found:
        columns = ("agent", "nom", "roles", "clients", "emetteur", "sujet", "statut")
        print_rows(columns, [_row(one) for one in found])
    else:
        click.echo("No agent.")


@group.command()
@click.argument("agent_id", metavar="AGENT")
@click.option("--motif", required=True, help="Why, 1 to 140 characters: the audit keeps it.")
def suspendre(agent_id: str, motif: str) -> None:
    """Suspend an agent: no token of that person opens anything from its next call on.

    Who alone could still validate a change of rights stays; make another SECURITE_VALIDATION first.

    \b
    Example:    cynod agent suspendre awa.diop --motif "Departure"
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 suspended, 1 refused, 2 wrong usage
    """
    contenu = {"agentId": agent_id, "statut": SUSPENDU}
    with open_database() as database, database.transaction() as connection:
        try:
            _enter(connection, "changerStatutAgent", contenu, check_text(motif, 140, "--motif"))
        except ObjetInconnu:
            raise Refused(_no_agent(agent_id)) from None
        except EtatInterdit:
            raise Refused(f"the agent {agent_id} is suspended already.") from None
        except DernierValideur:
            raise Refused(
                f"{agent_id} is the last active SECURITE_VALIDATION: nobody could validate a change of rights"
                " any more."
            ) from None
    click.echo(f"Agent {agent_id} suspended.")


@group.command()
@click.argument("agent_id", metavar="AGENT")
def jeton(agent_id: str) -> None:
    """Print an access token of an agent, good for 15 minutes, where there is no provider.

    For a demo, a developer, a test: it is signed with a key of this machine (CYNOD_CLE_LOCALE), which a
    server in production, or with CYNOD_OIDC_EMETTEUR, does not take.

    \b
    Example:    curl -H "Authorization: Bearer $(cynod agent jeton awa.diop)" ...
    Variables:  CYNOD_DATABASE_URL, CYNOD_ENV, CYNOD_CLE_LOCALE, CYNOD_OIDC_AUDIENCE,
                CYNOD_OIDC_EMETTEUR
    Exit codes: 0 printed, 1 refused, 2 wrong usage
    """
    settings = read_settings()
    if settings.is_production:
        raise Refused("in production the tokens of agents come from the provider alone.")
    if settings.oidc_emetteur:
        raise Refused(
            "CYNOD_OIDC_EMETTEUR is set: a server with it takes tokens of that provider only."
        )
    with open_database(settings) as database, database.reading() as connection:
        agent = find_agent(connection, agent_id)
    if agent is None or agent.statut != ACTIF:
        raise Refused(_no_agent(agent_id))
    if agent.emetteur != EMETTEUR:
        raise Refused(f"{agent_id} is an agent of {agent.emetteur}, which alone makes its tokens.")
    click.echo(sign(settings, agent.sujet))
    click.echo(f"cynod: it is good for {DUREE_S // 60} minutes.", err=True)


def sign(settings: Settings, sujet: str) -> str:
    """A token of the local key. Refused when its file cannot be used."""
    try:
        return LocalIssuer(Path(settings.cle_locale)).sign(sujet, settings.oidc_audience)
    except ValueError:
        raise Refused(f"{settings.cle_locale} holds no key of ours; remove it.") from None


def _enter(
    connection: Connection, type_: str, contenu: dict[str, Any], motif: str | None = None
) -> Demande:
    saisie = Saisie(type_, new_ulid(), contenu, motif=motif)
    return saisir(connection, Personne(read_operateur()), saisie)


def _describe(agent: Agent) -> dict[str, Any]:
    return {**told(agent), "version": agent.version}


def _row(agent: Agent) -> tuple[str, ...]:
    return (
        agent.agent_id,
        agent.nom,
        " ".join(agent.roles),
        " ".join(sorted(agent.clients or ())) or "tous",
        agent.emetteur,
        agent.sujet,
        agent.statut.lower(),
    )


def _check(pattern: re.Pattern[str], text: str, option: str) -> str:
    if not pattern.fullmatch(text):
        raise click.UsageError(f"{option}: {text!r} is not like {pattern.pattern}.")
    return text


def _no_agent(agent_id: str) -> str:
    return f"no active agent is called {agent_id!r}."
