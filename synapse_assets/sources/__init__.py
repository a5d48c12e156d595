"""Readers of synapse tables: whatever a lab holds becomes batches of the one synapse table (`schema.SYNAPSES`).

`read_source` is the face; a reader yields conforming Arrow tables of bounded size, in file order, and raises BadInput with
the file, column, row or id that is wrong. Splitting by region, uniqueness across sources and storing belong elsewhere.
"""

from collections import Counter
from collections.abc import Iterator

import pyarrow as pa

from synapse_assets.datasets import PointsSource, Source, VolumeSpec
from synapse_assets.sources import points, synister
from synapse_assets.sources.checks import RegionNames


def read_source(source: Source, volume: VolumeSpec, regions: RegionNames) -> Iterator[pa.Table]:
    """Batches of `schema.SYNAPSES` read from one source that lies in `volume`.

    Coordinates are nanometres in xyz; `brain_region` is the partition key that `regions` gives;
    `synapse_id` carries the source's `id_prefix`. Uniqueness of ids is not checked here.
    """
    if isinstance(source, PointsSource):
        return points.read(source, volume, regions)
    return synister.read(source, regions)


class RegionLimit:
    """Keeps the first `limit` synapses of each region over any number of batches; None keeps all. For trials."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._taken: Counter[str] = Counter()

    def keep(self, batch: pa.Table) -> pa.Table:
        """The rows of the batch that are still within the limit of their region."""
        if self._limit is None:
            return batch
        kept = []
        for row, region in enumerate(batch.column("brain_region").to_pylist()):
            if self._taken[region] < self._limit:
                self._taken[region] += 1
                kept.append(row)
        return batch.take(kept)


def source_files(source: Source) -> list[str]:
    """The files that a source is read from."""
    if isinstance(source, PointsSource):
        return [source.path]
    return [source.synapses, source.skeletons, source.hemi_lineages]
