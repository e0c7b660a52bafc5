"""`cynod contract new --surface base-core` writes the first lines of an operation of the back office."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from handlers.contract.bundle import read_whole
from handlers.contract.model import Contract
from handlers.contract.reading import build, load, read_document
from handlers.contract.surface import BASE_CORE
from handlers.workbench.back_office import TESTS, make_back_office_skeleton
from handlers.workbench.description import SkeletonError, Wanted, describe
from handlers.workbench.insertion import names
from handlers.workbench.skeleton import Skeleton
from tests.support.contract_client import BASE_CORE_CONTRACT as FILE
from tests.support.contract_client import ROOT, Json

TEXT = FILE.read_text(encoding="utf-8")
ARCHIVER = Wanted(
    "archiverClient", "/base-core/archiver-client", "post", "clients", "Archive",
    codes=(("6009", ""), ("6020", "ClientArchive")), takes=("clientId",),
)  # fmt: skip
ARCHIVE = Wanted(
    "getArchive", "/base-core/get-archive", "get", "clients", "Archive",
    codes=(("6007", ""),), takes=("clientId",), gives=("clientId", "creeLe:Instant"),
)  # fmt: skip


@cache
def _other(path: Path) -> tuple[Json, bytes]:
    return read_document(path)


def read(text: str) -> Contract:
    """The contract with this text in its file. Raises ContractError."""
    document = yaml.safe_load(text)
    whole, _ = read_whole(FILE, lambda path: (document, b"") if path == FILE else _other(path))
    return build(whole, text.encode(), again=True, surface=BASE_CORE)


@pytest.fixture(scope="module")
def contract() -> Contract:
    """The back office's contract as it is."""
    return load(FILE, surface=BASE_CORE)


def described(contract: Contract, wanted: Wanted) -> tuple[str, Contract]:
    """The text with the operation, its summary written, which keeps every rule."""
    text = describe(contract, wanted, TEXT)
    text = text.replace(f"À ÉCRIRE : {wanted.operation_id}", "Archive d'un client")
    return text, read(text)


def added_lines(text: str) -> list[str]:
    """What is new in the text; nothing that was there is gone."""
    new = iter(text.splitlines())
    found = []
    for line in TEXT.splitlines():
        for other in new:
            if other == line:
                break
            found.append(other)
        else:
            raise AssertionError(f"gone: {line}")
    return [*found, *new]


def function_of(skeleton: Skeleton, name: str) -> str:
    """The function in the handlers of the tag."""
    text = skeleton.files[ROOT / "handlers" / "base_core" / "clients.py"]
    tree = ast.parse(text)
    return next(
        ast.unparse(node)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == name
    )


def test_write_is_a_demande_and_one_line_of_its_handler(contract: Contract) -> None:
    text, made = described(contract, ARCHIVER)
    operation = made.operations["archiverClient"]
    assert (operation.droit, operation.by_person, operation.idempotent_on) == (
        "clients:saisir",
        True,
        "reference",
    )
    assert (
        made.resolve(operation.responses[200]["content"]["application/json"]["schema"])
        == (made.document["components"]["schemas"]["ReponseDemande"])
    )
    assert {"4002", "6009", "6020"} < operation.codes
    asked: Mapping[str, Any] = made.document["components"]["schemas"]["DemandeArchive"]
    assert list(asked["properties"]) == ["clientId", "reference", "motif", "pourLeCompteDe"]
    assert asked["required"] == ["clientId", "reference"]
    assert all("openapi.yaml" in line for line in added_lines(text) if "/headers/" in line)

    skeleton = make_back_office_skeleton(made, "archiverClient", ROOT)
    assert function_of(skeleton, "archiver_client") == (
        "def archiver_client(corps: DemandeArchive, *, connection: Connection, personne: Personne, "
        "settings: Settings) -> Answer[Demande]:\n"
        "    return enter(connection, personne, settings, read_saisie('archiverClient', corps), corps)"
    )
    assert re.search(r'"archiverClient": \{"6009", "6020"\},', skeleton.files[ROOT / TESTS])
    assert "6009 (EtatInterdit), 6020 (ClientArchive)" in skeleton.todo[0]


