"""The contract's texts as HTML: French marks, CommonMark, links to what a text names, colours of code.

Whatever a text names leads there, from each page: an operation to its page, a code to its line of the
catalogue, a heading to the page of concepts.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Literal, Name, String
from pygments.token import _TokenType as TokenType

from handlers.contract.model import JSON_TYPE, Contract, Json
from handlers.site.snippets import EXAMPLE_ADDRESS, as_json

FOLDER = "doc/"
"""Where all pages are but the first one, below the contract's prefix."""

# A number that is no code is a status of HTTP, an RFC, a quantity, or a part of a longer number.
_NUMBER = re.compile(
    r"(?<![\w.,/:+-])(?<!HTTP )(?<!RFC )\d{3,4}(?![\w/:+-])(?![.,]\d)"
    r"(?! (?:FCFA|octets|lignes|éléments))"
)


@dataclass(frozen=True, slots=True)
class Heading:
    """An entry of the table of contents."""

    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class Example:
    """An example of the contract, its code coloured."""

    title: str
    media_type: str
    code: Markup


@dataclass(frozen=True, slots=True)
class Places:
    """Where everything is, seen from a page: `root` leads to the folder of the first page.

    A `static` copy names index.html, which a browser without a server does not look for by itself.
    """

    root: str
    static: bool

    @property
    def first(self) -> str:
        """The first page."""
        return f"{self.root}index.html" if self.static else self.root or "./"

    @property
    def console(self) -> str:
        """The console."""
        return f"{self.root}ui/index.html" if self.static else f"{self.root}ui"

    def file(self, name: str) -> str:
        """What lies beside the first page."""
        return f"{self.root}{name}"

    def page(self, name: str, anchor: str = "") -> str:
        """Another page, and a place of it."""
        folder = "" if self.root else FOLDER
        return f"{folder}{name}.html" + (f"#{anchor}" if anchor else "")

    def code(self, code: str) -> str:
        """The explanation of a code."""
        return self.page("codes", f"code-{code}")


def typeset(text: str) -> str:
    """The text with a typographic apostrophe; no line begins with a mark that French separates by a space."""
    return re.sub(r" (?=[;:!?»])|(?<=«) ", "\u00a0", text.replace("'", "\u2019"))


def with_gaps(text: str) -> Markup:
    """A text of the catalogue, whose `{gaps}` are filled when it is sent."""
    return Markup(re.sub(r"\{(\w+)\}", r"<var>\1</var>", str(escape(text))))  # noqa: S704 - escaped


