"""The contract as values: operations, error catalogue, rate classes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from handlers.contract.deprecation import Header
from handlers.contract.scopes import declared_scopes
from handlers.contract.surface import Surface

METHODS = ("get", "put", "post", "delete", "patch")


LANGUAGES = ("fr", "en")


JSON_TYPE = "application/json"
FORM_TYPE = "application/x-www-form-urlencoded"


DEFAULT_MAX_BODY = 65_536
"""Largest request body in bytes, unless the operation says otherwise."""


Json = dict[str, Any]


class ContractError(Exception):
    """The contract, or the code beside it, cannot be served. The text says what to edit."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One code of the error catalogue."""

    code: str
    nom: str
    statut: int
    message: Mapping[str, str]
    conseil: Mapping[str, str]
    reessayer: bool
    debug_message: bool
    oauth: str | None


@dataclass(frozen=True, slots=True)
class Body:
    """A request body: its one media type and its schema."""

    media_type: str
    schema: Json
    required: bool
    content: Json
    """Its media type object: the schema again, and the examples."""


@dataclass(frozen=True, slots=True)
class OperationContract:
    """Everything the contract says of one operation, references resolved one level deep."""

    file: str
    operation_id: str
    module: str
    function: str
    method: str
    path: str
    summary: str
    parameters: tuple[Json, ...]
    body: Body | None
    responses: Mapping[int, Json]
    codes: frozenset[str]
    message: Json | None
    """What a success says, as `x-message-succes` has it."""
    rate_class: str
    scopes: frozenset[str]
    secured: bool
    by_token: bool
    by_pair: bool
    """Whether its caller is a client of OAuth, who sends the pair: by Basic, or in the form."""
    of_oauth: bool
    """Whether OAuth's own clients call it, with a form: its refusals tell them the `error` that they know."""
    issues_tokens: bool
    idempotent_on: str | None
    max_body: int
    writes: bool
    optional: bool
    by_person: bool
    """Whether a person calls it, with a token of the company's provider."""
    droit: str | None
    """The right that a person must have to call it."""
    audited: bool
    """Whether to read it is itself a row of the audit."""
    probe: bool
    """Whether supervision asks it: it must be answered while other operations hold every thread."""
    deprecation: tuple[Header, ...]
    """Headers of each of its answers: none, unless it is deprecated."""

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types of a success, the default one first."""
        return tuple(self.responses[200]["content"])

    def function_for(self, media_type: str) -> str:
        """The handler's function: `get_x`, or `get_x_csv` for another media type than JSON."""
        if media_type == JSON_TYPE:
            return self.function
        return f"{self.function}_{media_type.rpartition('/')[2]}"

    @property
    def place(self) -> tuple[str, ...]:
        """The operation's keys in the document."""
        return ("paths", self.path, self.method)

    @property
    def where(self) -> str:
        """The operation's place in the file, for messages."""
        return f"{self.file}, paths.{self.path}.{self.method}"


@dataclass(frozen=True, slots=True)
class Contract:
    """The whole contract: what is published of it, its JSON reading, and what the server derives.

    Its `source` holds the file's own bytes, or those of the self-contained form of one that refers to
    another file.
    """

    surface: Surface
    source: bytes
    json: bytes
    document: Json
    version: str
    sha256: str
    catalogue: Mapping[str, CatalogueEntry]
    operations: Mapping[str, OperationContract]
    rate_classes: Mapping[str, str]
    compiled: dict[tuple[int, bool], tuple[Json, Callable[[Any], bool]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    """What handlers.contract.schema has made of its schemas, each by its place in memory."""

    @property
    def served_version(self) -> str:
        """What each answer says of it: the version, and the first digits of the hash."""
        return f"{self.version}+{self.sha256[:12]}"

    def documentation_of(self, code: str, base: str = "") -> str:
        """Where its page explains a code, at the address `base` of the server, or relative to it."""
        return f"{base}{self.surface.prefix}/#code-{code}"

    @property
    def optional_operations(self) -> frozenset[str]:
        """The operations that a deployment may switch off."""
        return frozenset(name for name, one in self.operations.items() if one.optional)

    @property
    def scopes(self) -> frozenset[str]:
        """Every scope a partner can hold."""
        return frozenset(declared_scopes(self.document))

    @property
    def token_path(self) -> str | None:
        """The path that issues the tokens of its operations, of this contract or of another."""
        for scheme in self.document.get("components", {}).get("securitySchemes", {}).values():
            flow = scheme.get("flows", {}).get("clientCredentials")
            if flow:
                return str(flow["tokenUrl"])
        return None

    def resolve(self, node: Json) -> Json:
        """The object that `node` is, or that its `$ref` designates."""
        while "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """The contract that this server serves, when it last passed its check, and which operations it offers."""

    version: str
    sha256: str
    checked: datetime
    optional_operations: tuple[tuple[str, bool], ...]


def snake_case(name: str) -> str:
    """`getSoldeCarte` -> `get_solde_carte`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
