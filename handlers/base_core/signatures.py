# Generated from base-core.yaml by `make contract`; do not edit.
"""One signature per operation and media type: the contract's arguments, then what the
wrapper offers by keyword, and the declared success. mypy reads it, nobody imports it."""

from __future__ import annotations

from typing import Any, Never, Protocol

from handlers.answer import Answer, TableAnswer
from handlers.base_core import agents, audit, clients, demandes, membres, reseaux
from handlers.base_core.wire import (
    ActeurId,
    Action,
    AffectationReseau,
    Agent,
    ClientDetaille,
    ClientId,
    Demande,
    DemandeDetaillee,
    DemandeId,
    DemandeRejet,
    DemandeRetrait,
    DemandeValidation,
    JourDemande,
    LigneAudit,
    LigneClient,
    LigneDemande,
    LigneMembre,
    MembreDetaille,
    MembreId,
    ModificationAgent,
    ModificationClient,
    ModificationMembre,
    ObjetAudite,
    ObjetId,
    ObjetType,
    Profil,
    Recherche,
    ReferenceDemande,
    RegleValidation,
    ReponseAuditBeside,
    ReponseListeAgentsBeside,
    ReponseListeClientsBeside,
    ReponseListeDemandesBeside,
    ReponseListeMembresBeside,
    ReponseListeReseauxBeside,
    RequestId,
    Reseau,
    ReseauId,
    Role,
    SaisieAgent,
    SaisieClient,
    SaisieMembre,
    SaisieRegleValidation,
    SaisieReseau,
    StatutAgent,
    StatutAgentDemande,
    StatutClient,
    StatutClientDemande,
    StatutDemande,
    StatutMembre,
    StatutMembreDemande,
    TypeDemande,
    VerificationAudit,
    VerificationAuditDemandee,
    WalletId,
)


