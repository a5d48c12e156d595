"""A region's tiles and vectors in parts, which an `Engine` carries out: on the nodes of a cluster, in any order, some of them twice.

A part writes its rows into data files of the tables, shown by nobody yet, and leaves a receipt beside them (`stores/receipts.py`); one
commit shows all. So whatever is lost (a node, the process that ordered the parts, the connection) costs the parts without a receipt,
and a part that was made twice is shown once. Where an encoder is in use, cutting tiles embeds them too, so that no tile is read back:
those receipts lie ready for the asset `embeddings`, which takes what still fits and makes the rest of stored tiles.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from logging import Logger
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.errors import BadInput
from synapse_assets.pipeline.em.precision import AppliedEncoder, refuse_other_precision
from synapse_assets.pipeline.engine import Engine
from synapse_assets.pipeline.report import progress_logger
from synapse_assets.schema import TILES, embedding_table
from synapse_assets.settings import local_root_here
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.commits import ids_of
from synapse_assets.stores.receipts import Receipt, Receipts
from synapse_assets.stores.region_table import RegionTable
from synapse_assets.stores.row_search import long_texts
from synapse_assets.stores.rows import content_key, vector_rows

if TYPE_CHECKING:
    from synapse_assets.vision.encoder import Encoder

# Tiles that are decoded and embedded together.
_READ_ROWS = 256
# A batch is filled up to a multiple of this: see `_embedded`.
_WHOLE_BATCH = 8
_NAMED = 3
# How often what lacks is made again. Tiles that another run has removed meanwhile lack for ever.
_ROUNDS = 3


@dataclass(frozen=True, eq=False)
class _TilePart:
    """Synapses whose tiles are to be cut: columns synapse_id, volume, x_nm, y_nm, z_nm, crop_hash; and what embeds them, if anything."""

    store: DatasetStore
    dataset: EmDataset
    region: str
    rows: pa.Table
    encoder: AppliedEncoder | None


@dataclass(frozen=True, eq=False)
class _VectorPart:
    """Tiles to be embedded: columns synapse_id, tile_hash and number, the row in that version of the table of tiles."""

    store: DatasetStore
    region: str
    tiles: RegionTable
    rows: pa.Table
    encoder: AppliedEncoder


@dataclass(frozen=True)
class _Made:
    """What a part answers: its rows, and why their vectors are left to the asset `embeddings`; empty where they are not."""

    rows: int
    remark: str = ""


def tile_receipts(store: DatasetStore, region: str) -> Receipts:
    """Receipts of the tiles of a region."""
    return store.receipts("tiles", region, "parts")


def vector_receipts(store: DatasetStore, region: str, model_id: str) -> Receipts:
    """Receipts of the vectors of a region that this encoder made."""
    return store.receipts("embeddings", region, model_id)


def cut_in_parts(
    engine: Engine,
    store: DatasetStore,
    dataset: EmDataset,
    region: str,
    wanted: pa.Table,
    gone: pa.Array,
    encoder: AppliedEncoder | None,
    log: Logger,
) -> tuple[int, int]:
    """Cuts the tiles of the synapses in `wanted` (columns synapse_id, volume, x_nm, y_nm, z_nm, crop_hash) and shows them, in one commit
    that deletes those of `gone`. Gives how many were computed now, and how many chunks were absent.

    Raises BadInput as `crop_region` does, and naming the synapses of a part that fails; ConnectionError for an unreachable volume.
    """
    from synapse_assets.volumes.cropping import in_reading_order, require_below_ceiling

    receipts = tile_receipts(store, region)
    by_hash = wanted.select(["synapse_id", "crop_hash"])

    def make(rest: pa.Table) -> None:
        require_below_ceiling(dataset, region, rest, rest.column("synapse_id"))
        shared = _with_its_share(dataset, engine, rest.num_rows)
        divided = in_reading_order(dataset, rest, engine.part_tiles)
        parts = (_TilePart(store, shared, region, rows, encoder) for rows in divided)
        _carried_out(engine, _make_tiles, parts, f"{region}: tiles", rest.num_rows, log)

    done, computed = _all_receipts(receipts, store.tiles, wanted, by_hash, make)
    store.tiles.commit(region, [receipt.part for receipt in done], gone)
    receipts.clear()
    return computed, int(sum(receipt.facts["missing_chunks"] for receipt in done))


def embed_in_parts(
    engine: Engine,
    store: DatasetStore,
    region: str,
    vectors: RegionTable,
    wanted: pa.Table,
    gone: pa.Array,
    encoder: AppliedEncoder,
    log: Logger,
) -> int:
    """Makes the vectors of the tiles in `wanted` (columns synapse_id, tile_hash) and shows them, in one commit that deletes those of
    `gone`. Takes those that were made when the tiles were cut; gives how many were computed now.

    Raises BadInput naming the synapses of a part that fails, and a node that cannot compute in the precision of the encoder.
    """
    receipts = vector_receipts(store, region, encoder.model_id)

    def make(rest: pa.Table) -> None:
        divided = _in_stored_order(store, rest, engine.part_tiles)
        parts = (_VectorPart(store, region, tiles, rows, encoder) for tiles, rows in divided)
        _carried_out(engine, _make_vectors, parts, f"{region}: embeddings", rest.num_rows, log)

    done, computed = _all_receipts(receipts, vectors, wanted, wanted, make)
    vectors.commit(region, [receipt.part for receipt in done], gone)
    receipts.clear()
    return computed


def _all_receipts(
    receipts: Receipts, table: RegionTable, wanted: pa.Table, by_hash: pa.Table, make: Callable[[pa.Table], None]
) -> tuple[list[Receipt], int]:
    """Receipts of all rows that are wanted, after `make` made those that had none; and how many these were at first.

    Others may leave receipts meanwhile that overlap with ours, such as a node of an earlier run that was cut off and works on, or remove
    ours, such as a second run of the region. What lacks for that is made again.
    """
    done = receipts.whole(table, by_hash)
    rest = _rest(wanted, done)
    computed = rest.num_rows
    for _ in range(_ROUNDS):
        if not rest.num_rows:
            break
        make(rest)
        done = receipts.whole(table, by_hash)
        rest = _rest(wanted, done)
    return done, computed


def _carried_out(
    engine: Engine,
    work: "Callable[[_TilePart], _Made] | Callable[[_VectorPart], _Made]",
    parts: Iterator[_TilePart] | Iterator[_VectorPart],
    what: str,
    total: int,
    log: Logger,
) -> None:
    progress = progress_logger(log.info, what, total)
    remarks: set[str] = set()
    done = 0
    for _, made in engine.run(work, parts, _name, log):  # type: ignore[arg-type]
        done += made.rows
        progress(done)
        if made.remark and made.remark not in remarks:
            remarks.add(made.remark)
            log.warning(f"{what}: {made.remark}; the asset embeddings makes them")


def _name(part: _TilePart | _VectorPart) -> str:
    ids = part.rows.column("synapse_id")
    first = ", ".join(ids.slice(0, _NAMED).to_pylist())
    return f"region {part.region}, synapses {first}" + (f" and {len(ids) - _NAMED:,} more" if len(ids) > _NAMED else "")


def _rest(wanted: pa.Table, done: list[Receipt]) -> pa.Table:
    """The rows that no receipt has."""
    if not done:
        return wanted
    ids = ids_of([receipt.part for receipt in done]).combine_chunks()
    return wanted.filter(pc.invert(pc.is_in(long_texts(wanted.column("synapse_id")), value_set=ids)))


def _with_its_share(dataset: EmDataset, engine: Engine, tiles: int) -> EmDataset:
    """The dataset with that share of every volume's cap of requests which one of the parts at work may use."""
    if all(spec.requests_per_second is None for spec in dataset.volumes.values()):
        return dataset
    at_once = engine.at_once(max(1, -(-tiles // engine.part_tiles)))
    volumes = {
        name: spec.model_copy(update={"requests_per_second": spec.requests_per_second / at_once})
        if spec.requests_per_second
        else spec
        for name, spec in dataset.volumes.items()
    }
    return dataset.model_copy(update={"volumes": volumes})


def _in_stored_order(store: DatasetStore, rows: pa.Table, part_tiles: int) -> Iterator[tuple[RegionTable, pa.Table]]:
    """The tiles in parts that lie together in the table, with the table of the version that the numbers are of."""
    if not rows.num_rows:
        return
    tiles = store.tiles.at_version(store.tiles.version)
    numbers = tiles.numbers_of(rows.column("synapse_id").combine_chunks())
    rows = rows.append_column("number", pa.array(numbers)).filter(pa.array(numbers >= 0))
    order = np.argsort(rows.column("number").to_numpy(), kind="stable")
    for start in range(0, len(order), part_tiles):
        yield tiles, rows.take(pa.array(order[start : start + part_tiles])).combine_chunks()


def _here(store: DatasetStore) -> DatasetStore:
    """The store with the local folder of this machine, which is not that of the one that sent the part."""
    return replace(store, local_root=local_root_here(store.data_root))


def _make_tiles(part: _TilePart) -> _Made:
    """Cuts, encodes and embeds the tiles of a part, and leaves its receipts."""
    from synapse_assets.volumes.cropping import crop_region

    store, region, use = _here(part.store), part.region, part.encoder
    encoder, remark = None, ""
    if use is not None:
        try:
            encoder = _encoder(store, use)
        except BadInput as error:
            remark = f"no vectors were made of these tiles: {error}"
    ids, crops, tiles_of, vectors = [], [], [], []
    missing = 0
    failed: list[Exception] = []

    def flow() -> Iterator[pa.RecordBatch]:
        nonlocal missing, encoder, remark
        try:
            for batch in crop_region(part.dataset, region, part.rows, part.rows, part.rows.column("synapse_id")):
                missing += batch.missing_chunks
                rows = batch.rows
                ids.append(rows.column("synapse_id"))
                crops.append(rows.column("crop_hash"))
                if use is not None and encoder is not None:
                    try:
                        vectors.append(_vectors(use, encoder, region, rows, batch.tiles))
                        tiles_of.append(rows.column("tile_hash"))
                    except BadInput as error:
                        encoder, remark = None, f"no vectors were made of these tiles: {error}"
                yield rows
        except Exception as error:
            failed.append(error)
            raise

    try:
        written = store.tiles.write_part(region, pa.RecordBatchReader.from_batches(TILES.arrow, flow()))
    except Exception:
        # What the table makes of an error in the rows that it gets is no longer what happened.
        if failed:
            raise failed[0] from None
        raise
    if use is not None and encoder is not None and vectors:
        _leave_vectors(store, use, region, pa.concat_tables(vectors))
    receipt = Receipt(written, pa.concat_arrays(crops), {"missing_chunks": missing})
    tile_receipts(store, region).leave(_receipt_name(written.ids, receipt.hashes), receipt)
    return _Made(len(written.ids), remark)


def _make_vectors(part: _VectorPart) -> _Made:
    """Embeds stored tiles, and leaves a receipt."""
    from synapse_assets.volumes import decode_tiles

    store = _here(part.store)
    encoder = _encoder(store, part.encoder)
    numbers = part.rows.column("number").to_numpy()
    made = []
    for start in range(0, len(numbers), _READ_ROWS):
        rows = part.tiles.take(numbers[start : start + _READ_ROWS].tolist(), ["synapse_id", "tile_hash", "image"])
        [batch] = rows.combine_chunks().to_batches()
        made.append(_vectors(part.encoder, encoder, part.region, batch, decode_tiles(batch.column("image"))))
    _leave_vectors(store, part.encoder, part.region, pa.concat_tables(made))
    return _Made(len(numbers))


def _vectors(
    use: AppliedEncoder, encoder: "Encoder", region: str, rows: pa.RecordBatch, tiles: npt.NDArray[np.uint8]
) -> pa.Table:
    table = embedding_table(use.dimensions)
    ids, hashes = rows.column("synapse_id"), rows.column("tile_hash")
    return vector_rows(table, ids, region, hashes, use.model_id, _embedded(use, encoder, tiles))


def _embedded(use: AppliedEncoder, encoder: "Encoder", tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """Embeddings of the tiles, the same to the bit whatever tiles share the batch.

    Libraries sum in another order where few rows are left over at the end: in about one of 50 tiles that were computed alone a stored
    value of the texture differed in its last bit; in batches of eight or more, none did.
    """
    lacking = -len(tiles) % _WHOLE_BATCH
    filled = np.concatenate([tiles, np.repeat(tiles[-1:], lacking, axis=0)]) if lacking else tiles
    return encoder.embed(filled, use.device, use.precision)[: len(tiles)]


def _leave_vectors(store: DatasetStore, use: AppliedEncoder, region: str, rows: pa.Table) -> None:
    written = store.vectors(use.model_id, use.dimensions).write_part(region, rows)
    receipt = Receipt(written, rows.column("tile_hash").combine_chunks())
    vector_receipts(store, region, use.model_id).leave(_receipt_name(written.ids, receipt.hashes), receipt)


def _receipt_name(ids: pa.Array, hashes: pa.Array) -> str:
    return content_key(pa.table({"synapse_id": ids.cast(pa.string()), "hash": hashes}))


@lru_cache(maxsize=1)
def _encoder(store: DatasetStore, use: AppliedEncoder) -> "Encoder":
    """The encoder, kept for the next part of this process."""
    from synapse_assets.vision.encoder import Encoder

    encoder = Encoder.load(store.models("encoder").path(use.model_id))
    refuse_other_precision(use, encoder.spec)
    return encoder
