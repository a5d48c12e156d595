"""A release of a detection dataset as the tests plant it: a volume with a black and a missing section, maps of two of its three blocks,
what was found, and how the detectors were scored."""

import io
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import tensorstore as ts
from PIL import Image

from synapse_assets.datasets import DetectionDataset
from synapse_assets.schema import Table, detection
from synapse_assets.stores import DatasetStore, build_warehouse

VOXEL_NM = (4.0, 4.0, 40.0)
# x, y, z
OFFSET, SHAPE = (96, 64, 5), (1000, 808, 12)
BLACK, MISSING = 9, 13
SMALL_OFFSET, SMALL_SHAPE = (0, 0, 0), (90, 70, 6)
# Low and high voxel of each block, x, y, z; the last has no maps yet, and the second none of mitochondria.
BLOCKS = {
    "em.0": ((96, 64, 5), (603, 872, 11)),
    "em.1": ((603, 64, 5), (1096, 872, 11)),
    "em.2": ((96, 64, 11), (1096, 872, 17)),
    "photographs.0": ((0, 0, 0), (90, 70, 6)),
}
VERSION = "v1"
# Detector, target, voxels of the volume along a side of a pixel, blocks that are made.
MAPS = (("clefts", "cleft", 3, ("em.0", "em.1")), ("mito", "mitochondria", 2, ("em.0",)))
THRESHOLDS = {"cleft": 0.6, "mitochondria": 0.5}
# Whatever a lab may call what it found.
HOSTILE = 'a "b" <i>&\'c/../d?x=1#y%2F'


def detection_dataset(folder: Path, name: str = "found", **changes: Any) -> DetectionDataset:
    """The dataset of the planted release, whose volumes lie in `folder`."""
    labels = {"kind": "hdf5", "url": "/nowhere/masks.h5", "voxel_size_nm": VOXEL_NM}
    values: dict[str, Any] = {
        "name": name,
        "title": "Found synapses",
        "description": "Planted maps for tests.",
        "chain": "detection",
        "volumes": {
            "em": {"kind": "precomputed", "url": str(folder / "em"), "voxel_size_nm": VOXEL_NM},
            "photographs": {"kind": "images", "url": str(folder / "photographs"), "voxel_size_nm": VOXEL_NM},
        },
        "annotations": [
            {"name": "clefts", "target": "cleft", "volume": "em", "labels": labels},
            {"name": "mitochondria", "target": "mitochondria", "volume": "em", "labels": labels},
        ],
        "detectors": {"clefts": {"targets": ["cleft"]}, "mito": {"targets": ["mitochondria"]}},
    }
    return DetectionDataset.model_validate({**values, **changes})


