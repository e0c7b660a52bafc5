"""The rotation of a partner's secrets by the partner: a second one, and an end for the one before."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import Connection, delete, select, update

from models.authentification import jetons
from models.errors import DernierSecret, RotationEnCours, SecretInconnu
from models.geste import Resultat, begin, finish
from models.journal.empreinte import Contenu
from models.partenaire import Partenaire, hold, hold_row, objet_partenaire
from models.secret import (
    REVOQUE,
    SecretDuPartenaire,
    add_secret,
    list_alive,
    new_secret,
    read_secret,
    secrets,
)

MAX_ALIVE = 2
"""Secrets of a partner that open something at a time: the present one, and the one that it replaces."""


DELAI_HEURES = 24
"""Hours for which the secret before stays good when none are asked for."""


class DemandeRenouvellement(NamedTuple):
    """What renouvelerSecret asks."""

    delai_heures: int
    reference: str


class SecretRenouvele(NamedTuple):
    """The new pair. `consumer_secret` is told once: a repeat of the reference does not have it.

    `remplace` is the secret before it, None when none was good any more, and `fin_remplace` its end.
    """

    reference: str
    secret_id: str
    consumer_key: str
    consumer_secret: str | None
    fin4: str
    cree_le: datetime
    remplace: str | None
    fin_remplace: datetime | None
    replayed: bool = False


class DemandeRevocation(NamedTuple):
    """What revoquerSecret asks."""

    secret_id: str
    avec_jetons: bool
    reference: str


class SecretRevoque(NamedTuple):
    """A secret that opens nothing any more, and how many tokens ended with it."""

    reference: str
    secret_id: str
    statut: str
    revoque_le: datetime
    jetons_revoques: int
    replayed: bool = False


def renouveler(
    connection: Connection, partenaire: Partenaire, demande: DemandeRenouvellement, *, pepper: bytes
) -> SecretRenouvele:
    """Give a second secret; the one before it ends after the delay, at once when that is 0.

    Raises RotationEnCours while two are good, ReferenceDejaUtilisee, DroitsRetires.
    """
    contenu = Contenu({1: ("renouvelerSecret", demande.delai_heures)})
    reference = demande.reference
    geste = begin(
        connection, partenaire, type_="renouvelerSecret", reference=reference, contenu=contenu
    )
    if geste.resultat is not None:
        return _told(partenaire, reference, geste.resultat, secret=None)
    # After the lock that `begin` shares, never before it: `hold` takes the two in this order.
    hold_row(connection, partenaire.id)
    alive = list_alive(connection, partenaire.id)
    if len(alive) >= MAX_ALIVE:
        raise RotationEnCours
    replaced = _end_after(connection, alive, geste.date + timedelta(hours=demande.delai_heures))
    secret = new_secret()
    made = add_secret(connection, partenaire.id, secret, pepper)
    # Of the secret itself only its last signs: a repeat cannot tell more than is kept.
    resultat = {
        "secretId": made.secret_id,
        "fin4": made.fin4,
        "creeLe": made.cree_le.isoformat(),
        "remplace": replaced.secret_id if replaced else None,
        "finRemplace": replaced.expire_le.isoformat() if replaced else None,
    }
    finish(
        connection,
        geste,
        resultat,
        objet=objet_partenaire(partenaire.consumer_key),
        avant=None,
        apres={key: resultat[key] for key in ("secretId", "remplace", "finRemplace")},
    )
    return _told(partenaire, reference, resultat, secret=secret)


def _told(
    partenaire: Partenaire, reference: str, resultat: Resultat, *, secret: str | None
) -> SecretRenouvele:
    """What is told of a renewal: with the secret the first time, without it whenever it is repeated."""
    fin = resultat["finRemplace"]
    return SecretRenouvele(
        reference,
        resultat["secretId"],
        partenaire.consumer_key,
        secret,
        resultat["fin4"],
        datetime.fromisoformat(resultat["creeLe"]),
        resultat["remplace"],
        datetime.fromisoformat(fin) if fin else None,
        replayed=secret is None,
    )


class _Remplace(NamedTuple):
    """The secret that a new one replaces, and its end."""

    secret_id: str
    expire_le: datetime


def _end_after(
    connection: Connection, alive: list[SecretDuPartenaire], fin: datetime
) -> _Remplace | None:
    """Give the secret that is good an end, unless it has a nearer one."""
    if not alive:
        return None
    (present,) = alive
    ended = _Remplace(present.secret_id, min(present.expire_le or fin, fin))
    connection.execute(
        update(secrets).where(secrets.c.id == present.id).values(expire_le=ended.expire_le)
    )
    return ended


def revoquer(
    connection: Connection, partenaire: Partenaire, demande: DemandeRevocation
) -> SecretRevoque:
    """End a secret now, and the tokens that were issued for it when that is asked.

    It waits for what the partner has under way, so that no token is issued for it meanwhile. When the
    other secret was to end, it does no more: a partner is never left without one.
    Raises SecretInconnu, DernierSecret, ReferenceDejaUtilisee, DroitsRetires.
    """
    hold(connection, partenaire.consumer_key)
    reference, secret_id = demande.reference, demande.secret_id
    contenu = Contenu({1: ("revoquerSecret", secret_id, demande.avec_jetons)})
    geste = begin(
        connection, partenaire, type_="revoquerSecret", reference=reference, contenu=contenu
    )
    if geste.resultat is not None:
        first = geste.resultat
        moment = datetime.fromisoformat(first["revoqueLe"])
        ended = first["jetonsRevoques"]
        return SecretRevoque(reference, secret_id, REVOQUE, moment, ended, replayed=True)
    moment = end_secret(connection, partenaire.id, secret_id, geste.date)
    ended = _end_jetons(connection, partenaire, secret_id) if demande.avec_jetons else 0
    resultat = {"revoqueLe": moment.isoformat(), "jetonsRevoques": ended}
    told = {"secretId": secret_id, "statut": REVOQUE}
    finish(
        connection,
        geste,
        resultat,
        objet=objet_partenaire(partenaire.consumer_key),
        avant=None,
        apres=told,
    )
    return SecretRevoque(reference, secret_id, REVOQUE, moment, ended)


def end_secret(
    connection: Connection, partenaire_id: int, secret_id: str, moment: datetime
) -> datetime:
    """End a secret of the partner, that is held: since when it opens nothing.

    When the other secret was to end, it does no more: a partner is never left without one.
    Raises SecretInconnu, DernierSecret.
    """
    found = read_secret(connection, partenaire_id, secret_id)
    if found is None:
        raise SecretInconnu
    alive = list_alive(connection, partenaire_id)
    # By id: what else is known of it, its last use, is written beside the calls, between two readings too.
    others = [one for one in alive if one.id != found.id]
    if alive and not others:
        raise DernierSecret
    ended = found.revoque_le or moment
    connection.execute(update(secrets).where(secrets.c.id == found.id).values(revoque_le=ended))
    if others and all(one.expire_le is not None for one in others):
        connection.execute(
            update(secrets).where(secrets.c.id == others[0].id).values(expire_le=None)
        )
    return ended


def _end_jetons(connection: Connection, partenaire: Partenaire, secret_id: str) -> int:
    """End the tokens of a secret: how many were there."""
    named = select(secrets.c.id).where(secrets.c.secret_id == secret_id).scalar_subquery()
    of_secret = jetons.c.partenaire_id == partenaire.id, jetons.c.secret_id == named
    ended = connection.execute(select(jetons.c.expire_le).where(*of_secret)).all()
    connection.execute(delete(jetons).where(*of_secret))
    return len(ended)
