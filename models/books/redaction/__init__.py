"""How an exported journal is written: one module for each program that is to read it.

Each has a Redaction (`base.py`), made of pure functions from values to text; it reads no database. What
partners and clients wrote comes out as text only, whatever it holds: it ends no line, opens no tag, and
can be had back unchanged.
"""

from __future__ import annotations

from collections.abc import Callable

from models.books.redaction.base import Redaction
from models.books.redaction.beancount import Beancount
from models.books.redaction.hledger import Hledger
from models.books.redaction.tableur import Csv

REDACTIONS: dict[str, Callable[..., Redaction]] = {
    "hledger": Hledger,
    "beancount": Beancount,
    "csv": Csv,
}
"""By the name of what reads them."""
