"""An HTTP client that holds every exchange of any test to the contract.

It judges by its own reading of openapi.yaml, or of base-core.yaml for what is asked under its prefix, and
by another validator than the server's, so that a fault of the server's checks does not hide itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml
from jsonschema import ValidationError
from jsonschema.validators import extend
from openapi_schema_validator import OAS30Validator

from tests.support import exchanges
from tests.support.patience import CALL_S
from tests.support.wire import WIRE

ROOT = Path(__file__).resolve().parents[2]
CONTRACT = ROOT / "openapi.yaml"
BASE_CORE_CONTRACT, BASE_CORE_PREFIX = ROOT / "base-core.yaml", "/base-core"

Json = dict[str, Any]


def read_contract(path: Path = CONTRACT) -> Json:
    """The contract as YAML 1.1 says it, with what it refers to in the file of the partners."""
    document = _read(path)
    if path.name == CONTRACT.name or f"{CONTRACT.name}#/" not in path.read_text(encoding="utf-8"):
        return document
    return _Joined(document, _read(path.with_name(CONTRACT.name))).document


def _read(path: Path) -> Json:
    document: Json = json.loads(_parse(path.read_bytes()))
    return document


@lru_cache(maxsize=8)
def _parse(source: bytes) -> str:
    # YAML takes fifty times as long as JSON to read, and several readings begin with the same file.
    return json.dumps(yaml.load(source, Loader=yaml.CSafeLoader))


class _Joined:
    """A document with what it refers to in another one: a component comes along under its own name, with
    all that it refers to; anything else is written where the reference was."""

    def __init__(self, own: Json, other: Json) -> None:
        self._other = other
        self._came: set[tuple[str, str]] = set()
        self._components: Json = own["components"]
        made: Json = {key: self._copy(value) for key, value in own.items() if key != "components"}
        for kind, nodes in list(self._components.items()):
            for name, node in list(nodes.items()):
                copied = self._copy(node)
                # What only names what came along has become that.
                if (kind, name) not in self._came:
                    nodes[name] = copied
        self.document: Json = {**made, "components": self._components}

    def _copy(self, node: Any, *, foreign: bool = False) -> Any:
        if isinstance(node, list):
            return [self._copy(item, foreign=foreign) for item in node]
        if not isinstance(node, dict):
            return node
        reference = node.get("$ref")
        if not isinstance(reference, str):
            return {key: self._copy(value, foreign=foreign) for key, value in node.items()}
        file, _, place = reference.partition("#/")
        if not file and not foreign:
            return node
        keys = place.split("/")
        if keys[0] != "components":
            return self._copy(_descend_to(self._other, keys), foreign=True)
        self._bring(*keys[1:])
        return {"$ref": f"#/{place}"}

    def _bring(self, kind: str, name: str) -> None:
        if (kind, name) in self._came:
            return
        self._came.add((kind, name))
        node = self._copy(self._other["components"][kind][name], foreign=True)
        self._components.setdefault(kind, {})[name] = node


def _descend_to(node: Any, keys: Iterable[str]) -> Any:
    for key in keys:
        if isinstance(node, list):
            node = next(item for item in node if key in (item.get("code"), item.get("name")))
        else:
            node = node[key]
    return node


EDITIONS = ("/openapi.yaml", "/openapi.json", "/openapi-3.1.json")
PAGES = ("/", "/index.html", "/ui", *EDITIONS, "/collection.postman.json")
PLACES_OF_PAGES = ("/doc/", "/ui/", "/clients/")


def at_version(document: Json, version: str) -> Json:
    """The contract under another version, which its examples show too."""
    own = re.escape(document["info"]["version"])
    renamed: Json = json.loads(re.sub(rf"\b{own}\b", version, json.dumps(document)))
    return renamed


ON_EVERY_ANSWER = frozenset({"x-request-id", "x-contract-version"})
ENVELOPE_HEADERS = frozenset({"content-type", "content-length", "cache-control", "date"})
SECURITY_HEADERS = frozenset({"x-content-type-options"})
HOP_HEADERS = frozenset({"connection", "keep-alive", "transfer-encoding", "vary", "server"})
"""What an answer may carry without being declared: HTTP's own."""


