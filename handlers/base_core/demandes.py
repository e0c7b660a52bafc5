"""Operations of the tag `demandes` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.base_core.saisie import enter
from handlers.base_core.views.demandes import (
    read_filtre,
    read_saisie,
    render_demande,
    render_detail,
    render_liste,
    render_liste_csv,
    render_regles,
)
from handlers.base_core.views.pages import read_limite
from handlers.base_core.wire import (
    Demande,
    DemandeDetaillee,
    DemandeId,
    DemandeRejet,
    DemandeRetrait,
    DemandeValidation,
    LigneDemande,
    ReferenceDemande,
    RegleValidation,
    ReponseListeDemandesBeside,
    SaisieRegleValidation,
)
from handlers.settings import Settings
from models.back_office import moteur
from models.back_office.audits import TOUT, record_lecture
from models.back_office.corbeille import lire_demande, list_demandes, open_demandes
from models.back_office.moteur import Personne
from models.regle_validation import list_regles


def get_liste_demandes(
    statut: str | None,
    type: str | None,  # noqa: A002 - the contract's word
    objet_type: str | None,
    objet_id: str | None,
    saisie_par: str | None,
    a_valider: bool | None,
    date_debut: str | None,
    date_fin: str | None,
    limite: int | None,
    curseur: str | None,
    *,
    connection: Connection,
    personne: Personne,
) -> Answer[LigneDemande, ReponseListeDemandesBeside]:
    filtre = read_filtre(
        statut, type, objet_type, objet_id, saisie_par, a_valider, date_debut, date_fin
    )
    return render_liste(
        list_demandes(connection, personne, filtre, limite=read_limite(limite), curseur=curseur)
    )


def get_liste_demandes_csv(
    statut: str | None,
    type: str | None,  # noqa: A002 - the contract's word
    objet_type: str | None,
    objet_id: str | None,
    saisie_par: str | None,
    a_valider: bool | None,
    date_debut: str | None,
    date_fin: str | None,
    limite: int | None,
    curseur: str | None,
    *,
    connection: Connection,
    personne: Personne,
) -> TableAnswer:
    filtre = read_filtre(
        statut, type, objet_type, objet_id, saisie_par, a_valider, date_debut, date_fin
    )
    lecture = open_demandes(connection, personne, filtre, limite=limite, curseur=curseur)
    record_lecture(connection, personne.acteur, "getListeDemandes", TOUT, filtre)
    return render_liste_csv(lecture)


def get_demande(
    demande_id: DemandeId | None,
    reference: ReferenceDemande | None,
    *,
    connection: Connection,
    personne: Personne,
) -> Answer[DemandeDetaillee]:
    return render_detail(
        lire_demande(connection, personne, demande_id=demande_id, reference=reference)
    )


def valider_demande(
    corps: DemandeValidation, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return render_demande(
        moteur.valider(
            connection,
            personne,
            corps["demandeId"],
            empreinte=corps["empreinte"],
            pepper=settings.pepper,
        )
    )


def rejeter_demande(
    corps: DemandeRejet, *, connection: Connection, personne: Personne
) -> Answer[Demande]:
    return render_demande(
        moteur.rejeter(connection, personne, corps["demandeId"], motif=corps["motif"])
    )


def retirer_demande(
    corps: DemandeRetrait, *, connection: Connection, personne: Personne
) -> Answer[Demande]:
    return render_demande(moteur.retirer(connection, personne, corps["demandeId"]))


def get_regles_validation(
    type: str | None,  # noqa: A002 - the contract's word
    *,
    connection: Connection,
) -> Answer[RegleValidation]:
    return render_regles(list_regles(connection, type))


def saisir_regle_validation(
    corps: SaisieRegleValidation, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    return enter(connection, personne, settings, read_saisie("saisirRegleValidation", corps), corps)
