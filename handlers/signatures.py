# Generated from openapi.yaml by `make contract`; do not edit.
"""One signature per operation and media type: the contract's arguments, then what the
wrapper offers by keyword, and the declared success. mypy reads it, nobody imports it."""

from __future__ import annotations

from typing import Any, Never, Protocol

from handlers import authentification, cartes, catalogue, mouvements, operations, sante
from handlers.answer import Answer, TableAnswer
from handlers.wire import (
    CarteListe,
    ClientId,
    Cloture,
    CodeErreurCatalogue,
    Conformite,
    Curseur,
    DemandeAnnulation,
    DemandeCloture,
    DemandeIntrospection,
    DemandeJeton,
    DemandeLevee,
    DemandeMouvement,
    DemandeOpposition,
    DemandeRapprochement,
    DemandeRenouvellement,
    DemandeRetraitSecret,
    DemandeRevocationJeton,
    DemandeRevocationSecret,
    DemandeTransfert,
    Droits,
    EtatJeton,
    JetonBeside,
    JourDemande,
    Levee,
    LigneHistorique,
    LigneRapprochee,
    MembreId,
    MetadonneesOauth,
    MetadonneesRessource,
    Mouvement,
    NumeroCarte,
    NumeroOperation,
    Operation,
    Opposition,
    Reference,
    ReponseHistoriqueBeside,
    ReponseListeCartesBeside,
    ReponseRapprochementBeside,
    RevocationJeton,
    Sante,
    SecretDuPartenaire,
    SecretRenouvele,
    SecretRetire,
    SecretRevoque,
    SoldeCarte,
    TypeOperation,
    ValiditeCarte,
    ValiditeCarteMembre,
    WalletId,
)


class GetSoldeCarteHandler(Protocol):
    def __call__(
        self,
        numero_carte: NumeroCarte,
        wallet_id: WalletId,
        client_id: ClientId,
        *more: Any,
        **injected: Any,
    ) -> Answer[SoldeCarte]: ...


_get_solde_carte: GetSoldeCarteHandler = cartes.get_solde_carte


class CheckCardValidityHandler(Protocol):
    def __call__(
        self,
        numero_carte: NumeroCarte,
        wallet_id: WalletId,
        client_id: ClientId,
        *more: Any,
        **injected: Any,
    ) -> Answer[ValiditeCarte]: ...


_check_card_validity: CheckCardValidityHandler = cartes.check_card_validity


class CheckCardValidityByMemberHandler(Protocol):
    def __call__(
        self,
        numero_carte: NumeroCarte,
        membre_id: MembreId,
        client_id: ClientId,
        *more: Any,
        **injected: Any,
    ) -> Answer[ValiditeCarteMembre]: ...


_check_card_validity_by_member: CheckCardValidityByMemberHandler = cartes.check_card_validity_by_member


class GetListeCartesHandler(Protocol):
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


_get_liste_cartes: GetListeCartesHandler = cartes.get_liste_cartes


class GetHistoriqueCarteHandler(Protocol):
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


_get_historique_carte: GetHistoriqueCarteHandler = cartes.get_historique_carte


class GetHistoriqueCarteCsvHandler(Protocol):
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


_get_historique_carte_csv: GetHistoriqueCarteCsvHandler = cartes.get_historique_carte_csv


class CreditCarteHandler(Protocol):
    def __call__(
        self,
        corps: DemandeMouvement,
        *more: Any,
        **injected: Any,
    ) -> Answer[Mouvement]: ...


_credit_carte: CreditCarteHandler = mouvements.credit_carte


class DebitCarteHandler(Protocol):
    def __call__(
        self,
        corps: DemandeMouvement,
        *more: Any,
        **injected: Any,
    ) -> Answer[Mouvement]: ...


_debit_carte: DebitCarteHandler = mouvements.debit_carte


class TransfererSoldeHandler(Protocol):
    def __call__(
        self,
        corps: DemandeTransfert,
        *more: Any,
        **injected: Any,
    ) -> Answer[Operation]: ...


_transferer_solde: TransfererSoldeHandler = mouvements.transferer_solde


class GetOperationHandler(Protocol):
    def __call__(
        self,
        reference: Reference | None,
        numero_operation: NumeroOperation | None,
        *more: Any,
        **injected: Any,
    ) -> Answer[Operation]: ...


_get_operation: GetOperationHandler = operations.get_operation


class CloturerReferenceHandler(Protocol):
    def __call__(
        self,
        corps: DemandeCloture,
        *more: Any,
        **injected: Any,
    ) -> Answer[Cloture]: ...


_cloturer_reference: CloturerReferenceHandler = operations.cloturer_reference


class AnnulerOperationHandler(Protocol):
    def __call__(
        self,
        corps: DemandeAnnulation,
        *more: Any,
        **injected: Any,
    ) -> Answer[Operation]: ...


