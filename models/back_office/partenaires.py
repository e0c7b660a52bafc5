"""Demandes about partners, their list, and all that is known of one.

Nobody of the company sees a partner's secret: who agrees last is told a code, with which the partner's
engineer withdraws the pair himself (`models.retrait`). Whoever changes a partner holds it first, so that
nothing of the partner commits after the answer that took a right away (`models.partenaire.ENTITLED`).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, exists, func, select

from models.adresse import read_networks
from models.adresse_vue import AdresseVue, last_calls, list_adresses
from models.agent import Agent
from models.authentification import end_jetons, jetons
from models.back_office.type_demande import Acte, Contenu, Effet, Etat, TypeDemande
from models.base import now
from models.client import clients
from models.database.curseur import decode_curseur, encode_curseur
from models.database.parcours import Filtre, Parcours, choose_way, read_page
from models.demande import count_pending
from models.errors import (
    AdressesInvalides,
    EtatInterdit,
    ObjetInconnu,
    ParametreInvalide,
    RotationEnCours,
    VersionPerimee,
)
from models.fiche import (
    Fiche,
    find_fiche,
    insert_fiche,
    list_acces,
    new_consumer_key,
    read_fiche,
    update_fiche,
)
from models.partenaire import (
    APPLIQUER,
    EXTERNE,
    INTERNE,
    LIBRE,
    PASSAGES,
    REVOQUE,
    SCOPES,
    SUSPENDU,
    acces,
    objet_partenaire,
    partenaires,
)
from models.plafond import Reste, list_restes
from models.retrait import give_code
from models.rotation import DELAI_HEURES, MAX_ALIVE, end_secret
from models.secret import SecretDuPartenaire, count_alive, list_alive, list_secrets

PARTENAIRE_OBJET = "PARTENAIRE"
PARTENAIRE = "Partenaire"
"""What a refusal calls it."""

_CURSEUR = "n1"
"""Kind of the list's curseurs."""

_OF_ALL = "*"
"""A client that nobody is: only who sees all clients sees a machine of the company, which does too."""


def told(fiche: Fiche) -> dict[str, Any]:
    """A partner under the names of the contract."""
    return {
        "consumerKey": fiche.consumer_key,
        "nom": fiche.nom,
        "type": fiche.type,
        "statut": fiche.statut,
        "scopes": list(fiche.scopes),
        "clients": list(fiche.clients),
        "adresses": list(fiche.adresses),
        "modeAdresses": fiche.mode_adresses,
        "basicAutorise": fiche.basic_autorise,
        "contactTechnique": {
            "email": fiche.contact_email,
            "telephone": fiche.contact_telephone,
        },
    }


# ── the list ─────────────────────────────────────────────────────────────────────────────────────
class LignePartenaire(NamedTuple):
    """A partner, how many of its secrets are good, and when it called last, as far as it is known."""

    fiche: Fiche
    secrets_actifs: int
    dernier_appel: datetime | None


class PagePartenaires(NamedTuple):
    """A page of the list, and the curseur of the next one, None at the end."""

    lignes: list[LignePartenaire]
    curseur_suivant: str | None


def list_partenaires(
    connection: Connection,
    agent: Agent | None,
    *,
    statut: str | None,
    type_: str | None,
    limite: int,
    curseur: str | None,
) -> PagePartenaires:
    """A page of the partners that the agent sees (None: all), in the order of their creation.

    A page may have fewer lines than `limite`, and another one after it. Raises ParametreInvalide for a
    curseur that this API did not give.
    """
    position = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    lue = read_page(
        connection, partenaires, [_way(agent, statut, type_)], position=position, limite=limite
    )
    ids = [row.id for row in lue.lignes]
    of_clients, alive = list_acces(connection, ids), count_alive(connection, ids)
    called = last_calls(connection, ids)
    lignes = [
        LignePartenaire(
            read_fiche(row, of_clients.get(row.id, ())),
            alive.get(row.id, 0),
            called.get(row.id),
        )
        for row in lue.lignes
    ]
    suite = lue.suite
    return PagePartenaires(lignes, None if suite is None else encode_curseur(_CURSEUR, suite))


