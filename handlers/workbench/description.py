"""The first lines of an operation in openapi.yaml: all that the rules ask, its words still to write.

Text is put in where it belongs, after the last operation of the tag and after what that one refers to;
nothing that is there changes, comments included.
"""

from __future__ import annotations

import difflib
import json
import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import yaml

from handlers.contract.model import (
    JSON_TYPE,
    METHODS,
    CatalogueEntry,
    Contract,
    Json,
    OperationContract,
)
from handlers.contract.rules import inevitable_codes
from handlers.contract.style import HEADERS_OF_COUNTED
from handlers.contract.style_examples import STORY
from handlers.contract.surface import PARTENAIRE
from handlers.contract.text import as_yaml

UNWRITTEN = {"fr": "À ÉCRIRE", "en": "TO WRITE"}
"""What stands for a text that nobody wrote yet."""

CARD = ("numeroCarte", "walletId", "clientId")
"""What names a card in a request."""

WIDTH = 110
SENT_ALONE = frozenset({"get"})

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class SkeletonError(Exception):
    """There is nothing to write, or no way to. The text says what to do instead."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known of an operation that openapi.yaml does not have yet."""

    operation_id: str
    path: str
    method: str
    tag: str
    name: str
    """What is asked and answered, a noun in UpperCamelCase: schemas DemandeX, X and ReponseX."""
    codes: tuple[tuple[str, str], ...] = ()
    """Codes of its rule; the name is empty for those that the catalogue has."""
    takes: tuple[str, ...] = CARD
    gives: tuple[str, ...] = ("numeroCarte",)
    """Fields: `montant`, whose schema is Montant, or `bloqueeLe:Instant`."""
    scope: str = ""


