"""The contract's requests and answers as pydantic models, for the peers under FastAPI."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

NumeroCarte = Annotated[str, Field(pattern=r"^[0-9]{12,19}$")]
WalletId = Annotated[str, Field(pattern=r"^[+]?[0-9]{6,15}$")]
ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Place = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}$")]
Jour = Annotated[str, Field(pattern=r"^[0-9]{2}/[0-9]{2}/[0-9]{4}$")]
Instant = Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{2}-[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}$")]
Numero = Annotated[str, Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]
Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class Model(BaseModel):
    """Undeclared fields are refused, both ways."""

    model_config = ConfigDict(extra="forbid")


class Envelope(Model):
    """What each success has."""

    success: bool
    code: int
    message: str = Field(min_length=1)


class Solde(Model):
    """SoldeCarte."""

    numeroCarte: NumeroCarte  # noqa: N815 - the contract's
    soldeOnline: float = Field(ge=0)  # noqa: N815
    dateSolde: Instant  # noqa: N815
    unite: str


class ReponseSolde(Envelope):
    """ReponseSoldeCarte."""

    data: list[Solde]


class Validite(Model):
    """ValiditeCarte."""

    numeroCarte: NumeroCarte  # noqa: N815
    finValidite: Jour  # noqa: N815
    nom: str
    prenom: str
    email: str
    telephone: str
    numeroPiece: str  # noqa: N815
    dateNaissance: str  # noqa: N815


class ReponseValidite(Envelope):
    """ReponseValiditeCarte."""

    data: list[Validite]


class CarteListee(Model):
    """CarteListe."""

    numeroCarte: NumeroCarte  # noqa: N815
    carteId: str  # noqa: N815
    membreId: str  # noqa: N815
    porteur: str
    statut: str
    motifStatut: str | None  # noqa: N815
    finValidite: Jour  # noqa: N815
    soldeOnline: float = Field(ge=0)  # noqa: N815
    unite: str
    expiree: bool
    utilisable: bool


class ReponseListe(Envelope):
    """ReponseListeCartes."""

    data: list[CarteListee]
    curseurSuivant: str | None  # noqa: N815


class Ligne(Model):
    """LigneHistorique."""

    numeroOperation: Numero  # noqa: N815
    reference: str | None
    type: str
    sens: str
    montant: int = Field(ge=1)
    unite: str
    soldeOnline: float = Field(ge=0)  # noqa: N815
    dateOperation: Instant  # noqa: N815
    motif: str | None
    pointDeService: str | None  # noqa: N815
    terminal: str | None


class ReponseHistorique(Envelope):
    """ReponseHistorique."""

    data: list[Ligne]
    curseurSuivant: str | None  # noqa: N815


class Demande(Model):
    """DemandeMouvement."""

    numeroCarte: NumeroCarte  # noqa: N815
    walletId: WalletId  # noqa: N815
    clientId: ClientId  # noqa: N815
    montant: int = Field(ge=1, le=1_000_000_000, strict=True)
    reference: Reference
    motif: str | None = Field(default=None, max_length=140)
    pointDeService: Place | None = None  # noqa: N815
    terminal: Place | None = None


class Mouvement(Model):
    """Mouvement."""

    reference: Reference
    numeroOperation: Numero  # noqa: N815
    type: str
    statut: str
    numeroCarte: NumeroCarte  # noqa: N815
    montant: int
    unite: str
    soldeOnline: float = Field(ge=0)  # noqa: N815
    dateOperation: Instant  # noqa: N815


class ReponseMouvement(Envelope):
    """ReponseMouvement."""

    data: list[Mouvement]


class Jeton(Envelope):
    """Jeton."""

    access_token: str = Field(min_length=20)
    token_type: str
    expires_in: int
    scope: str


class CarteQuery(Model):
    """The three parameters of a card."""

    numeroCarte: NumeroCarte  # noqa: N815
    walletId: WalletId  # noqa: N815
    clientId: ClientId  # noqa: N815


class ListeQuery(Model):
    """The parameters of the list."""

    clientId: ClientId  # noqa: N815
    limite: int = Field(default=50, ge=1, le=100)
    curseur: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")


class HistoriqueQuery(CarteQuery):
    """The parameters of the historique that the bench sends."""

    limite: int = Field(default=50, ge=1, le=100)
    curseur: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")


class Demandeur(Model):
    """DemandeJeton."""

    grant_type: str = Field(pattern="^client_credentials$")
    client_id: str = Field(default="", max_length=128)
    client_secret: str = Field(default="", max_length=256)
