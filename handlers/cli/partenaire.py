"""`cynod partenaire`: who may call the API, on which clients, with which scopes and secrets."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import click
from sqlalchemy import Connection

from handlers.cli.common import (
    Refused,
    SeveralValues,
    check_text,
    confirm,
    json_option,
    read_scopes,
    yes_option,
)
from handlers.cli.opening import open_database, waiting_for_operations
from handlers.cli.shown import print_json, print_rows, show_instant
from handlers.contract.surface import BASE_CORE, PARTENAIRE
from handlers.operateur import read_operateur
from handlers.settings import Settings, read_settings
from models import authentification, partenaire, secret
from models.adresse import PLUS_LARGE, plain_network
from models.back_office.moteur import Personne, Saisie, saisir
from models.base import new_ulid
from models.database.engine import Database
from models.demande import Demande
from models.errors import (
    AdressesInvalides,
    AuthentificationInvalide,
    EtatInterdit,
    ParametreInvalide,
)
from models.fiche import Fiche, find_fiche
from models.partenaire import ACTIF, EXTERNE, INTERNE, LIBRE, MODES, OBSERVER, REVOQUE, SUSPENDU
from models.retrait import withdraw

DELAI_MAXIMAL_H = 24 * 366
MAX_ADRESSES = 50


@click.group("partenaire")
def group() -> None:
    """Create partners, list, change, suspend and revoke them, give them new secrets, end their tokens.

    What is done here needs no second person, and the audit says who did it.
    """


@group.command(cls=SeveralValues)
@click.option("--nom", required=True, help="Name of the partner, 1 to 200 characters.")
@click.option(
    "--client",
    "client_ids",
    metavar="CLIENT_ID...",
    multiple=True,
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
@click.option(
    "--basic",
    is_flag=True,
    help="Let its pair open operations by HTTP Basic too, not by tokens alone. Not advised.",
)
@click.option(
    "--interne",
    is_flag=True,
    help="A machine of the company: its scopes are those of the back office, and it sees all clients.",
)
@json_option
def create(
    nom: str,
    client_ids: tuple[str, ...],
    scopes: tuple[str, ...],
    adresses: tuple[str, ...],
    *,
    basic: bool,
    interne: bool,
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
                secrets:gerer    see, renew and revoke its own secrets
                jetons:verifier  ask what one of its tokens opens
                cartes:opposer   block a card
    --interne:  base-core:lire   read what an agent reads, but for the audit and the agents
                base-core:saisir enter demandes, which persons validate
    Example:    cynod partenaire create --nom "Banque X" --client CLI-0001 CLI-0002
                    --scope soldes:lire cartes:lire --adresse 192.0.2.0/24
    Variables:  CYNOD_DATABASE_URL, CYNOD_PEPPER, CYNOD_CONTRACT
    Exit codes: 0 created, 1 refused, 2 wrong usage
    """
    settings = read_settings()
    nom = _check_nom(nom)
    _check_kind(client_ids, interne=interne)
    _check_scopes(settings, scopes, interne=interne)
    networks = _check_adresses(adresses)
    contenu = {
        "nom": nom,
        "type": INTERNE if interne else EXTERNE,
        "scopes": list(scopes),
        "clients": list(client_ids),
        "adresses": networks,
        "basicAutorise": basic,
    }
    with open_database(settings) as database, database.transaction() as connection:
        _check_clients(connection, client_ids, "no partner was created")
        pair = _create(connection, contenu, settings.pepper)
    _warn_of_pepper(settings)
    _tell_created(pair, nom, client_ids, scopes, networks, basic=basic, as_json=as_json)


def _create(
    connection: Connection, contenu: dict[str, Any], pepper: bytes
) -> secret.NouveauPartenaire:
    """A partner, and its first secret, which the operator is told in place of the partner's engineer."""
    demande = _enter(connection, "saisirPartenaire", contenu, pepper=pepper)
    code = (demande.resultat or {})["codeRetrait"]
    made = withdraw(connection, code, pepper=pepper, acteur=read_operateur())
    return secret.NouveauPartenaire(made.consumer_key, made.consumer_secret)


