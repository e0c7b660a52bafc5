"""Rate limits by class, as the contract declares them, counted in memory or in Redis."""

from __future__ import annotations

import math
import time

from limits import RateLimitItem, parse
from limits.storage import storage_from_string
from limits.strategies import FixedWindowRateLimiter

from handlers.edge.contract import Contract, ContractError
from handlers.edge.errors import EdgeRefusal
from handlers.settings import Settings, SettingsError

OFF = "off"


class RateLimits:
    """Counts calls by class and caller. One process counts alone; Redis counts for all of them."""

    def __init__(self, contract: Contract, settings: Settings) -> None:
        unknown = sorted(settings.limites.keys() - contract.rate_classes.keys())
        if unknown:
            raise SettingsError(
                f"CYNOD_LIMITES names {unknown[0]}; the classes are {', '.join(contract.rate_classes)}."
            )
        self._limits: dict[str, RateLimitItem] = {}
        for name, text in {**contract.rate_classes, **settings.limites}.items():
            if text == OFF:
                continue
            try:
                self._limits[name] = parse(text)
            except ValueError:
                fault = f"the rate {text!r} of class {name} is not like 100/second or 6000/minute."
                if name in settings.limites:
                    raise SettingsError(f"CYNOD_LIMITES: {fault}") from None
                raise ContractError(f"openapi.yaml, x-classes-debit: {fault}") from None
        self._limiter = FixedWindowRateLimiter(
            storage_from_string(settings.redis_url or "memory://")
        )

    def count(self, rate_class: str, caller: str) -> None:
        """Count one call. Raises the refusal 1008 with Retry-After when the caller has had enough."""
        limit = self._limits.get(rate_class)
        if limit is None or self._limiter.hit(limit, rate_class, caller):
            return
        reset = self._limiter.get_window_stats(limit, rate_class, caller).reset_time
        wait = max(1, math.ceil(reset - time.time()))
        raise EdgeRefusal("1008", headers={"Retry-After": str(wait)})
