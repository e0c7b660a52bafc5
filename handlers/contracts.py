"""Which contracts a server has, by its settings."""

from __future__ import annotations

from handlers.contract.model import Contract
from handlers.contract.reading import load
from handlers.contract.surface import PARTENAIRE, SURFACES
from handlers.settings import Settings, SettingsError


def load_contracts(settings: Settings) -> tuple[Contract, ...]:
    """The contracts that the settings mount, in the order of the list of surfaces.

    CYNOD_CONTRACT says where the partners' contract is; the others stand beside it. Raises ContractError
    or SettingsError.
    """
    unknown = [name for name in settings.surfaces if name not in SURFACES]
    if unknown:
        raise SettingsError(
            f"CYNOD_SURFACES names {unknown[0]}; the surfaces are {', '.join(SURFACES)}."
        )
    return tuple(
        load(
            settings.contract if one is PARTENAIRE else settings.contract.with_name(one.file),
            surface=one,
        )
        for one in SURFACES.values()
        if one.name in settings.surfaces
    )
