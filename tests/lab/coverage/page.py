"""The page: what is covered, by which kind of test, and the request that shows each cell again.

One file without anything to fetch. It is read whole without a script; the script only filters.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from html import escape

from tests.lab.coverage.cells import (
    ANSWER,
    EXAMPLE,
    HEADER,
    KINDS,
    MEDIA,
    VALUE,
    Cell,
)
from tests.lab.coverage.observe import TEST_KINDS, Seen
from tests.lab.coverage.report import (
    Gap,
    Report,
    percent,
    reproduction,
    shorten,
)

TITLES = {
    ANSWER: "Answers: HTTP status and code",
    VALUE: "Parameters and fields",
    HEADER: "Response headers",
    MEDIA: "Media types of answers",
    EXAMPLE: "Examples",
}

SHOWN = 40
"""Reasons for red that are told without being asked for."""

STYLE = """
:root{color-scheme:light dark;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--back:#fff;--band:#f6f8fa;
--good:#116329;--bad:#a40e26;--badback:#ffebe9;--link:#0550ae}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--soft:#9da7b3;--line:#3d444d;--back:#0d1117;
--band:#161b22;--good:#56d364;--bad:#ff9492;--badback:#3c1618;--link:#79c0ff}}
*{box-sizing:border-box}
body{margin:0 auto;padding:1rem;max-width:76rem;font:1rem/1.45 system-ui,sans-serif;color:var(--ink);
background:var(--back)}
h1{font-size:1.5rem;margin:0 0 .25rem}h2{font-size:1.2rem;margin:2rem 0 .25rem}
h3{font-size:1rem;margin:1.25rem 0 .25rem}
a{color:var(--link)}p{margin:.4rem 0}.soft{color:var(--soft)}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.box{border:1px solid var(--line);border-left:.4rem solid var(--bad);background:var(--badback);
padding:.5rem .8rem;margin:1rem 0}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem}
caption{text-align:left;color:var(--soft);padding:.2rem 0}
th,td{border:1px solid var(--line);padding:.3rem .5rem;text-align:left;vertical-align:top}
thead th{background:var(--band)}td.n{text-align:right;white-space:nowrap}
tr.missing>*{background:var(--badback)}
code{font:.82rem/1.4 ui-monospace,monospace}
pre{margin:.3rem 0;white-space:pre-wrap;overflow-wrap:anywhere;font:.8rem/1.4 ui-monospace,monospace}
summary{cursor:pointer;color:var(--link)}
.filter{position:sticky;top:0;background:var(--back);border-bottom:1px solid var(--line);
padding:.5rem 0;display:flex;gap:.75rem;flex-wrap:wrap;align-items:center;z-index:1}
select{font:inherit;max-width:100%;color:inherit;background:var(--band);border:1px solid var(--line);
padding:.3rem}
[hidden]{display:none}
@media(max-width:40rem){.cells thead{display:none}
.cells table,.cells tbody,.cells tr,.cells th,.cells td{display:block;border:0;width:auto}
.cells tr{border:1px solid var(--line);margin:.4rem 0;padding:.3rem .5rem}
.cells td,.cells th{padding:.1rem 0}.cells td.n{text-align:left}
.cells td[data-label]::before{content:attr(data-label) ": ";color:var(--soft)}}
@media print{.filter{display:none}body{max-width:none;padding:0;font-size:9pt}
section{break-inside:auto}tr{break-inside:avoid}a{color:inherit;text-decoration:none}}
"""

SCRIPT = """
const operation=document.getElementById('operation'),missing=document.getElementById('missing');
function filter(){
 for(const s of document.querySelectorAll('section[data-operation]'))
  s.hidden=operation.value!==''&&s.dataset.operation!==operation.value;
 for(const r of document.querySelectorAll('.cells tbody tr'))
  r.hidden=missing.checked&&!r.classList.contains('missing');
}
operation.addEventListener('change',filter);missing.addEventListener('change',filter);
addEventListener('beforeprint',()=>{for(const d of document.querySelectorAll('details'))d.open=true});
filter();
"""


def render_page(report: Report) -> str:
    """The whole page."""
    names = list(dict.fromkeys(cell.operation for cell in report.declared))
    sections = "\n".join(_operation(report, name) for name in names)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Contract coverage</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>Contract coverage</h1>
{_verdict(report)}
</header>
<main>
{_overview(report, names)}
{_gaps(report)}
{_kinds(report)}
<form class="filter" onsubmit="return false">
<label for="operation">Operation</label>
<select id="operation"><option value="">all</option>{_options(names)}</select>
<label><input type="checkbox" id="missing"> only what is missing</label>
</form>
{sections}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def anchor(name: str) -> str:
    """The id of an operation's section."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")


