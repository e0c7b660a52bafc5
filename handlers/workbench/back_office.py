"""The first lines of an operation of the back office behind its contract, from the handler to the tests.

One that writes enters a demande, which is one line of the handler; the rest of it is its type, beside its
object in models/back_office/, its rule, and a migration that writes the rule. All is whole but what is asked
before it is executed, and what executing it does.
"""

from __future__ import annotations

import re
from pathlib import Path

from handlers.contract.model import JSON_TYPE, Contract, Json, OperationContract, snake_case
from handlers.workbench import insertion
from handlers.workbench.description import UNWRITTEN, SkeletonError, meant
from handlers.workbench.generate import answer_type, argument_type, folder_of, reference_name
from handlers.workbench.insertion import Import
from handlers.workbench.skeleton import Skeleton, own_codes

TESTS = Path("tests") / "contract" / "test_base_core.py"
CALLS = Path("tests") / "support" / "office.py"

_MIGRATION = '''"""The rule of TYPE: how many persons validate it

Revision: NEW
Follows: LAST
"""

from alembic import op

revision = "NEW"
down_revision = "LAST"
branch_labels = None
depends_on = None
kind = "expand"


def upgrade() -> None:
    op.execute(
        "INSERT INTO regles_validation (type, montant_minimal, validations, minimum, forte,"
        " meme_personne, version) VALUES ('TYPE', 0, 1, 1, 0, 0, 1)"
    )


def downgrade() -> None:
    op.execute("DELETE FROM regles_validation WHERE type = 'TYPE'")
'''


def make_back_office_skeleton(contract: Contract, operation_id: str, root: Path) -> Skeleton:
    """What the operation lacks under `root`. Raises SkeletonError."""
    operation = contract.operations.get(operation_id)
    file = contract.surface.file
    if operation is None:
        raise SkeletonError(
            f"{file} has no operation {operation_id}{meant(operation_id, contract.operations)} "
            "--path /in-kebab-case --method post --tag TAG writes its first lines there."
        )
    if any(mark in operation.summary for mark in UNWRITTEN.values()):
        raise SkeletonError(
            f"{operation.where} has its summary still to write: handler and tests are called after it."
        )
    folder = folder_of(contract.surface)
    handler = folder / f"{operation.module}.py"
    text = _text(handler, f'"""Operations of the tag `{operation.module}` of the back office."""\n')
    if operation.function in insertion.names(text):
        raise SkeletonError(
            f"{operation_id} has its function in {handler.relative_to(root).as_posix()} already."
        )
    files = {handler: _handler(contract, operation, text)}
    todo = _todo(contract, operation)
    if operation.idempotent_on is not None:
        files |= _Demande(contract, operation, root).files()
    calls = root / CALLS
    asked = _asked(contract, operation)
    known = insertion.in_dictionary(_text(calls), "CALLS", operation_id, asked)
    if known is None:
        todo.append(f'Write `"{operation_id}": {asked},` into CALLS of {CALLS.as_posix()}.')
    else:
        files[calls] = known
    tests = root / TESTS
    codes = "{" + ", ".join(f'"{code}"' for code in _own(operation)) + "}"
    entered = insertion.in_dictionary(_text(tests), "OF_ITS_WORK", operation_id, codes)
    if entered is None:
        todo.append(f'Write `"{operation_id}": {codes},` into OF_ITS_WORK of {TESTS.as_posix()}.')
    else:
        files[tests] = entered
    files[root / "tests" / "base_core" / f"test_{operation.function}.py"] = _tests(
        contract, operation
    )
    todo += [
        f"Make the calls of tests/base_core/test_{operation.function}.py what they are called after.",
        "`make lint` and `make test` tell what does not fit yet.",
    ]
    return Skeleton(files, todo)


def _own(operation: OperationContract) -> list[str]:
    """The codes of its work."""
    return [code for code in own_codes(operation) if code != "4002"]


def _schema(contract: Contract, operation: OperationContract) -> Json:
    """What it takes: the fields of its body, or its parameters by their names."""
    if operation.body is not None:
        return contract.resolve(operation.body.schema)
    named = {one["name"]: one["schema"] for one in operation.parameters if one.get("required")}
    return {"properties": named, "required": list(named)}


