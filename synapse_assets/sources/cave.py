"""Synapses of CAVE, fetched with caveclient: a table or view at one materialisation, in pages that are checked to be whole.

The server cuts every answer short at a number of rows of its own, its counts of a query too, and gives rows in no fixed
order. So the space of the table is halved until each part has fewer rows than that number, and the sum is held against the
size of the table.
"""

from collections.abc import Callable, Iterator
from functools import partial
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from pydantic import ValidationError

from synapse_assets.datasets import CaveSource, Columns, PointsSource, VolumeSpec
from synapse_assets.errors import BadInput
from synapse_assets.sources.points import Conversion
from synapse_assets.sources.regions import RegionNames
from synapse_assets.sources.tally import Tally
from synapse_assets.sources.transmitters import ClassNames

# The least of the limits that servers are known to have: 500,000 (FlyWire), 250,000 (default of the server's code), 200,000
# (documentation of fafbseg).
PAGE_ROWS = 200_000
# Half the width of the space that is searched, in units of the table (at 1 nm: 8 mm). The server's boxes are 32-bit floats,
# which are exact to half a unit up to there.
_REACH = 2.0**23


def read(
    source: CaveSource, volume: VolumeSpec, regions: RegionNames, classes: ClassNames, tally: Tally
) -> Iterator[pa.Table]:
    """Batches of `schema.SYNAPSE_TABLE` in nm, in an order that is the same in every run.

    Rows of the background (root 0), autapses if the source says so, and rows below its minimum are counted in `tally` as left
    out. Raises BadInput where caveclient is absent, the server refuses, the table or a column is not there, or rows are
    missing from the answers.
    """
    try:
        import caveclient
        from caveclient.base import AuthException
        from requests import RequestException
    except ImportError as error:
        raise BadInput(
            f"source '{source.name}' is fetched with caveclient, which is not installed: pip install 'synapse-assets[cave]'"
        ) from error
    points = _as_points(source)
    conversion = Conversion(points, volume, regions, classes, tally)
    rows_read = 0
    try:
        for page in _Service(caveclient, source, points.path).pages():
            missing = {use: name for use, name in conversion.uses.items() if name not in page.column_names}
            if missing:
                raise BadInput(
                    f"{points.path} has no column {sorted(set(missing.values()))}; there are {page.column_names}"
                )
            page = page.sort_by([(name, "ascending") for name in sorted(set(conversion.uses.values()))])
            for batch in page.combine_chunks().to_batches():
                table = conversion.table(batch, rows_read + 1)
                rows_read += batch.num_rows
                if table.num_rows:
                    yield table
    except (RequestException, AuthException) as error:
        raise BadInput(f"{points.path}: the server answers: {error}") from error


def _as_points(source: CaveSource) -> PointsSource:
    """The source as a table of points, which says how its columns are converted. Raises BadInput if it is not complete."""
    columns = source.columns.model_dump()
    position = columns.pop("position")
    if position is None:
        raise BadInput(
            f"source '{source.name}': columns needs position, the name of the table's point, such as pre_pt_position"
        )
    ends = [columns[use] for use in ("neuron_id", "partner_id") if columns[use]]
    try:
        return PointsSource(
            format="points",
            name=source.name,
            path=f"{source.datastack}/{source.table}@{source.materialization}",
            volume=source.volume,
            space=source.space,
            transform=source.transform,
            id_prefix=source.id_prefix,
            brain_region=source.brain_region,
            columns=Columns(**{**columns, **{axis: f"{position}_{axis}" for axis in "xyz"}}),
            units="nm",
            # Root 0 is what belongs to no segment.
            minimum={**dict.fromkeys(ends, 1.0), **source.minimum},
            leave_out_autapses=source.leave_out_autapses,
        )
    except ValidationError as error:
        raise BadInput(f"source '{source.name}': {error.errors()[0]['msg']}") from error


class _Service:
    """One table or view of the server, read in boxes of its points."""

    def __init__(self, caveclient: ModuleType, source: CaveSource, where: str) -> None:
        self._where, self._source = where, source
        client = caveclient.CAVEclient(
            datastack_name=source.datastack, server_address=source.server, write_server_cache=False
        )
        materialize = client.materialize
        tables = materialize.get_tables(version=source.materialization)
        views = sorted(materialize.get_views(version=source.materialization))
        if source.table not in (*tables, *views):
            raise BadInput(
                f"{where}: there is no such table; there are the tables {sorted(tables)} and the views {views}"
            )
        self._is_view = source.table not in tables
        # Reference tables are not joined: their own columns are what the dataset names.
        query = materialize.query_view if self._is_view else partial(materialize.query_table, merge_reference=False)
        self._query: Callable[..., pd.DataFrame] = partial(
            query,
            source.table,
            select_columns=self._names(),
            split_positions=True,
            materialization_version=source.materialization,
            metadata=False,
            desired_resolution=[1, 1, 1],
        )
        self._count_of_table: Callable[[], Any] = partial(
            materialize.get_annotation_count, source.table, version=source.materialization
        )

    def pages(self) -> Iterator[pa.Table]:
        """All rows, no more than PAGE_ROWS at a time. Raises BadInput if they are not as many as the server's table has."""
        counted = self._count()
        if counted == 0:
            raise BadInput(f"{self._where} has no rows")
        # The server reports the size of a table, but not of a view, and its count may be its limit.
        total = counted if self._is_view else int(self._count_of_table())
        limit = PAGE_ROWS if counted == total and not self._is_view else min(counted - 1, PAGE_ROWS)
        rows_read = 0
        for page in self._halved(np.full(3, -_REACH), np.full(3, _REACH), limit):
            rows_read += page.num_rows
            yield page
        if rows_read < total or (rows_read > total and not self._is_view):
            raise BadInput(
                f"{self._where}: {rows_read:,} rows came, but the server counts {total:,}. Points without a position, or further out "
                f"than {_REACH:,.0f} units of the table, are not found"
            )

    def _halved(self, low: np.ndarray, high: np.ndarray, limit: int) -> Iterator[pa.Table]:
        """The rows of a box, halved along its longest side until the answer is no more than `limit` rows."""
        # Points are whole numbers: borders at halves leave none out and take none twice.
        box = {"filter_spatial_dict": {self._source.columns.position: [(low - 0.5).tolist(), (high - 0.5).tolist()]}}
        rows = self._count(**box)
        if rows == 0:
            return
        if rows <= limit:
            page = self._query(**box)
            if len(page) != rows:
                raise BadInput(
                    f"{self._where}: {len(page):,} of {rows:,} rows came for the box {low} to {high}; try again"
                )
            yield pa.Table.from_pandas(page, preserve_index=False)
            return
        longest = int(np.argmax(high - low))
        if high[longest] - low[longest] <= 1:
            raise BadInput(f"{self._where}: {rows:,} rows lie at the point {low}, more than the server gives at once")
        middle = np.floor((low[longest] + high[longest]) / 2)
        for half_low, half_high in ((low[longest], middle), (middle, high[longest])):
            part_low, part_high = low.copy(), high.copy()
            part_low[longest], part_high[longest] = half_low, half_high
            yield from self._halved(part_low, part_high, limit)

    def _count(self, **box: Any) -> int:
        """Rows of the box, or of all; no more than the server's own limit."""
        return int(self._query(**box, get_counts=True)["count"].iloc[0])

    def _names(self) -> list[str]:
        """The columns to fetch, by their names on the server, where a point is one column."""
        columns = self._source.columns.model_dump().values()
        return sorted({name for name in (*columns, *self._source.minimum) if name is not None})
