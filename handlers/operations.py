"""Operations of the tag `operations`."""

from datetime import timedelta

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.settings import Settings
from handlers.views.operations import (
    read_lignes,
    render_cloture,
    render_operation,
    render_rapprochement,
)
from handlers.wire import (
    Cloture,
    DemandeAnnulation,
    DemandeCloture,
    DemandeRapprochement,
    LigneRapprochee,
    Operation,
    ReponseRapprochementBeside,
)
from models.annulation import annuler
from models.partenaire import Partenaire
from models.rapprochement import verifier_references as compare_references
from models.suivi import close_reference, find_operation


def get_operation(
    reference: str | None,
    numero_operation: str | None,
    *,
    session: Connection,
    partenaire: Partenaire,
) -> Answer[Operation]:
    operation = find_operation(
        session, partenaire, reference=reference, numero_operation=numero_operation
    )
    return render_operation(operation)


def cloturer_reference(
    corps: DemandeCloture, *, session: Connection, partenaire: Partenaire
) -> Answer[Cloture]:
    return render_cloture(close_reference(session, partenaire, corps["reference"]))


def annuler_operation(
    corps: DemandeAnnulation, *, session: Connection, partenaire: Partenaire, settings: Settings
) -> Answer[Operation]:
    operation = annuler(
        session,
        partenaire,
        reference_origine=corps["referenceOrigine"],
        reference=corps["reference"],
        motif=corps.get("motif"),
        fenetre=timedelta(seconds=settings.annulation_fenetre_s),
    )
    return render_operation(operation)


def verifier_references(
    corps: DemandeRapprochement, *, session: Connection, partenaire: Partenaire
) -> Answer[LigneRapprochee, ReponseRapprochementBeside]:
    return render_rapprochement(compare_references(session, partenaire, *read_lignes(corps)))
