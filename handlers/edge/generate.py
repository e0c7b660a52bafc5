"""What is generated from the contract: the types of the wire, and the signatures of the handlers.

One module, `handlers/wire.py`, holds both. mypy compares every handler with its signature there, so
that an argument that does not fit the contract is found before the server is started.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from handlers.edge.contract import Contract, ContractError, Json, OperationContract, snake_case

HEADER = "# Generated from openapi.yaml by `make contract`; do not edit."

_TYPES = {"string": "str", "integer": "int", "boolean": "bool"}

_CHECKED = """

CONTRACT_SHA256 = "{}"
"""

_PREAMBLE = """

# One signature per operation: the contract's arguments, then what the wrapper offers by keyword.
"""


class GeneratorMissing(Exception):
    """The generator of types is not installed; the text says how to get it."""


def generate_wire(path: Path, contract: Contract) -> str:
    """The text of handlers/wire.py for the contract in `path`. Raises GeneratorMissing."""
    checked = _CHECKED.format(contract.sha256)
    return _generate_types(path) + checked + _generate_signatures(contract)


def _generator() -> ModuleType:
    try:
        return importlib.import_module("datamodel_code_generator")
    except ModuleNotFoundError as error:
        if error.name != "datamodel_code_generator":
            raise
        raise GeneratorMissing(
            "datamodel-code-generator, which writes handlers/wire.py, is a tool of development "
            "that is not installed here; run `make contract`, which installs it."
        ) from None


def _generate_types(path: Path) -> str:
    generator = _generator()
    text = generator.generate(
        path,
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
            # What the signatures need.
            additional_imports=["typing.TYPE_CHECKING", "typing.Any", "typing.Protocol"],
            custom_file_header=HEADER,
            # The others read the settings of the folder that they run in.
            formatters=[generator.Formatter.BUILTIN],
        ),
    )
    if not isinstance(text, str):
        raise ContractError("openapi.yaml gives more than one module of types; it must give one.")
    return text.rstrip() + "\n"


def _generate_signatures(contract: Contract) -> str:
    operations = list(contract.operations.values())
    modules = ", ".join(sorted({operation.module for operation in operations}))
    lines = [_PREAMBLE, "if TYPE_CHECKING:", f"    from handlers import {modules}"]
    lines.append("    from handlers.views import Answer")
    for operation in operations:
        lines += _signature(operation)
    return "\n".join(lines) + "\n"


def _signature(operation: OperationContract) -> list[str]:
    name = operation.operation_id[0].upper() + operation.operation_id[1:]
    arguments = [
        f"{snake_case(parameter['name'])}: {_type(parameter)}" for parameter in operation.parameters
    ]
    if operation.body is not None:
        arguments.append(f"corps: {_reference(operation.body.schema)}")
    return [
        "",
        f"    class {name}(Protocol):",
        "        def __call__(",
        "            self,",
        *[f"            {argument}," for argument in arguments],
        "            *more: Any,",
        "            **injected: Any,",
        "        ) -> Answer: ...",
        "",
        f"    _{operation.function}: {name} = {operation.module}.{operation.function}",
    ]


def _type(parameter: Json) -> str:
    schema = parameter["schema"]
    name = _reference(schema) if "$ref" in schema else _TYPES.get(schema["type"], "Any")
    always = parameter.get("required") or "default" in schema
    return name if always else f"{name} | None"


def _reference(schema: Json) -> str:
    name: str = schema["$ref"].rpartition("/")[2]
    return name
