"""Readers of tables of synapses and neurons: whatever a lab holds becomes rows of `schema.SYNAPSE_TABLE` and `schema.NEURONS`.

`read_source` and `read_neurons` are the interface; a reader of synapses yields conforming Arrow tables of bounded size, in file
order, and raises BadInput with the file, column, row or id that is wrong. Splitting by region, uniqueness across sources and
storing belong elsewhere.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import (
    CaveSource,
    CremiSource,
    NeuronSource,
    PointsSource,
    Source,
    SynisterNeurons,
    SynisterSource,
    VolumeSpec,
)
from synapse_assets.datasets.spaces import TRANSFORMS
from synapse_assets.errors import BadInput
from synapse_assets.schema import NEURONS, SYNAPSE_SOURCES
from synapse_assets.sources.checks import NoRows, existing_file
from synapse_assets.sources.fetching import shown_address
from synapse_assets.sources.listing import SourceFile, local_files, unchanged
from synapse_assets.sources.neurons import join_neurons
from synapse_assets.sources.regions import RegionNames
from synapse_assets.sources.tally import FileRead, Tally
from synapse_assets.sources.transmitters import ClassNames

__all__ = [
    "ClassNames",
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
    source: Source,
    volume: VolumeSpec,
    regions: RegionNames,
    tally: Tally | None = None,
    raw: Path | None = None,
    classes: ClassNames | None = None,
) -> Iterator[pa.Table]:
    """Batches of `schema.SYNAPSE_TABLE` read from the files of one source that lies in `volume`, in sorted order of the files.

    Coordinates are nanometres in xyz, in the volume's space if the source names a transform; `brain_region` is the partition
    key that `regions` gives; `synapse_id` carries the source's `id_prefix`. Rows and rows left out are counted in `tally`, with
    the files. `raw` is the dataset's local folder, which files at addresses are fetched into. `classes` names the classes and
    counts what became another name; without it they are those of neurotransmitters. A folder, glob or manifest may name no
    files, and files without rows. Uniqueness of ids is not checked here.
    Raises BadInput for what the user has to fix, and where a file was written while it was being read.
    """
    tally = Tally() if tally is None else tally
    for batch in _batches(source, volume, regions, classes or ClassNames(), tally, raw):
        tally.rows += batch.num_rows
        yield batch if source.transform is None else _shifted(batch, TRANSFORMS[source.transform].shift_nm)


def _batches(
    source: Source, volume: VolumeSpec, regions: RegionNames, classes: ClassNames, tally: Tally, raw: Path | None
) -> Iterator[pa.Table]:
    if isinstance(source, CaveSource):
        yield from _read(source, volume, regions, classes, tally)
        return
    for file in local_files(source, raw):
        with _file_tally(file, tally) as file_tally:
            for batch in _read(source.model_copy(update={"path": file.place}), volume, regions, classes, file_tally):
                file_tally.rows += batch.num_rows
                yield _with_source_file(batch, file)


@contextmanager
def _file_tally(file: SourceFile, tally: Tally) -> Iterator[Tally]:
    """Around reading one file: gives a tally of the file, which is added to that of the source except for the rows."""
    own = Tally()
    with unchanged(file) as signature:
        try:
            yield own
        except NoRows:
            if file.alone:
                raise
    tally.left_out.update(own.left_out)
    tally.files.append(FileRead(file.name, Path(file.place), signature, own.rows, dict(own.left_out), own.made_from))


def _with_source_file(table: pa.Table, file: SourceFile) -> pa.Table:
    """The table with the file's name as its `source_file`."""
    index = table.column_names.index("source_file")
    return table.set_column(
        index, table.schema.field(index), pa.repeat(pa.scalar(file.name, pa.string()), table.num_rows)
    )


def _read(
    source: Source, volume: VolumeSpec, regions: RegionNames, classes: ClassNames, tally: Tally
) -> Iterator[pa.Table]:
    if isinstance(source, PointsSource):
        from synapse_assets.sources import points

        return points.read(source, volume, regions, classes, tally)
    if isinstance(source, SynisterSource):
        from synapse_assets.sources import synister

        return synister.read(source, regions, classes, tally)
    if isinstance(source, CremiSource):
        from synapse_assets.sources import cremi

        return cremi.read(source, regions, tally)
    from synapse_assets.sources import cave

    return cave.read(source, volume, regions, classes, tally)


def _shifted(batch: pa.Table, shift_nm: tuple[float, float, float]) -> pa.Table:
    for axis, shift in zip(("x_nm", "y_nm", "z_nm"), shift_nm, strict=True):
        index = batch.column_names.index(axis)
        batch = batch.set_column(index, batch.schema.field(index), pc.add(batch.column(index), shift))
    return batch


