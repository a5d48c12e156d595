"""Tables of synapses, read by the column mapping of the dataset's YAML from any file that `files.open_table` opens.

Streams record batches, so memory does not grow with the file, and works on whole columns, so that most of the time is that of
reading the file. Formats that a mapping cannot describe have a module of their own beside this one.
"""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import PointsSource, VolumeSpec
from synapse_assets.sources.checks import NoRows, checked_synapses
from synapse_assets.sources.files import open_table
from synapse_assets.sources.neurons import hemilineages
from synapse_assets.sources.regions import RegionNames
from synapse_assets.sources.tally import Tally
from synapse_assets.sources.transmitters import ClassNames, only_class
from synapse_assets.sources.values import (
    Place,
    coordinates,
    figures,
    identifiers,
    is_one_of,
    numbers,
    positions,
    synapse_ids,
    text,
    whole_numbers,
)

_AXES = ("x", "y", "z")


def read(
    source: PointsSource, volume: VolumeSpec, regions: RegionNames, classes: ClassNames, tally: Tally
) -> Iterator[pa.Table]:
    """Batches of `schema.SYNAPSE_TABLE` from one file, in nm of the source's own space; rows left out are counted in `tally`.

    Raises BadInput naming file, column and row, NoRows where the file has no rows or none is left.
    """
    file = open_table(source.path, source.header, source.table)
    conversion = Conversion(source, volume, regions, classes, tally)
    file.require(conversion.uses)
    tally.made_from = file.made_from
    rows_read = rows_kept = 0
    for batch in file.batches(conversion.uses.values(), conversion.as_numbers):
        table = conversion.table(batch, rows_read + 1)
        rows_read += batch.num_rows
        rows_kept += table.num_rows
        if table.num_rows:
            yield table
    if not rows_read:
        raise NoRows(f"{source.path} has a header but no rows")
    if not rows_kept:
        raise NoRows(f"{source.path}: every one of {rows_read:,} rows was left out: {dict(tally.left_out)}")


