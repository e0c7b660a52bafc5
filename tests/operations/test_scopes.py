"""A token opens an operation when it has each of the operation's scopes, and needs no other."""

from __future__ import annotations

import httpx
import pytest

from tests.support.live import BEARER
from tests.support.scene import (
    ALL,
    NEEDED,
    Scene,
    assert_refused,
)
from tests.support.world import ALL_SCOPES

SCOPED = [(name, needed) for name in ALL if (needed := NEEDED[name])]


def ask(scene: Scene, operation: str, scopes: list[str]) -> httpx.Response:
    """Call the operation with a token of these scopes."""
    token = scene.world.token(scene.pair_of(operation), scope=" ".join(scopes))
    scene.nobody.headers["Authorization"] = f"Bearer {token}"
    return scene.call(operation).send(scene.nobody)


@pytest.mark.parametrize(("operation", "needed"), SCOPED)
def test_scopes_of_the_operation_suffice(scene: Scene, operation: str, needed: list[str]) -> None:
    assert ask(scene, operation, needed).status_code == 200


@pytest.mark.parametrize(
    ("operation", "absent"), [(name, scope) for name, needed in SCOPED for scope in needed]
)
def test_each_scope_of_the_operation_is_needed(scene: Scene, operation: str, absent: str) -> None:
    answer = ask(scene, operation, [scope for scope in ALL_SCOPES if scope != absent])
    assert_refused(answer, "2003")
    # Those that suffice, not only those that lack (RFC 6750, 3).
    suffice = " ".join(sorted(NEEDED[operation] or []))
    assert answer.headers["WWW-Authenticate"] == (
        f'{BEARER}, error="insufficient_scope", scope="{suffice}"'
    )
