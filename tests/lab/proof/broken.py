"""Servers broken on purpose, each by one classic mistake: the machine must find every one.

Each function is run inside a server, before it starts; nothing else may import this.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update

from handlers import server
from models import audit, etat_carte, plafond, regle_validation, suivi
from models.agent import find_agent
from models.audit import AGENT, Objet
from models.back_office import corbeille, moteur
from models.back_office.registre import TYPES
from models.back_office.type_demande import Acte
from models.base import now
from models.carte import BLOCAGE_TEMPORAIRE, REMPLACEE, cartes
from models.database.engine import Database
from models.database.waiting import pause
from models.demande import RETIREE, SAISIE, Demande, find_demande
from models.errors import DemandeDejaTraitee, SoldeInsuffisant
from models.journal import ecriture, reference, special
from models.journal.reference import CarteCle, Demandeur
from models.operation import CLOTURE, Operation
from tests.lab.proof.spoilt import is_armed, shortens_demandes
from tests.support.nursery import replace_everywhere

__all__ = ["shortens_demandes"]  # stages ask it of this module, beside its mistakes

SHARE = 1 / 20
"""Of the transactions that go wrong, where a mistake does not spoil each of them."""


def drops_what_it_was_sent() -> None:
    """Told to end, it ends at once."""
    server.Server.capture_signals = lambda _self: contextlib.nullcontext()  # type: ignore[method-assign,assignment,return-value]


def forgets_references() -> None:
    """A repeated reference is executed again."""
    right = reference.claim

    def claim(connection: Connection, demandeur: Demandeur, **more: Any) -> Any:
        claimed = right(connection, demandeur, **more)
        if claimed is not None or more["type_"] == CLOTURE:
            return claimed
        other = f"{demandeur.reference}~{random.randrange(16**6):06x}"
        return right(connection, demandeur._replace(reference=other), **more)

    replace_everywhere("claim", right, claim)


def reads_then_writes() -> None:
    """A solde is read, computed with, and written; on SQLite, whose writers queue, from a memory of
    the process that another process knows nothing of."""
    remembered: dict[int, int] = {}

    def move(
        connection: Connection, statement: Any, carte: CarteCle, montant: int, quand: Any
    ) -> ecriture.Position | None:
        read = connection.execute(
            select(cartes.c.solde).where(cartes.c.id == carte.id)
        ).scalar_one()
        solde = int(read)
        if connection.dialect.name == "sqlite":
            solde = remembered.setdefault(carte.id, solde)
        pause(0.002)
        gives = statement in (_secret("_GIVE"), _secret("_GIVE_BACK"))
        solde += montant if gives else -montant
        if solde < 0:
            return None
        remembered[carte.id] = solde
        row = connection.execute(
            update(cartes)
            .where(cartes.c.id == carte.id)
            .values(solde=solde, version=cartes.c.version + 1, date_solde=quand)
            .returning(cartes.c.solde, cartes.c.version, cartes.c.plafonnee)
        ).one()
        return ecriture.Position._make(row)

    def send_nothing(*_: object) -> None:
        """The movement goes step by step, as where nothing is sent ahead."""

    replace_everywhere("_move", _secret("_move"), move)
    replace_everywhere("move", ecriture.move, _secret("_move_by_steps"))
    replace_everywhere("foresee_movement", ecriture.foresee_movement, send_nothing)


def _secret(name: str) -> Any:
    return getattr(ecriture, name)


class _Forgotten(Exception):
    pass


def acknowledges_before_commit() -> None:
    """Some transactions are acknowledged, and then not committed."""
    whole = Database.transaction

    @contextlib.contextmanager
    def transaction(self: Database, **how: Any) -> Iterator[Connection]:
        with contextlib.suppress(_Forgotten), whole(self, **how) as connection:
            yield connection
            if random.random() < SHARE and is_armed():
                raise _Forgotten

    Database.transaction = transaction  # type: ignore[method-assign]


def commits_before_the_check() -> None:
    """Some answers fail their check when their transaction is committed already."""
    _raise_after_commit(RuntimeError("the answer is off contract"))


def refuses_after_commit() -> None:
    """Some operations are refused after they were executed."""
    _raise_after_commit(SoldeInsuffisant())


def _raise_after_commit(error: Exception) -> None:
    whole = Database.transaction

    @contextlib.contextmanager
    def transaction(self: Database, **how: Any) -> Iterator[Connection]:
        with whole(self, **how) as connection:
            yield connection
        if random.random() < SHARE and is_armed():
            raise error

    Database.transaction = transaction  # type: ignore[method-assign]


def replays_another_answer() -> None:
    """A replay tells another solde than the first answer."""
    right = suivi.find_replay

    def find_replay(connection: Connection, demandeur: Demandeur) -> Operation | None:
        found = right(connection, demandeur)
        return found and found._replace(solde=found.solde + 1)

    replace_everywhere("find_replay", right, find_replay)


def executes_closed_references() -> None:
    """Closing a reference is acknowledged and not kept."""
    right = suivi.close_reference

    def close_reference(connection: Connection, *rest: Any) -> suivi.Cloture:
        with contextlib.suppress(_Forgotten), connection.begin_nested():
            closed = right(connection, *rest)
            raise _Forgotten
        return closed

    replace_everywhere("close_reference", right, close_reference)


# ── the back office ──────────────────────────────────────────────────────────────────────────────
def _engine(name: str) -> Any:
    return getattr(moteur, name)


def _put(module: Any, name: str, new: object) -> None:
    """In this module only: others go on with the right one."""
    setattr(module, name, new)


def asks_nobody_else() -> None:
    """A type of demande takes effect as soon as it is entered."""
    right = regle_validation.find_regle

    def find_regle(connection: Connection, type_: str, montant: int | None = None) -> Any:
        regle = right(connection, type_, montant)
        return regle._replace(validations=0) if type_ == "saisirMembre" else regle

    replace_everywhere("find_regle", right, find_regle)


def takes_one_for_two() -> None:
    """The first of two validators is the last."""
    right = _engine("find_validations")

    def find_validations(connection: Connection, demande_id: str) -> tuple[Any, ...]:
        found = right(connection, demande_id)
        return (*found, *found)

    _put(moteur, "find_validations", find_validations)


def lets_makers_validate() -> None:
    """Who entered a demande validates it."""
    replace_everywhere("_has_part", _engine("_has_part"), lambda *_: False)


def lets_machines_validate() -> None:
    """What a machine validates counts as a person's validation."""
    right = moteur.valider

    def valider(
        connection: Connection, personne: moteur.Personne, demande_id: str, **more: Any
    ) -> Demande:
        demande = find_demande(connection, demande_id=demande_id)
        if personne.agent is None and demande is not None and demande.statut == SAISIE:
            personne = personne._replace(
                acteur=personne.acteur._replace(type=AGENT),
                agent=find_agent(connection, "demba"),
            )
        return right(connection, personne, demande_id, **more)

    _put(moteur, "valider", valider)