def _fields(contract: Contract, operation: OperationContract) -> list[str]:
    """What must be given, but the reference that every write has."""
    required: list[str] = _schema(contract, operation).get("required", [])
    return [name for name in required if name not in ("reference", "motif", "versionAttendue")]


def _asked(contract: Contract, operation: OperationContract) -> str:
    """A call that the tests make of it: the client of the office, else what the contract shows."""
    schema = _schema(contract, operation)
    shown = {
        name: contract.resolve(node).get("example", "…")
        for name, node in schema["properties"].items()
        if name in schema.get("required", []) and name != "reference"
    }
    told = ", ".join(
        f'"{name}": {"office.client_id" if name == "clientId" else repr(value)}'
        for name, value in shown.items()
    )
    return f"lambda {'office' if 'clientId' in shown else '_'}: {{{told}}}"


class _Demande:
    """The type of a demande, its rule, and the migration that writes it."""

    def __init__(self, contract: Contract, operation: OperationContract, root: Path) -> None:
        self._contract, self._operation, self._root = contract, operation, root
        self._function = operation.function
        self._name = operation.function.upper()

    def files(self) -> dict[Path, str]:
        """What is written of it; what a file has not the place for, `_todo` tells anyway."""
        core = self._root / "models" / "back_office"
        own = core / f"{self._operation.module}.py"
        registre, regles = core / "registre.py", self._root / "models" / "regle_validation.py"
        version, migration = self._migration()
        return {
            own: self._type(_text(own, f'"""Demandes about {self._operation.module}."""\n')),
            registre: self._registered(_text(registre)),
            regles: _text(regles).replace(
                "\n]  # fmt: skip",
                f'\n    *_regles("{self._operation.operation_id}", validations=1, minimum=1),'
                "\n]  # fmt: skip",
                1,
            ),
            version: migration,
            **self._refusals(),
        }

    def _type(self, text: str) -> str:
        kinds = self._contract.document["components"]["schemas"]["ObjetType"]["enum"]
        objet = self._operation.module.rstrip("s").upper()
        objet = objet if objet in kinds else kinds[0]
        droit = str(self._operation.droit).partition(":")[0]
        key = next((name for name in _fields(self._contract, self._operation) if "Id" in name), "")
        codes = ", ".join(
            f"{self._contract.catalogue[code].nom} ({code})" for code in _own(self._operation)
        )
        named, cle = self._function, f'    cle=("{key}",),\n' if key else ""
        block = (
            f"def _read_for_{named}(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:\n"
            "    raise NotImplementedError  # the object as it is now, held with `lock`\n\n\n"
            f"def _check_{named}(connection: Connection, contenu: Contenu, etat: Etat | None) -> None:\n"
            f"    raise NotImplementedError  # raises {codes or 'what refuses it'}\n\n\n"
            f"def _{named}(connection: Connection, acte: Acte, etat: Etat | None) -> Effet:\n"
            "    raise NotImplementedError  # changes it, and says what changed\n\n\n"
            f"{self._name} = TypeDemande(\n"
            f'    "{self._operation.operation_id}",\n    "{objet}",\n    "{droit}:valider",\n'
            f"    _read_for_{named},\n    _check_{named},\n    _{named},\n{cle})\n"
        )
        types = "models.back_office.type_demande"
        wanted: set[Import] = {("sqlalchemy", "Connection")}
        wanted |= {(types, one) for one in ("Acte", "Contenu", "Effet", "Etat", "TypeDemande")}
        return insertion.with_imports(insertion.at_end(text, block), wanted)

    def _registered(self, text: str) -> str:
        module = self._operation.module
        text = text.replace("\n    )\n}", f"\n        {module}.{self._name},\n    )\n}}", 1)
        return insertion.with_imports(text, {("models.back_office", module)})

    def _migration(self) -> tuple[Path, str]:
        versions = self._root / "models" / "migrations" / "versions"
        last = max(path.name.partition("_")[0] for path in versions.glob("[0-9]*_*.py"))
        number, type_ = f"{int(last) + 1:04d}", self._operation.operation_id
        text = _MIGRATION.replace("TYPE", type_).replace("NEW", number).replace("LAST", last)
        return versions / f"{number}_rule_of_{self._function}.py", text

    def _refusals(self) -> dict[Path, str]:
        """The classes of codes that the core does not raise yet."""
        path = self._root / "models" / "errors.py"
        before = text = _text(path)
        for code in _own(self._operation):
            entry = self._contract.catalogue[code]
            if not re.search(rf'^    code = "{code}"$', text, re.M):
                words = entry.message["en"].rstrip(".")
                block = f'class {entry.nom}(Refusal):\n    """{words}."""\n\n    code = "{code}"\n'
                text = insertion.before_class(text, block, code=code)
        return {path: text} if text != before else {}