def test_write_gets_its_type_its_rule_and_its_tests(contract: Contract) -> None:
    _, made = described(contract, ARCHIVER)
    skeleton = make_back_office_skeleton(made, "archiverClient", ROOT)
    files = {path.relative_to(ROOT).as_posix(): text for path, text in skeleton.files.items()}
    for path, text in files.items():
        compile(text, path, "exec")
    type_ = ast.unparse(ast.parse(files["models/back_office/clients.py"]).body[-1])
    assert type_ == (
        "ARCHIVER_CLIENT = TypeDemande('archiverClient', 'CLIENT', 'clients:valider', "
        "_read_for_archiver_client, _check_archiver_client, _archiver_client, cle=('clientId',))"
    )
    assert "clients.ARCHIVER_CLIENT," in files["models/back_office/registre.py"]
    told = '*_regles("archiverClient", validations=1, minimum=1),'
    assert told in files["models/regle_validation.py"]
    (migration,) = (text for path, text in files.items() if "_rule_of_archiver_client" in path)
    assert "VALUES ('archiverClient', 0, 1, 1, 0, 0, 1)" in migration
    last = max(one.name[:4] for one in (ROOT / "models/migrations/versions").glob("[0-9]*.py"))
    assert f'down_revision = "{last}"' in migration
    assert "class ClientArchive(Refusal):" in files["models/errors.py"]
    assert (
        '"archiverClient": lambda office: {"clientId": office.client_id},'
        in (files["tests/support/office.py"])
    )
    assert names(files["tests/base_core/test_archiver_client.py"]) >= {
        *("test_archiver_client_is_answered", "test_archiver_client_is_refused_with_6009"),
        "test_archiver_client_is_refused_with_6020",
    }


def test_read_has_its_own_answer_and_its_rule_to_write(contract: Contract) -> None:
    _, made = described(contract, ARCHIVE)
    operation = made.operations["getArchive"]
    assert (operation.droit, operation.writes) == ("clients:lire", False)
    skeleton = make_back_office_skeleton(made, "getArchive", ROOT)
    assert function_of(skeleton, "get_archive").startswith(
        "def get_archive(client_id: str, *, connection: Connection, personne: Personne) -> "
        "Answer[Archive]:"
    )
    assert names(skeleton.files[ROOT / "handlers" / "base_core" / "clients.py"]) >= {"get_archive"}


def test_registry_of_tests_that_is_not_found_is_told_with_the_entry_to_write(
    contract: Contract, tmp_path: Path
) -> None:
    own = replace(contract.operations["getClient"], function="get_client_again")
    made = replace(contract, operations={"getClient": own})
    skeleton = make_back_office_skeleton(made, "getClient", tmp_path)
    assert [step for step in skeleton.todo if " into " in step] == [
        (
            'Write `"getClient": lambda office: {"clientId": office.client_id},` into CALLS of '
            "tests/support/office.py."
        ),
        'Write `"getClient": {"6007"},` into OF_ITS_WORK of tests/contract/test_base_core.py.',
    ]
    assert tmp_path / TESTS not in skeleton.files


def test_operation_whose_summary_is_to_write_gets_no_code_yet(contract: Contract) -> None:
    own = replace(contract.operations["getClient"], summary="À ÉCRIRE : getClient")
    with pytest.raises(SkeletonError) as refused:
        make_back_office_skeleton(
            replace(contract, operations={"getClient": own}), "getClient", ROOT
        )
    assert str(refused.value) == (
        "base-core.yaml, paths./base-core/get-client.get has its summary still to write: handler and "
        "tests are called after it."
    )


@pytest.mark.parametrize(
    ("operation_id", "told"),
    [
        ("saisirClient", "saisirClient has its function in handlers/base_core/clients.py already."),
        ("saisirClients", "base-core.yaml has no operation saisirClients; did you mean "),
    ],
)
def test_what_is_there_already_or_nowhere_is_told(
    contract: Contract, operation_id: str, told: str
) -> None:
    with pytest.raises(SkeletonError) as refused:
        make_back_office_skeleton(contract, operation_id, ROOT)
    assert str(refused.value).startswith(told)


def test_path_of_another_surface_is_refused(contract: Contract) -> None:
    wanted = Wanted("archiverClient", "/archiver-client", "post", "clients", "Archive")
    with pytest.raises(
        SkeletonError, match=r"Every path of base-core\.yaml begins with /base-core/"
    ):
        describe(contract, wanted, TEXT)
