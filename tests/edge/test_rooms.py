"""Work on the event loop: each place is lent to one at a time, in the order of those who came, and every wait
ends with its deadline."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from functools import partial

import pytest
from greenlet import getcurrent

from handlers.edge.lanes import MOST, Lanes
from handlers.edge.rooms import TICK_S, Deadlines, Patient, Room, Turns
from handlers.metrics.recorder import RoomState
from models.database.waiting import (
    CallerGone,
    DeadlinePassed,
    InterruptedWork,
    Wanted,
    aside,
    current_work,
    pause,
)
from tests.support.contract_client import ROOT
from tests.support.patience import CALL_S

SHORT_S = 0.2


class Place:
    """What work is lent; it tells who has it."""

    def __init__(self) -> None:
        self.users = 0
        self.is_open = True
        self.is_closed = False

    def close(self) -> None:
        """It was given up."""
        self.is_closed = True


def use(seconds: float, told: list[str], name: str) -> str:
    """Work that has its place for a while."""
    work = current_work()
    assert work is not None
    work.lent.users += 1
    assert work.lent.users == 1, "a place was lent twice"
    told.append(name)
    try:
        pause(seconds)
    finally:
        work.lent.users -= 1
    return name


def run(asking: Callable[[], Awaitable[None]]) -> None:
    """Run it on a loop of its own."""
    asyncio.run(asyncio.wait_for(asking(), CALL_S))


def start(
    room: Room,
    seconds: float,
    told: list[str],
    name: str,
    wanted: Wanted | None = None,
    row: str = "",
) -> asyncio.Task[str]:
    """Have it run."""
    made = room.run(partial(use, seconds, told, name), wanted or Wanted(CALL_S), row.split())
    return asyncio.ensure_future(made)


def test_place_goes_from_one_to_the_next_in_the_order_of_those_who_came() -> None:
    told: list[str] = []

    async def ask() -> None:
        room = Turns([Place(), Place()])
        names = [f"{number}" for number in range(40)]
        tasks = [start(room, 0.001, told, name) for name in names]
        assert await asyncio.gather(*tasks) == names
        assert told == names

    run(ask)


def test_those_who_may_wait_long_leave_places_to_the_others() -> None:
    told: list[str] = []

    async def ask() -> None:
        room = Turns([Place() for _ in range(4)], kept=1)
        patient = Patient(room)
        writes = [start(patient, SHORT_S, told, f"write {number}") for number in range(6)]
        await asyncio.sleep(0)
        reads = [start(room, 0.001, told, f"read {number}") for number in range(5)]
        await asyncio.gather(*reads)
        assert not any(task.done() for task in writes)
        await asyncio.gather(*writes)
        assert told[:3] == ["write 0", "write 1", "write 2"]
        assert told[-3:] == ["write 3", "write 4", "write 5"]

    run(ask)


def test_those_who_may_wait_long_have_every_place_of_a_room_that_keeps_none() -> None:
    async def ask() -> None:
        assert await start(Patient(Turns([Place()])), 0, [], "write") == "write"

    run(ask)


def test_state_tells_what_runs_what_waits_and_how_long_the_first_of_those_has() -> None:
    async def ask() -> None:
        places = [Place() for _ in range(3)]
        places[0].is_open = False
        room = Turns(places, kept=1)
        patient, wanted = Patient(room), [Wanted(CALL_S) for _ in range(6)]
        assert room.state(20.0) == RoomState(0, 0, 0.0, 0, 2, 3)
        tasks = [start(patient, CALL_S, [], f"write {n}", wanted[n]) for n in range(4)]
        await asyncio.sleep(0)
        assert room.state(20.0) == RoomState(4, 0, 0.0, 2, 0, 3)
        tasks += [start(room, CALL_S, [], f"read {n}", wanted[n]) for n in (4, 5)]
        await asyncio.sleep(0)
        for number, one in enumerate(wanted):
            one.began = float(number)
        assert room.state(20.0) == RoomState(6, 1, 15.0, 3, 0, 3)
        assert patient.state(20.0) == RoomState(0, 2, 18.0, 0, 0, 0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert room.state(20.0) == RoomState(0, 0, 0.0, 0, 2, 3)
        assert patient.state(20.0) == RoomState(0, 0, 0.0, 0, 0, 0)

    run(ask)


def test_deadline_that_has_passed_is_told_once_and_watched_no_more() -> None:
    async def ask() -> None:
        deadlines, late, later = Deadlines(), Wanted(0), Wanted(CALL_S)
        told: list[type[InterruptedWork]] = []
        late.on_ended = told.append
        late.began, later.began = 3.0, 5.0
        for one in (late, later):
            deadlines.add(one)
        assert [deadlines.wait_after(number, 9.0) for number in range(3)] == [6.0, 4.0, 0.0]
        await asyncio.sleep(3 * TICK_S)
        assert told == [DeadlinePassed]
        assert len(deadlines) == 1
        deadlines.discard(later)
        assert len(deadlines) == 0

    run(ask)


@pytest.mark.parametrize("number", [1, 3])
def test_deadline_ends_work_and_those_who_wait_for_a_turn(number: int) -> None:
    told: list[str] = []

    async def ask() -> None:
        room = Turns([Place()])
        tasks = [start(room, CALL_S, told, f"{n}", Wanted(SHORT_S)) for n in range(number)]
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [DeadlinePassed] * number
        assert await start(room, 0, told, "after") == "after"

    run(ask)
    assert told == ["0", "after"]


def test_deadline_ends_the_wait_for_a_place_that_another_keeps() -> None:
    async def ask() -> None:
        room = Turns([Place()])
        running = start(room, CALL_S, [], "running")
        await asyncio.sleep(0)
        with pytest.raises(DeadlinePassed):
            await start(room, 0, [], "waiting", Wanted(TICK_S))
        assert not running.done()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    run(ask)


def test_who_is_gone_waits_for_no_turn_and_learns_it_at_the_next_statement() -> None:
    told: list[str] = []

    def state(wanted: Wanted) -> None:
        pause(SHORT_S)
        wanted.check()
        told.append("went on")

    async def ask() -> None:
        room, running, waiting = Turns([Place()]), Wanted(CALL_S), Wanted(CALL_S)
        first = asyncio.ensure_future(room.run(partial(state, running), running))
        await asyncio.sleep(0)
        second = start(room, 0, told, "second", waiting)
        await asyncio.sleep(0)
        running.end(CallerGone)
        waiting.end(CallerGone)
        ends = await asyncio.gather(first, second, return_exceptions=True)
        assert [type(end) for end in ends] == [CallerGone, CallerGone]
        assert await start(room, 0, told, "after") == "after"

    run(ask)
    assert told == ["after"]


def test_work_that_never_waits_gives_back_the_place_that_it_had() -> None:
    def tell() -> object:
        work = current_work()
        assert work is not None
        return work.lent

    async def ask() -> None:
        place = Place()
        room = Turns([place])
        assert [await room.run(tell, Wanted(CALL_S)) for _ in range(2)] == [place, place]

    run(ask)


def test_who_leaves_once_all_is_done_changes_nothing() -> None:
    async def ask() -> None:
        room, wanted = Turns([Place()]), Wanted(CALL_S)
        assert await start(room, 0, [], "done", wanted) == "done"
        wanted.end(CallerGone)
        assert await start(room, 0, [], "after") == "after"

    run(ask)


@pytest.mark.parametrize("how", ["cancelled", "gone"])
def test_place_on_its_way_to_one_who_ends_meanwhile_goes_to_the_next(how: str) -> None:
    told: list[str] = []

    async def ask() -> None:
        loop, room, wanted = asyncio.get_running_loop(), Turns([Place()]), Wanted(CALL_S)

        def leave_it() -> None:
            pause(0)
            # Called after this work has given its place, and before the one that waits has heard of it.
            loop.call_soon(
                waiting.cancel if how == "cancelled" else partial(wanted.end, CallerGone)
            )

        first = asyncio.ensure_future(room.run(leave_it, Wanted(CALL_S)))
        await asyncio.sleep(0)
        waiting = start(room, 0, told, "waiting", wanted)
        following = start(room, 0, told, "following")
        await first
        with pytest.raises(asyncio.CancelledError if how == "cancelled" else CallerGone):
            await waiting
        assert await following == "following"
        assert room.state(0.0)._replace(oldest_s=0.0) == RoomState(0, 0, 0.0, 0, 1, 1)

    run(ask)
    assert told == ["following"]


def test_a_few_of_those_who_write_one_row_have_places_and_the_others_wait_in_turn() -> None:
    told: list[str] = []

    async def ask() -> None:
        room = Turns([Place() for _ in range(2 * MOST)])
        await asyncio.gather(*(start(room, 0, [], "before", row="hot") for _ in range(2 * MOST)))
        tasks = [start(room, SHORT_S, told, f"hot {n}", row="hot") for n in range(2 * MOST)]
        other = start(room, 0.001, told, "other", row="other")
        assert await other == "other"
        assert told == [*(f"hot {n}" for n in range(MOST)), "other"]
        assert not any(task.done() for task in tasks)
        tasks.append(start(room, 0, told, "last", row="hot"))
        await asyncio.sleep(0)
        assert room.waiting(0.0, long=True)[0] == MOST + 1
        assert room.waiting(0.0, long=False) == (0, 0.0)
        await asyncio.gather(*tasks)
        assert told[MOST + 1 :] == [*(f"hot {n}" for n in range(MOST, 2 * MOST)), "last"]
        assert room.waiting(0.0, long=True) == (0, 0.0)

    run(ask)


def test_who_writes_two_rows_waits_before_each_of_them() -> None:
    told: list[str] = []

    async def ask() -> None:
        room = Turns([Place() for _ in range(3 * MOST)])
        tasks = [start(room, SHORT_S, told, f"{n}", row=f"hot other{n}") for n in range(2 * MOST)]
        tasks += [start(room, SHORT_S, told, f"other{n}", row=f"other{n}") for n in range(2)]
        await asyncio.sleep(0)
        assert told == [*(f"{n}" for n in range(MOST)), "other0", "other1"]
        await asyncio.gather(*tasks)
        crossed = [start(room, 0.001, told, f"{n}", row="one two") for n in range(4 * MOST)]
        await asyncio.gather(*crossed)
        assert room.waiting(0.0, long=True) == (0, 0.0)

    run(ask)


@pytest.mark.parametrize("how", ["cancelled", "gone", "late"])
def test_who_ends_before_a_row_is_passed_over(how: str) -> None:
    told: list[str] = []

    async def ask() -> None:
        room, wanted = Turns([Place() for _ in range(MOST + 1)]), Wanted(CALL_S)
        inside = [start(room, SHORT_S, told, f"{n}", row="hot") for n in range(MOST)]
        waiting = start(room, 0, told, "waiting", wanted, row="hot")
        following = start(room, 0, told, "following", row="hot")
        await asyncio.sleep(0)
        if how == "cancelled":
            waiting.cancel()
        else:
            wanted.end(CallerGone if how == "gone" else DeadlinePassed)
        ends = {"cancelled": asyncio.CancelledError, "gone": CallerGone, "late": DeadlinePassed}
        with pytest.raises(ends[how]):
            await waiting
        assert not following.done()
        await asyncio.gather(*inside, following)
        assert [await start(room, 0, told, name, row="hot") for name in ("a", "b")] == ["a", "b"]

    run(ask)
    assert told == [*map(str, range(MOST)), "following", "a", "b"]


@pytest.mark.parametrize("how", ["cancelled", "gone"])
def test_turn_before_a_row_that_is_on_its_way_to_one_who_ends_goes_to_the_next(how: str) -> None:
    told: list[str] = []

    async def ask() -> None:
        loop, wanted = asyncio.get_running_loop(), Wanted(CALL_S)
        lanes = Lanes(1)
        await lanes.enter("hot", Wanted(CALL_S))

        async def go_through(name: str, wanted: Wanted) -> None:
            await lanes.enter("hot", wanted)
            told.append(name)
            lanes.leave("hot")

        waiting = loop.create_task(go_through("waiting", wanted))
        following = loop.create_task(go_through("following", Wanted(CALL_S)))
        await asyncio.sleep(0)
        lanes.leave("hot")
        if how == "cancelled":
            waiting.cancel()
        else:
            wanted.end(CallerGone)
        with pytest.raises(asyncio.CancelledError if how == "cancelled" else CallerGone):
            await waiting
        await following
        await go_through("after", Wanted(CALL_S))

    run(ask)
    assert told == ["following", "after"]


def test_refusal_of_what_runs_lets_the_next_one_before_its_row_go_on() -> None:
    def refuse() -> None:
        raise ValueError("refused")

    async def ask() -> None:
        room = Turns([Place()])
        tasks = [
            asyncio.ensure_future(room.run(refuse, Wanted(CALL_S), ["hot"]))
            for _ in range(2 * MOST)
        ]
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(end) for end in ends] == [ValueError] * (2 * MOST)

    run(ask)


def test_task_that_is_cancelled_ends_its_work_and_gives_its_place_back() -> None:
    told: list[str] = []

    async def ask() -> None:
        room = Turns([Place()])
        running, waiting = start(room, CALL_S, told, "running"), start(room, 0, told, "waiting")
        await asyncio.sleep(0)
        for task in (waiting, running):
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert await start(room, 0, told, "after") == "after"

    run(ask)
    assert told == ["running", "after"]


def test_what_blocks_runs_beside_the_loop_and_its_late_result_is_told() -> None:
    unwanted: list[str] = []
    told = asyncio.Event()

    def tell(result: str) -> None:
        unwanted.append(result)
        told.set()

    def block(seconds: float, result: str) -> str:
        asyncio.run(asyncio.sleep(seconds))
        return result

    def work(seconds: float, result: str) -> str:
        return aside(partial(block, seconds, result), unwanted=tell)

    async def ask() -> None:
        room = Turns([Place(), Place()])
        quick = room.run(partial(work, 0.05, "quick"), Wanted(CALL_S))
        late = room.run(partial(work, 3 * SHORT_S, "late"), Wanted(SHORT_S))
        began = asyncio.get_running_loop().time()
        ends = await asyncio.gather(quick, late, return_exceptions=True)
        assert ends[0] == "quick"
        assert isinstance(ends[1], DeadlinePassed)
        assert asyncio.get_running_loop().time() - began < 3 * SHORT_S
        await told.wait()

    run(ask)
    assert unwanted == ["late"]


def test_result_that_is_made_as_the_work_ends_is_told_as_late() -> None:
    unwanted: list[str] = []

    async def ask() -> None:
        loop, caller = asyncio.get_running_loop(), Wanted(CALL_S)

        def make() -> str:
            loop.call_soon_threadsafe(end_meanwhile, threading.current_thread())
            return "made"

        def end_meanwhile(maker: threading.Thread) -> None:
            maker.join(
                CALL_S
            )  # the loop is told of the result next, and of the end before it wakes the work
            caller.end(DeadlinePassed)

        waiting = Turns([Place()]).run(lambda: aside(make, unwanted=unwanted.append), caller)
        with pytest.raises(DeadlinePassed):
            await waiting

    run(ask)
    assert unwanted == ["made"]


def test_result_that_is_made_after_its_loop_has_ended_is_told_as_late() -> None:
    unwanted: list[str] = []
    ended, told = threading.Event(), threading.Event()

    def make() -> str:
        ended.wait(CALL_S)
        return "made"

    def tell(result: str) -> None:
        unwanted.append(result)
        told.set()

    async def ask() -> None:
        with pytest.raises(DeadlinePassed):
            await Turns([Place()]).run(lambda: aside(make, unwanted=tell), Wanted(SHORT_S))

    run(ask)
    ended.set()
    assert told.wait(CALL_S)
    assert unwanted == ["made"]


# Work that went on inside libuv's own turn, and then watched a socket, read and wrote what was not there: it
# ended the process. The depth of its stack decides what is there, so that many depths are tried.
IN_A_PROCESS = """
import asyncio, socket, uvloop
from psycopg.waiting import Wait
from models.database.green import Watch
from models.database.waiting import Wanted, Work, current_work, pause