def read_neurons(
    source: NeuronSource, tally: Tally | None = None, raw: Path | None = None, classes: ClassNames | None = None
) -> pa.Table:
    """The neurons of the files of one source as `schema.NEURONS`, one row a neuron; rows left out are counted in `tally`.

    `raw`, `classes` and errors as in `read_source`; several files are one table.
    """
    from synapse_assets.sources import neurons

    tally = Tally() if tally is None else tally
    classes = classes or ClassNames()
    files = local_files(source, raw)
    if isinstance(source, SynisterNeurons):
        first, hemilineages = files
        with _file_tally(hemilineages, Tally()) as hemilineage_tally, _file_tally(first, tally) as file_tally:
            table = neurons.read_synister(source, classes, file_tally)
            file_tally.rows = table.num_rows
        # The skeletons' file is the one with the rows.
        tally.files.append(
            FileRead(hemilineages.name, Path(hemilineages.place), hemilineages.signature(), hemilineage_tally.rows, {})
        )
    else:
        tables = [NEURONS.empty()]
        for file in files:
            with _file_tally(file, tally) as file_tally:
                neuron_table = neurons.read_table(source.model_copy(update={"path": file.place}), classes, file_tally)
                file_tally.rows = neuron_table.num_rows
                tables.append(_with_source_file(neuron_table, file))
        table = neurons.one_row_each(pa.concat_tables(tables).combine_chunks(), tally)
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
        # The rank of each row within its region: sorted by region, it is the distance to the region's first row.
        order = np.argsort(codes, kind="stable")
        rank = np.empty(len(codes), np.int64)
        rank[order] = np.arange(len(codes)) - np.repeat(np.cumsum(counts) - counts, counts)
        left = np.array([self._limit - self._seen[name] for name in names])
        self._seen.update(dict(zip(names, counts.tolist(), strict=True)))
        return batch.filter(pa.array(rank < left[codes]))


def source_files(source: Source | NeuronSource) -> list[str]:
    """What a source is read from, as its paths say it and as it may be shown; nothing for a service such as CAVE.

    A folder, glob or manifest is not looked into: see `listing`.
    """
    if isinstance(source, CaveSource):
        return []
    if isinstance(source, SynisterNeurons):
        return [source.path, source.hemi_lineages]
    return [shown_address(source.path)]


def provenance(source: Source | NeuronSource, tally: Tally, volume: VolumeSpec | None = None) -> pa.Table:
    """Where the rows of a source came from, as `schema.SYNAPSE_SOURCES`: one row a file that was read with `tally`, hashed.

    A source of synapses that names no space lies in that of its `volume`.
    A table of a service is one row without bytes and hash, named with its version. Raises BadInput if a file is gone, or is
    no longer the one that was read.
    """
    files = [(*_fingerprint(file), file.rows, file.left_out, file.made_from) for file in tally.files]
    if isinstance(source, CaveSource):
        name = f"{source.datastack}/{source.table}@{source.materialization}"
        files = [(name, 0, "", tally.rows, dict(tally.left_out), None)]
    fields = {name: getattr(source, name, None) for name in ("space", "transform", "volume")}
    if volume is not None and fields["space"] is None:
        fields["space"] = volume.space
    if isinstance(source, PointsSource):
        size = source.voxel_size_nm
        own_voxels = f" of {size[0]:g} x {size[1]:g} x {size[2]:g} nm" if size and source.units == "voxel" else ""
        fields |= {"units": source.units + own_voxels, "axis_order": source.axis_order}
    elif isinstance(source, SynisterSource | CremiSource | CaveSource):
        fields |= {"units": "nm", "axis_order": "xyz"}
    rows = [
        {
            "source": source.name,
            "file": file,
            "bytes": size,
            "sha256": digest,
            "rows": count,
            "left_out": json.dumps(left_out),
            "made_from": made_from,
            **fields,
        }
        for file, size, digest, count, left_out, made_from in files
    ]
    table = {
        column.name: pa.array([row.get(column.name) for row in rows], column.type) for column in SYNAPSE_SOURCES.columns
    }
    return SYNAPSE_SOURCES.conform(pa.table(table))


def _fingerprint(record: FileRead) -> tuple[str, int, str]:
    """Name, size in bytes and sha256 of a file."""
    file = SourceFile(record.name, str(record.path), str(record.path))
    with unchanged(file) as signature:
        if signature and signature != record.signature:
            raise BadInput(f"{record.path} changed after it was read: wait until it is written, and start again")
        with existing_file(str(record.path)).open("rb") as stream:
            return file.name, record.path.stat().st_size, hashlib.file_digest(stream, "sha256").hexdigest()
