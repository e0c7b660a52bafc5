"""The one way to change anything: a demande is entered, agreed to by other persons, and then executed.

Each function makes one passage of `models.demande.VIE`, in the transaction that it is given, with the row of
the audit that belongs to it. A refusal undoes all of that transaction: an execution that fails leaves the
demande as it was, and the validation uncounted. An attempt to agree to what is one's own is a fact all the
same: its row of the audit is written afterwards, by a transaction of its own (`Refusal.trace`).

Locks are taken in one order, so that two acts wait for each other and never in a ring: the demande, its
object, the end of the audit. Behind that end every other change is over: there the person is looked up once
more, and what must hold over several objects is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.agent import ACTIF, Agent, find_agent
from models.audit import AGENT, CLI, SYSTEME, Acteur, Champs, Objet, record
from models.back_office.registre import TYPES
from models.back_office.type_demande import Acte, Changement, Contenu, Effet, Etat, TypeDemande
from models.base import UNITE, canonical_json, new_ulid, now
from models.demande import (
    COLUMNS,
    EXECUTEE,
    EXPIREE,
    REJETEE,
    RETIREE,
    SAISIE,
    VIE,
    Demande,
    demandes,
    empreinte_of,
    find_demande,
    find_validations,
    read_demande,
    validations,
)
from models.errors import (
    AgentInconnu,
    AuthentificationInsuffisante,
    AutoValidationInterdite,
    ContenuNonConfirme,
    DemandeConcurrente,
    DemandeDejaTraitee,
    DemandeExpiree,
    DemandeInconnue,
    DroitInsuffisant,
    ObjetInconnu,
    ReferenceDejaUtilisee,
    Refusal,
    ValidationReserveeAuxPersonnes,
    VersionPerimee,
)
from models.partenaire import Partenaire, check_entitled
from models.regle_validation import Regle, find_regle

DUREE = timedelta(hours=168)
"""How long a demande waits for those who may agree to it."""

FORTE_S = 900
"""How long ago the person may have authenticated who validates what a rule marks `forte`."""

SYSTEME_ACTEUR = Acteur(SYSTEME, "SYSTEME", "Système")

OBJET = "DEMANDE"
"""What the audit calls a demande."""

_ACTIONS = {(one.de, one.vers): one.action for one in VIE}


class Personne(NamedTuple):
    """Who acts: as the audit names him, the agent that he is, and when he authenticated.

    `agent` is None for a machine, which is a partner, and for the command line: these validate nothing.
    """

    acteur: Acteur
    agent: Agent | None = None
    authentifie_le: datetime | None = None
    machine: Partenaire | None = None


class Saisie(NamedTuple):
    """What is entered, under a reference of the caller's own. `version` is of the object as he saw it."""

    type: str
    reference: str
    contenu: Contenu
    version: int | None = None
    motif: str | None = None


def saisir(
    connection: Connection,
    personne: Personne,
    saisie: Saisie,
    *,
    duree: timedelta = DUREE,
    pepper: bytes = b"",
) -> Demande:
    """Enter a demande, and execute it at once when its rule asks nobody else.

    The same reference with the same content of the same acteur is the same demande: nothing runs twice, and
    what is told once is not told again. Without the deployment's pepper, nothing that needs it opens.
    Raises ReferenceDejaUtilisee, DroitInsuffisant, ObjetInconnu, VersionPerimee, DemandeConcurrente, and
    what the type raises.
    """
    type_ = TYPES[saisie.type]
    droit = type_.droit(saisie.contenu)
    if droit is not None and personne.agent is not None and droit not in personne.agent.droits:
        raise DroitInsuffisant
    replay = _find_replay(connection, personne, saisie)
    if replay is not None:
        return replay
    objet_id = type_.objet_id(saisie.contenu)
    if _is_about_himself(type_, objet_id, personne.agent):
        objet = Objet(type_.objet_type, objet_id or "")
        raise _traced(AutoValidationInterdite(), personne, type_.nom, objet)
    etat = _read_objet(connection, type_, objet_id, personne, saisie.contenu)
    demande = _new(connection, personne, type_, saisie, objet_id, etat, duree)
    # The reference is claimed before anything is judged: a twin has changed what would be judged.
    if not _insert(connection, demande):
        replay = _find_replay(connection, personne, saisie)
        if replay is None:
            raise DemandeConcurrente
        return replay
    if saisie.version is not None and etat is not None and saisie.version != etat.version:
        raise VersionPerimee
    type_.verifier(connection, saisie.contenu, etat)
    if not demande.validations_requises:
        demande = _execute(connection, personne, demande, etat, pepper)
        _protect(connection, personne, saisie, etat)
        return demande
    if _protect(connection, personne, saisie, etat):
        demande = _see_again(connection, demande)
    _audit(connection, personne, demande, (None, SAISIE), None, _told(demande))
    return demande