def meant(word: str, known: Iterable[str]) -> str:
    """`; did you mean X?`, or what there is when nothing is near."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.75)
    return f"; did you mean {near[0]}?" if near else f". It has {', '.join(known)}."


def unwritten(text: str, file: str = PARTENAIRE.file) -> Iterator[str]:
    """The places of a contract whose words are still to write, a sentence each."""
    for number, line in enumerate(text.splitlines(), 1):
        if any(mark in line for mark in UNWRITTEN.values()):
            yield f"{file}:{number}: write it: {line.strip()}"


def describe(contract: Contract, wanted: Wanted, source: str | None = None) -> str:
    """The whole text of the contract's file with the operation in it. Raises SkeletonError.

    `source` is the text of that file, where what is published is made of several.
    """
    kind = _OfPersons if contract.surface.persons else _Description
    return kind(contract, wanted, source or contract.source.decode("utf-8")).text()


class _Description:
    def __init__(self, contract: Contract, wanted: Wanted, source: str) -> None:
        self.contract, self.wanted, self.source = contract, wanted, source
        self.file = contract.surface.file
        self.lines = self.source.splitlines()
        self.root: Any = yaml.compose(self.source, Loader=_LOADER)
        self.components: dict[str, Json] = contract.document["components"]
        self._check()
        self.before = self._before()
        self.takes = [self._field(field) for field in wanted.takes]
        self.gives = [self._field(field) for field in wanted.gives]
        self.has_body = wanted.method not in SENT_ALONE
        self.scope = wanted.scope or self._usual_scope()
        self.entries = self._entries()
        self.codes = self._codes()
        self.example = _lowered(wanted.name)

    # ── what is asked for ────────────────────────────────────────────────────────────────────────
    def _check(self) -> None:
        wanted, document = self.wanted, self.contract.document
        if wanted.method not in METHODS:
            raise SkeletonError(
                f"There is no method {wanted.method}{meant(wanted.method, METHODS)}"
            )
        if not re.fullmatch(r"(/[a-z0-9]+(-[a-z0-9]+)*)+", wanted.path):
            raise SkeletonError(
                f"Write the path in-kebab-case, such as /bloquer-carte: {wanted.path}."
            )
        prefix = self.contract.surface.prefix
        if not wanted.path.startswith(f"{prefix}/"):
            raise SkeletonError(f"Every path of {self.file} begins with {prefix}/: {wanted.path}.")
        if not re.fullmatch(r"[a-z]+([A-Z][a-z0-9]*)*", wanted.operation_id):
            raise SkeletonError(
                f"Name the operation in lowerCamelCase without accents, not {wanted.operation_id!r}."
            )
        if wanted.path in document["paths"]:
            raise SkeletonError(
                f"{self.file} has the path {wanted.path} already; add to it by hand."
            )
        tags = [tag["name"] for tag in document["tags"]]
        if wanted.tag not in tags:
            raise SkeletonError(
                f"{self.file} has no tag {wanted.tag}{meant(wanted.tag, tags)} A new tag is an entry of "
                "its root list `tags`, with a name and a description."
            )
        scopes = self.contract.scopes
        if wanted.scope and wanted.scope not in scopes:
            raise SkeletonError(
                f"{self.file} has no scope {wanted.scope}{meant(wanted.scope, scopes)}"
            )
        for kind, name in (
            ("schemas", wanted.name),
            ("schemas", f"Demande{wanted.name}"),
            ("schemas", f"Reponse{wanted.name}"),
            ("responses", f"{wanted.name}Refuse"),
        ):
            if name in self.components[kind]:
                raise SkeletonError(
                    f"{self.file} has components.{kind}.{name} already; say another noun by --name."
                )

    def _field(self, text: str) -> tuple[str, str]:
        """A field and its schema's name."""
        name, _, schema = text.partition(":")
        schema = schema or name[:1].upper() + name[1:]
        plain = [
            known
            for known, node in self.components["schemas"].items()
            if node.get("type") in ("string", "integer", "number", "boolean")
        ]
        if schema not in plain:
            raise SkeletonError(
                f"{self.file} has no plain schema {schema}{meant(schema, plain)} Leave the field out and "
                "write it by hand, or say FIELD:SCHEMA."
            )
        return name, schema

    def _usual_scope(self) -> str:
        """The scope of the contract's last operation of this kind that needs just one."""
        return next(
            (
                next(iter(one.scopes))
                for one in reversed(self.contract.operations.values())  # type: ignore[call-overload]
                if len(one.scopes) == 1 and (one.body is not None) is self.has_body
            ),
            next(iter(sorted(self.contract.scopes))),
        )

    def _entries(self) -> dict[str, str]:
        """The codes that the catalogue does not have yet, and their names."""
        names = {entry.nom: code for code, entry in self.contract.catalogue.items()}
        made = {}
        for code, name in self.wanted.codes:
            entry = self.contract.catalogue.get(code)
            if entry is not None and name in ("", entry.nom):
                continue
            if entry is not None:
                raise SkeletonError(f"Code {code} is {entry.nom} in the catalogue, not {name}.")
            if not name:
                raise SkeletonError(
                    f"The catalogue has no code {code}{meant(code, self.contract.catalogue)} "
                    f"A new one has a name: {code}:NomDuRefus."
                )
            if name in names:
                raise SkeletonError(f"{name} is code {names[name]} of the catalogue already.")
            if not re.fullmatch(r"[1-9][0-9]{3}", code) or not re.fullmatch(
                r"[A-Z][A-Za-z0-9]+", name
            ):
                raise SkeletonError(
                    f"Say a new code as four digits and a name: 3901:NomDuRefus, not {code}:{name}."
                )
            made[code] = name
        return made

    def _codes(self) -> list[str]:
        """Every code that it may answer, in the contract's order."""
        outline = replace_operation(self.before, self)
        codes = inevitable_codes(outline) | {code for code, _ in self.wanted.codes}
        if any(name == "numeroCarte" for name, _ in self.takes):
            codes.add("412")
        return sorted(codes, key=_order)

    def _before(self) -> OperationContract:
        """The operation after which it is written: the last of its tag, or of all."""
        operations = list(self.contract.operations.values())
        of_tag = [one for one in operations if self._raw(one)["tags"] == [self.wanted.tag]]
        return (of_tag or operations)[-1]

    def _raw(self, operation: OperationContract) -> Json:
        raw: Json = self.contract.document["paths"][operation.path][operation.method]
        return raw

    # ── where it goes ────────────────────────────────────────────────────────────────────────────
    def text(self) -> str:
        """The whole text."""
        places = sorted(self._insertions(), key=lambda place: place[0], reverse=True)
        lines = list(self.lines)
        for at, block in places:
            lines[at:at] = self._refer(block).splitlines()
        return "\n".join(lines) + "\n"

    def _refer(self, block: str) -> str:
        """The block, each reference of which names the file that has what it refers to."""
        return block

    def _insertions(self) -> Iterator[tuple[int, str]]:
        """Line numbers, and what is written before each."""
        raw = self._raw(self.before)
        success = raw["responses"]["200"]["content"][JSON_TYPE]
        yield self._after(("paths",), self.before.path), self._operation()
        answer = _name(success["schema"])
        yield (
            self._after(("components", "schemas"), answer),
            "\n" + "\n".join(self._schemas()),
        )
        first = _name(next(iter(success["examples"].values())))
        yield self._after(("components", "examples"), first), self._examples()
        if STORY in self.contract.document:
            last = self._node((STORY,)).value[-1]
            told = f"operation: {self.wanted.operation_id}, exemple: {self.example}{self._actor()}"
            step = f"  - {{{told}}}"
            yield self._end(last.start_mark.line), step
        if self._response(400) is None:
            refused = _name(raw["responses"]["400"])
            yield self._after(("components", "responses"), refused), self._refused()
        for code in sorted(self.entries, key=_order):
            yield self._place_in_catalogue(code), self._entry(code)

    def _schemas(self) -> list[str]:
        asked = [self._asked()] if self.has_body else []
        return [*asked, self._item(), self._answer()]

    def _node(self, path: tuple[str, ...]) -> Any:
        node = self.root
        for part in path:
            node = next(value for key, value in node.value if key.value == part)
        return node

    def _after(self, path: tuple[str, ...], name: str) -> int:
        """The line behind a part of the file: comments that follow it belong to what is next."""
        keys = [key for key, _ in self._node(path).value]
        key = next((key for key in keys if key.value == name), keys[-1])
        return self._end(key.start_mark.line)

    def _end(self, start: int) -> int:
        indent = _indent(self.lines[start])
        last = start
        for number, line in enumerate(self.lines[start + 1 :], start + 1):
            if not line.strip():
                continue
            if _indent(line) <= indent:
                break
            last = number
        return last + 1

    def _place_in_catalogue(self, code: str) -> int:
        entries = self._node(("x-catalogue-erreurs",)).value
        codes = [
            # One of another file is named by its code, at the end of its reference.
            next(
                value.value.rpartition("/")[2]
                for key, value in entry.value
                if key.value in ("code", "$ref")
            )
            for entry in entries
        ]
        # 9999, which every operation may answer, is there: of four digits, none is larger.
        return next(
            int(entry.start_mark.line)
            for known, entry in zip(codes, entries, strict=True)
            if _order(known) > _order(code)
        )

    # ── what is written ──────────────────────────────────────────────────────────────────────────
    def _operation(self) -> str:
        wanted = self.wanted
        codes = _wrapped(self.codes)
        lines = [
            "",
            f"  {wanted.path}:",
            f"    {wanted.method}:",
            f"      operationId: {wanted.operation_id}",
            f"      tags: [{wanted.tag}]",
            f'      summary: "{UNWRITTEN["fr"]} : {wanted.operation_id}"',
            "      description: |",
            f"        {UNWRITTEN['fr']} : ce que fait l'opération.",
            "",
            f"        **Préconditions** : {self._preconditions()}. {self._effect()}",
            *self._right(),
            f"      x-codes-erreur:{codes}",
            *self._message(),
            *self._access(),
        ]
        if self.has_body:
            lines += self._request()
        else:
            lines += ["      parameters:"] if self.takes else []
            lines += [
                f'        - $ref: "#/components/parameters/{self._parameter(name)}"'
                for name, _ in self.takes
            ]
        lines += [
            "      responses:",
            '        "200":',
            f"          description: {UNWRITTEN['fr']}.",
            *_headers(10),
            "          content:",
            "            application/json:",
            f'              schema: {{$ref: "#/components/schemas/{self._answered()}"}}',
            "              examples:",
            f'                {self.example}: {{$ref: "#/components/examples/{wanted.name}"}}',
        ]
        for status in sorted(self._statuses()):
            name = self._response(status) or f"{wanted.name}Refuse"
            lines.append(f'        "{status}": {{$ref: "#/components/responses/{name}"}}')
        return "\n".join(lines)

    def _effect(self) -> str:
        return "**Effet sur le solde** : aucun."

    def _right(self) -> list[str]:
        """The right that a person needs."""
        return []

    def _access(self) -> list[str]:
        """How it is counted, and who may call it."""
        return [
            f"      x-classe-debit: {'ecriture' if self.has_body else 'lecture'}",
            "      security:",
            "        - basic: []",
            f'        - oauth2: ["{self.scope}"]',
        ]

    def _actor(self) -> str:
        """What a step of the story says of who sends it."""
        return ""

    def _answered(self) -> str:
        return f"Reponse{self.wanted.name}"

    def _preconditions(self) -> str:
        known = ["celles du solde (sinon 412)"] if "412" in self.codes else []
        known += [f"{UNWRITTEN['fr']} ({code})" for code, _ in self.wanted.codes if code != "412"]
        return " ; ".join(known) or "aucune"

    def _parameter(self, name: str) -> str:
        parameters = self.components["parameters"]
        named = [key for key, node in parameters.items() if node["name"] == name]
        if not named:
            known = {node["name"] for node in parameters.values()}
            raise SkeletonError(
                f"{self.file} has no parameter {name} in components.parameters{meant(name, known)}"
            )
        # Of those of one name, the one that is no filter.
        usual = f"Param{name[:1].upper()}{name[1:]}"
        return usual if usual in named else str(named[0])

    def _statuses(self) -> dict[int, list[str]]:
        made: dict[int, list[str]] = {}
        for code in self.codes:
            entry: CatalogueEntry | None = self.contract.catalogue.get(code)
            made.setdefault(entry.statut if entry else 400, []).append(code)
        return made

    def _response(self, status: int) -> str | None:
        """The shared response of exactly the operation's codes of this status."""
        codes = set(self._statuses()[status])
        for name, node in self.components["responses"].items():
            schema = self.contract.resolve(node)["content"][JSON_TYPE]["schema"]
            if _name(schema) == "Refus" and set(node.get("x-codes-erreur", [])) == codes:
                return str(name)
        return None

    def _request(self) -> list[str]:
        name = self.wanted.name
        return [
            "      requestBody:",
            f'        description: "{UNWRITTEN["fr"]} : ce qui est demandé."',
            "        required: true",
            "        content:",
            "          application/json:",
            f'            schema: {{$ref: "#/components/schemas/Demande{name}"}}',
            "            examples:",
            f'              {self.example}: {{$ref: "#/components/examples/Demande{name}"}}',
        ]

    def _schema(
        self, name: str, description: str, fields: list[tuple[str, str]], grows: str
    ) -> str:
        lines = [
            f"{name}:",
            "  type: object",
            f"  description: {description}",
            f"  additionalProperties: {grows}",
            f"  required: [{', '.join(field for field, _ in fields)}]",
            "  properties:",
            *(
                f'    {field}: {{$ref: "#/components/schemas/{schema}"}}'
                for field, schema in fields
            ),
        ]
        return textwrap.indent("\n".join(lines), "    ")

    def _asked(self) -> str:
        words = f'"{UNWRITTEN["fr"]} : ce qui est demandé."'
        return self._schema(f"Demande{self.wanted.name}", words, self.takes, "false")

    def _item(self) -> str:
        words = f'"{UNWRITTEN["fr"]} : ce qui est répondu."'
        return self._schema(self.wanted.name, words, self.gives, "true")

    def _answer(self) -> str:
        name = self.wanted.name
        return textwrap.indent(
            f"Reponse{name}:\n"
            "  type: object\n"
            f"  description: Réussite de {self.wanted.operation_id}.\n"
            "  additionalProperties: true\n"
            "  required: [success, code, message, data]\n"
            "  properties:\n"
            "    success: {type: boolean, description: Toujours vrai pour une réussite., x-valeur: true, "
            "example: true}\n"
            '    code: {$ref: "#/components/schemas/CodeSucces"}\n'
            '    message: {$ref: "#/components/schemas/Message"}\n'
            "    data:\n"
            "      type: array\n"
            "      description: L'unique élément.\n"
            "      minItems: 1\n"
            "      maxItems: 1\n"
            f'      items: {{$ref: "#/components/schemas/{name}"}}',
            "    ",
        )

    def _examples(self) -> str:
        name = self.wanted.name
        lines = []
        if self.has_body:
            lines += [
                f"Demande{name}:",
                f'  summary: "{UNWRITTEN["fr"]}"',
                "  value:",
                *(f"    {field}: {self._example(schema)}" for field, schema in self.takes),
            ]
        lines += self._shown()
        for refused in self.entries.values():
            text = f'"{UNWRITTEN["fr"]} {refused}"'
            lines += [
                f"{refused}:",
                f"  summary: {text}",
                "  value:",
                "    success: false",
                f'    code: "{self._code_of(refused)}"',
                f"    message: {text}",
                f"    debugMessage: {text}",
                "    moreInfo: null",
            ]
        return textwrap.indent("\n".join(lines), "    ")

    def _message(self) -> list[str]:
        """What it says of its success."""
        return [
            "      x-message-succes:",
            *(f'        {language}: "{text}"' for language, text in UNWRITTEN.items()),
        ]

    def _shown(self) -> list[str]:
        """The example of its answer."""
        lines = [
            f"{self.wanted.name}:",
            f'  summary: "{UNWRITTEN["fr"]}"',
            "  value:",
            "    success: true",
            "    code: 200",
            f'    message: "{UNWRITTEN["fr"]}"',
            "    data:",
        ]
        for number, (field, schema) in enumerate(self.gives):
            lines.append(f"      {'-' if number == 0 else ' '} {field}: {self._example(schema)}")
        return lines

    def _code_of(self, name: str) -> str:
        return next(code for code, known in self.entries.items() if known == name)

    def _example(self, schema: str) -> str:
        return json.dumps(self.components["schemas"][schema]["example"], ensure_ascii=False)

    def _refused(self) -> str:
        codes = self._statuses()[400]
        examples = {"412": "UtilisateurInexistant", "405": "ParametreInvalide"}
        code = next(code for code in examples if code in codes)
        return textwrap.indent(
            "\n".join(
                [
                    f"{self.wanted.name}Refuse:",
                    f'  description: "{UNWRITTEN["fr"]}, rien n\'a changé. Codes : {", ".join(codes)}."',
                    *_headers(2),
                    "  content:",
                    "    application/json:",
                    '      schema: {$ref: "#/components/schemas/Refus"}',
                    "      examples:",
                    f'        refus: {{$ref: "#/components/examples/{examples[code]}"}}',
                    *(
                        f'        {_lowered(name)}: {{$ref: "#/components/examples/{name}"}}'
                        for name in self.entries.values()
                    ),
                    f"  x-codes-erreur: [{_quoted(codes)}]",
                ]
            ),
            "    ",
        )

    def _entry(self, code: str) -> str:
        fr, en = (f"{mark} {self.entries[code]}" for mark in UNWRITTEN.values())
        return (
            f'  - code: "{code}"\n'
            f"    nom: {self.entries[code]}\n"
            "    statut: 400\n"
            f'    message: {{fr: "{fr}", en: "{en}"}}\n'
            f'    conseil: {{fr: "{UNWRITTEN["fr"]}.", en: "{UNWRITTEN["en"]}."}}\n'
            "    reessayer: false"
        )


