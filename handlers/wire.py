# Generated from openapi.yaml by `make contract`; do not edit.

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Never, NotRequired, Protocol, TypeAlias, TypedDict

NumeroCarte: TypeAlias = str


WalletId: TypeAlias = str


ClientId: TypeAlias = str


MembreId: TypeAlias = str


Curseur: TypeAlias = str


Reference: TypeAlias = str


NumeroOperation: TypeAlias = str


Montant: TypeAlias = int


SoldeOnline: TypeAlias = float


Unite: TypeAlias = str


Instant: TypeAlias = str


Jour: TypeAlias = str


JourOuVide: TypeAlias = str


RequestId: TypeAlias = str


VersionServie: TypeAlias = str


Vrai: TypeAlias = str


NonStocke: TypeAlias = str


SansCache: TypeAlias = str


class SoldeCarte(TypedDict):
    numeroCarte: NumeroCarte
    soldeOnline: SoldeOnline
    dateSolde: Instant
    unite: Unite


class ValiditeCarte(TypedDict):
    numeroCarte: NumeroCarte
    finValidite: Jour
    nom: str
    prenom: str
    email: str
    telephone: str
    numeroPiece: str
    dateNaissance: JourOuVide


class ValiditeCarteMembre(TypedDict):
    numeroCarte: NumeroCarte
    membreId: MembreId
    finValidite: Jour
    nom: str
    prenom: str
    email: str
    telephone: str
    numeroPiece: str
    dateNaissance: JourOuVide


class CarteListe(TypedDict):
    numeroCarte: NumeroCarte
    membreId: MembreId
    porteur: str
    statut: str
    finValidite: Jour
    soldeOnline: SoldeOnline
    unite: Unite


class Mouvement(TypedDict):
    reference: Reference
    numeroOperation: NumeroOperation
    type: str
    statut: str
    numeroCarte: NumeroCarte
    montant: Montant
    unite: Unite
    soldeOnline: SoldeOnline
    dateOperation: Instant


JourDemande: TypeAlias = str


TypeOperation: TypeAlias = Literal['CREDIT', 'DEBIT', 'TRANSFERT', 'ANNULATION', 'OUVERTURE']


TypeRapproche: TypeAlias = Literal['CREDIT', 'DEBIT', 'TRANSFERT', 'ANNULATION']


Motif: TypeAlias = str


MontantEcrit: TypeAlias = int


HistoriqueCsv: TypeAlias = str


class DemandeTransfert(TypedDict):
    numeroCarte: NumeroCarte
    walletId: WalletId
    clientId: ClientId
    numeroCarteDestination: NumeroCarte
    walletIdDestination: WalletId
    clientIdDestination: ClientId
    montant: Montant
    reference: Reference
    motif: NotRequired[Motif]


class DemandeCloture(TypedDict):
    reference: Reference


class DemandeAnnulation(TypedDict):
    referenceOrigine: Reference
    reference: Reference
    motif: NotRequired[Motif]


class LigneARapprocher(TypedDict):
    reference: Reference
    montant: Montant
    type: TypeRapproche


class DemandeRapprochement(TypedDict):
    jour: NotRequired[JourDemande]
    lignes: list[LigneARapprocher]


class Operation(TypedDict):
    reference: Reference
    numeroOperation: NumeroOperation
    type: str
    statut: str
    numeroCarte: NumeroCarte
    numeroCarteDestination: str | None
    montant: Montant
    unite: Unite
    soldeOnline: SoldeOnline
    dateOperation: Instant
    motif: str | None
    pointDeService: str | None
    terminal: str | None
    annulationDe: str | None
    annuleePar: str | None


class Cloture(TypedDict):
    reference: Reference
    etat: str
    numeroOperation: str | None
    date: Instant


class LigneRapprochee(TypedDict):
    reference: Reference
    resultat: str
    type: str | None
    montant: int | None
    typePartenaire: str | None
    montantPartenaire: int | None
    numeroOperation: str | None
    dateOperation: str | None


class PlafondRestant(TypedDict):
    type: str
    periode: str
    montantMaximal: int | None
    montantRestant: int | None
    nombreMaximal: int | None
    nombreRestant: int | None


class Droits(TypedDict):
    partenaire: str
    consumerKey: str
    scopes: list[str]
    clients: list[ClientId]
    finIdentifiants: str | None
    plafonds: list[PlafondRestant]


class DemandeJeton(TypedDict):
    grant_type: Literal['client_credentials']
    client_id: NotRequired[str]
    client_secret: NotRequired[str]
    scope: NotRequired[str]