def _scroll(title: str) -> str:
    """The opening of a box that a table may be wider than, reached by keyboard too."""
    return f'<div class="scroll" role="region" aria-label="{escape(title)}" tabindex="0">'


def _options(names: list[str]) -> str:
    return "".join(f"<option>{escape(name)}</option>" for name in names)


def _verdict(report: Report) -> str:
    run = report.run
    if report.red:
        state = f'<p class="bad">Red: {len(report.red)} reasons.</p>'
    else:
        state = (
            '<p class="good">Green: every operation × status × code that openapi.yaml declares '
            "was observed.</p>"
        )
    part = ""
    if not run["whole"]:
        reasons = escape("; ".join(run["reasons"]))
        part = f'<p class="box">Only a part of the tests was judged: {reasons}.</p>'
    databases = escape(" and ".join(sorted(report.observation.databases)) or "no database")
    return (
        f"{state}{part}<p class='soft'>{report.observation.count} exchanges, recorded until "
        f"{escape(run['ended'])}, on {databases}. A request is shown with $API for the server, "
        "$TOKEN for a token, $PAIR for consumer-key:consumer-secret, $SECRET for a secret. One that "
        "names cards of the demo can be sent to <code>make run</code>; other card numbers are "
        "masked, and the test named below the request makes those cards and sends the real one.</p>"
    )


