"""Operations as the back office reads them: of a card, of a client's cards, or of a partner, newest first.

A page walks days, by the index of each card, or of the partner: what it costs grows with the cards of the
client and not with what was ever moved. It looks at a thousand operations or a month of days at most, so it
may be short, and another one come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    Select,
    and_,
    case,
    func,
    or_,
    select,
    union_all,
)

from models.agent import Agent
from models.audit import Objet
from models.carte import CARTE_OBJET, cartes
from models.client import clients
from models.database.curseur import decode_curseur, encode_curseur
from models.database.periode import start_of
from models.demande import demandes
from models.errors import ObjetInconnu, ParametreInvalide
from models.journal.ecriture import ecritures
from models.operation import CLOTURE, operations
from models.partenaire import objet_partenaire, partenaires

_CURSEUR = "o1"
"""Kind of the curseurs, whose position is an operation's id."""

BATCH = 500
"""Lines read at once by a stream."""

EXAMINED = 1000
"""Operations looked at for a page, where not each of them is one of its lines."""

JOURS = 31
"""Days looked at for a page, at most; those without an operation do not count. The first may have nothing
left, so they are two at least."""

_FIN = datetime(9999, 12, 31, tzinfo=UTC)


class FiltreOperations(NamedTuple):
    """Whose, exactly one of the first three; of which days, both included, and of which type."""

    carte_id: str | None = None
    client_id: str | None = None
    consumer_key: str | None = None
    date_debut: date | None = None
    date_fin: date | None = None
    type: str | None = None

    @property
    def objet(self) -> Objet:
        """What is read, as the audit names it."""
        if self.carte_id is not None:
            return Objet(CARTE_OBJET, self.carte_id)
        if self.client_id is not None:
            return Objet("CLIENT", self.client_id)
        return objet_partenaire(self.consumer_key or "")


class LigneOperation(NamedTuple):
    """An operation. `solde` is what it left on the card of `numero_carte`, in units of `unite`."""

    numero_operation: str
    reference: str | None
    type: str
    statut: str
    partenaire: str | None
    demande_id: str | None
    numero_carte: str
    numero_carte_destination: str | None
    montant: int
    unite: str
    solde: int
    date_operation: datetime
    motif: str | None
    point_de_service: str | None
    terminal: str | None
    annulation_de: str | None
    annulee_par: str | None


class PageOperations(NamedTuple):
    """A page, and the curseur of the next one, None at the end."""

    lignes: list[LigneOperation]
    curseur_suivant: str | None


class LectureOperations(NamedTuple):
    """A whole reading, to be done by batches, each in a connection of its own; or a page, read already."""

    agent: Agent | None
    filtre: FiltreOperations
    position: int | None
    page: PageOperations | None

    @property
    def curseur_suivant(self) -> str | None:
        """The curseur of the page after this one, None when none follows."""
        return None if self.page is None else self.page.curseur_suivant

    def read(
        self, connection: Connection, position: int | None
    ) -> tuple[list[LigneOperation], int | None]:
        """The next lines after `position`, and the position after them, None at the end."""
        if self.page is not None:
            return self.page.lignes, None
        return _read_page(connection, self.agent, self.filtre, position, BATCH)


def list_operations(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreOperations,
    *,
    limite: int,
    curseur: str | None,
) -> PageOperations:
    """A page of what the agent sees (None: all).

    Raises ObjetInconnu for whom he does not see, ParametreInvalide unless one is named, or for a curseur that
    this API did not give.
    """
    _check_whose(connection, agent, filtre)
    position = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    found, suite = _read_page(connection, agent, filtre, position, limite)
    return PageOperations(found, None if suite is None else encode_curseur(_CURSEUR, suite))


def open_operations(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreOperations,
    *,
    limite: int | None,
    curseur: str | None,
) -> LectureOperations:
    """The reading of all from `curseur` on, or of the page of `limite`. Raises as `list_operations`."""
    if limite is not None:
        page = list_operations(connection, agent, filtre, limite=limite, curseur=curseur)
        return LectureOperations(agent, filtre, None, page)
    _check_whose(connection, agent, filtre)
    position = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    _find_place(connection, filtre, position)
    return LectureOperations(agent, filtre, position, None)


