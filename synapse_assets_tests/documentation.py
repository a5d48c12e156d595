"""The Markdown pages of the project, as the tests read them: their blocks of code, their headings and their links."""

import re
import textwrap
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(
    r"^(?P<indent> *)(?P<ticks>`{3,}|:{3,})(?P<kind>[^\n`]*)\n(?P<text>.*?)^ *(?P=ticks) *$", re.DOTALL | re.MULTILINE
)
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(\s*<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: the page from the root, the line of its first row, what follows the fence, and its rows."""

    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@cache
def pages() -> dict[str, str]:
    """The text of every page, by its path from the root."""
    paths = [*ROOT.glob("*.md"), *(path for path in (ROOT / "docs").rglob("*.md") if "_build" not in path.parts)]
    return {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in sorted(paths)}


def blocks(*kinds: str) -> list[Block]:
    """The blocks of these kinds, or all, in the order of the pages."""
    every = [
        Block(page, text[: match.start("text")].count("\n") + 1, match["kind"].strip(), textwrap.dedent(match["text"]))
        for page, text in pages().items()
        for match in _FENCE.finditer(text)
    ]
    return [block for block in every if block.kind in kinds or not kinds]


def block_with(kind: str, words: str) -> Block:
    """The one block of that kind in which these words stand."""
    [block] = [block for block in blocks(kind) if words in block.text]
    return block


def prose(page: str) -> str:
    """A page without its blocks, as many lines as it has."""
    return _FENCE.sub(lambda match: "\n" * match[0].count("\n"), pages()[page])


def commands(page: str) -> list[tuple[int, str]]:
    """Every line of code of a page and every `code` in its sentences, with the line it stands on."""
    of_blocks = [
        (block.line + at, row)
        for block in blocks()
        if block.page == page
        for at, row in enumerate(re.sub(r"\\\n", "  ", block.text).split("\n"))
    ]
    text = prose(page)
    return of_blocks + [(text[: match.start()].count("\n") + 1, match[1]) for match in re.finditer(r"`([^`]+)`", text)]


def links(page: str) -> list[tuple[int, str]]:
    """Where the links and pictures of a page lead, with the line they stand on."""
    text = re.sub(r"`[^`\n]*`", lambda match: " " * len(match[0]), prose(page))
    return [(text[: match.start()].count("\n") + 1, match[1]) for match in _LINK.finditer(text)]


def anchors(page: str) -> set[str]:
    """The fragments that lead to the headings of a page, as forges make them: small letters, no punctuation, hyphens."""
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.+?) *#*$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        slug = re.sub(r"[^\w\- ]", "", words).strip().replace(" ", "-")
        number = sum(other == slug or re.fullmatch(re.escape(slug) + r"-\d+", other) is not None for other in found)
        found.add(f"{slug}-{number}" if number else slug)
    return found | set(re.findall(r"^\((\S+)\)=$", pages()[page], re.MULTILINE))
