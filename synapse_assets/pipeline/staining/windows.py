"""Cutting whole windows out of the pictures of a plate: what the stages of vectors, maps and search take for tiles of synapses."""

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from logging import Logger
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from synapse_assets.datasets import StainingDataset
from synapse_assets.pipeline.report import Check, Detail, Json, Picture, Report, Stopwatch, progress_logger
from synapse_assets.pipeline.staining.pictures import Pictures, white_level_of
from synapse_assets.schema import SYNAPSE_LABELS, SYNAPSES, TILES
from synapse_assets.stores import DatasetStore
from synapse_assets.stores.rows import changed_rows, content_key

SHEET_TILES = 24
# One more where the same picture gives other windows.
_METHOD = 1


@dataclass(frozen=True)
class _Windows:
    """The windows of a plate in three tables, in one order: `schema.SYNAPSES`, `schema.SYNAPSE_LABELS`, and synapse_id and crop_hash, which
    changes with anything that decides a window's pixels. corners: upper left corners (y, x) in pixels, by picture and id."""

    places: pa.Table
    labels: pa.Table
    crops: pa.Table
    corners: dict[str, dict[str, tuple[int, int]]]


def cut_windows(store: DatasetStore, dataset: StainingDataset, plate: str, log: Logger) -> Report:
    """Cuts the windows of the usable pictures of a plate that are new or have changed, and writes their places and labels.

    Windows lie side by side on a grid, what is left over is shared between the edges. Those that are cut are staged, so the next call
    continues one that was killed. Raises BadInput where a picture has changed since it was registered, and where the plates differ in
    the bits that they use (`pictures.white_level_of`).
    """
    watch = Stopwatch()
    pictures = Pictures.of(store, dataset, plate)
    white_level = white_level_of(store, dataset) if pictures.rows.num_rows else 0
    windows = _windows_of(dataset, plate, pictures.rows, white_level)
    changed, gone = store.tiles.changes(plate, windows.crops, "crop_hash")
    staging = store.staging("windows", plate, content_key(windows.crops))
    to_cut = set(changed.to_pylist()) - staging.done_ids()
    progress = progress_logger(log.info, f"{plate}: windows", len(to_cut))
    done = 0
    for rows in _cut(dataset, plate, pictures, windows, to_cut, white_level):
        staging.append(rows)
        done += rows.num_rows
        progress(done)
    moved, left = changed_rows(store.synapses.read(plate, SYNAPSES.names), windows.places)
    store.synapses.replace_region(plate, moved, left)
    store.results(SYNAPSE_LABELS).write_partition(plate, windows.labels)
    store.tiles.replace_region(plate, staging.reader() or TILES.empty(), gone)
    staging.clear()
    facts = store.tiles.read(plate, ["synapse_id", "tile_hash", "section_contrast"])
    targets = windows.labels.column("target")
    return Report(
        details={
            **_sheet(store, dataset, plate),
            "pictures": pictures.rows.num_rows,
            "white_level": white_level,
            "resumed_rows": len(changed) - len(to_cut),
            "removed_rows": len(gone),
            "labels": Json({str(row["values"]): row["counts"] for row in targets.value_counts().to_pylist()}),
            "mean_contrast": _mean_contrast(facts),
        },
        seconds=watch.seconds,
        rows=facts.num_rows,
        computed_rows=len(to_cut),
        content_version=content_key(
            facts.select(["synapse_id", "tile_hash"]), content_key(windows.places), content_key(windows.labels)
        ),
        checks=[_one_tile_per_window(store, plate, windows)],
    )


def corners_of(height: int, width: int, window_px: int) -> list[tuple[int, int]]:
    """Upper left corners (y, x) of the whole windows of a picture, side by side, row by row; what is left over is shared between the two
    edges, an odd pixel to the right and below. None where a window does not fit."""
    first_y, first_x = height % window_px // 2, width % window_px // 2
    return [
        (y, x)
        for y in range(first_y, height - window_px + 1, window_px)
        for x in range(first_x, width - window_px + 1, window_px)
    ]


