"""A contract may have parameters in its paths, although this one has none: they are served as declared."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.support.contract_client import CATALOGUE, DOCUMENT
from tests.support.live import serving, settings_for
from tests.support.patience import CALL_S
from tests.support.world import TLS, World

pytestmark = pytest.mark.only_on("sqlite")  # routing is the same on both


@pytest.fixture
def client(world: World, tmp_path: Path) -> Iterator[httpx.Client]:
    """Asks a server whose operations and cards are found by paths."""
    document = copy.deepcopy(DOCUMENT)
    paths = document["paths"]
    paths["/operations/{numeroOperation}"] = paths.pop("/get-operation")
    parameter = document["components"]["parameters"]["ParamNumeroOperation"]
    parameter.update({"in": "path", "required": True, "description": "Numéro de l'opération."})
    file = tmp_path / "openapi.yaml"
    file.write_text(json.dumps(document), encoding="utf-8")
    database = world.database.url.render_as_string(hide_password=False)
    # Not the tests' own client, which holds answers to the contract as it is.
    with (
        serving(replace(settings_for(database), contract=file)) as url,
        httpx.Client(base_url=url, verify=TLS, trust_env=False, timeout=CALL_S) as made,
    ):
        yield made


def told(answer: httpx.Response) -> tuple[int, str]:
    """Status and code of a refusal; its text is the catalogue's."""
    body = answer.json()
    text = CATALOGUE[body["code"]]["message"]["fr"].replace("{parametre}", "numeroOperation")
    assert body["message"] == text
    return answer.status_code, body["code"]


def test_path_parameter_is_served_checked_and_refused_as_declared(
    world: World, client: httpx.Client
) -> None:
    carte = world.carte(1_000)
    api = world.api(carte)
    made = api.post("/credit-carte", json=carte.mouvement(5, "PATH-1")).json()["data"][0]
    client.headers["Authorization"] = api.headers["Authorization"]
    found = client.get(f"/operations/{made['numeroOperation']}")
    assert (found.status_code, found.json()["data"][0]["reference"]) == (200, "PATH-1")
    unknown = "0" * 26
    assert told(client.get(f"/operations/{unknown}")) == (400, "4006")
    assert told(client.get("/operations/x")) == (400, "405")
    assert told(client.get(f"/operations/{made['numeroOperation']}%0A")) == (400, "405")


@pytest.mark.parametrize("path", ["/operations", "/operations/", "/operations/a/b", "/operation/a"])
def test_path_that_no_template_fits_is_unknown(client: httpx.Client, path: str) -> None:
    answer = client.get(path)
    assert told(answer) == (404, "1003")
    assert "location" not in answer.headers


def test_encoded_slash_separates_nothing(client: httpx.Client) -> None:
    assert told(client.get("/operations/a%2Fb")) == (404, "1003")


def test_other_method_of_a_template_is_told_those_that_there_are(client: httpx.Client) -> None:
    answer = client.put("/operations/a")
    assert told(answer) == (405, "1004")
    assert answer.headers["allow"] == "GET, HEAD"


def test_head_of_a_template_is_its_get_without_the_body(client: httpx.Client) -> None:
    path = f"/operations/{'0' * 26}"
    got, head = client.get(path), client.head(path)
    assert (head.status_code, head.content) == (got.status_code, b"")
    assert head.headers["content-length"] == got.headers["content-length"]
