# ruff: noqa: A002 - the contract's word
"""Operations of the tag `operations` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.base_core.views.operations import read_filtre, render_liste, render_liste_csv
from handlers.base_core.views.pages import read_limite
from handlers.base_core.wire import OperationBo, ReponseHistoriqueOperationsBeside
from models.back_office.audits import record_lecture
from models.back_office.moteur import Personne
from models.back_office.operations import list_operations, open_operations


def get_historique_operations(
    carte_id: str | None,
    client_id: str | None,
    consumer_key: str | None,
    date_debut: str | None,
    date_fin: str | None,
    type: str | None,
    limite: int | None,
    curseur: str | None,
    *,
    connection: Connection,
    personne: Personne,
) -> Answer[OperationBo, ReponseHistoriqueOperationsBeside]:
    filtre = read_filtre(carte_id, client_id, consumer_key, date_debut, date_fin, type)
    nombre = read_limite(limite)
    return render_liste(
        list_operations(connection, personne.agent, filtre, limite=nombre, curseur=curseur)
    )


def get_historique_operations_csv(
    carte_id: str | None,
    client_id: str | None,
    consumer_key: str | None,
    date_debut: str | None,
    date_fin: str | None,
    type: str | None,
    limite: int | None,
    curseur: str | None,
    *,
    connection: Connection,
    personne: Personne,
) -> TableAnswer:
    filtre = read_filtre(carte_id, client_id, consumer_key, date_debut, date_fin, type)
    lecture = open_operations(connection, personne.agent, filtre, limite=limite, curseur=curseur)
    record_lecture(connection, personne.acteur, "getHistoriqueOperations", filtre.objet, filtre)
    return render_liste_csv(lecture)