def _tests(contract: Contract, operation: OperationContract) -> str:
    """The first tests of it: that it is taken, and a call that each of its codes refuses."""
    name, function, codes = operation.operation_id, operation.function, _own(operation)
    lines = [f'"""{name}: {operation.summary}."""', "", "from __future__ import annotations", ""]
    lines += ["from tests.support.office import Office"]
    lines += ["from tests.support.scene import assert_refused"] if codes else []
    taken = f"def test_{function}_is_answered(office: Office) -> None:"
    lines += ["", "", taken, f'    answer = office.ask("{name}").send()']
    lines += ["    assert answer.status_code == 200, answer.text"]
    if operation.idempotent_on is not None:
        lines += ['    (demande,) = answer.json()["data"]']
        lines += [f'    assert (demande["type"], demande["statut"]) == ("{name}", "SAISIE")']
    for code in codes:
        words = contract.catalogue[code].message["en"].rstrip(".")
        lines += ["", "", f"def test_{function}_is_refused_with_{code}(office: Office) -> None:"]
        lines += [f'    """{words}."""']
        lines += [f'    ask = office.ask("{name}")  # change it so that {code} follows']
        lines += [f'    assert_refused(ask.send(), "{code}")']
    return "\n".join(lines) + "\n"


def _text(path: Path, otherwise: str = "") -> str:
    return path.read_text(encoding="utf-8") if path.exists() else otherwise


def _handler(contract: Contract, operation: OperationContract, text: str) -> str:
    package = contract.surface.package
    answer = answer_type(contract, operation, JSON_TYPE)
    wanted: set[Import] = {
        ("sqlalchemy", "Connection"),
        ("handlers.answer", "Answer"),
        ("models.back_office.moteur", "Personne"),
    }
    named = answer.partition("[")[2].rstrip("]").replace(" ", "").split(",")
    wanted |= {(f"{package}.wire", name) for name in named if name}
    arguments = []
    for parameter in operation.parameters:
        plain = {**parameter, "schema": contract.resolve(parameter["schema"])}
        arguments.append(f"{snake_case(parameter['name'])}: {argument_type(plain)}")
    if operation.body is not None:
        body = reference_name(operation.body.schema)
        arguments.append(f"corps: {body}")
        wanted.add((f"{package}.wire", body))
    arguments += ["*", "connection: Connection", "personne: Personne"]
    does = "raise NotImplementedError  # its rows are read in models/, its view is in views/"
    if operation.idempotent_on is not None:
        arguments.append("settings: Settings")
        wanted |= {
            ("handlers.settings", "Settings"),
            (f"{package}.saisie", "enter"),
            (f"{package}.views.demandes", "read_saisie"),
        }
        read = f'read_saisie("{operation.operation_id}", corps)'
        does = f"return enter(connection, personne, settings, {read}, corps)"
    inner = "".join(f"    {argument},\n" for argument in arguments)
    block = f"def {operation.function}(\n{inner}) -> {answer}:\n    {does}\n"
    return insertion.with_imports(insertion.at_end(text, block), wanted)


def _todo(contract: Contract, operation: OperationContract) -> list[str]:
    name = operation.operation_id
    if operation.idempotent_on is None:
        return [
            (
                f"Write what {name} reads in models/back_office/, and its view in "
                f"handlers/base_core/views/{operation.module}.py."
            )
        ]
    codes = ", ".join(f"{code} ({contract.catalogue[code].nom})" for code in _own(operation))
    return [
        (
            f"Write what {operation.function.upper()} of models/back_office/{operation.module}.py reads, "
            f"asks and does{f': it raises {codes}' if codes else ''}."
        ),
        (
            f"1 validation, which cannot be lowered, is the rule of {name}: where it should be another one, "
            "say so in REGLES of models/regle_validation.py, in the migration that writes it, and under "
            f"**Validation** in {contract.surface.file}."
        ),
        (
            "Write a way to each of its codes into tests/base_core/ways.py, and play it in "
            "tests/support/plays.py."
        ),
    ]
