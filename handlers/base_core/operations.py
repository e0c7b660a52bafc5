# ruff: noqa: A002 - the contract's word
"""Operations of the tag `operations` of the back office."""

from typing import Any, Never


def get_historique_operations(
    carte_id: Any,
    client_id: Any,
    consumer_key: Any,
    date_debut: Any,
    date_fin: Any,
    type: Any,
    limite: Any,
    curseur: Any,
) -> Never:
    raise NotImplementedError


def get_historique_operations_csv(
    carte_id: Any,
    client_id: Any,
    consumer_key: Any,
    date_debut: Any,
    date_fin: Any,
    type: Any,
    limite: Any,
    curseur: Any,
) -> Never:
    raise NotImplementedError
