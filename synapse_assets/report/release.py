"""The release that a report is of: what is in it, and how its sections ask it.

Every query that gives numbers passes through here, so that what a report prints as the query is the query that ran.
"""

import re
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pandas as pd

from synapse_assets.datasets import AssetFacts, Dataset, chain_of
from synapse_assets.errors import BadInput
from synapse_assets.figures.style import Verdict, printed
from synapse_assets.query import Warehouse
from synapse_assets.report.content import Block, Caution, Figure, Sentence, Table, Text
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.models import Provenance

LACKS_COLUMNS = (duckdb.BinderException, duckdb.CatalogException)
"""What DuckDB raises where a release of an earlier version lacks a column or a table."""
# A title of a column, or a text.
_QUOTED = re.compile(r"\"[^\"]*\"|'(?:[^']|'')*'")


class Release:
    """One release of one dataset. name: of a frozen release; None for the current one. Closed by whoever opened `warehouse`."""

    def __init__(self, warehouse: Warehouse, store: DatasetStore, dataset: Dataset, name: str | None) -> None:
        self.warehouse, self.store, self.dataset, self.name = warehouse, store, dataset, name

    # What is in it

    def has(self, *tables: str) -> bool:
        """Whether the release has all these tables, none of them empty."""
        return all(self._rows_of(table) > 0 for table in tables)

    def has_any(self, tables: Sequence[str]) -> bool:
        """Whether the release has one of these tables, not empty."""
        return any(self.has(table) for table in tables)

    def missing(self, tables: Sequence[str]) -> list[str]:
        """Of these tables, those that the dataset would have and the release lacks, or has without a row."""
        return [table for table in tables if table in self.expected and not self.has(table)]

    @cached_property
    def expected(self) -> dict[str, AssetFacts]:
        """The facts of the asset that makes it, of every table that a release of this dataset can have."""
        return {name: facts for facts in chain_of(self.dataset).assets_of(self.dataset) for name in facts.released}

    def _rows_of(self, table: str) -> int:
        return int(self.warehouse.release["tables"].get(table, {}).get("rows", 0))

    @cached_property
    def columns(self) -> set[tuple[str, str]]:
        """Every (table, column) of the release; an older one may lack some."""
        rows = self.rows("select table_name, column_name from duckdb_columns()")
        return {(row["table_name"], row["column_name"]) for row in rows}

    @cached_property
    def cluster_verdict(self) -> Verdict | None:
        """The verdict on the clusters of the whole release, for figures; None where there is no such clustering."""
        scores = self.warehouse.release.get("scores", {}).get("cluster_model")
        if scores is None:
            return None
        verdict = str(scores.get("verdict", "not assessed"))
        return Verdict("" if verdict == "not assessed" else verdict, f"The clustering is {verdict}")

    @cached_property
    def provenances(self) -> list[Provenance]:
        """Where the models of the release come from, by name; without those whose files are gone."""
        found = []
        for name, version in sorted(self.warehouse.release.get("models", {}).items()):
            models = self.store.models(name)
            if version is not None and models.exists(version):
                found.append(models.provenance(version))
        return found

    # Asking it

    def rows(self, query: str) -> list[dict[str, Any]]:
        """The rows of a query as plain values; None for null. Raises LACKS_COLUMNS for a release without the columns that it asks for."""
        frame = self.warehouse.sql(query)
        return [dict(zip(frame.columns, row, strict=True)) for row in _plain(frame)]

    # Of a release that an earlier version of the program built, each of these says what it cannot tell.

    def sentences(self, query: str, see: str = "") -> list[Block]:
        """A sentence for each row of a query of one column; none for null."""
        query = self._asked_in_words(query)
        rows = self._rows_if_any(query)
        if rows is None:
            return [self._untold("a sentence")]
        texts = [next(iter(row.values())) for row in rows]
        return [Sentence(text, query, see) for text in texts if text]

    def cautions(self, query: str) -> list[Block]:
        """A caution for each row of a query with the columns `sentence` and `serious`."""
        query = self._asked_in_words(query)
        rows = self._rows_if_any(query)
        if rows is None:
            return [self._untold("a check")]
        return [Caution(row["sentence"], bool(row["serious"]), query) for row in rows if row["sentence"]]

    def table(self, caption: str, query: str) -> Block:
        """The result of a query as it stands: columns by their names, a line for each row."""
        query = self._asked_in_words(query)
        try:
            frame = self.warehouse.sql(query)
        except LACKS_COLUMNS:
            return self._untold(f"the table '{caption}'")
        return Table(self._in_words(caption), [str(name) for name in frame.columns], _plain(frame), query)

    def figure(
        self, caption: str, query: str, draw: Callable[[list[dict[str, Any]]], bytes], alt: str = "{rows} rows"
    ) -> Block:
        """What `draw` makes of the rows of a query. alt: its description; {rows} stands for their number."""
        rows = self._rows_if_any(query)
        if rows is None:
            return self._untold(f"the figure '{caption}'")
        with printed():
            png = draw(rows)
        return Figure(
            self._in_words(caption), png, self._in_words(alt.replace("{rows}", f"{len(rows):,}")), query, len(rows)
        )

    def middle_sections(self, synapse_ids: Sequence[str]) -> dict[str, npt.NDArray[np.uint8]]:
        """The middle sections of tiles, (side, side), by id; none where tiles of the release are gone."""
        try:
            tiles = self.warehouse.tiles(synapse_ids) if synapse_ids else ()
        except BadInput:
            return {}
        return {one: tile[tile.shape[0] // 2] for one, tile in zip(synapse_ids, tiles, strict=True)}

    def _rows_if_any(self, query: str) -> list[dict[str, Any]] | None:
        """None where the release lacks the columns that are asked for."""
        try:
            return self.rows(query)
        except LACKS_COLUMNS:
            return None

    def _untold(self, what: str) -> Text:
        remedy = "" if self.name else f"; materialise {self.dataset.name}/warehouse again"
        return Text(
            f"Not assessed: {what} needs columns that this release, of an earlier version, does not have{remedy}."
        )

    def _asked_in_words(self, query: str) -> str:
        """A query whose titles of columns and sentences are in the words of the chain; what is compared with has no blank."""

        def in_words(quoted: re.Match[str]) -> str:
            return self._in_words(quoted[0]) if quoted[0][0] == '"' or " " in quoted[0] else quoted[0]

        return _QUOTED.sub(in_words, query)

    def _in_words(self, text: str) -> str:
        return chain_of(self.dataset).in_words(text)


def literal(value: str) -> str:
    """A text as SQL."""
    return "'" + value.replace("'", "''") + "'"


def number(column: str, digits: int = 2) -> str:
    """SQL for a number with so many digits after the point."""
    # Plus nothing: what rounds to nothing has no sign.
    return f"format('{{:.{digits}f}}', round({column}, {digits}) + 0)"


def interval(low: str = "low", high: str = "high", groups: str = "groups", called: str = "groups") -> str:
    """SQL for a 95 % interval in words; that there are too few groups where there is none for that reason. called: what these are."""
    between = f"format('{{:.2f}} to {{:.2f}}', round({low}, 2) + 0, round({high}, 2) + 0)"
    return f"case when {low} is not null then {between} when {groups} < 8 then 'none below 8 {called}' else 'none' end"


def _plain(frame: pd.DataFrame) -> list[list[Any]]:
    return [[_value(value) for value in row] for row in frame.astype(object).to_numpy().tolist()]


def _value(value: Any) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_value(each) for each in value]
    if isinstance(value, dict):
        return {name: _value(each) for name, each in value.items()}
    return None if pd.isna(value) else value
