"""Everything that is wrong with a contract, at once: YAML, references, OpenAPI, and every rule of the house.

A server of the contract that was built needs none of it, and does not import it.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator

from handlers.contract import style, style_catalogue, style_examples, style_schemas
from handlers.contract.derived import catalogue_of, derive_operation
from handlers.contract.lines import Lines, Place, Problem
from handlers.contract.links import Linked, link_problems
from handlers.contract.model import LANGUAGES, CatalogueEntry, Contract, Json, OperationContract
from handlers.contract.references import reference_problems, severed
from handlers.contract.rules import (
    openapi_problems,
    operation_problems,
    raw_problems,
    right_problems,
    shape_problems,
)
from handlers.contract.selfcheck import example_faults
from handlers.contract.surface import PARTENAIRE, Surface
from handlers.contract.view import Declared, View

OfPart = Callable[[View, Place, Json], Iterator[Problem]]

_EMPTY_ENTRY = {"nom": "", "reessayer": False}

_CRASHES = (LookupError, TypeError, AttributeError, ValueError, re.error)


class _Findings:
    """What is found, and what could not be judged because of it."""

    def __init__(self, found: Iterable[Problem]) -> None:
        self.found = list(found)
        self._crashes: list[Problem] = []

    def add(self, place: Place, problems: Iterable[Problem]) -> bool:
        """Take them all. Whether nothing was found.

        What is wrong with one part hinders rules that look at it: they end where they stumble.
        """
        before = len(self.found)
        try:
            self.found.extend(problems)
        except _CRASHES as error:
            text = f"cannot be judged ({type(error).__name__}: {error}); compare it with its neighbours."
            self._crashes.append(Problem(place, text, " "))
            return False
        return len(self.found) == before

    def all(self) -> list[Problem]:
        """What was found; what could not be judged only when nothing else tells why."""
        return self.found or self._crashes


def find_problems(
    document: Json,
    lines: Lines,
    found: Iterable[Problem] = (),
    *,
    surface: Surface = PARTENAIRE,
) -> list[Problem]:
    """All that is wrong with the document of a surface."""
    findings = _Findings(found)
    broken = list(reference_problems(document))
    findings.add((), broken)
    document = severed(document, broken) if broken else document
    findings.add((), openapi_problems(document, whole=not broken))
    findings.add((), style_catalogue.entry_problems(document))
    view = View(document, surface)
    contract = partial_contract(view)
    _check_operations(contract, view, lines, findings)
    _check_style(contract, view, findings)
    return findings.all()


def partial_contract(view: View) -> Contract:
    """The contract as far as it can be read: with the entries of the catalogue that are whole."""
    catalogue: dict[str, CatalogueEntry] = {}
    for entry in view.catalogue.values():
        # What an entry lacks is told of the entry, not of those who list its code.
        texts = dict.fromkeys(LANGUAGES, "")
        whole = {**_EMPTY_ENTRY, **entry, "message": texts, "conseil": texts}
        with contextlib.suppress(*_CRASHES):
            catalogue.update(catalogue_of({"x-catalogue-erreurs": [whole]}))
    return Contract(
        surface=view.surface,
        source=b"",
        json=b"",
        document=view.document,
        version="",
        sha256="",
        catalogue=catalogue,
        operations={},
        rate_classes={},
    )


def _check_operations(contract: Contract, view: View, lines: Lines, findings: _Findings) -> None:
    linked = []
    told: set[tuple[int, str]] = set()
    for one in view.operations:
        readable = findings.add(one.place, raw_problems(contract.document, one.place, one.raw))
        findings.add(one.place, right_problems(contract, one.place, one.raw))
        shaped = readable and findings.add(one.place, shape_problems(contract, one.place, one.raw))
        rules = (
            *style.OF_OPERATIONS,
            *style_catalogue.OF_OPERATIONS,
            *style_examples.OF_OPERATIONS,
        )
        for rule in rules:
            findings.add(one.place, rule(view, one))
        operation = _derive(contract, one, findings) if shaped else None
        if operation is not None:
            linked.append(_linked(operation))
            findings.add(one.place, operation_problems(contract, operation))
            findings.add(one.place, _once(example_faults(contract, operation), lines, told))
    findings.add((), link_problems(linked, contract.resolve))


def _derive(contract: Contract, one: Declared, findings: _Findings) -> OperationContract | None:
    made: list[OperationContract] = []

    def derive() -> Iterable[Problem]:
        made.append(derive_operation(contract, one.path, one.method, one.raw))
        return ()

    def problems() -> Iterable[Problem]:
        yield from derive()

    findings.add(one.place, problems())
    return made[0] if made else None


def _once(faults: Iterable[Problem], lines: Lines, told: set[tuple[int, str]]) -> Iterable[Problem]:
    """The faults of examples that operations share, each once: the line says which example."""
    for fault in faults:
        key = (lines.line_of((*fault.place, *fault.inside)), fault.text)
        if not key[0] or key not in told:
            told.add(key)
            yield fault


def _linked(operation: OperationContract) -> Linked:
    return Linked(
        operation_id=operation.operation_id,
        place=operation.place,
        parameters=frozenset(parameter["name"] for parameter in operation.parameters),
        body=operation.body.schema if operation.body else None,
        responses=operation.responses,
    )


def _check_style(contract: Contract, view: View, findings: _Findings) -> None:
    for rule in (
        *style.WHOLE,
        *style_schemas.WHOLE,
        *style_catalogue.WHOLE,
        *style_examples.WHOLE,
    ):
        findings.add((), rule(view))
    parts: list[tuple[OfPart, Place, Json]] = []
    for place, _, node in view.named("parameters"):
        parts += [(about, place, node) for about in style.OF_PARAMETERS]
    for place, _, node in view.named("responses"):
        rules = (*style.OF_RESPONSES, style_examples.refusal_problems)
        parts += [(about, place, node) for about in rules]
    for place, schema in view.schemas:
        parts += [(about, place, schema) for about in style_schemas.OF_SCHEMAS]
    for about, place, node in parts:
        findings.add(place, about(view, place, node))
    findings.add((), style_examples.value_problems(contract, view))