class Conversion:
    """How batches of one source's own columns become `schema.SYNAPSE_TABLE`."""

    def __init__(
        self, source: PointsSource, volume: VolumeSpec, regions: RegionNames, classes: ClassNames, tally: Tally
    ) -> None:
        self._source, self._regions, self._classes, self._tally = source, regions, classes, tally
        self._voxel_size_nm = source.voxel_size_nm or volume.voxel_size_nm
        self._columns: dict[str, str] = {
            use: name for use, name in source.columns.model_dump().items() if name is not None
        }

    @property
    def uses(self) -> dict[str, str]:
        """The columns that are read, by what they are for."""
        source = self._source
        return {
            **self._columns,
            **{f"minimum {column}": column for column in source.minimum},
            **{f"only {column}": column for column in source.only},
            **{f"id_from {column}": column for column in source.id_from},
        }

    @property
    def as_numbers(self) -> set[str]:
        """The columns that text files should read as numbers; never one that holds identifiers."""
        numeric = {use: name for use, name in self._columns.items() if use in (*_AXES, "score")}
        ids = {name for use, name in self._columns.items() if use not in numeric}
        ids |= set(self._source.id_from) - set(numeric.values())
        return {*numeric.values(), *self._source.minimum} - ids - set(self._source.only)

    def table(self, batch: pa.RecordBatch, first_row: int) -> pa.Table:
        """The batch's synapses; `first_row` is the row of its first one in the file, from 1. Raises BadInput."""
        source = self._source
        batch, rows = self._left(batch, range(first_row, first_row + batch.num_rows))
        columns: dict[str, pa.Array | pa.ChunkedArray] = {}
        own = self._own_positions(batch, rows)
        for axis, place, size_nm in zip(_AXES, own, self._voxel_size_nm, strict=True):
            columns[f"{axis}_nm"] = _voxels_to_nm(place, size_nm) if source.units == "voxel" else place
        for use, name in self._columns.items():
            values, place = batch.column(name), Place(source.path, name, rows)
            if use == "neuron_id":
                columns[use] = identifiers(values, place, source.neuron_id_offset)
            elif use == "section":
                columns[use] = whole_numbers(values, place)
            elif use == "score":
                columns[use] = numbers(values, place)
            elif use == "hemilineage":
                columns[use] = hemilineages(text(values, place))
            elif use == "synapse_id":
                columns[use] = synapse_ids(values, place)
            elif use == "brain_region":
                columns[use] = text(values, place, self._regions.named)
            elif use == "target":
                columns[use] = text(values, place, source.class_names)
            elif use == "object_id":
                columns[use] = text(values, place)
        if "synapse_id" not in columns:
            columns["synapse_id"] = self._made_ids(batch, rows, own, columns.get("neuron_id"))
        if source.id_prefix:
            columns["synapse_id"] = pc.binary_join_element_wise(source.id_prefix, columns["synapse_id"], "")
        count = batch.num_rows
        everywhere = _repeated(source.brain_region, count)
        columns["brain_region"] = self._regions.keys(pc.coalesce(columns.get("brain_region", everywhere), everywhere))
        if "target" not in columns and source.target_value is not None:
            columns["target"] = _repeated(source.target_value, count)
        if "target" in columns:
            columns["known_classes"] = self._classes.known(columns["target"], source.class_names)
            columns["target"] = only_class(columns["known_classes"])
        columns["volume"] = _repeated(source.volume, count)
        return checked_synapses(columns, source.name, source.path, rows)

    def _left(self, batch: pa.RecordBatch, rows: range) -> tuple[pa.RecordBatch, range | np.ndarray]:
        """The rows that the source's conditions leave, and their numbers; what is left out is tallied by the first reason."""
        keep: pa.Array | None = None
        for reason, passed in self._conditions(batch, rows):
            out = batch.num_rows - (pc.sum(passed).as_py() or 0) if keep is None else _lost(keep, passed)
            if out:
                self._tally.left_out[reason] += out
                keep = passed if keep is None else pc.and_(keep, passed)
        if keep is None:
            return batch, rows
        return batch.filter(keep), np.arange(rows.start, rows.stop)[keep.to_numpy(zero_copy_only=False)]

    def _conditions(self, batch: pa.RecordBatch, rows: range) -> Iterator[tuple[str, pa.Array]]:
        source = self._source
        for column, values in source.only.items():
            passed = is_one_of(batch.column(column), Place(source.path, column, rows), values)
            yield f"{column} is not {' or '.join(values)}", passed
        for column, lowest in source.minimum.items():
            measured = numbers(batch.column(column), Place(source.path, column, rows))
            yield f"{column} empty", pc.is_valid(measured)
            yield f"{column} below {lowest:g}", pc.fill_null(pc.greater_equal(measured, lowest), True)
        if source.leave_out_autapses:
            ends = [
                identifiers(batch.column(name), Place(source.path, name, rows))
                for name in (self._columns["neuron_id"], self._columns["partner_id"])
            ]
            yield "autapse", pc.invert(pc.fill_null(pc.equal(*ends), False))

    def _own_positions(self, batch: pa.RecordBatch, rows: range | np.ndarray) -> tuple[pa.Array, pa.Array, pa.Array]:
        """x, y and z in the units of the file."""
        source = self._source
        if source.columns.position:
            place = Place(source.path, source.columns.position, rows)
            first, second, third = positions(batch.column(source.columns.position), place)
            return (first, second, third) if source.axis_order == "xyz" else (third, second, first)
        names = (self._columns[axis] for axis in _AXES)
        x, y, z = (coordinates(batch.column(name), Place(source.path, name, rows)) for name in names)
        return x, y, z

    def _made_ids(
        self,
        batch: pa.RecordBatch,
        rows: range | np.ndarray,
        own: tuple[pa.Array, pa.Array, pa.Array],
        neurons: pa.Array | None,
    ) -> pa.Array:
        """Ids made of the columns that the source names, else of position, neuron and partner: the same in every order of rows."""
        source = self._source
        if source.id_from:
            parts = [
                figures(batch.column(name), Place(source.path, name, rows), of_ids=True) for name in source.id_from
            ]
        else:
            parts = [figures(axis, Place(source.path, name, rows)) for axis, name in zip(own, _AXES, strict=True)]
            # Several partners at one site are several synapses.
            if neurons is not None:
                parts.append(neurons.cast(pa.string()))
            if "partner_id" in self._columns:
                name = self._columns["partner_id"]
                partners = identifiers(batch.column(name), Place(source.path, name, rows), source.neuron_id_offset)
                parts.append(partners.cast(pa.string()))
        return pc.binary_join_element_wise(*parts, "_", null_handling="replace", null_replacement="")


def _lost(keep: pa.Array, passed: pa.Array) -> int:
    """Rows that are still there and do not pass."""
    return int(pc.sum(pc.and_not(keep, passed)).as_py() or 0)


def _repeated(value: str | None, count: int) -> pa.Array:
    return pa.nulls(count, pa.string()) if value is None else pa.repeat(pa.scalar(value, pa.string()), count)


def _voxels_to_nm(voxels: pa.Array, voxel_size_nm: float) -> pa.Array:
    """Nanometres; a whole number names a voxel and gives the middle of it, anything else is an exact position."""
    values = voxels.to_numpy(zero_copy_only=False)
    return pa.array(
        np.where(values == np.floor(values), values + 0.5, values) * voxel_size_nm, pa.float64(), from_pandas=False
    )