class ContractViolation(AssertionError):
    """The server answered something that its contract does not declare."""


class _Header(NamedTuple):
    """A declared header and what its value must be."""

    name: str
    required: bool
    pattern: str | None
    is_integer: bool


class _Declared(NamedTuple):
    """What the contract says of one status of one operation, or of a request that reaches none."""

    name: str
    codes: list[str]
    headers: list[_Header]
    content: Json


_REQUEST_ID = re.compile(rb'"requestId": ?"([^"]*)"')

_Validator: Any = extend(OAS30Validator)
_kept: dict[int, Any] = {}
"""By the identity of a schema, which its validator holds."""


def _descend(
    _self: Any,
    value: Any,
    schema: Any,
    path: str | int | None = None,
    schema_path: str | int | None = None,
) -> Iterator[ValidationError]:
    validator = _kept.get(id(schema))
    if validator is None:
        validator = _kept[id(schema)] = _Validator(schema)
    for error in validator.iter_errors(value):
        if path is not None:
            error.path.appendleft(path)
        if schema_path is not None:
            error.schema_path.appendleft(schema_path)
        yield error


# jsonschema's own makes a validator of each schema for each value, with what would follow a `$ref`: most of
# the time that it takes. What `expand` gave has no `$ref`, and each of its schemas needs one validator.
_Validator.descend = _descend


def judge_by(schema: Json) -> Any:
    """A validator by a schema that `expand` gave."""
    return _Validator(schema)


PLACED = frozenset({"405", "1001", "1005", "1006", "1007", "2001", "2002", "2003"})
"""Codes that always tell a place."""


