"""What a dataset on the detection chain stores, planted: synapses that were found in the tiny volume, and mitochondria with their map."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from synapse_assets.pipeline.detection.stored import MODEL, RULES_FILE
from synapse_assets.schema.detection import DETECTIONS, MITOCHONDRIA, PROBABILITY_MAPS, VOLUME_BLOCKS
from synapse_assets.stores import DatasetStore, Provenance
from synapse_assets.stores.volume_maps import Corner, VolumeMap
from synapse_assets_tests.conftest import FIRST_NEURON, VOXEL_SIZE_NM, planted_points

FINDER = "finder"
BLOCKS = ("em_0_0_0", "em_1_0_0")
VERSION = "0123456789ab"
DETECTOR = "dark"
Box = tuple[Corner, Corner]


def detections(block: str, **changes: object) -> pa.Table:
    """`schema.detection.DETECTIONS` of one block: every other of the planted synapses, with other columns where they are given."""
    points = planted_points().iloc[BLOCKS.index(block) :: len(BLOCKS)]
    count = len(points)
    middles = {axis: (points[axis].to_numpy() + 0.5) * size for axis, size in zip("xyz", VOXEL_SIZE_NM, strict=True)}
    columns: dict[str, object] = {
        "synapse_id": [f"found_{name}" for name in points["id"]],
        "brain_region": points["region"].tolist(),
        "block": [block] * count,
        "volume": ["em"] * count,
        **{f"{axis}_nm": middles[axis] for axis in "xyz"},
        "neuron_id": pa.array(points["neuron"].tolist(), pa.int64()),
        **{f"post_{axis}_nm": pa.nulls(count, pa.float64()) for axis in "xyz"},
        "partner_id": pa.array([FIRST_NEURON - 1] * count, pa.int64()),
        "partners": pa.array([1] * count, pa.int64()),
        "score": np.linspace(0.2, 0.9, count),
        "volume_nm3": pa.nulls(count, pa.float64()),
        "sections": pa.nulls(count, pa.int64()),
        "detector": ["sites"] * count,
        "version": [VERSION] * count,
    }
    return DETECTIONS.conform(pa.table({**columns, **changes}))


def write_detections(store: DatasetStore, block: str, rows: pa.Table, version: str = VERSION) -> None:
    """Writes a block as the asset `detections` does."""
    made_from = {"dataset": store.dataset, "sites": version}
    store.results(DETECTIONS).write_partition(block, rows, made_from)


@dataclass
class Finder:
    """A dataset that has searched its volume `em` for mitochondria with the detector `dark`. low, shape, chunk: of its map, z, y, x;
    pixel_nm: size of its pixels and of the volume's voxels, x, y, z. Boxes: first pixel and one past the last from `low`, z, y, x."""

    store: DatasetStore
    low: Corner
    shape: Corner
    chunk: Corner
    pixel_nm: tuple[float, float, float]

    @cached_property
    def volume_map(self) -> VolumeMap:
        x, y, z = np.add(self.low, self.shape)[::-1].tolist()
        folder = self.store.folder.child(*self._path.split("/"))
        return VolumeMap(folder, self.low, (z, y, x), self.chunk, self.pixel_nm, "planted")

    @property
    def _path(self) -> str:
        return f"maps/em/{DETECTOR}/{VERSION}/mitochondria"

    def place_nm(self, pixel: Sequence[float]) -> tuple[float, ...]:
        """x, y, z in nm of a place in the map, in pixels from its low corner, z, y, x."""
        return tuple(
            (at + low) * size for at, low, size in zip(pixel[::-1], self.low[::-1], self.pixel_nm, strict=True)
        )

    def plant(self, values: np.ndarray, bodies: Mapping[str, Box]) -> None:
        """Everything: the plan, the detector, the map with these values (z, y, x), and the mitochondria."""
        row = {
            "block": BLOCKS[0], "volume": "em", "detector": DETECTOR, "version": VERSION, "target": "mitochondria", "path": self._path,
            "pixel_nm": self.pixel_nm[0], "voxels": values.size, "marked_share": 0.0, "filled_sections": 0,
        }  # fmt: skip
        self.write(PROBABILITY_MAPS, [row])
        self.plan(self.pixel_nm)
        self.fit(self.store)
        self.map(values)
        self.find(bodies)

    def write(self, table: Any, rows: list[dict[str, Any]]) -> None:
        """Replaces the rows of the first block."""
        self.store.results(table).write_partition(BLOCKS[0], pa.Table.from_pylist(rows, schema=table.arrow))

    def plan(self, voxel_nm: tuple[float, float, float], volume: str = "em") -> None:
        """One block, of voxels of that size."""
        row: dict[str, Any] = {"block": BLOCKS[0], "volume": volume, "url": "nowhere"}
        for axis, size in zip("xyz", voxel_nm, strict=True):
            row |= {f"{axis}_low_voxels": 0, f"{axis}_high_voxels": 1000, f"voxel_{axis}_nm": size}
        self.store.results(VOLUME_BLOCKS).write(pa.Table.from_pylist([row], schema=VOLUME_BLOCKS.arrow))

    def fit(self, owner: DatasetStore) -> None:
        """The detector, in the store of its owner."""
        rules = {
            "targets": ["mitochondria"], "balls": False, "threshold": 0.5, "split_nm": None, "apart_nm": 80.0, "pair_nm": 120.0,
            "ball_nm": 40.0, "limits": {"min_nm3": 1e6, "max_nm3": 1e12, "min_sections": 1},
        }  # fmt: skip

        def save(folder: Path) -> None:
            (folder / DETECTOR).mkdir()
            (folder / DETECTOR / RULES_FILE).write_text(json.dumps(rules))

        owner.models(MODEL).save(VERSION, save, Provenance(MODEL, VERSION, {}, {}, 0))

    def map(self, values: np.ndarray) -> None:
        """Writes the map."""
        for first, end in self.volume_map.chunks(self.volume_map.low, self.volume_map.high):
            part = tuple(slice(a - c, b - c) for a, b, c in zip(first, end, self.low, strict=True))
            self.volume_map.write_chunk(first, values[part])

    def find(self, bodies: Mapping[str, Box]) -> None:
        """Writes the mitochondria, each at a pixel in its middle."""
        rows = []
        for name, (low, high) in bodies.items():
            x, y, z = self.place_nm([(a + b) // 2 + 0.5 for a, b in zip(low, high, strict=True)])
            row: dict[str, Any] = {
                "mitochondrion_id": name, "block": BLOCKS[0], "volume": "em", "x_nm": x, "y_nm": y, "z_nm": z, "cut_off": False,
                "volume_nm3": float(np.prod(np.subtract(high, low)) * np.prod(self.pixel_nm)), "sections": high[0] - low[0],
                "score": 0.6, "neuron_id": None, "detector": DETECTOR, "version": VERSION,
            }  # fmt: skip
            rows.append(row)
        self.write(MITOCHONDRIA, rows)