class _OfPersons(_Description):
    """An operation of the back office. One that writes enters a demande, and answers it."""

    def __init__(self, contract: Contract, wanted: Wanted, source: str) -> None:
        self._own: Json = yaml.load(source, Loader=_LOADER)["components"]  # noqa: S506 - a safe loader
        super().__init__(contract, wanted, source)
        if self.has_body:
            self.takes = [*self.takes, ("reference", "ReferenceDemande")]

    def _refer(self, block: str) -> str:
        noun = self.wanted.name
        made = {noun, f"Demande{noun}", f"Reponse{noun}", f"{noun}Refuse", *self.entries.values()}

        def refer(found: re.Match[str]) -> str:
            kind, name = found.groups()
            here = name in made or name in self._own.get(kind, {})
            return f'"{"" if here else PARTENAIRE.file}#/components/{kind}/{name}"'

        return re.sub(r'"#/components/(\w+)/(\w+)"', refer, block)

    def _usual_scope(self) -> str:
        return "base-core:saisir" if self.has_body else "base-core:lire"

    def _codes(self) -> list[str]:
        entered = {"4002"} if self.has_body else set()
        return sorted({*super()._codes(), *entered}, key=_order)

    def _effect(self) -> str:
        words = UNWRITTEN["fr"]
        if self.has_body:
            valider = f"{self._right()[0].split()[1].partition(':')[0]}:valider"
            return f"**Validation** : 1 au moins, droit `{valider}`. **Effet** : {words}."
        return "**Effet** : aucun."

    def _message(self) -> list[str]:
        if self.has_body:
            return ['      x-message-succes: {$ref: "#/components/x-messages/Demande"}']
        return super()._message()

    def _right(self) -> list[str]:
        verb = ":saisir" if self.has_body else ":lire"
        operations = list(self.contract.operations.values())
        # That of the same tag first.
        operations.sort(key=lambda one: one.module != self.before.module)
        rights = [one.droit or "" for one in operations]
        right = next(one for one in rights if one.endswith(verb) and "*" not in one)
        return [f"      x-droit: {right}"]

    def _access(self) -> list[str]:
        return [
            "      x-classe-debit: base-core",
            *(["      x-idempotence: reference"] if self.has_body else []),
            "      security:",
            "        - agent: []",
            f'        - oauth2: ["{self.scope}"]',
        ]

    def _actor(self) -> str:
        return f", agent: {self.contract.document[STORY][0]['agent']}"

    def _answered(self) -> str:
        return "ReponseDemande" if self.has_body else super()._answered()

    def _asked(self) -> str:
        more = (("motif", "Motif"), ("pourLeCompteDe", "PourLeCompteDe"))
        lines = [f'{name}: {{$ref: "#/components/schemas/{schema}"}}' for name, schema in more]
        return f"{super()._asked()}\n{textwrap.indent(chr(10).join(lines), ' ' * 8)}"

    def _schemas(self) -> list[str]:
        return [self._asked()] if self.has_body else super()._schemas()

    def _shown(self) -> list[str]:
        if not self.has_body:
            return super()._shown()
        examples = self.contract.document["components"]["examples"]
        like: Json = next(
            one["value"]
            for one in examples.values()
            if isinstance(one["value"], dict) and "demandeId" in str(one["value"].get("data"))
        )
        asked = {name: self.components["schemas"][schema]["example"] for name, schema in self.takes}
        demande = {**next(iter(like["data"])), "type": self.wanted.operation_id}
        demande["reference"] = asked.pop("reference")
        value = {**like, "data": [{**demande, "contenu": asked}]}
        return as_yaml(
            {self.wanted.name: {"summary": UNWRITTEN["fr"], "value": value}}
        ).splitlines()


