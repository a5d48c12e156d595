"""From synapses to rows of the tile table: what is requested, cut and encoded. Reading voxels belongs to the volume itself."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from synapse_assets.datasets import EmDataset
from synapse_assets.datasets.fingerprints import hashed_fields
from synapse_assets.datasets.volumes import PATIENCE
from synapse_assets.errors import BadInput
from synapse_assets.schema import TILE_PLAN, TILES
from synapse_assets.volumes import open_volume
from synapse_assets.volumes.plan import plan_tiles
from synapse_assets.volumes.tile_codec import encode_tiles, tile_hash
from synapse_assets.volumes.volume import Volume

# What a volume's description says that changes no pixel of a whole tile.
_NO_PIXEL = PATIENCE | {"space", "reader", "missing_chunks"}
# Was the codec when there was one. Which codec a tile is stored by is not hashed, but stored hashes end in this.
_PIXELS = "png-1"
_HASHED_ROWS = 2**16
_CONTRAST_VOXELS = 2**20  # grey values whose contrast is computed at a time, to hold memory down


def crop_hashes(dataset: EmDataset, synapses: pa.Table) -> pa.Table:
    """`synapse_id` and `crop_hash` of each synapse: a hash of everything that decides its pixels.

    `synapses` has columns synapse_id, volume, x_nm, y_nm, z_nm. A tile is cut again exactly when its crop hash changes.
    Raises BadInput for synapses of a volume that the dataset does not have (any more).
    """
    there = pc.unique(synapses.column("volume"))
    gone = there.filter(pc.invert(pc.is_in(there, value_set=pa.array(list(dataset.volumes), pa.string()))))
    if len(gone):
        raise BadInput(
            f"synapses lie in volume {gone.to_pylist()}, but the dataset has {list(dataset.volumes)}: materialise synapse_table and "
            "synapses again, they still name the volumes of an earlier dataset file"
        )
    volumes = {name: open_volume(spec) for name, spec in dataset.volumes.items()}
    parts = (synapses.slice(start, _HASHED_ROWS) for start in range(0, synapses.num_rows, _HASHED_ROWS))
    hashes = pa.chunked_array((_crop_hashes(dataset, volumes, part) for part in parts), pa.string())
    return pa.table({"synapse_id": synapses.column("synapse_id"), "crop_hash": hashes})


def _crop_hashes(dataset: EmDataset, volumes: Mapping[str, Volume], synapses: pa.Table) -> pa.Array:
    names, points_nm = synapses.column("volume").to_numpy(), _points(synapses)
    hashes = np.empty(synapses.num_rows, dtype=object)
    for name, volume in volumes.items():
        rows = np.flatnonzero(names == name)
        # A field that is left at its default is not written, so that a new one cuts no tile again.
        volume_json = dataset.volumes[name].model_dump_json(exclude=set(_NO_PIXEL), exclude_defaults=True)
        cut = json.dumps(hashed_fields(dataset.tile), separators=(",", ":"))
        about = f"{volume_json}|{cut}|{_PIXELS}"
        for row, voxel in zip(rows, volume.voxel_of(points_nm[rows]).tolist(), strict=True):
            hashes[row] = hashlib.sha256(f"{about}|{voxel}".encode()).hexdigest()[:16]
    return pa.array(hashes, pa.string())


def tiles_with_gaps(dataset: EmDataset, synapses: pa.Table, tiles: pa.Table) -> pa.Array:
    """Ids of the tiles that lack voxels which their volume has room for: a chunk was absent when they were cut.

    Only volumes where absent chunks are black have such tiles. `synapses` has synapse_id, volume, x_nm, y_nm, z_nm; `tiles`
    has synapse_id and valid_fraction.
    """
    ids = [pa.array([], pa.string())]
    for name, spec in dataset.volumes.items():
        part = synapses.filter(pc.equal(synapses.column("volume"), name))
        if spec.missing_chunks != "black" or not part.num_rows:
            continue
        volume = open_volume(spec)
        start, size = volume.tile_boxes(_points(part), dataset.tile)
        low, high = (edge[::-1] for edge in volume.bounds_voxels)
        share = np.prod((np.minimum(start + size, high) - np.maximum(start, low)) / size, axis=1)
        index = pc.index_in(tiles.column("synapse_id").combine_chunks(), part.column("synapse_id").combine_chunks())
        possible = pa.array(share).take(index)
        lacking = pc.less(tiles.column("valid_fraction").combine_chunks(), pc.subtract(possible, 1e-9))
        ids += tiles.column("synapse_id").filter(pc.fill_null(lacking, False)).chunks
    return pa.concat_arrays(ids)


def plan_region(dataset: EmDataset, region: str, synapses: pa.Table, todo: pa.Array) -> pa.Table:
    """`schema.TILE_PLAN` for the synapses in `todo`: what cutting their tiles takes. No voxel is read.

    `synapses` has columns synapse_id, volume, x_nm, y_nm, z_nm. Raises BadInput for a point outside its volume.
    """
    rows = []
    for name, points in _points_by_volume(dataset, synapses, todo):
        plan = plan_tiles(dataset.volumes[name], _points(points), dataset.tile)
        rows += [{"brain_region": region, "volume": name, **row} for row in plan.rows()]
    return pa.Table.from_pylist(rows, schema=TILE_PLAN.arrow)


def volume_remarks(dataset: EmDataset) -> dict[str, tuple[str, ...]]:
    """What the files of each volume leave open, by the volume's name; volumes without remarks are left out."""
    remarks = {name: open_volume(spec).remarks for name, spec in dataset.volumes.items()}
    return {name: sentences for name, sentences in remarks.items() if sentences}