class TexteBilingue(TypedDict):
    fr: str
    en: str


class OperationFacultative(TypedDict):
    operation: str
    activee: bool


class Conformite(TypedDict):
    version: str
    empreinte: str
    dernierControle: Instant
    operationsFacultatives: list[OperationFacultative]


class Sante(TypedDict):
    statut: str


Succes: TypeAlias = Literal[True]


Echec: TypeAlias = Literal[False]


CodeSucces: TypeAlias = int


CodeErreur: TypeAlias = str


Message: TypeAlias = str


class Refus(TypedDict):
    success: Echec
    code: CodeErreur
    message: Message
    debugMessage: str | None
    moreInfo: str | None


class RefusJeton(TypedDict):
    error: str
    success: Echec
    code: CodeErreur
    message: Message
    debugMessage: str | None
    moreInfo: str | None


class ReponseSoldeCarte(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[SoldeCarte]


class ReponseValiditeCarte(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[ValiditeCarte]


class ReponseValiditeCarteMembre(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[ValiditeCarteMembre]


class ReponseListeCartes(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[CarteListe]
    curseurSuivant: str | None


class DemandeMouvement(TypedDict):
    numeroCarte: NumeroCarte
    walletId: WalletId
    clientId: ClientId
    montant: Montant
    reference: Reference
    motif: NotRequired[Motif]
    pointDeService: NotRequired[str]
    terminal: NotRequired[str]


class ReponseMouvement(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[Mouvement]


class LigneHistorique(TypedDict):
    numeroOperation: NumeroOperation
    reference: str | None
    type: str
    sens: str
    montant: MontantEcrit
    unite: Unite
    soldeOnline: SoldeOnline
    dateOperation: Instant
    motif: str | None
    pointDeService: str | None
    terminal: str | None


class ReponseHistorique(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[LigneHistorique]
    curseurSuivant: str | None


class ReponseOperation(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[Operation]


class ReponseCloture(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[Cloture]


class ReponseRapprochement(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[LigneRapprochee]
    absentes: int


class ReponseDroits(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[Droits]


class Jeton(TypedDict):
    access_token: str
    token_type: str
    expires_in: int
    scope: str
    success: Succes
    code: CodeSucces
    message: Message


class CodeErreurCatalogue(TypedDict):
    code: CodeErreur
    nom: str
    statutHttp: int
    message: TexteBilingue
    conseil: TexteBilingue
    reessayer: bool


class ReponseCodesErreur(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[CodeErreurCatalogue]


class ReponseConformite(TypedDict):
    success: Succes
    code: CodeSucces
    message: Message
    data: list[Conformite]


CONTRACT_SHA256 = "b707e9f510d2e1a8833034d1d2f9b4d09e860e800ac94757d34476c3967e38cb"


class JetonBeside(TypedDict):
    access_token: str
    token_type: str
    expires_in: int
    scope: str


class ReponseHistoriqueBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeCartesBeside(TypedDict):
    curseurSuivant: str | None


class ReponseRapprochementBeside(TypedDict):
    absentes: int


# One signature per operation and media type: the contract's arguments, then what the wrapper offers
# by keyword, and the success that the contract declares.

if TYPE_CHECKING:
    from handlers import authentification, cartes, catalogue, mouvements, operations, sante
    from handlers.views import Answer, TableAnswer

    class GetSoldeCarte(Protocol):
        def __call__(
            self,
            numero_carte: NumeroCarte,
            wallet_id: WalletId,
            client_id: ClientId,
            *more: Any,
            **injected: Any,
        ) -> Answer[SoldeCarte]: ...

    _get_solde_carte: GetSoldeCarte = cartes.get_solde_carte

    class CheckCardValidity(Protocol):
        def __call__(
            self,
            numero_carte: NumeroCarte,
            wallet_id: WalletId,
            client_id: ClientId,
            *more: Any,
            **injected: Any,
        ) -> Answer[ValiditeCarte]: ...

    _check_card_validity: CheckCardValidity = cartes.check_card_validity

    class CheckCardValidityByMember(Protocol):
        def __call__(
            self,
            numero_carte: NumeroCarte,
            membre_id: MembreId,
            client_id: ClientId,
            *more: Any,
            **injected: Any,
        ) -> Answer[ValiditeCarteMembre]: ...

    _check_card_validity_by_member: CheckCardValidityByMember = cartes.check_card_validity_by_member

    class GetListeCartes(Protocol):
        def __call__(
            self,
            client_id: ClientId,
            wallet_id: WalletId | None,
            membre_id: MembreId | None,
            limite: int,
            curseur: Curseur | None,
            *more: Any,
            **injected: Any,
        ) -> Answer[CarteListe, ReponseListeCartesBeside]: ...

    _get_liste_cartes: GetListeCartes = cartes.get_liste_cartes

    class GetHistoriqueCarte(Protocol):
        def __call__(
            self,
            numero_carte: NumeroCarte,
            wallet_id: WalletId,
            client_id: ClientId,
            date_debut: JourDemande | None,
            date_fin: JourDemande | None,
            type: TypeOperation | None,
            limite: int | None,
            curseur: Curseur | None,
            *more: Any,
            **injected: Any,
        ) -> Answer[LigneHistorique, ReponseHistoriqueBeside]: ...

    _get_historique_carte: GetHistoriqueCarte = cartes.get_historique_carte

    class GetHistoriqueCarteCsv(Protocol):
        def __call__(
            self,
            numero_carte: NumeroCarte,
            wallet_id: WalletId,
            client_id: ClientId,
            date_debut: JourDemande | None,
            date_fin: JourDemande | None,
            type: TypeOperation | None,
            limite: int | None,
            curseur: Curseur | None,
            *more: Any,
            **injected: Any,
        ) -> TableAnswer: ...

    _get_historique_carte_csv: GetHistoriqueCarteCsv = cartes.get_historique_carte_csv

    class CreditCarte(Protocol):
        def __call__(
            self,
            corps: DemandeMouvement,
            *more: Any,
            **injected: Any,
        ) -> Answer[Mouvement]: ...

    _credit_carte: CreditCarte = mouvements.credit_carte

    class DebitCarte(Protocol):
        def __call__(
            self,
            corps: DemandeMouvement,
            *more: Any,
            **injected: Any,
        ) -> Answer[Mouvement]: ...

    _debit_carte: DebitCarte = mouvements.debit_carte

    class TransfererSolde(Protocol):
        def __call__(
            self,
            corps: DemandeTransfert,
            *more: Any,
            **injected: Any,
        ) -> Answer[Operation]: ...

    _transferer_solde: TransfererSolde = mouvements.transferer_solde

    class GetOperation(Protocol):
        def __call__(
            self,
            reference: Reference | None,
            numero_operation: NumeroOperation | None,
            *more: Any,
            **injected: Any,
        ) -> Answer[Operation]: ...

    _get_operation: GetOperation = operations.get_operation

    class CloturerReference(Protocol):
        def __call__(
            self,
            corps: DemandeCloture,
            *more: Any,
            **injected: Any,
        ) -> Answer[Cloture]: ...

    _cloturer_reference: CloturerReference = operations.cloturer_reference

    class AnnulerOperation(Protocol):
        def __call__(
            self,
            corps: DemandeAnnulation,
            *more: Any,
            **injected: Any,
        ) -> Answer[Operation]: ...

    _annuler_operation: AnnulerOperation = operations.annuler_operation

    class VerifierReferences(Protocol):
        def __call__(
            self,
            corps: DemandeRapprochement,
            *more: Any,
            **injected: Any,
        ) -> Answer[LigneRapprochee, ReponseRapprochementBeside]: ...

    _verifier_references: VerifierReferences = operations.verifier_references

    class AccessToken(Protocol):
        def __call__(
            self,
            corps: DemandeJeton,
            *more: Any,
            **injected: Any,
        ) -> Answer[Never, JetonBeside]: ...

    _access_token: AccessToken = authentification.access_token

    class MesDroits(Protocol):
        def __call__(
            self,
            *more: Any,
            **injected: Any,
        ) -> Answer[Droits]: ...

    _mes_droits: MesDroits = authentification.mes_droits

    class GetCodesErreur(Protocol):
        def __call__(
            self,
            *more: Any,
            **injected: Any,
        ) -> Answer[CodeErreurCatalogue]: ...

    _get_codes_erreur: GetCodesErreur = catalogue.get_codes_erreur

    class GetConformite(Protocol):
        def __call__(
            self,
            *more: Any,
            **injected: Any,
        ) -> Answer[Conformite]: ...

    _get_conformite: GetConformite = catalogue.get_conformite

    class HealthLive(Protocol):
        def __call__(
            self,
            *more: Any,
            **injected: Any,
        ) -> Answer[Never, Sante]: ...

    _health_live: HealthLive = sante.health_live

    class HealthReady(Protocol):
        def __call__(
            self,
            *more: Any,
            **injected: Any,
        ) -> Answer[Never, Sante]: ...

    _health_ready: HealthReady = sante.health_ready
