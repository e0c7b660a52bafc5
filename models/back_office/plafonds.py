"""Demandes about limits: lower ones protect and are immediate, higher ones wait for a second person."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Connection, func, select

from models.audit import audit
from models.back_office.type_demande import Acte, Contenu, Effet, Etat, TypeDemande
from models.carte import ANNULEE, cartes
from models.errors import CarteAnnulee, EtatInterdit, ObjetInconnu, ParametreInvalide
from models.partenaire import REVOQUE, partenaires
from models.plafond import (
    OPERATION,
    PLAFOND_OBJET,
    Sujet,
    Voulu,
    find_voulu,
    hold_sujet,
    put_plafond,
    take_plafond,
)

PLAFOND = "Plafond"
"""What a refusal calls a limit that is not there."""

BAISSE = "BAISSE"
"""The variant of what permits nothing more than before: it has a rule of its own."""


class _Limite(NamedTuple):
    """A card or a partner, its statut, whose client it is, and its limit of a type and a period."""

    sujet: Sujet
    statut: str
    client_id: str | None
    voulu: Voulu | None


class _Genre(NamedTuple):
    """Which of the two has limits: the field that names it, what a refusal calls it, and how it is found."""

    cle: str
    nom: str
    find: Callable[[Connection, str], tuple[Sujet, str, str | None] | None]
    hold: Callable[[Connection, str], Sujet | None]


def _find_carte(connection: Connection, carte_id: str) -> tuple[Sujet, str, str | None] | None:
    columns = (cartes.c.id, cartes.c.statut, cartes.c.client_id)
    row = connection.execute(select(*columns).where(cartes.c.carte_id == carte_id)).first()
    return None if row is None else (Sujet("carte_id", row.id, carte_id), row.statut, row.client_id)


def _find_partenaire(
    connection: Connection, consumer_key: str
) -> tuple[Sujet, str, str | None] | None:
    columns = (partenaires.c.id, partenaires.c.statut)
    found = partenaires.c.consumer_key == consumer_key
    row = connection.execute(select(*columns).where(found)).first()
    return None if row is None else (Sujet("partenaire_id", row.id, consumer_key), row.statut, None)


_CARTE = _Genre(
    "carteId", "Carte", _find_carte, lambda connection, one: hold_sujet(connection, carte_id=one)
)
_PARTENAIRE = _Genre(
    "consumerKey",
    "Partenaire",
    _find_partenaire,
    lambda connection, one: hold_sujet(connection, consumer_key=one),
)


def _read_limite(
    connection: Connection, genre: _Genre, contenu: Contenu, *, lock: bool
) -> _Limite | None:
    """The limit that the content names; None when there is no such card or partner.

    Once the card or the partner is held, its operations wait.
    """
    if lock and genre.hold(connection, contenu[genre.cle]) is None:
        return None
    found = genre.find(connection, contenu[genre.cle])
    if found is None:
        return None
    sujet, statut, client_id = found
    voulu = find_voulu(connection, sujet, contenu["type"], contenu["periode"])
    return _Limite(sujet, statut, client_id, voulu)


def _voulu(contenu: Contenu) -> Voulu:
    return Voulu(
        contenu["type"],
        contenu["periode"],
        contenu.get("montantMaximal"),
        contenu.get("nombreMaximal"),
    )


def _lire(genre: _Genre) -> Any:
    def read(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
        nom, type_, periode = objet_id.rsplit(":", 2)
        named = {genre.cle: nom, "type": type_, "periode": periode}
        limite = _read_limite(connection, genre, named, lock=lock)
        if limite is None:
            return None
        bounds = {} if limite.voulu is None else limite.voulu.champs
        champs = {**named, "montantMaximal": None, "nombreMaximal": None} | bounds
        return Etat(_count_changes(connection, objet_id), champs, limite.client_id)

    return read


def _count_changes(connection: Connection, objet_id: str) -> int:
    """Its version: how often it was set or taken away. Its row does not stay, so the audit says it."""
    changes = select(func.count()).where(
        audit.c.objet_id == objet_id, audit.c.objet_type == PLAFOND_OBJET
    )
    return connection.scalar(changes) or 0


def _check_set(genre: _Genre) -> Any:
    def check(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
        voulu = _voulu(contenu)
        if voulu.montant_maximal is None and voulu.nombre_maximal is None:
            raise ParametreInvalide("montantMaximal")
        if voulu.periode == OPERATION and voulu.nombre_maximal is not None:
            raise ParametreInvalide("nombreMaximal")
        found = genre.find(connection, contenu[genre.cle])
        assert found is not None, "the engine refuses what is not there"
        if found[1] == ANNULEE:
            raise CarteAnnulee
        if found[1] == REVOQUE:
            raise EtatInterdit(statut=REVOQUE)

    return check


def _check_taken(genre: _Genre) -> Any:
    def check(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
        limite = _read_limite(connection, genre, contenu, lock=False)
        if limite is None or limite.voulu is None:
            raise ObjetInconnu(objet=PLAFOND)

    return check


def _set(genre: _Genre) -> Any:
    def execute(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
        sujet, voulu = _held(connection, genre, acte.contenu), _voulu(acte.contenu)
        before = put_plafond(connection, sujet, voulu)
        return _effet(genre, sujet, voulu.type, voulu.periode, before, voulu.champs)

    return execute


def _take(genre: _Genre) -> Any:
    def execute(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
        sujet = _held(connection, genre, acte.contenu)
        type_, periode = acte.contenu["type"], acte.contenu["periode"]
        before = take_plafond(connection, sujet, type_, periode)
        return _effet(genre, sujet, type_, periode, before, None)

    return execute


def _held(connection: Connection, genre: _Genre, contenu: Contenu) -> Sujet:
    sujet = genre.hold(connection, contenu[genre.cle])
    assert sujet is not None, "the engine refuses what is not there"
    return sujet


def _effet(
    genre: _Genre,
    sujet: Sujet,
    type_: str,
    periode: str,
    before: dict[str, int | None] | None,
    after: dict[str, int | None] | None,
) -> Effet:
    objet = sujet.objet(type_, periode)
    return Effet(objet, before, after, {genre.cle: sujet.nom, "plafondId": objet.id})


def _variante(contenu: Contenu, etat: Etat | None) -> str:
    assert etat is not None, "the engine refuses what is not there"
    bounds = ("montantMaximal", "nombreMaximal")
    lower = all(_is_lower(contenu.get(one), etat.champs[one]) for one in bounds)
    return BAISSE if lower else ""


def _is_lower(after: int | None, before: int | None) -> bool:
    """Whether a bound permits nothing more than another one; None does not bound."""
    return before is None or (after is not None and after <= before)


def _types(genre: _Genre, valider: str) -> tuple[TypeDemande, TypeDemande]:
    """The two demandes about the limits of cards, or of partners."""
    cle = (genre.cle, "type", "periode")
    return (
        TypeDemande(
            f"saisirPlafond{genre.nom}", PLAFOND_OBJET, valider, _lire(genre), _check_set(genre),
            _set(genre), nom_objet=genre.nom, cle=cle, variante=_variante,
        ),
        TypeDemande(
            f"retirerPlafond{genre.nom}", PLAFOND_OBJET, valider, _lire(genre),
            _check_taken(genre), _take(genre), nom_objet=genre.nom, cle=cle,
        ),
    )  # fmt: skip


SAISIR_CARTE, RETIRER_CARTE = _types(_CARTE, "cartes:valider")
SAISIR_PARTENAIRE, RETIRER_PARTENAIRE = _types(_PARTENAIRE, "partenaires:valider")
