"""What is generated from the contracts: the types of the wire, and the signatures of the handlers.

`handlers/wire.py` holds the types, `handlers/signatures.py` the signatures; another contract has its own
beside its handlers. mypy compares every handler with its signature there, so
that an argument that does not fit the contract is found before the server is started.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from handlers.contract.model import (
    JSON_TYPE,
    Contract,
    ContractError,
    Json,
    OperationContract,
    snake_case,
)
from handlers.contract.reading import read_published
from handlers.contract.surface import PARTENAIRE, Surface
from handlers.settings import ROOT

WIRE = ROOT / "handlers" / "wire.py"
SIGNATURES = ROOT / "handlers" / "signatures.py"
CHECKED = ROOT / "handlers" / "contract" / "checked.py"

HEADER = "# Generated from {} by `make contract`; do not edit."


_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool"}

_CHECKED = '''"""The contracts that were checked whole when this was written, each with its hash."""

CONTRACT_SHA256 = {{
{}
}}
'''

_SIGNATURES = '''"""One signature per operation and media type: the contract's arguments, then what the
wrapper offers by keyword, and the declared success. mypy reads it, nobody imports it."""

from __future__ import annotations

from typing import Any, Never, Protocol
'''


class GeneratorMissing(Exception):
    """The generator of types is not installed; the text says how to get it."""


def generate(path: Path, contract: Contract) -> dict[Path, str]:
    """The types and signatures of the contract in `path`, by their place. Raises GeneratorMissing."""
    header = HEADER.format(contract.surface.file)
    return {
        place_of(WIRE, contract.surface): _generate_types(path, contract, header),
        place_of(SIGNATURES, contract.surface): (
            f"{header}\n{_SIGNATURES}{_generate_signatures(contract)}"
        ),
    }


def generate_checked(contracts: Sequence[Contract]) -> dict[Path, str]:
    """What says that these contracts were checked."""
    header = HEADER.format(", ".join(one.surface.file for one in contracts))
    lines = [f'    "{one.surface.file}": "{one.sha256}",' for one in contracts]
    return {CHECKED: f"{header}\n{_CHECKED.format(chr(10).join(lines))}"}


def place_of(file: Path, surface: Surface) -> Path:
    """Where another surface has what the partners' has in `file`."""
    if surface is PARTENAIRE:
        return file
    return folder_of(surface) / file.name


def folder_of(surface: Surface) -> Path:
    """The folder of its handlers."""
    return ROOT.joinpath(*surface.package.split("."))


def _generator() -> ModuleType:
    try:
        import datamodel_code_generator  # noqa: PLC0415 - a tool of development, not everywhere
    except ModuleNotFoundError as error:
        if error.name != "datamodel_code_generator":
            raise
        raise GeneratorMissing(
            "datamodel-code-generator, which writes handlers/wire.py, is a tool of development "
            "that is not installed here; run `make contract`, which installs it."
        ) from None
    return datamodel_code_generator


def _generate_types(path: Path, contract: Contract, header: str) -> str:
    generator = _generator()
    text = generator.generate(
        read_published(path)[1].decode(),
        config=generator.GenerateConfig(
            input_file_type=generator.InputFileType.OpenAPI,
            openapi_scopes=[generator.OpenAPIScope.Schemas],
            output_model_type=generator.DataModelType.TypingTypedDict,
            target_python_version=generator.PythonVersion.PY_311,
            strict_nullable=True,
            use_standard_collections=True,
            use_union_operator=True,
            # With PEP 728's `closed`, the types would need typing_extensions where they run.
            use_closed_typed_dict=False,
            disable_timestamp=True,
            custom_file_header=header,
            # The others read more settings than the length of lines; that one is the project's, whatever
            # folder the command is run in.
            formatters=[generator.Formatter.BUILTIN],
            settings_path=ROOT,
        ),
    )
    if not isinstance(text, str):
        raise ContractError(
            f"{contract.surface.file} gives more than one module of types; it must give one."
        )
    lines = [_open_free_objects(contract, text).rstrip()]
    for name, schema in sorted(_successes(contract).items()):
        lines += _beside(name, schema)
    return "\n".join(lines) + "\n"


