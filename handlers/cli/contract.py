"""`cynod contract`: check the contract and write again what is generated from it."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import click
import httpx
import yaml

from handlers.cli.common import Refused, json_option
from handlers.cli.shown import print_json, print_rows, show_progress
from handlers.contract.bundle import read_whole
from handlers.contract.edition import edition_31_json
from handlers.contract.model import Contract, ContractError, Json
from handlers.contract.reading import build as build_contract
from handlers.contract.reading import load, read_document
from handlers.contract.rules import check_openapi
from handlers.contract.surface import PARTENAIRE, SURFACES, Surface
from handlers.contract.together import check_together
from handlers.settings import ROOT, read_settings
from handlers.workbench.back_office import make_back_office_skeleton
from handlers.workbench.conformance import (
    CONFORM,
    IDENTICAL,
    LEFT,
    WRONG,
    Credentials,
    CredentialsRefused,
    Report,
    replay,
)
from handlers.workbench.description import CARD, SkeletonError, Wanted, describe, unwritten
from handlers.workbench.diff.accepted import accept, read_accepted
from handlers.workbench.diff.change import BREAKING, worst
from handlers.workbench.diff.change import Change as Changed
from handlers.workbench.diff.compare import compare, read
from handlers.workbench.diff.redocly import RedoclyFailed, RedoclyMissing, lint
from handlers.workbench.diff.report import (
    FORMATS,
    as_json,
    as_markdown,
    as_text,
)
from handlers.workbench.diff.touched import Versions
from handlers.workbench.diff.usage_report import (
    COLUMNS,
    Told,
    logs_line,
    usage_rows,
    usage_values,
)
from handlers.workbench.generate import GeneratorMissing, generate, generate_checked
from handlers.workbench.history import (
    HISTORY,
    HistoryError,
    as_published,
    find_state,
    find_version,
    history_of,
    published,
)
from handlers.workbench.history import publish as freeze
from handlers.workbench.outline import OutlineError, outline, show
from handlers.workbench.repair import repair
from handlers.workbench.skeleton import Change, Skeleton, make_skeleton
from handlers.workbench.usage import Usage, read_usage

CONTRACT = ROOT / "openapi.yaml"

MAX_SHOWN_LINES = 20


def _surface(_context: click.Context, _option: click.Parameter, name: str) -> Surface:
    if name not in SURFACES:
        raise click.BadParameter(f"{name!r} is not one of {', '.join(SURFACES)}.")
    return SURFACES[name]


surface_option = click.option(
    "--surface",
    default=PARTENAIRE.name,
    show_default=True,
    help="Of which contract.",
    callback=_surface,
)


@click.group()
def contract() -> None:
    """Check openapi.yaml and write again what is generated from it."""


fix_option = click.option(
    "--fix", is_flag=True, help="First write into openapi.yaml what can be known without you."
)


@contract.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when a file would change.")
@fix_option
def build(*, check: bool, fix: bool) -> None:
    """Write what is generated from openapi.yaml: types, signatures, the hash of what was checked.

    All that is wrong is told at once: file, line, place, and what to write. With --fix, openapi.yaml
    is edited first, line by line: codes that the server can always answer, shared responses of the
    statuses of codes, the headers of a deprecated operation, the order of keys and codes, the version and
    the messages that examples show. Each edit is told.

    \b
    Example:    cynod contract build --fix
    Exit codes: 0 all is right, 1 something is not, 2 wrong usage
    """
    if check and fix:
        raise click.UsageError("--check writes nothing, --fix does: give one of them.")
    _build(check=check, fix=fix)


def _build(*, check: bool, fix: bool = False) -> None:
    if fix:
        _fix()
    try:
        contracts = [load(_file(one), again=True, surface=one) for one in SURFACES.values()]
        check_together(contracts)
        wanted: dict[Path, str] = {}
        for one in contracts:
            wanted |= generate(_file(one.surface), one)
        wanted |= generate_checked(contracts)
    except (ContractError, GeneratorMissing) as error:
        raise click.ClickException(str(error)) from None
    stale = {path: text for path, text in wanted.items() if _read(path) != text}
    if stale and check:
        raise click.ClickException("\n".join(_difference(path, wanted[path]) for path in stale))
    for path, text in stale.items():
        path.write_text(text, encoding="utf-8")
    written = ", ".join(_shown(path) for path in stale)
    state = f"{written} written" if stale else "what is generated from it is up to date"
    click.echo(f"{'; '.join(map(_summary, contracts))}; {state}.")


def _file(surface: Surface) -> Path:
    return CONTRACT if surface is PARTENAIRE else CONTRACT.with_name(surface.file)


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def _fix() -> None:
    """Write into each contract what the machine knows, and say each edit."""
    for surface in SURFACES.values():
        path = _file(surface)
        try:
            _, source = read_document(path)
        except ContractError as error:
            raise click.ClickException(str(error)) from None
        fixed, told = repair(
            source.decode("utf-8"), path.name, surface=surface, join=_joining(path)
        )
        if told:
            path.write_bytes(fixed.encode("utf-8"))
        click.echo("\n".join(told) or f"{path.name}: nothing to fix without you.")


def _joining(path: Path) -> Callable[[Json], Json]:
    """What gives the document of a file, as it is in memory, with what it refers to in files beside it."""
    others = cache(read_document)

    def join(document: Json) -> Json:
        return read_whole(path, lambda one: (document, b"") if one == path else others(one))[0]

    return join


@contract.command("all")
@fix_option
def all_(*, fix: bool) -> None:
    """What `make contract` does: check, write again, lint, and say what changed.

    All that is wrong is told at once. --fix is that of `cynod contract build`. Without Node.js, what
    needs it is left out, and it says so.

    \b
    Example:    cynod contract all --fix
    Exit codes: 0 all is right, 1 something is not, 2 wrong usage
    """
    _build(check=False, fix=fix)
    try:
        _lint()
        _tell_changes()
    except RedoclyMissing as error:
        click.echo(f"Not linted and not compared with the last published version: {error}")


@contract.command("show")
@click.argument("operation")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["yaml", "json"]),
    default="yaml",
    show_default=True,
    help="YAML is the text as it is written.",
)
@surface_option
def show_(operation: str, format_: str, surface: Surface) -> None:
    """Print an operation of the contract with all that it refers to, each once, with its line.

    OPERATION is its operationId. Its parameters, bodies, responses, schemas and examples follow it in the
    order of reading, then the catalogue's entries of its codes.

    \b
    Example:    cynod contract show getSoldeCarte
    Exit codes: 0 printed, 1 no such operation, 2 wrong usage
    """
    try:
        click.echo(show(_file(surface), operation, format_))
    except (ContractError, OutlineError) as error:
        raise Refused(str(error)) from None


@contract.command("outline")
@surface_option
def outline_(surface: Surface) -> None:
    """Print the order of the contract: sections, tags, operations, components, codes, with their lines.

    \b
    Example:    cynod contract outline
    Exit codes: 0 printed, 1 it cannot be read, 2 wrong usage
    """
    try:
        click.echo(outline(_file(surface)))
    except ContractError as error:
        raise Refused(str(error)) from None


@contract.command()
@surface_option
def edition(surface: Surface) -> None:
    """Print the OpenAPI 3.1 edition, in JSON: what a server serves at /openapi-3.1.json.

    \b
    Example:    cynod contract edition > openapi-3.1.json
    Exit codes: 0 printed, 1 the contract cannot be read, 2 wrong usage
    """
    try:
        click.echo(edition_31_json(load(_file(surface), surface=surface).document), nl=False)
    except ContractError as error:
        raise Refused(str(error)) from None


@contract.command()
@click.argument("operation")
@click.option("--path", "place", help="Its path, in-kebab-case, when openapi.yaml has it not yet.")
@click.option("--method", default="post", show_default=True, help="Its HTTP method.")
@click.option("--tag", help="Its tag, which openapi.yaml describes.")
@click.option("--name", help="What is asked and answered, a noun: schemas DemandeX, X, ReponseX.")
@click.option("--scope", default="", help="The right that it needs; the usual one of its kind.")
@click.option(
    "--code",
    "codes",
    multiple=True,
    help="A code of its rule, 3901:CarteDejaEnOpposition, or 3003 when the catalogue has it.",
)
@click.option(
    "--takes", multiple=True, help="A field or parameter; numeroCarte, walletId and clientId."
)
@click.option(
    "--gives", multiple=True, help="A field of the answer, FIELD or FIELD:SCHEMA; numeroCarte."
)
@click.option("--model", default="", help="The file of models/ that its rule stands in.")
@click.option("--migration", help="What it changes of the database, in words.")
@click.option("--column", "columns", multiple=True, help="A new column: cartes.bloquee_le:instant.")
@click.option("--dry-run", is_flag=True, help="Print what would be written, write nothing.")
@surface_option
def new(
    operation: str,
    surface: Surface,
    *,
    place: str | None,
    method: str,
    tag: str | None,
    name: str | None,
    scope: str,
    codes: tuple[str, ...],
    takes: tuple[str, ...],
    gives: tuple[str, ...],
    model: str,
    migration: str | None,
    columns: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Write the first lines of an operation: first in openapi.yaml, then in the code.

    OPERATION is its operationId. With --path, openapi.yaml gets its description, all that the rules ask,
    with the words still to write. Once it is there, without --path: its handler, view, rule, classes of
    new codes, migration and tests, and what the tests of every operation must know. All is whole but the
    rule. What is already there is kept. Of the back office, also the type of a demande, and the row of its
    rule of validation with the migration that writes it.

    \b
    Examples:   cynod contract new bloquerCarte --path /bloquer-carte --tag cartes --name Blocage \\
                    --code 3901:CarteDejaEnOpposition --gives numeroCarte --gives bloqueeLe:Instant
                cynod contract new bloquerCarte --migration "When a card was blocked" \\
                    --column cartes.bloquee_le:instant
    Exit codes: 0 written, 1 refused, 2 wrong usage
    """
    if columns and not migration:
        raise click.UsageError('--column needs --migration "what it changes, in words".')
    if place and not tag:
        raise click.UsageError("--path needs --tag: it names the module of the handler.")
    try:
        checked = load(_file(surface), surface=surface)
        if place and operation not in checked.operations:
            named = name or operation[:1].upper() + operation[1:]
            wanted = Wanted(operation, place, method.lower(), tag or "", named, _codes(codes))
            skeleton = _describe(checked, _with_fields(wanted, surface, takes, gives, scope))
        elif surface.persons:
            skeleton = make_back_office_skeleton(checked, operation, ROOT)
        else:
            change = Change(migration, columns) if migration else None
            skeleton = make_skeleton(checked, operation, ROOT, model=model, change=change)
    except (ContractError, SkeletonError) as error:
        raise click.ClickException(str(error)) from None
    _write(skeleton, dry_run=dry_run)


