"""The judgement of a record: JSON for programs, lines for people, and whether the build is red."""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass
from typing import Any

from tests.lab.coverage.cells import (
    ANSWER,
    KINDS,
    Cell,
    Contract,
)
from tests.lab.coverage.observe import Observation, Seen
from tests.support.exchanges import star

Json = dict[str, Any]

LONGEST_BODY = 700


@dataclass(frozen=True)
class Gap:
    """A declared cell that was not observed, and on which databases when it was on another one."""

    cell: Cell
    databases: tuple[str, ...] = ()


class Report:
    """What was declared, observed and missed."""

    def __init__(self, contract: Contract, observation: Observation, run: Json) -> None:
        self.contract = contract
        self.run = run
        self.observation = observation
        self.declared = list(dict.fromkeys(contract.cells()))
        self.observed = {c: observation.seen[c] for c in self.declared if c in observation.seen}
        self.missing = [gap for cell in self.declared if (gap := self._gap(cell)) is not None]

    def _gap(self, cell: Cell) -> Gap | None:
        seen = self.observed.get(cell)
        if seen is None:
            return Gap(cell)
        if cell.kind == ANSWER:
            lacking = self.observation.databases - seen.databases
            # Answers that come before any database is asked are not of one.
            if lacking and not cell.operation.startswith("("):
                return Gap(cell, tuple(sorted(lacking)))
        return None

    @property
    def red(self) -> list[str]:
        """Why the build is red, one line each; nothing when it is green."""
        return [line for line, _ in self.reasons]

    @property
    def reasons(self) -> list[tuple[str, Seen | None]]:
        """Why the build is red, each with the exchange that shows it, if it is no absence."""
        found: list[tuple[str, Seen | None]] = [
            (f"{told}: {describe(cell)}", seen)
            for told, cells in (
                ("answered, not declared", self.observation.undeclared),
                ("accepted, not valid", self.observation.accepted),
            )
            for cell, seen in sorted(cells.items(), key=lambda item: item[0])
        ]
        for gap in self.missing:
            if gap.cell.kind == ANSWER:
                where = f" on {' and '.join(gap.databases)}" if gap.databases else ""
                found.append((f"never observed: {describe(gap.cell)}{where}", None))
        return found

    def counts(self, kind: str | None = None, operation: str | None = None) -> tuple[int, int]:
        """How many cells were observed, of how many declared."""

        def wanted(cell: Cell) -> bool:
            return kind in (None, cell.kind) and operation in (None, cell.operation)

        missed = sum(wanted(gap.cell) for gap in self.missing)
        declared = sum(wanted(cell) for cell in self.declared)
        return declared - missed, declared

    @property
    def line(self) -> str:
        """The one line for CI."""
        parts = [f"{kind} {percent(*self.counts(kind))}" for kind in KINDS]
        state = "RED" if self.red else "green"
        part = "" if self.run["whole"] else " — of a PART of the tests"
        databases = " and ".join(sorted(self.observation.databases)) or "no database"
        return (
            f"contract coverage {state}{part}: {', '.join(parts)}; {self.observation.count} "
            f"exchanges on {databases}, {len(self.missing)} cells missing"
        )

    def json(self) -> Json:
        """What build/contract-coverage.json holds."""
        missed = {gap.cell: gap.databases for gap in self.missing}
        return {
            "red": self.red,
            "run": self.run,
            "summary": {
                kind: dict(zip(("observed", "declared"), self.counts(kind), strict=True))
                for kind in KINDS
            },
            "declared": [cell._asdict() for cell in self.declared],
            "observed": [
                {
                    **cell._asdict(),
                    "exchanges": sum(seen.kinds.values()),
                    "tests": dict(sorted(seen.kinds.items())),
                    "databases": sorted(seen.databases),
                    "test": reproduction(seen)[1],
                    "request": reproduction(seen)[0],
                }
                for cell, seen in self.observed.items()
                if cell not in missed
            ],
            "missing": [
                {**cell._asdict(), **({"databases": list(databases)} if databases else {})}
                for cell, databases in missed.items()
            ],
        }


def percent(observed: int, declared: int) -> str:
    """A share that is 100 % only when nothing is missing."""
    if observed == declared:
        return f"100 % ({declared})"
    return f"{int(1000 * observed / declared) / 10} % ({observed} of {declared})"


def describe(cell: Cell) -> str:
    """A cell in words."""
    between = "HTTP " if cell.place.isdecimal() else ""
    return f"{cell.operation}, {between}{cell.place}, {cell.kind} {cell.what}"


def reproduction(seen: Seen) -> tuple[str, str]:
    """A curl command without secrets, and the test that sends the real request."""
    exchange = seen.exchange
    assert exchange is not None
    return curl(exchange), exchange["test"]


def curl(exchange: Json) -> str:
    """The request as a curl command: $API, $TOKEN and $PAIR stand for what is not told."""
    target = exchange["path"] + (f"?{exchange['query']}" if exchange["query"] else "")
    words = ["curl", "-i"]
    if exchange["method"] != "GET":
        words += ["-X", shlex.quote(exchange["method"])]
    words.append(f'"$API"{shlex.quote(shorten(target))}')
    for name, value in exchange["headers"]:
        if name == "authorization":
            told = {"bearer": '-H "Authorization: Bearer $TOKEN"', "basic": '-u "$PAIR"'}
            words.append(told.get(value, "-H 'Authorization: …'"))
        elif (name, value) != ("accept", "*/*"):
            words += ["-H", shlex.quote(f"{name}: {value}")]
    words += _body(exchange["body"])
    return star(" ".join(words))


def _body(body: str | int | None) -> list[str]:
    if body is None:
        return ["--data-binary @- # in chunks"]
    if isinstance(body, int):
        return [f"--data-binary @- # {body} bytes"]
    if not body:
        return []
    raw = body.encode("latin-1")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return [f"--data-binary @- # base64 {base64.b64encode(raw[:90]).decode()}"]
    if len(text) > LONGEST_BODY:
        return [f"--data-binary @- # {len(raw)} bytes: {shlex.quote(text[:60])}…"]
    return ["--data-binary", shlex.quote(text)]


def shorten(text: str) -> str:
    """A text that a page can hold."""
    return text if len(text) <= LONGEST_BODY else f"{text[:LONGEST_BODY]}…[{len(text)} characters]"
