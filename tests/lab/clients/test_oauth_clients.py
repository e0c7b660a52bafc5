"""OAuth clients that partners have, each as its own documentation says to use it, against the live server.

Each gets a token, renews it and reads a refusal; what it saw is compared whole. No client knows CYNOD.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from models.database.engine import Database
from tests.lab.clients.generators import (
    HERE,
    NODE,
    PYTHON,
    install,
    run,
)
from tests.support.live import serving, settings_for
from tests.support.needs import need
from tests.support.process import serve
from tests.support.world import World, new_number

pytestmark = pytest.mark.only_on("sqlite")

SCRIPTS = HERE / "oauth"
WHOLE = {"error": "invalid_client", "code": "2101", "statut": 401}

CLIENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "authlib": ("authlib_client.py", {"error": "invalid_client"}),
    "requests-oauthlib": (
        "requests_oauthlib_client.py",
        {"error": "invalid_client", "statut": 401},
    ),
    "httpx-auth": ("httpx_auth_client.py", {"error": "invalid_client", "code": "2101"}),
    "simple-oauth2": ("simple_oauth2_client.mjs", WHOLE),
    "openid-client": ("openid_client.mjs", {**WHOLE, "defi": "basic"}),
    "axios": ("axios_client.mjs", WHOLE),
}
"""Its script, and all that it shows its user of a wrong secret."""

OLD_SECRET = "aa-bb_cc.dd~ee%2Bff+gg=hh/ii*(j)!'k"
"""Every character that one client or another encodes, or that others write as it is."""


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    need("node")
    install()


@pytest.fixture(scope="module")
def short_url(shared_database: Database) -> Iterator[str]:
    """A server on the same database whose tokens live one second."""
    url = shared_database.url.render_as_string(hide_password=False)
    with serving(replace(settings_for(url), jeton_duree_s=1), shared_database) as base_url:
        yield base_url


def command_of(script: Path) -> list[str]:
    """How a script is run. Authlib is a tool of ours too; the others are those of the clients."""
    if script.suffix == ".mjs":
        # It finds its libraries above it.
        folder = NODE / "oauth"
        folder.mkdir(exist_ok=True)
        return ["node", str(shutil.copy(str(script), folder))]
    return [sys.executable if script.stem.startswith("authlib") else str(PYTHON), str(script)]


@pytest.mark.parametrize("drawn", [True, False], ids=["drawn", "old"])
@pytest.mark.parametrize("name", CLIENTS)
def test_client_gets_a_token_renews_it_and_reads_a_refusal(
    name: str, drawn: bool, world: World, short_url: str, tmp_path: Path
) -> None:
    carte = world.carte(10_000)
    old = (f"clef-{new_number()}_.~", OLD_SECRET)
    pair = world.partenaire([carte.membre.client_id], pair=None if drawn else old)
    variables = {
        "URL": world.url,
        "SHORT_URL": short_url,
        "KEY": pair.consumer_key,
        "SECRET": pair.consumer_secret,
        "CARTE": carte.numero,
        "WALLET": carte.membre.wallet_id,
        "CLIENT": carte.membre.client_id,
        "NO_PROXY": "127.0.0.1",
        "OAUTHLIB_INSECURE_TRANSPORT": "1",
    }
    script, refusal = CLIENTS[name]
    said = run(command_of(SCRIPTS / script), cwd=tmp_path, **variables)
    seen = json.loads(said.strip().splitlines()[-1])
    kind = "bearer" if name == "openid-client" else "Bearer"
    assert seen == {"jeton": kind, "solde": 10_000, "renouvele": True, "refus": refusal}


@pytest.mark.parametrize("script", ["authlib_hands.py", "openid_hands.mjs"])
def test_client_discovers_the_server_and_ends_and_inspects_its_token(
    script: str, tmp_path: Path
) -> None:
    with serve("--demo", folder=tmp_path) as server:
        variables = {
            "URL": server.url,
            "KEY": "demo-partenaire",
            "SECRET": "demo-secret",
            "NO_PROXY": "127.0.0.1",
            "AUTHLIB_INSECURE_TRANSPORT": "1",
        }
        said = run(command_of(SCRIPTS / script), cwd=tmp_path, **variables)
    assert json.loads(said.strip().splitlines()[-1]) == {
        "emetteur": True,
        "droits": 200,
        "avant": [True, "demo-partenaire", "Bearer"],
        "revocation": 200,
        "apres": {"active": False},
    }
