"""An HTTP client that holds every exchange of any test to the contract.

It judges by its own reading of openapi.yaml and by another validator than the server's, so that a
fault of the server's checks does not hide itself.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import yaml
from openapi_schema_validator import OAS30Validator

from tests.support import exchanges
from tests.support.patience import CALL_S

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "openapi.yaml"

Json = dict[str, Any]


def read_contract(path: Path = CONTRACT) -> Json:
    """The contract as YAML 1.1 says it."""
    document: Json = yaml.load(path.read_bytes(), Loader=yaml.CSafeLoader)
    return document


DOCUMENT = read_contract()
CATALOGUE = {entry["code"]: entry for entry in DOCUMENT["x-catalogue-erreurs"]}
OPERATIONS = {
    (method.upper(), path): operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
}
PAGES = ("/", "/index.html", "/ui", "/openapi.yaml", "/openapi.json", "/collection.postman.json")


def resolve(node: Any) -> Any:
    """The node, or what its `$ref` designates."""
    while isinstance(node, dict) and "$ref" in node:
        target: Any = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def expand(node: Any, *, closed: bool) -> Any:
    """The schema with every `$ref` replaced, closed against undeclared fields when asked."""
    node = resolve(node)
    if isinstance(node, list):
        return [expand(item, closed=closed) for item in node]
    if not isinstance(node, dict):
        return node
    made = {key: expand(value, closed=closed) for key, value in node.items() if key != "example"}
    if closed and made.get("type") == "object" and "properties" in made:
        made["additionalProperties"] = False
    return made


_VALIDATORS: dict[tuple[str, str, int, str], OAS30Validator] = {}


class ContractViolation(AssertionError):
    """The server answered something that openapi.yaml does not declare."""


def check_exchange(
    method: str, path: str, status: int, headers: httpx.Headers, body: bytes
) -> None:
    """Raise ContractViolation unless the answer is one that the contract declares for the request."""
    if path in PAGES or path.startswith(("/ui/", "/clients/")):
        return
    # RFC 9110, 9.3.2: HEAD answers what GET does, without the body.
    operation = OPERATIONS.get(("GET" if method == "HEAD" else method, path))
    if operation is None:
        known = [m for m, p in OPERATIONS if p == path]
        responses = DOCUMENT["components"]["responses"]
        declared = responses["MethodeInterdite" if known else "RessourceInconnue"]
        if status != (405 if known else 404):
            raise ContractViolation(f"{method} {path} answered {status} for an unknown operation")
        codes = declared["x-codes-erreur"]
        name = "unknown"
    else:
        name = operation["operationId"]
        declared = resolve(operation["responses"].get(str(status)))
        codes = operation["x-codes-erreur"]
    if declared is None:
        raise ContractViolation(f"{name} answered HTTP {status}, which it does not declare")
    _check_headers(name, status, declared, headers)
    media_type = headers.get("content-type", "").split(";")[0]
    if media_type not in declared["content"]:
        raise ContractViolation(f"{name} {status} is {media_type}, not {list(declared['content'])}")
    if method == "HEAD":
        if body:
            raise ContractViolation("HEAD has a body")
        return
    value: Any = body.decode() if media_type == "text/csv" else json.loads(body)
    _check_body(name, status, declared["content"][media_type]["schema"], value)
    if status != 200:
        _check_code(name, status, codes, value)


def _check_headers(name: str, status: int, declared: Json, headers: httpx.Headers) -> None:
    for header, node in declared.get("headers", {}).items():
        definition = resolve(node)
        value = headers.get(header)
        if value is None:
            if definition.get("required"):
                raise ContractViolation(f"{name} {status} lacks the header {header}")
            continue
        schema = resolve(definition["schema"])
        if "pattern" in schema and not re.search(schema["pattern"], value):
            raise ContractViolation(f"{name} {status}: header {header}: {value!r}")
        if schema.get("type") == "integer" and not value.isdecimal():
            raise ContractViolation(f"{name} {status}: header {header}: {value!r}")
    if "server" in headers:
        raise ContractViolation("the Server header tells what runs here")


def _check_body(name: str, status: int, schema: Json, value: Any) -> None:
    key = (name, "", status, json.dumps(schema))
    if key not in _VALIDATORS:
        _VALIDATORS[key] = OAS30Validator(expand(schema, closed=True))
    error = next(iter(_VALIDATORS[key].iter_errors(value)), None)
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path)
        raise ContractViolation(f"{name} {status}: body.{where}: {error.message}")


def _check_code(name: str, status: int, codes: list[str], value: Json) -> None:
    code = value["code"]
    if code not in codes:
        raise ContractViolation(f"{name} answered code {code}, which it does not list")
    entry = CATALOGUE[code]
    if entry["statut"] != status:
        raise ContractViolation(f"{name}: code {code} travels under {status}")
    texts = [
        re.sub(r"\\\{[a-z_]+\\\}", ".*", re.escape(text)) for text in entry["message"].values()
    ]
    if not any(re.fullmatch(text, value["message"]) for text in texts):
        raise ContractViolation(f"{name}: code {code} has the text {value['message']!r}")


class ContractClient(httpx.Client):
    """httpx.Client whose every answer is checked; it neither follows redirects nor reads proxies."""

    def __init__(self, **options: Any) -> None:
        super().__init__(
            trust_env=False,
            timeout=CALL_S,
            event_hooks={"response": [self._check]},
            **options,
        )

    @staticmethod
    def _check(response: httpx.Response) -> None:
        response.read()
        request = response.request
        check_exchange(
            request.method,
            request.url.path,
            response.status_code,
            response.headers,
            response.content,
        )
        try:
            body = request.content
        except httpx.RequestNotRead:
            body = None
        exchanges.record(
            request.method,
            request.url.raw_path.decode("ascii"),
            request.headers.multi_items(),
            body,
            status=response.status_code,
            answer_headers=response.headers,
            answer=response.content,
        )


def deprecate(
    document: Json,
    place: str,
    *,
    headers: tuple[str, ...] = ("Deprecation", "Sunset", "Link"),
    **dates: Any,
) -> None:
    """Declare the operation at a place like `paths./get-solde-carte.get` deprecated."""
    operation: Json = document
    for key in place.split("."):
        operation = operation[key]
    written = dict(operation)
    operation.clear()
    for key, value in written.items():
        if key == "x-codes-erreur":
            operation["deprecated"] = True
            operation["x-obsolescence"] = {"depuis": "2026-12-01", "retrait": "2027-12-01", **dates}
        operation[key] = value
    for name in headers:
        document["components"]["headers"][name] = {
            "description": "Voir l'évolution du contrat.",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
            "example": "x",
        }
        reference = {"$ref": f"#/components/headers/{name}"}
        operation["responses"]["200"]["headers"][name] = reference
