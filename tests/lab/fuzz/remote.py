"""A run against a deployment: which may be tried, what is acted upon there, and how it is left.

Through the API alone a partner makes neither cards nor clients: the run acts on the cards that it finds,
by small amounts, and undoes what it did. What cannot be undone is in docs/qa.md.
"""

from __future__ import annotations

import contextlib
import csv
import ipaddress
import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from tests.lab.fuzz import land as lands
from tests.lab.fuzz.land import Carte, Land, Partenaire
from tests.lab.fuzz.report import Part
from tests.lab.fuzz.run import Plan, run_schemathesis
from tests.lab.fuzz.witness import Witness
from tests.support.contract_client import Json

TEST_NAMES = re.compile(
    r"(^|[.-])(staging|stage|test|tests|recette|qa|uat|dev|preprod|sandbox|demo|localhost)[0-9]*([.-]|$)"
)
MONTANT_MAXIMAL = 1_000
CARTES_MAXIMALES = 40
PASSES = 3


class RemoteRefused(RuntimeError):
    """The deployment must not, or cannot, be tried; the text is one sentence."""


def check_address(url: str, allowed: str | None) -> None:
    """Refuse an address that may be a production one, and secrets in clear over a network."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host:
        raise RemoteRefused(f"URL={url} is no http or https address.")
    if is_local(host):
        return
    if parts.scheme != "https":
        raise RemoteRefused("credentials travel to another machine by https only.")
    if not TEST_NAMES.search(host) and allowed != host:
        raise RemoteRefused(
            f"{host} may be a production server, and a run moves money there. Nothing in its name says"
            f" that it is for tests (staging, test, recette, qa, uat, dev, preprod, sandbox, demo); to"
            f" try it all the same, repeat its name: ALLOW={host}."
        )


def is_local(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_pairs(environ: Mapping[str, str]) -> list[tuple[str, str]]:
    """The pairs of one or two partners, from the environment only."""
    found = [
        (environ.get(f"CYNOD_FUZZ_KEY{n}", ""), environ.get(f"CYNOD_FUZZ_SECRET{n}", ""))
        for n in ("", "_2")
    ]
    if not all(found[0]):
        raise RemoteRefused("set CYNOD_FUZZ_KEY and CYNOD_FUZZ_SECRET to a partner of that server.")
    return [pair for pair in found if all(pair)]


def read_phones(file: str) -> dict[str, str]:
    """The walletId of each card, from a file that `cynod import` takes; none without a file."""
    if not file:
        return {}
    try:
        with Path(file).open(encoding="utf-8-sig", newline="") as rows:
            return {row["numeroCarte"]: row["telephone"] for row in csv.DictReader(rows)}
    except OSError as error:
        raise RemoteRefused(f"CYNOD_FUZZ_CARTES={file} cannot be read: {error.strerror}.") from None
    except (KeyError, UnicodeDecodeError):
        raise RemoteRefused(
            f"CYNOD_FUZZ_CARTES={file} is no file that `cynod import` takes: its columns numeroCarte and"
            " telephone are needed, in UTF-8."
        ) from None


def discover(
    url: str, seed: int, pairs: list[tuple[str, str]], phones: Mapping[str, str] | None = None
) -> Land:
    """The cards of the partners, as the API tells them; `phones` gives the walletId of those whose holder's
    phone it does not tell."""
    known = read_phones(os.environ.get("CYNOD_FUZZ_CARTES", "")) if phones is None else phones
    bare = [
        Partenaire(name, key, secret, [], [])
        for name, (key, secret) in zip("AB", pairs, strict=False)
    ]
    land = Land(url.rstrip("/"), seed, bare, montant_maximal=MONTANT_MAXIMAL)
    land.secrets = [secret for _, secret in pairs]
    try:
        with contextlib.closing(Witness(land)) as witness:
            land.partenaires = [_find_cartes(witness, one, known) for one in bare]
    except httpx.HTTPError as error:
        raise RemoteRefused(f"the server does not tell the partner's cards: {error}.") from None
    if not any(carte.kind == lands.RICH for carte in land.acting.cartes):
        raise RemoteRefused(
            "no valid card of the partner has a phone that is told; see CYNOD_FUZZ_CARTES in docs/qa.md."
        )
    return land


def _find_cartes(witness: Witness, one: Partenaire, phones: Mapping[str, str]) -> Partenaire:
    api = witness.client
    headers = {"Authorization": witness.bearer(one)}

    def ask(path: str, **params: str) -> Json | None:
        answer = api.get(path, params=params, headers=headers)
        body: Json = answer.json()
        return body if answer.status_code == 200 else None

    rights = ask("/mes-droits")
    if rights is None:
        raise RemoteRefused("the partner's pair is refused by GET /mes-droits.")
    clients: list[str] = rights["data"][0]["clients"]
    made: list[Carte] = []
    for client_id in clients:
        page = ask("/get-liste-cartes", clientId=client_id, limite="100")
        for item in page["data"] if page else []:
            names = {"numeroCarte": item["numeroCarte"], "membreId": item["membreId"]}
            valid = ask("/check-card-validity-by-member", clientId=client_id, **names)
            # The phone of the holder is the card's walletId. It is not told of a card that is refused, and
            # may be unknown.
            if valid is None or len(made) >= CARTES_MAXIMALES:
                continue
            phone = valid["data"][0]["telephone"] or phones.get(item["numeroCarte"], "")
            if phone:
                made.append(
                    Carte(item["numeroCarte"], phone, client_id, item["membreId"], lands.RICH)
                )
    return Partenaire(one.name, one.key, one.secret, clients, made)


def fuzz_remote(url: str, plan: Plan, folder: Path) -> Part:
    """Try a deployment, then undo what was done there."""
    started = time.monotonic()
    land = discover(url, plan.seed, read_pairs(os.environ))
    part = Part("deployment", "A", whole=False)
    folder.mkdir(parents=True, exist_ok=True)
    with contextlib.closing(Witness(land)) as witness:
        before = witness.soldes()
        plan.progress.at(part.name, "generated calls")
        run_schemathesis(part, land, plan, folder)
        plan.progress.at(part.name, "undoing what was done")
        clean(part, witness, before)
    part.seconds = time.monotonic() - started
    return part


def clean(part: Part, witness: Witness, before: dict[str, int]) -> None:
    """Close what may still be on its way, reverse what was executed, compare the soldes."""
    executed: dict[str, Json] = dict(part.record.get("operations", {}))
    executed |= _close(witness, part.record.get("unknown", []))
    reversed_ = set(part.record.get("reversed", []))
    left = [
        (reference, item)
        for reference, item in reversed(executed.items())
        if item["type"] != "ANNULATION" and reference not in reversed_
    ]
    undone = 0
    for _ in range(PASSES):
        kept = [(ref, item) for ref, item in left if not _undo(witness, ref, item)]
        undone += len(left) - len(kept)
        left = kept
    part.notes.append(
        f"cleaned up: {undone} operations reversed; {part.record.get('closed', 0)} closed"
        " references and the history of the cards stay"
    )
    after = witness.soldes()
    if left or after != before:
        changed = sum(after.get(numero) != solde for numero, solde in before.items())
        part.faults.append(
            f"not cleaned up: {len(left)} operations could not be reversed,"
            f" {changed} cards have another solde than before the run"
        )


def _close(witness: Witness, references: list[str]) -> dict[str, Json]:
    """Close references whose call had no answer; those that were executed after all."""
    executed: dict[str, Json] = {}
    for reference in references:
        body = {"reference": reference}
        answer = _post(witness, "/cloturer-reference", body)
        if answer.status_code == 200 and answer.json()["data"][0]["etat"] == "EXECUTEE":
            told = witness.client.get("/get-operation", params=body, headers=_headers(witness))
            if told.status_code == 200:
                executed[reference] = told.json()["data"][0]
    return executed


def _undo(witness: Witness, reference: str, item: Json) -> bool:
    new = f"{reference[:50]}-undo"
    if item["type"] != "TRANSFERT":
        body = {"referenceOrigine": reference, "reference": new}
        answer = _post(witness, "/annuler-operation", body)
        return answer.status_code == 200 or answer.json().get("code") == "4008"
    source = witness.cartes[item["numeroCarteDestination"]]
    target = witness.cartes[item["numeroCarte"]]
    names = {f"{name}Destination": value for name, value in target.query.items()}
    body = {**source.query, **names, "montant": item["montant"], "reference": new}
    return _post(witness, "/transferer-solde", body).status_code == 200


def _post(witness: Witness, path: str, body: Json) -> httpx.Response:
    return witness.client.post(path, json=body, headers=_headers(witness))


def _headers(witness: Witness) -> dict[str, str]:
    return {"Authorization": witness.bearer(witness.land.acting)}
