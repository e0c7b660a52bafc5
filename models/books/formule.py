"""What a spreadsheet would run instead of showing it: of an export of the journal, and of any table."""

from __future__ import annotations

import re

# A spreadsheet runs what begins so, in its full width too; white space before it may be dropped.
_FORMULA = re.compile(r"\s*[=+@\-\uff0b\uff0d\uff1d\uff20]|[\t\r\n]")


def escape_formula(text: str) -> str:
    """A text with an apostrophe before it when a spreadsheet would run it (OWASP, CSV injection)."""
    return f"'{text}" if _FORMULA.match(text) else text
