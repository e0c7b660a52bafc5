"""Operations of the tag `plafonds` of the back office."""

from typing import Any, Never


def saisir_plafond_carte(corps: Any) -> Never:
    raise NotImplementedError


def retirer_plafond_carte(corps: Any) -> Never:
    raise NotImplementedError


def saisir_plafond_partenaire(corps: Any) -> Never:
    raise NotImplementedError


def retirer_plafond_partenaire(corps: Any) -> Never:
    raise NotImplementedError
