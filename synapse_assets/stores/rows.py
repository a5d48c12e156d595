"""Small things that are done to rows on their way in and out of the stores: content keys, what changed, vectors as arrays."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.schema import SYNAPSE_LABELS, SYNAPSES, BadInput, Table
from synapse_assets.stores.dataset_store import DatasetStore
from synapse_assets.stores.region_table import RegionTable


def content_key(rows: pa.Table, *more: str) -> str:
    """A short hash (16 hexadecimal digits) of the rows, whatever their order, and of the texts in `more`.

    For columns of texts and numbers. Equal keys mean equal content; it names versions and staging folders.
    """
    columns = [rows.column(name).to_pylist() for name in rows.column_names]
    lines = sorted("\x1f".join(map(repr, row)) for row in zip(*columns, strict=True))
    return hashlib.sha256("\x1e".join([*rows.column_names, *more, *lines]).encode()).hexdigest()[:16]


def changed_rows(stored: pa.Table, wanted: pa.Table) -> tuple[pa.Table, list[str]]:
    """The rows of `wanted` that are new or differ from `stored` in any column, and the ids that only `stored` has."""
    stored_ids, wanted_ids = (table.column("synapse_id").combine_chunks() for table in (stored, wanted))
    same = pa.array(np.ones(wanted.num_rows, dtype=bool))
    place = pc.index_in(wanted_ids, value_set=stored_ids)
    for name in wanted.column_names:
        new, old = (_comparable(table.column(name)) for table in (wanted, stored))
        old = old.take(place)
        equal = pc.fill_null(pc.equal(new, old), False)
        same = pc.and_(same, pc.or_(equal, pc.and_(pc.is_null(new), pc.is_null(old))))
    same = pc.and_(same, pc.is_valid(place))
    gone = stored_ids.filter(pc.invert(pc.is_in(stored_ids, value_set=wanted_ids)))
    return wanted.filter(pc.invert(same)), gone.to_pylist()


def _comparable(column: pa.ChunkedArray) -> pa.Array:
    array = column.combine_chunks()
    if pa.types.is_list(array.type):
        return pc.binary_join(array.cast(pa.list_(pa.string())), "\x1f")
    return array


def labelled_synapses(store: DatasetStore, columns: Sequence[str], ids: Sequence[str] | None = None) -> pa.Table:
    """The synapses of all regions, or those in `ids`, with columns of `schema.SYNAPSES` and of `schema.SYNAPSE_LABELS`.

    Columns of the labels are empty for a synapse whose region has no labels yet, or that has moved since. `synapse_id` and
    `brain_region` are always there.
    """
    of_label = [name for name in columns if name not in SYNAPSES.names]
    of_site = list(dict.fromkeys(["synapse_id", "brain_region", *(name for name in columns if name not in of_label)]))
    rows = store.synapses.read(None, of_site) if ids is None else store.synapses.read_ids(list(ids), of_site)
    labels = store.results(SYNAPSE_LABELS).read(columns=["synapse_id", "brain_region", *of_label])
    place = pc.index_in(rows.column("synapse_id").combine_chunks(), labels.column("synapse_id").combine_chunks())
    there = pc.equal(
        rows.column("brain_region").combine_chunks(), labels.column("brain_region").combine_chunks().take(place)
    )
    place = pc.if_else(pc.fill_null(there, False), place, pa.scalar(None, place.type))
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
    ids: Sequence[str],
    region: str,
    tile_hashes: Sequence[str],
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
