"""Mutants that may survive, by a part of their name, each with its reason."""

_UNGUESSED = (
    "one more optional field, of a name that no test can guess; each name that is tried is refused"
)

REASONS: dict[str, str] = {
    "server: request: field added": _UNGUESSED,
    "server: check of the answer: field added": _UNGUESSED,
    "server: made read only: cloturerReference": (
        "a reference is closed by one INSERT, which is whole without a transaction around it"
    ),
}
