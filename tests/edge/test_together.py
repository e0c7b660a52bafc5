"""Calls that write to SQLite and wait for one another end in one COMMIT, and none pays for a neighbour."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, bindparam, create_engine, event, insert, select, text
from sqlalchemy.exc import DBAPIError

from handlers.edge.workers import MOST_TOGETHER, Together
from models.client import clients
from models.database.engine import Database
from models.database.prepared import Prepared, run_command
from models.database.running import is_marked_running, mark_running
from models.database.waiting import DeadlinePassed, Wanted, wanted
from models.errors import Refusal, SoldeInsuffisant
from tests.support.live import serving, settings_for
from tests.support.patience import CALL_S
from tests.support.process import free_port
from tests.support.scene import ALL, CONTRACT, Scene
from tests.support.world import new_number

pytestmark = pytest.mark.only_on("sqlite")

_ADD = Prepared(
    insert(clients)
    .values(client_id=bindparam("le_client"), nom="A client", cle_id="", cle_nom="")
    .returning(clients.c.client_id)
)
_NAMES = text("SELECT client_id FROM clients")

Call = Callable[[], Any]


class Desk:
    """The room that writes to a database, and what SQLite was told there."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._other = create_engine(database.url)
        self.said: list[str] = []
        event.listen(database.engine, "connect", self._watch)
        self.room = Together("write", database.make_shared_seat)

    def _watch(self, driver: Any, _record: Any) -> None:
        driver.set_trace_callback(self.said.append)

    @property
    def commits(self) -> int:
        """How often it committed."""
        return self.said.count("COMMIT")

    def add(self, name: str, then: Callable[[Connection], object] = lambda _: None) -> str:
        """A call that writes a client, does something more in its transaction, and answers."""
        with (
            self.database.reading(together=True) as connection,
            self.database.transaction(on=connection, together=True),
        ):
            _ADD.all(connection, {"le_client": name})
            then(connection)
        return name

    def serve(self, *calls: Call, hurried: Sequence[int] = ()) -> list[Any]:
        """Have the calls wait for the room at one time; their results and errors. The time of those that are
        `hurried` is over once all have run."""

        async def ask() -> list[Any]:
            first = asyncio.create_task(self.room.run(hold, Wanted(CALL_S)))
            assert await asyncio.to_thread(entered.wait, CALL_S)
            waits = [Wanted(CALL_S) for _ in calls]
            asked = [
                asyncio.create_task(self.room.run(call, wait))
                for call, wait in zip(calls, waits, strict=True)
            ]
            await asyncio.sleep(0)
            for place in hurried:
                waits[place].end(DeadlinePassed)
            released.set()
            await first
            return await asyncio.gather(*asked, return_exceptions=True)

        def hold() -> None:
            entered.set()
            assert released.wait(CALL_S)

        entered, released = threading.Event(), threading.Event()
        return asyncio.run(ask())

    def held(self, *names: str) -> set[str]:
        """Which of these clients the database holds, as others see it."""
        with self._other.connect() as connection:
            return set(names) & set(connection.scalars(_NAMES))

    def look(self, *names: str) -> set[str]:
        """A call that shares nothing: which of these clients it finds."""
        with self.database.reading() as connection:
            return set(names) & set(connection.scalars(_NAMES))

    def close(self) -> None:
        """End the room."""
        self.room.close()
        self._other.dispose()


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    """A room on a database of this test alone."""
    made = Desk(database)
    yield made
    made.close()


@pytest.fixture
def names() -> list[str]:
    """New clientIds."""
    return [f"CLI-{new_number()}" for _ in range(4)]


def doom(connection: Connection) -> None:
    """Make the COMMIT of this transaction fail, and nothing before it."""
    run_command(connection, "PRAGMA defer_foreign_keys = ON")
    run_command(
        connection,
        "INSERT INTO membres (client_id, membre_id, wallet_id) VALUES ('absent', 'm', '1')",
    )


def refuse(_connection: Connection) -> None:
    """End a call as the core does."""
    raise SoldeInsuffisant


def test_calls_that_wait_share_a_commit_and_none_is_answered_before(
    desk: Desk, names: list[str]
) -> None:
    seen: list[set[str]] = []

    def look(_: Connection) -> None:
        seen.append(desk.held(*names))

    answers = desk.serve(*(partial(desk.add, name, look) for name in names))
    assert answers == names
    assert seen == [set()] * len(names)
    assert desk.held(*names) == set(names)
    assert desk.commits == 1


def test_call_alone_is_told_as_before(desk: Desk, names: list[str]) -> None:
    assert desk.serve(partial(desk.add, names[0])) == [names[0]]
    assert [one for one in desk.said if not one.startswith(("INSERT", "PRAGMA"))] == [
        "BEGIN IMMEDIATE",
        "COMMIT",
    ]


def test_no_more_than_so_many_share_one(desk: Desk) -> None:
    many = [f"CLI-{new_number()}" for _ in range(2 * MOST_TOGETHER)]
    assert desk.serve(*(partial(desk.add, name) for name in many)) == many
    assert desk.commits == 2
    assert desk.held(*many) == set(many)


