"""The forms of one telephone number, of which the API finds its holder by the stored one only."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import phonenumbers

REGION = "SN"
"""Where a number without a country code is from, unless told: CYNOD's cards are Senegal's."""

REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)

SHOWN = 20
"""Deviations that are kept to be shown; the others are counted."""

EXAMINED = 10_000
"""Deviations after which no more are looked for: to read a number takes as long as to import it."""


class Deviation(NamedTuple):
    """A number that is written in another form than the suggested one: the line of the file."""

    ligne: int
    given: str
    suggested: str


class Telephones:
    """Reads the numbers of a file. The suggested form is the country code and digits: 221771234567."""

    def __init__(self, region: str = REGION, *, normalise: bool = False) -> None:
        self._region = region
        self._normalise = normalise
        self._code = str(phonenumbers.country_code_for_region(region))
        self._longueur = len(self._code) + 9 if region == REGION else 0
        self.deviations: list[Deviation] = []
        self.nombre = 0

    def read(self, given: str) -> str:
        """The form to store: the suggested one when that is wanted, else as given."""
        return self.suggest(given) or given if self._normalise else given

    def note(self, ligne: int, given: str) -> None:
        """Keep a deviation from the suggested form. Numbers that nobody can read are left alone."""
        if self.nombre >= EXAMINED or self._is_usual(given):
            return
        suggested = self.suggest(given)
        if suggested is not None and suggested != given:
            self.nombre += 1
            if len(self.deviations) < SHOWN:
                self.deviations.append(Deviation(ligne, given, suggested))

    def suggest(self, given: str) -> str | None:
        """The suggested form, None when it is no number that exists."""
        return _read(given, self._region)

    def _is_usual(self, given: str) -> bool:
        """Whether it is the home country's in the suggested form: nearly all are, and need no library."""
        return len(given) == self._longueur and given.isdecimal() and given.startswith(self._code)


@lru_cache(maxsize=8192)
def _read(given: str, region: str) -> str | None:
    for text, home in _readings(given, region):
        try:
            number = phonenumbers.parse(text, home)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(
                number, phonenumbers.PhoneNumberFormat.E164
            ).removeprefix("+")
    return None


def _readings(given: str, region: str) -> tuple[tuple[str, str | None], ...]:
    """As what it may be read: the home country's way first, then with a country code of its own."""
    if given.startswith("+"):
        return ((given, None),)
    if given.startswith("00"):
        return ((f"+{given[2:]}", None), (given, region))
    return ((given, region), (f"+{given}", None))
