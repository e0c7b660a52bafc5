"""Authlib finds the server by its metadata, and ends and inspects a token, as its documentation says."""

import json
import os
import sys

import httpx
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url

env = os.environ
found = httpx.get(get_well_known_url(env["URL"], external=True), trust_env=False).json()
server = AuthorizationServerMetadata(found)
server.validate()

client = OAuth2Client(env["KEY"], env["SECRET"], trust_env=False)
token = client.fetch_token(server["token_endpoint"], grant_type="client_credentials")
answer = httpx.get(
    f"{env['URL']}/mes-droits",
    headers={"Authorization": f"Bearer {token['access_token']}"},
    trust_env=False,
)


def inspect() -> dict[str, object]:
    """What the server tells of the token."""
    told: dict[str, object] = client.introspect_token(
        server["introspection_endpoint"], token=token["access_token"]
    ).json()
    return told


before = inspect()
ended = client.revoke_token(server["revocation_endpoint"], token=token["access_token"])
sys.stdout.write(
    json.dumps(
        {
            "emetteur": server["issuer"] == env["URL"],
            "droits": answer.status_code,
            "avant": [before["active"], before["client_id"], before["token_type"]],
            "revocation": ended.status_code,
            "apres": inspect(),
        }
    )
)