def plan_in_use(plan: pa.Table) -> list[dict[str, Any]]:
    """The rows of a plan (`schema.TILE_PLAN`) that `crop_region` follows: of each volume the dataset's own scale, grouped."""
    first: dict[str, dict[str, Any]] = {}
    for row in plan.to_pylist():
        first.setdefault(row["volume"], row)
    return list(first.values())


@dataclass(frozen=True)
class CroppedBatch:
    """Some tiles as rows of `schema.TILES` and as they are, uint8 (n, sections, size_px, size_px); and how many chunks were found absent
    since the batch before."""

    rows: pa.RecordBatch
    tiles: npt.NDArray[np.uint8]
    missing_chunks: int


def crop_region(
    dataset: EmDataset, region: str, synapses: pa.Table, crops: pa.Table, todo: pa.Array
) -> Iterator[CroppedBatch]:
    """The tiles of the synapses in `todo`, in reading order.

    `crops` is what `crop_hashes` gives. Raises BadInput before the first byte is read if the volumes would fetch more than
    their download ceiling.
    """
    require_below_ceiling(dataset, region, synapses, todo)
    parts = []
    for name, part in _points_by_volume(dataset, synapses, todo):
        volume, points_nm = open_volume(dataset.volumes[name]), _points(part)
        ids = part.column("synapse_id").combine_chunks()
        at = pc.index_in(ids, value_set=crops.column("synapse_id").combine_chunks())
        parts.append((volume, ids, crops.column("crop_hash").combine_chunks().take(at), points_nm))
    for volume, ids, crop_hash, points_nm in parts:
        for batch in volume.read_tiles(points_nm, dataset.tile):
            here = pa.array(batch.indices)
            rows = pa.RecordBatch.from_arrays(
                [
                    ids.take(here),
                    pa.repeat(pa.scalar(region), len(here)),
                    pa.array([tile_hash(tile) for tile in batch.tiles], pa.string()),
                    crop_hash.take(here),
                    encode_tiles(batch.tiles, dataset.tile.codec),
                    pa.array(batch.valid_fraction, pa.float64()),
                    pa.array(list(section_contrast(batch.tiles)), pa.list_(pa.float64())),
                ],
                schema=TILES.arrow,
            )
            yield CroppedBatch(rows, batch.tiles, batch.missing_chunks)


def require_below_ceiling(dataset: EmDataset, region: str, synapses: pa.Table, todo: pa.Array) -> None:
    """Raises BadInput if cutting the tiles of the synapses in `todo` would fetch more than the download ceiling of a volume."""
    for name, part in _points_by_volume(dataset, synapses, todo):
        spec = dataset.volumes[name]
        estimate = open_volume(spec).estimate_download(_points(part), dataset.tile)
        if estimate.remote and estimate.bytes > spec.download_ceiling_gb * 1e9:
            raise BadInput(
                f"region {region}: cutting {part.num_rows:,} tiles would fetch {estimate} from '{name}', above its ceiling of "
                f"{spec.download_ceiling_gb:g} GB. Set trial_limit in the dataset's YAML, or raise download_ceiling_gb"
            )


def in_reading_order(dataset: EmDataset, synapses: pa.Table, part_tiles: int) -> Iterator[pa.Table]:
    """The rows of `synapses` (columns synapse_id, volume, x_nm, y_nm, z_nm, and others) in parts of at most `part_tiles` that lie together
    in a volume, so that few chunks are read for two of them."""
    for name, rows in _points_by_volume(dataset, synapses, synapses.column("synapse_id")):
        order = open_volume(dataset.volumes[name]).reading_order(_points(rows), dataset.tile)
        for start in range(0, len(order), part_tiles):
            # Taken, not sliced: a slice would be sent to another process with all the rest.
            yield rows.take(pa.array(order[start : start + part_tiles])).combine_chunks()


def _points_by_volume(dataset: EmDataset, synapses: pa.Table, todo: pa.Array) -> Iterator[tuple[str, pa.Table]]:
    rows = synapses.filter(pc.is_in(synapses.column("synapse_id"), value_set=todo))
    for name in dataset.volumes:
        part = rows.filter(pc.equal(rows.column("volume"), name))
        if part.num_rows:
            yield name, part


def section_contrast(tiles: npt.NDArray[np.uint8]) -> npt.NDArray[np.float64]:
    """Standard deviation of the grey values in each section of `tiles` (N, sections, size_px, size_px), float64 (N, sections).

    Exact up to the last division and root: sums of squares of up to 256 grey values are whole in float32.
    """
    count, sections, size_px, _ = tiles.shape
    values = tiles.reshape(count * sections, size_px, size_px)
    sums, squares = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
    number = np.float32 if size_px <= 256 else np.float64
    step = max(1, _CONTRAST_VOXELS // size_px**2)
    for start in range(0, len(values), step):
        part = slice(start, start + step)
        rows = values[part].astype(number)
        sums[part] = np.vecdot(rows, np.ones(size_px, number)).sum(axis=1, dtype=np.float64)
        squares[part] = np.vecdot(rows, rows).sum(axis=1, dtype=np.float64)
    pixels = size_px**2
    contrast: npt.NDArray[np.float64] = np.sqrt(pixels * squares - sums**2) / pixels
    return contrast.reshape(count, sections)


def _points(synapses: pa.Table) -> np.ndarray:
    return np.stack([synapses.column(axis).to_numpy() for axis in ("x_nm", "y_nm", "z_nm")], axis=1)
