"""`cynod contract selfcheck URL`: send the examples of the contract to a server, and judge what it answers.

Each operation is asked what its examples show, and then for the refusals that any server of this contract
must give to the same request made wrong. An answer is judged by its status, its headers, its schema, its
code and its text. Nothing that writes is sent unless it is asked for.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from handlers.contract.model import (
    JSON_TYPE,
    Contract,
    Json,
    OperationContract,
)
from handlers.contract.schema import compile_schema
from handlers.contract.style_examples import TELLS_ITS_VERSION

TIMEOUT_S = 30.0
UNKNOWN_CARD = "000000000000"
VERSION_HEADER = "X-Contract-Version"

CONFORM, IDENTICAL, WRONG, LEFT = "conform", "identical", "wrong", "not sent"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The pair of a partner."""

    consumer_key: str
    consumer_secret: str


class CredentialsRefused(Exception):
    """The server gives no token for the pair; the text is one sentence."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one request: `identical` to an example, `conform`, `wrong` or `not sent`, and why."""

    operation_id: str
    case: str
    verdict: str
    status: int | None = None
    code: str | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """All outcomes, and the version that the server says it serves."""

    url: str
    version: str
    served_version: str
    outcomes: list[Outcome]

    @property
    def passed(self) -> bool:
        """Whether something was sent and nothing is wrong."""
        verdicts = {outcome.verdict for outcome in self.outcomes}
        return WRONG not in verdicts and verdicts != {LEFT}

    def as_json(self) -> str:
        """The report for a program."""
        return json.dumps(
            {
                "url": self.url,
                "version": self.version,
                "servedVersion": self.served_version,
                "passed": self.passed,
                "outcomes": [
                    {
                        "operation": one.operation_id,
                        "case": one.case,
                        "verdict": one.verdict,
                        "status": one.status,
                        "code": one.code,
                        "reason": one.reason,
                    }
                    for one in self.outcomes
                ],
            },
            ensure_ascii=False,
            indent=2,
        )


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and the code that must come back: None for whatever the operation declares."""

    case: str
    params: dict[str, Any] = field(default_factory=dict)
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    code: str | None = None
    raw: bytes | None = None
    authenticated: bool = True


def replay(
    contract: Contract,
    url: str,
    *,
    credentials: Credentials | None = None,
    token: str | None = None,
    writes: bool = False,
    transport: httpx.BaseTransport | None = None,
) -> Report:
    """Ask the server at `url` everything that may be sent, as the partner of `credentials`, or as the person
    whose `token` it is. Raises CredentialsRefused, and httpx.HTTPError when it is away.
    """
    outcomes: list[Outcome] = []
    with httpx.Client(base_url=url, timeout=TIMEOUT_S, transport=transport) as client:
        served = client.get(_place_of_version(contract))
        of_partner = _authorization(contract, client, credentials)
        authorization = f"Bearer {token}" if token else of_partner
        for operation in contract.operations.values():
            rules = AnswerRules(contract, operation)
            for question in _questions(contract, operation, credentials):
                why = _why_not(operation, question, authorization, writes=writes)
                if why:
                    outcomes.append(
                        Outcome(operation.operation_id, question.case, LEFT, reason=why)
                    )
                    continue
                answer = _send(client, operation, question, authorization)
                outcomes.append(rules(question, answer))
    return Report(
        url, contract.served_version, served.headers.get(VERSION_HEADER, "unknown"), outcomes
    )


def _place_of_version(contract: Contract) -> str:
    """A path that the contract itself answers, whoever asks, without harm: any answer tells its version."""
    reads = [one for one in contract.operations.values() if one.method == "get"]
    public = [one for one in reads if not one.secured and not one.probe]
    told = [one for one in public if one.operation_id == TELLS_ITS_VERSION]
    return [*told, *public, *reads][0].path


def _why_not(
    operation: OperationContract, question: Question, authorization: str | None, *, writes: bool
) -> str:
    if question.authenticated and authorization is None and operation.secured:
        return "no credentials"
    # Also what must be refused: a server at fault might do it.
    if operation.writes and operation.secured and question.authenticated and not writes:
        return "it writes"
    return ""


def _authorization(
    contract: Contract, client: httpx.Client, credentials: Credentials | None
) -> str | None:
    path = next((one.path for one in contract.operations.values() if one.issues_tokens), None)
    if credentials is None or path is None:
        return None
    answer = client.post(
        path,
        data={
            "grant_type": "client_credentials",
            "client_id": credentials.consumer_key,
            "client_secret": credentials.consumer_secret,
        },
    )
    if answer.status_code != 200:
        raise CredentialsRefused(
            f"the server gives no token for {credentials.consumer_key}: HTTP {answer.status_code}."
        )
    return f"Bearer {answer.json().get('access_token')}"


def _questions(
    contract: Contract, operation: OperationContract, credentials: Credentials | None
) -> Iterator[Question]:
    params = {
        parameter["name"]: _example_of(contract, parameter)
        for parameter in operation.parameters
        if parameter.get("required")
    }
    asked = Question("the required parameters of the contract", params)
    if operation.body is None:
        yield asked
        optional = [one for one in operation.parameters if not one.get("required")]
        for parameter in optional:
            example = _example_of(contract, parameter)
            name = parameter["name"]
            yield replace(asked, case=f"with {name}", params={**params, name: example})
    else:
        for name, node in operation.body.content["examples"].items():
            value = contract.resolve(node)["value"]
            if operation.by_pair and credentials is not None:
                value = {
                    **value,
                    "client_id": credentials.consumer_key,
                    "client_secret": credentials.consumer_secret,
                }
                value.pop("scope", None)
            asked = Question(f"the example {name!r} of the body", params, value)
            yield asked
    yield from _wrong(operation, asked)


def _example_of(contract: Contract, parameter: Json) -> Any:
    return parameter.get("example", contract.resolve(parameter["schema"]).get("example"))


def _wrong(operation: OperationContract, asked: Question) -> Iterator[Question]:
    """The same request, made wrong in the ways that each server must refuse."""
    yield replace(
        asked, case="an undeclared parameter", params={**asked.params, "surplus": "1"}, code="405"
    )
    yield replace(asked, case="Accept: text/html", headers={"Accept": "text/html"}, code="1005")
    if operation.secured:
        yield replace(asked, case="no Authorization", code="2001", authenticated=False)
    if operation.body is not None:
        kind = {"Content-Type": operation.body.media_type}
        unreadable = b"{" if operation.body.media_type == JSON_TYPE else b"%ff=1"
        yield replace(
            asked, case="an unreadable body", raw=unreadable, headers=kind, code="1001", body=None
        )
        yield replace(
            asked,
            case="Content-Type: text/plain",
            raw=b"{}",
            headers={"Content-Type": "text/plain"},
            code="1007",
            body=None,
        )
    if "412" in operation.codes:
        case = "an unknown card"
        if "numeroCarte" in asked.params:
            params = {**asked.params, "numeroCarte": UNKNOWN_CARD}
            yield replace(asked, case=case, params=params, code="412")
        elif isinstance(asked.body, dict) and "numeroCarte" in asked.body:
            body = {**asked.body, "numeroCarte": UNKNOWN_CARD}
            if operation.idempotent_on is not None:
                body[operation.idempotent_on] = f"selfcheck-{secrets.token_hex(8)}"
            yield replace(asked, case=case, body=body, code="412")


def _send(
    client: httpx.Client,
    operation: OperationContract,
    question: Question,
    authorization: str | None,
) -> httpx.Response:
    headers = dict(question.headers)
    if question.authenticated and operation.secured and authorization is not None:
        headers["Authorization"] = authorization
    options: dict[str, Any] = {}
    if question.raw is not None:
        options["content"] = question.raw
    elif question.body is not None:
        assert operation.body is not None
        options["json" if operation.body.media_type == JSON_TYPE else "data"] = question.body
    return client.request(
        operation.method.upper(), operation.path, params=question.params, headers=headers, **options
    )


class AnswerRules:
    """What the contract says of the answers of one operation."""

    def __init__(self, contract: Contract, operation: OperationContract) -> None:
        self._contract = contract
        self._operation = operation
        self._fits = {
            status: compile_schema(contract, response["content"][JSON_TYPE]["schema"])
            for status, response in operation.responses.items()
        }
        self._schemas = {
            status: contract.resolve(response["content"][JSON_TYPE]["schema"])
            for status, response in operation.responses.items()
        }
        self._examples = {
            status: [
                self._shown(status, contract.resolve(node)["value"])
                for node in response["content"][JSON_TYPE]["examples"].values()
            ]
            for status, response in operation.responses.items()
        }

    def __call__(self, question: Question, answer: httpx.Response) -> Outcome:
        """The verdict on one answer."""
        code = None
        try:
            body = answer.json()
            code = str(body.get("code")) if isinstance(body, dict) and "code" in body else None
        except ValueError:
            body = None
        reason = "; ".join(self._faults(question, answer, body, code))
        verdict = WRONG if reason else CONFORM
        if (
            not reason
            and self._shown(answer.status_code, body) in self._examples[answer.status_code]
        ):
            verdict = IDENTICAL
        return Outcome(
            self._operation.operation_id, question.case, verdict, answer.status_code, code, reason
        )

    def _shown(self, status: int, body: Any) -> Any:
        """The body without what an answer may lack: examples leave it out, or show the id of another."""
        if not isinstance(body, dict):
            return body
        lacked = self._schemas[status].get("x-facultatifs", ())
        return {name: value for name, value in body.items() if name not in lacked}

    def _faults(
        self, question: Question, answer: httpx.Response, body: Any, code: str | None
    ) -> Iterator[str]:
        operation, status = self._operation, answer.status_code
        response = operation.responses.get(status)
        if response is None:
            yield f"HTTP {status} is not declared"
            return
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if kind != JSON_TYPE:
            yield f"Content-Type is {kind or 'absent'}"
            return
        if not self._fits[status](body):
            yield f"the body does not fit the schema of response {status}"
            return
        for name, node in response.get("headers", {}).items():
            if self._contract.resolve(node).get("required") and name not in answer.headers:
                yield f"the header {name} is absent"
        yield from self._code_faults(question, status, code)

    def _code_faults(self, question: Question, status: int, code: str | None) -> Iterator[str]:
        operation = self._operation
        if status == 200:
            if question.code is not None:
                yield f"HTTP 200 where code {question.code} was due"
        elif code not in operation.codes:
            yield f"code {code} is not declared"
        elif self._contract.catalogue[code].statut != status:
            yield f"code {code} came with HTTP {status}"
        elif question.code is not None and code != question.code:
            yield f"code {code} where {question.code} was due"
