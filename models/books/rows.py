"""The CSV file of an import: what it is made of, its header, the cells of each of its rows.

A line of the file is one record, because no field may hold a line break. So a quote that is never
closed spoils its own line only, and a fault is always named by its physical line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple, Protocol

COLUMNS = (
    "clientId",
    "clientNom",
    "membreId",
    "nom",
    "prenom",
    "email",
    "telephone",
    "numeroPiece",
    "dateNaissance",
    "numeroCarte",
    "finValidite",
    "statut",
    "solde",
)
"""The header, exactly and in this order."""


class Source(Protocol):
    """What a file is read from."""

    def readline(self, limit: int, /) -> bytes:
        """The next line, or so many bytes of it; empty at the end."""
        ...


LIGNE_MAXIMALE = 16_384
"""Longest line in bytes: longer than any row whose fields have their greatest length."""

SEPARATORS = (",", ";", "\t")
"""The header says which one; where the comma marks decimals, spreadsheets write the second."""

_BOM = b"\xef\xbb\xbf"

_OTHER_KINDS = (
    (b"\x1f\x8b", "it is compressed by gzip; decompress it first: gunzip"),
    (b"BZh", "it is compressed by bzip2; decompress it first: bunzip2"),
    (b"\xfd7zXZ", "it is compressed by xz; decompress it first: unxz"),
    (b"\x28\xb5\x2f\xfd", "it is compressed by zstd; decompress it first: unzstd"),
    (b"PK\x03\x04", "it is a workbook or a ZIP archive; save the sheet as CSV UTF-8"),
    (b"\xd0\xcf\x11\xe0", "it is a workbook; save the sheet as CSV UTF-8"),
    (b"\xff\xfe", "it is UTF-16; save it as UTF-8"),
    (b"\xfe\xff", "it is UTF-16; save it as UTF-8"),
)
"""What files begin with that are often taken for CSV."""

UNTERMINATED = (
    "the last row does not end with a line break: the file may have been cut off, or is still being"
    " written; --last-row-unterminated takes the row as it is"
)


class ImportationRefusee(Exception):
    """A row, or the file, cannot be imported: physical line, column ("" for the whole line), why.

    `fautes` are the first bad rows, `nombre` counts all.
    """

    def __init__(self, ligne: int, colonne: str, motif: str) -> None:
        super().__init__(describe_fault(ligne, colonne, motif))
        self.ligne = ligne
        self.colonne = colonne
        self.motif = motif
        self.faults = [Rejected([], ligne, colonne, motif)]
        self.nombre = 1

    @classmethod
    def of_rows(cls, faults: list[Rejected], nombre: int) -> ImportationRefusee:
        """The refusal of a file with several bad rows, named by the first."""
        refusal = cls(*faults[0][1:])
        refusal.faults = faults
        refusal.nombre = nombre
        return refusal


class Rejected(NamedTuple):
    """A row left out: its cells as read (the whole line in one when it has no 13 cells), and why."""

    cellules: list[str]
    ligne: int
    colonne: str
    motif: str


class Ligne(NamedTuple):
    """A row of 13 cells, not yet judged."""

    cellules: list[str]
    ligne: int


class BadRow(Exception):
    """Why a row is refused, before its line is known."""

    def __init__(self, colonne: str, motif: str, cellules: list[str] | None = None) -> None:
        super().__init__(colonne, motif)
        self.colonne = colonne
        self.motif = motif
        self.cellules = cellules


def describe_fault(ligne: int, colonne: str, motif: str) -> str:
    """`line 3, column solde: it must be ….`"""
    line = f"line {ligne}" if ligne else "as a whole"
    where = f"{line}, column {colonne}" if colonne else line
    return f"{where}: {motif}."


def read_rows(
    source: Source, *, last_row_unterminated: bool = False
) -> Iterator[tuple[Ligne | Rejected, int]]:
    """The rows in the file's order, blank ones left out, each with the bytes read so far.

    Raises ImportationRefusee when the file has not the header, and says what it seems to be.
    """
    separator = ""
    position = 0
    for ligne, size, raw, ended in _read_lines(source):
        position += size
        if ligne == 1:
            separator = _find_separator(raw)
        elif not _is_blank(raw, separator):
            try:
                if not ended and not last_row_unterminated:
                    raise BadRow("", UNTERMINATED)
                yield Ligne(_split(raw, separator), ligne), position
            except BadRow as bad:
                yield Rejected([_show(raw)], ligne, bad.colonne, bad.motif), position
    if position == 0:
        raise ImportationRefusee(1, "", "the file is empty; its first line must be the header")


def _read_lines(source: Source) -> Iterator[tuple[int, int, bytes, bool]]:
    """Number, size and content of each line, the content of one too long cut; whether it is ended."""
    ligne = 0
    while raw := source.readline(LIGNE_MAXIMALE + 2):
        ligne += 1
        size = len(raw)
        last = raw
        while not last.endswith(b"\n") and len(last) == LIGNE_MAXIMALE + 2:
            last = source.readline(LIGNE_MAXIMALE + 2)
            size += len(last)
        ended = last.endswith(b"\n")
        yield ligne, size, raw.removesuffix(b"\n").removesuffix(b"\r"), ended


def _show(raw: bytes) -> str:
    return raw[:LIGNE_MAXIMALE].decode("utf-8", "backslashreplace")


# ── the header ───────────────────────────────────────────────────────────────────────────────────


def _find_separator(raw: bytes) -> str:
    """The separator of the header. Raises ImportationRefusee when it is not the header."""
    for beginning, motif in _OTHER_KINDS:
        if raw.startswith(beginning):
            raise ImportationRefusee(1, "", motif)
    if b"\x00" in raw:
        raise ImportationRefusee(1, "", "it is UTF-16 or no text at all; save it as UTF-8")
    if b"\r" in raw:
        raise ImportationRefusee(
            1, "", "its lines end with CR alone, as on old Macs; save it with LF or CR LF"
        )
    text = raw.removeprefix(_BOM)[:LIGNE_MAXIMALE].decode("utf-8", "replace")
    separator = max(SEPARATORS, key=text.count)
    cells = _split_header(text, separator)
    if cells != list(COLUMNS):
        raise _refuse_header(cells, separator)
    return separator


def _split_header(text: str, separator: str) -> list[str]:
    try:
        cells = _split_quoted(text, separator)
    except BadRow:
        cells = text.split(separator)
    return [cell.strip() for cell in cells]


def _refuse_header(cells: list[str], separator: str) -> ImportationRefusee:
    expected = f"the header must be exactly {','.join(COLUMNS)}"
    if len(cells) == 1 and "|" in cells[0]:
        return ImportationRefusee(1, "", f"{expected}; this one is separated by |")
    for column, cell in zip(COLUMNS, cells, strict=False):
        if cell != column:
            # It may be a row of a file without a header: no number of a card in full.
            found = _LONG_NUMBER.sub("…", cell)[:40]
            return ImportationRefusee(1, column, f"{expected}; found {found!r} there")
    by = "" if separator == "," else f", separated by {_NAMES[separator]}"
    found = f"{len(cells)} columns{by} instead of {len(COLUMNS)}"
    return ImportationRefusee(1, "", f"{expected}; found {found}")


_LONG_NUMBER = re.compile(r"[0-9]{10,}")
_NAMES = {",": "commas", ";": ";", "\t": "tabs"}


# ── the rows ─────────────────────────────────────────────────────────────────────────────────────


def _is_blank(raw: bytes, separator: str) -> bool:
    """Whether no cell holds anything: a spreadsheet saves its empty rows as bare separators."""
    blanks = _BLANKS[separator]
    rest = raw.lstrip(blanks)
    return not rest or (
        rest.startswith(_NO_BREAK) and not rest.replace(_NO_BREAK, b"").strip(blanks)
    )


_BLANKS = {separator: f' \t"{separator}'.encode("ascii") for separator in SEPARATORS}
_NO_BREAK = "\u00a0".encode()


def _split(raw: bytes, separator: str) -> list[str]:
    if len(raw) > LIGNE_MAXIMALE:
        raise BadRow("", f"the line is longer than {LIGNE_MAXIMALE} bytes")
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode("utf-8")
        raise BadRow(column_at(before.count(separator)), "this is not UTF-8 text") from None
    cells = _split_quoted(line, separator) if '"' in line else line.split(separator)
    if len(cells) != len(COLUMNS):
        raise BadRow("", _describe_columns(line, len(cells)))
    return cells


def _describe_columns(line: str, found: int) -> str:
    other = next((one for one in SEPARATORS if line.count(one) == len(COLUMNS) - 1), None)
    columns = f"{found} {'column' if found == 1 else 'columns'} instead of {len(COLUMNS)}"
    return columns if other is None else f"{columns}; this row is separated by {_NAMES[other]}"


_CELLS = {
    separator: re.compile(rf'(?:"((?:[^"]|"")*)"|([^"{separator}]*))({separator}|$)')
    for separator in SEPARATORS
}


def _split_quoted(line: str, separator: str) -> list[str]:
    pattern = _CELLS[separator]
    cells: list[str] = []
    at = 0
    while True:
        found = pattern.match(line, at)
        if found is None:
            raise BadRow(
                column_at(len(cells)),
                "a quote is not closed, or stands inside a field; write a field that holds one"
                ' as "a ""b"" c"',
            )
        quoted, plain, end = found.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        at = found.end()
        if not end:
            return cells


def column_at(position: int) -> str:
    """The name of the column, the last one for whatever comes after it."""
    return COLUMNS[min(position, len(COLUMNS) - 1)]
