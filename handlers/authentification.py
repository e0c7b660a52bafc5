"""Operations of the tag `authentification`."""

from typing import Never

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.contract.model import Contract
from handlers.settings import Settings
from handlers.views.authentification import (
    read_levee,
    read_opposition,
    read_renouvellement,
    read_revocation_secret,
    render_droits,
    render_etat_jeton,
    render_jeton,
    render_levee,
    render_metadonnees_oauth,
    render_metadonnees_ressource,
    render_opposition,
    render_retrait,
    render_revocation_jeton,
    render_secret_renouvele,
    render_secret_revoque,
    render_secrets,
)
from handlers.wire import (
    DemandeIntrospection,
    DemandeJeton,
    DemandeLevee,
    DemandeOpposition,
    DemandeRenouvellement,
    DemandeRetraitSecret,
    DemandeRevocationJeton,
    DemandeRevocationSecret,
    Droits,
    EtatJeton,
    JetonBeside,
    Levee,
    MetadonneesOauth,
    MetadonneesRessource,
    Opposition,
    RevocationJeton,
    SecretDuPartenaire,
    SecretRenouvele,
    SecretRetire,
    SecretRevoque,
)
from models.authentification import find_jeton, issue_token, revoke_jeton
from models.opposition import lever, opposer
from models.partenaire import Partenaire, list_clients
from models.plafond import list_restes
from models.retrait import withdraw
from models.rotation import renouveler, revoquer
from models.secret import list_alive, list_secrets


def access_token(
    corps: DemandeJeton, *, connection: Connection, partenaire: Partenaire, settings: Settings
) -> Answer[Never, JetonBeside]:
    jeton = issue_token(
        connection,
        partenaire,
        scope=corps.get("scope"),
        duree_s=settings.jeton_duree_s,
        pepper=settings.pepper,
    )
    return render_jeton(jeton)


def mes_droits(*, connection: Connection, partenaire: Partenaire, adresse: str) -> Answer[Droits]:
    return render_droits(
        partenaire,
        list_clients(connection, partenaire),
        list_alive(connection, partenaire.id),
        list_restes(connection, partenaire_id=partenaire.id),
        adresse,
    )


def get_mes_secrets(
    *, connection: Connection, partenaire: Partenaire
) -> Answer[SecretDuPartenaire]:
    return render_secrets(list_secrets(connection, partenaire.id))


def renouveler_secret(
    corps: DemandeRenouvellement,
    *,
    connection: Connection,
    partenaire: Partenaire,
    settings: Settings,
) -> Answer[SecretRenouvele]:
    demande = read_renouvellement(corps)
    made = renouveler(connection, partenaire, demande, pepper=settings.pepper)
    return render_secret_renouvele(made)


def revoquer_secret(
    corps: DemandeRevocationSecret, *, connection: Connection, partenaire: Partenaire
) -> Answer[SecretRevoque]:
    return render_secret_revoque(revoquer(connection, partenaire, read_revocation_secret(corps)))


def retirer_secret_initial(
    corps: DemandeRetraitSecret, *, connection: Connection, settings: Settings, adresse: str
) -> Answer[SecretRetire]:
    code = corps["codeRetrait"]
    return render_retrait(withdraw(connection, code, pepper=settings.pepper, adresse=adresse))


def revoquer_jeton(
    corps: DemandeRevocationJeton,
    *,
    connection: Connection,
    partenaire: Partenaire,
    settings: Settings,
) -> Answer[Never, RevocationJeton]:
    revoke_jeton(connection, partenaire, corps["token"], pepper=settings.pepper)
    return render_revocation_jeton()


def introspecter_jeton(
    corps: DemandeIntrospection,
    *,
    connection: Connection,
    partenaire: Partenaire,
    settings: Settings,
) -> Answer[Never, EtatJeton]:
    found = find_jeton(connection, partenaire, corps["token"], pepper=settings.pepper)
    return render_etat_jeton(found)


def metadonnees_oauth(*, contract: Contract, settings: Settings) -> Answer[Never, MetadonneesOauth]:
    return render_metadonnees_oauth(contract, settings.url_publique)


def metadonnees_ressource(
    *, contract: Contract, settings: Settings
) -> Answer[Never, MetadonneesRessource]:
    return render_metadonnees_ressource(contract, settings.url_publique)


def opposer_ma_carte(
    corps: DemandeOpposition, *, connection: Connection, partenaire: Partenaire
) -> Answer[Opposition]:
    return render_opposition(opposer(connection, partenaire, read_opposition(corps)))


def lever_mon_opposition(
    corps: DemandeLevee, *, connection: Connection, partenaire: Partenaire
) -> Answer[Levee]:
    return render_levee(lever(connection, partenaire, read_levee(corps)))
