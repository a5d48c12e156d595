"""What a reader of a report sees: its tables, sentences, figures and queries, read from the HTML alone."""

import base64
from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Shown:
    """A table, sentence or figure: the number of its query, its texts by row (the first row of a table are its titles), its picture."""

    tag: str
    query: int
    rows: list[list[str]] = field(default_factory=list)
    count: int | None = None
    png: bytes = b""
    alt: str = ""


class ReportReader(HTMLParser):
    """queries: by number. shown: whatever has a query. headings, anchors, links and loaded: in their order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.queries: dict[int, str] = {}
        self.shown: list[Shown] = []
        self.headings: list[str] = []
        self.anchors: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.tags: list[str] = []
        self._within: list[str] = []
        self._query = 0
        self._into: list[str] | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self._within.append(tag)
        self.anchors += [values["id"]] if "id" in values else []
        self.loaded += [values[name] for name in ("src", "srcset", "data", "poster", "action") if name in values]
        self.loaded += [values["href"]] if tag == "link" else []
        self.links += [values["href"]] if tag == "a" else []
        if tag == "li" and values.get("id", "").startswith("query-"):
            self._query = int(values["id"].removeprefix("query-"))
            self.queries[self._query] = ""
        if "data-query" in values:
            count = int(values["data-rows"]) if "data-rows" in values else None
            self.shown.append(Shown(tag, int(values["data-query"]), count=count))
            if tag == "span":
                self.shown[-1].rows = [[""]]
        current = self.shown[-1] if self.shown else None
        if tag == "table" and "data-query" not in values:
            self.shown.append(Shown("file", 0))
        elif tag == "tr" and current is not None:
            current.rows.append([])
        elif tag in ("td", "th") and current is not None:
            current.rows[-1].append("")
        elif tag == "img" and current is not None:
            current.png, current.alt = base64.b64decode(values["src"].partition(",")[2]), values["alt"]
        elif tag in ("h1", "h2"):
            self.headings.append("")
        if tag in ("img", "meta", "link", "br"):
            self._within.pop()

    def handle_endtag(self, tag: str) -> None:
        while self._within and self._within.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._within:
            return
        tag = self._within[-1]
        if tag == "pre" and "li" in self._within and self._query:
            self.queries[self._query] += data
        elif tag in ("td", "th"):
            self.shown[-1].rows[-1][-1] += data
        elif tag == "span" and self.shown and self.shown[-1].tag == "span" and not self.shown[-1].rows[0][0]:
            self.shown[-1].rows[0][0] = data
        elif tag in ("h1", "h2"):
            self.headings[-1] += data