def anchor_of(title: str) -> str:
    """The fragment of a heading."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9.]+", "-", plain).strip("-")


class Writer:
    """The contract's CommonMark in HTML, for one page. HTML in it is text."""

    def __init__(self, contract: Contract, places: Places) -> None:
        self._contract = contract
        self._to = places
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        self._operations = {name: name for name in contract.operations}
        for one in contract.operations.values():
            self._operations.setdefault(one.path, one.operation_id)
            self._operations.setdefault(f"{one.method.upper()} {one.path}", one.operation_id)

    def prose(self, markdown: str, *, level: int) -> tuple[Markup, list[Heading]]:
        """The HTML, whose highest heading is `h{level}`, and the anchors of those of that level."""
        tokens = self._markdown.parse(markdown)
        found = [int(token.tag[1]) for token in tokens if token.type == "heading_open"]
        shift = level - min(found, default=level)
        headings = []
        for number, token in enumerate(tokens):
            if token.type in ("heading_open", "heading_close"):
                token.tag = f"h{min(int(token.tag[1]) + shift, 6)}"
            if token.type == "heading_open":
                title = tokens[number + 1].content
                heading = Heading(anchor_of(title), typeset(title))
                token.attrSet("id", heading.anchor)
                if token.tag == f"h{level}":
                    headings.append(heading)
        return self._html(tokens), headings

    def inline(self, markdown: str, *, linked: bool = True) -> Markup:
        """The HTML of one paragraph, without its element; without links where it is to be clicked itself."""
        return self._html(self._markdown.parseInline(markdown), linked=linked)

    def text(self, text: str) -> Markup:
        """A text that is no CommonMark, such as the catalogue's, with its links; `{gaps}` are marked."""
        token = Token("text", "", 0, content=text)
        return with_gaps(self._html([Token("inline", "", 0, children=[token])]))

    def plain(self, markdown: str) -> str:
        """The words alone."""
        tokens = self._markdown.parse(markdown)
        inner = [child for token in tokens for child in (token.children or [])]
        texts = ["\n" if one.type.endswith("break") else one.content for one in inner]
        return typeset(re.sub(r"\s+", " ", " ".join(texts)).strip())

    def examples(self, content: Json, media_type: str) -> list[Example]:
        """The examples of a media type object."""
        found = []
        for name, node in content.get("examples", {}).items():
            example = self._contract.resolve(node)
            value = example["value"]
            is_json = media_type == JSON_TYPE
            text = as_json(value) if is_json or not isinstance(value, str) else value
            code = escape(text) if text is value else colour(text, "json")
            found.append(Example(typeset(example.get("summary", name)), media_type, code))
        return found

    def href(self, href: str) -> str:
        """An address of the contract, seen from this page: all that begins with `/` is this server's."""
        if href.startswith("/") and not href.startswith("//"):
            return self._to.file(href.removeprefix("/")) or "./"
        if not href.startswith("#"):
            return href if href.startswith(("https://", "http://", "mailto:")) else "#"
        anchor = href[1:]
        if anchor in self._contract.operations:
            return self._to.page(anchor)
        return self._to.page("codes" if anchor.startswith("code-") else "concepts", anchor)

    def _html(self, tokens: list[Token], *, linked: bool = True) -> Markup:
        for token in tokens:
            if token.children:
                token.children = list(self._set(token.children, linked=linked))
        # The renderer escapes all text, since `html` is off.
        return Markup(self._markdown.renderer.render(tokens, self._markdown.options, {}))  # noqa: S704

    def _set(self, tokens: list[Token], *, linked: bool) -> Iterator[Token]:
        inside = False
        for token in tokens:
            if token.type == "link_open":
                inside = True
                token.attrSet("href", self.href(str(token.attrGet("href"))))
            elif token.type == "link_close":
                inside = False
            if token.type == "text":
                token.content = typeset(token.content)
            yield from self._linked(token) if linked and not inside else (token,)

    def _linked(self, token: Token) -> Iterator[Token]:
        if token.type == "code_inline":
            place = self._place(token.content)
            yield from _link(place, token) if place else (token,)
            return
        if token.type != "text":
            yield token
            return
        done = 0
        for found in _NUMBER.finditer(token.content):
            if found[0] in self._contract.catalogue:
                yield _text(token.content[done : found.start()])
                yield from _link(self._to.code(found[0]), _text(found[0]))
                done = found.end()
        yield _text(token.content[done:])

    def _place(self, name: str) -> str | None:
        if name in self._contract.catalogue:
            return self._to.code(name)
        operation = self._operations.get(name)
        return self._to.page(operation) if operation else None


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _link(href: str, inner: Token) -> tuple[Token, Token, Token]:
    return Token("link_open", "a", 1, attrs={"href": href}), inner, Token("link_close", "a", -1)


_CLASSES: tuple[tuple[TokenType, str], ...] = (
    (Comment, "c"),
    (Name.Tag, "n"),
    (Keyword, "k"),
    (String, "s"),
    (Literal.Number, "m"),
    (Name.Variable, "v"),
    (Name.Function, "f"),
)


@cache
def colour(text: str, lexer_name: str) -> Markup:
    """The text with its comments, names, strings … in spans; spaces and marks stay bare, to stay small."""
    options = {"startinline": True} if lexer_name == "php" else {}
    pieces: list[tuple[str, str]] = []
    for kind, value in get_lexer_by_name(lexer_name, **options).get_tokens(text):
        css = next((css for wide, css in _CLASSES if kind in wide), "")
        if pieces and pieces[-1][0] == css:
            pieces[-1] = (css, pieces[-1][1] + value)
        else:
            pieces.append((css, value))
    made = Markup("").join(
        Markup('<span class="{}">{}</span>').format(css, value) if css else escape(value)
        for css, value in pieces
    )
    address = Markup('<span class="adresse">{}</span>').format(EXAMPLE_ADDRESS)
    return made.rstrip().replace(EXAMPLE_ADDRESS, address)