def _windows_of(dataset: StainingDataset, plate: str, pictures: pa.Table, white_level: int) -> _Windows:
    size = dataset.window_px
    places: list[dict[str, Any]] = []
    labels: list[dict[str, Any]] = []
    crops: list[str] = []
    corners: dict[str, dict[str, tuple[int, int]]] = {}
    for row in pictures.to_pylist():
        image_id = row["image_id"]
        # Networks learn from pictures without a compound only.
        target = row["label"] if row["compound"] is None and row["label"] in dataset.classes else None
        group = _group(row, dataset.grouping[0])
        of_picture = corners.setdefault(image_id, {})
        for y, x in corners_of(row["height_px"], row["width_px"], size):
            window_id = f"{image_id}@{y}_{x}"
            of_picture[window_id] = (y, x)
            places.append(
                {
                    "synapse_id": window_id,
                    "brain_region": plate,
                    "volume": image_id,
                    "x_nm": (x + size / 2) * dataset.pixel_nm,
                    "y_nm": (y + size / 2) * dataset.pixel_nm,
                    "z_nm": 0.0,
                    "object_id": group,
                    "source": row["source"],
                    "source_file": os.path.basename(row["path"]),
                }
            )
            known = None if target is None else [target]
            labels.append({"synapse_id": window_id, "brain_region": plate, "target": target, "known_classes": known})
            made_from = f"{_METHOD}|{row['image_hash']}|{size}|{white_level}|{y}|{x}"
            crops.append(hashlib.sha256(made_from.encode()).hexdigest()[:16])
    return _Windows(
        pa.Table.from_pylist(places, schema=SYNAPSES.arrow),
        pa.Table.from_pylist(labels, schema=SYNAPSE_LABELS.arrow),
        pa.table(
            {
                "synapse_id": pa.array([place["synapse_id"] for place in places], pa.string()),
                "crop_hash": pa.array(crops, pa.string()),
            }
        ),
        corners,
    )


def _group(row: dict[str, Any], grouping: str) -> str | None:
    """What is held out together with a picture: its plate, culture, or well, which is one of its plate; None where that is unknown."""
    value: str | None = row[grouping]
    return f"{row['plate']}/{value}" if grouping == "well" and value else value


def _cut(
    dataset: StainingDataset, plate: str, pictures: Pictures, windows: _Windows, to_cut: set[str], white_level: int
) -> Iterator[pa.Table]:
    """Rows of `schema.TILES`, a picture at a time."""
    from synapse_assets.volumes.pictures import eight_bit

    columns = (windows.crops.column(name).to_pylist() for name in ("synapse_id", "crop_hash"))
    crop_hashes = dict(zip(*columns, strict=True))
    size = dataset.window_px
    for image_id, corners in windows.corners.items():
        wanted = {window_id: corner for window_id, corner in corners.items() if window_id in to_cut}
        if wanted:
            pixels = eight_bit(pictures.pixels(image_id), white_level)
            tiles = np.stack([pixels[:, y : y + size, x : x + size] for y, x in wanted.values()])
            hashes = [crop_hashes[window_id] for window_id in wanted]
            yield _tile_rows(dataset, plate, list(wanted), hashes, tiles)


def _tile_rows(
    dataset: StainingDataset, plate: str, ids: list[str], crop_hashes: list[str], tiles: npt.NDArray[np.uint8]
) -> pa.Table:
    from synapse_assets.volumes.cropping import section_contrast
    from synapse_assets.volumes.tile_codec import encode_tiles, tile_hash

    columns = {
        "synapse_id": pa.array(ids, pa.string()),
        "brain_region": pa.array([plate] * len(ids), pa.string()),
        "tile_hash": pa.array([tile_hash(tile) for tile in tiles], pa.string()),
        "crop_hash": pa.array(crop_hashes, pa.string()),
        "image": encode_tiles(tiles, dataset.tile.codec),
        "valid_fraction": pa.array([1.0] * len(ids), pa.float64()),
        "section_contrast": pa.array(list(section_contrast(tiles)), pa.list_(pa.float64())),
    }
    return TILES.conform(pa.table(columns))


def _one_tile_per_window(store: DatasetStore, plate: str, windows: _Windows) -> Check:
    count, wanted = store.tiles.count(plate), windows.crops.num_rows
    wrong = sum(map(len, store.tiles.changes(plate, windows.crops, "crop_hash")))
    return Check(
        "one_tile_per_window",
        count == wanted and not wrong,
        f"{count:,} tiles for {wanted:,} windows, {wrong:,} of other pixels or another place",
        numbers={"tiles": count, "windows": wanted},
    )


def _mean_contrast(facts: pa.Table) -> float:
    values = facts.column("section_contrast").combine_chunks().flatten().to_numpy()
    return float(np.mean(values)) if len(values) else 0.0


def _sheet(store: DatasetStore, dataset: StainingDataset, plate: str) -> dict[str, Detail]:
    from synapse_assets.volumes import decode_tiles, tile_sheet

    first = next(store.tiles.batches(plate, ["image"], SHEET_TILES), None)
    if first is None or first.num_rows == 0:
        return {}
    # A sheet of large windows would not fit into the database of the UI.
    tiles = decode_tiles(first.column("image"))[
        :, :1, :: max(1, dataset.window_px // 128), :: max(1, dataset.window_px // 128)
    ]
    side_um = dataset.window_px * dataset.pixel_nm / 1000
    text = f"A window is {side_um:,.0f} x {side_um:,.0f} micrometres. Shown is the first of the dataset's channels."
    return {"tile_sheet": Picture(tile_sheet(tiles, columns=8), "the first windows of the plate", text)}
