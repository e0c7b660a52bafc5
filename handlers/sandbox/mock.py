"""A server without a database: each operation answers the examples of the contract, or the refusal that is
asked for, so that a partner develops before having credentials.

The way of a request is the server's own: routes, the HTTP it takes, what it refuses, headers. Only the
handlers are not called. `Prefer` (RFC 7240) chooses: `code=4001` a code of the catalogue, `code=503` the
first code of that HTTP status, `example=NAME` an example of the contract.
"""

from __future__ import annotations

import re
import string
from collections.abc import Mapping, Sequence
from typing import Any

import click
import orjson

from handlers.app import Mounted, assemble, check_contracts
from handlers.contract.message import templates
from handlers.contract.model import (
    JSON_TYPE,
    LANGUAGES,
    Contract,
    ContractError,
    Json,
    OperationContract,
)
from handlers.contract.selfcheck import check_oneself
from handlers.contracts import load_contracts
from handlers.edge.bridge import CynodApp
from handlers.edge.call import Call, Reply
from handlers.edge.checks import BodyCheck, ParameterCheck
from handlers.edge.claims import Claims
from handlers.edge.faults import ENTETE, Fault
from handlers.edge.logs import configure_logs
from handlers.edge.persons import again
from handlers.edge.protocol import teach_protocol
from handlers.edge.refusals import EdgeRefusal, EntreesInvalides
from handlers.edge.replies import NOT_KEPT, Refusals, declared_headers
from handlers.edge.resolver import HandlerResolver
from handlers.edge.rooms import Rooms, Turns
from handlers.server import Server, StartupError, address_of, listen, server_config
from handlers.settings import Settings, SettingsError
from models.errors import AuthentificationInvalide


def serve(settings: Settings) -> int:
    """Serve the contract's examples until SIGINT or SIGTERM. The exit code, as of `serve`."""
    configure_logs(settings)
    try:
        contracts = load_contracts(settings)
        app = create_mock(settings, contracts)
        listener = listen(settings)
    except (ContractError, SettingsError, StartupError) as error:
        click.echo(f"cynod: {error}", err=True)
        return 1
    files = " and ".join(one.surface.file for one in contracts)
    click.echo(
        "\n".join(
            [
                f"CYNOD API, mock: {address_of(listener)}",
                f"Every operation answers the examples of {files}; nothing is stored.",
                "Any Authorization is taken; Prefer: code=4001 asks for a refusal.",
                "Stop with Ctrl-C.",
            ]
        )
    )
    teach_protocol(contracts[0], settings.url_publique)
    Server(server_config(app, settings)).run(sockets=[listener])
    return 0


def create_mock(settings: Settings, contracts: Sequence[Contract]) -> CynodApp:
    """The ASGI application. Raises ContractError or SettingsError."""
    check_contracts(contracts, settings)
    mounted = []
    for contract in contracts:
        check_oneself(contract, settings.switched_off)
        refusals = Refusals(contract, settings)
        runners = {
            name: MockRunner(contract, operation, refusals)
            for name, operation in contract.operations.items()
        }
        mounted.append(Mounted(contract, HandlerResolver(contract), refusals, runners))
    return assemble(
        mounted,
        settings,
        claims=Claims(),
        rooms=Rooms(*[Turns(())] * 3),
    )


class MockRefusal(EdgeRefusal):
    """A refusal of any code, with the `moreInfo` of the contract's example."""

    def __init__(
        self, code: str, headers: Mapping[str, str], more_info: str | None, **fields: str
    ) -> None:
        self.code = code
        super().__init__(headers, **fields)
        self.more_info = more_info


