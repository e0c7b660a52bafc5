"""The first lines of an operation that the contract has and the code has not, from the handler to the tests.

All is whole but the rule: handler and view carry values from the wire to it and back. What is there
already is kept.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handlers.contract.model import (
    JSON_TYPE,
    Contract,
    Json,
    OperationContract,
    snake_case,
)
from handlers.contract.rules import inevitable_codes
from handlers.workbench import insertion
from handlers.workbench.description import UNWRITTEN, SkeletonError, meant
from handlers.workbench.generate import answer_type, argument_type, reference_name
from handlers.workbench.insertion import Import

WIDTH = 100

KINDS = {
    "instant": ("Instant", "sa.DateTime(timezone=True)", ("models.base", "Instant")),
    "jour": ("Date", "sa.Date()", ("sqlalchemy", "Date")),
    "entier": ("BigInteger", "sa.BigInteger()", ("sqlalchemy", "BigInteger")),
    "texte": ("String(140)", "sa.String(length=140)", ("sqlalchemy", "String")),
}
"""What a new column may hold: its type in the table, in the migration, and where that comes from."""

_PLAIN = {"string": "str", "integer": "int", "number": "int", "boolean": "bool"}
_DATES = {"Instant": "datetime", "Jour": "date", "JourDemande": "date", "JourOuVide": "date | None"}


@dataclass(frozen=True, slots=True)
class Skeleton:
    """Files to write, whole texts by their path in the project; and what is left to do by hand."""

    files: dict[Path, str]
    todo: list[str]


@dataclass(frozen=True, slots=True)
class Change:
    """What the operation changes of the database: what it does in words, its new columns."""

    words: str
    columns: tuple[str, ...] = ()
    """`cartes.bloquee_le:instant`."""


def make_skeleton(
    contract: Contract,
    operation_id: str,
    root: Path,
    *,
    model: str = "",
    change: Change | None = None,
) -> Skeleton:
    """What the operation lacks under `root`. Raises SkeletonError."""
    operation = contract.operations.get(operation_id)
    if operation is None:
        raise SkeletonError(
            f"openapi.yaml has no operation {operation_id}{meant(operation_id, contract.operations)} "
            "--path /in-kebab-case --method post --tag TAG writes its first lines there."
        )
    if any(mark in operation.summary for mark in UNWRITTEN.values()):
        raise SkeletonError(
            f"{operation.where} has its summary still to write: handler, rule and tests are called after it."
        )
    made = _Skeleton(contract, operation, root, model)
    made.write()
    if change is not None:
        made.migrate(change)
    if not made.files:
        raise SkeletonError(
            f"{operation_id} has its function in handlers/{operation.module}.py and its tests in "
            f"{made.test.relative_to(root)} already."
        )
    return Skeleton(made.files, made.todo())


def own_codes(operation: OperationContract) -> list[str]:
    """The codes of its rules: those that the edge does not answer by itself."""
    own = operation.codes - inevitable_codes(operation)
    return sorted(own, key=lambda code: (len(code), code))


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of the wire, and of the core's value beside it."""

    wire: str
    name: str
    kind: str
    schema: str
    optional: bool

    @property
    def type(self) -> str:
        nullable = self.optional and "None" not in self.kind
        return f"{self.kind} | None" if nullable else self.kind

    def read(self) -> str:
        """Its value from the body."""
        if self.kind == "date":
            told = f'read_jour(corps["{self.wire}"], "{self.wire}")'
            return f'{told} if "{self.wire}" in corps else None' if self.optional else told
        return f'corps.get("{self.wire}")' if self.optional else f'corps["{self.wire}"]'

    def render(self, subject: str) -> str:
        """Its value for the answer."""
        value = f"{subject}.{self.name}"
        told = value
        if self.kind == "datetime":
            told = f"format_instant({value})"
        elif self.kind.startswith("date"):
            return f"format_jour({value})"
        elif self.schema == "number":
            told = f"float({value})"
        return (
            f"{told} if {value} is not None else None" if self.optional and told != value else told
        )


