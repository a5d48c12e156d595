"""Helpers for rows on their way in and out of the stores: content keys, changed rows, vectors as arrays."""

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.errors import BadInput
from synapse_assets.schema import SYNAPSE_LABELS, SYNAPSES, Table
from synapse_assets.stores.dataset_store import DatasetStore
from synapse_assets.stores.region_table import RegionTable

_HASHED_ROWS = 250_000


def content_key(rows: pa.Table | pa.RecordBatchReader, *texts: str) -> str:
    """A short hash (16 hexadecimal digits) of the rows, whatever their order, and of `texts`.

    For columns of texts, numbers, truth values and lists of texts. Equal keys mean equal content; it names versions and
    staging folders. Works through the rows in pieces, so that a region of millions costs little memory.
    """
    total = count = 0
    for part in _pieces(rows):
        total += int(row_hashes(part).sum(dtype=np.uint64))
        count += part.num_rows
    content = [*rows.schema.names, *texts, str(count), f"{total % 2**64:016x}"]
    return hashlib.sha256("\x1e".join(content).encode()).hexdigest()[:16]


def _pieces(rows: pa.Table | pa.RecordBatchReader) -> Iterator[pa.Table]:
    if isinstance(rows, pa.Table):
        yield from (rows.slice(start, _HASHED_ROWS) for start in range(0, rows.num_rows, _HASHED_ROWS))
    else:
        yield from (pa.Table.from_batches([batch]) for batch in rows)


def row_hashes(rows: pa.Table) -> npt.NDArray[np.uint64]:
    """A 64-bit hash of each row (n,): the hashes of its values, mixed one after the other. Columns as in `content_key`; their names do not
    count."""
    from pandas.util import hash_array

    mixed = np.full(rows.num_rows, 0x9E3779B97F4A7C15, dtype=np.uint64)
    for name in rows.column_names:
        column = _comparable(rows.column(name))
        if pa.types.is_boolean(column.type):
            column = column.cast(pa.int8())
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            texts = pc.fill_null(column, "\x00").to_numpy(zero_copy_only=False)
            hashes = hash_array(texts.astype(object), categorize=False)
        else:
            numbers = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
            hashes = hash_array(numbers) + np.uint64(1)
            hashes[pc.is_null(column).to_numpy(zero_copy_only=False)] = 0
        # splitmix64's last steps (Steele, Lea, Flood 2014, doi 10.1145/2660193.2660195): every bit reaches every other.
        mixed = (mixed ^ hashes) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    return mixed


def changed_rows(stored: pa.Table, desired: pa.Table) -> tuple[pa.Table, list[str]]:
    """The rows of `desired` that are new or differ from `stored` in any column, and the ids that only `stored` has."""
    stored_ids, desired_ids = (table.column("synapse_id").combine_chunks() for table in (stored, desired))
    same = pa.array(np.ones(desired.num_rows, dtype=bool))
    index = pc.index_in(desired_ids, value_set=stored_ids)
    for name in desired.column_names:
        new, old = (_comparable(table.column(name)) for table in (desired, stored))
        old = old.take(index)
        equal = pc.fill_null(pc.equal(new, old), False)
        same = pc.and_(same, pc.or_(equal, pc.and_(pc.is_null(new), pc.is_null(old))))
    same = pc.and_(same, pc.is_valid(index))
    gone = stored_ids.filter(pc.invert(pc.is_in(stored_ids, value_set=desired_ids)))
    return desired.filter(pc.invert(same)), gone.to_pylist()


def _comparable(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if pa.types.is_list(array.type):
        return pc.binary_join(array.cast(pa.list_(pa.string())), "\x1f")
    return array


def labelled_synapses(store: DatasetStore, columns: Sequence[str], ids: Sequence[str] | None = None) -> pa.Table:
    """The synapses of all regions, or those in `ids`, with columns of `schema.SYNAPSES` and of `schema.SYNAPSE_LABELS`.

    Columns of the labels are empty for a synapse that its region has no label of yet. `synapse_id` and
    `brain_region` are always there.
    """
    of_label = [name for name in columns if name not in SYNAPSES.names]
    of_site = list(dict.fromkeys(["synapse_id", "brain_region", *(name for name in columns if name not in of_label)]))
    rows = store.synapses.read(None, of_site) if ids is None else store.synapses.read_ids(list(ids), of_site)
    labels = store.results(SYNAPSE_LABELS).read(columns=["synapse_id", "brain_region", *of_label])
    ids = rows.column("synapse_id").combine_chunks()
    # A synapse that moved may still have a label row in its old region: only the one in its own counts.
    at = pc.index_in(labels.column("synapse_id").combine_chunks(), value_set=ids)
    own_region = pc.equal(
        labels.column("brain_region").combine_chunks(), rows.column("brain_region").combine_chunks().take(at)
    )
    labels = labels.filter(pc.fill_null(own_region, False))
    place = pc.index_in(ids, value_set=labels.column("synapse_id").combine_chunks())
    for name in of_label:
        rows = rows.append_column(name, labels.column(name).combine_chunks().take(place))
    return rows


def vectors_in_use(store: DatasetStore) -> RegionTable:
    """The vector table of the encoder in use. Raises BadInput if there is none."""
    models = store.models("encoder")
    if models.current is None:
        raise BadInput(f"{store.dataset} has no encoder yet: materialise the asset 'encoder'")
    return store.vectors(models.current, int(models.provenance(models.current).scores["dimensions"]))


def vector_matrix(rows: pa.Table) -> npt.NDArray[np.float32]:
    """The column `vector` as float32 (N, D)."""
    column = rows.column("vector").combine_chunks()
    width = column.type.list_size
    return column.flatten().to_numpy(zero_copy_only=False).astype(np.float32).reshape(len(column), width)


def vector_rows(
    table: Table,
    ids: Sequence[str] | pa.Array,
    region: str,
    tile_hashes: Sequence[str] | pa.Array,
    model_id: str,
    vectors: npt.NDArray[np.float32],
) -> pa.Table:
    """Rows of an embedding table from vectors (N, D), which are stored as float16.

    Raises BadInput naming a synapse whose vector is not finite or too large for float16.
    """
    halves = vectors.astype(np.float16)
    wrong = np.flatnonzero(~np.isfinite(halves).all(axis=1))
    if len(wrong):
        raise BadInput(
            f"the encoder {model_id} gives no finite float16 vector for {len(wrong)} tiles, first {ids[wrong[0]]}"
        )
    values = pa.FixedSizeListArray.from_arrays(pa.array(halves.ravel(), pa.float16()), halves.shape[1])
    constant = [pa.array([value] * len(ids), pa.string()) for value in (region, model_id)]
    columns = [pa.array(ids, pa.string()), constant[0], pa.array(tile_hashes, pa.string()), constant[1], values]
    return pa.Table.from_arrays(columns, schema=table.arrow)


def usable_vectors(rows: pa.Table) -> int:
    """Number of rows whose vector is finite and not zero."""
    matrix = vector_matrix(rows)
    return int((np.isfinite(matrix).all(axis=1) & (np.abs(matrix).max(axis=1, initial=0) > 0)).sum())
