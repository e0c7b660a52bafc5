# ruff: noqa: A002 - the contract's word
"""Operations of the tag `partenaires` of the back office."""

from typing import Any, Never


def get_liste_partenaires(statut: Any, type: Any, limite: Any, curseur: Any) -> Never:
    raise NotImplementedError


def get_partenaire(consumer_key: Any) -> Never:
    raise NotImplementedError


def saisir_partenaire(corps: Any) -> Never:
    raise NotImplementedError


def modifier_partenaire(corps: Any) -> Never:
    raise NotImplementedError


def changer_statut_partenaire(corps: Any) -> Never:
    raise NotImplementedError


def saisir_adresses_partenaire(corps: Any) -> Never:
    raise NotImplementedError


def renouveler_secret_partenaire(corps: Any) -> Never:
    raise NotImplementedError


def revoquer_secret_partenaire(corps: Any) -> Never:
    raise NotImplementedError


def revoquer_jetons_partenaire(corps: Any) -> Never:
    raise NotImplementedError
