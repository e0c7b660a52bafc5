"""What a limit has counted is the sum of its period, without what was reversed, whatever happened."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

import models.annulation
import models.journal.reference
import models.plafond
from models.annulation import annuler
from models.database.engine import Database
from models.errors import PlafondDepasse
from models.mouvement import CarteDesignee, Demande, crediter, debiter
from models.operation import CREDIT, DEBIT
from models.partenaire import Partenaire
from models.plafond import JOUR, MOIS, OPERATION, consommations, plafonds, start_of
from models.secret import find_by_secret
from tests.support.acteurs import TESTEUR
from tests.support.plafonds import remove_plafond, set_plafond
from tests.support.world import PEPPER, World

CARD, PARTNER = "carte", "partenaire"
MOVES = {CREDIT: crediter, DEBIT: debiter}
FIRST_DAY = datetime(2027, 1, 30, 12, tzinfo=UTC)
"""So that two of the days that may follow are of another month."""


class Limit(NamedTuple):
    """What a limit is of."""

    whose: str
    type: str
    periode: str


class Moved(NamedTuple):
    """An operation that was executed."""

    reference: str
    type: str
    montant: int
    jour: date


limits = st.builds(
    Limit,
    st.sampled_from([CARD, PARTNER]),
    st.sampled_from([CREDIT, DEBIT]),
    st.sampled_from([JOUR, JOUR, MOIS, OPERATION]),
)
_moves = st.tuples(
    st.just("move"), st.sampled_from([CREDIT, DEBIT]), st.sampled_from([1, 200, 300])
)
_reversals = st.tuples(st.just("reverse"), st.integers(0, 5))
_sets = st.tuples(st.just("set"), limits, st.sampled_from([(500, None), (250, 2), (None, 3)]))
_removals = st.tuples(st.just("remove"), limits)
_days = st.just(("tomorrow",))
actions = st.one_of(_moves, _moves, _moves, _reversals, _reversals, _sets, _sets, _removals, _days)


@dataclass
class Ledger:
    """One card and one partner in a transaction, and what plain Python says of them."""

    connection: Connection
    partenaire: Partenaire
    carte: CarteDesignee
    at: datetime = FIRST_DAY
    moved: list[Moved] = field(default_factory=list)
    reversed: set[str] = field(default_factory=set)
    limits: dict[Limit, tuple[int | None, int | None, date]] = field(default_factory=dict)
    steps: int = 0

    def do(self, kind: str, *what: Any) -> None:
        """Do one thing, and compare."""
        self.steps += 1
        getattr(self, f"_{kind}")(*what)
        for limit, (*_, since) in self.limits.items():
            if limit.periode != OPERATION:
                assert self._stored(limit) == self._folded(limit, since)

    def _move(self, type_: str, montant: int) -> None:
        reference = f"R-{self.steps}"
        try:
            with self.connection.begin_nested():
                MOVES[type_](
                    self.connection, self.partenaire, Demande(self.carte, montant, reference)
                )
        except PlafondDepasse:
            assert self._exceeded(type_, montant)
            return
        assert not self._exceeded(type_, montant)
        self.moved.append(Moved(reference, type_, montant, self.at.date()))

    def _exceeded(self, type_: str, montant: int) -> bool:
        for limit, (most, times, _) in self.limits.items():
            if limit.type == type_:
                sums = self._folded(limit, date.min) if limit.periode != OPERATION else {}
                before, number = sums.get(start_of(limit.periode, self.at.date()), (0, 0))
                if most is not None and before + montant > most:
                    return True
                if times is not None and number + 1 > times:
                    return True
        return False

    def _reverse(self, which: int) -> None:
        alive = [one for one in self.moved if one.reference not in self.reversed]
        if alive:
            one = alive[which % len(alive)]
            annuler(
                self.connection,
                self.partenaire,
                reference_origine=one.reference,
                reference=f"A-{self.steps}",
                motif=None,
                fenetre=timedelta(days=90),
            )
            self.reversed.add(one.reference)

    def _set(self, limit: Limit, most: tuple[int | None, int | None]) -> None:
        montant, nombre = (300, None) if limit.periode == OPERATION else most
        assert set_plafond(
            self.connection,
            TESTEUR,
            **self._named(limit),
            montant_maximal=montant,
            nombre_maximal=nombre,
        )
        since = start_of(limit.periode, self.at.date())
        self.limits[limit] = (montant, nombre, since)

    def _remove(self, limit: Limit) -> None:
        removed = remove_plafond(self.connection, TESTEUR, **self._named(limit))
        assert removed == (self.limits.pop(limit, None) is not None)

    def _tomorrow(self) -> None:
        self.at += timedelta(days=1)

    def _named(self, limit: Limit) -> dict[str, Any]:
        whose = {
            CARD: {"numero_carte": self.carte.numero_carte},
            PARTNER: {"consumer_key": self.partenaire.consumer_key},
        }[limit.whose]
        return {"type_": limit.type, "periode": limit.periode, **whose}

    def _folded(self, limit: Limit, since: date) -> dict[date, tuple[int, int]]:
        """What plain Python counts in each period: the sum and the number, where there is any."""
        sums: dict[date, tuple[int, int]] = {}
        for one in self.moved:
            debut = start_of(limit.periode, one.jour)
            if one.type == limit.type and one.reference not in self.reversed and debut >= since:
                before, number = sums.get(debut, (0, 0))
                sums[debut] = before + one.montant, number + 1
        return sums

    def _stored(self, limit: Limit) -> dict[date, tuple[int, int]]:
        """What the database has counted in each period, where there is any."""
        of_card = plafonds.c.carte_id.is_not(None)
        rows = self.connection.execute(
            select(consommations.c.debut, consommations.c.montant, consommations.c.nombre)
            .join_from(consommations, plafonds)
            .where(
                of_card if limit.whose == CARD else plafonds.c.partenaire_id == self.partenaire.id,
                plafonds.c.type == limit.type,
                plafonds.c.periode == limit.periode,
            )
        )
        return {
            row.debut: (row.montant, row.nombre)
            for row in rows
            if (row.montant, row.nombre) != (0, 0)
        }


class _Over(Exception):
    pass


@contextmanager
def ledger(database: Database, partenaire: Partenaire, carte: CarteDesignee) -> Iterator[Ledger]:
    """A ledger whose clock is its own, and of which nothing stays."""
    with pytest.MonkeyPatch.context() as patch, suppress(_Over), database.transaction() as one:
        made = Ledger(one, partenaire, carte)
        for module in (models.annulation, models.journal.reference, models.plafond):
            patch.setattr(module, "now", lambda: made.at)
        yield made
        raise _Over


def test_limits_count_what_was_moved_in_the_period_and_not_reversed(database: Database) -> None:
    world = World(database, "")
    carte = world.carte(1_000_000)
    pair = world.partenaire([carte.membre.client_id])
    with database.reading() as connection:
        partenaire = find_by_secret(connection, *pair, pepper=PEPPER, demo_allowed=True).partenaire
    assert partenaire is not None
    named = CarteDesignee(carte.numero, carte.membre.wallet_id, carte.membre.client_id)

    @settings(
        max_examples=30,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(actions, min_size=10, max_size=25))
    def any_order(drawn: list[tuple[Any, ...]]) -> None:
        with ledger(database, partenaire, named) as made:
            for one in drawn:
                made.do(*one)

    any_order()
