"""`cynod plafond`: limits on what a card or a partner may move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click
from sqlalchemy import Connection

from handlers.cli.common import (
    Refused,
    json_option,
)
from handlers.cli.opening import open_database, waiting_for_operations
from handlers.cli.shown import print_json, print_rows, show_instant
from handlers.operateur import read_operateur
from models.back_office.designation import find_designee
from models.back_office.moteur import Personne, Saisie, saisir
from models.base import SOLDE_MAXIMAL, UNITE, mask, new_ulid
from models.errors import CarteAnnulee, EtatInterdit, ObjetInconnu
from models.plafond import (
    OPERATION,
    PERIODES,
    TYPES,
    PlafondListe,
    find_plafond,
    list_plafonds,
)

NOMBRE_MAXIMAL = 10**9


@click.group("plafond")
def group() -> None:
    """Set, remove and list limits on credits, debits and transferts.

    A limit is of one card or of one partner, of one type of operation, and of one period: each
    OPERATION, a JOUR, or a MOIS (calendar days and months, UTC, the time of Dakar). It bounds the
    montant, the nombre of operations, or both. An operation must fit every limit of its card and
    of its partner; the card that a transfert receives on does not count it. What an annulation
    undoes is no longer counted, in the day and the month in which it was.
    """


def _selectors(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name one limit."""
    for option in (
        click.option(
            "--periode",
            required=True,
            type=click.Choice(PERIODES),
            help="What it bounds: each operation, a day, or a month.",
        ),
        click.option(
            "--type",
            "type_",
            required=True,
            type=click.Choice(TYPES),
            help="Type of the operations that it bounds.",
        ),
        click.option("--partenaire", metavar="KEY", help="consumer-key of the partner it is of."),
        click.option("--carte", metavar="NUMERO", help="Whole number of the card it is of."),
    ):
        command = option(command)
    return command


@group.command("set")
@_selectors
@click.option(
    "--montant",
    metavar="N",
    type=click.IntRange(0, SOLDE_MAXIMAL),
    help="Most francs CFA that may be moved; 0 forbids the operation.",
)
@click.option(
    "--nombre",
    metavar="N",
    type=click.IntRange(0, NOMBRE_MAXIMAL),
    help="Most operations in a JOUR or a MOIS; 0 forbids them.",
)
@json_option
def set_(
    carte: str | None,
    partenaire: str | None,
    type_: str,
    periode: str,
    montant: int | None,
    nombre: int | None,
    *,
    as_json: bool,
) -> None:
    """Give a card or a partner a limit, in place of its limit of that type and period.

    Name one card or one partner, and give --montant, --nombre or both: what is not given is not
    limited. Whatever is executed after the command has ended fits it; what was moved in this day
    or month before counts, unless it was reversed.

    \b
    Examples:   cynod plafond set --carte 7019800100009569 --type DEBIT --periode JOUR
                    --montant 50000 --nombre 5
                cynod plafond set --partenaire 3fQx7ZkT0yBn5LwAcE2uRs9d --type CREDIT
                    --periode OPERATION --montant 1000000
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 set, 1 no such card or partner, or operations did not end, 2 wrong usage
    """
    subject = _subject(carte, partenaire)
    if montant is None and nombre is None:
        raise click.UsageError("Give --montant, --nombre or both.")
    if periode == OPERATION and nombre is not None:
        raise click.UsageError("--nombre counts the operations of a JOUR or a MOIS.")
    name = _name(carte, partenaire)
    with (
        open_database() as database,
        waiting_for_operations(f"the limit of {name} is not set"),
        database.transaction() as connection,
    ):
        bounds = {"montantMaximal": montant, "nombreMaximal": nombre}
        given = {field: value for field, value in bounds.items() if value is not None}
        contenu = {"type": type_, "periode": periode, **given}
        try:
            _enter(connection, "saisir", carte, partenaire, contenu)
        except ObjetInconnu:
            raise Refused(_nobody(carte, partenaire)) from None
        except (CarteAnnulee, EtatInterdit):
            raise Refused(f"{name} has ended for good: no limit of it is set.") from None
        made = find_plafond(connection, type_=type_, periode=periode, **subject)
    if as_json:
        print_json(made and _describe(made))
    else:
        click.echo(f"{name}: {type_} per {periode}, at most {_most(montant, nombre)}.")


