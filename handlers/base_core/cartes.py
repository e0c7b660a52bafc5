"""Operations of the tag `cartes` of the back office."""

from typing import Any, Never


def rechercher_cartes(limite: Any, curseur: Any, corps: Any) -> Never:
    raise NotImplementedError


def rechercher_cartes_csv(limite: Any, curseur: Any, corps: Any) -> Never:
    raise NotImplementedError


def get_carte(carte_id: Any) -> Never:
    raise NotImplementedError


def emettre_cartes(corps: Any) -> Never:
    raise NotImplementedError


def activer_carte(corps: Any) -> Never:
    raise NotImplementedError


def opposer_carte(corps: Any) -> Never:
    raise NotImplementedError


def lever_opposition(corps: Any) -> Never:
    raise NotImplementedError


def annuler_carte(corps: Any) -> Never:
    raise NotImplementedError


def renouveler_carte(corps: Any) -> Never:
    raise NotImplementedError


def remplacer_carte(corps: Any) -> Never:
    raise NotImplementedError