@pytest.mark.parametrize("place", range(3))
def test_call_that_fails_undoes_nothing_of_its_neighbours(
    desk: Desk, names: list[str], place: int
) -> None:
    calls: list[Call] = [partial(desk.add, name) for name in names[:3]]
    calls[place] = partial(desk.add, names[place], refuse)
    answers = desk.serve(*calls)
    assert isinstance(answers.pop(place), SoldeInsuffisant)
    assert answers == names[:place] + names[place + 1 : 3]
    assert desk.held(*names) == set(answers)


def test_failure_that_is_told_of_is_told_after_the_commit_that_it_saw(
    desk: Desk, names: list[str]
) -> None:
    first, second = names[:2]
    twice = partial(desk.add, first)
    answers = desk.serve(twice, twice, partial(desk.add, second))
    assert (answers[0], answers[2]) == (first, second)
    assert isinstance(answers[1], DBAPIError)
    assert desk.held(first, second) == {first, second}


@pytest.mark.parametrize("place", range(3))
def test_commit_that_fails_fails_who_is_to_blame_alone(
    desk: Desk, names: list[str], place: int
) -> None:
    calls: list[Call] = [partial(desk.add, name) for name in names[:3]]
    calls[place] = partial(desk.add, names[place], doom)
    answers = desk.serve(*calls)
    assert isinstance(answers.pop(place), DBAPIError)
    assert answers == names[:place] + names[place + 1 : 3]
    assert desk.held(*names) == set(answers)


def test_calls_that_run_again_are_answered_once_they_are_committed(desk: Desk) -> None:
    many = [f"CLI-{new_number()}" for _ in range(2 * MOST_TOGETHER)]
    calls: list[Call] = [partial(desk.add, name) for name in many]
    calls[5] = partial(desk.add, many[5], doom)
    answers = desk.serve(*calls)
    assert isinstance(answers.pop(5), DBAPIError)
    assert answers == many[:5] + many[6:]
    assert desk.held(*many) == set(answers)
    desk.said.clear()
    more = [f"CLI-{new_number()}" for _ in range(3)]
    assert desk.serve(*(partial(desk.add, name) for name in more)) == more
    assert desk.commits == 1


def roll_back(connection: Connection) -> None:
    """Undo the transaction under whoever shares it, as SQLite does when a disk is full."""
    driver: Any = connection.connection.driver_connection
    driver.rollback()


def test_transaction_that_is_gone_loses_nothing_that_was_answered(
    desk: Desk, names: list[str]
) -> None:
    gone = iter([roll_back])

    def lose_once(connection: Connection) -> None:
        for lose in gone:
            lose(connection)

    calls = [partial(desk.add, name) for name in names]
    calls[1] = partial(desk.add, names[1], lose_once)
    assert desk.serve(*calls) == names
    assert desk.held(*names) == set(names)


def test_connection_that_is_gone_loses_nothing_that_was_answered(
    desk: Desk, names: list[str]
) -> None:
    calls: list[Call] = [partial(desk.add, name) for name in names[:3]]
    calls.insert(1, desk.database.engine.dispose)
    assert desk.serve(*calls) == [names[0], None, *names[1:3]]
    assert desk.held(*names) == set(names[:3])


def test_who_does_not_share_begins_when_all_before_is_committed(
    desk: Desk, names: list[str]
) -> None:
    answers = desk.serve(
        partial(desk.add, names[0]), partial(desk.look, *names), partial(desk.add, names[1])
    )
    assert answers == [names[0], {names[0]}, names[1]]


def test_who_does_not_share_goes_on_where_the_commit_before_fails(
    desk: Desk, names: list[str]
) -> None:
    answers = desk.serve(
        partial(desk.add, names[0]), partial(desk.add, names[1], doom), partial(desk.look, *names)
    )
    assert (answers[0], answers[2]) == (names[0], set())
    assert isinstance(answers[1], DBAPIError)
    assert desk.held(*names) == {names[0]}


def test_what_others_wrote_waits_for_nothing_that_follows_a_failure(
    desk: Desk, names: list[str]
) -> None:
    def fail() -> set[str]:
        try:
            with desk.database.reading(together=True):
                raise SoldeInsuffisant
        except SoldeInsuffisant:
            return desk.held(*names)

    answers = desk.serve(partial(desk.add, names[0]), fail, partial(desk.add, names[1]))
    assert answers == [names[0], {names[0]}, names[1]]


def test_call_that_looks_again_from_within_ends_nothing(desk: Desk, names: list[str]) -> None:
    def look_and_refuse(_: Connection) -> None:
        assert desk.look(*names) == set(names[:2])
        raise SoldeInsuffisant

    answers = desk.serve(partial(desk.add, names[0]), partial(desk.add, names[1], look_and_refuse))
    assert answers[0] == names[0]
    assert isinstance(answers[1], SoldeInsuffisant)
    assert desk.held(*names) == {names[0]}