def listen(mine):
    watch, work = Watch(mine.fileno()), current_work()
    for _ in range(2):
        watch.ready(work, Wait.RW)
        watch.readable(work)
        mine.recv(1)
        pause(0.001)
    watch.close()

def dive(levels, mine):
    return max(map(lambda one: dive(levels - 1, one), [mine])) if levels else listen(mine) or 0

async def ask():
    loop, pairs = asyncio.get_running_loop(), [socket.socketpair() for _ in range(40)]
    works = [Work(lambda n=n: dive(n, pairs[n][0]), Wanted(60)) for n in range(40)]
    for work in works:
        loop.call_soon(work.start)
    while not all(work.is_done for work in works):
        await asyncio.sleep(0.01)
        for _, theirs in pairs:
            theirs.send(b"x")
    print([work.failure for work in works if work.failure])

uvloop.run(ask())
"""


def test_work_that_is_woken_by_a_socket_may_watch_and_leave_sockets() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", IN_A_PROCESS],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=CALL_S,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "[]\n"), ended.stderr


def test_work_sees_nothing_of_the_work_before_it_in_its_greenlet() -> None:
    noted: ContextVar[str] = ContextVar("noted", default="")
    greenlets = []

    def note() -> str:
        found = noted.get()
        noted.set("by another")
        greenlets.append(getcurrent())
        pause(0)
        return found

    async def ask() -> None:
        room = Turns([Place()])
        assert [await room.run(note, Wanted(CALL_S)) for _ in range(3)] == [""] * 3

    run(ask)
    assert len(set(greenlets)) == 1


def test_error_of_work_is_its_caller_s() -> None:
    def fail() -> None:
        pause(0)
        raise RuntimeError("it failed")

    async def ask() -> None:
        room = Turns([Place()])
        for _ in range(3):
            with pytest.raises(RuntimeError, match="it failed"):
                await room.run(fail, Wanted(CALL_S))

    run(ask)


def test_end_of_a_room_is_the_end_of_its_places() -> None:
    places = [Place(), Place()]
    Turns(places).close()
    assert all(place.is_closed for place in places)


def test_interruption_is_no_exception_that_work_could_take_for_its_own() -> None:
    assert not issubclass(InterruptedWork, Exception)
