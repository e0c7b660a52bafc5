# Generated from base-core.yaml by `make contract`; do not edit.

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypeAlias, TypedDict

DemandeId: TypeAlias = str


ReferenceDemande: TypeAlias = str


Empreinte: TypeAlias = str


Version: TypeAlias = int


PourLeCompteDe: TypeAlias = str


AgentId: TypeAlias = str


ActeurId: TypeAlias = str


ReseauId: TypeAlias = str


ObjetId: TypeAlias = str


ObjetType: TypeAlias = Literal['CLIENT', 'RESEAU', 'MEMBRE', 'PROFIL', 'CARTE', 'PLAFOND', 'FONDS', 'PARTENAIRE', 'AGENT', 'REGLE']


ObjetAudite: TypeAlias = str


Action: TypeAlias = str


TypeDemande: TypeAlias = str


TypeRegle: TypeAlias = str


StatutDemande: TypeAlias = Literal['SAISIE', 'EXECUTEE', 'REJETEE', 'RETIREE', 'EXPIREE']


StatutAgentDemande: TypeAlias = Literal['ACTIF', 'SUSPENDU']


StatutClientDemande: TypeAlias = Literal['ACTIF', 'SUSPENDU', 'CLOS']


StatutMembreDemande: TypeAlias = Literal['ACTIF', 'CLOS']


StatutMembreVoulu: TypeAlias = Literal['CLOS']


Role: TypeAlias = Literal['LECTEUR', 'SUPPORT', 'SAISIE', 'VALIDATION', 'SECURITE_SAISIE', 'SECURITE_VALIDATION', 'AUDITEUR']


Recherche: TypeAlias = str


NomDemande: TypeAlias = str


TexteOuVide: TypeAlias = str


EmailDemande: TypeAlias = str


TelephoneDemande: TypeAlias = str


NumeroPieceDemande: TypeAlias = str


Ninea: TypeAlias = str


Emetteur: TypeAlias = str


Sujet: TypeAlias = str


Contenu: TypeAlias = Mapping[str, Any]


EtatActuel: TypeAlias = Mapping[str, Any]


Champs: TypeAlias = Mapping[str, Any]


class ActeurDemande(TypedDict):
    type: str
    id: str
    nom: str


ListeDemandesCsv: TypeAlias = str


class DemandeValidation(TypedDict):
    demandeId: DemandeId
    empreinte: Empreinte


class DemandeRetrait(TypedDict):
    demandeId: DemandeId


class RegleValidation(TypedDict):
    type: TypeRegle
    montantMinimal: int | None
    validations: int
    minimum: int
    forte: bool
    memePersonne: bool
    version: Version


class ContactClient(TypedDict):
    nom: str
    email: str
    telephone: str


class CartesParStatut(TypedDict):
    emises: int
    actives: int
    enOpposition: int
    annulees: int
    expirees: int


ListeClientsCsv: TypeAlias = str


class ContactDemande(TypedDict):
    nom: NotRequired[TexteOuVide]
    email: NotRequired[EmailDemande]
    telephone: NotRequired[TelephoneDemande]


class Reseau(TypedDict):
    reseauId: ReseauId
    nom: str
    nombreClients: int
    version: Version


JourOuVideDemande: TypeAlias = str


ProfilId: TypeAlias = str


Prefixe: TypeAlias = str


ValiditeMois: TypeAlias = int


DernierQuatre: TypeAlias = str


Commentaire: TypeAlias = str


UniteDemandee: TypeAlias = Literal['FCFA']


StatutProfilDemande: TypeAlias = Literal['ACTIF', 'RETIRE']


StatutCarteDemande: TypeAlias = Literal['EMISE', 'ACTIVE', 'OPPOSITION', 'ANNULEE']


MotifStatut: TypeAlias = str


MotifOppositionCarte: TypeAlias = Literal['BLOCAGE_TEMPORAIRE', 'SUSPICION', 'AUTRE', 'PERDUE', 'VOLEE', 'FRAUDE']


MotifAnnulation: TypeAlias = Literal['DEMANDE_CLIENT', 'PERDUE', 'VOLEE', 'FRAUDE', 'DEGRADEE', 'FIN_DE_CONTRAT', 'NON_DISTRIBUEE', 'AUTRE']


