"""The threads that serve calls: no more than allowed, each result and each error to who waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial

import pytest

from handlers.edge.workers import Workers
from models.database.waiting import Wanted
from tests.support.patience import CALL_S


def test_results_and_errors_reach_their_callers() -> None:
    def double(number: int) -> int:
        if number == 3:
            raise RuntimeError(number)
        return number * 2

    async def ask() -> list[int | BaseException]:
        asked = [workers.run(partial(double, number), Wanted(CALL_S)) for number in range(6)]
        return await asyncio.gather(*asked, return_exceptions=True)

    workers = Workers(2, "test")
    found = asyncio.run(ask())
    workers.close()
    assert [one for one in found if not isinstance(one, BaseException)] == [0, 2, 4, 8, 10]
    assert isinstance(found[3], RuntimeError)


def test_no_more_threads_than_allowed_and_none_before_it_is_needed() -> None:
    names: set[str] = set()
    all_in = threading.Barrier(3)

    def note() -> None:
        names.add(threading.current_thread().name)

    def meet() -> None:
        note()
        all_in.wait(CALL_S)

    async def ask(workers: Workers, step: Callable[[], None], at_once: int) -> None:
        for _ in range(0, 12, at_once):
            asked = [workers.run(step, Wanted(CALL_S)) for _ in range(at_once)]
            await asyncio.gather(*asked)

    one_by_one, at_once = Workers(3, "one"), Workers(3, "three")
    asyncio.run(ask(one_by_one, note, 1))
    assert names == {"one_0"}
    asyncio.run(ask(at_once, meet, 6))
    assert names == {"one_0", "three_0", "three_1", "three_2"}
    one_by_one.close()
    at_once.close()


def test_call_that_nobody_waits_for_any_more_is_not_begun() -> None:
    entered, released = threading.Event(), threading.Event()
    begun: list[str] = []

    def hold(name: str) -> None:
        begun.append(name)
        entered.set()
        assert released.wait(CALL_S)

    async def ask() -> None:
        first = asyncio.create_task(workers.run(partial(hold, "first"), Wanted(CALL_S)))
        assert await asyncio.to_thread(entered.wait, CALL_S)
        second = asyncio.create_task(workers.run(partial(hold, "second"), Wanted(CALL_S)))
        await asyncio.sleep(0)
        second.cancel()
        with pytest.raises(asyncio.CancelledError):
            await second
        released.set()
        await first

    workers = Workers(1, "test")
    asyncio.run(ask())
    workers.close()
    assert begun == ["first"]


def test_end_waits_for_what_runs() -> None:
    done = threading.Event()

    async def leave() -> None:
        asyncio.ensure_future(workers.run(work, Wanted(CALL_S)))  # noqa: RUF006 - the loop is closed on it
        await asyncio.sleep(0.02)

    def work() -> None:
        threading.Event().wait(0.1)
        done.set()

    workers = Workers(1, "test")
    asyncio.run(leave())
    workers.close()
    assert done.is_set()
