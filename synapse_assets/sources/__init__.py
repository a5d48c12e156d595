"""Readers of tables of synapses and neurons: whatever a lab holds becomes rows of `schema.SYNAPSE_TABLE` and `schema.NEURONS`.

`read_source` and `read_neurons` are the face; a reader of synapses yields conforming Arrow tables of bounded size, in file
order, and raises BadInput with the file, column, row or id that is wrong. Splitting by region, uniqueness across sources and
storing belong elsewhere.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import (
    CaveSource,
    NeuronSource,
    NeuronTable,
    PointsSource,
    Source,
    SynisterNeurons,
    SynisterSource,
    VolumeSpec,
)
from synapse_assets.datasets.spaces import TRANSFORMS
from synapse_assets.schema import SYNAPSE_SOURCES
from synapse_assets.sources.checks import existing_file
from synapse_assets.sources.neurons import join_neurons
from synapse_assets.sources.regions import RegionNames
from synapse_assets.sources.tally import Tally

__all__ = [
    "RegionLimit",
    "RegionNames",
    "Tally",
    "join_neurons",
    "provenance",
    "read_neurons",
    "read_source",
    "source_files",
]


def read_source(
    source: Source, volume: VolumeSpec, regions: RegionNames, tally: Tally | None = None
) -> Iterator[pa.Table]:
    """Batches of `schema.SYNAPSE_TABLE` read from one source that lies in `volume`.

    Coordinates are nanometres in xyz, in the volume's space if the source names a transform; `brain_region` is the partition
    key that `regions` gives; `synapse_id` carries the source's `id_prefix`. Rows and rows left out are counted in `tally`.
    Uniqueness of ids is not checked here.
    """
    tally = Tally() if tally is None else tally
    for batch in _read(source, volume, regions, tally):
        tally.rows += batch.num_rows
        yield batch if source.transform is None else _shifted(batch, TRANSFORMS[source.transform].shift_nm)


def _read(source: Source, volume: VolumeSpec, regions: RegionNames, tally: Tally) -> Iterator[pa.Table]:
    if isinstance(source, PointsSource):
        from synapse_assets.sources import points

        return points.read(source, volume, regions, tally)
    if isinstance(source, SynisterSource):
        from synapse_assets.sources import synister

        return synister.read(source, regions, tally)
    from synapse_assets.sources import cave

    return cave.read(source, volume, regions, tally)


def _shifted(batch: pa.Table, shift_nm: tuple[float, float, float]) -> pa.Table:
    for axis, shift in zip(("x_nm", "y_nm", "z_nm"), shift_nm, strict=True):
        index = batch.column_names.index(axis)
        batch = batch.set_column(index, batch.schema.field(index), pc.add(batch.column(index), shift))
    return batch


def read_neurons(source: NeuronSource, tally: Tally | None = None) -> pa.Table:
    """The neurons of one source as `schema.NEURONS`, one row a neuron; rows left out are counted in `tally`."""
    from synapse_assets.sources import neurons

    tally = Tally() if tally is None else tally
    table = (
        neurons.read_table(source, tally) if isinstance(source, NeuronTable) else neurons.read_synister(source, tally)
    )
    tally.rows += table.num_rows
    return table


class RegionLimit:
    """Keeps the first `limit` synapses of each region over any number of batches; None keeps all. For trials."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._seen: Counter[str] = Counter()

    def keep(self, batch: pa.Table) -> pa.Table:
        """The rows of the batch that are still within the limit of their region."""
        if self._limit is None or not batch.num_rows:
            return batch
        encoded = batch.column("brain_region").combine_chunks().dictionary_encode()
        names, codes = encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)
        counts = np.bincount(codes, minlength=len(names))
        # The place of each row among those of its region: sorted by region, it is the distance to the region's first row.
        order = np.argsort(codes, kind="stable")
        place = np.empty(len(codes), np.int64)
        place[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
        left = np.array([self._limit - self._seen[name] for name in names])
        self._seen.update(dict(zip(names, counts.tolist(), strict=True)))
        return batch.filter(pa.array(place < left[codes]))


def source_files(source: Source | NeuronSource) -> list[str]:
    """The local files that a source is read from, the one with the rows first; none for a service such as CAVE."""
    if isinstance(source, CaveSource):
        return []
    if isinstance(source, SynisterNeurons):
        return [source.path, source.hemi_lineages]
    return [source.path]


def provenance(source: Source | NeuronSource, tally: Tally, volume: VolumeSpec | None = None) -> pa.Table:
    """Where the rows of a source came from, as `schema.SYNAPSE_SOURCES`: one row a file, hashed, the tally with its first.

    A source of synapses that names no space lies in that of its `volume`.
    A table of a service is one row without bytes and hash, named with its version. Raises BadInput if a file is gone.
    """
    files = [_fingerprint(path) for path in source_files(source)]
    if isinstance(source, CaveSource):
        files = [(f"{source.datastack}/{source.table}@{source.materialization}", 0, "")]
    fields = {name: getattr(source, name, None) for name in ("space", "transform", "volume")}
    if volume is not None and fields["space"] is None:
        fields["space"] = volume.space
    if isinstance(source, PointsSource):
        size = source.voxel_size_nm
        own_voxels = f" of {size[0]:g} x {size[1]:g} x {size[2]:g} nm" if size and source.units == "voxel" else ""
        fields |= {"units": source.units + own_voxels, "axis_order": source.axis_order}
    elif isinstance(source, SynisterSource | CaveSource):
        fields |= {"units": "nm", "axis_order": "xyz"}
    rows = [
        {
            "source": source.name,
            "file": file,
            "bytes": size,
            "sha256": digest,
            "rows": tally.rows if first else 0,
            "left_out": json.dumps(dict(tally.left_out) if first else {}),
            **fields,
        }
        for first, (file, size, digest) in zip([True] + [False] * len(files), files, strict=False)
    ]
    table = {
        column.name: pa.array([row.get(column.name) for row in rows], column.type) for column in SYNAPSE_SOURCES.columns
    }
    return SYNAPSE_SOURCES.conform(pa.table(table))


def _fingerprint(path: str) -> tuple[str, int, str]:
    """Name, size in bytes and sha256 of a file."""
    file = existing_file(path)
    with file.open("rb") as stream:
        return file.name, file.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()
