"""Operations of the tag `fonds` of the back office."""

from typing import Any, Never


def transferer_solde_special(corps: Any) -> Never:
    raise NotImplementedError


def corriger_solde_ouverture(corps: Any) -> Never:
    raise NotImplementedError
