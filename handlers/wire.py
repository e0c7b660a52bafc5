# Generated from openapi.yaml by `make contract`; do not edit.

from __future__ import annotations

from typing import Literal, NotRequired, TypeAlias, TypedDict

NumeroCarte: TypeAlias = str


CarteId: TypeAlias = str


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
    carteId: CarteId
    membreId: MembreId
    porteur: str
    statut: str
    motifStatut: str | None
    finValidite: Jour
    soldeOnline: SoldeOnline
    unite: Unite
    expiree: bool
    utilisable: bool


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


TypeOperation: TypeAlias = Literal['CREDIT', 'DEBIT', 'TRANSFERT', 'ANNULATION', 'OUVERTURE', 'TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE']


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
    adresses: list[str]
    modeAdresses: str
    adresse: str
    secretsActifs: int


class DemandeJeton(TypedDict):
    grant_type: Literal['client_credentials']
    client_id: NotRequired[str]
    client_secret: NotRequired[str]
    scope: NotRequired[str]


SecretId: TypeAlias = str


class SecretDuPartenaire(TypedDict):
    secretId: SecretId
    fin4: str | None
    creeLe: Instant
    expireLe: str | None
    dernierUsage: str | None
    statut: str


class DemandeRenouvellement(TypedDict):
    delaiHeures: NotRequired[int]
    reference: Reference


class SecretRenouvele(TypedDict):
    reference: Reference
    secretId: SecretId
    consumerKey: str
    consumerSecret: str | None
    fin4: str
    creeLe: Instant
    secretRemplace: str | None
    finSecretRemplace: str | None


CodeRetrait: TypeAlias = str


class DemandeRetraitSecret(TypedDict):
    codeRetrait: CodeRetrait


class SecretRetire(TypedDict):
    consumerKey: str
    consumerSecret: str
    secretId: SecretId


class DemandeRevocationSecret(TypedDict):
    secretId: SecretId
    avecJetons: NotRequired[bool]
    reference: Reference


class SecretRevoque(TypedDict):
    reference: Reference
    secretId: SecretId
    statut: str
    revoqueLe: Instant
    jetonsRevoques: int


JetonPresente: TypeAlias = str


IndiceJeton: TypeAlias = str


class DemandeRevocationJeton(TypedDict):
    token: JetonPresente
    token_type_hint: NotRequired[IndiceJeton]
    client_id: NotRequired[str]
    client_secret: NotRequired[str]


class RevocationJeton(TypedDict):
    pass


class DemandeIntrospection(TypedDict):
    token: JetonPresente
    token_type_hint: NotRequired[IndiceJeton]


class EtatJeton(TypedDict):
    active: bool
    scope: NotRequired[str]
    client_id: NotRequired[str]
    exp: NotRequired[int]
    iat: NotRequired[int]
    token_type: NotRequired[str]


AdressePublique: TypeAlias = str


ModeDeClient: TypeAlias = str


DroitConnu: TypeAlias = str


MotifOpposition: TypeAlias = Literal['BLOCAGE_TEMPORAIRE', 'PERDUE', 'VOLEE']


class DemandeOpposition(TypedDict):
    numeroCarte: NumeroCarte
    walletId: WalletId
    clientId: ClientId
    motifOpposition: MotifOpposition
    reference: Reference


class DemandeLevee(TypedDict):
    numeroCarte: NumeroCarte
    walletId: WalletId
    clientId: ClientId
    reference: Reference


class Opposition(TypedDict):
    reference: Reference
    numeroCarte: NumeroCarte
    statut: str
    motifOpposition: str
    dateOpposition: Instant


class Levee(TypedDict):
    reference: Reference
    numeroCarte: NumeroCarte
    statut: str
    dateLevee: Instant


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


CodeSucces: TypeAlias = int


CodeErreur: TypeAlias = str


Message: TypeAlias = str


AdresseDuCode: TypeAlias = str


class ErreurLocalisee(TypedDict):
    dans: str
    emplacement: str
    code: CodeErreur
    message: str


class Refus(TypedDict):
    success: bool
    code: CodeErreur
    message: Message
    debugMessage: str | None
    moreInfo: str | None
    requestId: NotRequired[RequestId]
    documentation: NotRequired[AdresseDuCode]
    erreurs: NotRequired[list[ErreurLocalisee]]


class RefusJeton(TypedDict):
    error: str
    success: bool
    code: CodeErreur
    message: Message
    debugMessage: str | None
    moreInfo: str | None
    requestId: NotRequired[RequestId]
    documentation: NotRequired[AdresseDuCode]
    erreurs: NotRequired[list[ErreurLocalisee]]


class ReponseSoldeCarte(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[SoldeCarte]


class ReponseValiditeCarte(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[ValiditeCarte]


class ReponseValiditeCarteMembre(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[ValiditeCarteMembre]


class ReponseListeCartes(TypedDict):
    success: bool
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
    success: bool
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
    success: bool
    code: CodeSucces
    message: Message
    data: list[LigneHistorique]
    curseurSuivant: str | None


class ReponseOperation(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[Operation]


class ReponseCloture(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[Cloture]


class ReponseRapprochement(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[LigneRapprochee]
    absentes: int


class ReponseDroits(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[Droits]


class Jeton(TypedDict):
    access_token: str
    token_type: str
    expires_in: int
    scope: str
    success: bool
    code: CodeSucces
    message: Message


class ReponseMesSecrets(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[SecretDuPartenaire]


class ReponseRenouvellement(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[SecretRenouvele]


class ReponseRetraitSecret(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[SecretRetire]


class ReponseRevocationSecret(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[SecretRevoque]


ModesDeClient: TypeAlias = list[ModeDeClient]


DroitsConnus: TypeAlias = list[DroitConnu]


class MetadonneesRessource(TypedDict):
    resource: AdressePublique
    authorization_servers: list[AdressePublique]
    scopes_supported: DroitsConnus
    bearer_methods_supported: list[str]
    resource_name: str
    resource_documentation: AdressePublique


class ReponseOpposition(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[Opposition]


class ReponseLevee(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[Levee]


class CodeErreurCatalogue(TypedDict):
    code: CodeErreur
    nom: str
    statutHttp: int
    message: TexteBilingue
    conseil: TexteBilingue
    reessayer: bool


class ReponseCodesErreur(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[CodeErreurCatalogue]


class ReponseConformite(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[Conformite]


class MetadonneesOauth(TypedDict):
    issuer: AdressePublique
    token_endpoint: AdressePublique
    token_endpoint_auth_methods_supported: ModesDeClient
    revocation_endpoint: AdressePublique
    revocation_endpoint_auth_methods_supported: ModesDeClient
    introspection_endpoint: AdressePublique
    introspection_endpoint_auth_methods_supported: ModesDeClient
    grant_types_supported: list[str]
    response_types_supported: list[str]
    scopes_supported: DroitsConnus
    service_documentation: AdressePublique


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