def _codes(texts: tuple[str, ...]) -> tuple[tuple[str, str], ...]:
    return tuple((code, nom) for code, _, nom in (text.partition(":") for text in texts))


def _with_fields(
    wanted: Wanted, surface: Surface, takes: tuple[str, ...], gives: tuple[str, ...], scope: str
) -> Wanted:
    usual = CARD[-1:] if surface.persons else CARD
    return replace(wanted, takes=takes or usual, gives=gives or usual[:1], scope=scope)


def _describe(checked: Contract, wanted: Wanted) -> Skeleton:
    """The contract with the operation, and its words to write. Raises SkeletonError, ContractError."""
    surface = checked.surface
    file = _file(surface)
    text = describe(checked, wanted, file.read_text(encoding="utf-8"))
    document = _joining(file)(yaml.safe_load(text))
    build_contract(document, text.encode(), again=True, surface=surface)
    of_it = f" --surface {surface.name}" if surface.prefix else ""
    todo = [
        *unwritten(text, file.name),
        "Add by hand the fields that no shared schema has. `make contract` checks all.",
        f"`cynod contract new {wanted.operation_id}{of_it}` writes the code behind it.",
    ]
    return Skeleton({file: text}, todo)


def _write(skeleton: Skeleton, *, dry_run: bool) -> None:
    for path, text in skeleton.files.items():
        shown = path.relative_to(ROOT).as_posix()
        if not dry_run:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            click.echo(f"{shown} written.")
        elif path.exists():
            old = path.read_text(encoding="utf-8").splitlines()
            lines = difflib.unified_diff(old, text.splitlines(), shown, shown, lineterm="")
            click.echo("\n".join(lines))
        else:
            click.echo(f"# {shown}\n{text}")
    if not dry_run:
        _tidy([path for path in skeleton.files if path.suffix == ".py"])
    click.echo("Next:")
    for number, step in enumerate(skeleton.todo, 1):
        click.echo(f"  {number}. {step}")