def valider(
    connection: Connection,
    personne: Personne,
    demande_id: str,
    *,
    empreinte: str,
    pepper: bytes = b"",
) -> Demande:
    """Agree to what was seen; the last who has to agree executes it, all of it checked again.

    Raises DemandeInconnue, what `refus_de_valider` gives, ContenuNonConfirme, VersionPerimee, and what the
    type raises. Of two at once, the second is told DemandeDejaTraitee.
    """
    demande = _hold(connection, personne, demande_id)
    refus = refus_de_valider(connection, personne, demande)
    if refus is not None:
        raise _traced_attempt(refus, personne, demande)
    if empreinte != demande.empreinte:
        raise ContenuNonConfirme
    assert personne.agent is not None, "who is no person was refused"
    moment = now()
    connection.execute(
        insert(validations).values(
            demande_id=demande_id, agent_id=personne.agent.agent_id, date=moment
        )
    )
    demande = demande._replace(validations=find_validations(connection, demande_id))
    if len(demande.validations) < demande.validations_requises:
        given = {"validations": [one.agent_id for one in demande.validations]}
        before = {"validations": given["validations"][:-1]}
        _audit(connection, personne, demande, (SAISIE, SAISIE), before, given)
        return demande
    type_ = TYPES[demande.type]
    etat = _read_objet(connection, type_, demande.objet_id, personne, demande.contenu)
    if etat is not None and demande.version_objet not in (None, etat.version):
        raise VersionPerimee
    _check_montant(connection, type_, demande, etat)
    type_.verifier(connection, demande.contenu, etat)
    return _execute(connection, personne, demande, etat, pepper)


def rejeter(connection: Connection, personne: Personne, demande_id: str, *, motif: str) -> Demande:
    """Refuse a demande for ever. It needs the right to validate it, of another than who entered it.

    Raises DemandeInconnue, DemandeDejaTraitee, DemandeExpiree, DroitInsuffisant, AutoValidationInterdite,
    ValidationReserveeAuxPersonnes.
    """
    demande = _hold(connection, personne, demande_id)
    refus = _refus_de_juger(connection, personne, demande, meme_personne=False)
    if refus is not None:
        raise _traced_attempt(refus, personne, demande)
    return _end(connection, personne, demande, REJETEE, motif_rejet=motif)


def retirer(connection: Connection, personne: Personne, demande_id: str) -> Demande:
    """Take back what one has entered oneself.

    Raises DemandeInconnue, DemandeDejaTraitee, DemandeExpiree, DroitInsuffisant for anybody else.
    """
    demande = _hold(connection, personne, demande_id)
    refus = _refus_par_etat(demande)
    if refus is not None:
        raise refus
    if (demande.saisie_par_type, demande.saisie_par_id) != personne.acteur[:2]:
        raise DroitInsuffisant
    return _end(connection, personne, demande, RETIREE)


def expirer(connection: Connection, *, most: int = 100) -> int:
    """End what has waited too long, `most` at once: how many. What somebody holds is for the next time."""
    statement = (
        select(*COLUMNS)
        .where(demandes.c.statut == SAISIE, demandes.c.expire_le <= now())
        .order_by(demandes.c.expire_le)
        .limit(most)
        .with_for_update(skip_locked=True)
    )
    due = [read_demande(row) for row in connection.execute(statement).all()]
    for demande in due:
        _end(connection, Personne(SYSTEME_ACTEUR), demande, EXPIREE)
    return len(due)


# ── who may agree ────────────────────────────────────────────────────────────────────────────────
def refus_de_valider(
    connection: Connection, personne: Personne, demande: Demande
) -> Refusal | None:
    """Why this person may not validate this demande now, None when he may."""
    refus = _refus_de_juger(connection, personne, demande, meme_personne=demande.meme_personne)
    if refus is not None:
        return refus
    if demande.forte and not _is_fresh(personne.authentifie_le):
        return AuthentificationInsuffisante()
    return None