class Reading:
    """A contract as the tests read it, and what it says of an answer."""

    def __init__(self, path: Path, *, prefix: str = "") -> None:
        self.file = path.name
        self.prefix = prefix
        self.document = read_contract(path)
        self.catalogue: dict[str, Json] = {
            entry["code"]: entry for entry in self.document["x-catalogue-erreurs"]
        }
        self.operations: dict[tuple[str, str], Json] = {
            (method.upper(), path): operation
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
        }
        self.by_id: dict[str, Json] = {
            operation["operationId"]: operation for operation in self.operations.values()
        }
        # A contract has few answers and many tests ask for them; what is no route at all is made up by tests.
        self._declared = lru_cache(maxsize=4_096)(self._find_declared)
        self._validator = cache(self._make_validator)
        self._texts_of = cache(self._read_texts)
        # The catalogue and the pages of a list are long, and asked for again and again.
        self._check_success = lru_cache(maxsize=256)(self._judge_success)
        # Most calls of the tests are refused, with few different bodies.
        self._check_refusal = lru_cache(maxsize=4_096)(self._judge_refusal)

    def resolve(self, node: Any) -> Any:
        """The node, or what its `$ref` designates."""
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            node = target
        return node

    def success_text(self, operation_id: str, language: str, fields: Json) -> str | None:
        """What a success with these fields says; None where its answer has no message."""
        message = self.resolve(self.by_id[operation_id].get("x-message-succes"))
        if message is None:
            return None
        fitting = (
            case
            for case in message.get("cas", ())
            if all(fields.get(name) == value for name, value in case["quand"].items())
        )
        text: str = next(fitting, message)[language]
        return text.format_map(fields)

    def expand(self, node: Any, *, closed: bool) -> Any:
        """The schema with every `$ref` replaced, closed against undeclared fields when asked.

        `x-valeur` is said in OpenAPI's words, so that other validators ask for that value too.
        """
        node = self.resolve(node)
        if isinstance(node, list):
            return [self.expand(item, closed=closed) for item in node]
        if not isinstance(node, dict):
            return node
        made = {
            key: self.expand(value, closed=closed)
            for key, value in node.items()
            if key != "example"
        }
        if closed and made.get("type") == "object" and "properties" in made:
            made["additionalProperties"] = False
        if made.get("type") == "boolean" and "x-valeur" in made:
            made["enum"] = [made["x-valeur"]]
        return made

    def is_page(self, path: str) -> bool:
        """Whether a page of the documentation is there, which no contract declares."""
        place = path.removeprefix(self.prefix)
        return place in PAGES or place.startswith(PLACES_OF_PAGES)

    def _find_declared(self, method: str, path: str, status: int) -> _Declared:
        # RFC 9110, 9.3.2: HEAD answers what GET does, without the body.
        operation = self.operations.get(("GET" if method == "HEAD" else method, path))
        if operation is None:
            known = [m for m, p in self.operations if p == path]
            responses = self.document["components"]["responses"]
            node = self.resolve(responses["MethodeInterdite" if known else "RessourceInconnue"])
            if status != (405 if known else 404):
                raise ContractViolation(
                    f"{method} {path} answered {status} for an unknown operation"
                )
            name, codes = "unknown", node["x-codes-erreur"]
        else:
            name, codes = operation["operationId"], operation["x-codes-erreur"]
            node = self.resolve(operation["responses"].get(str(status)))
        if node is None:
            raise ContractViolation(f"{name} answered HTTP {status}, which it does not declare")
        headers = []
        for header, raw in node.get("headers", {}).items():
            definition = self.resolve(raw)
            schema = self.resolve(definition["schema"])
            is_integer = schema.get("type") == "integer"
            required = bool(definition.get("required"))
            headers.append(_Header(header, required, schema.get("pattern"), is_integer))
        return _Declared(name, codes, headers, node["content"])

    def check_exchange(
        self,
        method: str,
        path: str,
        status: int,
        headers: httpx.Headers,
        body: bytes,
        *,
        added: Iterable[str] = (),
        located: bool = True,
    ) -> None:
        """Raise ContractViolation unless the answer is one that the contract declares for the request.

        `added` names the headers that are of who passed the answer on, or stands for the server. A refusal
        of the server is `located`: it tells what only the server can.
        """
        if self.is_page(path):
            return
        declared = self._declared(method, path, status)
        self._check_headers(declared, status, headers, added)
        media_type = headers.get("content-type", "").split(";")[0]
        if media_type not in declared.content:
            raise ContractViolation(
                f"{declared.name} {status} is {media_type}, not {list(declared.content)}"
            )
        if method == "HEAD":
            if body:
                raise ContractViolation("HEAD has a body")
            return
        if status == 200:
            self._check_success(method, path, media_type, body)
            return
        if located:
            _check_request_id(declared.name, headers["x-request-id"], body)
        # Without what is new in each answer, so that few are judged.
        known = _REQUEST_ID.sub(b'"requestId":"x"', body)
        self._check_refusal(method, path, status, media_type, known, located)

    def _check_headers(
        self, declared: _Declared, status: int, headers: httpx.Headers, added: Iterable[str]
    ) -> None:
        given = {name.lower(): value for name, value in headers.items()}
        for header in declared.headers:
            value = given.get(header.name.lower())
            if value is None:
                if header.required:
                    raise ContractViolation(
                        f"{declared.name} {status} lacks the header {header.name}"
                    )
                continue
            fits = header.pattern is None or re.search(header.pattern, value)
            if not fits or (header.is_integer and not value.isdecimal()):
                raise ContractViolation(
                    f"{declared.name} {status}: header {header.name}: {value!r}"
                )
        if "server" in given:
            raise ContractViolation("the Server header tells what runs here")
        told = [*(header.name for header in declared.headers), *added]
        self._check_names(declared.name, told, status, given)

    def check_header_names(
        self, operation_id: str | None, status: int, names: Iterable[str]
    ) -> None:
        """An answer carries the headers that the contract declares for it, those of HTTP, and no other.

        None stands for a route or a method that is none of the contract's.
        """
        if operation_id is None:
            node = self.resolve(self.document["components"]["responses"]["MethodeInterdite"])
        else:
            node = self.resolve(self.by_id[operation_id]["responses"].get(str(status), {}))
        self._check_names(
            operation_id or "an unknown route", node.get("headers", {}), status, names
        )

    def _check_names(
        self, name: str, declared: Iterable[str], status: int, given: Iterable[str]
    ) -> None:
        allowed = ON_EVERY_ANSWER | ENVELOPE_HEADERS | SECURITY_HEADERS | HOP_HEADERS
        undeclared = {header.lower() for header in given} - allowed
        undeclared -= {header.lower() for header in declared}
        if undeclared:
            raise ContractViolation(
                f"{name} {status}: the answer has headers that nothing declares: "
                f"{', '.join(sorted(undeclared))}; declare them in {self.file}, or do not send them"
            )

    def _make_validator(self, method: str, path: str, status: int, media_type: str) -> Any:
        schema = self._declared(method, path, status).content[media_type]["schema"]
        return judge_by(self.expand(schema, closed=True))

    def _judge_success(self, method: str, path: str, media_type: str, body: bytes) -> None:
        declared = self._declared(method, path, 200)
        value: Any = body.decode() if media_type == "text/csv" else json.loads(body)
        _check_body(declared.name, 200, self._validator(method, path, 200, media_type), value)

    def _judge_refusal(
        self, method: str, path: str, status: int, media_type: str, body: bytes, located: bool
    ) -> None:
        declared = self._declared(method, path, status)
        value: Json = json.loads(body)
        _check_body(declared.name, status, self._validator(method, path, status, media_type), value)
        self._check_code(declared.name, status, declared.codes, value)
        if located:
            self.check_places(declared.name, declared.codes, value)

    def _read_texts(self, code: str) -> list[re.Pattern[str]]:
        return [
            re.compile(re.sub(r"\\\{[a-z_]+\\\}", ".*", re.escape(text)))
            for text in self.catalogue[code]["message"].values()
        ]

    def _check_code(self, name: str, status: int, codes: list[str], value: Json) -> None:
        code = value["code"]
        if code not in codes:
            raise ContractViolation(f"{name} answered code {code}, which it does not list")
        entry = self.catalogue[code]
        if entry["statut"] != status:
            raise ContractViolation(f"{name}: code {code} travels under {status}")
        if not any(text.fullmatch(value["message"]) for text in self._texts_of(code)):
            raise ContractViolation(f"{name}: code {code} has the text {value['message']!r}")

    def check_places(self, name: str, codes: Iterable[str], body: Json) -> None:
        """Raise ContractViolation unless a refusal says where its code is explained, and which places of
        the request are wrong: the first one is what its code and its text are about."""
        code = body["code"]
        if not body.get("documentation", "").endswith(f"/#code-{code}"):
            raise ContractViolation(f"{name}: code {code} has the documentation {body}")
        places = body.get("erreurs")
        if places is None or (code in PLACED and not places):
            raise ContractViolation(f"{name}: code {code} tells no place: {body}")
        for place in places:
            texts = self._texts_of(place["code"]) if place["code"] in codes else ()
            if not any(text.fullmatch(place["message"]) for text in texts):
                raise ContractViolation(f"{name}: no such place: {place}")
        if places:
            first = places[0]
            told = first["emplacement"].partition("[")[0]
            text = first["message"].replace(first["emplacement"], told)
            if (first["code"], text) != (code, body["message"]):
                raise ContractViolation(f"{name}: code {code} is about another place: {body}")