def _open_free_objects(contract: Contract, text: str) -> str:
    """Types of objects that may have any field: a TypedDict takes none that it does not name."""
    free = [
        name
        for name, schema in contract.document["components"]["schemas"].items()
        if schema.get("type") == "object" and "properties" not in schema
    ]
    for name in free:
        text = text.replace(
            f"class {name}(TypedDict):\n    pass\n", f"{name}: TypeAlias = Mapping[str, Any]\n"
        )
    if free:
        text = text.replace(
            "from typing import ",
            "from collections.abc import Mapping\nfrom typing import Any, ",
            1,
        )
    return text


def _generate_signatures(contract: Contract) -> str:
    operations = list(contract.operations.values())
    modules = ", ".join(sorted({operation.module for operation in operations}))
    lines: list[str] = []
    for operation in operations:
        for media_type in operation.media_types:
            lines += _signature(contract, operation, media_type)
    offered = {
        *contract.document["components"]["schemas"],
        *map(_beside_name, _successes(contract)),
    }
    used = sorted(offered & set(re.findall(r"\w+", "\n".join(lines))))
    head = [
        "",
        *sorted(
            (
                f"from {contract.surface.package} import {modules}",
                "from handlers.answer import Answer, TableAnswer",
            )
        ),
        f"from {contract.surface.package}.wire import (",
        *[f"    {name}," for name in used],
        ")",
    ]
    return "\n".join([*head, *lines]) + "\n"


def _successes(contract: Contract) -> dict[str, Json]:
    """The schemas of the successes by name."""
    schemas = [
        one.responses[200]["content"][JSON_TYPE]["schema"] for one in contract.operations.values()
    ]
    return {reference_name(schema): contract.resolve(schema) for schema in schemas}


_ENVELOPE = frozenset({"success", "code", "message", "data"})
"""The fields of a success that the wrapper adds, and its items."""


def _beside_names(schema: Json) -> list[str]:
    properties = schema["properties"]
    return [name for name in properties if name not in _ENVELOPE] if "success" in properties else []


def _beside_name(name: str) -> str:
    return f"{name}Beside"


def _beside(name: str, schema: Json) -> list[str]:
    """What a success has beside its envelope and items, as a TypedDict: a cursor, a count."""
    names = _beside_names(schema)
    if not names:
        return []
    lines = ["", "", f"class {_beside_name(name)}(TypedDict):"]
    for field in names:
        kind = _type(schema["properties"][field])
        always = field in schema.get("required", [])
        lines.append(f"    {field}: {kind if always else f'NotRequired[{kind}]'}")
    return lines


def answer_type(contract: Contract, operation: OperationContract, media_type: str) -> str:
    """The type of what the handler must give."""
    if media_type != JSON_TYPE:
        return "TableAnswer"
    reference = operation.responses[200]["content"][JSON_TYPE]["schema"]
    schema = contract.resolve(reference)
    name = reference_name(reference)
    beside = _beside_name(name) if _beside_names(schema) else name
    if "data" not in schema["properties"]:
        return f"Answer[Never, {beside}]"
    item = reference_name(contract.resolve(schema["properties"]["data"])["items"])
    return f"Answer[{item}, {beside}]" if beside != name else f"Answer[{item}]"


def _signature(contract: Contract, operation: OperationContract, media_type: str) -> list[str]:
    function = operation.function_for(media_type)
    name = "".join(part.capitalize() for part in function.split("_")) + "Handler"
    arguments = [
        f"{snake_case(parameter['name'])}: {argument_type(parameter)}"
        for parameter in operation.parameters
    ]
    if operation.body is not None:
        arguments.append(f"corps: {reference_name(operation.body.schema)}")
    return [
        "",
        "",
        f"class {name}(Protocol):",
        "    def __call__(",
        "        self,",
        *[f"        {argument}," for argument in arguments],
        "        *more: Any,",
        "        **injected: Any,",
        f"    ) -> {answer_type(contract, operation, media_type)}: ...",
        "",
        "",
        f"_{function}: {name} = {operation.module}.{function}",
    ]


def argument_type(parameter: Json) -> str:
    """The type of the handler's argument for a parameter."""
    schema = parameter["schema"]
    always = parameter.get("required") or "default" in schema
    return _type(schema) if always else f"{_type(schema)} | None"


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return reference_name(schema)
    name = _TYPES.get(schema["type"], "Any")
    return f"{name} | None" if schema.get("nullable") else name


def reference_name(schema: Json) -> str:
    """The name of the schema that a `$ref` designates."""
    name: str = schema["$ref"].rpartition("/")[2]
    return name