def _refus_de_juger(
    connection: Connection, personne: Personne, demande: Demande, *, meme_personne: bool
) -> Refusal | None:
    agent = personne.agent
    if personne.acteur.type != AGENT or agent is None:
        return ValidationReserveeAuxPersonnes()
    refus = _refus_par_etat(demande)
    if refus is not None:
        return refus
    if agent.statut != ACTIF or TYPES[demande.type].valider not in agent.droits:
        return DroitInsuffisant()
    twice = any(one.agent_id == agent.agent_id for one in demande.validations)
    himself = _is_about_himself(TYPES[demande.type], demande.objet_id, agent)
    if twice or himself or (not meme_personne and _has_part(connection, agent, demande)):
        return AutoValidationInterdite()
    return None


def _is_about_himself(type_: TypeDemande, objet_id: str | None, agent: Agent | None) -> bool:
    return type_.of_others and agent is not None and agent.agent_id == objet_id


def _refus_par_etat(demande: Demande) -> Refusal | None:
    if demande.statut != SAISIE:
        return DemandeDejaTraitee(statut=demande.statut)
    return DemandeExpiree() if demande.expire_le <= now() else None


def _has_part(connection: Connection, agent: Agent, demande: Demande) -> bool:
    """Whether he entered it or agreed to it already, under this agentId or another one of his."""
    part = [one.agent_id for one in demande.validations]
    if demande.saisie_par_type == AGENT:
        part.append(demande.saisie_par_id)
    others = [find_agent(connection, agent_id) for agent_id in part]
    return any(one is not None and agent.is_same_person(one) for one in others)


def _is_fresh(authentifie_le: datetime | None) -> bool:
    return authentifie_le is not None and now() - authentifie_le <= timedelta(seconds=FORTE_S)


# ── steps ────────────────────────────────────────────────────────────────────────────────────────
def _find_replay(connection: Connection, personne: Personne, saisie: Saisie) -> Demande | None:
    found = find_demande(connection, reference=saisie.reference)
    if found is None:
        return None
    asked = (saisie.type, saisie.contenu, saisie.motif, saisie.version)
    was = (found.type, found.contenu, found.motif, saisie.version and found.version_objet)
    by = (found.saisie_par_type, found.saisie_par_id)
    if asked != was or by != personne.acteur[:2]:
        raise ReferenceDejaUtilisee
    return found._replace(replayed=True)


def _read_objet(
    connection: Connection,
    type_: TypeDemande,
    objet_id: str | None,
    personne: Personne,
    contenu: Contenu,
) -> Etat | None:
    """The object, held. One of a client whom the person does not see is as if there were none."""
    etat = None if objet_id is None else type_.lire(connection, objet_id, lock=True)
    client_id = type_.client(contenu) if etat is None else etat.client_id
    touched = (client_id, *type_.autres_clients(connection, contenu))
    hidden = personne.agent is not None and not all(map(personne.agent.sees, touched))
    if hidden and objet_id is None:
        # What would be of a client that he does not see.
        raise ObjetInconnu(objet="Client")
    if hidden or (etat is None and objet_id is not None):
        raise ObjetInconnu(objet=type_.nom_objet or type_.objet_type.capitalize())
    return etat


def _protect(connection: Connection, personne: Personne, saisie: Saisie, etat: Etat | None) -> bool:
    """Do at once what cannot wait for those who agree to the rest, by a demande of its own. Whether there was
    any: it goes with the rest, so that a refusal undoes it too.

    It is done last, since it holds the end of the audit.
    """
    prealable = TYPES[saisie.type].prealable(saisie.contenu, etat)
    if prealable is None:
        return False
    saisir(
        connection,
        personne,
        Saisie(prealable.type, new_ulid(), prealable.contenu, motif=saisie.motif),
    )
    return True


def _see_again(connection: Connection, demande: Demande) -> Demande:
    """The demande about its object as it has become."""
    type_, objet_id = TYPES[demande.type], demande.objet_id
    assert objet_id is not None, "what protects an object has one"
    etat = type_.lire(connection, objet_id, lock=True)
    assert etat is not None, "it was there, and is held"
    seen: dict[str, Any] = {
        "version_objet": etat.version,
        "empreinte": empreinte_of(type_.nom, objet_id, etat.version, demande.contenu),
    }
    mine = demandes.c.demande_id == demande.demande_id
    connection.execute(update(demandes).where(mine).values(seen))
    return demande._replace(**seen)


