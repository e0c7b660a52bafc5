"""The words for a change of the contract."""

from __future__ import annotations

from dataclasses import dataclass

BREAKING, ADDITIVE, TEXT = "breaking", "additive", "text"
IMPACTS = (BREAKING, ADDITIVE, TEXT)
"""From the gravest to none."""

SENT, RECEIVED, BOTH = "sent", "received", "both"


@dataclass(frozen=True, slots=True)
class Change:
    """One change: its impact, whom it reaches, where in the YAML, and the reason in words.

    `direction` is `sent` for what clients send, `received` for what they receive, or `both`.
    """

    impact: str
    direction: str
    where: str
    reason: str


def worst(changes: list[Change]) -> str | None:
    """The gravest impact, None without changes."""
    return next((impact for impact in IMPACTS if any(c.impact == impact for c in changes)), None)