def test_call_through_sqlalchemy_is_committed_with_those_before(
    desk: Desk, names: list[str]
) -> None:
    def through(connection: Connection) -> None:
        connection.execute(select(clients.c.nom))

    calls = [partial(desk.add, name, through) for name in names]
    assert desk.serve(*calls) == names
    assert desk.held(*names) == set(names)
    assert desk.commits == desk.said.count("BEGIN IMMEDIATE") == len(names)


def test_trace_of_a_refusal_stays_and_so_do_its_neighbours(desk: Desk, names: list[str]) -> None:
    class Traced(Refusal):
        code = "4001"

    def refuse_and_note(_: Connection) -> None:
        refusal = Traced()
        refusal.trace = lambda connection: _ADD.all(connection, {"le_client": names[3]})
        raise refusal

    answers = desk.serve(
        partial(desk.add, names[0]),
        partial(desk.add, names[1], refuse_and_note),
        partial(desk.add, names[2]),
    )
    assert isinstance(answers.pop(1), Traced)
    assert answers == [names[0], names[2]]
    assert desk.held(*names) == {names[0], names[2], names[3]}


def test_what_is_under_way_is_known_until_the_commit(desk: Desk, names: list[str]) -> None:
    seen: list[bool] = []

    def mark(connection: Connection) -> None:
        mark_running(connection, names[0])

    def look(_: Connection) -> None:
        seen.append(is_marked_running(names[0]))

    desk.serve(
        partial(desk.add, names[0], mark),
        partial(desk.add, names[1], look),
        partial(desk.add, names[2], refuse),
    )
    assert (seen, is_marked_running(names[0])) == ([True], False)


def test_nobody_is_asked_for_a_deadline_once_others_wait_for_his_commit(
    desk: Desk, names: list[str]
) -> None:
    found: list[bool] = []
    given: list[Wanted] = []

    def keep(_: Connection) -> None:
        caller = wanted()
        assert caller is not None
        given.append(caller)

    def look(_: Connection) -> None:
        found.append(given[0].is_committing)

    desk.serve(partial(desk.add, names[0], keep), partial(desk.add, names[1], look))
    assert (found, given[0].is_committing) == ([True], False)


def test_call_whose_time_is_over_writes_nothing(desk: Desk, names: list[str]) -> None:
    answers = desk.serve(*(partial(desk.add, name) for name in names[:3]), hurried=[1])
    assert isinstance(answers.pop(1), DeadlinePassed)
    assert answers == [names[0], names[2]]
    assert desk.held(*names) == set(answers)


def test_call_whose_time_ends_while_it_writes_leaves_nothing(desk: Desk, names: list[str]) -> None:
    def end(_: Connection) -> None:
        caller = wanted()
        assert caller is not None
        caller.ended_by = DeadlinePassed

    calls = [partial(desk.add, name) for name in names[:3]]
    calls[1] = partial(desk.add, names[1], end)
    answers = desk.serve(*calls)
    assert isinstance(answers.pop(1), DeadlinePassed)
    assert answers == [names[0], names[2]]
    assert desk.held(*names) == set(answers)


def test_others_write_once_the_group_has_ended(desk: Desk, names: list[str]) -> None:
    desk.serve(*(partial(desk.add, name) for name in names[:3]))
    with desk.database.transaction() as connection:
        _ADD.all(connection, {"le_client": names[3]})
    assert desk.held(*names) == set(names)


WRITES_AGAIN = {name for name in ALL if "x-idempotence" in CONTRACT[name]} | {"accessToken"}
"""What may run again, whatever became of it: by its reference, or since a token more harms nobody."""

OTHERS = {"getSoldeCarte", "revoquerJeton", "retirerSecretInitial"}
"""What reads, and what writes and is known by no reference."""


@pytest.mark.parametrize(
    ("counted_elsewhere", "expected"), [(False, WRITES_AGAIN), (True, set())], ids=["here", "Redis"]
)
def test_only_what_may_run_again_and_waits_for_nobody_else_shares_its_commit(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    counted_elsewhere: bool,
    expected: set[str],
) -> None:
    asked: dict[str, set[str]] = {"reading": set(), "transaction": set()}
    operation = ""

    def noting(name: str) -> Callable[..., Any]:
        whole = getattr(Database, name)

        def call(database: Database, **how: Any) -> Any:
            if how.get("together"):
                asked[name].add(operation)
            return whole(database, **how)

        return call

    for name in asked:
        monkeypatch.setattr(Database, name, noting(name))
    settings = settings_for(scene.world.database.url.render_as_string(hide_password=False))
    if counted_elsewhere:
        settings = replace(settings, redis_url=f"redis://127.0.0.1:{free_port()}/0")
    with serving(settings) as url:
        for operation in sorted({*WRITES_AGAIN, *OTHERS}):
            client = scene.world.anonymous(url)
            client.headers.update(scene.caller(operation).headers)
            answer = scene.call(operation).send(client)
            assert answer.status_code == 200, answer.text
    assert asked == {"reading": expected, "transaction": expected}