class GetListeDemandesHandler(Protocol):
    def __call__(
        self,
        statut: StatutDemande | None,
        type: TypeDemande | None,
        objet_type: ObjetType | None,
        objet_id: ObjetId | None,
        saisie_par: ActeurId | None,
        a_valider: bool | None,
        date_debut: JourDemande | None,
        date_fin: JourDemande | None,
        limite: int | None,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[LigneDemande, ReponseListeDemandesBeside]: ...


_get_liste_demandes: GetListeDemandesHandler = demandes.get_liste_demandes


class GetListeDemandesCsvHandler(Protocol):
    def __call__(
        self,
        statut: StatutDemande | None,
        type: TypeDemande | None,
        objet_type: ObjetType | None,
        objet_id: ObjetId | None,
        saisie_par: ActeurId | None,
        a_valider: bool | None,
        date_debut: JourDemande | None,
        date_fin: JourDemande | None,
        limite: int | None,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> TableAnswer: ...


_get_liste_demandes_csv: GetListeDemandesCsvHandler = demandes.get_liste_demandes_csv


class GetDemandeHandler(Protocol):
    def __call__(
        self,
        demande_id: DemandeId | None,
        reference: ReferenceDemande | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[DemandeDetaillee]: ...


_get_demande: GetDemandeHandler = demandes.get_demande


class ValiderDemandeHandler(Protocol):
    def __call__(
        self,
        corps: DemandeValidation,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_valider_demande: ValiderDemandeHandler = demandes.valider_demande


class RejeterDemandeHandler(Protocol):
    def __call__(
        self,
        corps: DemandeRejet,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_rejeter_demande: RejeterDemandeHandler = demandes.rejeter_demande


class RetirerDemandeHandler(Protocol):
    def __call__(
        self,
        corps: DemandeRetrait,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_retirer_demande: RetirerDemandeHandler = demandes.retirer_demande


class GetReglesValidationHandler(Protocol):
    def __call__(
        self,
        type: TypeDemande | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[RegleValidation]: ...


_get_regles_validation: GetReglesValidationHandler = demandes.get_regles_validation


class SaisirRegleValidationHandler(Protocol):
    def __call__(
        self,
        corps: SaisieRegleValidation,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_saisir_regle_validation: SaisirRegleValidationHandler = demandes.saisir_regle_validation


class GetMonProfilHandler(Protocol):
    def __call__(
        self,
        *more: Any,
        **injected: Any,
    ) -> Answer[Profil]: ...


_get_mon_profil: GetMonProfilHandler = agents.get_mon_profil


class GetListeAgentsHandler(Protocol):
    def __call__(
        self,
        statut: StatutAgentDemande | None,
        role: Role | None,
        limite: int,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[Agent, ReponseListeAgentsBeside]: ...


_get_liste_agents: GetListeAgentsHandler = agents.get_liste_agents


class SaisirAgentHandler(Protocol):
    def __call__(
        self,
        corps: SaisieAgent,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_saisir_agent: SaisirAgentHandler = agents.saisir_agent


class ModifierAgentHandler(Protocol):
    def __call__(
        self,
        corps: ModificationAgent,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_modifier_agent: ModifierAgentHandler = agents.modifier_agent


class ChangerStatutAgentHandler(Protocol):
    def __call__(
        self,
        corps: StatutAgent,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_changer_statut_agent: ChangerStatutAgentHandler = agents.changer_statut_agent


class GetListeClientsHandler(Protocol):
    def __call__(
        self,
        statut: StatutClientDemande | None,
        reseau_id: ReseauId | None,
        recherche: Recherche | None,
        limite: int | None,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[LigneClient, ReponseListeClientsBeside]: ...


_get_liste_clients: GetListeClientsHandler = clients.get_liste_clients


class GetListeClientsCsvHandler(Protocol):
    def __call__(
        self,
        statut: StatutClientDemande | None,
        reseau_id: ReseauId | None,
        recherche: Recherche | None,
        limite: int | None,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> TableAnswer: ...


_get_liste_clients_csv: GetListeClientsCsvHandler = clients.get_liste_clients_csv


class GetClientHandler(Protocol):
    def __call__(
        self,
        client_id: ClientId,
        *more: Any,
        **injected: Any,
    ) -> Answer[ClientDetaille]: ...


_get_client: GetClientHandler = clients.get_client


class SaisirClientHandler(Protocol):
    def __call__(
        self,
        corps: SaisieClient,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_saisir_client: SaisirClientHandler = clients.saisir_client


class ModifierClientHandler(Protocol):
    def __call__(
        self,
        corps: ModificationClient,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_modifier_client: ModifierClientHandler = clients.modifier_client


class ChangerStatutClientHandler(Protocol):
    def __call__(
        self,
        corps: StatutClient,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_changer_statut_client: ChangerStatutClientHandler = clients.changer_statut_client


class GetListeReseauxHandler(Protocol):
    def __call__(
        self,
        limite: int,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[Reseau, ReponseListeReseauxBeside]: ...


_get_liste_reseaux: GetListeReseauxHandler = reseaux.get_liste_reseaux


class SaisirReseauHandler(Protocol):
    def __call__(
        self,
        corps: SaisieReseau,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_saisir_reseau: SaisirReseauHandler = reseaux.saisir_reseau


class AffecterReseauHandler(Protocol):
    def __call__(
        self,
        corps: AffectationReseau,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_affecter_reseau: AffecterReseauHandler = reseaux.affecter_reseau


class GetListeMembresHandler(Protocol):
    def __call__(
        self,
        client_id: ClientId,
        statut: StatutMembreDemande | None,
        wallet_id: WalletId | None,
        recherche: Recherche | None,
        limite: int,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[LigneMembre, ReponseListeMembresBeside]: ...


_get_liste_membres: GetListeMembresHandler = membres.get_liste_membres


class GetMembreHandler(Protocol):
    def __call__(
        self,
        client_id: ClientId,
        membre_id: MembreId,
        *more: Any,
        **injected: Any,
    ) -> Answer[MembreDetaille]: ...


_get_membre: GetMembreHandler = membres.get_membre


class SaisirMembreHandler(Protocol):
    def __call__(
        self,
        corps: SaisieMembre,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_saisir_membre: SaisirMembreHandler = membres.saisir_membre


class ModifierMembreHandler(Protocol):
    def __call__(
        self,
        corps: ModificationMembre,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_modifier_membre: ModifierMembreHandler = membres.modifier_membre


class ChangerStatutMembreHandler(Protocol):
    def __call__(
        self,
        corps: StatutMembre,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_changer_statut_membre: ChangerStatutMembreHandler = membres.changer_statut_membre


class GetAuditHandler(Protocol):
    def __call__(
        self,
        acteur_id: ActeurId | None,
        objet_type: ObjetAudite | None,
        objet_id: ObjetId | None,
        action: Action | None,
        demande_id: DemandeId | None,
        request_id: RequestId | None,
        date_debut: JourDemande | None,
        date_fin: JourDemande | None,
        limite: int | None,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[LigneAudit, ReponseAuditBeside]: ...


_get_audit: GetAuditHandler = audit.get_audit


class GetAuditCsvHandler(Protocol):
    def __call__(
        self,
        acteur_id: ActeurId | None,
        objet_type: ObjetAudite | None,
        objet_id: ObjetId | None,
        action: Action | None,
        demande_id: DemandeId | None,
        request_id: RequestId | None,
        date_debut: JourDemande | None,
        date_fin: JourDemande | None,
        limite: int | None,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> TableAnswer: ...


_get_audit_csv: GetAuditCsvHandler = audit.get_audit_csv


class VerifierAuditHandler(Protocol):
    def __call__(
        self,
        corps: VerificationAuditDemandee,
        *more: Any,
        **injected: Any,
    ) -> Answer[VerificationAudit]: ...


_verifier_audit: VerifierAuditHandler = audit.verifier_audit
