"""Mutants that may survive, by a part of their name, each with its reason."""

_UNGUESSED = (
    "one more optional field, of a name that no test can guess; each name that is tried is refused"
)
_OF_NO_AMOUNT = "null in each demande of a type that has no amount; of one that has, it is told"
_OF_NO_OBJECT = "null in each demande that creates its object; of what changes one, it is told"

REASONS: dict[str, str] = {
    "server: request: field added": _UNGUESSED,
    "server: check of the answer: field added": _UNGUESSED,
    "data.[].resultat.": (
        "a demande's resultat has one schema for all types; this field is of another type's"
    ),
    "data.[].montant: integer becomes string": _OF_NO_AMOUNT,
    "data.[].unite: string becomes integer": _OF_NO_AMOUNT,
    "data.[].objetId: string becomes integer": _OF_NO_OBJECT,
    "data.[].versionObjet: integer becomes string": _OF_NO_OBJECT,
    "server: made read only: cloturerReference": (
        "a reference is closed by one INSERT, which is whole without a transaction around it"
    ),
}