def _way(agent: Agent | None, statut: str | None, type_: str | None) -> Parcours:
    way = choose_way({"statut": statut, "type": type_})
    if agent is None or agent.clients is None:
        return way
    return way._replace(filtres=[*way.filtres, _seen_by(agent.clients)])


def _seen_by(client_ids: frozenset[str]) -> Filtre:
    """Of partners that act for nobody but these clients."""

    def seen(row: Any) -> Any:
        of_another = exists().where(
            acces.c.partenaire_id == row.id, acces.c.client_id.not_in(sorted(client_ids))
        )
        return and_(row.type == EXTERNE, ~of_another)

    return seen


# ── one ──────────────────────────────────────────────────────────────────────────────────────────
class FichePartenaire(NamedTuple):
    """All that is known of a partner."""

    ligne: LignePartenaire
    adresses_vues: list[AdresseVue]
    secrets: list[SecretDuPartenaire]
    plafonds: list[Reste]
    demandes_en_attente: int


def find_fiche_partenaire(
    connection: Connection, agent: Agent | None, consumer_key: str
) -> FichePartenaire:
    """A partner as it is now. Raises ObjetInconnu for one that the agent does not see."""
    fiche = find_fiche(connection, consumer_key)
    if fiche is None or (agent is not None and not all(map(agent.sees, _clients_of(fiche)))):
        raise ObjetInconnu(objet=PARTENAIRE)
    return FichePartenaire(
        LignePartenaire(
            fiche,
            count_alive(connection, [fiche.id]).get(fiche.id, 0),
            last_calls(connection, [fiche.id]).get(fiche.id),
        ),
        list_adresses(connection, fiche.id),
        list_secrets(connection, fiche.id),
        list_restes(connection, partenaire_id=fiche.id),
        count_pending(connection, PARTENAIRE_OBJET, consumer_key),
    )


def _clients_of(fiche: Fiche) -> Collection[str]:
    return fiche.clients if fiche.type == EXTERNE else (_OF_ALL,)


