"""Tables of points: CSV, TSV, Parquet and Feather files, read by the column mapping of the dataset's YAML.

Streams record batches, so memory does not grow with the file. Formats that a mapping cannot describe have a module of their
own beside this one.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq

from synapse_assets.datasets import PointsSource, VolumeSpec
from synapse_assets.schema import BadInput
from synapse_assets.sources.checks import RegionNames, checked_synapses, existing_file

BATCH_ROWS = 65_536
# The largest integer below which every integer is exact in a float64.
EXACT_IN_FLOAT64 = 2**53
_TEXT = ("synapse_id", "brain_region", "hemilineage", "target", "object_id")
_INTEGER = ("neuron_id", "section")


def read(source: PointsSource, volume: VolumeSpec, regions: RegionNames) -> Iterator[pa.Table]:
    """Batches of `schema.SYNAPSES` from one file. Raises BadInput naming file, column and row."""
    file = existing_file(source.path)
    mapping = {field: column for field, column in source.columns.model_dump().items() if column is not None}
    first_row, rows = 1, 0
    for batch in _batches(file, mapping):
        yield _convert(batch, mapping, source, volume, regions, first_row)
        first_row += batch.num_rows
        rows += batch.num_rows
    if rows == 0:
        raise BadInput(f"{source.path} has a header but no rows")


def _batches(file: Path, mapping: dict[str, str]) -> Iterator[pa.RecordBatch]:
    suffix = file.suffix.lower()
    try:
        if suffix in (".csv", ".tsv", ".txt"):
            delimiter = "\t" if suffix == ".tsv" else ","
            # The header first: a missing column should be named together with those that exist.
            with file.open("rb") as stream:
                header = stream.readline(1 << 20).decode("utf-8-sig", errors="replace").strip("\r\n").split(delimiter)
            _require(file, mapping, [name.strip('"') for name in header])
            # Identifiers as text: pandas writes '10814.0' beside an empty cell, and no digit may be lost on the way.
            types = {mapping[field]: pa.string() for field in (*_TEXT, *_INTEGER) if field in mapping}
            types |= {mapping[axis]: pa.float64() for axis in "xyz" if mapping[axis] not in types}
            yield from pyarrow.csv.open_csv(
                file,
                read_options=pyarrow.csv.ReadOptions(block_size=8 << 20),
                parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter),
                convert_options=pyarrow.csv.ConvertOptions(
                    include_columns=sorted(set(mapping.values())), column_types=types, strings_can_be_null=True
                ),
            )
        elif suffix in (".parquet", ".pq"):
            parquet = pq.ParquetFile(file)
            _require(file, mapping, parquet.schema_arrow.names)
            yield from parquet.iter_batches(BATCH_ROWS, columns=sorted(set(mapping.values())))
        elif suffix in (".feather", ".arrow"):
            with pa.memory_map(str(file)) as mapped, pa.ipc.open_file(mapped) as reader:
                _require(file, mapping, reader.schema.names)
                for index in range(reader.num_record_batches):
                    yield reader.get_batch(index).select(sorted(set(mapping.values())))
        else:
            raise BadInput(f"{file}: a points table is a .csv, .tsv, .parquet or .feather file, not '{suffix}'")
    except pa.ArrowInvalid as error:
        raise BadInput(f"{file} cannot be read: {error}") from error


def _require(file: Path, mapping: dict[str, str], present: list[str]) -> None:
    missing = {field: column for field, column in mapping.items() if column not in present}
    if missing:
        wanted = ", ".join(f"'{column}' (for {field})" for field, column in missing.items())
        raise BadInput(
            f"{file} has no column {wanted}; its columns are {present}. Mend 'columns' in the dataset's YAML"
        )


def _convert(
    batch: pa.RecordBatch,
    mapping: dict[str, str],
    source: PointsSource,
    volume: VolumeSpec,
    regions: RegionNames,
    first_row: int,
) -> pa.Table:
    file = source.path
    rows = batch.num_rows
    columns: dict[str, pa.Array | pa.ChunkedArray] = {}
    for field, column in mapping.items():
        values = batch.column(column)
        if field in "xyz":
            axis = "xyz".index(field)
            positions = _cast(values, pa.float64(), file, column)
            if source.units == "voxel":
                positions = _voxels_to_nm(positions, volume.voxel_size_nm[axis])
            columns[f"{field}_nm"] = positions
        elif field in _TEXT:
            text = _cast(
                _whole(values, file, column) if pa.types.is_floating(values.type) else values, pa.string(), file, column
            )
            columns[field] = pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)
        elif field in _INTEGER:
            columns[field] = _cast(_whole(values, file, column), pa.int64(), file, column)
        else:
            columns[field] = _cast(values, pa.float64(), file, column)
    if "synapse_id" not in columns:
        columns["synapse_id"] = _ids_from_position(columns)
    columns["synapse_id"] = pc.binary_join_element_wise(source.id_prefix, columns["synapse_id"], "")
    named = columns.get("brain_region", pa.array([source.brain_region] * rows, pa.string()))
    columns["brain_region"] = regions.keys(named)
    if "target" not in columns and source.target_value is not None:
        columns["target"] = pa.array([source.target_value] * rows, pa.string())
    if "target" in columns:
        target = columns["target"]
        columns["known_classes"] = pa.array(
            [[t] if t is not None else [] for t in target.to_pylist()], pa.list_(pa.string())
        )
    columns["volume"] = pa.array([source.volume] * rows, pa.string())
    return checked_synapses(columns, file, first_row)


def _cast(values: pa.Array, kind: pa.DataType, file: str, column: str) -> pa.Array:
    try:
        return values.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise BadInput(f"{file}, column '{column}': {error}") from error


def _whole(values: pa.Array, file: str, column: str) -> pa.Array:
    """Integers or their text; a floating-point column is taken only where no identifier can have been rounded."""
    if pa.types.is_string(values.type):
        digits = pc.replace_substring_regex(values, r"\.0*$", "")
        return pc.if_else(pc.equal(digits, ""), pa.scalar(None, pa.string()), digits)
    if not pa.types.is_floating(values.type):
        return values
    numbers = values.drop_null().to_numpy(zero_copy_only=False)
    numbers = numbers[~np.isnan(numbers)]
    if np.any(np.abs(numbers) >= EXACT_IN_FLOAT64) or np.any(numbers != np.floor(numbers)):
        raise BadInput(
            f"{file}, column '{column}' holds identifiers as floating-point numbers, and some are rounded (2^53 or more) or not "
            "whole: export the column as integers or text"
        )
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values).cast(pa.int64())


def _voxels_to_nm(voxels: pa.Array, voxel_size_nm: float) -> pa.Array:
    """Nanometres; a whole number names a voxel and gives the middle of it, anything else is an exact position."""
    values = voxels.to_numpy(zero_copy_only=False)
    return pa.array(
        np.where(values == np.floor(values), values + 0.5, values) * voxel_size_nm, pa.float64(), from_pandas=False
    )


def _ids_from_position(columns: dict[str, pa.Array | pa.ChunkedArray]) -> pa.Array:
    positions = np.stack([columns[f"{axis}_nm"].to_numpy(zero_copy_only=False) for axis in "xyz"], axis=1).astype("<f8")
    return pa.array([hashlib.sha256(row.tobytes()).hexdigest()[:16] for row in positions], pa.string())