MotifRemplacement: TypeAlias = Literal['PERDUE', 'VOLEE', 'FRAUDE', 'DEGRADEE', 'CHANGEMENT_PROFIL']


TypePlafond: TypeAlias = Literal['CREDIT', 'DEBIT', 'TRANSFERT']


PeriodePlafond: TypeAlias = Literal['OPERATION', 'JOUR', 'MOIS']


ConsumerKey: TypeAlias = str


TypePartenaireDemande: TypeAlias = Literal['EXTERNE', 'INTERNE']


StatutPartenaireDemande: TypeAlias = Literal['ACTIF', 'SUSPENDU', 'REVOQUE']


ModeAdresses: TypeAlias = Literal['LIBRE', 'OBSERVER', 'APPLIQUER']


Cidr: TypeAlias = str


DroitPartenaire: TypeAlias = str


class PlafondProfil(TypedDict):
    type: TypePlafond
    periode: PeriodePlafond
    montantMaximal: NotRequired[int]
    nombreMaximal: NotRequired[int]


class PlafondDuProfil(TypedDict):
    type: str
    periode: str
    montantMaximal: int | None
    nombreMaximal: int | None


ListeCartesCsv: TypeAlias = str


HistoriqueOperationsCsv: TypeAlias = str


class ContactTechnique(TypedDict):
    email: str
    telephone: str


class ContactTechniqueDemande(TypedDict):
    email: NotRequired[EmailDemande]
    telephone: NotRequired[TelephoneDemande]


AuditCsv: TypeAlias = str


class VerificationAuditDemandee(TypedDict):
    depuis: NotRequired[int]
    jusqua: NotRequired[int]


class VerificationAudit(TypedDict):
    lignes: int
    premiere: int | None
    derniere: int | None
    intacte: bool
    premiereRupture: int | None
    tete: Empreinte


NumeroCarte: TypeAlias = str


CarteId: TypeAlias = str


WalletId: TypeAlias = str


ClientId: TypeAlias = str


MembreId: TypeAlias = str


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


JourDemande: TypeAlias = str


TypeOperation: TypeAlias = Literal['CREDIT', 'DEBIT', 'TRANSFERT', 'ANNULATION', 'OUVERTURE', 'TRANSFERT_SPECIAL', 'CORRECTION_OUVERTURE']


Motif: TypeAlias = str


MontantEcrit: TypeAlias = int


class PlafondRestant(TypedDict):
    type: str
    periode: str
    montantMaximal: int | None
    montantRestant: int | None
    nombreMaximal: int | None
    nombreRestant: int | None


SecretId: TypeAlias = str


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


class ValidationDonnee(TypedDict):
    agentId: AgentId
    nom: str
    date: Instant


class CarteEmise(TypedDict):
    membreId: MembreId
    carteId: CarteId
    numeroCarte: NumeroCarte


class Resultat(TypedDict):
    clientId: str | None
    reseauId: str | None
    membreId: str | None
    profilId: str | None
    carteId: str | None
    numeroCarte: str | None
    consumerKey: str | None
    agentId: str | None
    numeroOperation: str | None
    plafondId: str | None
    cartes: list[CarteEmise]
    codeRetrait: str | None
    jetonsRevoques: int | None


class Demande(TypedDict):
    demandeId: DemandeId
    type: str
    statut: str
    reference: ReferenceDemande
    objetType: str
    objetId: str | None
    contenu: Contenu
    empreinte: Empreinte
    versionObjet: int | None
    montant: int | None
    unite: str | None
    validationsRequises: int
    validationsManquantes: int
    validations: list[ValidationDonnee]
    saisiePar: ActeurDemande
    saisieLe: Instant
    expireLe: Instant
    traiteePar: str | None
    traiteeLe: str | None
    motif: str | None
    motifRejet: str | None
    resultat: Resultat


