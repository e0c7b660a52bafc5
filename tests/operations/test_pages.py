"""Every list by pages says in a header where its next page is, in each of its formats, to its end."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest

from tests.support.contract_client import resolve
from tests.support.scene import CONTRACT, Scene
from tests.support.steps import credit, new_reference

LISTS = [
    (name, media_type)
    for name, operation in CONTRACT.items()
    if "curseur" in {resolve(one)["name"] for one in operation.get("parameters", [])}
    for media_type in operation["responses"]["200"]["content"]
]
COUNT = 5


@pytest.fixture(scope="module")
def filled(standing: Scene) -> Scene:
    """A scene with more lines of each list than a page of two holds."""
    scene = Scene(standing.world)
    scene.world.cartes(COUNT, 0, scene.carte.membre)
    for _ in range(COUNT):
        credited = credit(scene.api, scene.carte, 1000, new_reference())
        assert credited.status_code == 200, credited.text
    return scene


def lines(answer: httpx.Response) -> list[Any]:
    """The lines of a page in either format."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"] == "application/json":
        return list(answer.json()["data"])
    return list(csv.DictReader(io.StringIO(answer.text, newline="")))


def follow(client: httpx.Client, answer: httpx.Response) -> Iterator[httpx.Response]:
    """The pages from this one on, each found by the header of the one before."""
    yield answer
    while "next" in answer.links:
        target = answer.request.url.join(answer.links["next"]["url"])
        answer = client.get(target, headers={"Accept": answer.request.headers["accept"]})
        yield answer


@pytest.mark.parametrize(("operation", "media_type"), LISTS)
def test_links_lead_through_the_whole_list_and_end_with_it(
    filled: Scene, operation: str, media_type: str
) -> None:
    call, client = filled.call(operation), filled.api
    headers = {"Accept": media_type}
    whole = call.with_values(limite="100").send(client, headers=headers)
    pages = list(follow(client, call.with_values(limite="2").send(client, headers=headers)))
    found = [lines(page) for page in pages]
    assert len(lines(whole)) > COUNT
    assert [line for page in found for line in page] == lines(whole)
    assert {len(page) for page in found[:-1]} == {2}
    assert 1 <= len(found[-1]) <= 2
    assert "link" not in whole.headers
    for page in pages:
        if media_type == "application/json":
            asked = dict(parse_qsl(urlsplit(page.links.get("next", {}).get("url", "")).query))
            assert asked.get("curseur") == page.json()["curseurSuivant"]


@pytest.mark.parametrize(("operation", "media_type"), LISTS)
def test_link_is_relative_and_repeats_what_was_asked(
    filled: Scene, operation: str, media_type: str
) -> None:
    """Behind a proxy that puts a prefix before the path, it leads to the page all the same."""
    call = filled.call(operation).with_values(limite="2")
    answer = call.send(filled.api, headers={"Accept": media_type})
    target = answer.links["next"]["url"]
    assert answer.headers["link"] == f'<{target}>; rel="next"'
    there = httpx.URL(f"https://api.example/cynod/v1{call.path}?x=1").join(target)
    assert there.path == f"/cynod/v1{call.path}"
    asked = {name: value for name, value in there.params.items() if name != "curseur"}
    assert asked == {name: str(value) for name, value in call.values.items()}


def test_link_says_a_plus_as_it_was_meant(filled: Scene) -> None:
    world = filled.world
    membre = world.membre(filled.carte.membre.client_id, wallet_id="+221770009999")
    world.cartes(3, 0, membre)
    query = {"clientId": membre.client_id, "walletId": membre.wallet_id, "limite": "2"}
    first = filled.api.get("/get-liste-cartes", params=query)
    assert [len(lines(page)) for page in follow(filled.api, first)] == [2, 1]