def _enter(
    connection: Connection,
    type_: str,
    contenu: dict[str, Any],
    *,
    motif: str | None = None,
    pepper: bytes = b"",
) -> Demande:
    """Have it done, or say in a sentence why not."""
    saisie = Saisie(type_, new_ulid(), contenu, motif=motif)
    try:
        return saisir(connection, Personne(read_operateur()), saisie, pepper=pepper)
    except AdressesInvalides:
        raise Refused(
            f"a list of addresses that is applied is not empty, and no network is wider than"
            f" /{PLUS_LARGE[4]} of IPv4 or /{PLUS_LARGE[6]} of IPv6; nothing was changed."
        ) from None
    except ParametreInvalide as error:
        raise Refused(
            f"a partner of its type cannot have these {error.fields['parametre']}; nothing was changed."
        ) from None


def _change(
    consumer_key: str,
    type_: str,
    contenu: dict[str, Any],
    *,
    outcome: str,
    motif: str | None = None,
    client_ids: Iterable[str] = (),
) -> Fiche:
    """Change the partner, once nothing of it is under way: what it is then."""
    asked = {"consumerKey": consumer_key, **contenu}
    with open_database() as database:
        _find_active(database, consumer_key)
        with waiting_for_operations(outcome), database.transaction() as connection:
            _check_clients(connection, client_ids, "nothing was changed")
            _enter(connection, type_, asked, motif=motif)
            found = find_fiche(connection, consumer_key)
    assert found is not None, "it was changed"
    return found


def _tell_created(
    pair: secret.NouveauPartenaire,
    nom: str,
    client_ids: Iterable[str],
    scopes: Iterable[str],
    adresses: list[str],
    *,
    basic: bool,
    as_json: bool,
) -> None:
    if as_json:
        rights = {"clients": sorted(set(client_ids)), "scopes": sorted(set(scopes))}
        described = {"nom": nom, **rights, "adresses": adresses, "basicAutorise": basic}
        print_json(_describe_pair(pair) | described)
    else:
        _print_pair(pair)


