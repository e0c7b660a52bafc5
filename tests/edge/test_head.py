"""HEAD, which is GET without the body (RFC 9110, 9.3.2)."""

from __future__ import annotations

import pytest

from tests.support.scene import ALL, PLACES, Scene

READ = [name for name in ALL if PLACES[name][0] == "GET"]
VARYING = {"x-request-id", "date", "ratelimit"}


@pytest.mark.parametrize("operation", READ)
def test_head_answers_what_get_does_without_the_body(scene: Scene, operation: str) -> None:
    call = scene.call(operation)
    for caller in (scene.api, scene.nobody):
        got, head = call.send(caller), call._replace(method="HEAD").send(caller)
        assert (head.status_code, head.content) == (got.status_code, b"")
        told = [{k: v for k, v in one.headers.items() if k not in VARYING} for one in (got, head)]
        assert told[0] == told[1]
        assert ("ratelimit" in got.headers) is ("ratelimit" in head.headers)
        assert got.headers["content-length"] == str(len(got.content))


def test_head_of_a_table_is_its_first_headers_and_leaves_the_connection_good(scene: Scene) -> None:
    call = scene.call("getHistoriqueCarte")
    answer = call._replace(method="HEAD").send(scene.api, headers={"Accept": "text/csv"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert call.send(scene.api).status_code == 200


@pytest.mark.parametrize("operation", [name for name in ALL if name not in READ])
def test_head_of_what_changes_something_is_no_method_of_it(scene: Scene, operation: str) -> None:
    _, path = PLACES[operation]
    answer = scene.api.head(path)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
