"""The life of a card: its state, and from which to which it may pass. What it holds is the journal's.

A state has a version of its own (`etat_version`): a debit does not make what was decided about a card stale.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, Row, exists, or_, select, update

from models.carte import (
    ACTIVE,
    ANNULEE,
    AUTRE,
    BLOCAGE_TEMPORAIRE,
    EMISE,
    FRAUDE,
    MOTIFS_OPPOSITION,
    OPPOSITION,
    PERDUE,
    VOLEE,
    cartes,
)


class Passage(NamedTuple):
    """A line of a card's life: from which statut to which, by which operation."""

    de: str | None
    vers: str
    par: str


VIE: tuple[Passage, ...] = (
    Passage(None, EMISE, "emettreCartes"),
    Passage(None, EMISE, "remplacerCarte"),
    Passage(EMISE, ACTIVE, "activerCarte"),
    *(Passage(de, OPPOSITION, "opposerCarte") for de in (EMISE, ACTIVE, OPPOSITION)),
    *(Passage(de, OPPOSITION, "opposerMaCarte") for de in (EMISE, ACTIVE)),
    *(
        Passage(OPPOSITION, vers, par)
        for vers in (EMISE, ACTIVE)
        for par in ("leverOpposition", "leverMonOpposition")
    ),
    *(Passage(de, ANNULEE, "annulerCarte") for de in (EMISE, ACTIVE, OPPOSITION)),
    # The one whose place is taken, when the other one is activated.
    *(Passage(de, ANNULEE, "activerCarte") for de in (EMISE, ACTIVE, OPPOSITION)),
    *(Passage(statut, statut, "renouvelerCarte") for statut in (EMISE, ACTIVE)),
)
"""The whole life of a card. What is in no line does not happen; ANNULEE is final."""

DEFINITIFS = (VOLEE, FRAUDE)
"""Why a card is blocked for ever: who wants it back has it replaced."""

PERTES = (PERDUE, VOLEE, FRAUDE)
"""Why the card that is replaced cannot go on until the new one is active."""

_INCONNU = MOTIFS_OPPOSITION.index(AUTRE) - 1
"""How severe a block is whose reason nobody wrote down: more than one for a time, which is lifted lightly."""


def severite(motif: str | None) -> int:
    """How severe the reason of a block is, beside others."""
    return _INCONNU if motif not in MOTIFS_OPPOSITION else MOTIFS_OPPOSITION.index(motif)


def passes(de: str, vers: str, par: str) -> bool:
    """Whether a card passes so by this operation."""
    return Passage(de, vers, par) in VIE


class EtatCarte(NamedTuple):
    """A card with its state. `id` never leaves the server; `remplace_id` is such a one, of the card whose
    place it takes."""

    id: int
    carte_id: str
    numero_carte: str
    client_id: str
    membre_id: str
    profil_id: str | None
    statut: str
    motif_statut: str | None
    commentaire_statut: str | None
    statut_avant_opposition: str | None
    oppose_par: int | None
    fin_validite: date
    activee_le: datetime | None
    annulee_par: str | None
    remplace_id: int | None
    renouvellements: int
    etat_version: int

    @property
    def statut_sans_opposition(self) -> str:
        """What it is again once its block is lifted. It was active where nobody wrote it down."""
        return self.statut_avant_opposition or ACTIVE

    @property
    def is_lifted_lightly(self) -> bool:
        """Whether it is blocked for a time only."""
        return self.motif_statut == BLOCAGE_TEMPORAIRE

    def blocks(self, motif: str) -> bool:
        """Whether it may be blocked for this reason: where it is blocked, for a more severe one only."""
        if self.statut == OPPOSITION:
            return severite(motif) > severite(self.motif_statut)
        return passes(self.statut, OPPOSITION, "opposerCarte")

    def opposed(self, motif: str, commentaire: str | None) -> EtatCarte:
        """Blocked, by the back office: no partner lifts it then."""
        before = self.statut_avant_opposition if self.statut == OPPOSITION else self.statut
        return self._replace(
            statut=OPPOSITION,
            motif_statut=motif,
            commentaire_statut=commentaire,
            statut_avant_opposition=before,
            oppose_par=None,
        )

    def freed(self, statut: str) -> EtatCarte:
        """In a statut that nothing explains."""
        return self._replace(
            statut=statut,
            motif_statut=None,
            commentaire_statut=None,
            statut_avant_opposition=None,
            oppose_par=None,
        )

    def cancelled(self, motif: str, commentaire: str | None, par: str) -> EtatCarte:
        """Cancelled for ever by somebody of this name. What is on it stays."""
        return self.freed(ANNULEE)._replace(
            motif_statut=motif, commentaire_statut=commentaire, annulee_par=par
        )


_COLUMNS = [cartes.c[name] for name in EtatCarte._fields]


def _read(row: Row[tuple[object, ...]] | None) -> EtatCarte | None:
    return None if row is None else EtatCarte._make(row)


def find_etat_carte(connection: Connection, carte_id: str) -> EtatCarte | None:
    """The card of this name."""
    return _read(connection.execute(select(*_COLUMNS).where(cartes.c.carte_id == carte_id)).first())


def hold_etat_carte(connection: Connection, carte_id: str) -> EtatCarte | None:
    """The card of this name, held until the transaction ends, and before it the one whose place it takes:
    in the order of their ids, as transfers hold two cards."""
    replaced = select(cartes.c.remplace_id).where(cartes.c.carte_id == carte_id).scalar_subquery()
    held = connection.execute(
        select(*_COLUMNS)
        .where(or_(cartes.c.carte_id == carte_id, cartes.c.id == replaced))
        .order_by(cartes.c.id)
        .with_for_update(key_share=True)
    ).all()
    return _read(next((row for row in held if row.carte_id == carte_id), None))


def find_by_id(connection: Connection, id_: int) -> EtatCarte:
    """The card of this id of ours."""
    row = connection.execute(select(*_COLUMNS).where(cartes.c.id == id_)).one()
    return EtatCarte._make(row)


def is_being_replaced(connection: Connection, id_: int) -> bool:
    """Whether a card that is not cancelled has been issued in the place of the one of this id."""
    replacing = exists().where(cartes.c.remplace_id == id_, cartes.c.statut != ANNULEE)
    return bool(connection.scalar(select(replacing)))


def update_etat_carte(connection: Connection, before: EtatCarte, after: EtatCarte) -> bool:
    """Replace the state that was read by what shall be, one version later. False when it was changed
    meanwhile."""
    changed = connection.execute(
        update(cartes)
        .where(cartes.c.id == before.id, cartes.c.etat_version == before.etat_version)
        .values(
            statut=after.statut,
            motif_statut=after.motif_statut,
            commentaire_statut=after.commentaire_statut,
            statut_avant_opposition=after.statut_avant_opposition,
            oppose_par=after.oppose_par,
            fin_validite=after.fin_validite,
            activee_le=after.activee_le,
            annulee_par=after.annulee_par,
            renouvellements=after.renouvellements,
            etat_version=before.etat_version + 1,
        )
    )
    return changed.rowcount == 1
