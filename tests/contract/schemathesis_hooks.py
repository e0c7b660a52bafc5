"""Checks of our own, which Schemathesis runs beside all of its own."""

from __future__ import annotations

import json
import os
import zlib
from pathlib import Path
from typing import Any

import schemathesis

from tests import exchanges

Case = schemathesis.Case[Any]

FORM_CODES = ("405", "1001", "1002")

_CURSOR = "any text that it could be fits the contract; those that the server gave are accepted"
_DAY = "a text of the pattern may be no day, such as 31-02-2026"

RIGHTLY_REFUSED = {
    ("getListeCartes", "curseur"): _CURSOR,
    ("getHistoriqueCarte", "curseur"): _CURSOR,
    ("getHistoriqueCarte", "dateDebut"): _DAY,
    ("getHistoriqueCarte", "dateFin"): _DAY,
    ("verifierReferences", "jour"): _DAY,
    ("getOperation", "reference"): "one of two parameters is needed, which OpenAPI 3.0 cannot say",
    ("getOperation", "numeroOperation"): "only one of two may be given, as above",
    ("transfererSolde", "numeroCarteDestination"): "a card is not its own destination",
}
"""Parameters of fitting requests that are refused as malformed, each with its reason."""


_bodies: dict[str, str] = {}
"""The content that each reference was first sent with."""


@schemathesis.hook
def before_call(_context: schemathesis.HookContext, case: Case, _kwargs: dict[str, Any]) -> None:
    """Give most fitting movements a reference of their own, else nearly all would be refused (4002)."""
    body, meta = case.body, case.meta
    if not isinstance(body, dict) or meta is None or not meta.generation.mode.is_positive:
        return
    reference = body.get("reference")
    if not isinstance(reference, str):
        return
    content = json.dumps([case.path, body], sort_keys=True)
    first = _bodies.setdefault(reference, content)
    if first != content and zlib.crc32(content.encode()) % 8:
        body["reference"] = reference = f"ST-{len(_bodies)}"
        _bodies[reference] = json.dumps([case.path, body], sort_keys=True)


@schemathesis.check
def fitting_requests_are_not_called_malformed(
    _ctx: schemathesis.CheckContext, response: schemathesis.Response, case: Case
) -> None:
    """A request that fits the contract may be refused for what it asks, never for its form."""
    meta = case.meta
    if meta is None or not meta.generation.mode.is_positive or response.status_code != 400:
        return
    body = response.json()
    operation, message = case.operation.definition.raw["operationId"], body["message"]
    if any(
        operation == name and message == f"Paramètre {parameter} manquant ou invalide"
        for name, parameter in RIGHTLY_REFUSED
    ):
        return
    assert body["code"] not in FORM_CODES, f"a fitting request is refused: {body['message']}"


@schemathesis.check
class ReportsWhatWasAnswered:
    """Writes how many cases got which status and code, for the test to judge."""

    def __init__(self) -> None:
        # Sets of cases, because a case may be sent again while a failure is made smaller.
        self._cases: dict[str, dict[str, set[str]]] = {}

    def after_response(
        self,
        _ctx: schemathesis.CheckContext,
        response: schemathesis.Response,
        case: Case,
    ) -> None:
        """Note one answer."""
        exchanges.record_schemathesis(response)
        code = "200" if response.status_code == 200 else str(response.json()["code"])
        operation = case.operation.definition.raw["operationId"]
        answers = self._cases.setdefault(operation, {})
        answers.setdefault(f"{response.status_code} {code}", set()).add(case.id)

    def after_run(self, _ctx: schemathesis.CheckContext) -> None:
        """Write the counts to the file that CYNOD_SCHEMATHESIS_ANSWERS names."""
        target = os.environ.get("CYNOD_SCHEMATHESIS_ANSWERS")
        counts = {
            operation: {answer: len(ids) for answer, ids in sorted(answers.items())}
            for operation, answers in self._cases.items()
        }
        if target:
            Path(target).write_text(json.dumps(counts, indent=1), encoding="utf-8")
