"""A carte: the prepaid card, its holder, its state. Its solde is written by the journal alone."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ColumnElement,
    Computed,
    Connection,
    Date,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Table,
    and_,
    bindparam,
    exists,
    select,
    text,
)

from models.audit import Objet
from models.base import SOLDE_MAXIMAL, BigId, Instant, metadata, today
from models.client import SUSPENDU, clients
from models.database.curseur import decode_curseur, encode_curseur
from models.database.prepared import Prepared, Row
from models.errors import (
    CarteAnnulee,
    CarteEnOpposition,
    CarteExpiree,
    CarteNonActivee,
    ClientSuspendu,
    UtilisateurInconnu,
)
from models.membre import membres
from models.partenaire import Partenaire, acces

EMISE, ACTIVE, OPPOSITION, ANNULEE = "EMISE", "ACTIVE", "OPPOSITION", "ANNULEE"
"""Statuts of a card. Expired is not one: the day of validity says it."""

BLOCAGE_TEMPORAIRE, AUTRE, PERDUE, VOLEE, FRAUDE = (
    "BLOCAGE_TEMPORAIRE",
    "AUTRE",
    "PERDUE",
    "VOLEE",
    "FRAUDE",
)
MOTIFS_OPPOSITION = (BLOCAGE_TEMPORAIRE, "SUSPICION", AUTRE, PERDUE, VOLEE, FRAUDE)
"""Why a card is blocked, the least severe reason first."""

REMPLACEE = "REMPLACEE"
"""Why a card is cancelled of which another one has taken the place: nobody gives this reason."""

MOTIFS_ANNULATION = (
    *("DEMANDE_CLIENT", PERDUE, VOLEE, FRAUDE, "DEGRADEE"),
    *("FIN_DE_CONTRAT", "NON_DISTRIBUEE", AUTRE),
)
"""Why a card is cancelled, as a person says it."""

_CURSEUR = "1"
"""Kind of the card list's curseurs, whose position is a card's id."""

_BY_CLIENT = "ix_cartes_client_id_id"
"""The index in whose order the cards of a client are listed."""

_REPLACED = text("remplace_id IS NOT NULL")
_REPLACES = text("remplace_id IS NOT NULL AND statut <> 'ANNULEE'")

cartes = Table(
    "cartes",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("numero_carte", String(19), nullable=False, unique=True),
    Column("client_id", String(32), nullable=False),
    Column("membre_id", String(32), nullable=False),
    Column("compte_id", BigInteger, nullable=False, unique=True),
    Column("fin_validite", Date, nullable=False),
    Column("statut", String(16), nullable=False),
    Column("unite", String(8), nullable=False),
    Column("solde", BigInteger, nullable=False, server_default="0"),
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("date_solde", Instant, nullable=False),
    Column("plafonnee", BigId, nullable=False, server_default="0", doc="1: the card has limits"),
    Column("motif_statut", String(32), doc="why it is blocked; null where nobody wrote it down"),
    Column("statut_avant_opposition", String(16), doc="what it is again when the block is lifted"),
    Column("etat_version", BigId, nullable=False, server_default="1", doc="version of its state"),
    Column("oppose_par", BigInteger, doc="id of the partner who blocked it"),
    Column("carte_id", String(26), nullable=False, unique=True, doc="its name for life"),
    Column("profil_id", String(32), ForeignKey("profils_carte.profil_id")),
    Column("commentaire_statut", String(255), doc="what was written with motif_statut"),
    Column("emise_le", Instant, doc="null where nobody wrote it down"),
    Column("activee_le", Instant, doc="null until then, and where nobody wrote it down"),
    Column("annulee_par", String(200), doc="name of who cancelled it"),
    Column("remplace_id", BigId, ForeignKey("cartes.id"), doc="the card whose place it takes"),
    Column("renouvellements", BigId, nullable=False, server_default="0"),
    Column(
        "dernier_quatre",
        String(4),
        Computed("substr(numero_carte, length(numero_carte) - 3)", persisted=True),
    ),
    ForeignKeyConstraint(["client_id", "membre_id"], ["membres.client_id", "membres.membre_id"]),
    ForeignKeyConstraint(["compte_id", "unite"], ["comptes.id", "comptes.unite"]),
    CheckConstraint("solde >= 0", name="solde_positif"),
    CheckConstraint(f"solde <= {SOLDE_MAXIMAL}", name="solde_maximal"),
    CheckConstraint("version >= 0", name="version_positive"),
    CheckConstraint("plafonnee IN (0, 1)", name="plafonnee_booleen"),
    CheckConstraint("statut IN ('EMISE', 'ACTIVE', 'OPPOSITION', 'ANNULEE')", name="statut_connu"),
    CheckConstraint("renouvellements >= 0", name="renouvellements_positifs"),
    # Who has never been active has nothing but his number: no money, no past.
    CheckConstraint("statut <> 'EMISE' OR (solde = 0 AND version = 0)", name="emise_vide"),
    Index(_BY_CLIENT, "client_id", "id"),
    Index(None, "client_id", "membre_id", "id"),
    Index(None, "client_id", "statut", "id"),
    Index(None, "client_id", "dernier_quatre", "id"),
    Index(None, "remplace_id", sqlite_where=_REPLACED, postgresql_where=_REPLACED),
    # A card has one replacement at a time: what was cancelled before it was activated is none.
    Index(
        "uq_cartes_remplacement",
        "remplace_id",
        unique=True,
        sqlite_where=_REPLACES,
        postgresql_where=_REPLACES,
    ),
)


CARTE_OBJET = "CARTE"


def objet_carte(carte_id: str) -> Objet:
    """A card as the audit names it."""
    return Objet(CARTE_OBJET, carte_id)


def objet_compte(compte_id: int) -> Objet:
    """A card as the audit named it before cards had a name of their own: by its compte."""
    return Objet(CARTE_OBJET, f"{compte_id:06d}")


def check_usable(statut: str, fin_validite: date, client_statut: str) -> None:
    """Raise ClientSuspendu, CarteAnnulee, CarteNonActivee, CarteEnOpposition or CarteExpiree when the card
    may not be used today.

    A card is good until its last day included, and no card of a client that is suspended.
    """
    if client_statut == SUSPENDU:
        raise ClientSuspendu
    if statut == ANNULEE:
        raise CarteAnnulee
    if statut == EMISE:
        raise CarteNonActivee
    if statut == OPPOSITION:
        raise CarteEnOpposition
    if fin_validite < today():
        raise CarteExpiree


def tell_usable(statut: str, fin_validite: date, jour: date) -> tuple[bool, bool]:
    """Whether the card is expired on a day, and whether it may be used then, as `check_usable` judges."""
    expiree = fin_validite < jour
    return expiree, statut == ACTIVE and not expiree


class Carte(NamedTuple):
    """A card as money sees it. `solde` in units of `unite`, at `date_solde`."""

    id: int
    numero_carte: str
    compte_id: int
    unite: str
    statut: str
    fin_validite: date
    solde: int
    date_solde: datetime
    client_id: str


class CarteDuPorteur(NamedTuple):
    """A card and its holder. Unknown texts are empty, an unknown date is None."""

    numero_carte: str
    membre_id: str
    statut: str
    fin_validite: date
    nom: str
    prenom: str
    email: str
    telephone: str
    numero_piece: str
    date_naissance: date | None
    client_statut: str


class CarteListee(NamedTuple):
    """A line of the card list. `id` orders the list and never leaves the server in clear."""

    id: int
    numero_carte: str
    carte_id: str
    membre_id: str
    prenom: str
    nom: str
    statut: str
    motif_statut: str | None
    fin_validite: date
    solde: int
    unite: str


class PageCartes(NamedTuple):
    """A page of the card list and the cursor of the next one, None at the end."""

    cartes: list[CarteListee]
    curseur_suivant: str | None


_OF_CARTE = and_(
    membres.c.client_id == cartes.c.client_id, membres.c.membre_id == cartes.c.membre_id
)

# The partner's right is part of the look-up: a card of somebody else's client and a card that does
# not exist are the same absence, found by the same statement.
_OF_PARTENAIRE = and_(
    cartes.c.numero_carte == bindparam("numero_carte"),
    cartes.c.client_id == bindparam("client_id"),
    acces.c.client_id == cartes.c.client_id,
    acces.c.partenaire_id == bindparam("partenaire_id"),
    _OF_CARTE,
)

_COLUMNS = (
    cartes.c.id,
    cartes.c.numero_carte,
    cartes.c.compte_id,
    cartes.c.unite,
    cartes.c.statut,
    cartes.c.fin_validite,
    cartes.c.solde,
    cartes.c.date_solde,
    cartes.c.client_id,
)
_FIND = Prepared(
    select(*_COLUMNS).where(_OF_PARTENAIRE, membres.c.wallet_id == bindparam("wallet_id")), Carte
)

_FIND_PORTEUR = select(
    cartes.c.numero_carte,
    cartes.c.membre_id,
    cartes.c.statut,
    cartes.c.fin_validite,
    membres.c.nom,
    membres.c.prenom,
    membres.c.email,
    membres.c.telephone,
    membres.c.numero_piece,
    membres.c.date_naissance,
    clients.c.statut.label("client_statut"),
).where(_OF_PARTENAIRE, clients.c.client_id == cartes.c.client_id)
_FIND_BY_WALLET = Prepared(
    _FIND_PORTEUR.where(membres.c.wallet_id == bindparam("wallet_id")), CarteDuPorteur
)
_FIND_BY_MEMBRE = Prepared(
    _FIND_PORTEUR.where(membres.c.membre_id == bindparam("membre_id")), CarteDuPorteur
)


def find_carte(
    connection: Connection,
    partenaire: Partenaire,
    *,
    numero_carte: str,
    wallet_id: str,
    client_id: str,
) -> Carte:
    """The card of this number, whose holder has this phone, at this client of the partner.

    Raises UtilisateurInconnu when there is none, whichever of the three does not match.
    """
    carte = _FIND.first(
        connection, _designation(partenaire, numero_carte, client_id, wallet_id=wallet_id)
    )
    if carte is None:
        raise UtilisateurInconnu
    return carte


def foresee_carte(
    connection: Connection,
    partenaire: Partenaire,
    *,
    numero_carte: str,
    wallet_id: str,
    client_id: str,
    **_others: object,
) -> None:
    """Send ahead what `find_carte` asks."""
    _FIND.ahead(connection, _designation(partenaire, numero_carte, client_id, wallet_id=wallet_id))


def find_valid_carte(
    connection: Connection,
    partenaire: Partenaire,
    *,
    numero_carte: str,
    client_id: str,
    wallet_id: str | None = None,
    membre_id: str | None = None,
) -> CarteDuPorteur:
    """The card and its holder, named by phone (`wallet_id`) or by `membre_id`, usable today.

    Raises UtilisateurInconnu, ClientSuspendu, CarteAnnulee, CarteNonActivee, CarteEnOpposition,
    CarteExpiree.
    """
    carte = _find_porteur(membre_id).first(
        connection,
        _designation(partenaire, numero_carte, client_id, wallet_id=wallet_id, membre_id=membre_id),
    )
    if carte is None:
        raise UtilisateurInconnu
    check_usable(carte.statut, carte.fin_validite, carte.client_statut)
    return carte


def foresee_valid_carte(
    connection: Connection,
    partenaire: Partenaire,
    *,
    numero_carte: str,
    client_id: str,
    wallet_id: str | None = None,
    membre_id: str | None = None,
) -> None:
    """Send ahead what `find_valid_carte` asks."""
    _find_porteur(membre_id).ahead(
        connection,
        _designation(partenaire, numero_carte, client_id, wallet_id=wallet_id, membre_id=membre_id),
    )


def _find_porteur(membre_id: str | None) -> Prepared[CarteDuPorteur]:
    return _FIND_BY_WALLET if membre_id is None else _FIND_BY_MEMBRE


def _designation(
    partenaire: Partenaire, numero_carte: str, client_id: str, **of_membre: str | None
) -> dict[str, Any]:
    return {
        "numero_carte": numero_carte,
        "client_id": client_id,
        "partenaire_id": partenaire.id,
        **of_membre,
    }


def _list_statement(*of_membre: ColumnElement[bool]) -> Prepared[CarteListee]:
    listed = (
        select(
            cartes.c.id,
            cartes.c.numero_carte,
            cartes.c.carte_id,
            cartes.c.membre_id,
            membres.c.prenom,
            membres.c.nom,
            cartes.c.statut,
            cartes.c.motif_statut,
            cartes.c.fin_validite,
            cartes.c.solde,
            cartes.c.unite,
        )
        # Every card has a membre: an outer join finds the same, and SQLite then reads the cards first.
        .join_from(cartes, membres, _OF_CARTE, isouter=not of_membre)
        .where(
            cartes.c.client_id == bindparam("client_id"),
            cartes.c.id > bindparam("apres"),
            *of_membre,
        )
        .order_by(cartes.c.id)
        .limit(bindparam("nombre"))
    )
    if not of_membre:
        # It knows nothing of the limit. Where the client has most of the cards, it would rather walk
        # all cards, those of others too, or all membres, and sort what it finds: once ANALYZE was run,
        # a page of a million cards took it a hundred times as long.
        listed = listed.with_hint(cartes, f"INDEXED BY {_BY_CLIENT}", "sqlite")
    return Prepared(listed, CarteListee)


def _scope_statement(*of_membre: ColumnElement[bool]) -> Prepared[Row]:
    allowed = exists().where(
        acces.c.partenaire_id == bindparam("partenaire_id"),
        acces.c.client_id == bindparam("client_id"),
    )
    if not of_membre:
        return Prepared(select(allowed))
    known = exists().where(membres.c.client_id == bindparam("client_id"), *of_membre)
    return Prepared(select(allowed & known))


_OF_WALLET = membres.c.wallet_id == bindparam("wallet_id")
_OF_MEMBRE = membres.c.membre_id == bindparam("membre_id")

# By which of the two filters are given: walletId, membreId.
_LISTS = {
    (False, False): (_scope_statement(), _list_statement()),
    (True, False): (_scope_statement(_OF_WALLET), _list_statement(_OF_WALLET)),
    (False, True): (_scope_statement(_OF_MEMBRE), _list_statement(_OF_MEMBRE)),
    (True, True): (
        _scope_statement(_OF_WALLET, _OF_MEMBRE),
        _list_statement(_OF_WALLET, _OF_MEMBRE),
    ),
}


def list_cartes(
    connection: Connection,
    partenaire: Partenaire,
    *,
    client_id: str,
    wallet_id: str | None,
    membre_id: str | None,
    limite: int,
    curseur: str | None,
) -> PageCartes:
    """A page of a client's cards, or of one of its members', in the order of their creation.

    Raises UtilisateurInconnu when the client is not the partner's or the member does not exist,
    ParametreInvalide for a cursor that this API did not give.
    """
    scope, cards = _LISTS[wallet_id is not None, membre_id is not None]
    values = _page_values(partenaire, client_id, wallet_id, membre_id, limite, curseur)
    allowed = scope.first(connection, values)
    if allowed is None or not allowed[0]:
        raise UtilisateurInconnu
    rows = cards.all(connection, values)
    page = rows[:limite]
    return PageCartes(page, encode_curseur(_CURSEUR, page[-1].id) if len(rows) > limite else None)


def foresee_cartes(
    connection: Connection,
    partenaire: Partenaire,
    *,
    client_id: str,
    wallet_id: str | None,
    membre_id: str | None,
    limite: int,
    curseur: str | None,
) -> None:
    """Send ahead what `list_cartes` asks. Raises ParametreInvalide as it does."""
    scope, cards = _LISTS[wallet_id is not None, membre_id is not None]
    values = _page_values(partenaire, client_id, wallet_id, membre_id, limite, curseur)
    scope.ahead(connection, values)
    cards.ahead(connection, values)


def _page_values(
    partenaire: Partenaire,
    client_id: str,
    wallet_id: str | None,
    membre_id: str | None,
    limite: int,
    curseur: str | None,
) -> dict[str, Any]:
    return {
        "partenaire_id": partenaire.id,
        "client_id": client_id,
        "wallet_id": wallet_id,
        "membre_id": membre_id,
        "apres": 0 if curseur is None else decode_curseur(_CURSEUR, curseur),
        "nombre": limite + 1,
    }
