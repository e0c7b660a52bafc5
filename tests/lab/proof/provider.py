"""The company's OpenID provider, as far as a server asks it: it publishes one key, and signs for persons."""

from __future__ import annotations

import json
import threading
import time
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from joserfc import jwt
from joserfc.jwk import OKPKey

AUDIENCE = "cynod-base-core"
ALGORITHM = "Ed25519"
LIFE_S = 3_600


class Provider:
    """Answers on a port of this machine until the process ends."""

    def __init__(self) -> None:
        self._key = OKPKey.generate_key("Ed25519")
        self._key.ensure_kid()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.emetteur = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def token(self, sujet: str) -> str:
        """An access token of a person who has just authenticated."""
        moment = int(time.time())
        claims = {
            "iss": self.emetteur,
            "aud": AUDIENCE,
            "sub": sujet,
            "azp": "preuve",
            "iat": moment,
            "auth_time": moment,
            "exp": moment + LIFE_S,
        }
        head = {"alg": ALGORITHM, "typ": "at+jwt", "kid": self._key.kid}
        return jwt.encode(head, claims, self._key, algorithms=[ALGORITHM])

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                documents = {
                    "/.well-known/openid-configuration": {
                        "issuer": provider.emetteur,
                        "jwks_uri": f"{provider.emetteur}/keys",
                    },
                    "/keys": {"keys": [provider._key.as_dict(private=False)]},
                }
                body = json.dumps(documents.get(self.path, {})).encode()
                self.send_response(200 if self.path in documents else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_what: object) -> None:
                """Nobody reads it."""

        return Handler


@cache
def provider() -> Provider:
    """The provider of this process, started by the first who needs it."""
    return Provider()
