"""The Postman collection: what it holds, and a run of it by Postman's own runner against a live server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support.contract_client import (
    BY_ID,
    DOCUMENT,
    OPERATIONS,
    ROOT,
    Json,
    resolve,
)
from tests.support.needs import lack
from tests.support.patience import CALL_S, PROGRAM_S

pytestmark = pytest.mark.xdist_group("docs-collection")

NEWMAN = ROOT / "build" / "docs-node" / "node_modules" / ".bin" / "newman"
SUMMARIES = {raw["operationId"]: raw["summary"] for raw in OPERATIONS.values()}


@pytest.fixture(scope="module")
def collection(demo: str) -> Json:
    answer = httpx.get(f"{demo}/collection.postman.json", trust_env=False, timeout=CALL_S)
    assert answer.headers["content-type"] == "application/json"
    made: Json = answer.json()
    return made


def test_there_is_a_folder_per_tag_and_a_request_per_operation(collection: Json) -> None:
    folders = {
        folder["description"]: [item["name"] for item in folder["item"]]
        for folder in collection["item"]
    }
    assert folders == {
        tag["description"]: [
            raw["summary"] for raw in OPERATIONS.values() if raw["tags"] == [tag["name"]]
        ]
        for tag in DOCUMENT["tags"]
    }
    variables = {one["key"]: one["value"] for one in collection["variable"]}
    assert {"baseUrl", "consumerKey", "consumerSecret"} < variables.keys()
    # A collection is sent around by mail: it must come without any credentials.
    assert variables["consumerKey"] == variables["consumerSecret"] == variables["jeton"] == ""
    assert variables["numeroCarte"] == "7019800100009569"


def test_each_request_carries_every_example_of_the_contract(collection: Json) -> None:
    items = {item["name"]: item for folder in collection["item"] for item in folder["item"]}
    for (method, path), raw in OPERATIONS.items():
        item = items[raw["summary"]]
        assert item["request"]["method"] == method
        assert item["request"]["url"]["raw"].startswith("{{baseUrl}}" + path)
        assert item["request"]["description"] == raw["description"]
        found = [(one["code"], _value(one)) for one in item["response"]]
        expected = [
            (int(status), resolve(example)["value"])
            for status in sorted(raw["responses"])
            for content in resolve(raw["responses"][status])["content"].values()
            for example in content["examples"].values()
        ]
        assert found == expected
        assert ("auth" in item["request"]) == (
            {"basic": []} not in raw["security"] or {} in raw["security"]
        )


def _value(answer: Json) -> Any:
    text = answer["body"]
    return json.loads(text) if answer["_postman_previewlanguage"] == "json" else text


def test_whole_collection_passes_twice_against_a_live_server(demo: str, tmp_path: Path) -> None:
    """Twice, with the same data: references are new each time, so that nobody needs to clean up."""
    if not NEWMAN.exists():
        lack("no newman: make test installs it, with npm")
    file = tmp_path / "collection.json"
    file.write_bytes(
        httpx.get(f"{demo}/collection.postman.json", trust_env=False, timeout=CALL_S).content
    )
    report = tmp_path / "report.json"
    given = {"baseUrl": demo, "consumerKey": "demo-partenaire", "consumerSecret": "demo-secret"}
    done = subprocess.run(
        [
            str(NEWMAN),
            "run",
            str(file),
            "--iteration-count=2",
            "--reporters=cli,json",
            f"--reporter-json-export={report}",
            *(f"--env-var={name}={value}" for name, value in given.items()),
        ],
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = json.loads(report.read_text())["run"]
    assert run["failures"] == []
    # One token for the whole run, and another one that the operation itself asks for.
    assert run["stats"]["requests"] == {
        "total": 2 * (len(OPERATIONS) - 1) + 1,
        "pending": 0,
        "failed": 0,
    }
    answers = [(one["item"]["name"], one["response"]["code"]) for one in run["executions"]]
    names = [item["name"] for folder in _folders(file) for item in folder["item"]]
    # Nobody was given a code, and one works once.
    names.remove(BY_ID["retirerSecretInitial"]["summary"])
    # The first item is there twice: with the token that it waited for, and for itself.
    assert answers == [(name, 200) for name in [names[0], *names, *names]]
    # HTTP 200 and, wherever the answer has it, `success`, and the required fields.
    answered = [
        resolve(raw["responses"]["200"]["content"]["application/json"]["schema"])
        for raw in OPERATIONS.values()
        if raw["operationId"] != "retirerSecretInitial"
    ]
    expected = sum(
        1 + bool(schema.get("required")) + ("success" in schema["properties"])
        for schema in answered
    )
    assert run["stats"]["assertions"]["total"] == 2 * expected


def _folders(file: Path) -> list[Json]:
    folders: list[Json] = json.loads(file.read_text())["item"]
    return folders


def test_wrong_credentials_fail_the_run(demo: str, tmp_path: Path) -> None:
    """The checks of the collection are worth something: they see a refusal."""
    if not NEWMAN.exists():
        lack("no newman: make test installs it, with npm")
    file = tmp_path / "collection.json"
    file.write_bytes(
        httpx.get(f"{demo}/collection.postman.json", trust_env=False, timeout=CALL_S).content
    )
    given = {"baseUrl": demo, "consumerKey": "demo-partenaire", "consumerSecret": "wrong"}
    done = subprocess.run(
        [
            str(NEWMAN),
            "run",
            str(file),
            f"--folder={SUMMARIES['getSoldeCarte']}",
            "--color=off",
            *(f"--env-var={name}={value}" for name, value in given.items()),
        ],
        capture_output=True,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )
    assert done.returncode == 1
    assert "expected response to have status code 200 but got 401" in done.stdout
    assert "wrong" not in done.stdout