_annuler_operation: AnnulerOperationHandler = operations.annuler_operation


class VerifierReferencesHandler(Protocol):
    def __call__(
        self,
        corps: DemandeRapprochement,
        *more: Any,
        **injected: Any,
    ) -> Answer[LigneRapprochee, ReponseRapprochementBeside]: ...


_verifier_references: VerifierReferencesHandler = operations.verifier_references


class AccessTokenHandler(Protocol):
    def __call__(
        self,
        corps: DemandeJeton,
        *more: Any,
        **injected: Any,
    ) -> Answer[Never, JetonBeside]: ...


_access_token: AccessTokenHandler = authentification.access_token


class MesDroitsHandler(Protocol):
    def __call__(
        self,
        *more: Any,
        **injected: Any,
    ) -> Answer[Droits]: ...


_mes_droits: MesDroitsHandler = authentification.mes_droits


class GetMesSecretsHandler(Protocol):
    def __call__(
        self,
        *more: Any,
        **injected: Any,
    ) -> Answer[SecretDuPartenaire]: ...


_get_mes_secrets: GetMesSecretsHandler = authentification.get_mes_secrets


class RenouvelerSecretHandler(Protocol):
    def __call__(
        self,
        corps: DemandeRenouvellement,
        *more: Any,
        **injected: Any,
    ) -> Answer[SecretRenouvele]: ...


_renouveler_secret: RenouvelerSecretHandler = authentification.renouveler_secret


class RevoquerSecretHandler(Protocol):
    def __call__(
        self,
        corps: DemandeRevocationSecret,
        *more: Any,
        **injected: Any,
    ) -> Answer[SecretRevoque]: ...


_revoquer_secret: RevoquerSecretHandler = authentification.revoquer_secret


class RetirerSecretInitialHandler(Protocol):
    def __call__(
        self,
        corps: DemandeRetraitSecret,
        *more: Any,
        **injected: Any,
    ) -> Answer[SecretRetire]: ...


_retirer_secret_initial: RetirerSecretInitialHandler = authentification.retirer_secret_initial


class RevoquerJetonHandler(Protocol):
    def __call__(
        self,
        corps: DemandeRevocationJeton,
        *more: Any,
        **injected: Any,
    ) -> Answer[Never, RevocationJeton]: ...


_revoquer_jeton: RevoquerJetonHandler = authentification.revoquer_jeton


class IntrospecterJetonHandler(Protocol):
    def __call__(
        self,
        corps: DemandeIntrospection,
        *more: Any,
        **injected: Any,
    ) -> Answer[Never, EtatJeton]: ...


_introspecter_jeton: IntrospecterJetonHandler = authentification.introspecter_jeton


class MetadonneesOauthHandler(Protocol):
    def __call__(
        self,
        *more: Any,
        **injected: Any,
    ) -> Answer[Never, MetadonneesOauth]: ...


_metadonnees_oauth: MetadonneesOauthHandler = authentification.metadonnees_oauth


class MetadonneesRessourceHandler(Protocol):
    def __call__(
        self,
        *more: Any,
        **injected: Any,
    ) -> Answer[Never, MetadonneesRessource]: ...


_metadonnees_ressource: MetadonneesRessourceHandler = authentification.metadonnees_ressource


class OpposerMaCarteHandler(Protocol):
    def __call__(
        self,
        corps: DemandeOpposition,
        *more: Any,
        **injected: Any,
    ) -> Answer[Opposition]: ...


_opposer_ma_carte: OpposerMaCarteHandler = authentification.opposer_ma_carte


class LeverMonOppositionHandler(Protocol):
    def __call__(
        self,
        corps: DemandeLevee,
        *more: Any,
        **injected: Any,
    ) -> Answer[Levee]: ...


_lever_mon_opposition: LeverMonOppositionHandler = authentification.lever_mon_opposition


class GetCodesErreurHandler(Protocol):
    def __call__(
        self,
        *more: Any,
        **injected: Any,
    ) -> Answer[CodeErreurCatalogue]: ...


_get_codes_erreur: GetCodesErreurHandler = catalogue.get_codes_erreur


class GetConformiteHandler(Protocol):
    def __call__(
        self,
        *more: Any,
        **injected: Any,
    ) -> Answer[Conformite]: ...


_get_conformite: GetConformiteHandler = catalogue.get_conformite


class HealthLiveHandler(Protocol):
    def __call__(
        self,
        *more: Any,
        **injected: Any,
    ) -> Answer[Never, Sante]: ...


_health_live: HealthLiveHandler = sante.health_live


class HealthReadyHandler(Protocol):
    def __call__(
        self,
        *more: Any,
        **injected: Any,
    ) -> Answer[Never, Sante]: ...


_health_ready: HealthReadyHandler = sante.health_ready
