"""A wrong `$ref`, a key given twice, what is no OpenAPI: who, where, and what to write."""

from __future__ import annotations

from pathlib import Path

import pytest

from handlers.contract.lines import read_yaml
from handlers.contract.model import ContractError
from handlers.contract.reading import load, read_document
from tests.contract.test_mistakes import planted, refused, told, with_lines

REFUSED = '"400": {$ref: "#/components/responses/RequeteRefusee"}'
SOLDE = "paths./get-solde-carte.get.responses.400"
UNITE = 'unite: {$ref: "#/components/schemas/Unite"}\n'
PLACE = "components.schemas.SoldeCarte.properties.unite"

WRONG_REFERENCES: dict[str, tuple[str, str, str]] = {
    "missing": (
        REFUSED,
        '"400": {$ref: "#/components/responses/RequeteRefuse"}',
        (
            f"{SOLDE} refers to #/components/responses/RequeteRefuse, which does not exist; did you mean "
            "#/components/responses/RequeteRefusee?"
        ),
    ),
    "missing, like no other": (
        REFUSED,
        '"400": {$ref: "#/components/responses/Xyz"}',
        (
            f"{SOLDE} refers to #/components/responses/Xyz, which does not exist; write "
            "#/components/responses/<Name>."
        ),
    ),
    "of another kind": (
        REFUSED,
        '"400": {$ref: "#/components/schemas/Refus"}',
        (
            f"{SOLDE} refers to #/components/schemas/Refus, which is none of responses; write "
            "#/components/responses/<Name>."
        ),
    ),
    "into no component": (
        UNITE,
        'unite: {$ref: "#/components/schemas/Solde/properties/unite"}\n',
        (
            f"{PLACE} refers to #/components/schemas/Solde/properties/unite, which is no place of a "
            "component; write #/components/schemas/<Name>."
        ),
    ),
    "into another file": (
        UNITE,
        'unite: {$ref: "autre.yaml"}\n',
        (
            f"{PLACE}: $ref autre.yaml must name a place in a file beside this one, such as "
            "openapi.yaml#/components/schemas/Refus."
        ),
    ),
    "no text": (
        UNITE,
        "unite: {$ref: 1}\n",
        f"{PLACE} refers to 1, which is no text; write #/components/schemas/<Name>.",
    ),
    "not alone": (
        UNITE,
        'unite: {$ref: "#/components/schemas/Unite", nullable: true}\n',
        f"{PLACE} has nullable beside its $ref, which OpenAPI 3.0 ignores; remove one of them.",
    ),
}


@pytest.mark.parametrize("wrong", WRONG_REFERENCES)
def test_a_wrong_reference_says_who_refers_to_what(wrong: str, tmp_path: Path) -> None:
    old, new, sentence = WRONG_REFERENCES[wrong]
    text = planted((old, new))
    assert with_lines(text, refused(tmp_path, text))[0] == f"{new.strip()} <- {sentence}"


def test_a_circle_of_references_is_told_at_each_of_its_parts(tmp_path: Path) -> None:
    text = planted(
        ("    Unite:\n", "    Devise: {$ref: '#/components/schemas/Unite'}\n    Unite:\n"),
        (
            (
                '      type: string\n      description: "Unité du montant. Valeur actuelle : FCFA."\n'
                '      minLength: 1\n      example: "FCFA"\n'
            ),
            "      $ref: '#/components/schemas/Devise'\n",
        ),
    )
    said = with_lines(text, refused(tmp_path, text))
    assert said == [
        (
            "Devise: {$ref: '#/components/schemas/Unite'} <- components.schemas.Devise refers to itself, "
            "by Devise → Unite → Devise; write one of them out."
        ),
        (
            "$ref: '#/components/schemas/Devise' <- components.schemas.Unite refers to itself, by Unite → "
            "Devise → Unite; write one of them out."
        ),
    ]