def _tidy(files: list[Path]) -> None:
    """Sort the imports and lay the lines out, where ruff is installed."""
    ruff = Path(sys.executable).with_name("ruff")
    if files and ruff.exists():
        names = [str(path) for path in files]
        for arguments in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
            subprocess.run([str(ruff), *arguments, *names], cwd=ROOT, check=False)  # noqa: S603


@contract.command()
@click.argument("url")
@click.option(
    "--consumer-key",
    envvar="CYNOD_CONSUMER_KEY",
    help="Of the partner to ask as; the secret is CYNOD_CONSUMER_SECRET.",
)
@click.option(
    "--writes",
    is_flag=True,
    help="Send the examples that write too: they move money on that server.",
)
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@surface_option
@click.pass_context
def selfcheck(
    ctx: click.Context,
    url: str,
    consumer_key: str | None,
    format_: str,
    surface: Surface,
    *,
    writes: bool,
) -> None:
    """Send every example of the contract to the server at URL, and judge what it answers.

    Each answer must have a declared status, the declared headers, a body that fits its schema, and a
    code that the operation lists. Each operation is also asked in the ways that any server of this
    contract must refuse. Without credentials, only what is public is asked, and who is refused. Of the back
    office (--surface base-core), the credentials are the token of a person, CYNOD_JETON_AGENT.

    \b
    Example:    CYNOD_CONSUMER_SECRET=... cynod contract selfcheck https://api.example \\
                    --consumer-key demo-partenaire
    Variables:  CYNOD_CONSUMER_KEY, CYNOD_CONSUMER_SECRET, CYNOD_JETON_AGENT, CYNOD_CONTRACT
    Exit codes: 0 all conform, 1 something does not or the server is away, 2 wrong usage
    """
    credentials = None if surface.persons else _credentials(consumer_key)
    token = os.environ.get("CYNOD_JETON_AGENT") or None if surface.persons else None
    if not url.startswith(("http://", "https://")):
        raise click.UsageError("URL must begin with http:// or https://.")
    try:
        file = read_settings().contract
        file = file if surface is PARTENAIRE else file.with_name(surface.file)
        checked = load(file, surface=surface)
        report = replay(
            checked, url.rstrip("/"), credentials=credentials, token=token, writes=writes
        )
    except (ContractError, CredentialsRefused) as error:
        raise Refused(str(error)) from None
    except httpx.HTTPError as error:
        raise Refused(f"{url} cannot be asked: {error}.") from None
    click.echo(report.as_json() if format_ == "json" else _text(report))
    ctx.exit(0 if report.passed else 1)


