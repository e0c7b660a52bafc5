"""One exception class per refusal of the contract's catalogue that the core can raise.

A class knows its code and nothing else: status and texts are in the contract.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Connection


class Refusal(Exception):
    """A declared refusal. `code` is the catalogue's; `fields` fill the text's placeholders.

    It undoes its transaction. What is to be known of it all the same, `trace` writes into one that follows.
    """

    code: str
    trace: Callable[[Connection], object] | None = None

    def __init__(self, **fields: str) -> None:
        super().__init__(self.code, fields)
        self.fields = fields


class ParametreInvalide(Refusal):
    """A parameter or field is missing, malformed, repeated or not declared."""

    code = "405"

    def __init__(self, parametre: str) -> None:
        super().__init__(parametre=parametre)


class UtilisateurInconnu(Refusal):
    """No card of the partner's clients answers to the given numeroCarte, walletId, clientId, membreId."""

    code = "412"


class AuthentificationInvalide(Refusal):
    """No credentials, or credentials that open nothing."""

    code = "2001"


class JetonExpire(Refusal):
    """A token that was good and is too old."""

    code = "2002"


class DroitInsuffisant(Refusal):
    """The partner or its token lacks the operation's scope."""

    code = "2003"


class AdresseRefusee(Refusal):
    """The partner may not call from this IP address."""

    code = "2004"


class PartenaireSuspendu(Refusal):
    """The partner, whose credentials are good, is suspended: no call of it opens anything."""

    code = "2005"


class BasicInterdit(Refusal):
    """The partner's pair opens no operation by Basic: it asks for a token with it."""

    code = "2010"


class ClientInvalide(Refusal):
    """The pair given for a token opens nothing."""

    code = "2101"


class PorteeInvalide(Refusal):
    """A scope was asked that the partner has not."""

    code = "2103"


class SecretInconnu(Refusal):
    """The partner has no secret of this name."""

    code = "2104"


class RotationEnCours(Refusal):
    """Two secrets of the partner are good already."""

    code = "2105"


class DernierSecret(Refusal):
    """It is the one secret of the partner that is good."""

    code = "2106"


class CodeRetraitInvalide(Refusal):
    """The code of withdrawal is unknown, used already or too old: which of them is not told."""

    code = "2108"


class CarteExpiree(Refusal):
    """The card's last day of validity is past."""

    code = "3001"


class CarteEnOpposition(Refusal):
    """The card is blocked."""

    code = "3002"


class CarteAnnulee(Refusal):
    """The card is cancelled."""

    code = "3003"


class CarteNonActivee(Refusal):
    """The card was issued and is not activated yet."""

    code = "3004"


class ClientSuspendu(Refusal):
    """The card's client is suspended: its cards move nothing, and are not valid."""

    code = "3005"


class TransitionInterdite(Refusal):
    """The card cannot pass from its state to that one, as `more_info` tells."""

    code = "3006"

    def __init__(self, more_info: str) -> None:
        super().__init__()
        self.more_info = more_info


class OppositionDefinitive(Refusal):
    """The card is not blocked, or not for a time, or not by this partner."""

    code = "3007"


class NumeroCarteIndisponible(Refusal):
    """The card number is taken by a card, or by a demande that waits."""

    code = "3008"


class RemplacementEnCours(Refusal):
    """The card has a replacement that waits to be validated or to be activated."""

    code = "3009"


class SoldeInsuffisant(Refusal):
    """The debit is larger than the solde."""

    code = "4001"


class ReferenceDejaUtilisee(Refusal):
    """The partner used this reference for an operation of other content."""

    code = "4002"


class SoldeMaximalDepasse(Refusal):
    """The credit would bring the solde above the maximum."""

    code = "4003"


class TransfertHorsReseau(Refusal):
    """The two cards are neither of one client nor of clients of one reseau."""

    code = "4004"


class ReferenceCloturee(Refusal):
    """The partner closed this reference: nothing will ever be executed under it."""

    code = "4005"


class OperationInconnue(Refusal):
    """The partner has no operation of this reference or number."""

    code = "4006"


class OperationEnCours(Refusal):
    """An operation of this reference is being executed at this instant."""

    code = "4007"


class OperationDejaAnnulee(Refusal):
    """The operation was reversed already."""

    code = "4008"


class DelaiAnnulationDepasse(Refusal):
    """The operation is older than the window in which it may be reversed."""

    code = "4009"


class OperationNonAnnulable(Refusal):
    """Only a credit or a debit can be reversed."""

    code = "4010"


class PlafondDepasse(Refusal):
    """A limit of the card or of the partner would be passed; `reste` says what is left."""

    code = "4011"

    def __init__(self, reste: str, more_info: str) -> None:
        super().__init__(reste=reste)
        self.more_info = more_info


class CarteEnService(Refusal):
    """The card is neither blocked nor cancelled: its balance leaves by what its holder does."""

    code = "4014"


class ServiceIndisponible(Refusal):
    """The database cannot be used now; nothing is known to have changed."""

    code = "5001"


class AgentInconnu(Refusal):
    """The person is no agent, or is suspended."""

    code = "2007"


class AuthentificationInsuffisante(Refusal):
    """The person authenticated too long ago, or too weakly, for what the rule calls `forte`."""

    code = "2008"


class ValidationReserveeAuxPersonnes(Refusal):
    """A machine or the program itself never validates."""

    code = "2009"


class DemandeInconnue(Refusal):
    """No demande has this id or reference, as far as the person sees."""

    code = "6001"


class DemandeDejaTraitee(Refusal):
    """The demande has one of its final statuts already; `statut` names it."""

    code = "6002"


class AutoValidationInterdite(Refusal):
    """Who entered a demande, or agreed to it, does not agree to it again."""

    code = "6003"


class DemandeExpiree(Refusal):
    """The demande waited longer than it may."""

    code = "6004"


class ContenuNonConfirme(Refusal):
    """The validator approves another content than the demande's."""

    code = "6005"


class VersionPerimee(Refusal):
    """The object was changed since it was seen."""

    code = "6006"


class ObjetInconnu(Refusal):
    """There is no such object, as far as the person sees; `objet` says of what kind."""

    code = "6007"


class ObjetExistant(Refusal):
    """There is such an object already; `objet` says of what kind."""

    code = "6008"


class EtatInterdit(Refusal):
    """The object's `statut` does not allow it."""

    code = "6009"


class ObjetUtilise(Refusal):
    """The object is still used; `par` says by what."""

    code = "6010"


class RegleIntouchable(Refusal):
    """The rule would ask less than it must."""

    code = "6011"


class DemandeConcurrente(Refusal):
    """A demande of this type is pending for the object already."""

    code = "6012"


class DernierValideur(Refusal):
    """Without this person nobody could validate a change of rights."""

    code = "6013"


class AdressesInvalides(Refusal):
    """A list of addresses that is applied is empty, or one of its networks is too wide."""

    code = "6015"