@dataclass
class _Skeleton:
    contract: Contract
    operation: OperationContract
    root: Path
    model_name: str = ""
    files: dict[Path, str] = field(default_factory=dict)
    unwritten: list[str] = field(default_factory=list)
    """Sentences: what could not be put in its place."""

    def __post_init__(self) -> None:
        operation = self.operation
        self.handler = self.root / "handlers" / f"{operation.module}.py"
        self.view = self.root / "handlers" / "views" / f"{operation.module}.py"
        self.errors = self.root / "models" / "errors.py"
        self.test = (
            self.root / "tests" / "operations" / operation.module / f"test_{operation.function}.py"
        )
        success = operation.responses[200]["content"][JSON_TYPE]["schema"]
        answer = self.contract.resolve(success)
        data = answer["properties"].get("data")
        items = self.contract.resolve(data) if data else None
        self.item = reference_name(items["items"]) if items else reference_name(success)
        self.one = items is not None and items.get("maxItems") == 1
        self.envelope_only = set(answer["properties"]) <= {"success", "code", "message", "data"}
        self.render = f"render_{snake_case(self.item)}"
        self.body_name = reference_name(operation.body.schema) if operation.body else ""
        self.read = f"read_{snake_case(self.body_name.removeprefix('Demande'))}"
        self.model = self.root / "models" / f"{self.model_name or snake_case(self.item)}.py"
        self.rule = self._rule_name()

    def _text(self, path: Path, otherwise: str = "") -> str:
        if path in self.files:
            return self.files[path]
        return path.read_text(encoding="utf-8") if path.exists() else otherwise

    def _rule_name(self) -> str:
        """The verb: `bloquer` of bloquer_carte, `find_plafond` of get_plafond."""
        verb, _, rest = self.operation.function.partition("_")
        if verb in ("get", "check", "list"):
            verb = f"{'find' if verb == 'get' else verb}_{rest}" if rest else verb
        taken = insertion.names(self._text(self.handler)) | {self.operation.function}
        return f"{verb}_{snake_case(self.item)}" if verb in taken else verb

    def write(self) -> None:
        """The handler and its test; with the first, all that it calls."""
        operation = self.operation
        known = insertion.names(self._text(self.handler))
        lacking = [
            media_type
            for media_type in operation.media_types
            if operation.function_for(media_type) not in known
        ]
        if JSON_TYPE in lacking:
            self._write_errors()
            self._write_rule()
            self._write_view()
        for media_type in lacking:
            self._write_handler(media_type)
        self._place()
        if not self.test.exists():
            self.files[self.test] = self._test()
        if JSON_TYPE in lacking:
            self._register()

    def _place(self) -> None:
        """A place for new files among the layers of pyproject.toml: a tag beside the tags, a rule beside the
        verbs of the core."""
        path = self.root / "pyproject.toml"
        text = self._text(path)
        for file, beside, mark in (
            (self.handler, "cartes", "|"),
            (self.model, "mouvement", ":"),
        ):
            if file not in self.files or file.exists():
                continue
            line = rf'^( *"(?:[\w|: ]* )?{beside}(?: [\w|: ]*)?)",$'
            changed, times = re.subn(
                line, rf'\1 {mark} {file.stem}",', text, count=1, flags=re.MULTILINE
            )
            if not times:
                self.unwritten.append(
                    f"Write `{mark} {file.stem}` beside {beside} into the layers of pyproject.toml."
                )
            text = changed
        if text != self._text(path):
            self.files[path] = text

    # ── the core ─────────────────────────────────────────────────────────────────────────────────
    def _write_errors(self) -> None:
        text = self._text(self.errors)
        known = {
            insertion.class_code(node)
            for node in ast.parse(text).body
            if isinstance(node, ast.ClassDef)
        }
        for code in own_codes(self.operation):
            if code in known:
                continue
            entry = self.contract.catalogue[code]
            block = (
                f"class {entry.nom}(Refusal):\n"
                f'    """{entry.message["en"].rstrip(".")}."""\n\n'
                f'    code = "{code}"\n'
            )
            text = insertion.before_class(text, block, code=code)
            self.files[self.errors] = text

    def _fields(self, schema: Json) -> list[_Field] | None:
        """The fields of a schema, None when one of them is no plain value."""
        fields = []
        required = schema.get("required", [])
        for name, node in schema.get("properties", {}).items():
            plain = self.contract.resolve(node)
            if plain.get("type") not in _PLAIN:
                return None
            named = reference_name(node) if "$ref" in node else ""
            kind = _DATES.get(named, _PLAIN[plain["type"]])
            optional = name not in required or bool(plain.get("nullable"))
            fields.append(_Field(name, snake_case(name), kind, plain["type"], optional))
        return fields

    @property
    def asked(self) -> list[_Field] | None:
        """The fields of the body, None when it is not plain."""
        body = self.operation.body
        return self._fields(self.contract.resolve(body.schema)) if body else None

    @property
    def given(self) -> list[_Field] | None:
        """The fields of an item of the answer, None when it is not plain."""
        schema: Json = self.contract.document["components"]["schemas"][self.item]
        return self._fields(schema) if self.envelope_only else None

    def _write_rule(self) -> None:
        operation = self.operation
        words = f'"""{_sentence(operation.summary)}"""\n\nfrom __future__ import annotations\n'
        text = self._text(self.model, words)
        if self.rule in insertion.names(text):
            return
        wanted: set[Import] = set()
        for name, fields, said in (
            (self.body_name, self.asked, f"What {operation.operation_id} asks."),
            (self.item, self.given, f"What {operation.operation_id} answers."),
        ):
            known = insertion.names(text)
            if name == self.item and self._rendered_elsewhere():
                continue
            if name == self.body_name and self._read_elsewhere():
                continue
            if not name or fields is None or name in known:
                continue
            text = insertion.at_end(text, self._value(name, fields, said))
            wanted |= {("typing", "NamedTuple"), *_imports_of(fields)}
        arguments = self._rule_arguments(wanted)
        raises = ", ".join(self.contract.catalogue[code].nom for code in own_codes(operation))
        told = f"\n\n    Raises {raises}.\n    " if raises else ""
        block = (
            f"def {self.rule}({', '.join(arguments)}) -> {self._given_type(wanted)}:\n"
            f'    """{_sentence(operation.summary)}{told}"""\n'
            "    raise NotImplementedError\n"
        )
        self.files[self.model] = insertion.with_imports(insertion.at_end(text, block), wanted)

    def _value(self, name: str, fields: list[_Field], said: str) -> str:
        lines = [f"class {name}(NamedTuple):", f'    """{said}"""', ""]
        lines += [f"    {one.name}: {one.type}" for one in fields]
        if name == self.item and self.operation.idempotent_on:
            lines.append("    replayed: bool = False")
        return "\n".join(lines)

    def _rendered_elsewhere(self) -> tuple[str, str, str] | None:
        """The view that renders the item already: its module, its value's type and that one's module."""
        for path in sorted((self.root / "handlers" / "views").glob("*.py")):
            text = self._text(path)
            for node in ast.parse(text).body:
                if isinstance(node, ast.FunctionDef) and node.name == self.render:
                    annotation = node.args.args[0].annotation
                    kind = ast.unparse(annotation) if annotation else "object"
                    return (
                        f"handlers.views.{path.stem}",
                        kind,
                        insertion.imports(text).get(kind, ""),
                    )
        return None

    def _read_elsewhere(self) -> Import | None:
        """What the view makes of the body already: the module of its type, and that."""
        text = self._text(self.view)
        for node in ast.parse(text).body:
            if isinstance(node, ast.FunctionDef) and node.name == self.read and node.returns:
                kind = ast.unparse(node.returns)
                return insertion.imports(text).get(kind, ""), kind
        return None

    def _asked_type(self, wanted: set[Import]) -> str:
        elsewhere = self._read_elsewhere()
        if elsewhere is None:
            return self.body_name if self.asked is not None else "object"
        if elsewhere[0] not in ("", f"models.{self.model.stem}"):
            wanted.add(elsewhere)
        return elsewhere[1]

    def _given_type(self, wanted: set[Import]) -> str:
        elsewhere = self._rendered_elsewhere()
        if elsewhere:
            _, kind, module = elsewhere
            if module and module != f"models.{self.model.stem}":
                wanted.add((module, kind))
            return kind
        if self.given is None:
            return "object"
        return self.item if self.one else f"list[{self.item}]"

    def _parameters(self) -> list[tuple[str, str]]:
        found = []
        for parameter in self.operation.parameters:
            plain = {**parameter, "schema": self.contract.resolve(parameter["schema"])}
            found.append((snake_case(parameter["name"]), argument_type(plain)))
        return found

    def _rule_arguments(self, wanted: set[Import]) -> list[str]:
        arguments = []
        if self.operation.secured:
            arguments = ["connection: Connection", "partenaire: Partenaire"]
            wanted |= {("sqlalchemy", "Connection"), ("models.partenaire", "Partenaire")}
        if self.body_name:
            arguments.append(f"demande: {self._asked_type(wanted)}")
        parameters = [f"{name}: {kind}" for name, kind in self._parameters()]
        return [*arguments, "*", *parameters] if parameters else arguments

    # ── the edge ─────────────────────────────────────────────────────────────────────────────────
    def _write_view(self) -> None:
        text = self._text(
            self.view,
            f'"""The tag `{self.operation.module}` on the wire."""\n\n'
            "from __future__ import annotations\n",
        )
        before = text
        wanted: set[Import] = set()
        source = f"models.{self.model.stem}"
        if self.body_name and self.read not in insertion.names(text):
            text = insertion.at_end(text, self._reading(wanted, source))
        if self._rendered_elsewhere() is None:
            text = insertion.at_end(text, self._rendering(wanted, source))
        if text != before:
            self.files[self.view] = insertion.with_imports(text, wanted)

    def _reading(self, wanted: set[Import], source: str) -> str:
        wanted.add(("handlers", "wire"))
        fields = self.asked
        kind = "object" if fields is None else self.body_name
        head = (
            f"def {self.read}(corps: wire.{self.body_name}) -> {kind}:\n"
            f'    """The core\'s request from {self.body_name}."""\n'
        )
        if fields is None:
            return f"{head}    raise NotImplementedError\n"
        wanted.add((source, self.body_name))
        if any(one.kind == "date" for one in fields):
            wanted.add(("handlers.views.formats", "read_jour"))
        values = "".join(f"        {one.name}={one.read()},\n" for one in fields)
        return f"{head}    return {self.body_name}(\n{values}    )\n"

    def _rendering(self, wanted: set[Import], source: str) -> str:
        wanted |= {("handlers", "wire"), ("handlers.answer", "Answer")}
        answer = answer_type(self.contract, self.operation, JSON_TYPE)
        typed = re.sub(r"\b(?!Answer\b|Never\b)([A-Z]\w*)", r"wire.\1", answer)
        if "Never" in answer:
            wanted.add(("typing", "Never"))
        fields, name = self.given, snake_case(self.item)
        success = reference_name(self.operation.responses[200]["content"][JSON_TYPE]["schema"])
        if fields is None:
            return (
                f"def {self.render}({name}: object) -> {typed}:\n"
                f'    """{success}."""\n'
                "    raise NotImplementedError\n"
            )
        wanted.add((source, self.item))
        for one in fields:
            if one.kind == "datetime":
                wanted.add(("handlers.views.formats", "format_instant"))
            elif one.kind.startswith("date"):
                wanted.add(("handlers.views.formats", "format_jour"))
        item = "".join(f'        "{one.wire}": {one.render(name)},\n' for one in fields)
        replayed = f", replayed={name}.replayed" if self.operation.idempotent_on else ""
        if self.one:
            return (
                f"def {self.render}({name}: {self.item}) -> {typed}:\n"
                f'    """{success}."""\n'
                f"    item: wire.{self.item} = {{\n{item}    }}\n"
                f"    return Answer([item]{replayed})\n"
            )
        return (
            f"def {self.render}(items: list[{self.item}]) -> {typed}:\n"
            f'    """{success}."""\n'
            f"    return Answer([_{self.render}({name}) for {name} in items])\n\n\n"
            f"def _{self.render}({name}: {self.item}) -> wire.{self.item}:\n"
            f"    return {{\n{item}    }}\n"
        )

    def _write_handler(self, media_type: str) -> None:
        text = self._text(self.handler, f'"""Operations of the tag `{self.operation.module}`."""\n')
        operation = self.operation
        answer = answer_type(self.contract, operation, media_type)
        wanted: set[Import] = {("handlers.answer", answer.partition("[")[0])}
        for name in answer.partition("[")[2].rstrip("]").replace(" ", "").split(","):
            if name:
                wanted.add(("typing" if name == "Never" else "handlers.wire", name))
        arguments = [f"{name}: {kind}" for name, kind in self._parameters()]
        if self.body_name:
            arguments.append(f"corps: {self.body_name}")
            wanted.add(("handlers.wire", self.body_name))
        if operation.secured:
            arguments += ["*", "connection: Connection", "partenaire: Partenaire"]
            wanted |= {("sqlalchemy", "Connection"), ("models.partenaire", "Partenaire")}
        body = (
            "    raise NotImplementedError  # its rows are opened in models/, its view in views/\n"
        )
        if media_type == JSON_TYPE:
            body = self._calling(wanted)
        line = f"def {operation.function_for(media_type)}({', '.join(arguments)}) -> {answer}:"
        if len(line) > WIDTH:
            inner = "".join(f"    {argument},\n" for argument in arguments)
            line = f"def {operation.function_for(media_type)}(\n{inner}) -> {answer}:"
        text = insertion.at_end(text, f"{line}\n{body}")
        self.files[self.handler] = insertion.with_imports(text, wanted)

    def _calling(self, wanted: set[Import]) -> str:
        elsewhere = self._rendered_elsewhere()
        rendering = elsewhere[0] if elsewhere else f"handlers.views.{self.operation.module}"
        wanted |= {(rendering, self.render), (f"models.{self.model.stem}", self.rule)}
        arguments = ["connection", "partenaire"] if self.operation.secured else []
        if self.body_name:
            arguments.append(f"{self.read}(corps)")
            wanted.add((f"handlers.views.{self.operation.module}", self.read))
        arguments += [f"{name}={name}" for name, _ in self._parameters()]
        return f"    return {self.render}({self.rule}({', '.join(arguments)}))\n"

    # ── the tests ────────────────────────────────────────────────────────────────────────────────
    def _test(self) -> str:
        operation, function = self.operation, self.operation.function
        codes = own_codes(operation)
        names = ["Scene", "assert_refused"] if codes else ["Scene"]
        lines = [
            f'"""{operation.operation_id}: {operation.summary}."""',
            "",
            "from __future__ import annotations",
            "",
            f"from tests.support.scene import {', '.join(names)}",
            "",
            "",
            f"def test_{function}_answers_as_its_example(scene: Scene) -> None:",
            f'    call = scene.call("{operation.operation_id}")',
            "    answer = call.send(scene.api)",
            "    assert answer.status_code == 200, answer.text",
            *self._expectation(),
        ]
        for code in codes:
            entry = self.contract.catalogue[code]
            call = f'scene.call("{operation.operation_id}")'
            if code == "412" and "walletId" in self._asked_names():
                change = '.with_values(walletId="221000000000")'
            else:
                change = f"  # change it, or what it is about, so that {code} follows"
            lines += [
                "",
                "",
                f"def test_{function}_is_refused_with_{code}(scene: Scene) -> None:",
                f'    """{entry.message["en"].rstrip(".")}."""',
                f"    call = {call}{change}",
                f'    assert_refused(call.send(scene.api), "{code}")',
            ]
        return "\n".join(lines) + "\n"

    def _asked_names(self) -> list[str]:
        names = [parameter["name"] for parameter in self.operation.parameters]
        return names + [one.wire for one in self.asked or []]

    def _expectation(self) -> list[str]:
        example = self._example()
        data = example.get("data") if isinstance(example, dict) else None
        if not isinstance(data, list) or len(data) != 1 or not isinstance(data[0], dict):
            return [f"    assert answer.json() == {example!r}"]
        asked = self._asked_names()
        instants = [one.wire for one in self.given or [] if "date" in one.kind]
        lines = ['    (item,) = answer.json()["data"]', "    assert item == {"]
        for name, value in data[0].items():
            told = f'call.values["{name}"]' if name in asked else repr(value)
            told = f'item["{name}"]' if name in instants else told
            lines.append(f'        "{name}": {told},')
        return [*lines, "    }"]

    def _example(self) -> Any:
        examples = self.operation.responses[200]["content"][JSON_TYPE]["examples"]
        first: Json = next(iter(examples.values()))
        return self.contract.resolve(first).get("value")

    def _register(self) -> None:
        """What the tests of every operation must know of this one."""
        codes = own_codes(self.operation)
        if codes:
            told = "{" + ", ".join(f'"{code}"' for code in codes) + "}"
            path = self.root / "tests" / "contract" / "test_catalogue.py"
            self._enter(path, "OF_ITS_WORK", told)

    def _enter(self, path: Path, name: str, value: str) -> None:
        text = self._text(path)
        changed = insertion.in_dictionary(text, name, self.operation.operation_id, value)
        if changed is None:
            entry = f'"{self.operation.operation_id}": {value},'
            self.unwritten.append(
                f"Write `{entry}` into {name} of {path.relative_to(self.root).as_posix()}."
            )
        elif changed != text:
            self.files[path] = changed

    # ── the database ─────────────────────────────────────────────────────────────────────────────
    def migrate(self, change: Change) -> None:
        """The next migration, and its columns in their tables. Raises SkeletonError."""
        versions = self.root / "models" / "migrations" / "versions"
        last = max(path.name.partition("_")[0] for path in versions.glob("[0-9]*_*.py"))
        slug = re.sub(r"[^a-z0-9]+", "_", change.words.lower()).strip("_")
        if any(path.name.partition("_")[2] == f"{slug}.py" for path in versions.glob("[0-9]*.py")):
            return
        number = f"{int(last) + 1:04d}"
        columns = [self._column(text) for text in change.columns]
        for table, name, kind in columns:
            self._write_column(table, name, kind)
        head = (
            f'"""{_sentence(change.words)[:-1]}\n\nRevision: {number}\nFollows: {last}\n"""\n\n'
            + ("import sqlalchemy as sa\nfrom alembic import op\n\n" if columns else "")
            + f'revision = "{number}"\ndown_revision = "{last}"\n'
            f'branch_labels = None\ndepends_on = None\nkind = "{"expand" if columns else "stop"}"\n\n\n'
        )
        up = [
            f'    op.add_column("{table}", sa.Column("{name}", {KINDS[kind][1]}, nullable=True))'
            for table, name, kind in columns
        ] or ["    raise NotImplementedError"]
        down = [f'    op.drop_column("{table}", "{name}")' for table, name, _ in columns]
        down = down or ["    raise NotImplementedError"]
        self.files[versions / f"{number}_{slug}.py"] = (
            head
            + "def upgrade() -> None:\n"
            + "\n".join(up)
            + "\n\n\ndef downgrade() -> None:\n"
            + "\n".join(reversed(down))
            + "\n"
        )

    def _column(self, text: str) -> tuple[str, str, str]:
        found = re.fullmatch(r"([a-z_]+)\.([a-z][a-z0-9_]*):([a-z]+)", text)
        if not found:
            raise SkeletonError(
                f"Say a column as TABLE.NAME:TYPE, cartes.bloquee_le:instant, not {text}."
            )
        table, name, kind = found.groups()
        if kind not in KINDS:
            raise SkeletonError(f"There is no type {kind}{meant(kind, KINDS)}")
        return table, name, kind

    def _write_column(self, table: str, name: str, kind: str) -> None:
        tables = {}
        for path in sorted((self.root / "models").rglob("*.py")):
            for found in re.findall(r'\bTable\(\s*"(\w+)"', self._text(path)):
                tables[found] = path
        if table not in tables:
            raise SkeletonError(f"models/ has no table {table}{meant(table, tables)}")
        path = tables[table]
        python, _, wanted = KINDS[kind]
        text = self._text(path)
        if f'Column("{name}"' in text:
            return
        column = f'Column("{name}", {python})'
        changed = insertion.in_table(text, table, column)
        if changed is None:
            shown = path.relative_to(self.root).as_posix()
            self.unwritten.append(f"Write `{column},` into the table {table} of {shown}.")
            return
        self.files[path] = insertion.with_imports(changed, {wanted})

    # ── what is left ─────────────────────────────────────────────────────────────────────────────
    def todo(self) -> list[str]:
        """What to do by hand, in order."""
        steps = []
        if self.model in self.files:
            steps.append(
                f"Write {self.rule} of {self.model.relative_to(self.root).as_posix()}: handler and view "
                "call it already."
            )
        codes = own_codes(self.operation)
        if codes and steps:
            told = ", ".join(f"{code} ({self.contract.catalogue[code].nom})" for code in codes)
            steps.append(f"Raise {told} there, from models/errors.py.")
        for path, text in self.files.items():
            shown = path.relative_to(self.root).as_posix()
            if "versions" in path.parts and "NotImplementedError" in text:
                steps.append(
                    f"Write {shown}; docs/architecture.md says how a migration is written."
                )
            if path == self.view and "NotImplementedError" in text:
                steps.append(f"Write what {shown} lacks.")
        if self.test in self.files:
            shown = self.test.relative_to(self.root).as_posix()
            steps.append(f"Make the calls of {shown} what they are called after.")
        steps += self.unwritten
        steps.append("`make lint` and `make test` tell what does not fit yet.")
        return steps


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."


def _imports_of(fields: list[_Field]) -> set[Import]:
    kinds = " ".join(one.kind for one in fields)
    return {("datetime", name) for name in ("date", "datetime") if re.search(rf"\b{name}\b", kinds)}