def _credentials(consumer_key: str | None) -> Credentials | None:
    """The pair of the environment. Raises Refused for half of one."""
    secret = os.environ.get("CYNOD_CONSUMER_SECRET", "")
    if consumer_key and not secret:
        raise Refused("CYNOD_CONSUMER_SECRET is not set: it is the secret of --consumer-key.")
    return Credentials(consumer_key, secret) if consumer_key else None


def _text(report: Report) -> str:
    lines = []
    for one in report.outcomes:
        told = f"HTTP {one.status}" if one.status is not None else "-"
        if one.code not in (None, "200"):
            told += f" {one.code}"
        tail = f": {one.reason}" if one.reason else ""
        lines.append(f"{one.verdict:>9}  {one.operation_id}, {one.case}: {told}{tail}")
    if report.served_version != report.version:
        lines.append(
            f"The server serves {report.served_version}, this contract is {report.version}."
        )
    counts = {
        verdict: sum(one.verdict == verdict for one in report.outcomes)
        for verdict in (IDENTICAL, CONFORM, WRONG, LEFT)
    }
    lines.append(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".")
    return "\n".join(lines)


class ManyLogs(click.Command):
    """A command whose `--usage` takes several files, until the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write the option again before each of its files."""
        spread: list[str] = []
        taking = False
        for argument in args:
            if argument.startswith("-") and argument != "-":
                taking = argument == "--usage"
                if not taking:
                    spread.append(argument)
            else:
                spread += ["--usage", argument] if taking else [argument]
        if "--usage" in args and "--usage" not in spread:
            raise click.UsageError("--usage needs a file, or - for standard input.", ctx)
        return super().parse_args(ctx, spread)


