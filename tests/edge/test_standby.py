"""Lists and histories from a standby: never older than allowed, nothing left out, and never in the way."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import make_url, update

from handlers.diagnosis.constat import ATTENTION, FAUX, OK, Constat, Subject
from handlers.diagnosis.doctor import diagnose
from models import migrate
from models.database.engine import Database
from models.database.failures import DatabaseUrlError
from models.database.standby import LOOK_S
from models.partenaire import SUSPENDU, partenaires
from tests.support.live import serving, settings_for
from tests.support.machine import find_binaries
from tests.support.needs import lack
from tests.support.patience import CALL_S, wait_until
from tests.support.postgresql import PostgresqlServer, create_database, running_server
from tests.support.scene import Scene, assert_refused
from tests.support.standby import StandbyServer, running_standby
from tests.support.steps import debit, new_reference
from tests.support.world import PEPPER, World

RETARD_S = 2


@pytest.fixture(scope="module")
def primary() -> Iterator[PostgresqlServer]:
    """A PostgreSQL of these tests' own, with a migrated database."""
    if find_binaries() is None:
        lack("postgresql")
    with running_server() as made:
        yield made


@pytest.fixture(scope="module")
def url(primary: PostgresqlServer) -> str:
    """Where the API writes."""
    made = create_database(primary.url, "lists")
    database = Database(made)
    migrate.upgrade(database)
    database.close()
    return made


@pytest.fixture(scope="module")
def standby(primary: PostgresqlServer) -> Iterator[StandbyServer]:
    """A standby of it."""
    with running_standby(primary) as made:
        yield made


def asked_at(standby: StandbyServer, url: str) -> str:
    """The database's address on the standby."""
    return make_url(url).set(port=standby.port).render_as_string(hide_password=False)


@pytest.fixture(scope="module")
def world(url: str) -> Iterator[World]:
    """A world whose server reads where it writes."""
    database = Database(url)
    with serving(settings_for(url)) as base:
        made = World(database, base)
        yield made
        made.close()
    database.close()


@pytest.fixture(scope="module")
def late(url: str, standby: StandbyServer) -> Iterator[str]:
    """A server beside it, that reads lists from the standby."""
    there = asked_at(standby, url)
    with serving(replace(settings_for(url), lecture_url=there, lecture_retard_s=RETARD_S)) as base:
        yield base


