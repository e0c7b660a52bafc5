"""Seals compared with what they seal: which row differs, of which seal, and which seal itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, func, select, text

from models.books.feuilles import (
    ECRITURE,
    FORME,
    FORMES,
    NOMS,
    OPERATION,
    Cle,
    Scellee,
    find_racine,
    raw_texts,
    read_feuilles,
    read_lignes,
    split_feuilles,
)
from models.books.scellement import AUCUNE, AVANT_TOUT, Sceau, read_sceau
from models.books.verification import MAX_FAULTS, Fault
from models.operation import operations
from models.sceau import sceaux

LIGNES = "what is sealed is as it was sealed, and nothing was added to it"
FEUILLES = "the leaves of a sceau are those that it was made of"
CHAINE = "a sceau is as it was made, and follows the one before"
TETES = "the sceaux have the heads that were kept elsewhere"


class Controle(NamedTuple):
    """What is sealed, up to which seal and its head, how many operations came since, what differs, and
    the rules of which more differs than is told."""

    sceaux: int
    operations: int
    ecritures: int
    dernier: int | None
    tete: bytes | None
    depuis: int
    faults: list[Fault]
    rules_cut: list[str]


def verify_seals(
    connection: Connection,
    kept: Mapping[bytes, int | None] | None = None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Controle:
    """Compare all seals with the rows, with each other, and with the heads that somebody kept.

    `kept` gives the number of the seal of each head, where it is known. The connection comes from
    `Database.snapshot`. Writes nothing; memory does not grow with the journal. `progress` is told the
    seals done and how many there are.
    """
    control = _Control(connection, kept or {})
    with raw_texts(connection):
        total = connection.execute(select(func.count()).select_from(sceaux)).scalar_one()
        numero: int | None = None
        while (sceau := _read_next(connection, numero)) is not None:
            progress(control.sceaux, total)
            control.check(sceau)
            numero = sceau.numero
        progress(total, total)
        return control.end()


def verify_last_seal(connection: Connection) -> tuple[Sceau | None, Controle]:
    """The last seal, and what differs of it: its row, its place behind the one before, its leaves, its rows.

    It costs what one seal holds, however long the journal is; those before are taken as they stand.
    Writes nothing.
    """
    control = _Control(connection, {})
    with raw_texts(connection):
        last = read_sceau(connection, "ORDER BY numero DESC")
        if last is not None:
            before = read_sceau(
                connection, "WHERE numero < :numero ORDER BY numero DESC", numero=last.numero
            )
            control.begin_after(before)
            control.check(_with_feuilles(connection, last))
        return last, control.end()


def _read_next(connection: Connection, numero: int | None) -> Sceau | None:
    if numero is None:
        found = read_sceau(connection, "ORDER BY numero")
    else:
        found = read_sceau(connection, "WHERE numero > :numero ORDER BY numero", numero=numero)
    return None if found is None else _with_feuilles(connection, found)


def _with_feuilles(connection: Connection, found: Sceau) -> Sceau:
    contenu = connection.execute(
        text("SELECT feuilles FROM sceaux WHERE numero = :numero"), {"numero": found.numero}
    ).scalar_one()
    # SQLite takes anything for a column.
    return found._replace(feuilles=contenu if isinstance(contenu, bytes) else b"")


class _Control:
    """What was found so far, seal after seal."""

    def __init__(self, connection: Connection, kept: Mapping[bytes, int | None]) -> None:
        self._connection = connection
        self._kept = dict(kept)
        self._before: Sceau | None = None
        self._upto = AVANT_TOUT
        self._faults: dict[str, list[Fault]] = {
            regle: [] for regle in (CHAINE, FEUILLES, LIGNES, TETES)
        }
        self._cut: list[str] = []
        self._counted = {OPERATION: 0, ECRITURE: 0}
        self.sceaux = 0

    def begin_after(self, before: Sceau | None) -> None:
        """Take the seals up to this one for right."""
        self._before = before
        self._upto = AVANT_TOUT if before is None else before.jusqu_a

    def check(self, sceau: Sceau) -> None:
        """Check the next seal."""
        self.sceaux += 1
        self._kept.pop(sceau.tete, None)
        self._check_chain(sceau)
        if sceau.forme not in FORMES and sceau.empreinte == sceau.tete:
            self._upto = sceau.jusqu_a  # what a newer version sealed is its own to compare
        else:
            self._check_lignes(sceau)
        self._before = sceau

    def end(self) -> Controle:
        """What was found in all."""
        for tete, numero in self._kept.items():
            sujet = "sceau of that head" if numero is None else f"sceau {numero}"
            detail = f"head {tete.hex()} was kept, and no sceau has it now"
            self._tell(TETES, sujet, f"{detail}{self._tell_if_later(numero)}")
        depuis = select(func.count()).select_from(operations).where(operations.c.id > self._upto)
        last = self._before
        return Controle(
            sceaux=self.sceaux,
            operations=self._counted[OPERATION],
            ecritures=self._counted[ECRITURE],
            dernier=None if last is None else last.numero,
            tete=None if last is None else last.tete,
            depuis=self._connection.execute(depuis).scalar_one(),
            faults=[fault for faults in self._faults.values() for fault in faults],
            rules_cut=self._cut,
        )

    def _tell_if_later(self, numero: int | None) -> str:
        """What it means that a kept seal is younger than all that are there."""
        last = 0 if self._before is None else self._before.numero
        if numero is None or numero <= last:
            return ""
        return (
            f": the chain ends before it, at sceau {last}, as where the last ones were removed, or where the"
            " database was restored to a point before it"
        )

    def _tell(self, regle: str, sujet: str, detail: str) -> None:
        told = self._faults[regle]
        if len(told) < MAX_FAULTS:
            told.append(Fault(regle, sujet, detail))
        elif regle not in self._cut:
            self._cut.append(regle)

    # ── the chain ────────────────────────────────────────────────────────────────────────────────
    def _check_chain(self, sceau: Sceau) -> None:
        sujet, before = f"sceau {sceau.numero}", self._before
        expected = 1 if before is None else before.numero + 1
        if sceau.empreinte != sceau.tete:
            self._tell(CHAINE, sujet, "changed since it was made")
        elif sceau.forme not in FORMES:
            self._tell(CHAINE, sujet, "made by a newer version of this program")
        if sceau.numero != expected:
            missing = (
                f"{expected}"
                if sceau.numero <= expected + 1
                else f"{expected} to {sceau.numero - 1}"
            )
            self._tell(CHAINE, f"sceau {missing}", "removed")
        elif sceau.empreinte == sceau.tete and sceau.precedente not in _heads(before):
            which = "the first" if before is None else f"sceau {before.numero}"
            self._tell(CHAINE, sujet, f"does not follow {which}: one of them was replaced")

    # ── the rows ─────────────────────────────────────────────────────────────────────────────────
    def _check_lignes(self, sceau: Sceau) -> None:
        """Compare the rows with the leaves, and both with the root."""
        scellees = read_feuilles(sceau.feuilles)
        after, self._upto = self._range(sceau, scellees)
        for cle in scellees:
            self._counted[cle.genre] = self._counted.get(cle.genre, 0) + 1
        feuilles = split_feuilles(sceau.feuilles)
        compared = self._compare(sceau, after, scellees, limit=len(feuilles))
        if find_racine(feuilles) == sceau.racine:
            self._tell_lignes(sceau, compared)
        elif compared.feuilles is not None and find_racine(compared.feuilles) == sceau.racine:
            places = zip(feuilles, compared.feuilles, strict=False)
            at = next((n for n, (one, other) in enumerate(places) if one != other), len(feuilles))
            detail = f"leaf {at + 1} was changed; the rows are as they were sealed"
            self._tell(FEUILLES, f"sceau {sceau.numero}", detail)
        else:
            self._tell_lignes(sceau, compared)
            # Where the seal's own row was changed, its root may be what was.
            if sceau.is_itself:
                self._tell(FEUILLES, f"sceau {sceau.numero}", "changed, with or without the rows")

    def _range(self, sceau: Sceau, scellees: Mapping[Cle, Scellee]) -> tuple[int, int]:
        """The ids of its operations: above the first and up to the second. What is wrong in one seal should
        not be told of the next, so where a seal is gone or changed, its neighbours' leaves say it."""
        ids = [cle.id for cle in scellees if cle.genre == OPERATION]
        before = self._before
        if sceau.numero == (1 if before is None else before.numero + 1) or not ids:
            after = self._upto
        else:
            after = min(ids) - 1
        return after, sceau.jusqu_a if sceau.is_itself or not ids else max(ids)

    def _compare(
        self, sceau: Sceau, after: int, scellees: Mapping[Cle, Scellee], *, limit: int
    ) -> _Compared:
        forme = sceau.forme if sceau.forme in FORMES else FORME
        left = dict(scellees)
        changed: list[tuple[Cle, int]] = []
        added: list[tuple[Cle, int]] = []
        feuilles: list[bytes] | None = []
        for ligne in read_lignes(self._connection, after, self._upto, forme):
            scellee = left.pop(ligne.cle, None)
            if scellee is None or scellee.empreinte != ligne.empreinte:
                told = added if scellee is None else changed
                if len(told) <= MAX_FAULTS:
                    told.append((ligne.cle, ligne.operation_id))
            if feuilles is not None:
                feuilles.append(ligne.feuille)
                if len(feuilles) > limit + MAX_FAULTS:
                    feuilles = None  # so many more rows than leaves: theirs is another root
        return _Compared(changed, added, left, feuilles)

    def _tell_lignes(self, sceau: Sceau, compared: _Compared) -> None:
        by = f"sealed by sceau {sceau.numero}"
        for cle, operation_id in compared.changed:
            self._tell(LIGNES, _name(cle), f"{by}, changed since{_of(cle, operation_id)}")
        for cle, operation_id in compared.added:
            detail = f"added since to what sceau {sceau.numero} sealed{_of(cle, operation_id)}"
            self._tell(LIGNES, _name(cle), detail)
        for cle, scellee in compared.left.items():
            if len(self._faults[LIGNES]) < MAX_FAULTS and (moved := self._find_moved(cle)):
                self._tell(LIGNES, _name(cle), f"{by}, changed since: {moved}")
            else:
                self._tell(
                    LIGNES, _name(cle), f"{by}, removed since{_of(cle, scellee.operation_id)}"
                )

    def _find_moved(self, cle: Cle) -> str | None:
        """Of an ecriture that is not where it was sealed: where it is."""
        if cle.genre != ECRITURE:
            return None
        row = self._connection.execute(
            text("SELECT operation_id FROM ecritures WHERE id = :id"), {"id": cle.id}
        ).one_or_none()
        return None if row is None else f"of operation id {row.operation_id} now"


class _Compared(NamedTuple):
    """Rows that differ from their leaves, each with the operation it is of; leaves that have no row; the
    leaves that the rows have now, None of far too many."""

    changed: list[tuple[Cle, int]]
    added: list[tuple[Cle, int]]
    left: dict[Cle, Scellee]
    feuilles: list[bytes] | None


def _heads(before: Sceau | None) -> tuple[bytes, ...]:
    """What the next seal may name as its precursor's head. Of one that was changed, either of the two that
    it may have had, so that one change is told once."""
    return (AUCUNE,) if before is None else (before.empreinte, before.tete)


def _name(cle: Cle) -> str:
    return (
        f"operation id {cle.id}"
        if cle.genre == OPERATION
        else f"{NOMS.get(cle.genre, '?')} {cle.id}"
    )


def _of(cle: Cle, operation_id: int | None) -> str:
    return f", of operation id {operation_id}" if cle.genre == ECRITURE else ""
