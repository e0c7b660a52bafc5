"""The style of the contract: what generated clients need, and what the project decided.

The rules are handlers/contract's, which `make contract` and the server's start tell.
"""

from __future__ import annotations

from handlers.contract.reading import load
from handlers.contract.schema import compile_schema
from handlers.contract.style import UNUSED_ON_PURPOSE
from handlers.settings import Settings
from models.base import SOLDE_MAXIMAL
from tests.support.contract_client import CONTRACT, DOCUMENT

TEXT = CONTRACT.read_text(encoding="utf-8")


def test_the_contract_has_no_problem() -> None:
    load(CONTRACT, again=True)


def test_what_is_unused_on_purpose_is_still_unused() -> None:
    used = {f"{kind}/{name}" for kind, named in DOCUMENT["components"].items() for name in named}
    stale = {
        name for name in UNUSED_ON_PURPOSE if name not in used or f'"#/components/{name}"' in TEXT
    }
    assert not stale, f"{stale} is used or gone: remove it from UNUSED_ON_PURPOSE."


def test_success_of_an_answer_is_a_plain_boolean_with_one_value() -> None:
    """Of a boolean with an enum, generators made a class whose members Python takes for true, `False` too.

    That each answer still has that one value is what every test's client checks.
    """
    told = {
        name: schema["properties"]["success"]
        for name, schema in DOCUMENT["components"]["schemas"].items()
        if "success" in schema.get("properties", {})
    }
    refusals = {"Refus", "RefusJeton"}
    assert refusals < told.keys()
    for name, schema in told.items():
        succeeds = name not in refusals
        assert (schema["type"], schema["x-valeur"]) == ("boolean", succeeds), name
        assert schema.keys() == {"type", "description", "x-valeur", "example"}, name
        fits = compile_schema(load(CONTRACT), schema)
        assert (fits(succeeds), fits(not succeeds)) == (True, False), name


def test_words_say_what_the_server_does() -> None:
    """What a deployment chooses is said as it is unless chosen."""
    settings, paths = Settings(), DOCUMENT["paths"]
    hours = f"{settings.annulation_fenetre_s // 3600} heures"
    assert hours in paths["/annuler-operation"]["post"]["description"]
    assert (
        f"{SOLDE_MAXIMAL:,} FCFA".replace(",", " ") in paths["/credit-carte"]["post"]["description"]
    )
    assert DOCUMENT["components"]["schemas"]["SoldeOnline"]["maximum"] == SOLDE_MAXIMAL
    assert f"ont chacun {settings.deadline_s} secondes" in DOCUMENT["info"]["description"]


def test_the_changelog_has_the_version_of_the_contract() -> None:
    version = DOCUMENT["info"]["version"]
    changelog = (CONTRACT.parent / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\n## {version}\n" in changelog, f"CHANGELOG.md: add a section `## {version}`."