class Story:
    """A card with a history, and who reads it: where it is written (`plain`), and where it may be late."""

    def __init__(self, world: World, late: str, standby: StandbyServer) -> None:
        self.scene = Scene(world)
        self.standby = standby
        self.plain = self.scene.api
        self.late = world.anonymous(late)
        self.late.headers["Authorization"] = self.plain.headers["Authorization"]
        self.debit(5)

    def debit(self, times: int = 1) -> None:
        """Move money, and let the standby have its log."""
        for _ in range(times):
            answer = debit(self.plain, self.scene.carte, 10, new_reference())
            assert answer.status_code == 200

    def read(self, api: httpx.Client, **more: Any) -> Any:
        """A page of the history."""
        query = {**self.scene.carte.query, **more}
        answer = api.get("/get-historique-carte", params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def csv(self, api: httpx.Client) -> str:
        """The whole history as a table."""
        answer = self.scene.call("getHistoriqueCarte").send(api, headers={"Accept": "text/csv"})
        assert answer.status_code == 200
        return answer.text

    def is_late(self) -> bool:
        """Whether the standby answers: what is held back there is not in the answer."""
        return bool(self.read(self.late) != self.read(self.plain))

    def hold_until_it_answers(self) -> None:
        """Hold the standby back, with a debit that it lacks, at a moment when it is read from."""

        def is_read() -> bool:
            resume(self.standby)
            wait_until(lambda: self.read(self.late) == self.read(self.plain), "caught up")
            pause(self.standby)
            self.debit()
            return self.is_late()

        wait_until(is_read, "the standby is read from")


def ask(standby: StandbyServer, question: str) -> Any:
    """What the standby answers to SQL."""
    address = make_url(standby.url).set(drivername="postgresql").render_as_string(False)
    with psycopg.connect(address, autocommit=True) as connection:
        return connection.execute(question).fetchone()


def pause(standby: StandbyServer) -> None:
    """The standby gets the log and does not replay it."""
    ask(standby, "SELECT pg_wal_replay_pause()")
    asked = "SELECT pg_get_wal_replay_pause_state()"
    wait_until(lambda: ask(standby, asked) == ("paused",), "paused")


def resume(standby: StandbyServer) -> None:
    """It replays the log."""
    ask(standby, "SELECT pg_wal_replay_resume()")


@pytest.fixture
def story(world: World, late: str, standby: StandbyServer) -> Iterator[Story]:
    """A story of its own."""
    made = Story(world, late, standby)
    yield made
    if standby.is_running:
        resume(standby)


def test_standby_answers_lists_and_is_left_once_it_is_too_old(story: Story) -> None:
    story.hold_until_it_answers()
    began = time.monotonic()
    wait_until(lambda: not story.is_late(), "left")
    assert time.monotonic() - began < RETARD_S + CALL_S / 4
    # Where it is written all of it is read, the standby being as old as it is.
    assert story.read(story.late) == story.read(story.plain)
    assert story.csv(story.late) == story.csv(story.plain)


def test_page_that_goes_on_leaves_no_line_out(story: Story) -> None:
    story.debit(3)
    story.hold_until_it_answers()
    story.debit(4)
    first = story.read(story.plain, limite=2)
    # The standby has not got the lines that come next: they are read where they are.
    cursor = first["curseurSuivant"]
    expected = story.read(story.plain, limite=2, curseur=cursor)
    assert story.is_late()
    assert story.read(story.late, limite=2, curseur=cursor) == expected


def test_money_is_read_where_it_is_written(story: Story) -> None:
    story.hold_until_it_answers()
    call = story.scene.call("getSoldeCarte")
    assert call.send(story.late).json()["data"] == call.send(story.plain).json()["data"]
    done = debit(story.late, story.scene.carte, 10, new_reference())
    assert done.status_code == 200


def test_whose_rights_ended_is_refused_though_the_standby_knows_nothing_of_it(
    world: World, story: Story
) -> None:
    story.hold_until_it_answers()
    with world.writing() as connection:
        connection.execute(
            update(partenaires)
            .where(partenaires.c.consumer_key == story.scene.pair.consumer_key)
            .values(statut=SUSPENDU)
        )
    answer = story.scene.call("getHistoriqueCarte").send(story.late)
    assert_refused(answer, "2005")


def test_standby_that_is_gone_is_nobodys_trouble(story: Story) -> None:
    story.hold_until_it_answers()
    resume(story.standby)
    story.standby.kill9()
    try:
        for _ in range(20):
            assert story.read(story.late) == story.read(story.plain)
    finally:
        story.standby.start()
    story.hold_until_it_answers()  # and it is read from again, by itself


def test_standby_that_follows_another_primary_is_not_read_from(
    primary: PostgresqlServer, url: str, world: World
) -> None:
    # As after a failover that only half of the machines saw: both have logs further than ours.
    with running_standby(primary) as promoted:
        assert ask(promoted, "SELECT pg_promote()") == (True,)
        for _ in range(2):
            ask(promoted, "SELECT pg_switch_wal() FROM (SELECT txid_current()) AS written")
        with running_standby(promoted) as following:
            for lost in (promoted, following):
                there = asked_at(lost, url)
                settings = replace(settings_for(url), lecture_url=there, lecture_retard_s=60)
                with serving(settings) as base:
                    story = Story(world, base, lost)
                    for _ in range(4):
                        story.debit()
                        assert not story.is_late()
                        time.sleep(LOOK_S / 2)


def told(url: str, lecture: str) -> Constat:
    """What `cynod doctor` says of the standby."""
    variables = {
        "CYNOD_DATABASE_URL": url,
        "CYNOD_LECTURE_URL": lecture,
        "CYNOD_PEPPER": PEPPER.decode(),
    }
    return dict(diagnose(Subject(environ=variables), ["standby"]))["standby"]


def test_doctor_says_whether_lists_can_be_read_from_it(
    primary: PostgresqlServer, url: str, standby: StandbyServer
) -> None:
    wait_until(lambda: told(url, asked_at(standby, url)).etat == OK, "told right")
    assert re.fullmatch(
        "the standby follows, [0-9,]+ bytes of log behind",
        told(url, asked_at(standby, url)).constat,
    )
    left = "correct CYNOD_LECTURE_URL: until then lists are read where they are written"
    assert told(url, url) == (
        *(ATTENTION, "the database of CYNOD_LECTURE_URL is no standby: it takes writes", left),
    )
    with psycopg.connect(
        make_url(primary.url).set(drivername="postgresql").render_as_string(False), autocommit=True
    ) as connection:
        connection.execute("CREATE ROLE reader LOGIN")
    reader = make_url(asked_at(standby, url)).set(username="reader").render_as_string(False)
    wait_until(lambda: "cannot be used" not in told(url, reader).constat, "the role is there")
    assert told(url, reader) == (
        ATTENTION,
        "the role is not told which timeline the standby follows, and does not read from it",
        "GRANT pg_monitor to it, on the primary",
    )
    away = told(url, make_url(url).set(port=1).render_as_string(False))
    assert (away.etat, away.a_faire) == (ATTENTION, left)
    assert told(url, "mysql://a/b").etat == FAUX


def test_only_postgresql_has_a_standby() -> None:
    with pytest.raises(DatabaseUrlError, match="only PostgreSQL"):
        Database("sqlite:///a.db", standby_url="postgresql://127.0.0.1/a")
