"""metadonneesOauth (RFC 8414) and metadonneesRessource (RFC 9728): how OAuth's clients find the server."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata

from handlers.settings import SettingsError, read_settings
from models.database.engine import Database
from tests.support.contract_client import DOCUMENT, ContractClient
from tests.support.live import URL_PUBLIQUE, serving, settings_for
from tests.support.scene import Scene, assert_refused
from tests.support.steps import item

pytestmark = pytest.mark.only_on("sqlite")  # no database is asked

SCOPES = list(
    DOCUMENT["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]["scopes"]
)
OAUTH, RESSOURCE = (
    "/.well-known/oauth-authorization-server",
    "/.well-known/oauth-protected-resource",
)


def test_server_of_tokens_is_told(scene: Scene) -> None:
    answer = scene.nobody.get(OAUTH)
    assert answer.status_code == 200
    assert answer.json() == {
        "issuer": URL_PUBLIQUE,
        "token_endpoint": f"{URL_PUBLIQUE}/access-token",
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "revocation_endpoint": f"{URL_PUBLIQUE}/revoquer-jeton",
        "revocation_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "introspection_endpoint": f"{URL_PUBLIQUE}/introspecter-jeton",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "grant_types_supported": ["client_credentials"],
        "response_types_supported": ["none"],
        "scopes_supported": SCOPES,
        "service_documentation": f"{URL_PUBLIQUE}/",
    }
    AuthorizationServerMetadata(answer.json()).validate()


def test_resource_is_told(scene: Scene) -> None:
    assert scene.nobody.get(RESSOURCE).json() == {
        "resource": URL_PUBLIQUE,
        "authorization_servers": [URL_PUBLIQUE],
        "scopes_supported": SCOPES,
        "bearer_methods_supported": ["header"],
        "resource_name": "API CYNOD",
        "resource_documentation": f"{URL_PUBLIQUE}/",
    }


@pytest.fixture(scope="module")
def nameless(shared_database: Database) -> Iterator[ContractClient]:
    """A client of a server that does not know under which address it is reached."""
    url = shared_database.url.render_as_string(hide_password=False)
    with serving(replace(settings_for(url), url_publique="")) as base:
        client = ContractClient(base_url=base)
        yield client
        client.close()


def test_refusal_leads_there_and_to_the_page_of_its_code(scene: Scene) -> None:
    """RFC 9728, 5.1: a client that knows only the API finds who issues its tokens."""
    answer = scene.nobody.get("/mes-droits")
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="cynod", resource_metadata="{URL_PUBLIQUE}{RESSOURCE}", '
        'Basic realm="cynod", charset="UTF-8"'
    )
    assert answer.json()["documentation"] == f"{URL_PUBLIQUE}/#code-2001"


def test_refusal_of_a_server_without_an_address_is_relative(nameless: ContractClient) -> None:
    answer = nameless.get("/mes-droits")
    challenge = 'Bearer realm="cynod", Basic realm="cynod", charset="UTF-8"'
    assert answer.headers["WWW-Authenticate"] == challenge
    assert answer.json()["documentation"] == "/#code-2001"


def test_refusal_leads_to_no_metadata_that_are_switched_off(shared_database: Database) -> None:
    url = shared_database.url.render_as_string(hide_password=False)
    off = replace(settings_for(url), desactivees=frozenset({"metadonneesRessource"}))
    with serving(off) as base, ContractClient(base_url=base) as client:
        answer = client.get("/mes-droits")
    assert "resource_metadata" not in answer.headers["WWW-Authenticate"]
    assert answer.json()["documentation"] == f"{URL_PUBLIQUE}/#code-2001"


@pytest.mark.parametrize("path", [OAUTH, RESSOURCE])
def test_server_without_an_address_offers_neither(nameless: ContractClient, path: str) -> None:
    assert_refused(nameless.get(path), "1009")


def test_conformity_tells_that_it_offers_neither(nameless: ContractClient) -> None:
    told = item(nameless.get("/conformite"))["operationsFacultatives"]
    off = [one["operation"] for one in told if not one["activee"]]
    assert off == ["metadonneesOauth", "metadonneesRessource"]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("https://api.cynod.example", "https://api.cynod.example"),
        ("https://api.cynod.example/", "https://api.cynod.example"),
        ("https://cynod.example:8443/v1/", "https://cynod.example:8443/v1"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("", ""),
    ],
)
def test_address_of_the_server_is_read(given: str, read: str) -> None:
    assert read_settings({"CYNOD_URL_PUBLIQUE": given}).url_publique == read


@pytest.mark.parametrize(
    "wrong",
    [
        *(
            "http://api.cynod.example",
            "api.cynod.example",
            "https://",
            "ftp://localhost",
            "https:///x",
        ),
        *("https://a.example?x=1", "https://a.example#x", "https://u:p@a.example", "https://a b"),
        *("https://a.example:99999", "https://a.example:x", "https://é.example", "http://10.0.0.1"),
        "http://localhost.evil.example",
    ],
)
def test_address_that_is_none_stops_the_start(wrong: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"CYNOD_URL_PUBLIQUE": wrong})
    assert str(refused.value) == (
        "CYNOD_URL_PUBLIQUE must be an https URL without query, or an http one of this machine."
    )
