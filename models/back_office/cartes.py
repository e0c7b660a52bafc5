"""Demandes about the life of cards: each passage of `models.etat_carte.VIE` that persons ask, and no other.

Locks: the client, the cards in the order of their ids, the sequence of numbers, the end of the audit. Who
suspends a client waits for the movements of its partners, and those for their cards: so whoever holds a card
never waits for a client.
"""

from __future__ import annotations

import calendar
from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.exc import IntegrityError

from models.back_office.clients import CLIENT
from models.back_office.membres import MEMBRE
from models.back_office.profils import PROFIL
from models.back_office.type_demande import (
    Acte,
    Changement,
    Contenu,
    Effet,
    Etat,
    Prealable,
    TypeDemande,
)
from models.base import mask, new_ulid, now, today
from models.carte import (
    ACTIVE,
    ANNULEE,
    AUTRE,
    CARTE_OBJET,
    EMISE,
    OPPOSITION,
    REMPLACEE,
    objet_carte,
)
from models.client import CLOS as CLIENT_CLOS
from models.client import SUSPENDU, Nombres, count_up, find_client
from models.errors import (
    CarteAnnulee,
    CarteEnOpposition,
    CarteExpiree,
    ClientSuspendu,
    EtatInterdit,
    NumeroCarteIndisponible,
    ObjetInconnu,
    OppositionDefinitive,
    ParametreInvalide,
    RemplacementEnCours,
    TransitionInterdite,
    VersionPerimee,
)
from models.etat_carte import (
    DEFINITIFS,
    PERTES,
    EtatCarte,
    find_by_id,
    find_etat_carte,
    hold_etat_carte,
    is_being_replaced,
    severite,
    update_etat_carte,
)
from models.journal.ouverture import NouvelleCarte, open_cartes
from models.journal.special import transfer_all
from models.membre import CLOS, membres
from models.numero_carte import draw_numeros, is_taken
from models.plafond import Voulu, move_to, open_plafonds
from models.profil_carte import RETIRE, VALIDITE_MOIS, Profil, find_profil

CARTE = "Carte"
"""What a refusal calls it."""


def told(carte: EtatCarte) -> dict[str, Any]:
    """The state of a card under the names of the contract, as the audit and its demandes show it."""
    return {
        "carteId": carte.carte_id,
        "numeroCarte": carte.numero_carte,
        "clientId": carte.client_id,
        "membreId": carte.membre_id,
        "profilId": carte.profil_id,
        "statut": carte.statut,
        "motif": carte.motif_statut,
        "commentaire": carte.commentaire_statut,
        "finValidite": carte.fin_validite.isoformat(),
        "annuleePar": carte.annulee_par,
        "renouvellements": carte.renouvellements,
    }


def add_months(jour: date, mois: int) -> date:
    """The same day so many months later, or the last one of its month."""
    months = jour.year * 12 + jour.month - 1 + mois
    year, month = divmod(months, 12)
    return date(year, month + 1, min(jour.day, calendar.monthrange(year, month + 1)[1]))


