"""The metrics: ONE table, of which the documentation and the dashboard are made.

Names follow OpenTelemetry's semantic conventions in their Prometheus spelling where they have one
(https://opentelemetry.io/docs/specs/semconv/http/http-metrics/, .../db/database-metrics/); others begin with
`cynod_`. No label tells a partner, a card, a path or an address: each has a set of values that is known when
the server starts.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

METRICS_PATH = "/metrics"


class Kind(Enum):
    """A type of Prometheus."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Metric(NamedTuple):
    """A metric, as documented and served."""

    name: str
    kind: Kind
    labels: tuple[str, ...]
    unit: str
    """Of UCUM, as OpenTelemetry has it: `s`, or `1`."""
    sentence: str
    across: str = "sum"
    """How a gauge of several servers becomes one: what all read in one place is told by each of them."""


CALLS = Metric(
    "http_server_request_duration_seconds",
    Kind.HISTOGRAM,
    ("operation", "http_request_method", "http_response_status_code", "code"),
    "s",
    "Durée des appels, de la requête lue à la réponse envoyée, par operationId, statut HTTP et code du"
    " catalogue (`200` : succès).",
)
FAILED = Metric(
    "cynod_calls_failed_total",
    Kind.COUNTER,
    ("code",),
    "1",
    "Appels auxquels le serveur a répondu 5xx, par code du catalogue ; chaque code existe dès le"
    " démarrage, à zéro.",
)
ACTIVE = Metric(
    "http_server_active_requests",
    Kind.GAUGE,
    (),
    "1",
    "Appels en cours qui ont besoin de la base, ceux qui attendent leur tour compris.",
)
WAITING = Metric(
    "cynod_calls_waiting",
    Kind.GAUGE,
    ("room",),
    "1",
    "Appels qui attendent leur tour (une connexion ou un fil d'exécution), par salle.",
)
OLDEST = Metric(
    "cynod_calls_waiting_oldest_seconds",
    Kind.GAUGE,
    ("room",),
    "s",
    "Âge du plus ancien appel qui attend son tour, par salle.",
    "max",
)
CONNECTIONS = Metric(
    "db_client_connection_count",
    Kind.GAUGE,
    ("db_client_connection_pool_name", "db_client_connection_state"),
    "1",
    "Connexions à la base, prêtées à un appel (`used`) ou libres (`idle`).",
)
CONNECTIONS_MAX = Metric(
    "db_client_connection_max",
    Kind.GAUGE,
    ("db_client_connection_pool_name",),
    "1",
    "Connexions que le serveur peut ouvrir (`CYNOD_POOL_SIZE` par processus, plus les sondes).",
)
STATEMENTS = Metric(
    "db_client_operation_duration_seconds",
    Kind.HISTOGRAM,
    ("db_query_summary",),
    "s",
    "Temps qu'un appel a attendu une instruction, par nom d'instruction ; celle qui voyage avec une autre"
    " a sa réponse aussitôt.",
)
UNKNOWN_COMMITS = Metric(
    "cynod_commits_unknown_total",
    Kind.COUNTER,
    (),
    "1",
    "COMMIT envoyés dont l'issue est inconnue : le partenaire demande l'opération par sa référence.",
)
RETRIED = Metric(
    "cynod_calls_retried_total",
    Kind.COUNTER,
    ("operation",),
    "1",
    "Nouvelles tentatives d'un appel que la base avait annulé avant COMMIT.",
)
REPLAYED = Metric(
    "cynod_calls_replayed_total",
    Kind.COUNTER,
    ("operation",),
    "1",
    "Appels répétés auxquels la première réponse a été redonnée (`Idempotent-Replayed`).",
)
LIMITED = Metric(
    "cynod_calls_limited_total",
    Kind.COUNTER,
    ("classe",),
    "1",
    "Appels refusés par une limite de débit, par classe du contrat (`echec` : échecs d'authentification).",
)
TOKENS = Metric(
    "cynod_tokens_issued_total", Kind.COUNTER, (), "1", "Jetons d'accès délivrés aux partenaires."
)
LOOP_DELAY = Metric(
    "cynod_event_loop_delay_seconds",
    Kind.HISTOGRAM,
    (),
    "s",
    "Retard de la boucle d'événements, mesuré dix fois par seconde dans chaque processus.",
)
LOOP_STALLED = Metric(
    "cynod_event_loop_stalled_seconds",
    Kind.GAUGE,
    (),
    "s",
    "Depuis quand la boucle d'événements la plus en retard n'a pas tourné ; lu même si elle est bloquée.",
    "max",
)
WORKERS = Metric(
    "cynod_workers", Kind.GAUGE, (), "1", "Processus du serveur qui servent des appels."
)
WORKERS_STARTED = Metric(
    "cynod_workers_started_total",
    Kind.COUNTER,
    (),
    "1",
    "Processus démarrés, les remplaçants de ceux qui sont morts compris.",
)
DATABASE_UP = Metric(
    "cynod_database_up",
    Kind.GAUGE,
    (),
    "1",
    "1 si la base a répondu au processus des métriques ; à 0, les métriques des demandes manquent.",
    "min",
)
PENDING = Metric(
    "cynod_demandes_pending",
    Kind.GAUGE,
    ("type",),
    "1",
    "Demandes qui attendent une validation, par type (operationId).",
    "max",
)
PENDING_OLDEST = Metric(
    "cynod_demandes_pending_oldest_seconds",
    Kind.GAUGE,
    ("type",),
    "s",
    "Âge de la plus ancienne demande qui attend une validation, par type.",
    "max",
)
VERIFIED = Metric(
    "cynod_verification_success",
    Kind.GAUGE,
    ("verification",),
    "1",
    "Dernier résultat de `cynod journal verify` (`journal`), `journal seal` (`seal`) et `audit verify`"
    " (`audit`), lu dans `CYNOD_VERIFICATIONS` : 1 tout est juste, 0 sinon.",
    "min",
)
VERIFIED_AT = Metric(
    "cynod_verification_timestamp_seconds",
    Kind.GAUGE,
    ("verification",),
    "s",
    "Fin de la dernière vérification, en secondes depuis 1970.",
    "max",
)
CONTRACT = Metric(
    "cynod_contract_info",
    Kind.GAUGE,
    ("surface", "version", "sha256"),
    "1",
    "Contrat servi, sa version et son empreinte ; toujours 1.",
)