class LigneDemande(TypedDict):
    demandeId: DemandeId
    type: str
    statut: str
    reference: ReferenceDemande
    objetType: str
    objetId: str | None
    empreinte: Empreinte
    versionObjet: int | None
    montant: int | None
    unite: str | None
    validationsRequises: int
    validationsManquantes: int
    validations: list[ValidationDonnee]
    saisiePar: ActeurDemande
    saisieLe: Instant
    expireLe: Instant
    traiteePar: str | None
    traiteeLe: str | None
    motif: str | None
    motifRejet: str | None
    resultat: Resultat


class DemandeDetaillee(TypedDict):
    demandeId: DemandeId
    type: str
    statut: str
    reference: ReferenceDemande
    objetType: str
    objetId: str | None
    contenu: Contenu
    empreinte: Empreinte
    versionObjet: int | None
    montant: int | None
    unite: str | None
    validationsRequises: int
    validationsManquantes: int
    validations: list[ValidationDonnee]
    saisiePar: ActeurDemande
    saisieLe: Instant
    expireLe: Instant
    traiteePar: str | None
    traiteeLe: str | None
    motif: str | None
    motifRejet: str | None
    resultat: Resultat
    etatActuel: EtatActuel
    peutValider: bool
    raison: str | None


class ReponseDemande(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[Demande]


class ReponseDemandeDetaillee(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[DemandeDetaillee]


class ReponseListeDemandes(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[LigneDemande]
    curseurSuivant: str | None


class DemandeRejet(TypedDict):
    demandeId: DemandeId
    motif: Motif


class ReponseReglesValidation(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[RegleValidation]


class SaisieRegleValidation(TypedDict):
    type: TypeRegle
    montantMinimal: NotRequired[int | None]
    validations: int
    forte: bool
    memePersonne: bool
    versionAttendue: Version
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class Profil(TypedDict):
    agentId: AgentId
    nom: str
    email: str
    roles: list[str]
    droits: list[str]
    clients: list[ClientId]
    emetteur: Emetteur
    sujet: Sujet
    authentifieLe: str | None
    jetonExpireLe: Instant
    adresse: str


class ReponseProfil(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[Profil]


class Agent(TypedDict):
    agentId: AgentId
    nom: str
    email: str
    roles: list[str]
    clients: list[ClientId]
    statut: str
    derniereActivite: str | None
    version: Version


class ReponseListeAgents(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[Agent]
    curseurSuivant: str | None


class SaisieAgent(TypedDict):
    agentId: AgentId
    nom: NomDemande
    email: EmailDemande
    emetteur: Emetteur
    sujet: Sujet
    roles: list[Role]
    clients: list[ClientId]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class ModificationAgent(TypedDict):
    agentId: AgentId
    roles: NotRequired[list[Role]]
    clients: NotRequired[list[ClientId]]
    email: NotRequired[EmailDemande]
    versionAttendue: Version
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class StatutAgent(TypedDict):
    agentId: AgentId
    statut: StatutAgentDemande
    reference: ReferenceDemande
    motif: Motif
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class LigneClient(TypedDict):
    clientId: ClientId
    nom: str
    statut: str
    reseauId: str | None
    nombreMembres: int
    nombreCartes: int
    version: Version


class ClientDetaille(TypedDict):
    clientId: ClientId
    nom: str
    statut: str
    reseauId: str | None
    nombreMembres: int
    nombreCartes: int
    version: Version
    contact: ContactClient
    ninea: str
    soldeTotal: int
    unite: Unite
    cartesParStatut: CartesParStatut
    demandesEnAttente: int
    creeLe: str | None


class ReponseListeClients(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[LigneClient]
    curseurSuivant: str | None


class ReponseClient(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[ClientDetaille]


class SaisieClient(TypedDict):
    clientId: ClientId
    nom: NomDemande
    reseauId: NotRequired[ReseauId]
    contact: NotRequired[ContactDemande]
    ninea: NotRequired[Ninea]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class ModificationClient(TypedDict):
    clientId: ClientId
    nom: NotRequired[NomDemande]
    contact: NotRequired[ContactDemande]
    ninea: NotRequired[Ninea]
    versionAttendue: Version
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class StatutClient(TypedDict):
    clientId: ClientId
    statut: StatutClientDemande
    reference: ReferenceDemande
    motif: Motif
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class ReponseListeReseaux(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[Reseau]
    curseurSuivant: str | None


class SaisieReseau(TypedDict):
    reseauId: ReseauId
    nom: NomDemande
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class AffectationReseau(TypedDict):
    clientId: ClientId
    reseauId: str | None
    versionAttendue: Version
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class LigneMembre(TypedDict):
    clientId: ClientId
    membreId: MembreId
    nom: str
    prenom: str
    walletId: WalletId
    statut: str
    nombreCartes: int
    version: Version


class CarteDuMembre(TypedDict):
    numeroCarte: NumeroCarte
    statut: str
    finValidite: Jour
    soldeOnline: SoldeOnline
    unite: Unite


class MembreDetaille(TypedDict):
    clientId: ClientId
    membreId: MembreId
    nom: str
    prenom: str
    walletId: WalletId
    statut: str
    nombreCartes: int
    version: Version
    email: str
    telephone: str
    numeroPiece: str
    dateNaissance: JourOuVide
    cartes: list[CarteDuMembre]
    demandesEnAttente: int


class ReponseListeMembres(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[LigneMembre]
    curseurSuivant: str | None


class ReponseMembre(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[MembreDetaille]


class SaisieMembre(TypedDict):
    clientId: ClientId
    membreId: MembreId
    walletId: WalletId
    nom: NotRequired[TexteOuVide]
    prenom: NotRequired[TexteOuVide]
    email: NotRequired[EmailDemande]
    telephone: NotRequired[TelephoneDemande]
    numeroPiece: NotRequired[NumeroPieceDemande]
    dateNaissance: NotRequired[JourDemande]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class ModificationMembre(TypedDict):
    clientId: ClientId
    membreId: MembreId
    walletId: NotRequired[WalletId]
    nom: NotRequired[TexteOuVide]
    prenom: NotRequired[TexteOuVide]
    email: NotRequired[EmailDemande]
    telephone: NotRequired[TelephoneDemande]
    numeroPiece: NotRequired[NumeroPieceDemande]
    dateNaissance: NotRequired[JourOuVideDemande]
    versionAttendue: Version
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class StatutMembre(TypedDict):
    clientId: ClientId
    membreId: MembreId
    statut: StatutMembreVoulu
    reference: ReferenceDemande
    motif: Motif
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class ProfilCarte(TypedDict):
    profilId: ProfilId
    nom: str
    unite: Unite
    validiteMois: int
    prefixe: Prefixe
    plafonds: list[PlafondDuProfil]
    horsLigneAutorise: bool
    statut: str
    version: Version


class ReponseListeProfilsCarte(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[ProfilCarte]
    curseurSuivant: str | None


class SaisieProfilCarte(TypedDict):
    profilId: ProfilId
    nom: NomDemande
    unite: UniteDemandee
    validiteMois: ValiditeMois
    prefixe: Prefixe
    plafonds: list[PlafondProfil]
    horsLigneAutorise: bool
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class ModificationProfilCarte(TypedDict):
    profilId: ProfilId
    nom: NotRequired[NomDemande]
    unite: NotRequired[UniteDemandee]
    validiteMois: NotRequired[ValiditeMois]
    prefixe: NotRequired[Prefixe]
    plafonds: NotRequired[list[PlafondProfil]]
    horsLigneAutorise: NotRequired[bool]
    statut: NotRequired[StatutProfilDemande]
    versionAttendue: Version
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class CarteBo(TypedDict):
    carteId: CarteId
    numeroCarte: NumeroCarte
    clientId: ClientId
    membreId: MembreId
    porteur: str
    profilId: str | None
    statut: str
    motifStatut: str | None
    commentaireStatut: str | None
    finValidite: Jour
    expiree: bool
    soldeOnline: SoldeOnline
    unite: Unite
    dateSolde: Instant
    emiseLe: str | None
    activeeLe: str | None
    annuleePar: str | None
    remplaceCarteId: str | None
    remplaceeParCarteId: str | None
    renouvellements: int
    version: Version


class ChangementStatut(TypedDict):
    de: str | None
    vers: str
    motif: str | None
    commentaire: str | None
    acteur: str
    date: Instant
    demandeId: str | None


class CarteDetaillee(TypedDict):
    carteId: CarteId
    numeroCarte: NumeroCarte
    clientId: ClientId
    membreId: MembreId
    porteur: str
    profilId: str | None
    statut: str
    motifStatut: str | None
    commentaireStatut: str | None
    finValidite: Jour
    expiree: bool
    soldeOnline: SoldeOnline
    unite: Unite
    dateSolde: Instant
    emiseLe: str | None
    activeeLe: str | None
    annuleePar: str | None
    remplaceCarteId: str | None
    remplaceeParCarteId: str | None
    renouvellements: int
    version: Version
    historiqueStatuts: list[ChangementStatut]
    plafonds: list[PlafondRestant]
    demandesEnAttente: int


class ReponseListeCartes(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[CarteBo]
    curseurSuivant: str | None


class ReponseCarte(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[CarteDetaillee]


class RechercheCartes(TypedDict):
    numeroCarte: NotRequired[NumeroCarte]
    carteId: NotRequired[CarteId]
    dernierQuatre: NotRequired[DernierQuatre]
    walletId: NotRequired[WalletId]
    clientId: NotRequired[ClientId]
    membreId: NotRequired[MembreId]
    statut: NotRequired[StatutCarteDemande]
    motifStatut: NotRequired[MotifStatut]
    expireAvant: NotRequired[JourDemande]
    sansTransactionDepuis: NotRequired[JourDemande]


class Porteur(TypedDict):
    membreId: MembreId
    numeroCarte: NotRequired[NumeroCarte]


class EmissionCartes(TypedDict):
    clientId: ClientId
    profilId: ProfilId
    validiteMois: NotRequired[ValiditeMois]
    porteurs: list[Porteur]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class ActivationCarte(TypedDict):
    carteId: CarteId
    dernierQuatre: DernierQuatre
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class OppositionCarte(TypedDict):
    carteId: CarteId
    motifOpposition: MotifOppositionCarte
    commentaire: NotRequired[Commentaire]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class LeveeOpposition(TypedDict):
    carteId: CarteId
    reference: ReferenceDemande
    motif: Motif
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class AnnulationCarte(TypedDict):
    carteId: CarteId
    motifAnnulation: MotifAnnulation
    commentaire: NotRequired[Commentaire]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class RenouvellementCarte(TypedDict):
    carteId: CarteId
    validiteMois: NotRequired[ValiditeMois]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class RemplacementCarte(TypedDict):
    carteId: CarteId
    motifRemplacement: MotifRemplacement
    profilId: NotRequired[ProfilId]
    numeroCarte: NotRequired[NumeroCarte]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class PlafondCarte(TypedDict):
    carteId: CarteId
    type: TypePlafond
    periode: PeriodePlafond
    montantMaximal: NotRequired[int]
    nombreMaximal: NotRequired[int]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class RetraitPlafondCarte(TypedDict):
    carteId: CarteId
    type: TypePlafond
    periode: PeriodePlafond
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class PlafondPartenaire(TypedDict):
    consumerKey: ConsumerKey
    type: TypePlafond
    periode: PeriodePlafond
    montantMaximal: NotRequired[int]
    nombreMaximal: NotRequired[int]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class RetraitPlafondPartenaire(TypedDict):
    consumerKey: ConsumerKey
    type: TypePlafond
    periode: PeriodePlafond
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class TransfertSpecial(TypedDict):
    carteId: CarteId
    carteIdDestination: CarteId
    montant: NotRequired[Montant]
    reference: ReferenceDemande
    motif: Motif
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class CorrectionOuverture(TypedDict):
    carteId: CarteId
    soldeOuverture: int
    reference: ReferenceDemande
    motif: Motif
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class OperationBo(TypedDict):
    numeroOperation: NumeroOperation
    reference: str | None
    type: str
    statut: str
    partenaire: str | None
    demandeId: str | None
    numeroCarte: NumeroCarte
    numeroCarteDestination: str | None
    montant: MontantEcrit
    unite: Unite
    soldeOnline: SoldeOnline
    dateOperation: Instant
    motif: str | None
    pointDeService: str | None
    terminal: str | None
    annulationDe: str | None
    annuleePar: str | None


class ReponseHistoriqueOperations(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[OperationBo]
    curseurSuivant: str | None


class LignePartenaire(TypedDict):
    consumerKey: str
    nom: str
    type: str
    statut: str
    scopes: list[DroitPartenaire]
    clients: list[ClientId]
    secretsActifs: int
    modeAdresses: str
    dernierAppel: str | None
    version: Version


class AdresseVue(TypedDict):
    adresse: str
    jour: Jour
    appels: int
    refus: int


class SecretBo(TypedDict):
    secretId: SecretId
    fin4: str | None
    creeLe: Instant
    expireLe: str | None
    dernierUsage: str | None
    statut: str
    retireLe: str | None


class PartenaireDetaille(TypedDict):
    consumerKey: str
    nom: str
    type: str
    statut: str
    scopes: list[DroitPartenaire]
    clients: list[ClientId]
    secretsActifs: int
    modeAdresses: str
    dernierAppel: str | None
    version: Version
    basicAutorise: bool
    contactTechnique: ContactTechnique
    adresses: list[Cidr]
    adressesVues: list[AdresseVue]
    secrets: list[SecretBo]
    plafonds: list[PlafondRestant]
    demandesEnAttente: int


class ReponseListePartenaires(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[LignePartenaire]
    curseurSuivant: str | None


class ReponsePartenaire(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[PartenaireDetaille]


class SaisiePartenaire(TypedDict):
    nom: NomDemande
    type: TypePartenaireDemande
    scopes: list[DroitPartenaire]
    clients: NotRequired[list[ClientId]]
    contactTechnique: NotRequired[ContactTechniqueDemande]
    basicAutorise: NotRequired[bool]
    adresses: NotRequired[list[Cidr]]
    mode: NotRequired[ModeAdresses]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class ModificationPartenaire(TypedDict):
    consumerKey: ConsumerKey
    nom: NotRequired[NomDemande]
    scopes: NotRequired[list[DroitPartenaire]]
    clients: NotRequired[list[ClientId]]
    contactTechnique: NotRequired[ContactTechniqueDemande]
    basicAutorise: NotRequired[bool]
    versionAttendue: Version
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class StatutPartenaire(TypedDict):
    consumerKey: ConsumerKey
    statut: StatutPartenaireDemande
    reference: ReferenceDemande
    motif: Motif
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class AdressesPartenaire(TypedDict):
    consumerKey: ConsumerKey
    adresses: list[Cidr]
    mode: ModeAdresses
    versionAttendue: Version
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class RenouvellementSecret(TypedDict):
    consumerKey: ConsumerKey
    delaiHeures: NotRequired[int]
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class RevocationSecret(TypedDict):
    consumerKey: ConsumerKey
    secretId: SecretId
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class RevocationJetons(TypedDict):
    consumerKey: ConsumerKey
    reference: ReferenceDemande
    motif: NotRequired[Motif]
    pourLeCompteDe: NotRequired[PourLeCompteDe]


class LigneAudit(TypedDict):
    position: int
    date: Instant
    acteurType: str
    acteurId: str
    acteurNom: str
    viaApplication: str | None
    pourLeCompteDe: str | None
    adresse: str | None
    requestId: str | None
    action: str
    objetType: str
    objetId: str
    demandeId: str | None
    avant: Champs
    apres: Champs
    motif: str | None
    memePersonne: bool
    empreintePrecedente: Empreinte
    empreinte: Empreinte


class ReponseAudit(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[LigneAudit]
    curseurSuivant: str | None


class ReponseVerificationAudit(TypedDict):
    success: bool
    code: CodeSucces
    message: Message
    data: list[VerificationAudit]


class ReponseAuditBeside(TypedDict):
    curseurSuivant: str | None


class ReponseHistoriqueOperationsBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeAgentsBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeCartesBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeClientsBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeDemandesBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeMembresBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListePartenairesBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeProfilsCarteBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeReseauxBeside(TypedDict):
    curseurSuivant: str | None
