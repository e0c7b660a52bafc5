"""The same contract and the same handlers, served by Connexion as it comes.

What this project replaces of Connexion (routing, security, both validations, the bridge to Flask) is here
Connexion's own: `connexion.FlaskApp`, strict, with its validation of answers. Tests compare the two.
"""

from __future__ import annotations

import copy
import inspect
import secrets
import sys
from collections.abc import Callable
from typing import Any

from connexion.apps.flask import FlaskApp
from connexion.resolver import Resolution, Resolver

from handlers.answer import Answer
from handlers.contract.model import Contract, OperationContract, snake_case
from handlers.contract.selfcheck import check_oneself
from handlers.edge.refusals import Envelopes
from handlers.edge.resolver import Handler, HandlerResolver
from handlers.settings import Settings
from models.authentification import find_by_token
from models.database.engine import Database
from models.errors import Refusal
from models.partenaire import Partenaire
from models.secret import find_by_secret, hash_secret

Answered = tuple[dict[str, Any], int, dict[str, str]]


class _Views(Resolver):
    """Gives each operation a view for Connexion: our handler in a transaction, and its envelope."""

    def __init__(self, contract: Contract, settings: Settings, database: Database) -> None:
        super().__init__()
        self._contract = contract
        self._settings = settings
        self._database = database
        self._envelopes = Envelopes(contract)
        self._handlers = HandlerResolver(contract).handlers
        self._conformite = check_oneself(contract, settings.switched_off)

    def resolve(self, operation: Any) -> Resolution:
        """Called by Connexion for each operation."""
        ours = self._contract.operations[operation.operation_id]
        view = self._view(ours, next(iter(self._handlers[ours.operation_id].values())))
        return Resolution(view, ours.operation_id)  # type: ignore[no-untyped-call]

    def _view(self, operation: OperationContract, handler: Handler) -> Callable[..., Answered]:
        wanted = inspect.signature(handler).parameters
        defaults = {
            parameter["name"]: self._contract.resolve(parameter["schema"]).get("default")
            for parameter in operation.parameters
        }

        def view(**given: Any) -> Answered:
            arguments = {
                snake_case(name): given.get(name, default) for name, default in defaults.items()
            }
            if operation.body:
                arguments["corps"] = given["body"]
            begin = self._database.transaction if operation.writes else self._database.reading
            try:
                with begin() as connection:
                    offered = {
                        "connection": connection,
                        "partenaire": given.get("token_info", {}).get("partenaire"),
                        "adresse": "127.0.0.1",
                        "settings": self._settings,
                        "contract": self._contract,
                        "conformite": self._conformite,
                    }
                    arguments |= {name: offered[name] for name in offered if name in wanted}
                    return self._envelope(operation, handler(**arguments))
            except Refusal as refusal:
                status, body = self._envelopes.render(refusal, "fr", request_id="inconnu")
                return body, status, self._headers(operation, status)

        return view

    def _envelope(self, operation: OperationContract, answer: Answer[Any, Any]) -> Answered:
        body: dict[str, Any] = {}
        if operation.message is not None:
            source = answer.data[0] if answer.data else answer.fields
            text = operation.message["fr"].format_map(source)
            body |= {"success": True, "code": 200, "message": text}
        if answer.data is not None:
            body["data"] = answer.data
        body |= answer.fields
        return body, 200, self._headers(operation, 200)

    def _headers(self, operation: OperationContract, status: int) -> dict[str, str]:
        """Those that every answer has, and any value for the others that the contract requires of this one.

        Connexion refuses an answer of its own without them.
        """
        resolve = self._contract.resolve
        declared = operation.responses[status].get("headers", {})
        return {
            **{name: "any" for name, header in declared.items() if resolve(header).get("required")},
            "X-Request-Id": secrets.token_hex(16),
            "X-Contract-Version": "1.2.0+000000000000",
            "Content-Type": "application/json",
        }


def _told(partenaire: Partenaire | None, *, valid: bool) -> dict[str, Any] | None:
    if partenaire is None or not valid:
        return None
    return {
        "sub": partenaire.consumer_key,
        "scope": list(partenaire.scopes),
        "partenaire": partenaire,
    }


def build_upstream(contract: Contract, settings: Settings, database: Database) -> FlaskApp:
    """The application. Its token operation is left out: it takes a pair in its form, and no security."""

    def token_info(token: str) -> dict[str, Any] | None:
        with database.reading() as connection:
            found = find_by_token(
                connection, hash_secret(token, settings.pepper), demo_allowed=True
            )
        return _told(found.partenaire, valid=found.valid)

    def basic_info(key: str, secret: str) -> dict[str, Any] | None:
        with database.reading() as connection:
            found = find_by_secret(
                connection, key, secret, pepper=settings.pepper, demo_allowed=True
            )
        return _told(found.partenaire, valid=found.valid)

    # Connexion takes them by name only.
    module = sys.modules[__name__].__dict__
    module |= {"token_info": token_info, "basic_info": basic_info}
    document = copy.deepcopy(contract.document)
    del document["paths"]["/access-token"]
    schemes = document["components"]["securitySchemes"]
    schemes["oauth2"]["x-tokenInfoFunc"] = f"{__name__}.token_info"
    schemes["basic"]["x-basicInfoFunc"] = f"{__name__}.basic_info"
    app = FlaskApp(
        __name__,
        resolver=_Views(contract, settings, database),
        strict_validation=True,
        validate_responses=True,
    )
    app.add_api(document)
    return app