# ── the object, and what is asked of every card ──────────────────────────────────────────────────
def _read(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
    carte = (hold_etat_carte if lock else find_etat_carte)(connection, objet_id)
    return None if carte is None else Etat(carte.etat_version, told(carte), carte.client_id)


def _read_with_client(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
    """The same, with its client held before it: nobody suspends or closes it meanwhile."""
    carte = find_etat_carte(connection, objet_id)
    if carte is not None and lock:
        find_client(connection, carte.client_id, lock=True)
    return _read(connection, objet_id, lock=lock)


def _held(connection: Connection, contenu: Contenu) -> EtatCarte:
    carte = find_etat_carte(connection, contenu["carteId"])
    assert carte is not None, "the engine refuses what is not there"
    return carte


def _check_client(connection: Connection, carte: EtatCarte) -> None:
    client = find_client(connection, carte.client_id)
    if client is not None and client.statut == SUSPENDU:
        raise ClientSuspendu


def _refuse(carte: EtatCarte, vers: str) -> TransitionInterdite:
    return TransitionInterdite(f"de={carte.statut};vers={vers}")


def _change(connection: Connection, before: EtatCarte, after: EtatCarte) -> Changement:
    if not update_etat_carte(connection, before, after):
        raise VersionPerimee
    return Changement(objet_carte(before.carte_id), told(before), told(after))


def _effet(change: Changement, *autres: Changement, **resultat: object) -> Effet:
    return Effet(*change, {"carteId": change.objet.id, **resultat}, autres=autres)


# ── issued ───────────────────────────────────────────────────────────────────────────────────────
def _find_active_profil(connection: Connection, profil_id: str) -> Profil:
    profil = find_profil(connection, profil_id)
    if profil is None:
        raise ObjetInconnu(objet=PROFIL)
    if profil.statut == RETIRE:
        raise EtatInterdit(statut=RETIRE)
    return profil


def _check_membres(
    connection: Connection, client_id: str, membre_ids: set[str], *, lock: bool
) -> None:
    """With `lock`, whoever closes one of them waits, or is waited for: he finds that it has a card."""
    known = (
        select(membres.c.membre_id, membres.c.statut)
        .where(membres.c.client_id == client_id, membres.c.membre_id.in_(membre_ids))
        .order_by(membres.c.id)
    )
    held = known.with_for_update(read=True, key_share=True) if lock else known
    found = connection.execute(held).all()
    if len(found) < len(membre_ids):
        raise ObjetInconnu(objet=MEMBRE)
    if any(one.statut == CLOS for one in found):
        raise EtatInterdit(statut=CLOS)


def _check_emission(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    porteurs = contenu["porteurs"]
    given = [one["numeroCarte"] for one in porteurs if one.get("numeroCarte")]
    if len(set(given)) < len(given):
        raise ParametreInvalide("porteurs")
    _check_porteurs(connection, contenu, lock=False)
    _find_active_profil(connection, contenu["profilId"])
    if given and is_taken(connection, given):
        raise NumeroCarteIndisponible


def _check_porteurs(connection: Connection, contenu: Contenu, *, lock: bool) -> None:
    client = find_client(connection, contenu["clientId"], lock=lock)
    if client is None:
        raise ObjetInconnu(objet=CLIENT)
    if client.statut == CLIENT_CLOS:
        raise EtatInterdit(statut=CLIENT_CLOS)
    if client.statut == SUSPENDU:
        raise ClientSuspendu
    named = {one["membreId"] for one in contenu["porteurs"]}
    _check_membres(connection, client.client_id, named, lock=lock)


def _emit(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    contenu = acte.contenu
    _check_porteurs(connection, contenu, lock=True)
    profil = _find_active_profil(connection, contenu["profilId"])
    porteurs = contenu["porteurs"]
    missing = sum(not one.get("numeroCarte") for one in porteurs)
    drawn = iter(draw_numeros(connection, profil.prefixe, missing) if missing else ())
    validite = add_months(today(), contenu.get("validiteMois") or profil.validite_mois)
    nouvelles = [
        NouvelleCarte(
            one.get("numeroCarte") or next(drawn),
            contenu["clientId"],
            one["membreId"],
            validite,
            EMISE,
            0,
            new_ulid(),
            profil.profil_id,
        )
        for one in porteurs
    ]
    first, *others = _open(connection, nouvelles, [Voulu(*one) for one in profil.plafonds])
    emises = [
        {"membreId": one.membre_id, "carteId": one.carte_id, "numeroCarte": one.numero_carte}
        for one in nouvelles
    ]
    resultat = {"clientId": contenu["clientId"], "profilId": profil.profil_id, "cartes": emises}
    return Effet(*first, resultat, autres=tuple(others))


def _open(
    connection: Connection, nouvelles: Sequence[NouvelleCarte], voulus: Sequence[Voulu] = ()
) -> list[Changement]:
    """Write new cards, counted and with their limits. Raises NumeroCarteIndisponible for a number that
    somebody has just taken."""
    try:
        ids = open_cartes(connection, nouvelles, contra=None, date_solde=now())
    except IntegrityError as error:
        raise NumeroCarteIndisponible from error
    open_plafonds(connection, ids, voulus)
    count_up(connection, {nouvelles[0].client_id: Nombres(cartes=len(nouvelles))})
    opened = [find_by_id(connection, id_) for id_ in ids]
    return [Changement(objet_carte(one.carte_id), None, told(one)) for one in opened]


# ── activated, in the place of another one or not ────────────────────────────────────────────────
def _check_activation(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    carte = _held(connection, contenu)
    if contenu["dernierQuatre"] != carte.numero_carte[-4:]:
        raise ParametreInvalide("dernierQuatre")
    if carte.statut != EMISE:
        raise _refuse(carte, ACTIVE)
    _check_client(connection, carte)
    if carte.fin_validite < today():
        raise CarteExpiree


def _activate(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _held(connection, acte.contenu)
    change = _change(connection, before, before._replace(statut=ACTIVE, activee_le=now()))
    if before.remplace_id is None:
        return _effet(change)
    old = find_by_id(connection, before.remplace_id)
    moved = transfer_all(
        connection, old.id, before.id, demande_id=acte.demande_id,
        motif=f"Remplacement de la carte {mask(old.numero_carte)}",
    )  # fmt: skip
    move_to(connection, old.id, before.id)
    numero = None if moved is None else moved.numero_operation
    if old.statut == ANNULEE:
        # Somebody had it cancelled meanwhile: his reason stays, and what was on it goes on all the same.
        return _effet(change, numeroOperation=numero)
    replaced = _change(connection, old, old.cancelled(REMPLACEE, None, acte.acteur.nom))
    return _effet(change, replaced, numeroOperation=numero)


# ── blocked, and freed ───────────────────────────────────────────────────────────────────────────
def _check_opposition(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    if contenu["motifOpposition"] == AUTRE and not contenu.get("commentaire"):
        raise ParametreInvalide("commentaire")
    carte = _held(connection, contenu)
    if carte.statut == ANNULEE:
        raise CarteAnnulee
    if not carte.blocks(contenu["motifOpposition"]):
        raise _refuse(carte, OPPOSITION)


def _oppose(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _held(connection, acte.contenu)
    after = before.opposed(acte.contenu["motifOpposition"], acte.contenu.get("commentaire"))
    return _effet(_change(connection, before, after))


def _check_levee(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    carte = _held(connection, contenu)
    if carte.statut != OPPOSITION:
        raise _refuse(carte, ACTIVE if carte.statut == ANNULEE else carte.statut)
    if carte.motif_statut in DEFINITIFS:
        raise OppositionDefinitive


def _lift(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _held(connection, acte.contenu)
    return _effet(_change(connection, before, before.freed(before.statut_sans_opposition)))


def _motif_of(_contenu: Contenu, etat: Etat | None) -> str:
    """What is blocked for a time is freed more lightly: that has a rule of its own."""
    assert etat is not None, "the engine refuses what is not there"
    return str(etat.champs["motif"] or "")


# ── cancelled, renewed ───────────────────────────────────────────────────────────────────────────
def _check_annulation(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    if _held(connection, contenu).statut == ANNULEE:
        raise CarteAnnulee


def _cancel(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before, contenu = _held(connection, acte.contenu), acte.contenu
    after = before.cancelled(
        contenu["motifAnnulation"], contenu.get("commentaire"), acte.acteur.nom
    )
    return _effet(_change(connection, before, after))


def _renewed(connection: Connection, contenu: Contenu) -> tuple[EtatCarte, EtatCarte]:
    """The card as it is, and with a later last day. Raises ParametreInvalide where it is not later."""
    carte = _held(connection, contenu)
    mois = contenu.get("validiteMois")
    if mois is None:
        profil = None if carte.profil_id is None else find_profil(connection, carte.profil_id)
        mois = VALIDITE_MOIS if profil is None else profil.validite_mois
    fin = add_months(today(), mois)
    if fin <= carte.fin_validite:
        raise ParametreInvalide("validiteMois")
    return carte, carte._replace(fin_validite=fin, renouvellements=carte.renouvellements + 1)


def _check_renouvellement(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    carte = _held(connection, contenu)
    if carte.statut == ANNULEE:
        raise CarteAnnulee
    if carte.statut == OPPOSITION:
        raise CarteEnOpposition
    _check_client(connection, carte)
    _renewed(connection, contenu)


def _renew(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    return _effet(_change(connection, *_renewed(connection, acte.contenu)))


# ── replaced ─────────────────────────────────────────────────────────────────────────────────────
def _block_at_once(contenu: Contenu, etat: Etat | None) -> Prealable | None:
    """A card that is lost is blocked before anybody agrees to another one."""
    motif = contenu["motifRemplacement"]
    if motif not in PERTES or etat is None or etat.champs["statut"] not in (ACTIVE, OPPOSITION):
        return None
    if etat.champs["statut"] == OPPOSITION and severite(motif) <= severite(etat.champs["motif"]):
        return None
    return Prealable("opposerCarte", {"carteId": contenu["carteId"], "motifOpposition": motif})


def _profil_of_new(connection: Connection, carte: EtatCarte, contenu: Contenu) -> Profil | None:
    """The profile of a card that takes the place of this one: the same, unless another one is asked.

    Raises ParametreInvalide where one has to be, ObjetInconnu, EtatInterdit.
    """
    asked = contenu.get("profilId")
    if asked is not None:
        return _find_active_profil(connection, asked)
    numbered = contenu.get("numeroCarte") is not None
    if contenu["motifRemplacement"] == "CHANGEMENT_PROFIL" or (
        carte.profil_id is None and not numbered
    ):
        raise ParametreInvalide("profilId")
    return None if carte.profil_id is None else find_profil(connection, carte.profil_id)


def _check_remplacement(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    carte = _held(connection, contenu)
    if carte.statut == ANNULEE:
        raise CarteAnnulee
    if carte.statut == EMISE:
        raise _refuse(carte, ANNULEE)
    _check_client(connection, carte)
    if is_being_replaced(connection, carte.id):
        raise RemplacementEnCours
    _profil_of_new(connection, carte, contenu)
    if contenu.get("numeroCarte") and is_taken(connection, [contenu["numeroCarte"]]):
        raise NumeroCarteIndisponible


def _replace(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    old, contenu = _held(connection, acte.contenu), acte.contenu
    profil = _profil_of_new(connection, old, contenu)
    numero = contenu.get("numeroCarte")
    if numero is None:
        assert profil is not None, "it was checked: a number is drawn from a profile"
        (numero,) = draw_numeros(connection, profil.prefixe, 1)
    mois = VALIDITE_MOIS if profil is None else profil.validite_mois
    nouvelle = NouvelleCarte(
        numero,
        old.client_id,
        old.membre_id,
        add_months(today(), mois),
        EMISE,
        0,
        new_ulid(),
        None if profil is None else profil.profil_id,
        old.id,
    )
    (opened,) = _open(connection, [nouvelle])
    assert opened.apres is not None, "a card that is written is there"
    apres = {**opened.apres, "remplaceCarteId": old.carte_id}
    return _effet(opened._replace(apres=apres), numeroCarte=numero)


_VALIDER = "cartes:valider"
_CLE = ("carteId",)

EMETTRE = TypeDemande(
    "emettreCartes", CARTE_OBJET, _VALIDER, _read, _check_emission, _emit,
    nom_objet=CLIENT, client=lambda contenu: str(contenu["clientId"]),
)  # fmt: skip
ACTIVER = TypeDemande(
    "activerCarte", CARTE_OBJET, _VALIDER, _read_with_client, _check_activation, _activate,
    nom_objet=CARTE, cle=_CLE,
)  # fmt: skip
OPPOSER = TypeDemande(
    "opposerCarte", CARTE_OBJET, _VALIDER, _read, _check_opposition, _oppose,
    nom_objet=CARTE, cle=_CLE,
)  # fmt: skip
LEVER = TypeDemande(
    "leverOpposition", CARTE_OBJET, _VALIDER, _read, _check_levee, _lift,
    nom_objet=CARTE, cle=_CLE, variante=_motif_of,
)  # fmt: skip
ANNULER = TypeDemande(
    "annulerCarte", CARTE_OBJET, _VALIDER, _read, _check_annulation, _cancel,
    nom_objet=CARTE, cle=_CLE,
)  # fmt: skip
RENOUVELER = TypeDemande(
    "renouvelerCarte", CARTE_OBJET, _VALIDER, _read_with_client, _check_renouvellement, _renew,
    nom_objet=CARTE, cle=_CLE,
)  # fmt: skip
REMPLACER = TypeDemande(
    "remplacerCarte", CARTE_OBJET, _VALIDER, _read_with_client, _check_remplacement, _replace,
    nom_objet=CARTE, cle=_CLE, prealable=_block_at_once,
)  # fmt: skip