@group.command()
@_selectors
@json_option
def remove(
    carte: str | None, partenaire: str | None, type_: str, periode: str, *, as_json: bool
) -> None:
    """Remove the limit of a card or of a partner, for one type and one period.

    With --json it tells the limit as it was.

    \b
    Example:    cynod plafond remove --carte 7019800100009569 --type DEBIT --periode JOUR
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 removed, 1 no such limit, or operations did not end, 2 wrong usage
    """
    subject = _subject(carte, partenaire)
    name = _name(carte, partenaire)
    with (
        open_database() as database,
        waiting_for_operations(f"the limit of {name} is not removed"),
        database.transaction() as connection,
    ):
        was = find_plafond(connection, type_=type_, periode=periode, **subject)
        try:
            _enter(connection, "retirer", carte, partenaire, {"type": type_, "periode": periode})
        except ObjetInconnu:
            raise Refused(f"{name} has no limit of {type_} per {periode}.") from None
    if as_json:
        print_json(was and _describe(was))
    else:
        click.echo(f"{name}: no limit of {type_} per {periode} any more.")


@group.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """List every limit, oldest first, with what is left of it in the present day or month.

    Card numbers are masked; compte, the id of the card's account, tells two of them apart, and
    names the card in `cynod journal export`.

    \b
    Example:    cynod plafond list --json
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 listed, 1 refused, 2 wrong usage
    """
    with open_database() as database, database.reading() as connection:
        found = list_plafonds(connection)
    if as_json:
        print_json([_describe(one) for one in found])
    elif found:
        _print_table(found)
    else:
        click.echo("No limit.")


def _enter(
    connection: Connection,
    verb: str,
    carte: str | None,
    partenaire: str | None,
    contenu: dict[str, Any],
) -> None:
    """Execute the demande of persons about a limit. Raises ObjetInconnu, CarteAnnulee, EtatInterdit."""
    if carte is None:
        type_, named = f"{verb}PlafondPartenaire", {"consumerKey": partenaire}
    else:
        found = find_designee(connection, carte)
        if found is None:
            raise ObjetInconnu(objet="Carte")
        type_, named = f"{verb}PlafondCarte", {"carteId": found.carte_id}
    saisie = Saisie(type_, new_ulid(), {**named, **contenu})
    saisir(connection, Personne(read_operateur()), saisie)


def _subject(carte: str | None, partenaire: str | None) -> dict[str, str | None]:
    if (carte is None) == (partenaire is None):
        raise click.UsageError("Give either --carte or --partenaire.")
    # PostgreSQL refuses a text that nobody has: one with NUL, or not Unicode.
    if not (carte or partenaire or "").isprintable():
        raise Refused(_nobody(carte, partenaire))
    return {"numero_carte": carte, "consumer_key": partenaire}


def _name(carte: str | None, partenaire: str | None) -> str:
    return f"partenaire {partenaire!r}" if carte is None else f"carte {mask(carte)}"


def _nobody(carte: str | None, partenaire: str | None) -> str:
    if carte is None:
        return f"no partner has the consumer-key {partenaire!r}."
    return "no card has this number."


def _most(montant: int | None, nombre: int | None) -> str:
    limits = [] if montant is None else [f"{montant} {UNITE}"]
    if nombre is not None:
        limits.append("1 operation" if nombre == 1 else f"{nombre} operations")
    return " and ".join(limits)


def _describe(one: PlafondListe) -> dict[str, Any]:
    reste = one.reste
    carte = None
    if one.numero_carte is not None:
        carte = {
            "numeroCarte": mask(one.numero_carte),
            "compte": one.compte_id,
            "clientId": one.client_id,
            "membreId": one.membre_id,
        }
    return {
        "portee": reste.portee,
        "carte": carte,
        "consumerKey": one.consumer_key,
        "type": reste.type,
        "periode": reste.periode,
        "montantMaximal": reste.montant_maximal,
        "montantRestant": reste.montant_restant,
        "nombreMaximal": reste.nombre_maximal,
        "nombreRestant": reste.nombre_restant,
        "creeLe": show_instant(one.cree_le),
    }


def _print_table(found: list[PlafondListe]) -> None:
    columns = ("carte", "compte", "client", "membre", "partenaire", "type", "periode")
    numbers = ("montant", "reste", "nombre", "reste")
    rows = [
        (
            None if one.numero_carte is None else mask(one.numero_carte),
            one.compte_id,
            one.client_id,
            one.membre_id,
            one.consumer_key,
            one.reste.type,
            one.reste.periode,
            one.reste.montant_maximal,
            one.reste.montant_restant,
            one.reste.nombre_maximal,
            one.reste.nombre_restant,
        )
        for one in found
    ]
    print_rows((*columns, *numbers), rows, numbers=numbers)