def _check_request_id(name: str, request_id: str, body: bytes) -> None:
    told = _REQUEST_ID.findall(body)
    if told != [request_id.encode()]:
        raise ContractViolation(f"{name}: a refusal of {request_id} has the requestId {told}")


def _check_body(name: str, status: int, validator: Any, value: Any) -> None:
    error = next(iter(validator.iter_errors(value)), None)
    if error is not None:
        where = ".".join(str(part) for part in error.absolute_path)
        raise ContractViolation(f"{name} {status}: body.{where}: {error.message}")


PARTENAIRE = Reading(CONTRACT)
DOCUMENT, CATALOGUE = PARTENAIRE.document, PARTENAIRE.catalogue
OPERATIONS, BY_ID = PARTENAIRE.operations, PARTENAIRE.by_id
resolve, expand = PARTENAIRE.resolve, PARTENAIRE.expand
check_header_names, check_places = PARTENAIRE.check_header_names, PARTENAIRE.check_places
"""What most tests ask is of the partners' contract."""


@cache
def base_core() -> Reading:
    """The contract of the back office, read by the first who asks for it."""
    return Reading(BASE_CORE_CONTRACT, prefix=BASE_CORE_PREFIX)


def reading_of(path: str) -> Reading:
    """The contract that the path of a request is of."""
    return base_core() if path.startswith(f"{BASE_CORE_PREFIX}/") else PARTENAIRE