def _check_whose(connection: Connection, agent: Agent | None, filtre: FiltreOperations) -> None:
    named = [name for name in ("carte_id", "client_id", "consumer_key") if getattr(filtre, name)]
    if len(named) != 1:
        raise ParametreInvalide("consumerKey" if "consumer_key" in named else "clientId")
    if filtre.consumer_key is not None:
        known = select(partenaires.c.id).where(partenaires.c.consumer_key == filtre.consumer_key)
        if connection.scalar(known) is None:
            raise ObjetInconnu(objet="Partenaire")
        return
    of_carte = select(cartes.c.client_id).where(cartes.c.carte_id == filtre.carte_id)
    of_client = select(clients.c.client_id).where(clients.c.client_id == filtre.client_id)
    client_id = connection.scalar(of_client if filtre.carte_id is None else of_carte)
    if client_id is None or (agent is not None and not agent.sees(client_id)):
        raise ObjetInconnu(objet="Client" if filtre.carte_id is None else "Carte")


# ── which operations ─────────────────────────────────────────────────────────────────────────────
class _Place(NamedTuple):
    """Where a reading goes on: with what is older, or as old and of a smaller id."""

    date: datetime
    id: int

    def before(self, moment: Column[Any], id_: Column[Any]) -> ColumnElement[bool]:
        return and_(
            moment <= self.date, or_(moment < self.date, and_(moment == self.date, id_ < self.id))
        )


class _Examined(NamedTuple):
    """An operation that may be a line."""

    id: int
    date: datetime
    type: str


def _find_place(connection: Connection, filtre: FiltreOperations, position: int | None) -> _Place:
    """Raises ParametreInvalide for a position that no curseur has."""
    if position is not None:
        found = connection.scalar(
            select(operations.c.date_operation).where(operations.c.id == position)
        )
        if found is None:
            raise ParametreInvalide("curseur")
        return _Place(found, position)
    if filtre.date_fin is None or filtre.date_fin == date.max:
        return _Place(_FIN, 0)
    return _Place(start_of(filtre.date_fin + timedelta(days=1)), 0)


def _examine(
    connection: Connection, filtre: FiltreOperations, place: _Place, most: int
) -> tuple[list[_Examined], bool]:
    """The next operations, so many at most, and whether others may follow."""
    debut = datetime.min.replace(tzinfo=UTC)
    if filtre.date_debut is not None:
        debut = start_of(filtre.date_debut)
    if filtre.consumer_key is None:
        return _examine_cartes(connection, filtre, place, debut, most)
    whose = select(partenaires.c.id).where(partenaires.c.consumer_key == filtre.consumer_key)
    statement = select(*_EXAMINED).where(
        operations.c.partenaire_id == whose.scalar_subquery(),
        operations.c.type != CLOTURE,
        operations.c.date_operation >= debut,
        place.before(operations.c.date_operation, operations.c.id),
    )
    found = _run(connection, statement, most)
    return found, len(found) == most


_EXAMINED = (operations.c.id, operations.c.date_operation.label("date"), operations.c.type)


def _run(connection: Connection, statement: Select[Any], most: int) -> list[_Examined]:
    ordered = statement.order_by(operations.c.date_operation.desc(), operations.c.id.desc()).limit(
        most
    )
    return [_Examined._make(row) for row in connection.execute(ordered)]


def _examine_cartes(
    connection: Connection, filtre: FiltreOperations, place: _Place, debut: datetime, most: int
) -> tuple[list[_Examined], bool]:
    """By days, from the newest one in which the cards have an operation."""
    found: list[_Examined] = []
    for _ in range(JOURS):
        newest = _find_newest(connection, filtre, place, debut)
        if newest is None:
            return found, False
        jour = max(start_of(newest.date()), debut)
        found += _examine_jour(connection, filtre, place, jour, most - len(found))
        if len(found) == most:
            return found, True
        place = _Place(jour, 0)
    return found, True


_SIDES = (operations.c.carte_id, operations.c.carte_destination_id)


def _of_whom(filtre: FiltreOperations, table: Any) -> ColumnElement[bool]:
    if filtre.carte_id is not None:
        return table.c.carte_id == filtre.carte_id  # type: ignore[no-any-return]
    return table.c.client_id == filtre.client_id  # type: ignore[no-any-return]


def _find_newest(
    connection: Connection, filtre: FiltreOperations, place: _Place, debut: datetime
) -> datetime | None:
    """When the cards moved, or received, something last before this place: one step in the index of each."""
    last = []
    for side in _SIDES:
        of_carte = select(func.max(operations.c.date_operation)).where(
            side == cartes.c.id,
            operations.c.date_operation >= debut,
            operations.c.date_operation < place.date
            if place.id == 0
            else operations.c.date_operation <= place.date,
        )
        of_carte = of_carte.correlate(cartes)
        last.append(select(func.max(of_carte.scalar_subquery())).where(_of_whom(filtre, cartes)))
    moments = [connection.scalar(one) for one in last]
    return max((one for one in moments if one is not None), default=None)