@group.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every partner, oldest first. Secrets are not shown.

    \b
    Example:    cynod partenaire list --json
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 listed, 1 refused, 2 wrong usage
    """
    with open_database() as database, database.reading() as connection:
        found = secret.list_all(connection)
    if as_json:
        print_json([_describe_partenaire(one) for one in found])
    elif found:
        _print_table(found)
    else:
        click.echo("No partner.")


@group.command()
@click.argument("consumer_key", metavar="KEY")
@click.option("--motif", help="Why, 1 to 140 characters: the audit keeps it.")
@yes_option
@json_option
def revoke(consumer_key: str, *, motif: str | None, yes: bool, as_json: bool) -> None:
    """Revoke the partner of this consumer-key: its secrets and tokens open nothing any more.

    It waits for what the partner has under way, and when it ends nothing of the partner is executed
    any more. It cannot be undone. What the partner did stays in the journal.

    It asks before, on a terminal; --yes answers. Where nobody can be asked, --yes is needed.

    \b
    Example:    cynod partenaire revoke 3fQx7ZkT0yBn5LwAcE2uRs9d --yes
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 revoked, 1 no such active partner, refused, or operations did not end,
                2 wrong usage, or nobody to ask
    """
    motif = None if motif is None else check_text(motif, 140, "--motif")
    with open_database() as database:
        one = _find_active(database, consumer_key)
        confirm(f"Revoke {one.nom} ({consumer_key}) for good?", yes=yes)
        asked = {"consumerKey": consumer_key, "statut": REVOQUE}
        with (
            waiting_for_operations(f"{consumer_key} is not revoked"),
            database.transaction() as connection,
        ):
            try:
                _enter(connection, "changerStatutPartenaire", asked, motif=motif)
            except EtatInterdit:
                raise Refused(_no_partner(consumer_key)) from None
        with database.reading() as connection:
            revoked = _find(connection, consumer_key)
    if as_json:
        print_json(revoked and _describe_partenaire(revoked))
    else:
        click.echo(f"{consumer_key} is revoked.")


motif_option = click.option(
    "--motif", required=True, help="Why, 1 to 140 characters: the audit keeps it."
)


@group.command()
@click.argument("consumer_key", metavar="KEY")
@motif_option
@json_option
def suspend(consumer_key: str, motif: str, *, as_json: bool) -> None:
    """Suspend the partner of this consumer-key: its calls are told code 2005 until it is resumed.

    It waits for what the partner has under way, and when it ends nothing of the partner is executed any
    more. Its secrets and its tokens stay what they are.

    \b
    Example:    cynod partenaire suspend 3fQx7ZkT0yBn5LwAcE2uRs9d --motif "Debits at night"
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 suspended, 1 no such active partner, refused, or operations did not end,
                2 wrong usage
    """
    _set_statut(consumer_key, SUSPENDU, motif, outcome="is not suspended")
    _tell_statut(consumer_key, SUSPENDU, "is suspended", as_json=as_json)


@group.command()
@click.argument("consumer_key", metavar="KEY")
@motif_option
@json_option
def resume(consumer_key: str, motif: str, *, as_json: bool) -> None:
    """Resume the partner of this consumer-key that was suspended: its next call is answered as before.

    \b
    Example:    cynod partenaire resume 3fQx7ZkT0yBn5LwAcE2uRs9d --motif "Bug corrected"
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 resumed, 1 no such suspended partner, or refused, 2 wrong usage
    """
    _set_statut(consumer_key, ACTIF, motif, outcome="is not resumed")
    _tell_statut(consumer_key, ACTIF, "is active again", as_json=as_json)


def _set_statut(consumer_key: str, statut: str, motif: str, *, outcome: str) -> None:
    motif = check_text(motif, 140, "--motif")
    try:
        _change(
            consumer_key,
            "changerStatutPartenaire",
            {"statut": statut},
            outcome=f"{consumer_key} {outcome}",
            motif=motif,
        )
    except EtatInterdit as refused:
        raise Refused(f"{consumer_key} is {refused.fields['statut']} already.") from None


def _tell_statut(consumer_key: str, statut: str, told: str, *, as_json: bool) -> None:
    if as_json:
        print_json({"consumerKey": consumer_key, "statut": statut})
    else:
        click.echo(f"{consumer_key} {told}.")


@group.command(cls=SeveralValues)
@click.argument("consumer_key", metavar="KEY")
@click.option("--nom", help="Its new name, 1 to 200 characters.")
@click.option(
    "--client",
    "client_ids",
    metavar="CLIENT_ID...",
    multiple=True,
    help="All clients whose cards it may use from now on: one or several, or repeated.",
)
@click.option(
    "--scope",
    "scopes",
    metavar="SCOPE...",
    multiple=True,
    help="All that it may do from now on: one or several, or repeated.",
)
@click.option("--contact-email", help="E-mail address of its engineers; empty for none.")
@click.option("--contact-telephone", help="Their telephone number; empty for none.")
@json_option
def modify(
    consumer_key: str,
    *,
    nom: str | None,
    client_ids: tuple[str, ...],
    scopes: tuple[str, ...],
    contact_email: str | None,
    contact_telephone: str | None,
    as_json: bool,
) -> None:
    """Change the partner of this consumer-key, from its next call on. What is not given stays.

    Its key, its secrets, its references and what it did stay its own.

    \b
    Examples:   cynod partenaire modify 3fQx7ZkT0yBn5LwAcE2uRs9d --nom "Banque Y"
                cynod partenaire modify 3fQx7ZkT0yBn5LwAcE2uRs9d --client CLI-0001 CLI-0002
    Variables:  CYNOD_DATABASE_URL, CYNOD_CONTRACT
    Exit codes: 0 changed, 1 no such active partner, client or scope, or operations did not end,
                2 wrong usage
    """
    contenu: dict[str, Any] = {}
    if nom is not None:
        contenu["nom"] = _check_nom(nom)
    if client_ids:
        contenu["clients"] = list(client_ids)
    if scopes:
        _check_scopes_of(consumer_key, scopes)
        contenu["scopes"] = list(scopes)
    contact = _read_contact(consumer_key, contact_email, contact_telephone)
    if contact is not None:
        contenu["contactTechnique"] = contact
    if not contenu:
        raise click.UsageError("Nothing to change: give --nom, --client, --scope or --contact-….")
    fiche = _change(
        consumer_key,
        "modifierPartenaire",
        contenu,
        outcome=f"{consumer_key} is not changed",
        client_ids=client_ids,
    )
    _tell_fiche(fiche, "is changed", as_json=as_json)


def _read_contact(
    consumer_key: str, email: str | None, telephone: str | None
) -> dict[str, str] | None:
    """The contact with what is given of it, None when nothing is."""
    if email is None and telephone is None:
        return None
    with open_database() as database, database.reading() as connection:
        fiche = find_fiche(connection, consumer_key) if consumer_key.isprintable() else None
    if fiche is None:
        raise Refused(_no_partner(consumer_key))
    return {
        "email": check_text(
            fiche.contact_email if email is None else email, 254, "--contact-email", least=0
        ),
        "telephone": check_text(
            fiche.contact_telephone if telephone is None else telephone,
            32,
            "--contact-telephone",
            least=0,
        ),
    }


@group.command("adresses", cls=SeveralValues)
@click.argument("consumer_key", metavar="KEY")
@click.option(
    "--adresse",
    "adresses",
    metavar="CIDR...",
    multiple=True,
    help="All of the list from now on: addresses or networks, one or several, or repeated.",
)
@click.option(
    "--mode",
    type=click.Choice(list(MODES)),
    required=True,
    help="LIBRE: any address may call. OBSERVER: any may, and those not of the list are counted."
    " APPLIQUER: those of the list alone.",
)
@json_option
def change_addresses(
    consumer_key: str, *, adresses: tuple[str, ...], mode: str, as_json: bool
) -> None:
    """Say from where the partner of this consumer-key may call, from its next call on.

    With OBSERVER, getPartenaire of the back office shows what the list would refuse before it does.

    \b
    Example:    cynod partenaire adresses 3fQx7ZkT0yBn5LwAcE2uRs9d --mode OBSERVER
                    --adresse 192.0.2.0/24 2001:db8::/48
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 set, 1 no such active partner, refused, or operations did not end,
                2 wrong usage
    """
    fiche = _change(
        consumer_key,
        "saisirAdressesPartenaire",
        {"adresses": _check_adresses(adresses), "mode": mode},
        outcome=f"the addresses of {consumer_key} are not changed",
    )
    told = {"consumerKey": fiche.consumer_key, "adresses": list(fiche.adresses), "mode": mode}
    if as_json:
        print_json(told)
    else:
        listed = " ".join(fiche.adresses) or "none"
        click.echo(f"{fiche.consumer_key} calls under {mode}, its list: {listed}.")


def _tell_fiche(fiche: Fiche, told: str, *, as_json: bool) -> None:
    if not as_json:
        click.echo(f"{fiche.consumer_key} {told}.")
        return
    print_json(
        {
            "consumerKey": fiche.consumer_key,
            "nom": fiche.nom,
            "clients": list(fiche.clients),
            "scopes": list(fiche.scopes),
            "contactTechnique": {
                "email": fiche.contact_email,
                "telephone": fiche.contact_telephone,
            },
        }
    )


@group.command("scopes", cls=SeveralValues)
@click.argument("consumer_key", metavar="KEY")
@click.option(
    "--scope",
    "scopes",
    metavar="SCOPE...",
    multiple=True,
    required=True,
    help="All that it may do from now on, among the scopes of the contract.",
)
@json_option
def change_scopes(consumer_key: str, scopes: tuple[str, ...], *, as_json: bool) -> None:
    """Give the partner of this consumer-key these scopes, and no others, from its next call on.

    A token keeps those that it was issued with, as far as the partner has them still.

    \b
    Example:    cynod partenaire scopes 3fQx7ZkT0yBn5LwAcE2uRs9d --scope soldes:lire secrets:gerer
    Variables:  CYNOD_DATABASE_URL, CYNOD_CONTRACT
    Exit codes: 0 set, 1 no such active partner or scope, 2 wrong usage
    """
    _check_scopes_of(consumer_key, scopes)
    _change(
        consumer_key,
        "modifierPartenaire",
        {"scopes": list(scopes)},
        outcome=f"the scopes of {consumer_key} are not changed",
    )
    told = sorted(set(scopes))
    if as_json:
        print_json({"consumerKey": consumer_key, "scopes": told})
    else:
        click.echo(f"{consumer_key} has the scopes {' '.join(told)}.")


@group.command()
@click.argument("consumer_key", metavar="KEY")
@click.option("--autoriser/--interdire", "allowed", required=True, help="Allow it, or refuse it.")
@json_option
def basic(consumer_key: str, *, allowed: bool, as_json: bool) -> None:
    """Let the pair of the partner of this consumer-key open operations by HTTP Basic, or refuse it.

    Tokens are asked for, ended and inspected by Basic all the same. What is refused is told code 2010.

    \b
    Example:    cynod partenaire basic 3fQx7ZkT0yBn5LwAcE2uRs9d --interdire
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 set, 1 no such active partner, 2 wrong usage
    """
    _change(
        consumer_key,
        "modifierPartenaire",
        {"basicAutorise": allowed},
        outcome=f"{consumer_key} is not changed",
    )
    if as_json:
        print_json({"consumerKey": consumer_key, "basicAutorise": allowed})
    else:
        click.echo(f"{consumer_key} {'may' if allowed else 'may not'} use Basic for operations.")


@group.command()
@click.argument("consumer_key", metavar="KEY")
@click.option("--revoquer", is_flag=True, help="End them all.")
@yes_option
@json_option
def jetons(consumer_key: str, *, revoquer: bool, yes: bool, as_json: bool) -> None:
    """List the living tokens of the partner of this consumer-key, or end them all.

    A token itself is never shown. --revoquer ends every token that was issued or is being asked for,
    and waits for what the partner has under way. The partner goes on: it asks for a token again with
    its secret. After a theft of the secret, `cynod partenaire rotate KEY --delai 0` comes first.

    --revoquer asks before, on a terminal; --yes answers. Where nobody can be asked, --yes is needed.

    \b
    Examples:   cynod partenaire jetons 3fQx7ZkT0yBn5LwAcE2uRs9d
                cynod partenaire jetons 3fQx7ZkT0yBn5LwAcE2uRs9d --revoquer --yes
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 listed or ended, 1 no such active partner, refused, or operations did not end,
                2 wrong usage, or nobody to ask
    """
    with open_database() as database:
        one = _find_active(database, consumer_key)
        if revoquer:
            confirm(f"End every token of {one.nom} ({consumer_key})?", yes=yes)
            _end_jetons(database, consumer_key, as_json=as_json)
            return
        with database.reading() as connection:
            found = authentification.list_jetons(connection, consumer_key)
    if as_json:
        listed = [
            {
                "emisLe": show_instant(jeton.emis_le),
                "expireLe": show_instant(jeton.expire_le),
                "scopes": jeton.scopes,
            }
            for jeton in found
        ]
        print_json({"consumerKey": consumer_key, **_describe_jetons(found), "jetons": listed})
        return
    click.echo(_tell_jetons(found))
    if found:
        rows = [
            (show_instant(jeton.emis_le), show_instant(jeton.expire_le), " ".join(jeton.scopes))
            for jeton in found
        ]
        print_rows(("émis", "expire", "scopes"), rows)


def _end_jetons(database: Database, consumer_key: str, *, as_json: bool) -> None:
    with (
        waiting_for_operations(f"no token of {consumer_key} is ended"),
        database.transaction() as connection,
    ):
        asked = {"consumerKey": consumer_key}
        demande = _enter(connection, "revoquerJetonsPartenaire", asked)
    ended = (demande.resultat or {})["jetonsRevoques"]
    if as_json:
        print_json({"consumerKey": consumer_key, "jetonsRevoques": ended})
    elif ended:
        click.echo(f"{_count_jetons(ended)} of {consumer_key} ended.")
    else:
        click.echo(f"No token of {consumer_key} lived.")


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
@json_option
def rotate(consumer_key: str, delai: int, *, as_json: bool) -> None:
    """Give the partner of this consumer-key a new consumer-secret, and print it once.

    The present secret stays good for --delai hours, so that the partner can change over; older
    ones end at once. --delai 0 ends all of them at once. Tokens already issued live to their end,
    and are told; `cynod partenaire jetons KEY --revoquer` ends them.

    \b
    Example:    cynod partenaire rotate 3fQx7ZkT0yBn5LwAcE2uRs9d --delai 48
    Variables:  CYNOD_DATABASE_URL, CYNOD_PEPPER
    Exit codes: 0 rotated, 1 no such active partner, 2 wrong usage
    """
    settings = read_settings()
    if not consumer_key.isprintable():
        raise Refused(_no_partner(consumer_key))
    with open_database(settings) as database, database.transaction() as connection:
        try:
            pair = secret.rotate(
                connection,
                read_operateur(),
                consumer_key,
                delai=timedelta(hours=delai),
                pepper=settings.pepper,
            )
        except AuthentificationInvalide:
            raise Refused(_no_partner(consumer_key)) from None
        alive = authentification.list_jetons(connection, consumer_key)
    _warn_of_pepper(settings)
    if as_json:
        print_json(_describe_pair(pair) | {"delaiHeures": delai} | _describe_jetons(alive))
        return
    _print_pair(pair)
    click.echo(f"The secret before it stays good for {delai} h.")
    click.echo(_tell_jetons(alive))
    if alive:
        click.echo(
            f"To end {'it' if len(alive) == 1 else 'them'} now:"
            f" cynod partenaire jetons {consumer_key} --revoquer"
        )


def _check_nom(nom: str) -> str:
    nom = nom.strip()
    if not nom or len(nom) > 200 or not nom.isprintable():
        raise Refused("--nom must be 1 to 200 printable characters.")
    return nom


def _check_kind(client_ids: tuple[str, ...], *, interne: bool) -> None:
    if interne and client_ids:
        raise click.UsageError("--interne takes no --client.")
    if not (interne or client_ids):
        raise click.UsageError("Missing option '--client'.")


def _check_scopes(settings: Settings, scopes: Iterable[str], *, interne: bool) -> None:
    _check_known("scope", scopes, read_scopes(settings, BASE_CORE if interne else PARTENAIRE))


def _check_scopes_of(consumer_key: str, scopes: Iterable[str]) -> None:
    """Refused for a scope that a partner of its type cannot have."""
    settings = read_settings()
    with open_database(settings) as database:
        interne = _find_active(database, consumer_key).type == INTERNE
    _check_scopes(settings, scopes, interne=interne)


def _check_clients(connection: Connection, client_ids: Iterable[str], outcome: str) -> None:
    unknown = [one for one in client_ids if not _is_known_client(connection, one)]
    if unknown:
        raise Refused(f"unknown client {', '.join(unknown)}; {outcome}.")


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
    if len(networks) > MAX_ADRESSES:
        raise Refused(f"a partner has at most {MAX_ADRESSES} addresses; give networks.")
    return list(networks)


def _is_known_client(connection: Any, client_id: str) -> bool:
    # PostgreSQL refuses a text that no client has: one with NUL, or not Unicode.
    return client_id.isprintable() and partenaire.check_client(connection, client_id)


def _find(connection: Connection, consumer_key: str) -> secret.PartenaireListe | None:
    found = (one for one in secret.list_all(connection) if one.consumer_key == consumer_key)
    return next(found, None)


def _find_active(database: Database, consumer_key: str) -> secret.PartenaireListe:
    with database.reading() as connection:
        found = _find(connection, consumer_key)
    if found is None or found.revoque_le is not None:
        raise Refused(_no_partner(consumer_key))
    return found


def _count_jetons(number: int) -> str:
    return "1 token" if number == 1 else f"{number} tokens"


def _tell_jetons(alive: list[authentification.JetonListe]) -> str:
    if not alive:
        return "No token lives."
    until = show_instant(alive[-1].expire_le)
    return f"{_count_jetons(len(alive))} {'lives' if len(alive) == 1 else 'live'} until {until}."


def _describe_jetons(alive: list[authentification.JetonListe]) -> dict[str, Any]:
    return {
        "jetonsActifs": len(alive),
        "jetonsExpirentLe": show_instant(alive[-1].expire_le) if alive else None,
    }


def _no_partner(consumer_key: str) -> str:
    return f"no active partner has the consumer-key {consumer_key!r}."


def _warn_of_pepper(settings: Settings) -> None:
    if settings.is_production and not settings.pepper:
        click.echo(
            "cynod: warning: CYNOD_PEPPER is not set here; the server must have the same.", err=True
        )


def _describe_pair(pair: secret.NouveauPartenaire) -> dict[str, Any]:
    return {"consumerKey": pair.consumer_key, "consumerSecret": pair.consumer_secret}


def _print_pair(pair: secret.NouveauPartenaire) -> None:
    click.echo(f"consumer-key:    {pair.consumer_key}")
    click.echo(f"consumer-secret: {pair.consumer_secret}")
    click.echo("Keep the secret now: it is not shown again.")


def _describe_partenaire(one: secret.PartenaireListe) -> dict[str, Any]:
    return {
        "consumerKey": one.consumer_key,
        "nom": one.nom,
        "clients": one.clients,
        "scopes": one.scopes,
        "adresses": one.adresses,
        "modeAdresses": one.mode_adresses,
        "type": one.type,
        "statut": one.statut,
        "secretsActifs": one.secrets_actifs,
        "basicAutorise": one.basic_autorise,
        "creeLe": show_instant(one.cree_le),
        "revoqueLe": None if one.revoque_le is None else show_instant(one.revoque_le),
    }


def _show_addresses(one: secret.PartenaireListe) -> str:
    if one.mode_adresses == LIBRE or not one.adresses:
        return "toutes"
    listed = " ".join(one.adresses)
    return f"{listed} (observées)" if one.mode_adresses == OBSERVER else listed


def _show_statut(one: secret.PartenaireListe) -> str:
    if one.revoque_le is not None:
        return f"révoqué {show_instant(one.revoque_le)}"
    return "suspendu" if one.statut == SUSPENDU else "actif"


def _print_table(found: list[secret.PartenaireListe]) -> None:
    rows = [
        (
            one.consumer_key,
            one.nom,
            " ".join(one.clients),
            " ".join(one.scopes),
            _show_addresses(one),
            str(one.secrets_actifs),
            "oui" if one.basic_autorise else "non",
            _show_statut(one),
        )
        for one in found
    ]
    columns = ("consumer-key", "nom", "clients", "scopes", "adresses", "secrets", "basic", "statut")
    print_rows(columns, rows)