def _read_usage(logs: tuple[str, ...]) -> Usage:
    with show_progress("reading logs") as tell:
        return read_usage(logs, tell)


@contract.command()
@click.argument("logs", nargs=-1, required=True)
@json_option
def usage(logs: tuple[str, ...], *, as_json: bool) -> None:
    """Say which partners use what of the contract, by the server's own logs.

    LOGS are files of JSON lines as `cynod serve` writes them, compressed by gzip or not; `-` is standard
    input. For each operation and partner: how many calls, how many were refused, when the last one was;
    then the same for each optional parameter or field and each media type of an answer. A partner is
    named by the consumer-key; - is nobody known.

    \b
    Examples:   cynod contract usage cynod.log cynod.log.1.gz
                journalctl -u cynod -o cat | cynod contract usage -
    Exit codes: 0 told, 1 a file cannot be read, 2 wrong usage
    """
    told = _read_usage(logs)
    if as_json:
        print_json(usage_values(told))
        return
    print_rows(COLUMNS, usage_rows(told), numbers=("calls", "refused"))
    click.echo(logs_line(told))


@contract.command(cls=ManyLogs)
@click.argument("old", required=False)
@click.argument("new", required=False)
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default="text",
    show_default=True,
    help="How to print the changes.",
)
@click.option(
    "--usage",
    "logs",
    multiple=True,
    metavar="LOGS...",
    help="Say whom it touches, by these logs of the server (as `cynod contract usage` reads them).",
)
@surface_option
@click.pass_context
def diff(
    ctx: click.Context,
    old: str | None,
    new: str | None,
    format_: str,
    logs: tuple[str, ...],
    surface: Surface,
) -> None:
    """Say what changed between two versions of the contract, and whom it breaks.

    OLD and NEW are published versions such as 1.1.0, or files. Without NEW, openapi.yaml; without
    OLD, the last published version. What is `breaking`, `additive` or `text` is said for what clients
    send and for what they receive. With --usage, which partners used what breaks or is deprecated, how
    often and when last.

    \b
    Examples:   cynod contract diff
                cynod contract diff 1.0.0 1.1.0 --format markdown
                cynod contract diff --usage cynod.log cynod.log.1.gz
    Exit codes: 0 nothing breaks, 1 something breaks or cannot be compared, 2 wrong usage
    """
    try:
        history = history_of(surface)
        before = _version(old, history) if old else published(history)[-1].path
        after = _version(new, history) if new else _file(surface)
        with as_published(before) as older, as_published(after) as newer:
            documents = [read_document(path)[0] for path in (older, newer)]
            for path, document in zip((older, newer), documents, strict=True):
                check_openapi(document, path.name)
            versions = [str(document["info"]["version"]) for document in documents]
            changes = accept(compare(older, newer), read_accepted(history), *versions)
            told = _tell_usage(older, newer, changes, logs) if logs else None
    except (ContractError, HistoryError, RedoclyMissing, RedoclyFailed) as error:
        raise Refused(str(error)) from None
    tell = {"text": as_text, "markdown": as_markdown, "json": as_json}[format_]
    click.echo(tell(_name(before), _name(after), changes, told))
    ctx.exit(1 if worst(changes) == BREAKING else 0)


def _tell_usage(older: Path, newer: Path, changes: list[Changed], logs: tuple[str, ...]) -> Told:
    usage = _read_usage(logs)
    versions = Versions(read(older), read(newer), usage)
    return Told(usage, versions.breaking(changes), versions.deprecated())