def _examine_jour(
    connection: Connection, filtre: FiltreOperations, place: _Place, jour: datetime, most: int
) -> list[_Examined]:
    """What the cards moved or received in a day, before this place. What went from one of them to another one
    is told once, by the first."""
    given, received = (
        select(*_EXAMINED)
        .join_from(cartes, operations, side == cartes.c.id)
        .where(
            _of_whom(filtre, cartes),
            operations.c.date_operation >= jour,
            place.before(operations.c.date_operation, operations.c.id),
        )
        for side in _SIDES
    )
    source = cartes.alias("source")
    told = select(source.c.id).where(source.c.id == operations.c.carte_id, _of_whom(filtre, source))
    both = union_all(given, received.where(~told.exists())).subquery()
    ordered = select(both).order_by(both.c.date.desc(), both.c.id.desc()).limit(most)
    return [_Examined._make(row) for row in connection.execute(ordered)]


# ── their lines ──────────────────────────────────────────────────────────────────────────────────
def _read_page(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreOperations,
    position: int | None,
    nombre: int,
) -> tuple[list[LigneOperation], int | None]:
    """So many lines at most, and the position behind which others follow, None at the end."""
    seen = None if agent is None else agent.clients
    each = filtre.type is None and seen is None
    most = nombre + 1 if each else max(EXAMINED, nombre + 1)
    place = _find_place(connection, filtre, position)
    examined, more = _examine(connection, filtre, place, most)
    lignes: list[LigneOperation] = []
    last = None
    for id_, ligne in _read_lignes(connection, examined, filtre.type, seen, nombre + 1):
        if len(lignes) == nombre:
            return lignes, last
        lignes.append(ligne)
        last = id_
    return lignes, examined[-1].id if more and examined else None


def _read_lignes(
    connection: Connection,
    examined: Sequence[_Examined],
    type_: str | None,
    seen: frozenset[str] | None,
    at_once: int,
) -> Iterator[tuple[int, LigneOperation]]:
    """Each that is of the type and that the agent sees, with its id, read so many at once."""
    ids = [one.id for one in examined if type_ in (None, one.type)]
    for start in range(0, len(ids), at_once):
        some = ids[start : start + at_once]
        rows = {row.id: row for row in connection.execute(_LIGNES.where(operations.c.id.in_(some)))}
        for id_ in some:
            ligne = _ligne(rows[id_], seen)
            if ligne is not None:
                yield id_, ligne


_destination = cartes.alias("destination")
_origine = operations.alias("origine")
_annulation = operations.alias("annulation")

_LIGNES: Select[Any] = (
    select(
        operations,
        func.coalesce(operations.c.reference, demandes.c.reference).label("sa_reference"),
        partenaires.c.consumer_key,
        cartes.c.numero_carte,
        cartes.c.client_id,
        _destination.c.numero_carte.label("numero_destination"),
        _destination.c.client_id.label("client_destination"),
        case(
            (ecritures.c.compte_debit == cartes.c.compte_id, ecritures.c.solde_debit),
            else_=ecritures.c.solde_credit,
        ).label("solde"),
        ecritures.c.solde_credit,
        _origine.c.numero_operation.label("numero_origine"),
        _annulation.c.numero_operation.label("numero_annulation"),
    )
    .join_from(operations, cartes, cartes.c.id == operations.c.carte_id)
    .join(ecritures, ecritures.c.operation_id == operations.c.id)
    .outerjoin(partenaires, partenaires.c.id == operations.c.partenaire_id)
    .outerjoin(demandes, demandes.c.demande_id == operations.c.demande_id)
    .outerjoin(_destination, _destination.c.id == operations.c.carte_destination_id)
    .outerjoin(_origine, _origine.c.id == operations.c.annulation_de)
    .outerjoin(_annulation, _annulation.c.annulation_de == operations.c.id)
)


def _ligne(row: Any, seen: frozenset[str] | None) -> LigneOperation | None:
    """The line of an operation, told by the cards that the agent sees: None when he sees neither."""
    shown = [
        seen is None or client_id in seen
        for client_id in (row.client_id, row.client_destination)
        if client_id is not None
    ]
    if not any(shown):
        return None
    given = shown[0]
    return LigneOperation(
        numero_operation=row.numero_operation,
        reference=row.sa_reference,
        type=row.type,
        statut=row.statut,
        partenaire=row.consumer_key,
        demande_id=row.demande_id,
        numero_carte=row.numero_carte if given else row.numero_destination,
        numero_carte_destination=row.numero_destination if all(shown) else None,
        montant=row.montant,
        unite=row.unite,
        solde=row.solde if given else row.solde_credit,
        date_operation=row.date_operation,
        motif=row.motif,
        point_de_service=row.point_de_service,
        terminal=row.terminal,
        annulation_de=row.numero_origine,
        annulee_par=row.numero_annulation,
    )
