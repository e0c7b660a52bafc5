"""What the log tells of a fault: one line, by which its call is found, and its cause."""

from __future__ import annotations

import io
import json
import socket
import threading
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import OperationalError

import handlers.cartes
from handlers.edge.routing import CynodRoutingMiddleware
from handlers.views.cartes import render_solde
from models.carte import find_carte
from models.database.waiting import aside
from models.errors import SoldeInsuffisant
from tests.support.live import let_notice
from tests.support.patience import CALL_S
from tests.support.raw import (
    LIVE,
    REQUESTS,
    request_bytes,
    values_of,
)
from tests.support.scene import Scene, assert_refused

pytestmark = pytest.mark.only_on(
    "sqlite"
)  # what is told is told of an exception, of either database


def log_of(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """The process's stderr from now on. pytest's own capture, read while the server still writes the
    line of the call that it has just answered, now and then loses what stood before it."""
    log = io.StringIO()
    monkeypatch.setattr("sys.stderr", log)
    return log


def lines_of(log: io.StringIO, request_id: str) -> list[dict[str, Any]]:
    """The log's lines of one call, without those of every call and their times."""
    lines = [json.loads(line) for line in log.getvalue().splitlines() if line[:1] == "{"]
    return [
        {name: value for name, value in line.items() if name not in ("timestamp", "request_id")}
        for line in lines
        if line.get("request_id") == request_id and line["event"] != "requete"
    ]


def ask(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> tuple[str, Any]:
    """A call that fails by this error, refused by this code; its X-Request-Id and its answer."""

    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr(handlers.cartes, "find_carte", fail)
    answer = scene.call("getSoldeCarte").send(scene.api)
    assert_refused(answer, code)
    return answer.headers["X-Request-Id"], answer


def test_fault_of_ours_is_told_with_its_trace(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_of(monkeypatch)
    request_id, _ = ask(scene, monkeypatch, RuntimeError("a fault"), "9999")
    (line,) = lines_of(log, request_id)
    exception = line.pop("exception")
    assert line == {"event": "erreur système", "level": "error", "operation": "getSoldeCarte"}
    assert exception.startswith("Traceback")
    assert exception.endswith("RuntimeError: a fault")


def test_fault_before_an_operation_is_known_is_refused_and_told_all_the_same(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_of(monkeypatch)

    async def fail(*_: Any) -> None:
        raise RuntimeError("a fault of the routing")

    monkeypatch.setattr(CynodRoutingMiddleware, "__call__", fail)
    answer = scene.call("getSoldeCarte").send(scene.api)
    assert_refused(answer, "9999")
    (line,) = lines_of(log, answer.headers["X-Request-Id"])
    assert line.pop("exception").endswith("RuntimeError: a fault of the routing")
    assert line == {"event": "erreur système", "level": "error", "operation": None}


def test_refusal_that_the_operation_does_not_list_is_a_fault_and_is_told(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_of(monkeypatch)
    request_id, _ = ask(scene, monkeypatch, SoldeInsuffisant(), "9999")
    assert lines_of(log, request_id) == [
        {
            "event": "refus hors contrat",
            "level": "error",
            "operation": "getSoldeCarte",
            "code": "4001",
        }
    ]


def test_database_away_is_a_warning_with_the_beginning_of_its_cause(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_of(monkeypatch)
    cause = type("OperationalError", (Exception,), {})("database is locked " + "x" * 400)
    error = OperationalError("SELECT 1", None, cause)
    request_id, answer = ask(scene, monkeypatch, error, "5001")
    assert answer.headers["Retry-After"] == "2"
    assert lines_of(log, request_id) == [
        {
            "event": "base indisponible",
            "level": "warning",
            "operation": "getSoldeCarte",
            "cause": f"OperationalError: {error}"[:300],
        }
    ]


def test_answer_off_contract_is_a_fault_that_names_its_operation(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_of(monkeypatch)
    real = render_solde

    def render(carte: Any) -> Any:
        answer: Any = real(carte)
        return type(answer)([{**answer.data[0], "surplus": 1}])

    monkeypatch.setattr(handlers.cartes, "render_solde", render)
    answer = scene.call("getSoldeCarte").send(scene.api)
    assert_refused(answer, "9999")
    (line,) = lines_of(log, answer.headers["X-Request-Id"])
    assert line["exception"].endswith("OffContract: getSoldeCarte: the answer is off contract")


def test_caller_who_left_before_several_answers_is_no_fault(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_of(monkeypatch)
    asked, left = threading.Event(), threading.Event()

    def wait(*arguments: Any, **options: Any) -> Any:
        asked.set()
        aside(lambda: left.wait(CALL_S))
        return find_carte(*arguments, **options)

    monkeypatch.setattr(handlers.cartes, "find_carte", wait)
    values = values_of(scene.world, scene.carte, scene.pair)
    balance = next(case for case in REQUESTS if case["name"] == "a balance")
    address = httpx.URL(scene.world.url)
    with socket.create_connection((address.host, address.port), timeout=CALL_S) as connection:
        connection.sendall(LIVE + request_bytes(balance, values) + LIVE)
        assert asked.wait(CALL_S)
    let_notice(scene.nobody)
    left.set()
    assert scene.call("getSoldeCarte").send(scene.api).status_code == 200
    assert "erreur syst" not in log.getvalue()
    assert "BrokenStream" not in log.getvalue()
