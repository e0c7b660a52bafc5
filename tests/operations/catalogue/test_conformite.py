"""What a server says of itself: the contract it serves, and which optional operations it offers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from handlers.app import create_app
from handlers.settings import Settings, SettingsError, read_settings
from models.database.engine import Database
from tests.support.contract_client import (
    CONTRACT,
    DOCUMENT,
    OPERATIONS,
    ContractClient,
    envelope_of,
)
from tests.support.live import serving, settings_for
from tests.support.scene import (
    ALL,
    Scene,
    assert_refused,
    refusal,
)
from tests.support.steps import item

BY_ID = {operation["operationId"]: operation for operation in OPERATIONS.values()}
VERSION = DOCUMENT["info"]["version"]
SHA256 = hashlib.sha256(CONTRACT.read_bytes()).hexdigest()
SERVED = f"{VERSION}+{SHA256[:12]}"
OPTIONAL = sorted(name for name in ALL if BY_ID[name].get("x-optionnelle"))


def test_conformity_tells_the_contract_that_is_served(scene: Scene) -> None:
    answer = scene.nobody.get("/conformite")
    (told,) = answer.json().pop("data")
    checked = datetime.strptime(told.pop("dernierControle") + "Z", "%d-%m-%Y %H:%M:%S%z")
    assert timedelta() <= datetime.now(UTC) - checked < timedelta(hours=1)
    assert told == {
        "version": VERSION,
        "empreinte": SHA256,
        "operationsFacultatives": [{"operation": name, "activee": True} for name in OPTIONAL],
    }
    assert answer.json()["message"] == f"Ce serveur suit la version {VERSION} du contrat"


def test_published_file_has_the_hash_that_is_told(scene: Scene) -> None:
    served = scene.nobody.get("/openapi.yaml").content
    assert hashlib.sha256(served).hexdigest() == item(scene.nobody.get("/conformite"))["empreinte"]


@pytest.mark.parametrize(
    "path", ["/get-solde-carte", "/health/live", "/nowhere", "/ui", "/openapi.yaml"]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_every_answer_bears_the_version(scene: Scene, method: str, path: str) -> None:
    answer = scene.nobody.request(method, path)
    assert answer.headers["x-contract-version"] == SERVED


def test_unchanged_page_bears_the_version(scene: Scene) -> None:
    etag = scene.nobody.get("/openapi.yaml").headers["etag"]
    answer = scene.nobody.get("/openapi.yaml", headers={"If-None-Match": etag})
    assert (answer.status_code, answer.headers["x-contract-version"]) == (304, SERVED)


# ── optional operations ───────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def bare_url(shared_database: Database) -> Iterator[str]:
    """A server on the shared database that offers no optional operation."""
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    with serving(replace(settings, desactivees=frozenset(OPTIONAL))) as url:
        yield url


@pytest.fixture
def without(scene: Scene, bare_url: str) -> ContractClient:
    """The scene's partner before that server."""
    api = scene.world.anonymous(bare_url)
    api.headers["Authorization"] = scene.api.headers["Authorization"]
    return api


@pytest.mark.parametrize("name", OPTIONAL)
def test_operation_that_is_switched_off_is_refused(
    scene: Scene, without: ContractClient, name: str
) -> None:
    call = scene.call(name)
    assert_refused(call.send(without), "1009")
    assert_refused(call.with_values(surplus="1").send(without), "1009")


def test_conformity_tells_what_is_switched_off(without: ContractClient) -> None:
    assert item(without.get("/conformite"))["operationsFacultatives"] == [
        {"operation": name, "activee": False} for name in OPTIONAL
    ]


def test_other_operations_are_served_beside_it(without: ContractClient) -> None:
    assert without.get("/mes-droits").status_code == 200


@pytest.mark.parametrize("name", ["debitCarte", "nothing"])
def test_only_optional_operations_can_be_switched_off(tmp_path: Path, name: str) -> None:
    settings = read_settings({"CYNOD_OPERATIONS_DESACTIVEES": name})
    with pytest.raises(SettingsError) as refused:
        create_app(
            Settings(database_url=f"sqlite:///{tmp_path}/a.db", desactivees=settings.desactivees)
        )
    assert str(refused.value) == (
        f"CYNOD_OPERATIONS_DESACTIVEES names {name}; the optional operations are {', '.join(OPTIONAL)}."
    )


def test_refusal_of_an_operation_switched_off_is_in_english_too(
    scene: Scene, without: ContractClient
) -> None:
    call = scene.call(OPTIONAL[0])
    answer = call.send(without, headers={"Accept-Language": "en"})
    assert envelope_of(answer) == refusal("1009", language="en")