def replace_operation(model: OperationContract, made: _Description) -> OperationContract:
    """The operation as far as its inevitable codes depend on it."""
    body = next(
        (one.body for one in made.contract.operations.values() if one.body is not None), None
    )
    return replace(
        model,
        body=body if made.has_body else None,
        secured=True,
        scopes=frozenset({made.scope}),
        by_pair=False,
        of_oauth=False,
        issues_tokens=False,
        rate_class="ecriture" if made.has_body else "lecture",
        optional=False,
    )


def _order(code: str) -> tuple[int, str]:
    return len(code), code


def _name(node: Json) -> str:
    """The name of what a `$ref` designates, empty for what is written in place."""
    return str(node.get("$ref", "")).rpartition("/")[2]


def _lowered(name: str) -> str:
    """A noun as the name of an example: `Blocage`, `blocage`."""
    return f"{name[:1].lower()}{name[1:]}"


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def _quoted(codes: Iterable[str]) -> str:
    return ", ".join(f'"{code}"' for code in codes)


def _wrapped(codes: list[str]) -> str:
    # A read that needs a right has twelve, which is more than the line of the key holds.
    rows = textwrap.wrap(f"[{_quoted(codes)}]", WIDTH - 8, subsequent_indent=" ")
    return "\n" + textwrap.indent("\n".join(rows), "        ")


def _headers(indent: int) -> list[str]:
    lines = ["headers:"]
    lines += [
        f'  {name}: {{$ref: "#/components/headers/{name.replace("-", "")}"}}'
        for name in ("X-Request-Id", "X-Contract-Version", *HEADERS_OF_COUNTED)
    ]
    return [" " * indent + line for line in lines]