def _new(
    connection: Connection,
    personne: Personne,
    type_: TypeDemande,
    saisie: Saisie,
    objet_id: str | None,
    etat: Etat | None,
    duree: timedelta,
) -> Demande:
    montant = type_.montant(saisie.contenu, etat)
    regle = _find_regle(connection, type_, saisie.contenu, etat, montant)
    # Whoever has a shell is above validations, and the audit says that it was he.
    requises = 0 if personne.acteur.type == CLI else regle.validations
    version = None if etat is None else etat.version
    moment = now()
    # What nobody else is asked for is never pending: it need not wait for the end of what is.
    executed = {"statut": EXECUTEE, "traitee_par": personne.acteur.nom, "traitee_le": moment}
    processed: dict[str, Any] = {} if requises else executed | {"resultat": {}}
    return Demande(
        demande_id=new_ulid(),
        type=type_.nom,
        reference=saisie.reference,
        objet_type=type_.objet_type,
        objet_id=objet_id,
        client_id=type_.client(saisie.contenu) if etat is None else etat.client_id,
        contenu=saisie.contenu,
        empreinte=empreinte_of(type_.nom, objet_id, version, saisie.contenu),
        version_objet=version,
        montant=montant,
        unite=None if montant is None else UNITE,
        validations_requises=requises,
        forte=regle.forte,
        meme_personne=regle.meme_personne,
        saisie_par_type=personne.acteur.type,
        saisie_par_id=personne.acteur.id,
        saisie_par_nom=personne.acteur.nom,
        saisie_le=moment,
        expire_le=moment + duree,
        motif=saisie.motif,
        **processed,
    )


def _find_regle(
    connection: Connection,
    type_: TypeDemande,
    contenu: Contenu,
    etat: Etat | None,
    montant: int | None,
) -> Regle:
    variante = type_.variante(contenu, etat)
    return find_regle(connection, f"{type_.nom}:{variante}" if variante else type_.nom, montant)


def _check_montant(
    connection: Connection, type_: TypeDemande, demande: Demande, etat: Etat | None
) -> None:
    """An amount that is read of the object may have grown since: those who agreed are then too few, and
    agreed to another amount than this one. Raises VersionPerimee."""
    montant = type_.montant(demande.contenu, etat)
    if montant == demande.montant:
        return
    regle = _find_regle(connection, type_, demande.contenu, etat, montant)
    if regle.validations > demande.validations_requises:
        raise VersionPerimee


def _insert(connection: Connection, demande: Demande) -> bool:
    """Write a new demande. False when its reference is taken, or one about its object is pending.

    Waits for the end of a twin.
    """
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    values = demande._asdict()
    del values["validations"], values["replayed"]
    values |= {
        "contenu": canonical_json(demande.contenu),
        "resultat": None if demande.resultat is None else canonical_json(demande.resultat),
        "forte": int(demande.forte),
        "meme_personne": int(demande.meme_personne),
    }
    written = connection.execute(
        dialect.insert(demandes).values(values).on_conflict_do_nothing().returning(demandes.c.id)
    )
    return written.first() is not None


def _hold(connection: Connection, personne: Personne, demande_id: str) -> Demande:
    demande = find_demande(connection, demande_id=demande_id, lock=True)
    agent = personne.agent
    if demande is None or (agent is not None and not agent.sees(demande.client_id)):
        raise DemandeInconnue
    return demande


def _execute(
    connection: Connection, personne: Personne, demande: Demande, etat: Etat | None, pepper: bytes
) -> Demande:
    type_ = TYPES[demande.type]
    acte = Acte(demande.contenu, demande.demande_id, demande.motif, personne.acteur, pepper)
    effet = type_.executer(connection, acte, etat)
    executed = demande._replace(
        statut=EXECUTEE,
        traitee_par=personne.acteur.nom,
        traitee_le=now(),
        resultat=effet.resultat,
    )
    _update(connection, demande, executed)
    _audit_effet(connection, personne, executed, effet)
    type_.constater(connection, effet)
    return executed._replace(resultat={**effet.resultat, **effet.une_fois})