def test_a_key_that_is_given_twice_is_refused_with_both_lines(tmp_path: Path) -> None:
    text = planted(("      summary: Le service est prêt\n", "      summary: A\n      summary: B\n"))
    first = 1 + text.splitlines().index("      summary: A")
    sentence = f"is given twice, at lines {first} and {first + 1}; keep one."
    path = tmp_path / "openapi.yaml"
    path.write_text(text, encoding="utf-8")
    for read in (load, read_document):
        with pytest.raises(ContractError) as error:
            read(path)
        assert str(error.value) == (
            f"openapi.yaml:{first + 1}: paths./health/ready.get.summary {sentence}"
        )


def test_anchors_are_read_and_told_at_what_they_repeat() -> None:
    document, lines, problems = read_yaml(b"a: &one\n  b: 1\nc: *one\n")
    assert (document, problems) == ({"a": {"b": 1}, "c": {"b": 1}}, [])
    assert [lines.line_of(place) for place in (("a", "b"), ("c",), ("c", "b"), ("d",))] == [
        2,
        3,
        2,
        1,
    ]
    document, _, problems = read_yaml(b"a: &one\n  b: *one\n")
    assert (document, [problem.text for problem in problems]) == (
        None,
        ["holds itself, by an alias; write it out."],
    )


@pytest.mark.parametrize(
    "source", [b"a: {$ref: '#/b'}\nb:\n  $ref: '#/a'\n", b"a:\n  $ref: '#/c'\nb: 1\n"]
)
def test_what_a_reference_does_not_lead_to_has_the_line_of_who_refers(source: bytes) -> None:
    """It goes round in a circle, or nowhere."""
    _, lines, problems = read_yaml(source)
    assert problems == []
    assert (lines.line_of(("a", "x")), lines.node_of(("a", "x"))) == (1, None)


def test_a_key_that_is_a_list_is_refused_at_its_line(tmp_path: Path) -> None:
    assert refused(tmp_path, 'openapi: "3.0.3"\n? [a]\n: b\n') == (
        "openapi.yaml is not YAML at line 2: found unhashable key."
    )


WRONG_STRUCTURES = {
    "a key that OpenAPI does not have": (
        "      summary: Le service est prêt\n",
        "      summary: Le service est prêt\n      resume: x\n",
        (
            "get: <- paths./health/ready.get is not valid OpenAPI 3.0: 'resume' does not match any of the "
            "regexes: '^x-'."
        ),
    ),
    "a response without a description": (
        "          description: Le service est prêt.\n",
        "",
        (
            "\"200\": <- paths./health/ready.get.responses.200 is not valid OpenAPI 3.0: 'description' is a "
            "required property."
        ),
    ),
    "a type that is none": (
        "    Montant:\n      type: integer\n",
        "    Montant:\n      type: entier\n",
        (
            "type: entier <- components.schemas.Montant.type is not valid OpenAPI 3.0: 'entier' is not one "
            "of ['array', 'boolean', 'integer', 'number', 'object', 'string']."
        ),
    ),
}


@pytest.mark.parametrize("wrong", WRONG_STRUCTURES)
def test_what_is_no_openapi_is_told_at_its_place(wrong: str) -> None:
    old, new, expected = WRONG_STRUCTURES[wrong]
    assert expected in told(planted((old, new)))


def test_an_enum_in_a_parameter_is_taken() -> None:
    """What a client sends may be enumerated; what it receives may not."""
    old = '      schema: {$ref: "#/components/schemas/TypeOperation"}\n'
    new = "      schema: {type: string, enum: [CREDIT, DEBIT]}\n"
    said = told(planted((old, new)))
    assert not [one for one in said if "components.parameters" in one], said
    assert [one.partition(" <- ")[2] for one in said if "in an enum" in one] == [
        "components.schemas.TypeOperation.enum: list the values in its description, not in an enum."
    ], "what only answers have left is told"
