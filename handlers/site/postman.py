"""The Postman collection (format 2.1), made from the contract: a folder per tag, a request per operation.

It asks for its token itself. What a partner has one of (a card, a client) is a variable of its own; a
reference is new at each call; and what an operation needs of another one's answer is handed on as the
contract's `links` say. Each request checks its status and `success`, so that a run of the collection is a
test of the server.
"""

from __future__ import annotations

import json
import uuid
from typing import Any
from urllib.parse import urlencode

from handlers.contract.model import (
    Contract,
    Json,
    OperationContract,
    snake_case,
)
from handlers.site.snippets import as_json, example_request, example_value

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"

_RESPONSE_FIELD = "$response.body#/"
_STATUS_TEXTS = {200: "OK"}

_ASK_FIRST = """\
// Un jeton pour toutes les requêtes qui en demandent un, renouvelé quand il expire.
const auth = pm.request.auth;
const fini = Number(pm.collectionVariables.get("jetonFin") || 0) < Date.now();
if (fini && !(auth && auth.type === "noauth")) {
    pm.sendRequest({
        url: pm.variables.get("baseUrl") + "TOKEN_PATH",
        method: "POST",
        header: { "Content-Type": "application/x-www-form-urlencoded" },
        body: {
            mode: "urlencoded",
            urlencoded: [
                { key: "grant_type", value: "client_credentials" },
                { key: "client_id", value: pm.variables.get("consumerKey") },
                { key: "client_secret", value: pm.variables.get("consumerSecret") },
            ],
        },
    }, (erreur, reponse) => {
        if (erreur || reponse.code !== 200) {
            console.error("Pas de jeton :", erreur || reponse.text());
            return;
        }
        const recu = reponse.json();
        pm.collectionVariables.set("jeton", recu.access_token);
        pm.collectionVariables.set("jetonFin", Date.now() + (recu.expires_in - 30) * 1000);
    });
}"""


_NEW_REFERENCE = """\
// Une référence neuve à chaque appel. Pour réessayer après une réponse perdue, gardez la même.
pm.variables.set("reference", "POSTMAN-" + pm.variables.replaceIn("{{$guid}}"));"""

_UNLESS_GIVEN = """\
// Cela ne sert qu'une fois, avec ce que CYNOD vous a remis : mettez-le dans la variable NAME.
if (!pm.variables.get("NAME")) pm.execution.skipRequest();"""


def render(contract: Contract) -> bytes:
    """The collection, as a JSON file that people can read."""
    return (as_json(collection(contract)) + "\n").encode()


def collection(contract: Contract) -> Json:
    """The collection as a JSON object."""
    return _Collection(contract).whole()