def _end(
    connection: Connection, personne: Personne, demande: Demande, statut: str, **columns: Any
) -> Demande:
    ended = demande._replace(
        statut=statut, traitee_par=personne.acteur.nom, traitee_le=now(), **columns
    )
    _update(connection, demande, ended)
    _audit(
        connection, personne, ended, (SAISIE, statut),
        {"statut": SAISIE}, {"statut": statut}, motif=ended.motif_rejet,
    )  # fmt: skip
    return ended


_CHANGED = ("statut", "traitee_par", "traitee_le", "motif_rejet")


def _update(connection: Connection, before: Demande, after: Demande) -> None:
    resultat = None if after.resultat is None else canonical_json(after.resultat)
    changed = connection.execute(
        update(demandes)
        .where(demandes.c.demande_id == before.demande_id, demandes.c.statut == before.statut)
        .values({name: getattr(after, name) for name in _CHANGED} | {"resultat": resultat})
    )
    if changed.rowcount != 1:
        # It was held, so this is a fault of ours: nothing of the transaction may stay.
        raise AssertionError(f"demande {before.demande_id} was not {before.statut} any more")


# ── the audit ────────────────────────────────────────────────────────────────────────────────────
def _told(demande: Demande) -> Mapping[str, object]:
    return {
        "type": demande.type,
        "statut": demande.statut,
        "objetType": demande.objet_type,
        "objetId": demande.objet_id,
        "empreinte": demande.empreinte,
        "validationsRequises": demande.validations_requises,
    }


def _audit(
    connection: Connection,
    personne: Personne,
    demande: Demande,
    passage: tuple[str | None, str],
    avant: Champs | None,
    apres: Champs | None,
    *,
    motif: str | None = None,
) -> None:
    action = _ACTIONS[passage]
    assert action is not None, "this passage has a row of its own"
    record(
        connection, personne.acteur, action, Objet(OBJET, demande.demande_id), avant, apres,
        motif=motif or demande.motif, demande_id=demande.demande_id,
    )  # fmt: skip
    _check_still(connection, personne, demande)


def _audit_effet(
    connection: Connection, personne: Personne, demande: Demande, effet: Effet
) -> None:
    """One row for each object that it changed: they name its demande, which tells who entered it and who
    agreed."""
    same = any(one.agent_id == demande.saisie_par_id for one in demande.validations)
    for change in (Changement(effet.objet, effet.avant, effet.apres), *effet.autres):
        record(
            connection, personne.acteur, demande.type, change.objet, change.avant, change.apres,
            motif=demande.motif, demande_id=demande.demande_id,
            meme_personne=same and demande.saisie_par_type == AGENT,
        )  # fmt: skip
    _check_still(connection, personne, demande)


def _check_still(connection: Connection, personne: Personne, demande: Demande) -> None:
    """Look the person up again behind the end of the audit, where whoever suspended him is seen or waits.

    Raises AgentInconnu, DroitInsuffisant; DroitsRetires for a machine.
    """
    if personne.machine is not None:
        check_entitled(connection, personne.machine.id, personne.machine.generation)
    if personne.agent is None:
        return
    agent = find_agent(connection, personne.agent.agent_id)
    if agent is None or agent.statut != ACTIF:
        raise AgentInconnu
    agreed = any(one.agent_id == agent.agent_id for one in demande.validations)
    if agreed and TYPES[demande.type].valider not in agent.droits:
        raise DroitInsuffisant


_ATTEMPTS = (AutoValidationInterdite, ValidationReserveeAuxPersonnes)
"""Refusals of what is against four eyes: that it was tried is written down."""


def _traced_attempt(refus: Refusal, personne: Personne, demande: Demande) -> Refusal:
    if not isinstance(refus, _ATTEMPTS):
        return refus
    objet = Objet(OBJET, demande.demande_id)
    return _traced(refus, personne, "demande.refusee", objet, demande_id=demande.demande_id)


def _traced(
    refus: Refusal, personne: Personne, action: str, objet: Objet, demande_id: str | None = None
) -> Refusal:
    """The refusal, with the row of the audit that is written once its transaction is undone."""
    refus.trace = lambda connection: record(
        connection, personne.acteur, action, objet, None, {"refus": refus.code},
        demande_id=demande_id,
    )  # fmt: skip
    return refus