METRICS = (
    *(CALLS, FAILED, ACTIVE, WAITING, OLDEST),
    *(CONNECTIONS, CONNECTIONS_MAX, STATEMENTS, UNKNOWN_COMMITS),
    *(RETRIED, REPLAYED, LIMITED, TOKENS),
    *(LOOP_DELAY, LOOP_STALLED, WORKERS, WORKERS_STARTED),
    *(DATABASE_UP, PENDING, PENDING_OLDEST, VERIFIED, VERIFIED_AT, CONTRACT),
)
"""Every metric, in the order in which they are told."""

CALL_BOUNDS = (
    *(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075),
    *(0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0),
)
"""OpenTelemetry's for HTTP, and two below: most calls end within five milliseconds."""

STATEMENT_BOUNDS = (0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0)
"""OpenTelemetry's for databases."""

DELAY_BOUNDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


def as_markdown() -> str:
    """The table as docs/exploitation/metriques.md has it."""
    head = "| métrique | type | étiquettes | unité | ce qu'elle dit |\n|---|---|---|---|---|\n"
    return head + "".join(
        f"| `{one.name}` | {one.kind.value} | {', '.join(f'`{label}`' for label in one.labels) or '–'}"
        f" | `{one.unit}` | {one.sentence} |\n"
        for one in METRICS
    )
