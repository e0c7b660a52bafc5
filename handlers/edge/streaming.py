"""Answers that are sent while they are read: tables, as CSV (RFC 4180)."""

from __future__ import annotations

import csv
import io
from typing import Any

import orjson

from models.books.formule import escape_formula


class OffContract(Exception):
    """An answer or a refusal that the contract does not declare: a fault of ours, never sent."""


def csv_lines(rows: list[list[Any]]) -> bytes:
    """Rows as CSV lines (RFC 4180) in UTF-8; None is empty.

    A text that a spreadsheet would run has an apostrophe before it, for texts are other people's; numbers
    stay what they are (OWASP, CSV injection). What is no text and no number is JSON.
    """
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(
        [
            escape_formula(cell)
            if isinstance(cell, str)
            else orjson.dumps(cell).decode()
            if isinstance(cell, dict | list | bool)
            else cell
            for cell in row
        ]
        for row in rows
    )
    return written.getvalue().encode()
