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


ObjetType: TypeAlias = Literal['CLIENT', 'RESEAU', 'MEMBRE', 'AGENT', 'REGLE']


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


WalletId: TypeAlias = str


ClientId: TypeAlias = str


MembreId: TypeAlias = str


SoldeOnline: TypeAlias = float


Unite: TypeAlias = str


Instant: TypeAlias = str


Jour: TypeAlias = str


JourOuVide: TypeAlias = str


RequestId: TypeAlias = str


VersionServie: TypeAlias = str


Vrai: TypeAlias = str


JourDemande: TypeAlias = str


Motif: TypeAlias = str


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


class ReponseListeAgentsBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeClientsBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeDemandesBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeMembresBeside(TypedDict):
    curseurSuivant: str | None


class ReponseListeReseauxBeside(TypedDict):
    curseurSuivant: str | None