def _version(text: str, history: Path) -> Path:
    path = Path(text)
    return path if path.suffix in (".yaml", ".yml", ".json") else find_version(text, history)


def _name(path: Path) -> str:
    return path.stem if path.is_relative_to(HISTORY) else path.name


@contract.command()
@surface_option
def publish(surface: Surface) -> None:
    """Freeze openapi.yaml as its version: docs/contract/<version>.yaml.

    Refused when the version is too small for what changed, or when words are still to write. Drafts the
    section of CHANGELOG.md when it has none; read it before you commit it.

    \b
    Example:    cynod contract publish
    Exit codes: 0 published, 1 refused, 2 wrong usage
    """
    try:
        load(_file(surface), again=True, surface=surface)
        _refuse_unwritten(_file(surface))
        target, drafted = freeze(_file(surface), history_of(surface), surface=surface)
    except (ContractError, HistoryError, RedoclyMissing, RedoclyFailed) as error:
        raise Refused(str(error)) from None
    click.echo(f"{_shown(target)} written.")
    if drafted:
        click.echo(
            f"CHANGELOG.md has a draft for {surface.heading(target.stem)}: say it for partners, in French."
        )


@contract.command()
def check() -> None:
    """Check everything about openapi.yaml: OpenAPI, its style, what is generated, what changed.

    All that is wrong is told at once: file, line, place, and what to write.

    \b
    Exit codes: 0 all is right, 1 something is not, 2 wrong usage
    """
    _build(check=True)
    for one in SURFACES.values():
        _refuse_unwritten(_file(one))
    try:
        _lint()
        _tell_changes()
    except RedoclyMissing as error:
        raise Refused(str(error)) from None


def _refuse_unwritten(file: Path) -> None:
    """Raises Refused while the contract has a text that nobody wrote yet."""
    sentences = list(unwritten(file.read_text(encoding="utf-8"), file.name))
    if sentences:
        raise Refused("\n".join(sentences))


def _lint() -> None:
    """Raises RedoclyMissing, and Refused when a contract breaks its ruleset."""
    for one in SURFACES.values():
        try:
            with as_published(_file(one)) as path:
                problems = lint(path)
        except (ContractError, RedoclyFailed) as error:
            raise Refused(str(error)) from None
        if problems:
            raise Refused(
                f"{one.file} breaks its ruleset, tests/contract/redocly.yaml:\n{problems}"
            )
        click.echo(f"{one.file} follows its ruleset.")


def _tell_changes() -> None:
    """What changed since the last published version. Raises RedoclyMissing, and Refused for what it owes."""
    for one in SURFACES.values():
        _tell_changes_of(one)


def _tell_changes_of(surface: Surface) -> None:
    try:
        state = find_state(_file(surface), history_of(surface), surface=surface)
    except (ContractError, HistoryError, RedoclyFailed) as error:
        raise Refused(str(error)) from None
    if state.changes:
        click.echo(as_text(state.last.name, f"{state.version} (not published)", state.changes))
    else:
        last = surface.heading(state.last.name)
        click.echo(f"Nothing changed since {last}, the last published version.")
    if state.faults:
        raise Refused("\n".join(state.faults))


def _summary(checked: Contract) -> str:
    schemas = len(checked.document["components"]["schemas"])
    return (
        f"{checked.surface.file} {checked.version}: {len(checked.operations)} operations, {schemas} schemas, "
        f"{len(checked.catalogue)} error codes"
    )


def _sources(generated: str) -> str:
    """The files of which its first line says that it is generated from them."""
    return generated.partition(" from ")[2].partition(" by ")[0]


def _difference(path: Path, wanted: str) -> str:
    shown = _shown(path)
    lines = list(
        difflib.unified_diff(
            _read(path).splitlines(), wanted.splitlines(), shown, "generated", lineterm=""
        )
    )
    return (
        f"{shown} is not what {_sources(wanted)} gives; `make contract` repairs it, never edit "
        "the file by hand.\n" + "\n".join(lines[:MAX_SHOWN_LINES])
    )
