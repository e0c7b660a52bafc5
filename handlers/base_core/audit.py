"""Operations of the tag `audit` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.base_core.views.audit import (
    read_filtre,
    read_part,
    render_liste,
    render_liste_csv,
    render_verification,
)
from handlers.base_core.views.pages import read_limite
from handlers.base_core.wire import (
    LigneAudit,
    ReponseAuditBeside,
    VerificationAudit,
    VerificationAuditDemandee,
)
from models.back_office.audits import TOUT, list_audit, open_audit, record_lecture
from models.back_office.moteur import Personne
from models.books.chaine import verify_part


def get_audit(
    acteur_id: str | None,
    objet_type: str | None,
    objet_id: str | None,
    action: str | None,
    demande_id: str | None,
    request_id: str | None,
    date_debut: str | None,
    date_fin: str | None,
    limite: int | None,
    curseur: str | None,
    *,
    connection: Connection,
    personne: Personne,
) -> Answer[LigneAudit, ReponseAuditBeside]:
    filtre = read_filtre(
        acteur_id, objet_type, objet_id, action, demande_id, request_id, date_debut, date_fin
    )
    nombre = read_limite(limite)
    page = list_audit(connection, personne.agent, filtre, limite=nombre, curseur=curseur)
    record_lecture(connection, personne.acteur, "getAudit", TOUT, filtre)
    return render_liste(page)


def get_audit_csv(
    acteur_id: str | None,
    objet_type: str | None,
    objet_id: str | None,
    action: str | None,
    demande_id: str | None,
    request_id: str | None,
    date_debut: str | None,
    date_fin: str | None,
    limite: int | None,
    curseur: str | None,
    *,
    connection: Connection,
    personne: Personne,
) -> TableAnswer:
    filtre = read_filtre(
        acteur_id, objet_type, objet_id, action, demande_id, request_id, date_debut, date_fin
    )
    lecture = open_audit(connection, personne.agent, filtre, limite=limite, curseur=curseur)
    record_lecture(connection, personne.acteur, "getAudit", TOUT, filtre)
    return render_liste_csv(lecture)


def verifier_audit(
    corps: VerificationAuditDemandee, *, connection: Connection
) -> Answer[VerificationAudit]:
    return render_verification(verify_part(connection, **read_part(corps)))
