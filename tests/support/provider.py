"""A real OpenID provider, canaille, in a thread: persons log in there by code and PKCE, as at any other."""

# It takes seconds to import, and one file of tests needs it.
# ruff: noqa: PLC0415
from __future__ import annotations

import base64
import hashlib
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from joserfc.jwk import RSAKey

from tests.support.persons import AUDIENCE
from tests.support.process import free_port

BACK = "https://back-office.cynod.example/retour"


@dataclass
class Canaille:
    """The provider. `application` is the company's back office, as the provider knows it."""

    iam: Any
    application: Any
    url: str

    def log_in(self, login: str) -> str:
        """The access token of a new person who logs in and comes back to the application."""
        verifier = secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        with self.iam.app.app_context():
            user = self.iam.random_user(user_name=login)
            self.iam.login(user)
            self.iam.consent(user, self.application)
            asked = {
                "response_type": "code",
                "scope": "openid",
                "client_id": "back-office",
                "redirect_uri": BACK,
                "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
                "code_challenge_method": "S256",
                "nonce": secrets.token_urlsafe(),
            }
            back = self.iam.test_client.get("/oauth/authorize", query_string=asked)
            (code,) = parse_qs(urlsplit(back.headers["location"]).query)["code"]
            given = {
                "grant_type": "authorization_code",
                "client_id": "back-office",
                "redirect_uri": BACK,
                "code": code,
                "code_verifier": verifier,
            }
            return str(self.iam.test_client.post("/oauth/token", data=given).json["access_token"])

    def leave(self) -> None:
        """Answer nobody any more."""
        self.iam.httpd.shutdown()
        self.iam.httpd.server_close()


@contextmanager
def running_provider() -> Iterator[Canaille]:
    """A provider on a free port, which knows the application and this API as its audience."""
    os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"
    from canaille import create_app
    from canaille.app import models
    from canaille.backends import Backend
    from pytest_iam import Server

    port = free_port()
    key = RSAKey.generate_key(2048, {"kid": "canaille"})
    app = create_app(config=_configuration(port, key), env_file=None)
    iam = Server(app, port, Backend.instance)
    thread = threading.Thread(target=iam.httpd.serve_forever)
    thread.start()
    try:
        with app.app_context():
            api = models.Client(client_id=AUDIENCE, client_name="API", redirect_uris=[BACK])
            iam.backend.save(api)
            application = models.Client(
                client_id="back-office",
                client_name="Back office",
                redirect_uris=[BACK],
                grant_types=["authorization_code"],
                response_types=["code"],
                scope=["openid"],
                token_endpoint_auth_method="none",
                id_token_signed_response_alg="RS256",
                audience=[api],
            )
            iam.backend.save(application)
        yield Canaille(iam, application, f"http://localhost:{port}")
    finally:
        iam.httpd.shutdown()
        thread.join()
        iam.httpd.server_close()
        del os.environ["AUTHLIB_INSECURE_TRANSPORT"]


def _configuration(port: int, key: RSAKey) -> dict[str, Any]:
    return {
        "TESTING": True,
        "ENV_FILE": None,
        "SECRET_KEY": secrets.token_urlsafe(),
        "WTF_CSRF_ENABLED": False,
        "PREFERRED_URL_SCHEME": "http",
        "SERVER_NAME": f"localhost:{port}",
        "OAUTH2_TOKEN_EXPIRES_IN": {"authorization_code": 3_600},
        "CANAILLE": {
            "DATABASE": "memory",
            "JAVASCRIPT": False,
            "ACL": {"DEFAULT": {"PERMISSIONS": ["use_oidc"]}},
            "LOGGING": {"version": 1, "disable_existing_loggers": False},
        },
        "CANAILLE_OIDC": {"ACTIVE_JWKS": [key.as_dict(private=True)]},
    }