# ── what every demande looks at ──────────────────────────────────────────────────────────────────
def read_etat(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
    """The partner of a consumerKey, held with `lock`: nothing of it is under way then."""
    fiche = find_fiche(connection, objet_id, lock=lock)
    return None if fiche is None else Etat(fiche.version, told(fiche))


def clients_of_partenaire(connection: Connection, contenu: Contenu) -> Collection[str]:
    """The clients whom it concerns: those that the partner has, and would have."""
    fiche = find_fiche(connection, contenu["consumerKey"])
    return {*contenu.get("clients", ()), *(() if fiche is None else _clients_of(fiche))}


def _held(connection: Connection, contenu: Contenu) -> Fiche:
    fiche = find_fiche(connection, contenu["consumerKey"])
    assert fiche is not None, "the engine holds it"
    return fiche


def _open(connection: Connection, contenu: Contenu) -> Fiche:
    """The partner, that is held. Raises EtatInterdit when it is revoked for ever."""
    fiche = _held(connection, contenu)
    if fiche.statut == REVOQUE:
        raise EtatInterdit(statut=REVOQUE)
    return fiche


def _check_rights(connection: Connection, fiche: Fiche) -> None:
    """Raises ParametreInvalide for scopes or clients that its type cannot have, ObjetInconnu for clients
    that are not there."""
    if not SCOPES[fiche.type].issuperset(fiche.scopes):
        raise ParametreInvalide("scopes")
    if (fiche.type == INTERNE) == bool(fiche.clients):
        raise ParametreInvalide("clients")
    known = select(func.count()).where(clients.c.client_id.in_(fiche.clients))
    if fiche.clients and connection.scalar(known) != len(fiche.clients):
        raise ObjetInconnu(objet="Client")


def _check_addresses(fiche: Fiche) -> None:
    if fiche.mode_adresses == APPLIQUER and not fiche.adresses:
        raise AdressesInvalides


def _sorted(values: Any) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


def _effet(before: Fiche | None, after: Fiche, **une_fois: str) -> Effet:
    return Effet(
        objet_partenaire(after.consumer_key),
        None if before is None else told(before),
        told(after),
        {"consumerKey": after.consumer_key},
        une_fois,
    )


def _replace(connection: Connection, before: Fiche, after: Fiche) -> Effet:
    if not update_fiche(connection, before, after):
        raise VersionPerimee
    return _effet(before, after)


# ── saisirPartenaire ─────────────────────────────────────────────────────────────────────────────
def _new(contenu: Contenu) -> Fiche:
    adresses = read_networks(contenu.get("adresses", ()))
    fiche = Fiche(
        new_consumer_key(),
        contenu["nom"],
        contenu["type"],
        _sorted(contenu["scopes"]),
        _sorted(contenu.get("clients", ())),
        adresses,
        contenu.get("mode") or (APPLIQUER if adresses else LIBRE),
    )
    return _changed(fiche, contenu)


def _changed(fiche: Fiche, contenu: Contenu) -> Fiche:
    """The partner with what the content says of it. A contact is replaced as a whole."""
    changes: dict[str, Any] = {"nom": contenu.get("nom", fiche.nom)}
    for name in ("scopes", "clients"):
        if name in contenu:
            changes[name] = _sorted(contenu[name])
    if "basicAutorise" in contenu:
        changes["basic_autorise"] = contenu["basicAutorise"]
    contact = contenu.get("contactTechnique")
    if contact is not None:
        changes |= {f"contact_{one}": contact.get(one) or "" for one in ("email", "telephone")}
    return fiche._replace(**changes)


def _check_new(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    fiche = _new(contenu)
    _check_addresses(fiche)
    _check_rights(connection, fiche)


def _create(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    fiche = _new(acte.contenu)
    partenaire_id = insert_fiche(connection, fiche)
    code = give_code(connection, partenaire_id, pepper=acte.pepper)
    return _effet(None, fiche, codeRetrait=code)


# ── modifierPartenaire ───────────────────────────────────────────────────────────────────────────
def _only_takes_away(contenu: Contenu, etat: Etat | None) -> str:
    """Whether scopes and clients are taken away, and nothing else happens: that needs nobody else."""
    if etat is None or contenu.keys() - {"consumerKey", "scopes", "clients"}:
        return ""
    lists = ("scopes", "clients")
    fewer = all(set(contenu.get(one, ())) <= set(etat.champs[one]) for one in lists)
    return "RETRAIT" if fewer else ""


def _check_changes(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    _check_rights(connection, _changed(_open(connection, contenu), contenu))


def _modify(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _open(connection, acte.contenu)
    return _replace(connection, before, _changed(before, acte.contenu))


# ── changerStatutPartenaire ──────────────────────────────────────────────────────────────────────
def _droit_of_statut(contenu: Contenu) -> str | None:
    """Who may suspend may not, by that alone, undo it, nor end a partner for ever."""
    return None if contenu["statut"] == SUSPENDU else "partenaires:saisir"


def _check_statut(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    fiche = _held(connection, contenu)
    if contenu["statut"] not in PASSAGES[fiche.statut]:
        raise EtatInterdit(statut=fiche.statut)


def _change_statut(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _held(connection, acte.contenu)
    if acte.contenu["statut"] == REVOQUE:
        connection.execute(delete(jetons).where(jetons.c.partenaire_id == before.id))
    return _replace(connection, before, before._replace(statut=acte.contenu["statut"]))


# ── saisirAdressesPartenaire ─────────────────────────────────────────────────────────────────────
def _with_addresses(fiche: Fiche, contenu: Contenu) -> Fiche:
    adresses = read_networks(contenu["adresses"])
    return fiche._replace(adresses=adresses, mode_adresses=contenu["mode"])


def _check_list(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    _check_addresses(_with_addresses(_open(connection, contenu), contenu))


def _set_list(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _open(connection, acte.contenu)
    return _replace(connection, before, _with_addresses(before, acte.contenu))


# ── secrets and tokens ───────────────────────────────────────────────────────────────────────────
def _check_renewal(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    if len(list_alive(connection, _open(connection, contenu).id)) >= MAX_ALIVE:
        raise RotationEnCours


def _renew(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    fiche = _open(connection, acte.contenu)
    delai = acte.contenu.get("delaiHeures", DELAI_HEURES)
    code = give_code(connection, fiche.id, pepper=acte.pepper, delai_heures=delai)
    return Effet(
        objet_partenaire(fiche.consumer_key),
        None,
        {"delaiHeures": delai},
        {"consumerKey": fiche.consumer_key},
        {"codeRetrait": code},
    )


def _all_well(_connection: Connection, _contenu: Contenu, _etat: Etat | None) -> None:
    """What it does refuses it itself."""


def _end_secret(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    fiche, secret_id = _held(connection, acte.contenu), acte.contenu["secretId"]
    moment = end_secret(connection, fiche.id, secret_id, now())
    apres = {"secretId": secret_id, "revoqueLe": moment}
    objet = objet_partenaire(fiche.consumer_key)
    return Effet(objet, None, apres, {"consumerKey": fiche.consumer_key})


def _end_jetons(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    fiche = _held(connection, acte.contenu)
    generation, number = end_jetons(connection, fiche.id)
    return Effet(
        objet_partenaire(fiche.consumer_key),
        {"generation": generation - 1},
        {"generation": generation, "jetonsRevoques": number},
        {"consumerKey": fiche.consumer_key, "jetonsRevoques": number},
    )


def _clients_of_new(_connection: Connection, contenu: Contenu) -> Collection[str]:
    return contenu.get("clients", ()) if contenu["type"] == EXTERNE else (_OF_ALL,)


_VALIDER = "partenaires:valider"
_ONE: dict[str, Any] = {"cle": ("consumerKey",), "autres_clients": clients_of_partenaire}
"""What demandes about a partner that exists have in common."""

SAISIR = TypeDemande(
    "saisirPartenaire", PARTENAIRE_OBJET, _VALIDER, read_etat, _check_new, _create,
    autres_clients=_clients_of_new,
)  # fmt: skip
MODIFIER = TypeDemande(
    "modifierPartenaire", PARTENAIRE_OBJET, _VALIDER, read_etat, _check_changes, _modify,
    variante=_only_takes_away, **_ONE,
)  # fmt: skip
CHANGER_STATUT = TypeDemande(
    "changerStatutPartenaire", PARTENAIRE_OBJET, _VALIDER, read_etat, _check_statut, _change_statut,
    variante=lambda contenu, _etat: str(contenu["statut"]), droit=_droit_of_statut, **_ONE,
)  # fmt: skip
SAISIR_ADRESSES = TypeDemande(
    "saisirAdressesPartenaire",
    PARTENAIRE_OBJET,
    _VALIDER,
    read_etat,
    _check_list,
    _set_list,
    **_ONE,
)
RENOUVELER_SECRET = TypeDemande(
    "renouvelerSecretPartenaire",
    PARTENAIRE_OBJET,
    _VALIDER,
    read_etat,
    _check_renewal,
    _renew,
    **_ONE,
)
REVOQUER_SECRET = TypeDemande(
    "revoquerSecretPartenaire",
    PARTENAIRE_OBJET,
    _VALIDER,
    read_etat,
    _all_well,
    _end_secret,
    **_ONE,
)
REVOQUER_JETONS = TypeDemande(
    "revoquerJetonsPartenaire",
    PARTENAIRE_OBJET,
    _VALIDER,
    read_etat,
    _all_well,
    _end_jetons,
    **_ONE,
)