class _Collection:
    """The names of the variables are those of the contract: `numeroCarte`, `getOperation_reference`."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._shared = self._shared_values()
        self._handed: dict[tuple[str, str], str] = {}
        self._feeds: dict[str, list[tuple[str, str]]] = {}
        self._given: dict[str, str] = {}
        for operation in contract.operations.values():
            self._read_links(operation)
            self._read_given(operation)

    def whole(self) -> Json:
        document = self._contract.document
        # A person's token is pasted in: it comes from the provider of identities.
        token_path = None if self._contract.surface.persons else self._contract.token_path
        ask = _ASK_FIRST.replace("TOKEN_PATH", token_path) if token_path else ""
        return {
            "info": {
                "_postman_id": str(uuid.uuid5(uuid.NAMESPACE_URL, document["info"]["title"])),
                "name": f"{document['info']['title']} {self._contract.version}",
                "description": document["info"].get("description", ""),
                "schema": SCHEMA,
            },
            "auth": {
                "type": "bearer",
                "bearer": [{"key": "token", "value": "{{jeton}}", "type": "string"}],
            },
            "event": [_script("prerequest", ask)],
            "variable": [
                {"key": key, "value": value, "type": "string"}
                for key, value in self._variables().items()
            ],
            "item": [
                {
                    "name": tag.get("x-displayName", tag["name"].capitalize()),
                    "description": tag.get("description", ""),
                    "item": [
                        self._item(one)
                        for one in self._contract.operations.values()
                        if one.module == snake_case(tag["name"])
                    ],
                }
                for tag in document["tags"]
            ],
        }

    def _variables(self) -> dict[str, str]:
        of_machines = {"consumerKey": "", "consumerSecret": "", "jeton": "", "jetonFin": "0"}
        return {
            "baseUrl": "http://127.0.0.1:8080",
            **({"jeton": ""} if self._contract.surface.persons else of_machines),
            **self._shared,
            **dict.fromkeys(self._given.values(), ""),
            **{
                name: self._example_of(target, field)
                for (target, field), name in self._handed.items()
            },
        }

    def _shared_values(self) -> dict[str, str]:
        """The required parameters of all operations: what a partner has one of, by its name."""
        return {
            one["name"]: str(example_value(self._contract, one))
            for operation in self._contract.operations.values()
            for one in operation.parameters
            if one.get("required")
        }

    def _example_of(self, operation_id: str, name: str) -> str:
        request = example_request(self._contract, self._contract.operations[operation_id])
        return str(request.query.get(name) or (request.body or {}).get(name, ""))

    def _read_links(self, operation: OperationContract) -> None:
        """What a movement answers is handed on. Answers of reads are not: they are of any operation."""
        if operation.idempotent_on is None:
            return
        for node in operation.responses[200].get("links", {}).values():
            link = self._contract.resolve(node)
            target = link["operationId"]
            for name, expression in {
                **link.get("parameters", {}),
                **link.get("x-corps", {}),
            }.items():
                if name in self._shared or not str(expression).startswith(_RESPONSE_FIELD):
                    continue
                variable = self._handed.setdefault((target, name), f"{target}_{name}")
                pointer = expression.removeprefix(_RESPONSE_FIELD).split("/")
                path = "".join(
                    f"[{part if part.isdecimal() else json.dumps(part)}]" for part in pointer
                )
                self._feeds.setdefault(operation.operation_id, []).append((variable, path))

    def _read_given(self, operation: OperationContract) -> None:
        """What works once, and for who was given a code by another way: it is sent where there is one."""
        body = operation.body
        if body is None or not operation.writes or operation.idempotent_on is not None:
            return
        if not (operation.secured or operation.by_pair):
            (name,) = self._contract.resolve(body.schema)["required"]
            self._given[operation.operation_id] = name

    def _item(self, operation: OperationContract) -> Json:
        raw = self._contract.document["paths"][operation.path][operation.method]
        request = self._request(operation)
        events = [_script("test", self._checks(operation))]
        if operation.idempotent_on:
            events.insert(0, _script("prerequest", _NEW_REFERENCE))
        if operation.operation_id in self._given:
            given = self._given[operation.operation_id]
            events.insert(0, _script("prerequest", _UNLESS_GIVEN.replace("NAME", given)))
        return {
            "name": operation.summary,
            "event": events,
            "request": {**request, "description": raw["description"]},
            "response": [
                made
                for status in sorted(operation.responses)
                for made in self._answers(operation, status, request)
            ],
        }

    def _request(self, operation: OperationContract) -> Json:
        example = example_request(self._contract, operation)
        parameters = [
            {
                "key": one["name"],
                "value": self._value(operation, one["name"], self._asked(example.query, one)),
                "description": one.get("description", ""),
                **({} if one["name"] in example.query else {"disabled": True}),
            }
            for one in operation.parameters
            if one["in"] == "query"
        ]
        sent = {one["key"]: one["value"] for one in parameters if "disabled" not in one}
        query = urlencode(sent, safe="{}/:")
        request: Json = {
            "method": example.method,
            "header": [{"key": "Accept", "value": "application/json"}],
            "url": {
                "raw": "{{baseUrl}}" + example.path + (f"?{query}" if query else ""),
                "host": ["{{baseUrl}}"],
                "path": example.path.strip("/").split("/"),
                "query": parameters,
            },
        }
        if not operation.secured:
            request["auth"] = {"type": "noauth"}
        if operation.body is not None and example.body is not None:
            request["header"].append({"key": "Content-Type", "value": operation.body.media_type})
            request["body"] = self._body(operation, example.body)
        return request

    def _asked(self, query: dict[str, str], parameter: Json) -> str:
        default = str(example_value(self._contract, parameter))
        return query.get(parameter["name"], default)

    def _body(self, operation: OperationContract, body: Json) -> Json:
        values = {name: self._value(operation, name, value) for name, value in body.items()}
        assert operation.body is not None
        if operation.body.media_type != "application/json":
            pair = {"client_id": "{{consumerKey}}", "client_secret": "{{consumerSecret}}"}
            fields = {**values, **pair} if operation.by_pair else values
            # All that the partner holds: the rights of the example need not be his.
            fields.pop("scope", None)
            return {
                "mode": "urlencoded",
                "urlencoded": [{"key": key, "value": value} for key, value in fields.items()],
            }
        return {
            "mode": "raw",
            "raw": as_json(values),
            "options": {"raw": {"language": "json"}},
        }

    def _value(self, operation: OperationContract, name: str, value: Any) -> Any:
        handed = self._handed.get((operation.operation_id, name))
        if name == operation.idempotent_on:
            return "{{reference}}"
        if handed:
            return f"{{{{{handed}}}}}"
        if self._given.get(operation.operation_id) == name:
            return f"{{{{{name}}}}}"
        if self._shared.get(name) == value:
            return f"{{{{{name}}}}}"
        return value

    def _checks(self, operation: OperationContract) -> str:
        schema = self._contract.resolve(
            operation.responses[200]["content"]["application/json"]["schema"]
        )
        lines = [
            'pm.test("HTTP 200", () => pm.response.to.have.status(200));',
            "const corps = pm.response.json();",
        ]
        if "success" in schema.get("properties", {}):
            lines += [
                'pm.test("success est vrai, code est 200", () => {',
                "    pm.expect(corps.success).to.equal(true);",
                "    pm.expect(corps.code).to.equal(200);",
                "});",
            ]
        if schema.get("required"):
            fields = json.dumps(schema["required"])
            lines.append(
                f'pm.test("champs requis", () => pm.expect(corps).to.include.keys({fields}));'
            )
        feeds = dict(self._feeds.get(operation.operation_id, []))
        lines += [
            f'if (corps.success) pm.collectionVariables.set("{variable}", corps{path});'
            for variable, path in feeds.items()
        ]
        return "\n".join(lines)

    def _answers(self, operation: OperationContract, status: int, request: Json) -> list[Json]:
        response = operation.responses[status]
        return [
            {
                "name": f"{status} {self._contract.resolve(node).get('summary', name)}",
                "originalRequest": request,
                "status": _STATUS_TEXTS.get(status, response["description"].split(".")[0]),
                "code": status,
                "_postman_previewlanguage": "json" if media_type.endswith("json") else "text",
                "header": [{"key": "Content-Type", "value": media_type}],
                "body": _written(self._contract.resolve(node)["value"]),
            }
            for media_type, content in response["content"].items()
            for name, node in content["examples"].items()
        ]


def _written(value: Any) -> str:
    return value if isinstance(value, str) else as_json(value)


def _script(listen: str, text: str) -> Json:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": text.splitlines()}}
