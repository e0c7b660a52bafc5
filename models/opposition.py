"""An opposition that a partner places on a card, and lifts when it was a block for a time."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Connection, select, update

from models.audit import Champs, Objet
from models.carte import (
    ACTIVE,
    ANNULEE,
    BLOCAGE_TEMPORAIRE,
    EMISE,
    OPPOSITION,
    Carte,
    cartes,
    find_carte,
    objet_carte,
)
from models.errors import CarteAnnulee, OppositionDefinitive, Refusal, TransitionInterdite
from models.geste import Geste, begin, finish
from models.journal.empreinte import Contenu
from models.mouvement import CarteDesignee
from models.partenaire import Partenaire


class DemandeOpposition(NamedTuple):
    """What opposerMaCarte asks."""

    carte: CarteDesignee
    motif: str
    reference: str


class DemandeLevee(NamedTuple):
    """What leverMonOpposition asks."""

    carte: CarteDesignee
    reference: str


class EtatCarte(NamedTuple):
    """The state in which a change has left a card, and since when; `motif` is empty unless it is blocked."""

    reference: str
    numero_carte: str
    statut: str
    motif: str
    depuis: datetime
    replayed: bool = False


def opposer(
    connection: Connection, partenaire: Partenaire, demande: DemandeOpposition
) -> EtatCarte:
    """Block a card: from the next debit on, it is refused. Its solde stays as it is.

    Raises UtilisateurInconnu, CarteAnnulee, TransitionInterdite, ReferenceDejaUtilisee, DroitsRetires.
    """
    geste, carte = _begin(connection, partenaire, "opposerMaCarte", demande, demande.motif)
    if carte is None:
        return _told(geste, demande.reference, replayed=True)
    blocked = connection.execute(
        update(cartes)
        .where(cartes.c.id == carte.id, cartes.c.statut.in_((EMISE, ACTIVE)))
        .values(
            statut=OPPOSITION,
            motif_statut=demande.motif,
            commentaire_statut=None,
            statut_avant_opposition=cartes.c.statut,
            oppose_par=partenaire.id,
            etat_version=cartes.c.etat_version + 1,
        )
        .returning(cartes.c.carte_id, cartes.c.statut_avant_opposition)
    ).first()
    if blocked is None:
        raise _refusal(connection, carte.id)
    etat = {
        "numeroCarte": carte.numero_carte,
        "statut": OPPOSITION,
        "motif": demande.motif,
    }
    avant: Champs = {"statut": blocked.statut_avant_opposition, "motif": None}
    return _done(connection, geste, demande.reference, etat, objet_carte(blocked.carte_id), avant)


def _refusal(connection: Connection, carte_id: int) -> Refusal:
    """The guarded update changed nothing: read again why, since a concurrent call may have blocked it."""
    statut = connection.scalar(select(cartes.c.statut).where(cartes.c.id == carte_id))
    if statut == ANNULEE:
        return CarteAnnulee()
    return TransitionInterdite(f"de={statut};vers={OPPOSITION}")


def lever(connection: Connection, partenaire: Partenaire, demande: DemandeLevee) -> EtatCarte:
    """Lift a block for a time that this partner placed: the card is what it was before.

    Raises UtilisateurInconnu, OppositionDefinitive, ReferenceDejaUtilisee, DroitsRetires.
    """
    geste, carte = _begin(connection, partenaire, "leverMonOpposition", demande)
    if carte is None:
        return _told(geste, demande.reference, replayed=True)
    lifted = connection.execute(
        update(cartes)
        .where(
            cartes.c.id == carte.id,
            cartes.c.statut == OPPOSITION,
            cartes.c.motif_statut == BLOCAGE_TEMPORAIRE,
            cartes.c.oppose_par == partenaire.id,
        )
        .values(
            statut=cartes.c.statut_avant_opposition,
            motif_statut=None,
            commentaire_statut=None,
            statut_avant_opposition=None,
            oppose_par=None,
            etat_version=cartes.c.etat_version + 1,
        )
        .returning(cartes.c.statut, cartes.c.carte_id)
    ).first()
    if lifted is None:
        raise OppositionDefinitive
    etat = {"numeroCarte": carte.numero_carte, "statut": lifted.statut, "motif": ""}
    avant: Champs = {"statut": OPPOSITION, "motif": BLOCAGE_TEMPORAIRE}
    return _done(connection, geste, demande.reference, etat, objet_carte(lifted.carte_id), avant)


def _begin(
    connection: Connection,
    partenaire: Partenaire,
    type_: str,
    demande: DemandeOpposition | DemandeLevee,
    *asked: str,
) -> tuple[Geste, Carte | None]:
    """Take the reference and find the card, unless the reference was taken by this same demand.

    Raises UtilisateurInconnu, ReferenceDejaUtilisee, DroitsRetires.
    """
    contenu = Contenu({1: (type_, *demande.carte, *asked)})
    geste = begin(connection, partenaire, type_=type_, reference=demande.reference, contenu=contenu)
    if geste.resultat is not None:
        return geste, None
    return geste, find_carte(connection, partenaire, **demande.carte._asdict())


def _done(
    connection: Connection,
    geste: Geste,
    reference: str,
    etat: dict[str, str],
    objet: Objet,
    avant: Champs,
) -> EtatCarte:
    apres: Champs = {"statut": etat["statut"], "motif": etat["motif"] or None}
    finish(connection, geste, etat, objet=objet, avant=avant, apres=apres)
    return _told(geste._replace(resultat=etat), reference, replayed=False)


def _told(geste: Geste, reference: str, *, replayed: bool) -> EtatCarte:
    assert geste.resultat is not None
    etat = geste.resultat
    return EtatCarte(
        reference, etat["numeroCarte"], etat["statut"], etat["motif"], geste.date, replayed
    )
