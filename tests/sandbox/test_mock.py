"""`cynod mock` answers the contract's examples, or the refusal that is asked for, and stores nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from tests.support.contract_client import (
    CATALOGUE,
    CONTRACT,
    DOCUMENT,
    Json,
    at_version,
    check_exchange,
    envelope_of,
    resolve,
)
from tests.support.patience import CALL_S
from tests.support.process import ServerProcess, serve
from tests.support.scene import (
    ALL,
    NEEDED,
    PLACES,
    WITH_FORM,
    Call,
    refusal,
)
from tests.support.scene import CONTRACT as BY_ID

ANYBODY = {"Authorization": "Bearer anything"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """A running mock, in a folder where nothing else is."""
    with serve(folder=tmp_path_factory.mktemp("mock"), verb="mock") as process:
        yield process


@pytest.fixture(scope="module")
def api(server: ServerProcess) -> Iterator[httpx.Client]:
    """Who asks it. Each answer is held against the contract, and none counts as one of the API's."""
    hooks = {"response": [check]}
    with httpx.Client(base_url=server.url, trust_env=False, event_hooks=hooks) as client:
        yield client


def check(answer: httpx.Response) -> None:
    """Raise unless the contract declares the answer."""
    answer.read()
    sent = answer.request
    status, headers, body = answer.status_code, answer.headers, answer.content
    # RFC 7240: which answer was asked of the mock, and not of the API.
    added = ("Preference-Applied",)
    check_exchange(sent.method, sent.url.path, status, headers, body, added=added)


def example_call(operation_id: str) -> Call:
    """The request that the contract's examples show."""
    method, path = PLACES[operation_id]
    operation = BY_ID[operation_id]
    if "requestBody" in operation:
        ((kind, content),) = resolve(operation["requestBody"])["content"].items()
        value = resolve(next(iter(content["examples"].values())))["value"]
        return Call(method, path, {"json" if kind == "application/json" else "data": value})
    params = {
        parameter["name"]: parameter.get("example", resolve(parameter["schema"]).get("example"))
        for parameter in map(resolve, operation.get("parameters", []))
        if parameter.get("required")
    }
    return Call(method, path, {"params": params})


def examples(operation_id: str, status: str = "200") -> Json:
    """The JSON examples of an answer by name."""
    response = resolve(BY_ID[operation_id]["responses"][status])
    found = response["content"]["application/json"]["examples"]
    return {name: resolve(node)["value"] for name, node in found.items()}


@pytest.mark.parametrize("operation", ALL)
def test_operation_answers_its_first_example(api: httpx.Client, operation: str) -> None:
    answer = example_call(operation).send(api, headers=ANYBODY)
    assert (answer.status_code, answer.json()) == (200, next(iter(examples(operation).values())))


@pytest.mark.parametrize(
    ("operation", "name"), [(operation, name) for operation in ALL for name in examples(operation)]
)
def test_example_is_chosen_by_its_name(api: httpx.Client, operation: str, name: str) -> None:
    headers = {**ANYBODY, "Prefer": f'example="{name}"'}
    answer = example_call(operation).send(api, headers=headers)
    assert answer.json() == examples(operation)[name]
    assert answer.headers["preference-applied"] == f"example={name}"


LIMIT = DOCUMENT["components"]["examples"]["PlafondDepasse"]["value"]
MORE_INFO = {"4011": LIMIT["moreInfo"], "3006": "de=OPPOSITION;vers=OPPOSITION"}
"""What the examples tell programs."""

PLACEHOLDERS = {"4011": {"reste": "3000 FCFA"}}
"""What an example of the contract has where a text has placeholders."""

PAIRS = [(operation, code) for operation in ALL for code in BY_ID[operation]["x-codes-erreur"]]


@pytest.mark.parametrize(("operation", "code"), PAIRS)
def test_refusal_is_chosen_by_its_code(api: httpx.Client, operation: str, code: str) -> None:
    answer = example_call(operation).send(api, headers={"Prefer": f"code={code}"})
    told = envelope_of(answer)
    name = told["message"].removeprefix("Paramètre ").removesuffix(" manquant ou invalide")
    fields = {"parametre": name} if code == "405" else PLACEHOLDERS.get(code, {})
    more = {"moreInfo": MORE_INFO[code]} if code in MORE_INFO else {}
    assert told == {**refusal(code, oauth=operation in WITH_FORM, **fields), **more}
    assert answer.status_code == CATALOGUE[code]["statut"]
    assert answer.headers["preference-applied"] == f"code={code}"


