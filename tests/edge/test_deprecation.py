"""A deprecated operation says so in each of its answers (RFC 9745, RFC 8594); the others do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest
import yaml

from models.database.engine import Database
from tests.support.contract_client import deprecate, read_contract
from tests.support.live import serving, settings_for
from tests.support.patience import CALL_S
from tests.support.scene import Scene
from tests.support.world import TLS

EXPECTED = {
    "deprecation": "@1796083200",
    "sunset": "Wed, 01 Dec 2027 00:00:00 GMT",
    "link": (
        '</#getSoldeCarte>; rel="deprecation"; type="text/html", '
        '</#getSoldeCarte>; rel="sunset"; type="text/html", '
        '</#checkCardValidity>; rel="successor-version"; type="text/html"'
    ),
}
"""From 1 December 2026 to 1 December 2027, both 00:00 UTC."""


@pytest.fixture(scope="module")
def url(shared_database: Database, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of the same contract with the balance deprecated."""
    document = read_contract()
    deprecate(document, "paths./get-solde-carte.get", remplacement="checkCardValidity")
    path = tmp_path_factory.mktemp("deprecated") / "openapi.yaml"
    text = yaml.dump(document, Dumper=yaml.CSafeDumper, allow_unicode=True)
    path.write_text(text, encoding="utf-8")
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    with serving(replace(settings, contract=path)) as base_url:
        yield base_url


@pytest.fixture
def api(url: str, scene: Scene) -> Iterator[httpx.Client]:
    """The scene's partner before that server."""
    headers = {"Authorization": scene.api.headers["Authorization"]}
    with httpx.Client(
        base_url=url, headers=headers, verify=TLS, trust_env=False, timeout=CALL_S
    ) as client:
        yield client


def announced(answer: httpx.Response) -> dict[str, str]:
    """What the answer says of its operation's end."""
    return {name: answer.headers[name] for name in EXPECTED if name in answer.headers}


@pytest.mark.parametrize(
    ("headers", "surplus", "status"),
    [
        ({}, {}, 200),
        ({}, {"surplus": "1"}, 400),
        ({"Authorization": "Bearer nobody"}, {}, 401),
        ({"Accept": "text/html"}, {}, 406),
    ],
)
def test_each_answer_of_a_deprecated_operation_announces_its_end(
    api: httpx.Client, scene: Scene, headers: dict[str, str], surplus: dict[str, str], status: int
) -> None:
    params = {**scene.carte.query, **surplus}
    answer = api.get("/get-solde-carte", params=params, headers=headers)
    assert (answer.status_code, announced(answer)) == (status, EXPECTED)


def test_no_other_operation_announces_an_end(api: httpx.Client, scene: Scene) -> None:
    answer = api.get("/check-card-validity", params=scene.carte.query)
    assert (answer.status_code, announced(answer)) == (200, {})


def test_operation_that_is_not_deprecated_announces_nothing(scene: Scene) -> None:
    answer = scene.api.get("/get-solde-carte", params=scene.carte.query)
    assert (answer.status_code, announced(answer)) == (200, {})
