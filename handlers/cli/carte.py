"""`cynod carte`: what is done to a card at once, by the functions that execute the demandes of persons."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from sqlalchemy import Connection

from handlers.cli.common import Refused, check_text, confirm, count, json_option, yes_option
from handlers.cli.opening import open_database, waiting_for_operations
from handlers.cli.shown import print_json, print_rows, show_instant
from handlers.operateur import read_operateur
from models.back_office.designation import Designee, find_designee, list_expirees
from models.back_office.fiches_cartes import FicheCarte, find_fiche_carte
from models.back_office.moteur import Personne, Saisie, saisir
from models.base import mask, new_ulid
from models.carte import AUTRE, MOTIFS_ANNULATION, MOTIFS_OPPOSITION
from models.client import find_client
from models.database.engine import Database
from models.errors import (
    CarteAnnulee,
    CarteEnOpposition,
    ClientSuspendu,
    OppositionDefinitive,
    ParametreInvalide,
    Refusal,
    TransitionInterdite,
)


@click.group("carte")
def group() -> None:
    """Block cards, lift blocks, cancel and renew cards, and show all that is known of one.

    CARTE is the whole number of a card, or its carteId. What is done here needs no second person, and
    the audit says who did it. Cards are issued, activated and replaced through the API, by persons.
    """


_carte = click.argument("named", metavar="CARTE")
_commentaire = click.option(
    "--commentaire", metavar="TEXT", help="What else is known, 1 to 255 characters."
)


@group.command()
@_carte
@click.option(
    "--motif", required=True, type=click.Choice(MOTIFS_OPPOSITION), help="Why it is blocked."
)
@_commentaire
@json_option
def opposer(named: str, motif: str, commentaire: str | None, *, as_json: bool) -> None:
    """Block a card: no debit of it commits once this has ended. Its solde stays.

    One that is blocked already takes a graver motif, and no lighter one. VOLEE and FRAUDE are never
    lifted: such a card is replaced, or cancelled. AUTRE needs a --commentaire.

    \b
    Example:    cynod carte opposer 7019800100009569 --motif VOLEE
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 blocked, 1 no such card, refused, or operations did not end, 2 wrong usage
    """
    if motif == AUTRE and commentaire is None:
        raise click.UsageError("AUTRE needs a --commentaire that says what it is.")
    contenu = {"motifOpposition": motif, **_check_commentaire(commentaire)}
    _do_one("opposerCarte", named, contenu, None, as_json=as_json)


@group.command()
@_carte
@click.option("--motif", required=True, help="Why, 1 to 140 characters: the audit keeps it.")
@json_option
def lever(named: str, motif: str, *, as_json: bool) -> None:
    """Lift the block of a card: it is again what it was before.

    \b
    Example:    cynod carte lever 7019800100009569 --motif "Found again by its holder"
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 lifted, 1 no such card, refused, or operations did not end, 2 wrong usage
    """
    _do_one("leverOpposition", named, {}, check_text(motif, 140, "--motif"), as_json=as_json)


@group.command()
@_carte
@click.option(
    "--motif", required=True, type=click.Choice(MOTIFS_ANNULATION), help="Why it is cancelled."
)
@_commentaire
@yes_option
@json_option
def annuler(named: str, motif: str, commentaire: str | None, *, yes: bool, as_json: bool) -> None:
    """Cancel a card for good. Its solde stays, and leaves it by a special transfer only.

    It asks before, on a terminal; --yes answers. Where nobody can be asked, --yes is needed.

    \b
    Example:    cynod carte annuler 7019800100009569 --motif FIN_DE_CONTRAT --yes
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 cancelled, 1 no such card, refused, or operations did not end,
                2 wrong usage, or nobody to ask
    """
    contenu = {"motifAnnulation": motif, **_check_commentaire(commentaire)}
    with open_database() as database:
        one = _find(database, named)
        confirm(f"Cancel {_name(one)} for good?", yes=yes)
        _tell([_do(database, "annulerCarte", one, contenu)], as_json=as_json)


@group.command()
@click.argument("named", metavar="CARTE", required=False)
@click.option(
    "--client", "client_id", metavar="CLIENT_ID", help="All cards of this client that are expired."
)
@click.option(
    "--mois",
    metavar="N",
    type=click.IntRange(1, 60),
    help="For how many months (default: those of the card's profile, else 12).",
)
@json_option
def renouveler(
    named: str | None, client_id: str | None, mois: int | None, *, as_json: bool
) -> None:
    """Renew a card, or all of a client's that are expired: the same number, good for longer.

    Name one card or one client. Of a client, each card is renewed by itself: what was told is done,
    whatever becomes of the rest.

    \b
    Examples:   cynod carte renouveler 7019800100009593 --mois 24
                cynod carte renouveler --client CLI-0001
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 renewed, 1 no such card, refused, or operations did not end, 2 wrong usage
    """
    if (named is None) == (client_id is None):
        raise click.UsageError("Give either CARTE or --client.")
    contenu = {} if mois is None else {"validiteMois": mois}
    if named is not None:
        _do_one("renouvelerCarte", named, contenu, None, as_json=as_json)
        return
    with open_database() as database:
        with database.reading() as connection:
            found = _list_expirees(connection, client_id or "")
        done = []
        for one in found:
            done.append(_do(database, "renouvelerCarte", one, contenu))
            if not as_json:
                _tell(done[-1:], as_json=False)
    if as_json:
        print_json([_describe(one) for one in done])
    else:
        click.echo(f"{count(len(done), 'expired card')} of {client_id} renewed.")


@group.command()
@_carte
@json_option
def show(named: str, *, as_json: bool) -> None:
    """Show all that is known of a card: its state, its limits, how it came to be so.

    Its number is masked. The 50 last changes of its state are shown, newest first.

    \b
    Example:    cynod carte show 7019800100009569
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 shown, 1 no such card, 2 wrong usage
    """
    with open_database() as database:
        one = _find(database, named)
        with database.reading() as connection:
            fiche = find_fiche_carte(connection, None, one.carte_id)
    if as_json:
        lists = {
            "plafonds": _describe_plafonds(fiche),
            "historiqueStatuts": _describe_history(fiche),
        }
        print_json(_describe(fiche) | lists)
    else:
        _print_fiche(fiche)


# ── what is done ─────────────────────────────────────────────────────────────────────────────────
def _do_one(
    type_: str, named: str, contenu: dict[str, Any], motif: str | None, *, as_json: bool
) -> None:
    with open_database() as database:
        done = _do(database, type_, _find(database, named), contenu, motif)
    _tell([done], as_json=as_json)


def _do(
    database: Database,
    type_: str,
    one: Designee,
    contenu: dict[str, Any],
    motif: str | None = None,
) -> FicheCarte:
    """Execute a demande about a card; the card after it."""
    saisie = Saisie(type_, new_ulid(), {"carteId": one.carte_id, **contenu}, motif=motif)
    with (
        waiting_for_operations(f"{_name(one)} is as it was"),
        _told_refusals(one),
        database.transaction() as connection,
    ):
        saisir(connection, Personne(read_operateur()), saisie)
        return find_fiche_carte(connection, None, one.carte_id)


REFUSALS: dict[type[Refusal], str] = {
    CarteAnnulee: "is cancelled for good",
    CarteEnOpposition: "is blocked: lift that, or replace it",
    ClientSuspendu: "is of a client that is suspended",
    OppositionDefinitive: "was stolen or misused: its block is not lifted, it is replaced",
    ParametreInvalide: "is good for longer than that: give --mois",
}
"""What is said of a card for which each of these is raised."""


@contextmanager
def _told_refusals(one: Designee) -> Iterator[None]:
    try:
        yield
    except TransitionInterdite as refusal:
        de, vers = (part.partition("=")[2] for part in refusal.more_info.split(";"))
        raise Refused(f"{_name(one)} is {de}: it cannot become {vers}.") from None
    except Refusal as refusal:
        sentence = REFUSALS.get(type(refusal))
        if sentence is None:
            raise
        raise Refused(f"{_name(one)} {sentence}.") from None


def _find(database: Database, named: str) -> Designee:
    with database.reading() as connection:
        one = find_designee(connection, named)
    if one is None:
        raise Refused("no card has this number or this carteId.")
    return one


def _list_expirees(connection: Connection, client_id: str) -> list[Designee]:
    if not client_id.isprintable() or find_client(connection, client_id) is None:
        raise Refused(f"there is no client {client_id!r}.")
    return list_expirees(connection, client_id)


def _check_commentaire(commentaire: str | None) -> dict[str, str]:
    if commentaire is None:
        return {}
    return {"commentaire": check_text(commentaire, 255, "--commentaire")}


# ── what is said ─────────────────────────────────────────────────────────────────────────────────
def _name(one: Designee) -> str:
    return f"carte {mask(one.numero_carte)}"


def _tell(done: list[FicheCarte], *, as_json: bool) -> None:
    for fiche in done:
        carte = fiche.carte
        if as_json:
            print_json(_describe(fiche))
            continue
        motif = "" if carte.motif_statut is None else f", {carte.motif_statut}"
        until = "" if motif else f", good until {carte.fin_validite.isoformat()}"
        click.echo(f"carte {mask(carte.numero_carte)}: {carte.statut}{motif}{until}.")


def _describe(fiche: FicheCarte) -> dict[str, Any]:
    carte = fiche.carte
    return {
        "carteId": carte.carte_id,
        "numeroCarte": mask(carte.numero_carte),
        "clientId": carte.client_id,
        "membreId": carte.membre_id,
        "profilId": carte.profil_id,
        "statut": carte.statut,
        "motifStatut": carte.motif_statut,
        "commentaireStatut": carte.commentaire_statut,
        "finValidite": carte.fin_validite.isoformat(),
        "soldeOnline": carte.solde,
        "unite": carte.unite,
        "dateSolde": show_instant(carte.date_solde),
        "emiseLe": _instant(carte.emise_le),
        "activeeLe": _instant(carte.activee_le),
        "annuleePar": carte.annulee_par,
        "remplaceCarteId": carte.remplace,
        "remplaceeParCarteId": carte.remplacee_par,
        "renouvellements": carte.renouvellements,
        "demandesEnAttente": fiche.demandes_en_attente,
    }


def _instant(instant: datetime | None) -> str | None:
    return None if instant is None else show_instant(instant)


def _describe_history(fiche: FicheCarte) -> list[dict[str, Any]]:
    return [
        {
            "date": show_instant(one.date),
            "de": one.de,
            "vers": one.vers,
            "motif": one.motif,
            "commentaire": one.commentaire,
            "acteur": one.acteur,
            "demandeId": one.demande_id,
        }
        for one in fiche.historique_statuts
    ]


def _describe_plafonds(fiche: FicheCarte) -> list[dict[str, Any]]:
    return [
        {
            "type": one.type,
            "periode": one.periode,
            "montantMaximal": one.montant_maximal,
            "montantRestant": one.montant_restant,
            "nombreMaximal": one.nombre_maximal,
            "nombreRestant": one.nombre_restant,
        }
        for one in fiche.plafonds
    ]


def _print_fiche(fiche: FicheCarte) -> None:
    for name, value in _describe(fiche).items():
        click.echo(f"{name:20} {'-' if value is None else value}")
    for title, lines in (
        ("plafonds", _describe_plafonds(fiche)),
        ("historiqueStatuts", _describe_history(fiche)),
    ):
        click.echo(f"\n{title}")
        if lines:
            print_rows(lines[0], [one.values() for one in lines])
        else:
            click.echo("none")
