"""What leaves a run: reports without secrets or card numbers, failures that can be replayed, figures."""

from __future__ import annotations

import base64
import json
import re
import shlex
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx

from tests.lab.fuzz.land import Land
from tests.support.contract_client import PARTENAIRE, Json, Reading

SHARE = 0.35
"""The share of the generated calls that must succeed, lest a run prove only that refusals look right."""

CHAIN = 5
"""Steps that the longest chain of successes must have."""

_BEARER = re.compile(r"(?i)\b(bearer)( |%20|\+)(?!\{)[A-Za-z0-9._~+/=-]{20,}")
_BASIC = re.compile(r"(?i)\b(basic)( |%20|\+)(?!\{)(?!realm)[A-Za-z0-9+/=]{16,}")
_TOKEN_FIELD = re.compile(r"(access_token\\*\"\s*:\s*\\*\")[^\"\\{]+")


class Veil:
    """Replaces what must not be read by names that a replay can undo: `{carte 3}`, `{secret A}`."""

    def __init__(self, land: Land, tokens: list[str]) -> None:
        names: dict[str, str] = {}
        for one in land.partenaires:
            names[one.secret] = f"{{secret {one.name}}}"
            pair = base64.b64encode(f"{one.key}:{one.secret}".encode()).decode()
            names[pair] = f"{{paire {one.name}}}"
        for secret in land.secrets:
            names.setdefault(secret, "{secret}")
        for token in tokens:
            names[token] = "{jeton}"
        for number, carte in enumerate(land.cartes, 1):
            names[carte.numero] = f"{{carte {number}}}"
        for number, carte in enumerate(land.cartes, 1):
            names.setdefault(carte.wallet, f"{{wallet {number}}}")
        names.pop("", None)
        self._names = names
        longest_first = sorted(names, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def hide(self, text: str) -> str:
        """The text without secrets, tokens, card numbers and phone numbers."""
        text = self._pattern.sub(lambda found: self._names[found[0]], text)
        text = _BEARER.sub(r"\1\2{jeton}", text)
        text = _BASIC.sub(r"\1\2{paire}", text)
        return _TOKEN_FIELD.sub(r"\1{jeton}", text)

    def hide_tree(self, source: Path, target: Path) -> None:
        """Copy a folder of text files, hidden."""
        for file in sorted(source.rglob("*")):
            if file.is_file():
                copy = target / file.relative_to(source)
                copy.parent.mkdir(parents=True, exist_ok=True)
                with (
                    file.open(encoding="utf-8", errors="surrogateescape") as read,
                    copy.open("w", encoding="utf-8", errors="surrogateescape") as written,
                ):
                    for line in read:
                        written.write(self.hide(line))


def show(text: str, land: Land, token: str) -> str:
    """Undo `Veil.hide` in a stored failure, with the cards and the pairs of another run's land."""
    names = {"{jeton}": token}
    for one in land.partenaires:
        names[f"{{secret {one.name}}}"] = one.secret
        pair = base64.b64encode(f"{one.key}:{one.secret}".encode()).decode()
        names[f"{{paire {one.name}}}"] = pair
    for number, carte in enumerate(land.cartes, 1):
        names[f"{{carte {number}}}"] = carte.numero
        names[f"{{wallet {number}}}"] = carte.wallet
    return re.sub(
        r"\{(?:jeton|(?:secret|paire|carte|wallet) \w+)\}", lambda f: names.get(f[0], f[0]), text
    )


@dataclass
class Part:
    """What one server's run found and did."""

    name: str
    acting: str
    seconds: float = 0.0
    record: Json = field(default_factory=dict)
    provoked: dict[str, set[str]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    failures: list[Json] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    whole: bool = True
    """Whether the run was one that a share of successes and long chains are asked of."""

    contract: Reading = PARTENAIRE
    asked: bool = False
    """Whether the run was one that every declared code is asked of."""

    @cached_property
    def declared(self) -> dict[str, list[str]]:
        """The codes of every operation of the contract that was tried."""
        return {
            operation["operationId"]: ["200", *operation["x-codes-erreur"]]
            for operation in self.contract.operations.values()
        }

    def add(self, record: Json) -> None:
        """Add what one run of Schemathesis remembers."""
        old = self.record or {"answers": {}, "chains": {}, "longest": [], "closed": 0}
        answers = {name: Counter(counts) for name, counts in old["answers"].items()}
        for name, counts in record["answers"].items():
            answers.setdefault(name, Counter()).update(counts)
        self.record = {
            **record,
            "answers": answers,
            "chains": Counter(old["chains"]) + Counter(record["chains"]),
            "longest": max(old["longest"], record["longest"], key=len),
            "operations": {**old.get("operations", {}), **record["operations"]},
            "tokens": sorted({*old.get("tokens", []), *record["tokens"]}),
        }

    @property
    def answers(self) -> Mapping[str, Mapping[str, int]]:
        """Generated calls by operation, status and code."""
        answers: Mapping[str, Mapping[str, int]] = self.record.get("answers", {})
        return answers

    @property
    def totals(self) -> Counter[str]:
        """Generated calls by status and code."""
        totals: Counter[str] = Counter()
        for counts in self.answers.values():
            totals.update(counts)
        return totals

    @property
    def share(self) -> float:
        """The share of generated calls that succeeded."""
        total = sum(self.totals.values())
        return self.totals["200 200"] / total if total else 0.0

    def codes(self, operation: str) -> set[str]:
        """The codes that generated calls of an operation reached."""
        return {answer.partition(" ")[2] for answer in self.answers.get(operation, {})}

    def unreached(self) -> list[str]:
        """What the contract declares and nothing reached."""
        return [
            f"{operation} {code}"
            for operation, codes in self.declared.items()
            for code in codes
            if code not in self.codes(operation) | self.provoked.get(operation, set())
        ]

    @property
    def longest(self) -> list[str]:
        """The longest chain of successful steps."""
        longest: list[str] = self.record.get("longest", [])
        return longest

    def judge(self, passing: Mapping[str, str]) -> None:
        """Add a fault for each promise of reach that the run did not keep."""
        missing = [pair for pair in self.unreached() if pair not in passing]
        if self.asked and missing:
            self.faults.append(f"declared, and never reached: {', '.join(missing)}")
        if not self.whole:
            return
        if self.share < SHARE:
            self.faults.append(f"only {self.share:.0%} of the generated calls succeeded")
        if len(self.longest) < CHAIN:
            self.faults.append(f"the longest chain has {len(self.longest)} steps, not {CHAIN}")


def store_failures(part: Part, crashes: Path, veil: Veil, target: Path) -> None:
    """Keep each failure in a file that `make fuzz FILE=…` takes, and its curl line."""
    for file in sorted(crashes.glob("*.json")):
        if file.name == "manifest.json":
            continue
        crash = json.loads(file.read_text(encoding="utf-8"))
        stored = {"kind": "case", "on": part.name, "acting": part.acting, "crash": crash}
        text = veil.hide(json.dumps(stored, indent=1))
        _store(part, target / f"{part.name}-{file.name}", json.loads(text))


def store_provocation(
    part: Part,
    name: str,
    message: str,
    answer: httpx.Response | None,
    veil: Veil,
    target: Path,
    *,
    kind: str = "provocation",
    seed: int = 0,
) -> None:
    """Keep a failure of a provoked call, or of a walk, which is walked again from its seed."""
    slug = re.sub(r"[^A-Za-z0-9]+", "_", name)
    stored = {
        "kind": kind,
        "seed": seed,
        "on": part.name,
        "acting": part.acting,
        "provocation": name,
        "message": veil.hide(message),
        "status": answer.status_code if answer is not None else None,
        "curl": veil.hide(curl_of(answer.request) if answer is not None else ""),
    }
    _store(
        part,
        target / f"{part.name}-{'walked' if kind == 'walk' else 'provoked'}_{slug}.json",
        stored,
    )


def _store(part: Part, file: Path, stored: Json) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(stored, indent=1, ensure_ascii=False), encoding="utf-8")
    if stored["kind"] == "case":
        last = stored["crash"]["sequence"][-1]
        check = last["checks"][0]
        message = check["message"].removeprefix(f"Custom check failed: `{check['name']}`").strip()
        what, curl = f"{check['name']}: {message}", stored["crash"]["code_sample"]
        where = stored["crash"]["operation"]
        status = (last.get("response") or {}).get("status_code")
    else:
        where, what, curl = stored["provocation"], stored["message"], stored["curl"]
        status = stored["status"]
    part.failures.append(
        {"file": file.name, "operation": where, "status": status, "what": what, "curl": curl}
    )


def write_summary(parts: list[Part], seed: int, target: Path, command: str) -> str:
    """Write summary.txt and summary.json; the text."""
    lines = [f"Seed {seed}. Run it again: {command}", ""]
    for part in parts:
        lines += _describe(part, target)
    text = "\n".join(lines) + "\n"
    target.mkdir(parents=True, exist_ok=True)
    (target / "summary.txt").write_text(text, encoding="utf-8")
    data: list[dict[str, Any]] = [
        {
            "on": part.name,
            "seconds": round(part.seconds, 1),
            "calls": sum(part.totals.values()),
            "share": round(part.share, 4),
            "answers": part.answers,
            "provoked": {name: sorted(codes) for name, codes in part.provoked.items()},
            "unreached": part.unreached(),
            "chains": part.record.get("chains", {}),
            "longestChain": part.longest,
            "faults": part.faults,
            "failures": part.failures,
            "notes": part.notes,
        }
        for part in parts
    ]
    (target / "summary.json").write_text(
        json.dumps({"seed": seed, "parts": data}, indent=1, ensure_ascii=False), encoding="utf-8"
    )
    return text


def _describe(part: Part, target: Path) -> list[str]:
    total = sum(part.totals.values())
    colour = "RED" if part.faults or part.failures else "GREEN"
    by_answer = ", ".join(f"{answer}: {n}" for answer, n in part.totals.most_common())
    took = f"{total} generated calls in {part.seconds:.0f} s"
    lines = [f"── {part.name}: {colour}, {took}, {part.share:.0%} succeeded"]
    lines.append(f"   by answer: {by_answer}")
    for operation in part.declared:
        counts = part.answers.get(operation, {})
        if counts:
            shown = "  ".join(f"{answer.partition(' ')[2]}:{n}" for answer, n in counts.items())
            lines.append(f"   {operation:27} {shown}")
    provoked = sum(len(codes - part.codes(name)) for name, codes in part.provoked.items())
    declared = sum(map(len, part.declared.values()))
    generated = sum(len(part.codes(name) & set(codes)) for name, codes in part.declared.items())
    unreached = ", ".join(part.unreached()) or "none"
    lines.append(
        f"   codes: {generated} of {declared} declared (operation, code) pairs reached by generated "
        f"calls, {provoked} more provoked; not reached: "
        f"{unreached if part.asked else 'not asked of such a run'}"
    )
    chains = {int(steps): number for steps, number in part.record.get("chains", {}).items()}
    long = sum(number for steps, number in chains.items() if steps >= CHAIN)
    lines.append(
        f"   chains of {CHAIN} successful steps or more: {long}; the longest, {len(part.longest)}: "
        f"{' > '.join(part.longest)}"
    )
    lines += [f"   {note}" for note in part.notes]
    lines += [f"   FAULT {fault}" for fault in part.faults]
    for failure in part.failures:
        lines += [
            f"   FAILURE {failure['operation']}: {failure['what'].strip().splitlines()[0]}",
            *(f"      {line}" for line in failure["what"].strip().splitlines()[1:8]),
            *(f"      {line}" for line in failure["curl"].splitlines()[-3:]),
            f"      make fuzz FILE={as_typed(target / 'failures' / failure['file'])}",
        ]
    return [*lines, ""]


def curl_of(request: httpx.Request) -> str:
    """A command that sends the request again."""
    words = ["curl", "-i", "-X", request.method]
    for name in ("authorization", "accept-language", "accept", "content-type"):
        if name in request.headers:
            words += ["-H", f"{name}: {request.headers[name]}"]
    try:
        body = request.content.decode("utf-8", "replace")[:2000]
    except httpx.RequestNotRead:
        body = ""
    if body:
        words += ["--data-raw", body]
    return shlex.join([*words, str(request.url)])


def as_typed(path: Path) -> str:
    """A path as whoever runs it types it: from here when it is below, whole otherwise."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def clear(folder: Path, seed: int, *, ours: bool) -> None:
    """Remove the reports of the run before, and leave the seed of this one. Raises FileExistsError for
    a folder that has anything else, unless it is `ours` whatever it has."""
    own = folder / "seed.txt"
    if not ours and folder.exists() and not own.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{as_typed(folder)} holds other things than the reports of a run.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    own.write_text(f"{seed}\n", encoding="utf-8")
