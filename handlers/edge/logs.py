"""Structured logs: JSON lines, or readable ones on a terminal, with everything secret scrubbed."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable
from typing import Any, TextIO, cast

import orjson
import structlog

from handlers.settings import Settings
from models.base import mask

# One digit, however it is written: of any script, percent-encoded, encoded again.
_DIGIT = r"(?>%(?:25)*3[0-9]|\d)"
# What people and programs put between the digits of one number, as it is, percent-encoded, or as Python
# shows it: no letter, and nothing that parts one value from the next (a comma, a colon, a quote, a line).
_ASCII_SIGNS = re.escape(" \t.-/\\+_*~|")
_SIGN = (
    rf"[{_ASCII_SIGNS}\u00a0\u00ad\u00b7\u1680\u2000-\u2015\u2022\u202f\u205f-\u2064\u2212"
    r"\u3000\ufeff\uff0b\uff0d-\uff0f]"
)
_HIDDEN_SIGN = (
    r"%(?:25)*+(?:[0-289A-Fa-f][0-9A-Fa-f]|5[CFcf]|7[CEce])|\\(?:t|x[0-9a-f]{2}|u[0-9a-f]{4})"
)
_GAP = rf"(?>{_HIDDEN_SIGN}|{_SIGN}){{0,3}}+"
# In a path, which is one text of the caller, whatever is no letter and no digit is a gap.
_HIDDEN_IN_PATH = rf"{_HIDDEN_SIGN}|%(?:25)*+3[A-Fa-f]"
_PATH_GAP = rf"(?>{_HIDDEN_IN_PATH}|[^\w]|_){{0,3}}+"

# Moments and addresses have as many digits as a card. They stay, unless more digits follow.
_DAY = r"(?:(?:19|20)\d\d-[01]\d-[0-3]\d|[0-3]\d[-/][01]\d[-/](?:19|20)\d\d)"
_MOMENT = rf"{_DAY}(?:[T ][0-2]\d:[0-5]\d(?::[0-5]\d(?:[.,]\d{{1,9}})?)?(?:[+-][0-2]\d:?[0-5]\d)?)?"
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS = rf"{_BYTE}(?:\.{_BYTE}){{3}}"
# A UUID, and a request id of ours, which has a letter: 32 digits are card numbers side by side. Both stay
# whole, whatever digits chance gave them.
_IDENTIFIER = (
    r"(?<![0-9A-Za-z])(?:(?=[0-9]*[a-f])[0-9a-f]{32}"
    r"|[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12})(?![0-9A-Za-z])"
)


def _numbers(gap: str) -> re.Pattern[str]:
    """Finds what must stay, and as group 1 what has the digits of a card number or more."""
    known = rf"(?:{_MOMENT}|{_ADDRESS})"
    several = rf"(?<!\d){known}(?:[ /,;]{{1,2}}{known})*(?!{gap}{_DIGIT})"
    return re.compile(rf"{_IDENTIFIER}|{several}|({_DIGIT}(?:{gap}{_DIGIT}){{11,}})")


_CARD = _numbers(_GAP)
_CARD_IN_PATH = _numbers(_PATH_GAP)
_DIGITS = re.compile(rf"({_DIGIT})|{_HIDDEN_IN_PATH}")
_WHOLE_CARDS = re.compile(r"\d{12,}(?:[^\w%\\]+\d{12,})+")
_CREDENTIALS = re.compile(r"(?i)\b(bearer|basic)(\s+)[A-Za-z0-9._~+/=-]{6,}")
_NAMED_SECRET = re.compile(
    r"(?i)(client_secret|access_token|consumer_secret|password)([\"']?\s*[=:]\s*[\"']?)[^\s\"'&,}]+"
)
_URL_PASSWORD = re.compile(r"(://[^:/@\s\"]*:)[^\s\"]+@")

# What every text that the four above change holds: nearly all texts of the log hold none of it, and
# to look for these costs a thirtieth. Digits are those of a whole card, words are in small letters.
# A look ahead tells at once of most digits that they begin no number.
_LONG_NUMBER = re.compile(
    rf"[0-9](?=[0-9{_ASCII_SIGNS}]{{11}})(?:[{_ASCII_SIGNS}]{{0,3}}+[0-9]){{11}}"
)
_TRACES = ("bearer", "basic", "_secret", "_token", "password", "://", "%", "\\")


def _is_harmless(text: str) -> bool:
    # Outside ASCII there are letters that only the expressions know for another form of an s or a k.
    if not text.isascii() or _LONG_NUMBER.search(text):
        return False
    lower = text.lower()
    for trace in _TRACES:  # noqa: SIM110 - any() makes a generator, for each text of each line
        if trace in lower:
            return False
    return True


def scrub(text: str) -> str:
    """The text with card numbers as first six and last four digits, and without secrets."""
    if _is_harmless(text):
        return text
    # Secrets first: digits masked inside one would leave its other half readable.
    text = _CREDENTIALS.sub(r"\1\2***", text)
    text = _NAMED_SECRET.sub(r"\1\2***", text)
    text = _URL_PASSWORD.sub(r"\1***@", text)
    return _CARD.sub(_mask, text)


_NOT_PRINTABLE = re.compile(r"[^ -~]")


def plain_text(text: str, length: int) -> str:
    """A text sent by a caller, made fit for a log: printable ASCII, without secrets, so long at most."""
    # What the limit would cut is masked first.
    return _NOT_PRINTABLE.sub("?", scrub(text[: 10 * length]))[:length]


def plain_path(path: str) -> str:
    """A path sent by the caller, made fit for a log: short, printable ASCII, no card number."""
    return plain_text(_CARD_IN_PATH.sub(_mask, path[:1000]), 100)


def _mask(found: re.Match[str]) -> str:
    number = found[1]
    if number is None:
        return found[0]
    if _WHOLE_CARDS.fullmatch(number):
        return re.sub(r"\d+", _mask_digits, number)
    return _masked(_DIGITS.findall(number))


def _mask_digits(found: re.Match[str]) -> str:
    return _masked(list(found[0]))


def _masked(digits: list[str]) -> str:
    # Of an encoded digit the last sign is the digit; one of another script has the same value.
    plain = "".join(str(int(digit[-1])) for digit in digits if digit)
    return mask(plain)


def _scrub_values(_logger: Any, _name: str, event: Any) -> Any:
    """Scrub before JSON escapes: it makes of a line break a letter, which hides what follows."""
    return {
        name: scrub(value) if isinstance(value, str) else value for name, value in event.items()
    }


class _Renderer:
    """Renders an event, scrubbed before and after: but a whole line that is harmless is made of
    harmless values, for no escape parts the digits of a number or the letters of a word."""

    def __init__(self, render: Callable[[Any, str, Any], Any]) -> None:
        self._render = render

    def __call__(self, logger: Any, name: str, event: Any) -> str:
        rendered: str = self._render(logger, name, dict(event))
        if _is_harmless(rendered):
            return rendered
        return scrub(self._render(logger, name, _scrub_values(logger, name, event)))


def _json(event: dict[str, Any], **_options: Any) -> str:
    return orjson.dumps(event, default=str).decode()


class _Stderr:
    """The process's stderr, whatever it is at the moment of writing.

    A log that cannot be written (a full disk, a reader that went away) is lost: it must not turn the
    answer of a payment that is done into an error.
    """

    def write(self, text: str) -> None:
        try:
            sys.stderr.write(text)
        except (OSError, ValueError):
            return

    def flush(self) -> None:
        try:
            sys.stderr.flush()
        except (OSError, ValueError):
            return


def configure_logs(settings: Settings) -> None:
    """Send every log of the process, ours and the libraries', to stderr through the scrubber."""
    as_json = settings.log_format == "json" or (
        settings.log_format == "auto" and not sys.stderr.isatty()
    )
    level = getattr(logging, settings.log_level.upper())
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(serializer=_json)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, _Renderer(renderer)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        # One write of a whole line; a PrintLogger writes the end of the line by itself.
        logger_factory=structlog.WriteLoggerFactory(cast("TextIO", _Stderr())),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        _ScrubbingFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name, *shared, _scrub_values],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(level, logging.WARNING))
    # Server life-cycle messages are ours to tell; only its faults are passed on.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)


class _ScrubbingFormatter(structlog.stdlib.ProcessorFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return scrub(super().format(record))