def png(pixels: np.ndarray) -> bytes:
    """Pixels as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def write_precomputed(
    folder: Path, scales: list[tuple[tuple[float, ...], tuple[int, ...], np.ndarray]], **scale: Any
) -> None:
    """A precomputed volume: resolution, offset (both x, y, z) and values (z, y, x) of each scale. Black chunks are written too."""
    for resolution, offset, values in scales:
        store = ts.open(
            {
                "driver": "neuroglancer_precomputed",
                "kvstore": {"driver": "file", "path": f"{folder}/"},
                "multiscale_metadata": {"type": "image", "data_type": "uint8", "num_channels": 1},
                "scale_metadata": {
                    "resolution": resolution,
                    "size": values.shape[::-1],
                    "voxel_offset": offset,
                    "chunk_size": (512, 512, 1),
                    "encoding": "raw",
                    **scale,
                },
                "store_data_equal_to_fill_value": True,
            },
            create=True,
            open=True,
        ).result()
        store[..., 0] = values.transpose(2, 1, 0)


def _synapses() -> list[dict[str, Any]]:
    rng = np.random.default_rng(1)
    rows = []
    for number in range(60):
        voxel = np.array(OFFSET) + (rng.random(3) * (SHAPE[0], SHAPE[1], 6)).astype(int)
        # The first lies in the middle of a pixel of the first view.
        place = (voxel + 0.5) * VOXEL_NM
        has_partner = number % 3 != 0
        rows.append(
            {
                "synapse_id": HOSTILE if number == 7 else f"found_{number:03d}",
                "brain_region": "UNASSIGNED" if number % 2 else "AL_L",
                "block": "em.0" if voxel[0] < 603 else "em.1",
                "volume": "em",
                **dict(zip(("x_nm", "y_nm", "z_nm"), place.tolist(), strict=True)),
                "neuron_id": 720575940600000001 + number if number % 4 else None,
                **dict(
                    zip(
                        ("post_x_nm", "post_y_nm", "post_z_nm"),
                        (place + np.array([60, 30, 0])).tolist() if has_partner else (None, None, None),
                        strict=True,
                    )
                ),
                "partner_id": None,
                "partners": number % 3,
                "score": round(0.5 + 0.5 * float(rng.random()), 3),
                "volume_nm3": 2.5e6,
                "sections": 1 + number % 4,
                "detector": "clefts",
                "version": VERSION,
            }
        )
    return rows


def _mitochondria() -> list[dict[str, Any]]:
    return [
        {
            "mitochondrion_id": f"m{number}",
            "block": "em.0",
            "volume": "em",
            "x_nm": 4.0 * (150 + 90 * number),
            "y_nm": 4.0 * (200 + 100 * number),
            "z_nm": 40.0 * (6 + number),
            "volume_nm3": 3.1e8,
            "sections": 5,
            "score": 0.8,
            "cut_off": number == 0,
            "neuron_id": None,
            "detector": "mito",
            "version": VERSION,
        }
        for number in range(4)
    ]


def _map(
    target: str, pixel: int, synapses: list[dict[str, Any]], bodies: list[dict[str, Any]]
) -> tuple[np.ndarray, np.ndarray]:
    """Balls around what was found, uint8 (z, y, x) over the whole volume, and its first pixel x, y, z."""
    first = np.array([OFFSET[0] // pixel, OFFSET[1] // pixel, OFFSET[2]])
    last = np.array([-(-(OFFSET[0] + SHAPE[0]) // pixel), -(-(OFFSET[1] + SHAPE[1]) // pixel), OFFSET[2] + SHAPE[2]])
    values = np.zeros((last - first)[::-1], np.uint8)
    # A little everywhere, so that every pixel can be told from its neighbours.
    z, y, x = np.ogrid[: values.shape[0], : values.shape[1], : values.shape[2]]
    values += ((3 * x + 5 * y + 11 * z) % 13).astype(np.uint8)
    radius = 40.0 if target == "cleft" else 220.0
    for row in synapses if target == "cleft" else bodies:
        centre = np.array([row["x_nm"], row["y_nm"], row["z_nm"]]) / (4.0 * pixel, 4.0 * pixel, 40.0) - first
        reach = radius / (4.0 * pixel)
        low = np.maximum(np.floor(centre[:2] - 2 * reach), 0).astype(int)
        high = np.minimum(np.ceil(centre[:2] + 2 * reach), values.shape[:0:-1]).astype(int)
        for section in range(max(0, int(centre[2]) - 2), min(len(values), int(centre[2]) + 3)):
            part = values[section, low[1] : high[1], low[0] : high[0]]
            yy, xx = np.indices(part.shape)
            away = np.hypot(xx + low[0] - centre[0], yy + low[1] - centre[1]) / reach
            away = np.hypot(away, (section - int(centre[2])) / 3)
            np.maximum(part, (250 * np.exp(-(np.maximum(away - 0.6, 0) ** 2) * 3)).astype(np.uint8), out=part)
    return values, first


def _scores() -> list[dict[str, Any]]:
    rows = []
    by_target = {
        "cleft": {"precision": 0.7, "recall": 0.74, "f1": 0.72, "dice": 0.65, "adgt_nm": 41.5, "adf_nm": 60.25},
        "mitochondria": {"f1": 0.53, "dice": 0.76, "iou": 0.61, "average_precision": 0.6},
    }
    for target, measures in by_target.items():
        for split, better in (("block", 0.0), ("next_sections", 0.11)):
            for objects in ("all", "limited") if target == "cleft" else ("all",):
                for measure, value in measures.items():
                    is_nm = measure.endswith("_nm")
                    better_value = value + (0 if is_nm else better + (0.1 if objects == "limited" else 0.0))
                    rows.append(
                        {
                            "detector": "clefts" if target == "cleft" else "mito",
                            "version": VERSION,
                            "target": target,
                            "split": split,
                            "measure": measure,
                            "objects": objects,
                            "value": better_value,
                            "low": None if is_nm else better_value - 0.14,
                            "high": None if is_nm else better_value + 0.11,
                            "annotated": 50,
                            "found": 58,
                            "tolerance_nm": 150.0 if measure in ("precision", "recall", "f1") else None,
                            "threshold": THRESHOLDS[target],
                            "sentence": f"{measure} of {target} by {split}, {objects}: said in words.",
                        }
                    )
    return rows


def _examined(synapses: list[dict[str, Any]], em: np.ndarray) -> list[dict[str, Any]]:
    rows = []
    for number, row in enumerate(synapses[:45]):
        outcome = ("found", "missed", "invented")[number % 3]
        x, y, z = (int(row[f"{axis}_nm"] / size) - low for axis, size, low in zip("xyz", VOXEL_NM, OFFSET, strict=True))
        tile = np.zeros((96, 96), np.uint8)
        part = em[z, max(y - 48, 0) : y + 48, max(x - 48, 0) : x + 48]
        tile[: part.shape[0], : part.shape[1]] = part
        tile[0, 0] = number
        rows.append(
            {
                "site_id": f"site {number}/{HOSTILE}" if number == 4 else f"site {number}",
                "detector": "clefts",
                "version": VERSION,
                "target": "cleft",
                "volume": "em",
                **{name: row[name] for name in ("x_nm", "y_nm", "z_nm")},
                "outcome": outcome,
                "score": None if outcome == "missed" else row["score"],
                "distance_nm": None if number == 1 else 10.0 + 37 * (number % 7),
                "object_id": None if outcome == "invented" else f"cleft:{number}",
                "fold": number % 4,
                "tile": png(tile),
            }
        )
    return rows


def _map_rows() -> list[dict[str, Any]]:
    return [
        {
            "block": block,
            "volume": "em",
            "detector": detector,
            "version": VERSION,
            "target": target,
            "path": f"maps/em/{detector}/{VERSION}/{target}",
            "pixel_nm": 4.0 * pixel,
            "voxels": 1_000_000,
            "marked_share": 0.02,
            "filled_sections": 1 if block == "em.0" else 0,
        }
        for detector, target, pixel, made in MAPS
        for block in made
    ]


def _write(store: DatasetStore, table: Table, rows: list[dict[str, Any]]) -> None:
    results = store.results(table)
    if "block" not in table.names or table is detection.VOLUME_BLOCKS:
        results.write(pa.Table.from_pylist(rows, schema=table.arrow))
        return
    for block in dict.fromkeys(row["block"] for row in rows):
        part = pa.Table.from_pylist([row for row in rows if row["block"] == block], schema=table.arrow)
        results.write_partition(block, part)


def write_volumes(folder: Path) -> dict[str, np.ndarray]:
    """Both volumes, and their values (z, y, x) by name: smooth noise with dark lines; one section is black, and one is not there."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(100, 200, (SHAPE[2], SHAPE[1] // 8, SHAPE[0] // 8), np.uint8)
    em = np.repeat(np.repeat(coarse, 8, axis=1), 8, axis=2)
    em += rng.integers(0, 30, em.shape[1:], np.uint8)
    y, x = np.ogrid[: SHAPE[1], : SHAPE[0]]
    lines = np.abs(np.sin(x / 61 + np.sin(y / 83) * 2)) < 0.06
    for number, section in enumerate(em):
        section[np.roll(lines, 5 * number, axis=1)] //= 3
    em[BLACK - OFFSET[2]] = 0
    quarters = [em[:, a::2, b::2].astype(np.uint16) for a in (0, 1) for b in (0, 1)]
    halved = ((sum(quarters) + 2) // 4).astype(np.uint8)
    own = (VOXEL_NM, OFFSET, em)
    coarser = ((8.0, 8.0, 40.0), (OFFSET[0] // 2, OFFSET[1] // 2, OFFSET[2]), halved)
    write_precomputed(folder / "em", [own, coarser])
    for path in folder.glob(f"em/*/*_{MISSING}-{MISSING + 1}"):
        path.unlink()
    small = rng.integers(1, 255, SMALL_SHAPE[::-1]).astype(np.uint8)
    (folder / "photographs").mkdir()
    for number, section in enumerate(small):
        Image.fromarray(section).save(folder / "photographs" / f"{number:03d}.png")
    return {"em": em, "photographs": small}


def plant(root: Path, folder: Path, dataset: DetectionDataset, *without: Table) -> SimpleNamespace:
    """Writes volumes, maps and tables but those named, and releases them: store, dataset, values of volumes and maps, and all rows."""
    store = DatasetStore(str(root), dataset.name)
    volumes = write_volumes(folder)
    synapses, bodies = _synapses(), _mitochondria()
    maps = {}
    for detector, target, pixel, made in MAPS:
        values, first = _map(target, pixel, synapses, bodies)
        path = Path(store.folder.root) / "maps" / "em" / detector / VERSION / target
        write_precomputed(path, [((4.0 * pixel, 4.0 * pixel, 40.0), tuple(first.tolist()), values)], encoding="png")
        highest = max(BLOCKS[block][1][2] for block in made)
        for chunk in path.glob("*/*_*_*"):
            if int(chunk.name.rpartition("_")[2].partition("-")[0]) >= highest:
                chunk.unlink()
        maps[target] = SimpleNamespace(values=values, first=first, pixel=pixel, path=path)
    content = {
        detection.VOLUME_BLOCKS: [
            {
                "block": block,
                "volume": block.partition(".")[0],
                **{f"{axis}_low_voxels": edge for axis, edge in zip("xyz", low, strict=True)},
                **{f"{axis}_high_voxels": edge for axis, edge in zip("xyz", high, strict=True)},
                **{f"voxel_{axis}_nm": size for axis, size in zip("xyz", VOXEL_NM, strict=True)},
                "url": "/nowhere/em",
            }
            for block, (low, high) in BLOCKS.items()
        ],
        detection.PROBABILITY_MAPS: _map_rows(),
        detection.DETECTIONS: synapses,
        detection.MITOCHONDRIA: bodies,
        detection.DETECTOR_SCORES: _scores(),
        detection.EXAMINED_SITES: _examined(synapses, volumes["em"]),
    }
    kept = {table: rows for table, rows in content.items() if table not in without}
    for table, rows in kept.items():
        _write(store, table, rows)
    release = {"models": {"detector": VERSION}, "scores": {"detector": {"clefts_seconds": 85.4}}}
    build_warehouse(store, [store.results(table) for table in kept], release)
    rows = {table.name: rows for table, rows in content.items()}
    return SimpleNamespace(
        store=store, dataset=dataset, volumes=volumes, maps=maps, rows=rows, root=root, folder=folder
    )


def planted(root: Path, *without: Table) -> SimpleNamespace:
    """`plant` in a new folder `root`."""
    folder = root / "volumes"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return plant(root / "data", folder, detection_dataset(folder), *without)