def check_exchange(
    method: str,
    path: str,
    status: int,
    headers: httpx.Headers,
    body: bytes,
    *,
    added: Iterable[str] = (),
    located: bool = True,
) -> None:
    """As `Reading.check_exchange`, of the contract that the path is of."""
    reading_of(path).check_exchange(
        method, path, status, headers, body, added=added, located=located
    )


def envelope_of(answer: httpx.Response) -> Json:
    """A refusal as the original document has it. What it tells beside that is judged of each exchange."""
    body: Json = answer.json()
    for name in ("requestId", "documentation", "erreurs"):
        body.pop(name, None)
    return body


def without_id(answer: httpx.Response) -> bytes:
    """The bytes of a refusal but for its request's id, which each has of its own."""
    return answer.content.replace(answer.headers["x-request-id"].encode(), b"")


def places_of(answer: httpx.Response) -> list[str]:
    """The places that a refusal tells, such as `CORPS lignes[2].montant`."""
    return [f"{one['dans']} {one['emplacement']}" for one in answer.json()["erreurs"]]


_PARTS = ("params", "json", "data", "content", "files")


# To read an address takes longer than to send it, and the tests have few.
@lru_cache(maxsize=1_024)
def _address(base: str, url: str) -> httpx.URL:
    return httpx.URL(url if "://" in url else f"{base.rstrip('/')}/{url.removeprefix('/')}")


class ContractClient(httpx.Client):
    """httpx.Client whose every answer is checked; it neither follows redirects nor keeps cookies."""

    def __init__(self, transport: httpx.BaseTransport = WIRE, **options: Any) -> None:
        super().__init__(transport=transport, trust_env=False, timeout=CALL_S, **options)
        self._wire = transport

    def request(
        self,
        method: str,
        url: httpx.URL | str,
        *,
        headers: Any = None,
        auth: Any = httpx.USE_CLIENT_DEFAULT,
        timeout: Any = httpx.USE_CLIENT_DEFAULT,
        **parts: Any,
    ) -> httpx.Response:
        """Build the request and send it; `parts` are params and one of json, data, content and files."""
        sent = httpx.Headers(self.headers)
        sent.update(headers)
        given = self.timeout if timeout is httpx.USE_CLIENT_DEFAULT else httpx.Timeout(timeout)
        request = httpx.Request(
            method,
            _address(str(self.base_url), str(url)),
            headers=sent,
            extensions={"timeout": given.as_dict()},
            **{name: parts.get(name) for name in _PARTS},
        )
        return self.send(request, auth=auth)

    def send(self, request: httpx.Request, *, auth: Any = None, **_options: Any) -> httpx.Response:
        """Send the request and judge its answer.

        httpx's own would look for redirects, cookies and the auth of other hosts first, which takes longer
        than the server takes to answer.
        """
        given = self.auth if auth is httpx.USE_CLIENT_DEFAULT else auth
        if given is not None:
            known = given if isinstance(given, httpx.Auth) else httpx.BasicAuth(*given)
            request = next(known.auth_flow(request))
        response = self._wire.handle_request(request)
        response.request = request
        response.read()
        check_exchange(
            request.method,
            request.url.path,
            response.status_code,
            response.headers,
            response.content,
        )
        exchanges.record(
            request.method,
            request.url.raw_path.decode("ascii"),
            request.headers.multi_items(),
            request.content if hasattr(request, "_content") else None,
            status=response.status_code,
            answer_headers=response.headers,
            answer=response.content,
        )
        return response


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