def test_refusal_is_chosen_by_its_status(api: httpx.Client) -> None:
    for status, code in (("503", "5001"), ("403", "2003"), ("429", "1008")):
        answer = example_call("debitCarte").send(api, headers={"Prefer": f"code={status}"})
        assert (answer.status_code, answer.json()["code"]) == (int(status), code)


@pytest.mark.parametrize("wanted", ["code=9998", "code=204", "code=abc", "example=nothing"])
def test_preference_that_the_contract_lacks_is_refused(api: httpx.Client, wanted: str) -> None:
    answer = example_call("debitCarte").send(api, headers={**ANYBODY, "Prefer": wanted})
    assert envelope_of(answer) == refusal("405", parametre="Prefer")


@pytest.mark.parametrize("wanted", ["", "return=minimal", "respond-async, wait=10", "code", "=1"])
def test_other_preference_is_ignored(api: httpx.Client, wanted: str) -> None:
    answer = example_call("getSoldeCarte").send(api, headers={**ANYBODY, "Prefer": wanted})
    assert (answer.status_code, "preference-applied" in answer.headers) == (200, False)


@pytest.mark.parametrize("operation", [name for name in ALL if NEEDED[name] is not None])
def test_nobody_is_refused_as_by_the_api(api: httpx.Client, operation: str) -> None:
    assert envelope_of(example_call(operation).send(api)) == refusal("2001")


def test_wrong_request_is_refused_as_by_the_api(api: httpx.Client) -> None:
    call = example_call("debitCarte")
    answer = call.with_values(montant=0).send(api, headers=ANYBODY)
    assert envelope_of(answer) == refusal("405", parametre="montant")
    answer = example_call("getSoldeCarte").with_values(surplus="1").send(api, headers=ANYBODY)
    assert envelope_of(answer) == refusal("405", parametre="surplus")
    assert envelope_of(api.get("/nowhere")) == refusal("1003")


def test_english_is_spoken(api: httpx.Client) -> None:
    headers = {**ANYBODY, "Accept-Language": "en"}
    answer = example_call("getSoldeCarte").send(api, headers=headers)
    first: Any = next(iter(examples("getSoldeCarte").values()))
    assert answer.json() == {
        **first,
        "message": BY_ID["getSoldeCarte"]["x-message-succes"]["en"].format_map(first["data"][0]),
    }


def test_table_is_answered_as_its_example(api: httpx.Client) -> None:
    headers = {**ANYBODY, "Accept": "text/csv"}
    answer = example_call("getHistoriqueCarte").send(api, headers=headers)
    content = BY_ID["getHistoriqueCarte"]["responses"]["200"]["content"]["text/csv"]
    assert answer.text == resolve(next(iter(content["examples"].values())))["value"]


def test_nothing_is_stored(server: ServerProcess, api: httpx.Client) -> None:
    example_call("debitCarte").send(api, headers=ANYBODY)
    assert [path.name for path in server.log_file.parent.iterdir()] == [server.log_file.name]


def test_mock_serves_another_contract(tmp_path: Path) -> None:
    """What a partner will meet tomorrow: a field more, and a code more."""
    document = at_version(yaml.safe_load(CONTRACT.read_bytes()), "9.9.9")
    schema = document["components"]["schemas"]["CarteListe"]
    field = {"type": "integer", "format": "int64", "description": "Plafond.", "example": 1}
    schema["properties"]["plafond"] = field
    schema["required"].append("plafond")
    for card in document["components"]["examples"]["ListeCartes"]["value"]["data"]:
        card["plafond"] = 5
    path = tmp_path / "openapi.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    with (
        serve(folder=tmp_path, verb="mock", CYNOD_CONTRACT=str(path)) as other,
        httpx.Client(base_url=other.url, trust_env=False, timeout=CALL_S) as api,
    ):
        answer = example_call("getListeCartes").send(api, headers=ANYBODY)
        assert answer.json()["data"][0]["plafond"] == 5
        assert answer.headers["x-contract-version"].startswith("9.9.9+")


def test_contract_that_cannot_be_served_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(AssertionError, match="is not an OpenAPI document"),
        serve(folder=tmp_path, verb="mock", CYNOD_CONTRACT=_empty(tmp_path)),
    ):
        pass


def _empty(folder: Path) -> str:
    path = folder / "empty.yaml"
    path.write_text("", encoding="utf-8")
    return str(path)
