# Generated from base-core.yaml by `make contract`; do not edit.
"""One signature per operation and media type: the contract's arguments, then what the
wrapper offers by keyword, and the declared success. mypy reads it, nobody imports it."""

from __future__ import annotations

from typing import Any, Never, Protocol

from handlers.answer import Answer, TableAnswer
from handlers.base_core import agents, audit, cartes, clients, demandes, fonds, membres, operations, partenaires, plafonds, profils, reseaux
from handlers.base_core.wire import (
    ActeurId,
    Action,
    ActivationCarte,
    AdressesPartenaire,
    AffectationReseau,
    Agent,
    AnnulationCarte,
    CarteBo,
    CarteDetaillee,
    CarteId,
    ClientDetaille,
    ClientId,
    ConsumerKey,
    CorrectionOuverture,
    Demande,
    DemandeDetaillee,
    DemandeId,
    DemandeRejet,
    DemandeRetrait,
    DemandeValidation,
    EmissionCartes,
    JourDemande,
    LeveeOpposition,
    LigneAudit,
    LigneClient,
    LigneDemande,
    LigneMembre,
    LignePartenaire,
    MembreDetaille,
    MembreId,
    ModificationAgent,
    ModificationClient,
    ModificationMembre,
    ModificationPartenaire,
    ModificationProfilCarte,
    ObjetAudite,
    ObjetId,
    ObjetType,
    OperationBo,
    OppositionCarte,
    PartenaireDetaille,
    PlafondCarte,
    PlafondPartenaire,
    Profil,
    ProfilCarte,
    Recherche,
    RechercheCartes,
    ReferenceDemande,
    RegleValidation,
    RemplacementCarte,
    RenouvellementCarte,
    RenouvellementSecret,
    ReponseAuditBeside,
    ReponseHistoriqueOperationsBeside,
    ReponseListeAgentsBeside,
    ReponseListeCartesBeside,
    ReponseListeClientsBeside,
    ReponseListeDemandesBeside,
    ReponseListeMembresBeside,
    ReponseListePartenairesBeside,
    ReponseListeProfilsCarteBeside,
    ReponseListeReseauxBeside,
    RequestId,
    Reseau,
    ReseauId,
    RetraitPlafondCarte,
    RetraitPlafondPartenaire,
    RevocationJetons,
    RevocationSecret,
    Role,
    SaisieAgent,
    SaisieClient,
    SaisieMembre,
    SaisiePartenaire,
    SaisieProfilCarte,
    SaisieRegleValidation,
    SaisieReseau,
    StatutAgent,
    StatutAgentDemande,
    StatutClient,
    StatutClientDemande,
    StatutDemande,
    StatutMembre,
    StatutMembreDemande,
    StatutPartenaire,
    StatutPartenaireDemande,
    StatutProfilDemande,
    TransfertSpecial,
    TypeDemande,
    TypeOperation,
    TypePartenaireDemande,
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


class GetListeProfilsCarteHandler(Protocol):
    def __call__(
        self,
        statut: StatutProfilDemande | None,
        limite: int,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[ProfilCarte, ReponseListeProfilsCarteBeside]: ...


_get_liste_profils_carte: GetListeProfilsCarteHandler = profils.get_liste_profils_carte


class SaisirProfilCarteHandler(Protocol):
    def __call__(
        self,
        corps: SaisieProfilCarte,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_saisir_profil_carte: SaisirProfilCarteHandler = profils.saisir_profil_carte


class ModifierProfilCarteHandler(Protocol):
    def __call__(
        self,
        corps: ModificationProfilCarte,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_modifier_profil_carte: ModifierProfilCarteHandler = profils.modifier_profil_carte


class RechercherCartesHandler(Protocol):
    def __call__(
        self,
        limite: int | None,
        curseur: str | None,
        corps: RechercheCartes,
        *more: Any,
        **injected: Any,
    ) -> Answer[CarteBo, ReponseListeCartesBeside]: ...


_rechercher_cartes: RechercherCartesHandler = cartes.rechercher_cartes


class RechercherCartesCsvHandler(Protocol):
    def __call__(
        self,
        limite: int | None,
        curseur: str | None,
        corps: RechercheCartes,
        *more: Any,
        **injected: Any,
    ) -> TableAnswer: ...


_rechercher_cartes_csv: RechercherCartesCsvHandler = cartes.rechercher_cartes_csv


class GetCarteHandler(Protocol):
    def __call__(
        self,
        carte_id: CarteId,
        *more: Any,
        **injected: Any,
    ) -> Answer[CarteDetaillee]: ...


_get_carte: GetCarteHandler = cartes.get_carte


class EmettreCartesHandler(Protocol):
    def __call__(
        self,
        corps: EmissionCartes,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_emettre_cartes: EmettreCartesHandler = cartes.emettre_cartes


class ActiverCarteHandler(Protocol):
    def __call__(
        self,
        corps: ActivationCarte,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_activer_carte: ActiverCarteHandler = cartes.activer_carte


class OpposerCarteHandler(Protocol):
    def __call__(
        self,
        corps: OppositionCarte,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_opposer_carte: OpposerCarteHandler = cartes.opposer_carte


class LeverOppositionHandler(Protocol):
    def __call__(
        self,
        corps: LeveeOpposition,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_lever_opposition: LeverOppositionHandler = cartes.lever_opposition


class AnnulerCarteHandler(Protocol):
    def __call__(
        self,
        corps: AnnulationCarte,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_annuler_carte: AnnulerCarteHandler = cartes.annuler_carte


class RenouvelerCarteHandler(Protocol):
    def __call__(
        self,
        corps: RenouvellementCarte,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_renouveler_carte: RenouvelerCarteHandler = cartes.renouveler_carte


class RemplacerCarteHandler(Protocol):
    def __call__(
        self,
        corps: RemplacementCarte,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_remplacer_carte: RemplacerCarteHandler = cartes.remplacer_carte


class SaisirPlafondCarteHandler(Protocol):
    def __call__(
        self,
        corps: PlafondCarte,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_saisir_plafond_carte: SaisirPlafondCarteHandler = plafonds.saisir_plafond_carte


class RetirerPlafondCarteHandler(Protocol):
    def __call__(
        self,
        corps: RetraitPlafondCarte,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_retirer_plafond_carte: RetirerPlafondCarteHandler = plafonds.retirer_plafond_carte


class SaisirPlafondPartenaireHandler(Protocol):
    def __call__(
        self,
        corps: PlafondPartenaire,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_saisir_plafond_partenaire: SaisirPlafondPartenaireHandler = plafonds.saisir_plafond_partenaire


class RetirerPlafondPartenaireHandler(Protocol):
    def __call__(
        self,
        corps: RetraitPlafondPartenaire,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_retirer_plafond_partenaire: RetirerPlafondPartenaireHandler = plafonds.retirer_plafond_partenaire


class TransfererSoldeSpecialHandler(Protocol):
    def __call__(
        self,
        corps: TransfertSpecial,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_transferer_solde_special: TransfererSoldeSpecialHandler = fonds.transferer_solde_special


class CorrigerSoldeOuvertureHandler(Protocol):
    def __call__(
        self,
        corps: CorrectionOuverture,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_corriger_solde_ouverture: CorrigerSoldeOuvertureHandler = fonds.corriger_solde_ouverture


class GetHistoriqueOperationsHandler(Protocol):
    def __call__(
        self,
        carte_id: CarteId | None,
        client_id: ClientId | None,
        consumer_key: ConsumerKey | None,
        date_debut: JourDemande | None,
        date_fin: JourDemande | None,
        type: TypeOperation | None,
        limite: int | None,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[OperationBo, ReponseHistoriqueOperationsBeside]: ...


_get_historique_operations: GetHistoriqueOperationsHandler = operations.get_historique_operations


class GetHistoriqueOperationsCsvHandler(Protocol):
    def __call__(
        self,
        carte_id: CarteId | None,
        client_id: ClientId | None,
        consumer_key: ConsumerKey | None,
        date_debut: JourDemande | None,
        date_fin: JourDemande | None,
        type: TypeOperation | None,
        limite: int | None,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> TableAnswer: ...


_get_historique_operations_csv: GetHistoriqueOperationsCsvHandler = operations.get_historique_operations_csv


class GetListePartenairesHandler(Protocol):
    def __call__(
        self,
        statut: StatutPartenaireDemande | None,
        type: TypePartenaireDemande | None,
        limite: int,
        curseur: str | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[LignePartenaire, ReponseListePartenairesBeside]: ...


_get_liste_partenaires: GetListePartenairesHandler = partenaires.get_liste_partenaires


class GetPartenaireHandler(Protocol):
    def __call__(
        self,
        consumer_key: ConsumerKey,
        *more: Any,
        **injected: Any,
    ) -> Answer[PartenaireDetaille]: ...


_get_partenaire: GetPartenaireHandler = partenaires.get_partenaire


class SaisirPartenaireHandler(Protocol):
    def __call__(
        self,
        corps: SaisiePartenaire,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_saisir_partenaire: SaisirPartenaireHandler = partenaires.saisir_partenaire


class ModifierPartenaireHandler(Protocol):
    def __call__(
        self,
        corps: ModificationPartenaire,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_modifier_partenaire: ModifierPartenaireHandler = partenaires.modifier_partenaire


class ChangerStatutPartenaireHandler(Protocol):
    def __call__(
        self,
        corps: StatutPartenaire,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_changer_statut_partenaire: ChangerStatutPartenaireHandler = partenaires.changer_statut_partenaire


class SaisirAdressesPartenaireHandler(Protocol):
    def __call__(
        self,
        corps: AdressesPartenaire,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_saisir_adresses_partenaire: SaisirAdressesPartenaireHandler = partenaires.saisir_adresses_partenaire


class RenouvelerSecretPartenaireHandler(Protocol):
    def __call__(
        self,
        corps: RenouvellementSecret,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_renouveler_secret_partenaire: RenouvelerSecretPartenaireHandler = partenaires.renouveler_secret_partenaire


class RevoquerSecretPartenaireHandler(Protocol):
    def __call__(
        self,
        corps: RevocationSecret,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_revoquer_secret_partenaire: RevoquerSecretPartenaireHandler = partenaires.revoquer_secret_partenaire


class RevoquerJetonsPartenaireHandler(Protocol):
    def __call__(
        self,
        corps: RevocationJetons,
        *more: Any,
        **injected: Any,
    ) -> Answer[Demande]: ...


_revoquer_jetons_partenaire: RevoquerJetonsPartenaireHandler = partenaires.revoquer_jetons_partenaire


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