def _overview(report: Report, names: list[str]) -> str:
    head = "".join(f'<th scope="col">{escape(TITLES[kind])}</th>' for kind in KINDS)
    rows = [_row("<strong>all</strong>", [report.counts(kind) for kind in KINDS])]
    for name in names:
        link = f'<a href="#{anchor(name)}"><code>{escape(name)}</code></a>'
        rows.append(_row(link, [report.counts(kind, name) for kind in KINDS]))
    return (
        '<h2 id="overview">Overview</h2>'
        f"{_scroll('Overview')}<table><caption>Cells observed of those declared</caption>"
        f'<thead><tr><th scope="col">Operation</th>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(name: str, counts: list[tuple[int, int]]) -> str:
    cells = "".join(
        f'<td class="n {"good" if seen == declared else "bad"}">{seen} / {declared}</td>'
        if declared
        else '<td class="n soft">none</td>'
        for seen, declared in counts
    )
    return f'<tr><th scope="row">{name}</th>{cells}</tr>'


def _gaps(report: Report) -> str:
    if not report.missing and not report.red:
        return '<p class="good">Nothing that the contract declares is missing.</p>'
    reasons = [_reason(line, seen) for line, seen in report.reasons]
    first, later = "".join(reasons[:SHOWN]), "".join(reasons[SHOWN:])
    more = f"… and {len(reasons) - SHOWN} more"
    others = [gap for gap in report.missing if gap.cell.kind != ANSWER]
    shares = ", ".join(f"{kind} {percent(*report.counts(kind))}" for kind in KINDS)
    rest = f"<details><summary>{more}</summary><ul>{later}</ul></details>" if later else ""
    why = f'<div class="box"><p>Why the build is red:</p><ul>{first}</ul>{rest}</div>'
    red = why if reasons else ""
    names = "".join(f"<li><code>{_name(gap)}</code></li>" for gap in others)
    listed = (
        f"<details><summary>Not observed, without making the build red: {len(others)}</summary>"
        f"<ul>{names}</ul></details>"
        if others
        else ""
    )
    return f"<h2>Missing</h2>{red}<p>{escape(shares)}</p>{listed}"


def _reason(line: str, seen: Seen | None) -> str:
    return f"<li>{escape(line)}{_request(seen) if seen else ''}</li>"


def _request(seen: Seen) -> str:
    """The request to send again and the test that sends it."""
    request, test = reproduction(seen)
    return (
        f"<details><summary>request</summary><pre>{escape(shorten(request))}</pre>"
        f"<pre>pytest {escape(shlex.quote(test))}</pre></details>"
    )


def _name(gap: Gap) -> str:
    return escape(" · ".join((gap.cell.operation, *gap.cell[2:], gap.cell.kind)))


def _kinds(report: Report) -> str:
    used = dict.fromkeys([kind for _, kind in TEST_KINDS] + list(report.observation.kinds))
    rows = []
    for kind in used:
        exchanges = report.observation.kinds[kind]
        by = [seen for seen in report.observed.values() if kind in seen.kinds]
        alone = sum(len(seen.kinds) == 1 for seen in by)
        rows.append(
            f'<tr><th scope="row">{escape(kind)}</th><td class="n">{exchanges}</td>'
            f'<td class="n">{len(by)}</td><td class="n">{alone}</td></tr>'
        )
    return (
        f"<h2>Kinds of test</h2>{_scroll('Kinds of test')}<table>"
        '<thead><tr><th scope="col">Kind</th><th scope="col">Exchanges</th>'
        '<th scope="col">Cells observed</th><th scope="col">Cells no other kind observed</th></tr>'
        f"</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _operation(report: Report, name: str) -> str:
    node = next((op for op in report.contract.operations.values() if op.name == name), None)
    place = f"<p><code>{node.method} {escape(node.path)}</code></p>" if node else ""
    tables = "".join(_table(report, name, kind) for kind in KINDS)
    return (
        f'<section data-operation="{escape(name)}" aria-labelledby="{anchor(name)}">'
        f'<h2 id="{anchor(name)}">{escape(name)}</h2>{place}{tables}</section>'
    )


def _table(report: Report, name: str, kind: str) -> str:
    rows = "".join(_cells(report, name, kind))
    if not rows:
        return ""
    first = "HTTP status" if kind in (ANSWER, HEADER, MEDIA) else "Where"
    second = {ANSWER: "Code", VALUE: "Value", HEADER: "Header", MEDIA: "Media type"}
    title = f"{TITLES[kind]}: {percent(*report.counts(kind, name))}"
    return (
        f'<h3>{escape(title)}</h3><div class="scroll cells"><table>'
        f'<thead><tr><th scope="col">{first}</th><th scope="col">{second.get(kind, "Example")}</th>'
        '<th scope="col">Observed by</th><th scope="col">Exchanges</th>'
        f'<th scope="col">Request</th></tr></thead><tbody>{rows}</tbody></table></div>'
    )


def _cells(report: Report, name: str, kind: str) -> Iterator[str]:
    missed = {gap.cell: gap for gap in report.missing}
    for cell in report.declared:
        if (cell.operation, cell.kind) == (name, kind):
            yield _cell(report, cell, missed.get(cell))


def _cell(report: Report, cell: Cell, gap: Gap | None) -> str:
    seen = report.observed.get(cell)
    what = escape(cell.what)
    if cell.kind == ANSWER and cell.what in report.contract.catalogue:
        what += f' <span class="soft">{escape(report.contract.catalogue[cell.what]["nom"])}</span>'
    head = f'<th scope="row"><code>{escape(cell.place)}</code></th><td>{what}</td>'
    if seen is None:
        return f'<tr class="missing">{head}<td class="bad" colspan="3">never observed</td></tr>'
    kinds = escape(", ".join(sorted(seen.kinds)))
    if gap is not None:
        kinds += f' <span class="bad">not on {escape(" and ".join(gap.databases))}</span>'
    return (
        f"<tr{' class=missing' if gap else ''}>{head}"
        f'<td data-label="by">{kinds}</td>'
        f'<td class="n" data-label="exchanges">{sum(seen.kinds.values())}</td>'
        f"<td>{_request(seen)}</td></tr>"
    )