def does_it_twice() -> None:
    """An effect happens twice."""
    right = TYPES["modifierClient"]

    def executer(connection: Connection, acte: Any, etat: Any) -> Any:
        right.executer(connection, acte, etat)
        return right.executer(connection, acte, etat)

    TYPES["modifierClient"] = replace(right, executer=executer)


def forgets_rejections() -> None:
    """A rejection is acknowledged and not kept."""
    right = moteur.rejeter

    def rejeter(connection: Connection, *rest: Any, **more: Any) -> Demande:
        with contextlib.suppress(_Forgotten), connection.begin_nested():
            ended = right(connection, *rest, **more)
            raise _Forgotten
        return ended

    _put(moteur, "rejeter", rejeter)


def agrees_too_late() -> None:
    """What has waited too long is agreed to all the same."""
    right = _engine("_refus_par_etat")

    def _refus_par_etat(demande: Demande) -> Any:
        return right(demande._replace(expire_le=now() + moteur.DUREE))

    _put(moteur, "_refus_par_etat", _refus_par_etat)


def lies_of_references() -> None:
    """What was taken back is told to be pending still."""

    def find_retiree(connection: Connection, **how: Any) -> Demande | None:
        found = find_demande(connection, **how)
        if found is None or found.statut != RETIREE:
            return found
        return found._replace(statut=SAISIE, traitee_par=None, traitee_le=None)

    _put(corbeille, "find_demande", find_retiree)


def forgets_a_row() -> None:
    """Somebody takes a demande back, and the audit does not know."""
    right = _engine("_audit")

    def _audit(
        connection: Connection, personne: Any, demande: Demande, *rest: Any, **more: Any
    ) -> None:
        if demande.statut != RETIREE:
            right(connection, personne, demande, *rest, **more)

    replace_everywhere("_audit", right, _audit)


def audits_what_is_undone() -> None:
    """A validation that was refused has the row of one that was not."""
    right = _engine("_traced_attempt")

    def _traced_attempt(refus: Any, personne: moteur.Personne, demande: Demande) -> Any:
        if not isinstance(refus, DemandeDejaTraitee):
            return right(refus, personne, demande)
        objet = Objet("CLIENT", demande.objet_id or "")
        return _engine("_traced")(
            refus, personne, demande.type, objet, demande_id=demande.demande_id
        )

    replace_everywhere("_traced_attempt", right, _traced_attempt)


def forgets_blocks() -> None:
    """A block for a time is acknowledged and not kept."""
    right = TYPES["opposerCarte"]

    def executer(connection: Connection, acte: Acte, etat: Any) -> Any:
        if acte.contenu["motifOpposition"] != BLOCAGE_TEMPORAIRE:
            return right.executer(connection, acte, etat)
        with contextlib.suppress(_Forgotten), connection.begin_nested():
            effet = right.executer(connection, acte, etat)
            raise _Forgotten
        return effet

    TYPES["opposerCarte"] = replace(right, executer=executer)


def leaves_a_franc() -> None:
    """A card that takes the place of another one does not have all of its money."""
    right = special.transfer_all

    def transfer_all(connection: Connection, de: int, vers: int, **more: Any) -> Any:
        solde = special.hold_cartes(connection, de, vers)[de].solde
        return special.transfer_special(connection, de, vers, solde - 1, **more)

    replace_everywhere("transfer_all", right, transfer_all)


def forgets_limits() -> None:
    """A card that takes the place of another one may begin again to spend."""
    replace_everywhere("move_to", plafond.move_to, lambda *_: None)


def keeps_what_was_replaced() -> None:
    """A card whose place was taken is not cancelled."""
    right = etat_carte.EtatCarte.cancelled

    def cancelled(self: etat_carte.EtatCarte, motif: str, *rest: Any) -> etat_carte.EtatCarte:
        return self if motif == REMPLACEE else right(self, motif, *rest)

    etat_carte.EtatCarte.cancelled = cancelled  # type: ignore[method-assign,assignment]


def breaks_the_chain() -> None:
    """A row is not sealed by what it holds."""
    right = audit.hash_row

    def hash_row(row: Any) -> str:
        return right({**row, "action": "lecture"} if row["action"] == "getAudit" else row)

    _put(audit, "hash_row", hash_row)
