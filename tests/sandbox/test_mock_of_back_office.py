"""`cynod mock` answers the back office's examples and refusals too, where it is told to serve them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.support.contract_client import Json, base_core
from tests.support.patience import CALL_S
from tests.support.process import serve

ANYBODY = {"Authorization": "Bearer anything"}
CONTRACT = base_core()
OPERATIONS = [
    pytest.param(method, path, operation, id=operation["operationId"])
    for (method, path), operation in CONTRACT.operations.items()
]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Who asks a mock of both surfaces."""
    with (
        serve(
            folder=tmp_path_factory.mktemp("mock"),
            verb="mock",
            CYNOD_SURFACES="partenaire,base-core",
        ) as process,
        httpx.Client(base_url=process.url, trust_env=False, timeout=CALL_S) as client,
    ):
        yield client


def send(api: httpx.Client, method: str, path: str, operation: Json, **headers: str) -> Any:
    """Send what the contract's example asks, and hold the answer against the contract."""
    sent: Json = {}
    if "requestBody" in operation:
        content = CONTRACT.resolve(operation["requestBody"])["content"]["application/json"]
        sent["json"] = CONTRACT.resolve(next(iter(content["examples"].values())))["value"]
    else:
        sent["params"] = {
            one["name"]: one.get("example", CONTRACT.resolve(one["schema"]).get("example"))
            for one in map(CONTRACT.resolve, operation.get("parameters", []))
            if one.get("required")
        }
    answer = api.request(method, path, headers={**ANYBODY, **headers}, **sent)
    CONTRACT.check_exchange(
        method,
        path,
        answer.status_code,
        answer.headers,
        answer.content,
        added=("Preference-Applied",),
    )
    return answer


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS)
def test_operation_answers_its_first_example_and_each_of_its_codes(
    api: httpx.Client, method: str, path: str, operation: Json
) -> None:
    content = CONTRACT.resolve(operation["responses"]["200"])["content"]["application/json"]
    first = CONTRACT.resolve(next(iter(content["examples"].values())))["value"]
    answer = send(api, method, path, operation)
    assert (answer.status_code, answer.json()) == (200, first)
    told = {
        code: send(api, method, path, operation, Prefer=f"code={code}").json()["code"]
        for code in operation["x-codes-erreur"]
    }
    assert told == {code: code for code in told}
