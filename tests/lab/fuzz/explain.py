"""What the log of a server tells of its faults, and which field made an answer off contract.

A server says that an answer was off contract, not where: nothing that it says of an answer may hold what
is secret. The request of the finding is sent again, to a server on the same database that tells it
(`planted.telling`).
"""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from tests.lab.fuzz.land import Land
from tests.lab.fuzz.report import Part, Veil, show
from tests.lab.fuzz.stage import Stage
from tests.support.contract_client import OPERATIONS, Json
from tests.support.patience import CALL_S
from tests.support.process import ServerProcess

OFF_CONTRACT = "off contract"
TOLD = "hors contrat : champs"
TRIED = 3
"""How many requests of one operation are sent again."""


def alarms(log: str) -> list[Json]:
    """The lines of a server's log that are no news of requests. A line that is no JSON is one too."""
    found: list[Json] = []
    for line in log.splitlines():
        try:
            told = json.loads(line)
        except ValueError:
            told = {"event": line} if line.strip() else {"level": "info"}
        if not isinstance(told, dict):
            told = {"event": line}
        if told.get("level") != "info":
            found.append(told)
    return found


def sentence(alarm: Json) -> str:
    """One alarm in one line: the operation, the event, and the end of its trace."""
    cause = str(alarm.get("exception") or alarm.get("cause") or "").strip().splitlines()
    parts = [alarm.get("operation"), alarm.get("event"), alarm.get("code"), *cause[-1:]]
    return ": ".join(str(part) for part in parts if part)[:400]


def summary(log: str) -> str:
    """Every sort of alarm of a log once, with its number; empty when there is none."""
    counts = Counter(sentence(alarm) for alarm in alarms(log))
    told = [f"{text} ({number} times)" for text, number in counts.most_common(10)]
    return f"the server's log has {counts.total()} alarms: {'; '.join(told)}" if counts else ""


def explain(part: Part, made: Stage, fault: str | None, acting: str, log: str, veil: Veil) -> None:
    """Say in each finding of an operation what the log has of it, with the field that was off contract."""
    causes: dict[str, str] = {}
    for alarm in alarms(log):
        if alarm.get("operation") and alarm.get("level") == "error":
            causes.setdefault(alarm["operation"], sentence(alarm))
    off = [name for name, cause in causes.items() if OFF_CONTRACT in cause]
    if off:
        planted = "+".join(filter(None, [fault, "telling"]))
        with made.serve(fault=planted) as server:
            land = made.land(server.url, 0, acting)
            for name in off:
                fields = _fields(part, name, land, server)
                if fields:
                    causes[name] = f"{name} answers off contract: {fields}"
    for failure in part.failures:
        cause = veil.hide(causes.get(_operation(failure["operation"]), ""))
        if cause and failure["status"] == 500:
            failure["what"] = f"{cause}\n{failure['what']}"
    part.faults += [
        f"the server's log: {veil.hide(causes[name])}"
        for name in off
        if name not in {_operation(failure["operation"]) for failure in part.failures}
    ]


def _operation(label: str) -> str:
    """`GET /get-solde-carte` and `getSoldeCarte 200` are of getSoldeCarte."""
    method, _, path = label.partition(" ")
    operation = OPERATIONS.get((method, path))
    return operation["operationId"] if operation else method


def _fields(part: Part, name: str, land: Land, server: ServerProcess) -> str:
    """The fields that a finding's request makes the telling server tell."""
    found = [one for one in part.failures if _operation(one["operation"]) == name]
    for failure in found[:TRIED]:
        # What was provoked was sent as the partner that the generated calls do not use.
        sender = land.partenaires[0 if "/" in failure["operation"] else -1]
        with httpx.Client(base_url=land.url, trust_env=False, timeout=CALL_S) as client:
            pair = {"client_id": sender.key, "client_secret": sender.secret}
            form = {"grant_type": "client_credentials", **pair}
            token = client.post("/access-token", data=form).json().get("access_token", "")
            request = request_of(show(failure["curl"], land, token), client)
            if request is not None:
                client.send(request)
        for alarm in alarms(server.log):
            if alarm.get("event") == TOLD and alarm.get("operation") == name:
                return "; ".join(alarm["champs"])
    return ""


def request_of(curl: str, client: httpx.Client) -> httpx.Request | None:
    """The request of a stored curl line, to the server of this client."""
    method, headers, body, url = "GET", {}, None, ""
    words = _words(curl)
    for word in words:
        if word == "-X":
            method = next(words, "GET")
        elif word == "-H":
            name, _, value = next(words, "").partition(":")
            headers[name.strip()] = value.strip()
        elif word in ("-d", "--data", "--data-raw", "--data-binary"):
            body = next(words, "")
        elif word.startswith("http"):
            url = word
    if not url:
        return None
    parts = urlsplit(url)
    path = f"{parts.path}?{parts.query}" if parts.query else parts.path
    content = None if body is None else body.encode()
    return client.build_request(method, path, headers=headers, content=content)


def _words(curl: str) -> Iterator[str]:
    try:
        yield from shlex.split(curl)
    except ValueError:
        return
