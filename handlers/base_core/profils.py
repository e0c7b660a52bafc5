"""Operations of the tag `profils` of the back office."""

from typing import Any, Never


def get_liste_profils_carte(statut: Any, limite: Any, curseur: Any) -> Never:
    raise NotImplementedError


def saisir_profil_carte(corps: Any) -> Never:
    raise NotImplementedError


def modifier_profil_carte(corps: Any) -> Never:
    raise NotImplementedError
