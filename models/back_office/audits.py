"""What a person reads of the audit, by pages or as one stream, and what is written of his reading.

An agent of some clients sees what is of these clients, and what their demandes changed: where a row does not
say whose it is, he does not see it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from models.agent import Agent
from models.audit import Acteur, Objet, audit, describe, record, wire_name
from models.database.curseur import decode_curseur, encode_curseur
from models.database.parcours import choose_way, read_page
from models.database.periode import between
from models.demande import demandes

_CURSEUR = "a1"
"""Kind of the curseurs of the audit, whose position is a row's."""

BATCH = 500
"""Rows read at once by a stream."""

TOUT = Objet("AUDIT", "AUDIT")
"""What is read of, as the audit calls itself."""


class FiltreAudit(NamedTuple):
    """Which rows. `objet_id` is this very object's; days are both included."""

    acteur_id: str | None = None
    objet_type: str | None = None
    objet_id: str | None = None
    action: str | None = None
    demande_id: str | None = None
    request_id: str | None = None
    date_debut: date | None = None
    date_fin: date | None = None


class LigneAudit(NamedTuple):
    """A row of the audit. `avant` and `apres` hold fields under the names of the contract."""

    position: int
    date: datetime
    acteur_type: str
    acteur_id: str
    acteur_nom: str
    via_application: str | None
    pour_le_compte_de: str | None
    adresse: str | None
    request_id: str | None
    action: str
    objet_type: str
    objet_id: str
    demande_id: str | None
    avant: Mapping[str, Any] | None
    apres: Mapping[str, Any] | None
    motif: str | None
    meme_personne: bool
    empreinte_precedente: str
    empreinte: str


class PageAudit(NamedTuple):
    """Rows in the order of what was done, and the curseur of the next page, None at the end: a page may hold
    fewer than it could before that."""

    lignes: list[LigneAudit]
    curseur_suivant: str | None


class LectureAudit(NamedTuple):
    """A whole reading, to be done by batches, each in a connection of its own; or a page, read already."""

    agent: Agent | None
    filtre: FiltreAudit
    position: int | None
    page: PageAudit | None

    @property
    def curseur_suivant(self) -> str | None:
        """The curseur of the page after this one, None when none follows."""
        return None if self.page is None else self.page.curseur_suivant

    def read(
        self, connection: Connection, position: int | None
    ) -> tuple[list[LigneAudit], int | None]:
        """The next rows after `position`, and the position after them, None at the end."""
        if self.page is not None:
            return self.page.lignes, None
        return _read_page(connection, self.agent, self.filtre, position, BATCH)


def list_audit(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreAudit,
    *,
    limite: int,
    curseur: str | None,
) -> PageAudit:
    """A page of the audit. Raises ParametreInvalide for a curseur that is none."""
    after = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    page, position = _read_page(connection, agent, filtre, after, limite)
    return PageAudit(page, None if position is None else encode_curseur(_CURSEUR, position))


def open_audit(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreAudit,
    *,
    limite: int | None,
    curseur: str | None,
) -> LectureAudit:
    """The reading of all rows from `curseur` on, or of the page of `limite`."""
    if limite is not None:
        page = list_audit(connection, agent, filtre, limite=limite, curseur=curseur)
        return LectureAudit(agent, filtre, None, page)
    position = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    return LectureAudit(agent, filtre, position, None)


def record_lecture(
    connection: Connection, acteur: Acteur, action: str, objet: Objet, filtre: NamedTuple | None
) -> None:
    """Write that something was read which is not read unseen, and by which filters. Call it last."""
    given = {} if filtre is None else filtre._asdict()
    asked = {wire_name(name): value for name, value in given.items() if value is not None}
    record(connection, acteur, action, objet, None, asked or None)


def _read_page(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreAudit,
    position: int | None,
    most: int,
) -> tuple[list[LigneAudit], int | None]:
    """At most so many behind this position, and the one behind which others follow, None at the end."""
    # What tells most comes first: the audit is walked by it. Each has an index.
    names = ("demande_id", "request_id", "objet_id", "acteur_id", "action", "objet_type")
    way = choose_way({name: getattr(filtre, name) for name in names}, cle_id="position")
    if agent is not None and agent.clients is not None:
        way = way._replace(filtres=[*way.filtres, partial(_is_seen, sorted(agent.clients))])
    way = between(
        connection,
        way,
        audit.c.position,
        audit.c.date,
        debut=filtre.date_debut,
        fin=filtre.date_fin,
    )
    page = read_page(connection, audit, [way], position=position, limite=most)
    return [_ligne(row._asdict()) for row in page.lignes], page.suite


def _ligne(row: dict[str, Any]) -> LigneAudit:
    told = {name: row[name] for name in ("avant", "apres", "meme_personne")}
    try:
        told = dict(zip(told, describe(told).values(), strict=True))
    except ValueError:
        # Somebody wrote past the program: verifierAudit says where, and a list shows the rest of it.
        told = {"avant": None, "apres": None, "meme_personne": bool(row["meme_personne"])}
    return LigneAudit(**row | told)


def _is_seen(clients: list[str], row: Any) -> ColumnElement[bool]:
    """Whether a row is of these clients, by its object or by its demande."""
    members = [
        and_(row.objet_type == "MEMBRE", func.substr(row.objet_id, 1, len(one) + 1) == f"{one}:")
        for one in clients
    ]
    theirs = select(demandes.c.demande_id).where(
        demandes.c.demande_id == row.demande_id, demandes.c.client_id.in_(clients)
    )
    themselves = and_(row.objet_type == "CLIENT", row.objet_id.in_(clients))
    return or_(themselves, *members, theirs.exists())