class MockRunner:
    """Answers one operation from the contract."""

    needs_database = False

    def __init__(
        self, contract: Contract, operation: OperationContract, refusals: Refusals
    ) -> None:
        self.operation = operation
        self._contract = contract
        self._refusals = refusals
        self._check_parameters = ParameterCheck(contract, operation)
        self._check_body = BodyCheck(contract, operation.body) if operation.body else None

    def check_early(self, call: Call) -> None:
        """Everything is refused in its turn."""

    def __call__(self, call: Call) -> Reply:
        """Answer the call. Never raises."""
        wanted = read_preferences(call.headers.get(b"prefer", b""))
        try:
            reply = self._answer(call, wanted)
        except Exception as error:  # noqa: BLE001 - the edge answers for everything below it
            reply = self._refusals.reply(error, call)
        applied = [f"{name}={value}" for name, value in wanted.items()]
        if applied:
            reply.headers.append(("Preference-Applied", ", ".join(applied)))
        return reply

    def _answer(self, call: Call, wanted: dict[str, str]) -> Reply:
        code = wanted.get("code", "200")
        if code != "200":
            raise self._refusal(code)
        if self.operation.secured and b"authorization" not in call.headers:
            raise AuthentificationInvalide
        self._check_parameters(call.query, call.path_parameters)
        if self._check_body is not None:
            self._check_body(call.body)
        return self._success(call, wanted.get("example"))

    def _refusal(self, code: str) -> MockRefusal:
        catalogue, codes = self._contract.catalogue, self.operation.codes
        if code not in codes:
            of_status = sorted(one for one in codes if str(catalogue[one].statut) == code)
            if not of_status:
                # A wrong preference would be ignored (RFC 7240); who tests a refusal wants to know.
                raise EntreesInvalides([Fault(ENTETE, "Prefer", "405")])
            code = of_status[0]
        example = self._example_of(code)
        headers = {"Retry-After": "2"} if code == "1008" else {}
        if code == "2008":
            headers = {"WWW-Authenticate": again(())}
        fields = self._fields(code, example)
        return MockRefusal(code, headers, example.get("moreInfo"), **fields)

    def _example_of(self, code: str) -> Json:
        """The body of an example of the contract that has this code, else nothing."""
        for node in self._contract.document["components"]["examples"].values():
            value = node.get("value")
            if isinstance(value, dict) and value.get("code") == code:
                return value
        return {}

    def _fields(self, code: str, example: Json) -> dict[str, str]:
        """What fills the placeholders of a code's text: what the example has there."""
        template = self._contract.catalogue[code].message[LANGUAGES[0]]
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name]
        if names == ["parametre"]:
            return {"parametre": self._some_input()}
        pattern = re.escape(template)
        for name in names:
            pattern = pattern.replace(re.escape(f"{{{name}}}"), f"(?P<{name}>.+)")
        found = re.fullmatch(pattern, example.get("message", ""))
        return found.groupdict() if found else dict.fromkeys(names, "…")

    def _some_input(self) -> str:
        """The name of something that a caller sends to the operation."""
        if self.operation.parameters:
            return str(self.operation.parameters[0]["name"])
        if self.operation.body is not None:
            return str(next(iter(self._contract.resolve(self.operation.body.schema)["properties"])))
        return "parametre"

    def _success(self, call: Call, example: str | None) -> Reply:
        examples: Json = self.operation.responses[200]["content"][call.media_type]["examples"]
        if example is not None and example not in examples:
            raise EntreesInvalides([Fault(ENTETE, "Prefer", "405")])
        node = examples[example] if example is not None else next(iter(examples.values()))
        value: Any = self._contract.resolve(node)["value"]
        if call.media_type != JSON_TYPE:
            body = str(value).encode()
            return Reply(200, "200", body, [], media_type=f"{call.media_type}; charset=utf-8")
        message = self.operation.message
        if message is not None and call.language != LANGUAGES[0]:
            data = value.get("data")
            value = {
                **value,
                "message": templates(message)[call.language].format_map(data[0] if data else value),
            }
        declared = NOT_KEPT[0] in declared_headers(self.operation, 200)
        headers = [NOT_KEPT] if declared else []
        return Reply(200, "200", orjson.dumps(value), headers)


def read_preferences(header: bytes) -> dict[str, str]:
    """`code` and `example` of a Prefer header: `code=412, example="solde"`."""
    found: dict[str, str] = {}
    for part in header[:500].decode("latin-1").replace(";", ",").split(","):
        name, _, value = part.partition("=")
        name = name.strip().lower()
        value = value.strip().strip('"')
        if name in ("code", "example") and value.isascii() and value.isprintable() and value:
            found.setdefault(name, value)
    return found
