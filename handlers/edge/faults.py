"""What is wrong with a request, place by place: the words of it.

A place names what the contract declares, or a name that the caller made up, made fit to be shown. It never
holds a value that was sent.
"""

from __future__ import annotations

from typing import NamedTuple

MAX_FAULTS = 20
"""Places that one refusal tells: the first ones. Nothing is looked for beyond them."""

PARAMETRE, CORPS, ENTETE = "PARAMETRE", "CORPS", "ENTETE"
"""Where a place is: a parameter of the address, the body (JSON or form), a header."""

WHOLE = "corps"
"""The place that is the whole body."""


class Fault(NamedTuple):
    """A place of the request, and the code that says what is wrong there."""

    dans: str
    emplacement: str
    code: str
