"""What the hooks of both surfaces ask of a case of Schemathesis and of its answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import schemathesis
from schemathesis.engine import statistic
from schemathesis.generation.stateful.state_machine import ExtractionFailure

from tests.lab.fuzz import rules
from tests.support.contract_client import Json, Reading

Case = schemathesis.Case[Any]


def name_of(case: Case) -> str:
    """The operationId."""
    name: str = case.operation.definition.raw["operationId"]
    return name


def declared_of(case: Case, method: str) -> str | None:
    """The operation that the request meant, None for a method that its path does not have."""
    return name_of(case) if method == case.operation.method.upper() else None


def is_positive(case: Case) -> bool:
    """Whether the case was made to fit the contract."""
    meta = case.meta
    return meta is not None and meta.generation.mode.is_positive


def is_json(response: schemathesis.Response) -> bool:
    """Whether the answer is JSON."""
    return bool(response.headers.get("content-type") == ["application/json"])


def raw_of(response: schemathesis.Response) -> bytes:
    """The body as it was sent."""
    body = response.request.body
    if isinstance(body, str):
        return body.encode("utf-8", "surrogatepass")
    return body if isinstance(body, bytes) else b""


def sent_of(response: schemathesis.Response) -> Json | None:
    """The JSON object that was sent, None when it was none."""
    try:
        sent = json.loads(raw_of(response))
    except ValueError:
        return None
    return sent if isinstance(sent, dict) else None


def text_of(response: schemathesis.Response) -> str:
    """The answer's body."""
    return response.content.decode("utf-8")


def headers_of(response: schemathesis.Response) -> dict[str, str]:
    """The answer's headers."""
    return {name: ", ".join(values) for name, values in response.headers.items()}


def language_of(response: schemathesis.Response) -> str:
    """The language that was asked for."""
    return rules.language_of(str(response.request.headers.get("Accept-Language", "")))


def answer_of(response: schemathesis.Response) -> tuple[int, str]:
    """The status, and the code of a refusal."""
    refused = response.status_code >= 300 and is_json(response)
    return response.status_code, str(response.json().get("code", "200")) if refused else "200"


def check_code_and_text(response: schemathesis.Response, case: Case, contract: Reading) -> None:
    """A code that the operation lists, with the text of the language asked for."""
    method = str(response.request.method)
    if method == "HEAD" or not is_json(response):
        return
    name, body, language = declared_of(case, method), response.json(), language_of(response)
    if response.status_code == 200:
        assert name is not None, f"{method} {case.path} is served, which the contract lacks"
        rules.check_success_text(name, body, language, contract)
    else:
        known = name if response.status_code not in rules.ROUTE_CODES else None
        rules.check_code(known, response.status_code, body, language, contract)


def check_headers(response: schemathesis.Response, case: Case, contract: Reading) -> None:
    """No header but those of HTTP and of the contract."""
    name = declared_of(case, str(response.request.method))
    known = name if response.status_code not in rules.ROUTE_CODES else None
    contract.check_header_names(known, response.status_code, response.headers)


def steps_to(ctx: schemathesis.CheckContext, case: Case) -> list[str]:
    """The operations that led to this case, as long as they succeeded."""
    return list(_back_from(ctx, case))[::-1]


def _back_from(ctx: schemathesis.CheckContext, case: Case) -> Iterator[str]:
    # No public way leads from a case to the one whose answer fed it.
    step: Case | None = case
    while step is not None:
        yield name_of(step)
        step = ctx.internals.find_parent(case_id=step.id)
        answer = ctx.internals.find_response(case_id=step.id) if step is not None else None
        if answer is None or answer.status_code >= 300:
            return


def say_in_openapi(document: Json) -> None:
    """Say in OpenAPI's word what a link puts into a body: see x-corps at the head of the contract."""
    for link in document.get("components", {}).get("links", {}).values():
        if "x-corps" in link:
            link["requestBody"] = link.pop("x-corps")


def _is_missing(failure: ExtractionFailure) -> bool:
    """Whether a link lacks something: neither an optional parameter that the call before did not send,
    nor a value that the contract lets be null, nor the item of an empty list."""
    where = failure.expression
    if where.startswith("$request.query."):
        return False
    if not where.startswith("$response.body#/"):
        return True
    try:
        return rules.lacks(failure.response.json(), where.partition("#")[2])
    except ValueError:
        return True


def tell_missing_only() -> None:
    """Let Schemathesis tell of a link only what it lacks."""
    telling: Any = statistic
    # No public way leads to what is told.
    told: Callable[..., Iterator[ExtractionFailure]] = telling._extraction_failures  # noqa: SLF001

    def missing_only(*arguments: Any) -> Iterator[ExtractionFailure]:
        yield from filter(_is_missing, told(*arguments))

    telling._extraction_failures = missing_only  # noqa: SLF001 - as above
