"""The forms of one telephone number, of which the API finds its holder by the stored one only."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import phonenumbers

REGION = "SN"
"""Where a number without a country code is from, unless told: CYNOD's cards are Senegal's."""

REGIONS = frozenset(phonenumbers.SUPPORTED_REGIONS)

MONTRES = 20
"""Deviations that are kept to be shown; the others are counted."""

EXAMINES = 10_000
"""Deviations after which no more are looked for: to read a number takes as long as to import it."""


class Ecart(NamedTuple):
    """A number that is written in another form than the suggested one: the line of the file."""

    ligne: int
    donne: str
    forme: str


class Telephones:
    """Reads the numbers of a file. The suggested form is the country code and digits: 221771234567."""

    def __init__(self, region: str = REGION, *, normalise: bool = False) -> None:
        self._region = region
        self._normalise = normalise
        self._code = str(phonenumbers.country_code_for_region(region))
        self._longueur = len(self._code) + 9 if region == REGION else 0
        self.ecarts: list[Ecart] = []
        self.nombre = 0

    def read(self, donne: str) -> str:
        """The form to store: the suggested one when that is wanted, else as given."""
        return self.suggest(donne) or donne if self._normalise else donne

    def note(self, ligne: int, donne: str) -> None:
        """Keep a deviation from the suggested form. Numbers that nobody can read are left alone."""
        if self.nombre >= EXAMINES or self._is_usual(donne):
            return
        forme = self.suggest(donne)
        if forme is not None and forme != donne:
            self.nombre += 1
            if len(self.ecarts) < MONTRES:
                self.ecarts.append(Ecart(ligne, donne, forme))

    def suggest(self, donne: str) -> str | None:
        """The suggested form, None when it is no number that exists."""
        return _read(donne, self._region)

    def _is_usual(self, donne: str) -> bool:
        """Whether it is the home country's in the suggested form: nearly all are, and need no library."""
        return len(donne) == self._longueur and donne.isdecimal() and donne.startswith(self._code)


@lru_cache(maxsize=8192)
def _read(donne: str, region: str) -> str | None:
    for text, home in _readings(donne, region):
        try:
            number = phonenumbers.parse(text, home)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            return phonenumbers.format_number(
                number, phonenumbers.PhoneNumberFormat.E164
            ).removeprefix("+")
    return None


def _readings(donne: str, region: str) -> tuple[tuple[str, str | None], ...]:
    """As what it may be read: the home country's way first, then with a country code of its own."""
    if donne.startswith("+"):
        return ((donne, None),)
    if donne.startswith("00"):
        return ((f"+{donne[2:]}", None), (donne, region))
    return ((donne, region), (f"+{donne}", None))
